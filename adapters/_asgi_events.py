"""Event streams under guard, for the ASGI middleware: events leave in order, when all their text is clear."""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from guardian.adapters._asgi_framing import Framing
from guardian.adapters._asgi_guard import told
from guardian.adapters._asgi_paths import Place, replaced
from guardian.adapters._asgi_routes import Route, Text, ToolCall, silenced, texts, tool_calls
from guardian.adapters._sse import Event

from guardian import Action, Guardian, StreamGuard, Verdict

log = logging.getLogger("guardian")

_DONE = "[DONE]"


@dataclass(slots=True)
class _Held:
    """An event that waits, with its texts: `body` is its data, parsed where it is JSON that can hold text."""

    raw: bytes
    route: Route | None = None
    body: Any = None
    in_json: bool = True
    texts: Sequence[Text] = ()
    ends: Mapping[Place, int] = field(default_factory=dict)
    calls: Sequence[ToolCall] = ()


class GuardedEvents:
    """The event stream of one answer. What comes in is fed; what comes back may leave, and nothing else.

    Texts are told apart by their channel: each has a `StreamGuard` of its own. Pieces of tool calls are held to the end
    and checked whole. A rewritten text is spread over the events that carried it.
    """

    def __init__(
        self, guardian: Guardian, routes: Sequence[Route], open_guard: Callable[[], StreamGuard], framing: Framing
    ) -> None:
        self._guardian = guardian
        self._routes = routes
        self._open = open_guard
        self._framing = framing
        self._guards: dict[Place, StreamGuard] = {}
        self._received: dict[Place, int] = {}
        self._cleared: dict[Place, str] = {}
        self._calls: dict[Place, list[ToolCall]] = {}
        self._held: deque[_Held] = deque()
        self._route = routes[0]
        self._plain = False
        self._quoted = False
        self._objects = False
        self._finished = False
        self._rewritten = False
        self._stopped: Verdict | None = None
        self.delivered = False

    @property
    def stopped(self) -> Verdict | None:
        """The verdict that cut the stream, if one did."""
        cut = (guard.verdict for guard in self._guards.values() if guard.cut)
        return self._stopped or next((verdict for verdict in cut if verdict is not None), None)

    async def feed(self, chunk: bytes) -> bytes:
        """Take in bytes; returns those that may leave now."""
        out = [await self._take(event) for event in self._framing.feed(chunk)]
        return b"".join([*out, self._leave()])

    async def finish(self) -> bytes:
        """The stream has ended: returns what may leave of what is held."""
        out = b"".join([await self._take(event) for event in self._framing.finish()])
        if self._objects and not self._guards and not self._calls:
            log.warning("no text was found in an event stream under the route %r", self._route.path)
        for channel, guard in self._guards.items():
            self._cleared[channel] += await guard.afinish()
        for pieces in self._calls.values():
            if self.stopped is None:
                await self._judge(pieces)
        self._finished = True
        return out + self._leave()

    def ending(self, reply: str) -> bytes:
        """The events that end a stream that was cut: the reply, the verdict under `guardian`, and the mark of the end.

        A stream of bare text has the verdict in an event of its own, called `guardian`.
        """
        if (verdict := self.stopped) is None:
            raise ValueError("the stream was not cut")
        reply = f"\n\n{reply}" if reply and self.delivered else reply
        framing = self._framing
        if self._plain:
            said = framing.event(json.dumps(reply) if self._quoted else reply) if reply else b""
            return said + framing.verdict(told(verdict))
        body = {**self._route.refused_chunk(reply), "guardian": told(verdict)}
        return framing.event(json.dumps(body)) + self._route.end(framing)

    async def _take(self, event: Event) -> bytes:
        """Read an event and hold it; comments leave at once, because they keep the connection alive."""
        raw: bytes = event.raw
        if self._framing.is_idle(event):
            return raw
        held = self._read(raw, None if event.data is None else event.data.decode("utf-8", "replace"))
        for text in held.texts:
            guard = self._guards.get(text.channel) or self._guards.setdefault(text.channel, self._open())
            self._cleared[text.channel] = self._cleared.get(text.channel, "") + await guard.afeed(text.text)
        for call in held.calls:
            self._calls.setdefault(call.channel, []).append(call)
        self._held.append(held)
        return b""

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
        ends: dict[Place, int] = {}
        for text in parts:
            ends[text.place] = self._received[text.channel] = self._received.get(text.channel, 0) + len(text.text)
        if parts:
            self._route, self._plain, self._quoted = route, bare, in_json
        return _Held(raw, route, body, in_json, parts, ends, tool_calls(body, route))

    async def _judge(self, pieces: Sequence[ToolCall]) -> None:
        name = "".join(dict.fromkeys(piece.name for piece in pieces))
        whole = [piece.arguments for piece in pieces if isinstance(piece.arguments, Mapping)]
        arguments = whole[-1] if whole else "".join(str(piece.arguments) for piece in pieces)
        verdict = await self._guardian.acheck_tool_call(name, arguments)
        if verdict.action >= Action.REDACT:
            self._stopped = verdict

    def _leave(self) -> bytes:
        """The events at the head of the queue of which nothing is held any more."""
        leaving: list[_Held] = []
        while self._held and self._may_leave(self._held[0]):
            leaving.append(self._held.popleft())
        last = {text.channel: id(event) for event in leaving for text in event.texts} if self._finished else {}
        return b"".join(self._written(event, last) for event in leaving)

    def _may_leave(self, event: _Held) -> bool:
        if event.calls and (not self._finished or self.stopped is not None):
            return False
        return all(self._guards[text.channel].delivered >= event.ends[text.place] for text in event.texts)

    def _written(self, event: _Held, last: Mapping[Place, int]) -> bytes:
        """An event with what was cleared of its texts; the last one of a channel has all that is left."""
        changes: dict[Place, Any] = {}
        for text in event.texts:
            clear = self._cleared[text.channel]
            length = len(clear) if last.get(text.channel) == id(event) else len(text.text)
            self._cleared[text.channel] = clear[length:]
            self.delivered = True
            if clear[:length] != text.text:
                changes[text.place] = clear[:length]
        self._rewritten = self._rewritten or bool(changes)
        if not self._rewritten or event.route is None:
            return event.raw
        body = silenced(replaced(event.body, changes), event.route)
        if body == event.body:
            return event.raw
        return self._framing.with_data(event.raw, json.dumps(body) if event.in_json else str(body))


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
