"""`import guardian` is quick and changes nothing around it; tests/test_public.py says what it loads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

STATE = "(dict(os.environ), list(sys.path), list(logging.root.handlers), sys.gettrace(), sys.excepthook)"


def python(code: str, repo: Path) -> str:
    """What `code` prints in a fresh interpreter, which keeps its bytecode as installed programs do."""
    environ = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=repo, env=environ, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_import_is_quick(repo: Path) -> None:
    """Processor time, the best of five: a cold disk and a neighbour do not count."""
    if os.getloadavg()[0] > 2 * (os.cpu_count() or 1):
        pytest.skip("the machine is too busy to time anything")
    code = "import time; start = time.process_time(); import guardian; print(time.process_time() - start)"
    assert min(float(python(code, repo)) for _ in range(5)) < 0.3


def test_import_has_no_side_effects(repo: Path) -> None:
    code = f"import os, sys, logging, pydantic; before = {STATE}; import guardian; print(before == {STATE})"
    assert python(code, repo) == "True"
