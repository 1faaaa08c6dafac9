"""Streamed answers under guard: text leaves as it is cleared, all else at the end."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from guardian.adapters._langchain_answers import (
    PROVIDER,
    Answers,
    Text,
    as_chunk,
    calls_of,
    field_of,
    provider,
    stopping,
    texts_of,
    unplaced,
    without_echoes,
)
from guardian.adapters._langchain_messages import marked
from guardian.adapters._wire import OnBlock
from langchain_core.messages import AIMessage, AIMessageChunk

from guardian import Action, InputError, StreamGuard, Verdict


@dataclass(slots=True)
class _Channel:
    """One text of a streamed answer; `part` is what a part of it has besides the text, None where it is no part."""

    guard: StreamGuard
    part: dict[str, Any] | None
    field: str

    @property
    def number(self) -> Any:
        """Which block of the answer it is; None where the provider does not count them."""
        return None if self.part is None else self.part.get("index")

    def content(self, text: str) -> str | list[str | dict[Any, Any]]:
        return text if self.part is None else [{**self.part, self.field: text}]


class AnswerFeed:
    """The feed of one streamed answer, for `GuardedStream`.

    Text leaves as it is cleared. All else is held to the end: the calls of tools, because half of one is of use to
    nobody and cannot be judged, and why the model finished, because the guard may yet say otherwise.
    """

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._channels: dict[Hashable, _Channel] = {}
        self._held: list[AIMessageChunk] = []
        self._judged: list[Verdict] = []  # on what was held
        self._last = AIMessageChunk(content="")
        self._whole = False  # a model that does not stream gave its answer as one

    @property
    def cut(self) -> bool:
        return self._stopped is not None

    @property
    def verdict(self) -> Verdict | None:
        """The verdict that stopped the stream, or else the gravest on what was read."""
        return self._stopped or max(self._known(), key=lambda verdict: verdict.would, default=None)

    def feed(self, chunk: AIMessage) -> Sequence[AIMessageChunk]:
        """Take in a chunk; returns what may leave now."""
        if self.cut:
            return []
        if not isinstance(chunk, AIMessageChunk):
            self._whole = True
            return [as_chunk(self._answers.check(chunk))]
        said: list[tuple[_Channel, str]] = []
        for channel, text in self._steps(chunk):
            said.append((channel, channel.guard.finish() if text is None else channel.guard.feed(text)))
            if channel.guard.cut:
                break
        return self._delivered(chunk, said)

    async def afeed(self, chunk: AIMessage) -> Sequence[AIMessageChunk]:
        """Take in a chunk; returns what may leave now."""
        if self.cut:
            return []
        if not isinstance(chunk, AIMessageChunk):
            self._whole = True
            return [as_chunk(await self._answers.acheck(chunk))]
        said: list[tuple[_Channel, str]] = []
        for channel, text in self._steps(chunk):
            said.append((channel, await (channel.guard.afinish() if text is None else channel.guard.afeed(text))))
            if channel.guard.cut:
                break
        return self._delivered(chunk, said)

    def finish(self) -> Sequence[AIMessageChunk]:
        """The stream has ended: returns what of its texts was cleared last, and all that was held."""
        if self._whole:
            return []
        tails: list[tuple[_Channel, str]] = []
        for channel in self._channels.values():
            tails.append((channel, channel.guard.finish()))
            if channel.guard.cut:
                break
        if not self.cut:
            rest, guardian = self._rest(), self._answers.guardian
            self._judged += guardian.check_responses(self._answers.prompt, unplaced(rest))
            self._judged += [guardian.check_tool_call(*call) for call in calls_of(rest)]
        return self._ended(tails)

    async def afinish(self) -> Sequence[AIMessageChunk]:
        """The stream has ended: returns what of its texts was cleared last, and all that was held."""
        if self._whole:
            return []
        tails: list[tuple[_Channel, str]] = []
        for channel in self._channels.values():
            tails.append((channel, await channel.guard.afinish()))
            if channel.guard.cut:
                break
        if not self.cut:
            rest, guardian = self._rest(), self._answers.guardian
            self._judged += await guardian.acheck_responses(self._answers.prompt, unplaced(rest))
            self._judged += [await guardian.acheck_tool_call(*call) for call in calls_of(rest)]
        return self._ended(tails)

    def ending(self, on_block: OnBlock) -> AIMessageChunk:  # noqa: ARG002  # the answers know it, and more
        """The refusal that a stopped stream ends with; raises where it is to be raised."""
        if (stopped := self._stopped) is None:
            raise InputError("this stream was not stopped")
        refusal = self._answers.refusal(stopped, like=self._last)
        begun = any(channel.guard.delivered for channel in self._channels.values())
        text = f"\n\n{refusal.content}" if begun else f"{refusal.content}"
        if isinstance(self._last.content, str):
            return as_chunk(refusal.model_copy(update={"content": text}))
        numbers = [n for c in self._channels.values() if c.part and isinstance(n := c.part.get("index"), int)]
        part = {"type": "text", "text": text, "index": max(numbers, default=-1) + 1}
        return as_chunk(refusal.model_copy(update={"content": [part]}))

    @property
    def _stopped(self) -> Verdict | None:
        cut = [channel.guard.verdict for channel in self._channels.values() if channel.guard.cut]
        return stopping([*(verdict for verdict in cut if verdict is not None), *self._judged])

    def _known(self) -> list[Verdict]:
        read = [channel.guard.verdict for channel in self._channels.values()]
        return [*(verdict for verdict in read if verdict is not None), *self._judged]

    def _steps(self, chunk: AIMessageChunk) -> list[tuple[_Channel, str | None]]:
        """The texts of a chunk, each with the channel it goes to; None ends a channel.

        Blocks come one after the other: where one begins those before it are complete, so that what a model thought
        leaves before what it says then. InputError where one goes on all the same: its two halves were read apart.
        """
        steps: list[tuple[_Channel, str | None]] = []
        for text in texts_of(chunk.content):
            if text.channel not in self._channels:
                steps += [(c, None) for c in self._channels.values() if c.number not in (None, text.number)]
            steps.append((self._channel(text, chunk), text.text))
        return steps

    def _delivered(self, chunk: AIMessageChunk, said: Iterable[tuple[_Channel, str]]) -> list[AIMessageChunk]:
        """What leaves now that the guards released this for the texts of a chunk; the rest of the chunk is held."""
        self._last = chunk
        if not _is_empty(rest := _without_text(chunk)):
            self._held.append(rest)
        return self._said(said)

    def _rest(self) -> AIMessageChunk:
        """All that was held, as one chunk."""
        first = self._held[0] if self._held else _without_text(self._last)
        return first + self._held[1:] if self._held[1:] else first

    def _ended(self, tails: Iterable[tuple[_Channel, str]]) -> list[AIMessageChunk]:
        said = self._said(tails)
        if self.cut:
            return said
        rest = self._rest()
        if flagged := [verdict for verdict in self._known() if verdict.flagged]:
            rest = rest.model_copy(update={"response_metadata": marked(rest, flagged)})
        if any(verdict.action is Action.REDACT for verdict in self._known()):
            rest = without_echoes(rest)
        return [*said, rest]

    def _said(self, texts: Iterable[tuple[_Channel, str]]) -> list[AIMessageChunk]:
        metadata = provider(self._last)
        return [
            AIMessageChunk(content=channel.content(text), id=self._last.id, response_metadata=metadata)
            for channel, text in texts
            if text
        ]

    def _channel(self, text: Text, chunk: AIMessageChunk) -> _Channel:
        if text.channel not in self._channels:
            answers = self._answers
            guard = answers.guardian.stream_guard(
                answers.prompt, holdback_chars=answers.holdback_chars, rewrites=answers.free and text.may_change
            )
            whole = None if text.position is None else chunk.content[text.position]
            part = {k: v for k, v in whole.items() if k in _IDENTITY} if isinstance(whole, dict) else None
            self._channels[text.channel] = _Channel(guard, part, (whole and field_of(whole)) or "text")
        return self._channels[text.channel]


_IDENTITY = frozenset(("type", "index", "id"))
"""What every piece of a part repeats."""


def _without_text(chunk: AIMessageChunk) -> AIMessageChunk:
    """A chunk less its texts, which leave on their own."""
    if isinstance(chunk.content, str):
        return chunk.model_copy(update={"content": ""})
    parts = [_without_field(part) for part in chunk.content]
    return chunk.model_copy(update={"content": [part for part in parts if part]})


def _without_field(part: str | dict[Any, Any]) -> dict[Any, Any]:
    """What a part has besides its text; empty where that is no more than its identity."""
    if isinstance(part, str):
        return {}
    if (name := field_of(part)) is None:
        return part
    rest = {key: value for key, value in part.items() if key != name}
    return rest if set(rest) - _IDENTITY else {}


def _is_empty(chunk: AIMessageChunk) -> bool:
    said = (chunk.content, chunk.tool_call_chunks, chunk.additional_kwargs, chunk.usage_metadata, chunk.chunk_position)
    return not any(said) and set(chunk.response_metadata) <= PROVIDER
