"""From what stands on the command line to what is scanned: texts, files, folders, standard input."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from guardian.documents import is_records
from guardian.errors import ConfigError

STDIN = "-"


class Reading(Enum):
    """How arguments are read."""

    AUTO = "auto"
    TEXT = "text"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class TextInput:
    """A text given as an argument. `source` is its name in all output."""

    source: str
    text: str


@dataclass(frozen=True, slots=True)
class FileInput:
    """A file, or standard input where `path` is None. `found` says that it was met in a folder, not asked for."""

    source: str
    path: Path | None
    records: bool
    found: bool = False


@dataclass(frozen=True, slots=True)
class Note:
    """Something was left out, on purpose."""

    message: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Something could not be read or judged."""

    message: str


Input = TextInput | FileInput | Note | Failure


def inputs_of(arguments: Sequence[str], reading: Reading, *, field: str | None = None) -> Iterator[Input]:
    """What `arguments` stand for, in their order; standard input where there are none and it is not a terminal."""
    if not arguments:
        if terminal_input():
            raise ConfigError("scan", 'nothing to scan: give a text, a file, a folder, or "-" for standard input')
        arguments = (STDIN,)
    if sys.stdin is None and STDIN in arguments and reading is not Reading.TEXT:
        raise ConfigError("scan", 'standard input is closed, so that there is nothing to read for "-"')
    texts = 0
    for argument in arguments:
        if argument == STDIN and reading is not Reading.TEXT:
            yield FileInput(STDIN, None, records=field is not None)
        elif reading is Reading.FILE or (reading is Reading.AUTO and os.path.lexists(argument)):
            yield from _path(Path(argument))
        elif reading is Reading.AUTO and _looks_like_path(argument):
            yield Failure(f"{argument}: no such file or folder (--text scans the words themselves)")
        else:
            texts += 1
            yield TextInput(f"argument {texts}", _as_text(argument))


def terminal_input() -> bool:
    """Whether standard input is somebody at a keyboard, or nothing at all."""
    return sys.stdin is None or sys.stdin.isatty()


def size_of(inputs: Iterable[Input]) -> int | None:
    """Bytes to read in all, for a progress bar; None where standard input makes it unknown."""
    total = 0
    for item in inputs:
        if isinstance(item, TextInput):
            total += len(item.text)
        elif isinstance(item, FileInput):
            if item.path is None:
                return None
            total += file_size(item.path)
    return total


def file_size(path: Path) -> int:
    """Bytes of a file, 0 where that cannot be known."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _as_text(argument: str) -> str:
    """Bytes that the locale could not decode, as UTF-8: under `LC_ALL=C` all but ASCII comes as lone surrogates."""
    return argument if argument.isascii() else os.fsencode(argument).decode("utf-8", "replace")


_SUFFIXES = frozenset(
    (
        *("txt", "md", "markdown", "rst", "rtf", "html", "htm", "xhtml", "xml", "pdf", "docx", "pptx", "xlsx"),
        *("json", "jsonl", "ndjson", "csv", "tsv", "log", "yaml", "yml", "toml", "py", "gz", "zip"),
    )
)


def _looks_like_path(argument: str) -> bool:
    """A word with a separator or with a suffix of some file type: more likely a slip than a text to check."""
    if len(argument) > 255 or any(c.isspace() for c in argument) or "://" in argument:
        return False
    suffix = Path(argument).suffix[1:]
    return "/" in argument or os.sep in argument or argument.startswith("~") or suffix.lower() in _SUFFIXES


def _path(path: Path) -> Iterator[Input]:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        yield Failure(f"{path}: {(error.strerror or 'cannot be read').lower()}")
        return
    if stat.S_ISDIR(mode):
        yield from _folder(path)
    else:  # a pipe, such as <(command), is read like a file
        yield FileInput(str(path), path, records=is_records(path))


def _folder(root: Path) -> Iterator[Input]:
    """All files below `root`, sorted, each folder's files before its subfolders. Hidden ones are left out."""
    hidden = special = files = 0
    unread: list[OSError] = []
    for folder, folders, names in os.walk(root, onerror=unread.append):
        hidden += sum(name.startswith(".") for name in (*folders, *names))
        links = [name for name in folders if Path(folder, name).is_symlink()]  # could lead round in a circle
        special += len([name for name in links if not name.startswith(".")])
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in links)
        for name in sorted(names):
            path = Path(folder, name)
            if name.startswith("."):
                continue
            if path.exists() and not path.is_file():  # reading a pipe or a device might never end
                special += 1
                continue
            files += 1
            yield FileInput(str(path), path, records=is_records(path), found=True)
    for error in unread:
        yield Failure(f"{error.filename}: {(error.strerror or 'cannot be read').lower()}")
    if hidden:
        yield Note(f"{root}: {hidden:,} hidden {'entry' if hidden == 1 else 'entries'} left out")
    if special:
        yield Note(
            f"{root}: {special:,} {'entry' if special == 1 else 'entries'} left out: links to folders, pipes, devices"
        )
    if not files and not unread:
        yield Failure(f"{root}: holds no file to scan")
