"""Streams of chunk objects, as SDKs give them: a chunk leaves, as it came, when all its text is clear."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from guardian.errors import InputError
from guardian.extract import Slot, channel_of, chunk_slots, is_event, refused
from guardian.guard import Guardian
from guardian.stream import Feed, OnBlock, StreamGuard, TextFeed, safeguard_reply
from guardian.text.holdback import HOLDBACK
from guardian.verdict import Action, Stage, Verdict

Item = TypeVar("Item")


@dataclass(slots=True)
class _Held(Generic[Item]):
    """A chunk that waits, and up to where each channel must be clear before it may leave."""

    item: Item
    ends: Mapping[Hashable, int]
    calls_tool: bool


@dataclass(slots=True)
class _ToolCall:
    name: str = ""
    arguments: list[str] = field(default_factory=list)


class ChunkFeed(Generic[Item]):
    """The feed of a stream of chunk objects: several choices and blocks at once, each with a guard of its own.

    Chunks leave in order and unchanged, so what the policy would redact stops the stream. A tool call is held to the
    end and checked whole: half a call is of use to nobody. `extract` gives the text of a chunk whose shape is not known
    to `guardian.extract`; without it such chunks wait for the first text, and where none comes nothing leaves and
    InputError is raised. `respond` makes a chunk of the safeguard reply where there is none to make it from.
    """

    def __init__(
        self,
        guardian: Guardian,
        prompt: str,
        *,
        extract: Callable[[Item], str] | None = None,
        respond: Callable[[str], Item] | None = None,
        holdback_chars: int = HOLDBACK,
    ) -> None:
        self._guardian = guardian
        self._prompt = prompt
        self._holdback_chars = holdback_chars
        self._extract = extract
        self._respond = respond
        self._texts: dict[Hashable, StreamGuard] = {}
        self._received: dict[Hashable, int] = {}
        self._tools: dict[Hashable, _ToolCall] = {}
        self._tools_clear = False
        self._legible = False  # there was a text, or a call of a tool
        self._unknown: str | None = None  # type of a chunk that is no event of an API and has neither
        self._held: deque[_Held[Item]] = deque()
        self._last: Item | None = None
        self._stopped: Verdict | None = None

    @property
    def cut(self) -> bool:
        return self._stopped is not None

    @property
    def verdict(self) -> Verdict | None:
        """The verdict that stopped the stream, or else the gravest on its channels."""
        found = [v for guard in self._texts.values() if (v := guard.verdict) is not None]
        return self._stopped or max(found, key=lambda v: (v.would, v.scores["harm"]), default=None)

    def feed(self, chunk: Item) -> Sequence[Item]:
        """Take in a chunk; returns those that may leave now."""
        for guard, text in self._absorb(chunk):
            guard.feed(text)
        return self._clear()

    async def afeed(self, chunk: Item) -> Sequence[Item]:
        """Take in a chunk; returns those that may leave now."""
        for guard, text in self._absorb(chunk):
            await guard.afeed(text)
        return self._clear()

    def finish(self) -> Sequence[Item]:
        """The stream has ended: returns what may leave of what is held."""
        for guard in self._texts.values():
            guard.finish()
        for call in self._calls():
            self._judge(self._guardian.check_tool_call(*call))
        return self._clear()

    async def afinish(self) -> Sequence[Item]:
        """The stream has ended: returns what may leave of what is held."""
        for guard in self._texts.values():
            await guard.afinish()
        for call in self._calls():
            self._judge(await self._guardian.acheck_tool_call(*call))
        return self._clear()

    def ending(self, on_block: OnBlock) -> Item:
        """The safeguard reply as a chunk: the first one that was held says it, or else the last that left."""
        if self._stopped is None:
            raise InputError("this stream was not stopped")
        reply = safeguard_reply(self._stopped, on_block, self._guardian.policy.replies)
        if self._respond is not None:
            return self._respond(reply)
        held = [held.item for held in self._held if held.ends] or ([] if self._last is None else [self._last])
        if self._extract is not None or not held:
            raise self._stopped.error()
        refusal: Item = refused(held[0], reply)
        return refusal

    def _open(self) -> StreamGuard:
        return self._guardian.stream_guard(self._prompt, holdback_chars=self._holdback_chars, rewrites=False)

    def _absorb(self, chunk: Item) -> list[tuple[StreamGuard, str]]:
        if self.cut:
            return []
        slots = self._slots(chunk)
        ends: dict[Hashable, int] = {}
        feeds: list[tuple[StreamGuard, str]] = []
        tools = [slot for slot in slots if slot.stage is Stage.TOOL_CALL]
        for slot in slots:
            channel = channel_of(chunk, slot)
            if slot.stage is Stage.RESPONSE and slot.text:
                guard = self._texts.get(channel) or self._texts.setdefault(channel, self._open())
                feeds.append((guard, slot.text))
                ends[channel] = self._received[channel] = self._received.get(channel, 0) + len(slot.text)
        for slot in tools:
            call = self._tools.setdefault(channel_of(chunk, slot), _ToolCall())
            call.name = call.name or slot.name
            call.arguments.append(slot.text)
        self._held.append(_Held(chunk, ends, bool(tools)))
        return feeds

    def _slots(self, chunk: Item) -> list[Slot]:
        if self._extract is not None:
            return [Slot((), self._extract(chunk))]
        if isinstance(chunk, bytes | bytearray | memoryview):
            raise InputError("a chunk of a stream must not be bytes: decode them first, with an incremental decoder")
        slots = chunk_slots(chunk)
        if slots:
            self._legible = True
        elif not is_event(chunk):
            self._unknown = type(chunk).__name__
        return slots

    @property
    def _unread(self) -> bool:
        """Whether chunks came whose shape is not known, and no text in any."""
        return self._unknown is not None and not self._legible

    def _calls(self) -> list[tuple[str, str]]:
        if self.cut or any(guard.cut for guard in self._texts.values()):
            return []
        if self._unread:
            raise InputError(f"no text was found in a stream of {self._unknown}; say where with extract=")
        self._tools_clear = True
        return [(call.name, "".join(call.arguments)) for call in self._tools.values()]

    def _judge(self, verdict: Verdict) -> None:
        if verdict.action >= Action.REDACT and self._stopped is None:
            self._stopped = verdict

    def _clear(self) -> list[Item]:
        """The chunks at the head of the queue of which nothing is held any more."""
        for guard in self._texts.values():
            if guard.cut and self._stopped is None:
                self._stopped = guard.verdict
        clear: list[Item] = []
        while self._held and self._may_leave(self._held[0]):
            clear.append(self._held.popleft().item)
        if clear:
            self._last = clear[-1]
        return clear

    def _may_leave(self, held: _Held[Item]) -> bool:
        if self._unread:
            return False
        if held.calls_tool and (not self._tools_clear or self.cut):
            return False
        return all(self._texts[channel].delivered >= end for channel, end in held.ends.items())


class AnyFeed:
    """A `TextFeed` or a `ChunkFeed`, as the first chunk shows which."""

    def __init__(
        self,
        guardian: Guardian,
        prompt: str,
        *,
        extract: Callable[[Any], str] | None = None,
        respond: Callable[[str], Any] | None = None,
        holdback_chars: int = HOLDBACK,
    ) -> None:
        self._text = TextFeed(guardian.stream_guard(prompt, holdback_chars=holdback_chars))
        self._chunks = ChunkFeed[Any](guardian, prompt, extract=extract, respond=respond, holdback_chars=holdback_chars)
        self._chosen: Feed[Any, Any] | None = None if extract is None else self._chunks

    @property
    def cut(self) -> bool:
        return self._feed.cut

    @property
    def verdict(self) -> Verdict | None:
        return self._feed.verdict

    def feed(self, chunk: Any) -> Sequence[Any]:
        return self._of(chunk).feed(chunk)

    async def afeed(self, chunk: Any) -> Sequence[Any]:
        return await self._of(chunk).afeed(chunk)

    def finish(self) -> Sequence[Any]:
        return self._feed.finish()

    async def afinish(self) -> Sequence[Any]:
        return await self._feed.afinish()

    def ending(self, on_block: OnBlock) -> Any:
        return self._feed.ending(on_block)

    @property
    def _feed(self) -> Feed[Any, Any]:
        return self._chosen or self._text

    def _of(self, chunk: object) -> Feed[Any, Any]:
        if self._chosen is None:
            self._chosen = self._text if isinstance(chunk, str) else self._chunks
        return self._chosen
