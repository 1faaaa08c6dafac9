"""The example with a real model, which only `make llm` has: it is compiled."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    find_spec("llama_cpp") is None, reason="needs the extra local-llm, in an environment of its own"
)


@pytest.mark.model
def test_the_example(repo: Path) -> None:
    command: list[str | Path] = [sys.executable, "-W", "error", repo / "examples" / "local_llm" / "chat.py"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stderr
    said = result.stdout
    assert re.search(r"^whole - \w+: .*Paris", said, re.M), said
    assert re.search(r"^streamed - .*\w", said, re.M), said
    assert re.search(r"^harmful - content_filter: \w.*\n  requests that reached the model: 0$", said, re.M), said
    assert re.search(r"^document - \w+: ", said, re.M), said
    sent = re.search(r"^  as the model got it: (.*)$", said, re.M)
    assert sent, said
    assert "lentil soup" in sent[1]
    assert "previous instructions" not in sent[1]
