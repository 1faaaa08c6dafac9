"""Server-sent events: bytes to events and back, without losing what was not understood.

An event that nothing is changed in leaves as the bytes it came in; one whose data is changed keeps its other lines.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from guardian import InputError

_END = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_LINES = re.compile(rb"(\r\n|\n|\r)")
_BOM = b"\xef\xbb\xbf"

_FIELDS = frozenset({b"", b"data", b"event", b"id", b"retry", b"error"})
"""Fields of an event, `error` of some servers among them; that of a comment and of an empty line has no name."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event as it came. `data` is None where it has none: a comment, or a line that only sets an id.

    `foreign` says that it has lines that are none of an event: JSON without `data:`, or compressed bytes.
    """

    raw: bytes
    name: str | None = None
    data: bytes | None = None
    foreign: bool = False

    def json(self) -> dict[str, Any] | None:
        """Its data as an object, None where there is none to read; InputError where it is something else."""
        if self.data is None or self.data.strip() in (b"", b"[DONE]"):
            return None
        return json_object(self.data, "an event of the stream")

    def with_data(self, data: dict[str, Any]) -> bytes:
        """The event with other data, all its other lines as they were."""
        kept: list[bytes] = []
        written = False
        pieces = _LINES.split(self.raw)
        for line, ending in zip(pieces[::2], [*pieces[1::2], b""], strict=True):
            if _field(line)[0] != b"data":
                kept.append(line + ending)
            elif not written:
                kept.append(b"data: " + json.dumps(data).encode() + (ending or b"\n"))
                written = True
        return b"".join(kept)


def encoded(name: str | None, data: dict[str, Any]) -> bytes:
    """A new event."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data)}\n\n".encode()


class EventParser:
    """Cuts a stream of bytes into events, wherever its chunks begin and end."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that are complete with `chunk`."""
        self._buffer += chunk
        start = 0
        while (end := _END.search(self._buffer, max(start, self._searched))) is not None:
            yield _event(bytes(self._buffer[start : end.end()]))
            start = self._searched = end.end()
        del self._buffer[:start]
        self._searched = max(0, len(self._buffer) - 3)

    def finish(self) -> Iterator[Event]:
        """What is left when the stream ends within an event: clients read that too."""
        if self._buffer:
            yield _event(bytes(self._buffer))
            self._buffer.clear()


def json_object(content: bytes, what: str, *, strict: bool = False) -> dict[str, Any]:
    """A JSON object; InputError names what is none, and where it is `strict`, what says a key twice.

    Of two values under one key some servers take the first and some the last, so no check of either would do.
    """
    try:
        value = json.loads(content, object_pairs_hook=_unique if strict else None)
    except (ValueError, RecursionError):
        raise InputError(f"{what} is not JSON") from None
    if not isinstance(value, dict):
        raise InputError(f"{what} must be a JSON object, not {type(value).__name__}")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise InputError("an object has a key twice")
    return found


def _event(raw: bytes) -> Event:
    name: str | None = None
    data: list[bytes] = []
    foreign = False
    for line in _LINES.split(raw.removeprefix(_BOM))[::2]:
        field, value = _field(line)
        if field == b"event":
            name = value.decode("utf-8", "replace")
        elif field == b"data":
            data.append(value)
        foreign = foreign or field.strip() not in _FIELDS
    return Event(raw, name, b"\n".join(data) if data else None, foreign)


def _field(line: bytes) -> tuple[bytes, bytes]:
    field, _, value = line.removeprefix(_BOM).partition(b":")
    return field, value.removeprefix(b" ")
