"""Event streams under guard, for the ASGI middleware: events leave in order, when all their text is clear."""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from guardian.adapters._asgi_framing import Framing
from guardian.adapters._asgi_guard import Guard, told
from guardian.adapters._asgi_paths import Place
from guardian.adapters._asgi_routes import Route, Text, ToolCall, silenced, texts, tool_calls
from guardian.adapters._sse import Event

from guardian import Action, StreamGuard, Verdict
from guardian.extract import replaced

log = logging.getLogger("guardian")

_DONE = "[DONE]"


class _Channel:
    """One text of the answer between its arrival and its delivery. It remembers so many characters of what left last.

    `quiet` counts the characters that events said in other texts since this one was heard.
    """

    def __init__(self, guard: StreamGuard, remembers: int) -> None:
        self.guard = guard
        self.received = 0
        self.quiet = 0
        self.finished = False
        self._remembers = remembers
        self._cleared = ""
        self._left = ""
        self._lead = 0

    async def take(self, text: str) -> None:
        self.quiet = 0
        self.received += len(text)
        self._cleared += await self.guard.afeed(text)

    async def finish(self) -> None:
        self.finished = True
        self._cleared += await self.guard.afinish()

    async def follow(self, before: _Channel) -> None:
        """Go on with a text that was read to its end: what left of it last is read again, in front of what comes."""
        lead = (before._left + before._cleared)[-self._remembers :]
        self._lead = len(lead)
        await self.take(lead)

    def pop(self, length: int, end: int) -> str:
        """What leaves in the place of `length` characters up to `end`; the last of all have what is left."""
        if self._lead:
            self._left, self._cleared, self._lead = self._cleared[: self._lead], self._cleared[self._lead :], 0
        length = len(self._cleared) if self.finished and end == self.received else length
        out, self._cleared = self._cleared[:length], self._cleared[length:]
        self._left = (self._left + out)[-self._remembers :]
        return out


@dataclass(frozen=True, slots=True)
class _Piece:
    """What an event says of a text: its characters up to `end`."""

    text: Text
    channel: _Channel
    end: int


@dataclass(slots=True)
class _Held:
    """An event that waits, with what it says: `body` is its data, parsed where it is JSON that can hold text."""

    raw: bytes
    route: Route | None = None
    body: Any = None
    in_json: bool = True
    texts: Sequence[Text] = ()
    calls: Sequence[ToolCall] = ()
    pieces: list[_Piece] = field(default_factory=list)


class GuardedEvents:
    """The event stream that answers what was asked. What comes in is fed; what comes back may leave, and nothing else.

    Texts are told apart by their channel: each has a `StreamGuard` of its own. Pieces of tool calls are held to the end
    and checked whole. A rewritten text is spread over the events that carried it.
    """

    def __init__(self, guard: Guard, asked: str, routes: Sequence[Route], framing: Framing) -> None:
        self.form = framing
        self.stopped: Verdict | None = None
        """The verdict that cut the stream, if one did."""
        self._guard = guard
        self._asked = asked
        self._routes = routes
        self._channels: dict[Place, _Channel] = {}
        self._open: list[_Channel] = []
        self._calls: dict[Place, list[ToolCall]] = {}
        self._held: deque[_Held] = deque()
        self._route = routes[0]
        self._plain = False
        self._quoted = False
        self._objects = False
        self._finished = False
        self._rewritten = False
        self._delivered = False

    async def feed(self, chunk: bytes) -> bytes:
        """Take in bytes; returns those that may leave now."""
        out = [await self._take(event) for event in self.form.feed(chunk)]
        return b"".join([*out, self._leave()])

    async def finish(self) -> bytes:
        """The stream has ended: returns what may leave of what is held."""
        out = b"".join([await self._take(event) for event in self.form.finish()])
        if self._objects and not self._channels and not self._calls:
            log.warning("no text was found in an event stream under the route %r", self._route.path)
        for channel in self._open:
            await self._read_out(channel)
        for pieces in self._calls.values():
            if self.stopped is None:
                await self._judge(pieces)
        self._finished = True
        return out + self._leave()

    def ending(self, reply: str | None) -> bytes:
        """The events that end a stream that was cut: the reply, the verdict under `guardian`, and the mark of the end.

        A stream of bare text has the verdict in an event of its own, called `guardian`.
        """
        if (verdict := self.stopped) is None:
            raise ValueError("the stream was not cut")
        said = f"\n\n{reply}" if reply and self._delivered else reply or ""
        if not self._plain:
            return self.form.refusal(self._route, said, told(verdict))
        data = json.dumps(said) if self._quoted else said
        return (self.form.event(data) if said else b"") + self.form.verdict(told(verdict))

    async def _take(self, event: Event) -> bytes:
        """Read an event and hold it; comments leave at once, because they keep the connection alive."""
        raw: bytes = event.raw
        if self.stopped is not None:
            return b""
        if self.form.is_idle(event):
            return raw
        held = self._read(raw, None if event.data is None else event.data.decode("utf-8", "replace"))
        self._held.append(held)
        for text in held.texts:
            held.pieces.append(await self._hear(text))
        for call in held.calls:
            self._calls.setdefault(call.channel, []).append(call)
        await self._pass_over(held.pieces)
        return b""

    async def _hear(self, text: Text) -> _Piece:
        channel = self._channels.get(text.channel)
        if channel is None or channel.finished:
            channel = self._channels[text.channel] = await self._opened(channel)
            self._open.append(channel)
        await channel.take(text.text)
        self._heed(channel)
        return _Piece(text, channel, channel.received)

    async def _opened(self, before: _Channel | None) -> _Channel:
        """The channel of a text. One that goes on behind what has left cannot be rewritten there."""
        guard = self._guard.stream_guard(self._asked, rewrites=before is None)
        channel = _Channel(guard, self._guard.holdback_chars // 2)
        if before is not None:
            await channel.follow(before)
        return channel

    async def _pass_over(self, pieces: Sequence[_Piece]) -> None:
        """A text that was quiet for as long as one is held is read to its end: no event says that it has come to it."""
        said = sum(len(piece.text.text) for piece in pieces)
        heard = [piece.channel for piece in pieces]
        for channel in self._open:
            channel.quiet += 0 if channel in heard else said
            if channel.quiet >= self._guard.holdback_chars:
                await self._read_out(channel)
        self._open = [channel for channel in self._open if not channel.finished]

    async def _read_out(self, channel: _Channel) -> None:
        await channel.finish()
        self._heed(channel)

    def _heed(self, channel: _Channel) -> None:
        if channel.guard.cut:
            self.stopped = self.stopped or channel.guard.verdict

    def _read(self, raw: bytes, data: str | None) -> _Held:
        """Find the texts of an event. Bare text is text, whatever the routes say; an object may say other things."""
        if data is None or data.strip() == _DONE:
            return _Held(raw)
        body, in_json = _parsed(data)
        bare = isinstance(body, str)
        self._objects = self._objects or not bare
        route = self._routes[0] if bare else next((r for r in self._routes if r.speaks(body)), None)
        if route is None:
            return _Held(raw)
        parts = [text for text in texts(body, "$" if bare else route.chunk) if text.text]
        if parts:
            self._route, self._plain, self._quoted = route, bare, in_json
        return _Held(raw, route, body, in_json, parts, tool_calls(body, route))

    async def _judge(self, pieces: Sequence[ToolCall]) -> None:
        name = "".join(dict.fromkeys(piece.name for piece in pieces))
        whole = [piece.arguments for piece in pieces if isinstance(piece.arguments, Mapping)]
        arguments = whole[-1] if whole else "".join(str(piece.arguments) for piece in pieces)
        verdict = await self._guard.guardian.acheck_tool_call(name, arguments)
        if verdict.action >= Action.REDACT:
            self.stopped = verdict

    def _leave(self) -> bytes:
        """The events at the head of the queue of which nothing is held any more."""
        out: list[bytes] = []
        while self._held and self._may_leave(self._held[0]):
            out.append(self._written(self._held.popleft()))
        return b"".join(out)

    def _may_leave(self, event: _Held) -> bool:
        if event.calls and (not self._finished or self.stopped is not None):
            return False
        return all(piece.channel.guard.delivered >= piece.end for piece in event.pieces)

    def _written(self, event: _Held) -> bytes:
        """An event with what was cleared of its texts."""
        changes: dict[Place, Any] = {}
        for piece in event.pieces:
            self._delivered = True
            clear = piece.channel.pop(len(piece.text.text), piece.end)
            if clear != piece.text.text:
                changes[piece.text.place] = clear
        self._rewritten = self._rewritten or bool(changes)
        if not self._rewritten or event.route is None:
            return event.raw
        body = silenced(replaced(event.body, changes), event.route)
        if body == event.body:
            return event.raw
        return self.form.with_data(event.raw, json.dumps(body) if event.in_json else str(body))


def _parsed(data: str) -> tuple[Any, bool]:
    """The object, list or string that the data is in JSON, and True; or else the data itself, bare text, and False.

    A piece of bare text may look like a number in JSON, or like a list without strings.
    """
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        return data, False
    if isinstance(body, dict | str) or (isinstance(body, list) and texts(body, "$")):
        return body, True
    return data, False
