"""The command line in this process or as a program, always over a scripted backend."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from guardian.cli import common
from guardian.cli.app import app
from tests.cli.scripted import scripted

REPO = Path(__file__).resolve().parents[2]

Invoke = Callable[..., Result]


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """`invoke("scan", "hello", input=b"...")` in this process."""
    monkeypatch.setattr(common, "open_guardian", scripted)
    monkeypatch.delenv("GUARDIAN_DATA", raising=False)

    def run(*arguments: object, stdin: bytes | None = None) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin, prog_name="guardian")

    return run


@pytest.fixture
def program() -> Callable[..., subprocess.Popen[bytes]]:
    """`program("scan", "hello")` as a process of its own, with pipes at all three ends."""

    def start(*arguments: object, **environment: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.cli.scripted", *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=REPO,
            env={**os.environ, "PYTHONUTF8": "1", **environment},
        )

    return start
