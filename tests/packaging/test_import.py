"""`import guardian` is quick and changes nothing around it; tests/test_public.py says what it loads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

STATE = "(dict(os.environ), list(sys.path), list(logging.root.handlers), sys.gettrace(), sys.excepthook)"


def python(code: str, repo: Path) -> str:
    """What `code` prints in a fresh interpreter."""
    result = subprocess.run([sys.executable, "-c", code], cwd=repo, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_import_is_quick(repo: Path) -> None:
    """Processor time, so that a busy machine does not count; the best of three, so that a cold disk does not."""
    code = "import time; start = time.process_time(); import guardian; print(time.process_time() - start)"
    assert min(float(python(code, repo)) for _ in range(3)) < 0.3


def test_import_has_no_side_effects(repo: Path) -> None:
    code = f"import os, sys, logging, pydantic; before = {STATE}; import guardian; print(before == {STATE})"
    assert python(code, repo) == "True"
