"""A streamed response of Pydantic AI under guard."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from guardian.adapters._pydantic_ai_answers import bare, is_rewritable, judged, noted, stopping
from pydantic_ai.messages import (
    BaseToolCallPart,
    ModelResponse,
    ModelResponsePart,
    ModelResponseStreamEvent,
    PartDeltaEvent,
    PartEndEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
    ToolCallPart,
)
from pydantic_ai.models import StreamedResponse
from pydantic_ai.usage import RequestUsage

from guardian import Action, Guardian, StreamGuard, Verdict


@dataclass
class _Channel:
    """A text or thinking part of a stream; its guard is None once the part has ended."""

    part: TextPart | ThinkingPart
    guard: StreamGuard | None


class GuardedResponse(StreamedResponse):
    """A streamed response, the answer to `prompt`, of which only leaves what is clear.

    Every text and thinking part begins empty, in its place, grows as its guard clears it, and is complete before the
    next one begins. Calls of tools wait for the end, where all of them are judged before one leaves. Details that
    repeat a text, such as log probabilities and citations, come when it is complete and clear. `reply` is what stands
    for what is stopped, and may raise.
    """

    def __init__(
        self,
        inner: StreamedResponse,
        guardian: Guardian,
        prompt: str,
        *,
        holdback_chars: int,
        reply: Callable[[Verdict], str],
    ) -> None:
        super().__init__(inner.model_request_parameters)
        self._inner = inner
        self._guardian = guardian
        self._prompt = prompt
        self._holdback_chars = holdback_chars
        self._reply = reply
        self._channels: dict[int, _Channel] = {}
        self._verdicts: list[Verdict] = []  # on parts that have ended
        self._rewritten = False
        self._last_text: int | None = None  # the part that came last, if it is a text
        self._said = False
        self._stopped: Verdict | None = None

    async def _get_event_iterator(self) -> AsyncIterator[ModelResponseStreamEvent]:
        async for event in self._inner:
            for released in await self._taken(event):
                yield released
            self._follow()
            if self._stopped is not None:
                break
        if self._stopped is None:
            for released in await self._rest():
                yield released
        if self._stopped is not None:
            await self._upstream_closed()
            for released in self._refusal(self._stopped):
                yield released

    # -- reading

    async def _taken(self, event: Any) -> Sequence[ModelResponseStreamEvent]:
        """What may leave now that this event has come."""
        index = getattr(event, "index", -1)
        if isinstance(event, PartStartEvent):
            return await self._started(index, event.part)
        if isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta | ThinkingPartDelta):
            return await self._grown(index, event.delta.content_delta or "")
        if isinstance(event, PartEndEvent):
            if index in self._channels and isinstance(event.part, TextPart | ThinkingPart):
                self._channels[index].part = event.part
            elif not isinstance(event.part, ToolCallPart):
                return await self._whole(index, event.part)
        return []

    async def _started(self, index: int, part: ModelResponsePart) -> Sequence[ModelResponseStreamEvent]:
        if isinstance(part, BaseToolCallPart):
            return []  # complete at its end, one of a function at that of the stream
        if not isinstance(part, TextPart | ThinkingPart):
            return await self._whole(index, part)
        before = await self._completed()
        if self._stopped is not None:
            return before
        self._channels[index] = _Channel(part, self._opened(part))
        self._last_text = index if isinstance(part, TextPart) else None
        begun = self._parts_manager.handle_part(vendor_part_id=index, part=_begun(part))
        return [*before, begun, *await self._grown(index, part.content)]

    async def _whole(self, index: int, part: ModelResponsePart) -> Sequence[ModelResponseStreamEvent]:
        """A part that is no text, and is handed on as it came."""
        before = await self._completed()
        if self._stopped is not None:
            return before
        self._last_text = None
        return [*before, self._parts_manager.handle_part(vendor_part_id=index, part=part)]

    def _opened(self, part: TextPart | ThinkingPart) -> StreamGuard:
        return self._guardian.stream_guard(
            self._prompt,
            holdback_chars=self._holdback_chars,
            rewrites=is_rewritable(part, self.model_request_parameters),
        )

    async def _grown(self, index: int, text: str) -> Sequence[ModelResponseStreamEvent]:
        channel = self._channels[index]
        if channel.guard is None:  # some models go back to a part that another one has followed
            channel.guard = self._opened(channel.part)
        return self._sent(index, channel, channel.guard, await channel.guard.afeed(text))

    def _sent(self, index: int, channel: _Channel, guard: StreamGuard, text: str) -> Sequence[ModelResponseStreamEvent]:
        if guard.cut:
            self._stopped = guard.verdict
        if not text:
            return []
        if isinstance(channel.part, ThinkingPart):
            return list(self._parts_manager.handle_thinking_delta(vendor_part_id=index, content=text))
        self._said = True
        return list(self._parts_manager.handle_text_delta(vendor_part_id=index, content=text))

    async def _completed(self) -> list[ModelResponseStreamEvent]:
        """What is held of the texts so far, all of which have come to their end."""
        events: list[ModelResponseStreamEvent] = []
        for index, channel in self._channels.items():
            guard = channel.guard
            if guard is None:
                continue
            events += self._sent(index, channel, guard, await guard.afinish())
            if self._stopped is not None:
                break
            channel.guard = None
            if (verdict := guard.verdict) is not None:
                self._verdicts.append(verdict)
                self._rewritten = self._rewritten or verdict.action is Action.REDACT
            events += self._detailed(index, channel.part, guard.verdict)
        return events

    async def _rest(self) -> Sequence[ModelResponseStreamEvent]:
        """The upstream has ended: what is held of the texts, then the calls of tools."""
        events = await self._completed()
        if self._stopped is not None:
            return events
        calls = dict(enumerate(part for part in self._inner.get().parts if isinstance(part, ToolCallPart)))
        parameters = self.model_request_parameters
        verdicts = await judged(self._guardian, calls, self._prompt, parameters)
        self._stopped = stopping(verdicts, calls, parameters)
        if self._stopped is not None:
            return events
        if not self._rewritten:
            self.provider_details = self._inner.provider_details
        self.metadata = noted(self._inner.metadata, [*self._verdicts, *verdicts.values()])
        called = [self._parts_manager.handle_part(vendor_part_id=f"call-{n}", part=p) for n, p in calls.items()]
        return [*events, *called]

    def _detailed(
        self, index: int, part: TextPart | ThinkingPart, verdict: Verdict | None
    ) -> Iterator[ModelResponseStreamEvent]:
        """What belongs to a part that left as it came, besides its text."""
        if isinstance(part, ThinkingPart):
            if part.signature or part.provider_details:
                yield from self._parts_manager.handle_thinking_delta(
                    vendor_part_id=index,
                    signature=part.signature,
                    provider_name=part.provider_name,
                    provider_details=part.provider_details,
                )
        elif (verdict is None or verdict.action is not Action.REDACT) and (part.provider_details or part.citations):
            yield from self._parts_manager.handle_text_delta(
                vendor_part_id=index,
                content="",
                provider_name=part.provider_name,
                provider_details=part.provider_details,
                citations=part.citations,
            )

    # -- stopping

    def _refusal(self, verdict: Verdict) -> Iterator[ModelResponseStreamEvent]:
        reply = self._reply(verdict)
        self.finish_reason = "content_filter"
        self.state = "complete"
        self.metadata = noted(None, [verdict])
        yield from self._parts_manager.handle_text_delta(
            vendor_part_id="reply" if self._last_text is None else self._last_text,
            content=f"\n\n{reply}" if self._said else reply,
        )

    async def _upstream_closed(self) -> None:
        with suppress(NotImplementedError):  # a model that cannot; the connection ends with the request then
            await self._inner.cancel()

    # -- the rest is that of the upstream

    def _follow(self) -> None:
        """Take over what the upstream has found out about the response so far."""
        inner = self._inner
        self.provider_response_id = inner.provider_response_id
        self.canonical_system = inner.canonical_system
        self.finish_reason = inner.finish_reason
        self.failed_attempts = inner.failed_attempts
        self.state = inner.state

    def get(self) -> ModelResponse:
        """The response so far; one that is not what the provider has stored does not bear its ids."""
        response = super().get()
        if self._stopped is None and not self._rewritten:
            return response
        parts = [bare(part, part.content) if isinstance(part, TextPart) else part for part in response.parts]
        return replace(response, parts=parts, provider_response_id=None)

    async def close_stream(self) -> None:
        await self._inner.cancel()

    def get_stream_cancel_errors(self) -> tuple[type[BaseException], ...]:
        return self._inner.get_stream_cancel_errors()

    @property
    def usage(self) -> RequestUsage:
        return self._inner.usage

    @property
    def model_name(self) -> str:
        return self._inner.model_name

    @property
    def provider_name(self) -> str | None:
        return self._inner.provider_name

    @property
    def provider_url(self) -> str | None:
        return self._inner.provider_url

    @property
    def timestamp(self) -> datetime:
        return self._inner.timestamp


def _begun(part: TextPart | ThinkingPart) -> TextPart | ThinkingPart:
    if isinstance(part, ThinkingPart):
        return replace(part, content="", signature=None, provider_details=None)
    return replace(part, content="", provider_details=None, citations=None)
