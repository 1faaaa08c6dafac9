"""An answer in server-sent events under guard: an event leaves, as it came, when all it says is clear.

Events leave in their order. Each text has a guard of its own; what the policy cuts out of one is cut out of its events;
a tool call waits until it is complete and was checked. A choice that is stopped ends as its API ends one, and nothing
more of it leaves; how the bytes came makes no difference to what is said.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from guardian.adapters._sse import Event, encoded
from guardian.adapters._wire import (
    Ask,
    Hold,
    Json,
    Key,
    OnBlock,
    Path,
    Reader,
    Steps,
    Text,
    Tool,
    at,
    error_body,
    error_of,
    has,
    put,
    reply_of,
)

from guardian import Action, Guardian, InputError, StreamGuard, Verdict


@dataclass(slots=True)
class _Segment:
    """What became of the stretch [start, end) of a text: `exact` where that is the text itself."""

    start: int
    end: int
    text: str
    exact: bool


class _Channel:
    """One text of the answer between its arrival and its delivery."""

    def __init__(self, key: Key, group: int, guard: StreamGuard) -> None:
        self.key = key
        self.group = group
        self.guard = guard
        self.received = 0
        self.quiet = 0  # characters that its choice said in other texts since
        self.finished = False
        self._waiting = ""
        self._segments: deque[_Segment] = deque()
        self.said: list[str] = []
        self.sent: list[str] = []

    def take(self, text: str) -> Steps[None]:
        self.received += len(text)
        self._waiting += text
        self.said.append(text)
        self._settle((yield Ask(self.guard, "feed", (text,))))

    def finish(self) -> Steps[None]:
        self.finished = True
        self._settle((yield Ask(self.guard, "finish", ())))

    def _settle(self, out: str) -> None:
        start = self.received - len(self._waiting)
        count = self.guard.delivered - start
        if count:
            text, self._waiting = self._waiting[:count], self._waiting[count:]
            self._segments.append(_Segment(start, start + count, out, out == text))
            self.sent.append(out)

    def between(self, start: int, end: int) -> str:
        """What leaves in place of the stretch [start, end), of which all is clear. Asked for in order."""
        self._until(start)  # text of a lead, which has left before
        return self._until(end)

    def _until(self, end: int) -> str:
        out: list[str] = []
        while self._segments and self._segments[0].start < end:
            segment = self._segments[0]
            if segment.end <= end:
                self._segments.popleft()
                out.append(segment.text)
                continue
            count = end - segment.start if segment.exact else len(segment.text)
            out.append(segment.text[:count])
            segment.start, segment.text = end, segment.text[count:]
        return "".join(out)


@dataclass(slots=True)
class _Call:
    """One call of a tool, or something that is held without being read."""

    key: Key
    group: int
    name: str = ""
    arguments: list[str] = field(default_factory=list)
    clear: bool = False

    @property
    def read(self) -> bool:
        return bool(self.name or self.arguments)


@dataclass(slots=True)
class _Piece:
    """What an event says of a text: the stretch [start, end) of it."""

    channel: _Channel
    path: Path
    start: int
    end: int


@dataclass(slots=True)
class _Held:
    """An event that waits for what it says. One that ends a choice has `ends` in place of an event."""

    event: Event
    data: Json = field(default_factory=dict)
    pieces: list[_Piece] = field(default_factory=list)
    calls: list[_Call] = field(default_factory=list)
    changed: bool = False
    ends: tuple[int, Verdict] | None = None

    @property
    def clear(self) -> bool:
        return all(p.channel.guard.delivered >= p.end for p in self.pieces) and all(c.clear for c in self.calls)


class GuardedEvents:
    """The events of one answer to `prompt`, of which `choices` were asked for.

    `over` says that the stream was stopped as a whole: nothing comes back any more, and the upstream can be closed.
    """

    def __init__(
        self, guardian: Guardian, reader: Reader, prompt: str, *, choices: int, on_block: OnBlock, holdback_chars: int
    ) -> None:
        self._guardian = guardian
        self._reader = reader
        self._prompt = prompt
        self._choices = choices
        self._on_block = on_block
        self._holdback_chars = holdback_chars
        self._channels: dict[Key, _Channel] = {}
        self._calls: dict[Key, _Call] = {}
        self._sent: dict[str, str] = {}  # texts that were read to their end, and what left of them
        self._called: set[tuple[str, str]] = set()  # tool calls that are clear
        self._stopped: dict[int, Verdict] = {}
        self._ended: set[int] = set()
        self._held: deque[_Held] = deque()
        self.over = False

    def feed(self, event: Event) -> Steps[list[bytes]]:
        """Take in an event; returns what may leave now. InputError where it cannot be read."""
        if self.over:
            return []
        if event.foreign:
            raise InputError("the stream is not one of events")
        if event.data is None:  # a comment keeps the connection alive: it does not wait
            return [event.raw]
        data = event.json()
        if data is None:
            self._held.append(_Held(event))
            return self._leave()
        held = self._without_stopped(_Held(event, data))
        if held is None:
            return []
        read = self._reader.read(held.data)
        if read.keepalive:
            return [event.raw]
        self._held.append(held)
        for part in read.parts:
            yield from self._part(part, held)
        for key in read.done:
            yield from self._finish(key)
        for whole in read.wholes:
            yield from self._whole(whole, held)
        self._cut()
        return self._leave()

    def finish(self) -> Steps[list[bytes]]:
        """The stream has ended, in good order or not: returns what may leave of what is held."""
        if self.over:
            return []
        yield from self._finish(())
        self._cut()
        out = self._leave()
        if self._held:
            out.append(unreadable_event(InputError("the stream ended before all of it could be read")))
        return out

    # -- reading

    def _part(self, part: Text | Tool | Hold, held: _Held) -> Steps[None]:
        if isinstance(part, Text):
            if part.text:
                yield from self._text(part, held)
            return
        call = self._calls.setdefault(part.key, _Call(part.key, part.group))
        held.calls.append(call)
        if isinstance(part, Tool):
            if call.clear:
                raise InputError("a tool call of the stream goes on after its end")
            call.name = call.name or part.name
            call.arguments.append(part.arguments)

    def _text(self, part: Text, held: _Held) -> Steps[None]:
        channel = self._channels.get(part.key) or self._opened(part.key, part.group, rewrites=part.rewrites)
        if channel.finished and not channel.guard.cut:
            channel = yield from self._resumed(channel)
        held.pieces.append(_Piece(channel, part.path, channel.received, channel.received + len(part.text)))
        others = [c for c in self._channels.values() if c.group == part.group and c is not channel]
        channel.quiet = 0
        text = part.text
        while text and not any(c.guard.cut for c in (channel, *others)):
            waiting = [other for other in others if not other.finished]
            room = min((self._holdback_chars - other.quiet for other in waiting), default=len(text))
            yield from channel.take(text[:room])
            if not channel.guard.cut:
                yield from self._pass_over(waiting, len(text[:room]))
            text = text[room:]

    def _pass_over(self, waiting: Sequence[_Channel], count: int) -> Steps[None]:
        """A text that was quiet for as long as one is held is read to its end: not every API says that it has one."""
        for channel in waiting:
            channel.quiet += count
            if channel.quiet == self._holdback_chars:
                yield from self._end_text(channel)

    def _resumed(self, before: _Channel) -> Steps[_Channel]:
        """A text that goes on after all: what comes is read behind what left last."""
        if before.quiet < self._holdback_chars:
            raise InputError("a text of the stream goes on after its end")
        channel = self._opened(before.key, before.group, rewrites=False)
        yield from channel.take("".join(before.sent)[-self._holdback_chars // 2 :])
        return channel

    def _opened(self, key: Key, group: int, *, rewrites: bool) -> _Channel:
        guard = self._guardian.stream_guard(self._prompt, holdback_chars=self._holdback_chars, rewrites=rewrites)
        channel = self._channels[key] = _Channel(key, group, guard)
        return channel

    def _end_text(self, channel: _Channel) -> Steps[None]:
        yield from channel.finish()
        if not channel.guard.cut:
            self._sent["".join(channel.said)] = "".join(channel.sent)

    def _finish(self, key: Key) -> Steps[None]:
        """All that begins with `key` is complete: read its rest."""
        for channel in [c for c in self._channels.values() if not c.finished and c.key[: len(key)] == key]:
            yield from self._end_text(channel)
        for call in [c for c in self._calls.values() if not c.clear and c.key[: len(key)] == key]:
            if call.read:
                yield from self._call(call.name, "".join(call.arguments), call.group)
            if key or call.read:  # what is held without being read waits for what is
                call.clear = call.group not in self._stopped

    def _whole(self, whole: Text | Tool, held: _Held) -> Steps[None]:
        """What was said in parts before, or is said only now, all at once."""
        if isinstance(whole, Tool):
            yield from self._call(whole.name, whole.arguments, whole.group)
            return
        if whole.text and whole.text not in self._sent:
            (verdict,) = yield Ask(self._guardian, "check_responses", (self._prompt, [whole.text]))
            if verdict.blocked or (verdict.action is Action.REDACT and not whole.rewrites):
                self._stopped.setdefault(whole.group, verdict)
                return
            self._sent[whole.text] = verdict.redact(whole.text)
        self._replace(held, whole.path, self._sent.get(whole.text, ""))

    def _call(self, name: str, arguments: str, group: int) -> Steps[None]:
        if group in self._stopped or (name, arguments) in self._called:
            return
        verdict = yield Ask(self._guardian, "check_tool_call", (name, arguments))
        if verdict.action >= Action.REDACT:
            self._stopped.setdefault(group, verdict)
        else:
            self._called.add((name, arguments))

    # -- stopping

    def _cut(self) -> None:
        """End every choice that was stopped by now."""
        for channel in self._channels.values():
            if channel.guard.cut and channel.guard.verdict is not None:
                self._stopped.setdefault(channel.group, channel.guard.verdict)
        for group, verdict in self._stopped.items():
            if group not in self._ended:
                self._ended.add(group)
                self._end(group, verdict)
                self._channels = {key: c for key, c in self._channels.items() if c.group != group}

    def _end(self, group: int, verdict: Verdict) -> None:
        """Keep of a choice only what was cleared before it was stopped, and put its end after that."""
        before = [self._cleared(held, group) for held in self._held]
        last = max((i for i, held in enumerate(before) if held is not None and _says(held, group)), default=-1)
        after = [held and self._without(held, group) for held in before[last + 1 :]]
        ending = _Held(Event(b""), ends=(group, verdict))
        self._held = deque(held for held in (*before[: last + 1], ending, *after) if held is not None)

    def _cleared(self, held: _Held, group: int) -> _Held | None:
        """The event with the part of its texts that was cleared; None where there is none left."""
        if not _says(held, group) and not any(call.group == group for call in held.calls):
            return held
        mine = [piece for piece in held.pieces if piece.channel.group == group]
        if not any(piece.start < piece.channel.guard.delivered for piece in mine):
            held.pieces = [piece for piece in held.pieces if piece not in mine]
            held.calls = [call for call in held.calls if call.group != group]
            return self._without(held, group)
        held.calls = [call for call in held.calls if call.group != group]
        self._reader.truncate(held.data, group)
        held.changed = True
        held.pieces = [piece for piece in held.pieces if has(held.data, piece.path)]
        for piece in mine:
            piece.end = max(piece.start, min(piece.end, piece.channel.guard.delivered))
        return held

    def _without(self, held: _Held, group: int) -> _Held | None:
        if held.ends is not None or not held.data:
            return held
        data = self._reader.without(held.data, group)
        if data is None:
            return None
        held.changed = held.changed or data is not held.data
        held.data = data
        return held

    def _without_stopped(self, held: _Held) -> _Held | None:
        left: _Held | None = held
        for group in self._stopped:
            left = left and self._without(left, group)
        return left

    # -- leaving

    def _leave(self) -> list[bytes]:
        out: list[bytes] = []
        while self._held and self._held[0].clear:
            held = self._held.popleft()
            out.append(self._written(held) if held.ends is None else self._ending(*held.ends))
            if self.over:
                self._held.clear()
        return out

    def _written(self, held: _Held) -> bytes:
        for piece in held.pieces:
            self._replace(held, piece.path, piece.channel.between(piece.start, piece.end))
        if held.data:
            self._reader.left(held.data)
        written: bytes = held.event.with_data(held.data) if held.changed else held.event.raw
        return written

    def _replace(self, held: _Held, path: Path, text: str) -> None:
        if at(held.data, path) != text:
            put(held.data, path, text)
            self._reader.altered(held.data)
            held.changed = True

    def _ending(self, group: int, verdict: Verdict) -> bytes:
        if (error := error_of(verdict, self._on_block)) is not None:
            self.over = True
            cut: bytes = encoded("error", error)
            return cut
        events = self._reader.ending(group, reply_of(verdict), verdict)
        pending = any(held.ends for held in self._held)
        self.over = len(self._ended) >= self._choices and not pending
        closing = self._reader.closing if self.over else b""
        return b"".join([*(encoded(name, data) for name, data in events), closing])


def _says(held: _Held, group: int) -> bool:
    return any(piece.channel.group == group for piece in held.pieces)


def unreadable_event(error: InputError) -> bytes:
    """What a stream ends with that cannot be read any further."""
    event: bytes = encoded("error", error_body(f"guardian cannot read this: {error}", "guardian_unreadable"))
    return event
