"""How a streamed answer is cut into events: server-sent events, or JSON with one value a line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from guardian.adapters._asgi_forms import Form
from guardian.adapters._asgi_routes import Route
from guardian.adapters._sse import Event, EventParser

EVENTS = "text/event-stream"
LINES = (
    "application/jsonl",
    "application/x-ndjson",
    "application/ndjson",
    "application/x-jsonlines",
    "application/jsonlines",
    "application/json-lines",
)

_LINE_END = re.compile(rb"\r\n|\n|\r")


class Framing(Form, Protocol):
    """Cuts bytes into events and makes events anew. It belongs to one stream."""

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that are complete with `chunk`."""

    def finish(self) -> Iterator[Event]:
        """What is left when the stream ends within an event."""

    def is_idle(self, event: Event) -> bool:
        """Whether it only keeps the connection alive."""

    def with_data(self, raw: bytes, data: str) -> bytes:
        """An event with other data, all else of it as it was."""

    def event(self, data: str) -> bytes:
        """A new event."""

    def verdict(self, told: Mapping[str, Any]) -> bytes:
        """An event that tells of a verdict, in a stream of bare text."""


class EventFraming:
    """Server-sent events."""

    content_type = f"{EVENTS}; charset=utf-8"

    def __init__(self) -> None:
        self._parser = EventParser()

    def feed(self, chunk: bytes) -> Iterator[Event]:
        return self._parser.feed(chunk)

    def finish(self) -> Iterator[Event]:
        return self._parser.finish()

    def is_idle(self, event: Event) -> bool:
        return {line[:1] for line in _LINE_END.split(event.raw)} == {b":", b""}

    def with_data(self, raw: bytes, data: str) -> bytes:
        return _event([line for line in _LINE_END.split(raw) if line and not line.startswith(b"data")], data)

    def event(self, data: str) -> bytes:
        return _event([], data)

    def verdict(self, told: Mapping[str, Any]) -> bytes:
        return _event([b"event: guardian"], json.dumps(told))

    def refusal(self, route: Route, reply: str, told: Mapping[str, Any]) -> bytes:
        said = self.event(json.dumps({**route.refused_chunk(reply), "guardian": told}))
        return said + self.event(route.done) if route.done else said


class LineFraming:
    """JSON with one value a line."""

    def __init__(self, media: str = LINES[0]) -> None:
        self.content_type = f"{media}; charset=utf-8"
        self._buffer = bytearray()

    def feed(self, chunk: bytes) -> Iterator[Event]:
        searched = len(self._buffer)
        self._buffer += chunk
        start = 0
        while (end := self._buffer.find(b"\n", max(start, searched))) >= 0:
            yield _line(bytes(self._buffer[start : end + 1]))
            start = end + 1
        del self._buffer[:start]

    def finish(self) -> Iterator[Event]:
        if self._buffer:
            yield _line(bytes(self._buffer))
            self._buffer.clear()

    def is_idle(self, event: Event) -> bool:
        return event.data is None

    def with_data(self, raw: bytes, data: str) -> bytes:
        ending = raw[len(raw.rstrip()) :] or b"\n"
        return data.encode("utf-8", "replace") + ending

    def event(self, data: str) -> bytes:
        return data.encode("utf-8", "replace") + b"\n"

    def verdict(self, told: Mapping[str, Any]) -> bytes:
        return self.event(json.dumps({"guardian": told}))

    def refusal(self, route: Route, reply: str, told: Mapping[str, Any]) -> bytes:
        return self.event(json.dumps({**route.refused_chunk(reply), "guardian": told}))


def framing_of(media: str) -> Framing | None:
    """How a stream of this media type is framed; None where it is no stream of events."""
    if media == EVENTS:
        return EventFraming()
    return LineFraming(media) if media in LINES else None


def _line(raw: bytes) -> Event:
    return Event(raw, data=raw.strip() or None)


def _event(others: Sequence[bytes], data: str) -> bytes:
    lines = [f"data: {line}".encode("utf-8", "replace") for line in data.split("\n")]
    return b"\n".join([*others, *lines, b"", b""])
