"""The command as a process: pipes, signals, memory."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

Program = Callable[..., subprocess.Popen[bytes]]


def _finish(process: subprocess.Popen[bytes], stdin: bytes = b"") -> tuple[int, str, str]:
    out, err = process.communicate(stdin, timeout=120)
    return process.returncode, out.decode(), err.decode()


@pytest.mark.parametrize(
    ("stdin", "code"), [(b"hello", 0), (b"a bomb", 1), (bytes(range(256)), 2), (b"", 0), ("bombé".encode()[:-1], 1)]
)
def test_the_exit_code_says_what_was_found(program: Program, stdin: bytes, code: int) -> None:
    status, out, err = _finish(program("scan", "--json"), stdin)
    assert status == code, err
    assert "Traceback" not in err
    assert len(out.splitlines()) == (code != 2)


@pytest.mark.parametrize("as_json", [True, False])
def test_head_ends_it_quietly(program: Program, tmp_path: Path, as_json: bool) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a bomb"}\n' * 3000)  # more than the pipe between them holds
    process = program("scan", *(["--json"] if as_json else []), tmp_path / "a.jsonl")
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


@pytest.mark.parametrize("as_json", [True, False])
def test_interrupting_leaves_what_was_done(program: Program, tmp_path: Path, as_json: bool) -> None:
    rows = ["a bomb"] * 200 + ["INTERRUPT"] + ["a bomb"] * 200
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": row}) + "\n" for row in rows))
    code, out, err = _finish(program("scan", *(["--json"] if as_json else []), tmp_path / "a.jsonl"))
    assert code == 130
    assert err.startswith("interrupted; so far: 192 scanned, 192 flagged")
    assert "Traceback" not in err
    if as_json:
        assert len([json.loads(line) for line in out.splitlines()]) == 192
    else:
        assert f"{tmp_path / 'a.jsonl'}:192  prompt blocked" in out


def test_interrupting_a_long_text_leaves_what_was_read(program: Program, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a bomb " + "x " * 400_000 + "INTERRUPT " + "x " * 200_000)
    code, out, err = _finish(program("scan", "--json", tmp_path / "a.txt"))
    assert code == 130
    assert "Traceback" not in err
    (row,) = [json.loads(line) for line in out.splitlines()]
    assert row["action"] == "block"
    assert row["coverage"]["complete"] is False
    assert row["coverage"]["chars"] == 1 << 19


def test_a_pipe_as_a_path_is_read(program: Program, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    process = program("scan", "--json", tmp_path / "pipe")
    (tmp_path / "pipe").write_text("a bomb")
    code, out, err = _finish(process)
    assert code == 1, err
    assert json.loads(out)["stage"] == "document"


def test_a_poor_terminal_encoding_ends_nothing(program: Program) -> None:
    process = program("scan", "a bomb \u4e2d\u6587 \u20ac", PYTHONUTF8="0", PYTHONIOENCODING="ascii", LC_ALL="C")
    code, out, err = _finish(process)
    assert code == 1, err
    assert "\\u4e2d" in out


def test_python_dash_m(program: Program) -> None:
    del program
    done = subprocess.run([sys.executable, "-m", "guardian", "--version"], capture_output=True, check=False, timeout=60)
    assert done.returncode == 0
    assert done.stdout.startswith(b"guardian ")


def test_records_and_long_texts_need_little_memory(program: Program, tmp_path: Path) -> None:
    """100 MB each, of which the command holds a few at a time."""
    (tmp_path / "small.txt").write_text("hello")
    (tmp_path / "long.txt").write_text("all of it words. " * 6_000_000)
    with (tmp_path / "a.jsonl").open("w") as file:
        for _ in range(1000):
            file.write(json.dumps({"text": "words " * 17_000}) + "\n")
    peaks = {}
    for name in ("small.txt", "long.txt", "a.jsonl"):
        with program("scan", "--quiet", tmp_path / name, SCRIPTED_INSTANT="1") as process:
            peaks[name] = _peak_kb(process)
        assert process.returncode == 0
    assert max(peaks.values()) - peaks["small.txt"] < 30_000, peaks


def _peak_kb(process: subprocess.Popen[bytes]) -> int:
    """The peak resident size until the process ends, as Linux counts it."""
    status = Path(f"/proc/{process.pid}/status")
    if not status.exists():
        pytest.skip("needs /proc")
    peak = 0
    while process.poll() is None:
        lines = status.read_text().splitlines()
        peak = max([peak, *(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))])
        time.sleep(0.05)
    return peak


def test_a_terminal_gets_colours_and_a_bar(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a bomb"}\n' * 100)
    repo = Path(__file__).resolve().parents[2]
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.cli.scripted", "scan", "-q", str(tmp_path / "a.jsonl")],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=repo,
        env={**os.environ, "SCRIPTED_PATIENCE": "0", "TERM": "xterm-256color", "COLUMNS": "100"},
    )
    os.close(slave)
    screen = b""
    while select.select([master], [], [], 60)[0]:
        try:
            screen += os.read(master, 1 << 16)
        except OSError:  # the other end is closed
            break
    os.close(master)
    assert process.wait(60) == 1
    assert b"\x1b[1;7;31m" in screen or b"\x1b[7" in screen or b";7;" in screen
    assert "━".encode() in screen
    assert b"a.jsonl" in screen
    assert b">>>" not in screen
