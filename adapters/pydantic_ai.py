"""A capability for Pydantic AI: every request to the model, every answer and every result of a tool under guard.

    agent = Agent("openai:gpt-5", capabilities=[GuardianCapability(Guardian())])

The capability puts a `GuardedModel` around whatever model serves a request, so that runs, streams and events are
guarded alike, and checks the results of tools as they come. A `GuardedModel` can be used alone as well.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import KW_ONLY, dataclass, replace
from datetime import datetime
from typing import Any, Literal

from guardian import (
    Action,
    Guardian,
    MissingExtra,
    StreamGuard,
    Verdict,
    checked_on_block,
    last_user_text,
    redact_messages,
)

try:
    from pydantic_ai import RunContext, ToolDefinition
    from pydantic_ai.capabilities import AbstractCapability
    from pydantic_ai.messages import (
        BaseToolCallPart,
        BaseToolReturnPart,
        CachePoint,
        ModelMessage,
        ModelRequest,
        ModelRequestPart,
        ModelResponse,
        ModelResponsePart,
        ModelResponseStreamEvent,
        PartDeltaEvent,
        PartEndEvent,
        PartStartEvent,
        TextContent,
        TextPart,
        TextPartDelta,
        ThinkingPart,
        ThinkingPartDelta,
        ToolCallPart,
        ToolReturn,
        ToolReturnPart,
        UserContent,
        UserPromptPart,
    )
    from pydantic_ai.models import (
        CompletedStreamedResponse,
        KnownModelName,
        Model,
        ModelRequestParameters,
        StreamedResponse,
    )
    from pydantic_ai.models.wrapper import WrapperModel
    from pydantic_ai.settings import ModelSettings
    from pydantic_ai.usage import RequestUsage
except ImportError as error:
    raise MissingExtra(
        "pydantic-ai", "guardian.adapters.pydantic_ai needs pydantic-ai: pip install 'slm-guardian[pydantic-ai]'"
    ) from error

OnBlock = Literal["raise", "reply"]
Message = Mapping[str, Any]

METADATA = "guardian"
"""The key of a response's metadata that holds the verdict, as JSON, where there is anything to say."""

# Parts of a request that the application or the framework wrote.
_TRUSTED = frozenset(
    (
        "system-prompt",
        "retry-feedback",
        "retry-prompt",
        "instruction",
        "instruction-delta",
        "instruction-baseline",
        "tool-availability-delta",
        "capability-load-delta",
        "model-settings-delta",
    )
)


def verdict_of(response: ModelResponse) -> Verdict | None:
    """The verdict in a response's metadata; None where everything in it was allowed."""
    found = (response.metadata or {}).get(METADATA)
    return None if found is None else Verdict.model_validate(found)


@dataclass
class GuardianCapability(AbstractCapability[Any]):
    """Guards an agent: prompts and results of tools before the model is asked, answers and calls of tools after.

    What the policy stops raises BlockedPrompt, BlockedResponse or BlockedTool, because what an agent returns has a type
    that a reply seldom fits. With `on_block="reply"`, and for a policy whose action is `reply`, the run ends with the
    safeguard reply as a response with `finish_reason="content_filter"`, if its output may be free text; the result of
    a tool is replaced by the reason, and the run goes on. What the policy redacts goes on without the offending spans;
    where that cannot be (thinking, structured output, a call of a tool) it is stopped. The verdict is in the metadata
    of the response, see `verdict_of`. ConfigError where `on_block` is neither.

    Streams are guarded as `Guardian.stream_guard` says, with at most `holdback_chars` characters held back. Calls of
    tools are withheld until they are complete and clear.
    """

    guardian: Guardian
    _: KW_ONLY
    on_block: OnBlock = "raise"
    holdback_chars: int = 512
    id: str | None = "guardian"

    def __post_init__(self) -> None:
        checked_on_block(self.on_block)

    @classmethod
    def get_serialization_name(cls) -> str | None:
        return None  # a guard is no part of a YAML file

    def get_wrapper_model(self, model: Model) -> Model | None:
        return GuardedModel(model, self.guardian, on_block=self.on_block, holdback_chars=self.holdback_chars)

    async def after_tool_execute(
        self,
        ctx: RunContext[Any],  # noqa: ARG002
        *,
        call: ToolCallPart,
        tool_def: ToolDefinition,  # noqa: ARG002
        args: dict[str, Any],  # noqa: ARG002
        result: Any,
    ) -> Any:
        value = result.return_value if isinstance(result, ToolReturn) else result
        part = ToolReturnPart(tool_name=call.tool_name, content=value, tool_call_id=call.tool_call_id)
        message = _message(part)
        verdict = await self.guardian.acheck_messages([message])
        if verdict.action is Action.REDACT:
            (changed,) = redact_messages([message], verdict)
            value = _returned(part, changed["content"])
        elif verdict.blocked:
            value = _stopped(verdict, self.on_block, verdict.reason)
        else:
            return result
        return replace(result, return_value=value) if isinstance(result, ToolReturn) else value


class GuardedModel(WrapperModel):
    """A model under guard; see `GuardianCapability` for what it does. `wrapped` is a model or its name."""

    def __init__(
        self,
        wrapped: Model | KnownModelName | str,
        guardian: Guardian,
        *,
        on_block: OnBlock = "raise",
        holdback_chars: int = 512,
    ) -> None:
        super().__init__(wrapped)
        self.guardian = guardian
        self.on_block = checked_on_block(on_block)
        self.holdback_chars = holdback_chars

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        given = await self._admitted(messages, model_request_parameters)
        if isinstance(given, ModelResponse):
            return given
        response = await self.wrapped.request(given.messages, model_settings, model_request_parameters)
        return await self._released(response, given.prompt, model_request_parameters)

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        given = await self._admitted(messages, model_request_parameters)
        if isinstance(given, ModelResponse):
            yield CompletedStreamedResponse(
                given, model_request_parameters=model_request_parameters, replay_events=True
            )
            return
        async with self.wrapped.request_stream(
            given.messages, model_settings, model_request_parameters, run_context
        ) as stream:
            yield _GuardedStream(stream, self, given.prompt)

    async def _admitted(
        self, messages: list[ModelMessage], parameters: ModelRequestParameters
    ) -> _Given | ModelResponse:
        """What may go to the model, or the response in its place."""
        given = _Given.of(messages)
        verdict = await self.guardian.acheck_messages(given.readable)
        if verdict.blocked:
            return self._refusal(verdict, parameters)
        return given.redacted(verdict)

    async def _released(
        self, response: ModelResponse, prompt: str, parameters: ModelRequestParameters
    ) -> ModelResponse:
        """The response as it may be used, or the refusal in its place."""
        parts = dict(enumerate(response.parts))
        texts = {index: text for index, part in parts.items() if (text := _answer(part, parameters)) is not None}
        verdicts = dict(zip(texts, await self.guardian.acheck_responses(prompt, list(texts.values())), strict=True))
        for index, part in parts.items():
            if isinstance(part, ToolCallPart) and index not in texts:
                verdicts[index] = await self.guardian.acheck_tool_call(part.tool_name, part.args_as_json_str())
        stopped = [
            verdict
            for index, verdict in verdicts.items()
            if verdict.blocked or (verdict.action is Action.REDACT and not _rewritable(parts[index], parameters))
        ]
        if stopped:
            refusal = self._refusal(_gravest(stopped), parameters)
            return replace(
                refusal, usage=response.usage, model_name=response.model_name, provider_name=response.provider_name
            )
        changed = {
            index: _bare(part, verdicts[index].redact(part.content))
            for index, part in parts.items()
            if isinstance(part, TextPart) and verdicts[index].action is Action.REDACT
        }
        if changed:
            response = replace(response, parts=[changed.get(index, part) for index, part in parts.items()])
        noted = [verdict for verdict in verdicts.values() if verdict.would > Action.ALLOW]
        return replace(response, metadata=_noted(response.metadata, _gravest(noted))) if noted else response

    def _refusal(self, verdict: Verdict, parameters: ModelRequestParameters) -> ModelResponse:
        """The response that says the safeguard reply; raises where the block is to be raised."""
        return ModelResponse(
            parts=[TextPart(self.reply(verdict, parameters))],
            model_name=self.model_name,
            finish_reason="content_filter",
            metadata=_noted(None, verdict),
        )

    def reply(self, verdict: Verdict, parameters: ModelRequestParameters) -> str:
        """The safeguard reply; raises `Blocked` where it is to be raised, or where the output is no free text."""
        if not parameters.allow_text_output or parameters.output_object is not None:
            raise verdict.error()
        return _stopped(verdict, self.on_block, verdict.reply or verdict.reason)


@dataclass(frozen=True)
class _Given:
    """The messages of a request, and those of their parts that are to be read, as the guard's messages."""

    messages: list[ModelMessage]
    places: tuple[tuple[int, int], ...]
    readable: Sequence[Message]

    @classmethod
    def of(cls, messages: list[ModelMessage]) -> _Given:
        parts = {
            (number, index): _message(part)
            for number, message in enumerate(messages)
            if isinstance(message, ModelRequest)
            for index, part in enumerate(message.parts)
            if part.part_kind not in _TRUSTED
        }
        return cls(messages, tuple(parts), tuple(parts.values()) or ({"role": "user", "content": ""},))

    @property
    def prompt(self) -> str:
        return last_user_text(self.readable)

    def redacted(self, verdict: Verdict) -> _Given:
        """The same without what the policy redacts."""
        changed = redact_messages(self.readable, verdict)
        new = {
            place: after
            for place, before, after in zip(self.places, self.readable, changed, strict=False)
            if after is not before
        }
        if not new:
            return self
        messages = [
            replace(
                message,
                parts=[
                    _rewritten(part, new[number, index]["content"]) if (number, index) in new else part
                    for index, part in enumerate(message.parts)
                ],
            )
            if isinstance(message, ModelRequest)
            else message
            for number, message in enumerate(self.messages)
        ]
        return _Given(messages, self.places, tuple(changed))


@dataclass
class _Channel:
    """A text or thinking part of a stream, under a guard of its own."""

    guard: StreamGuard
    part: TextPart | ThinkingPart
    rewritten: bool = False
    sent: int = 0


class _GuardedStream(StreamedResponse):
    """A streamed response of which only leaves what is clear.

    Every text and thinking part begins empty, in its place, and grows as its guard clears it. Calls of tools wait for
    the end. Details that repeat the text, such as log probabilities and citations, come at the end of a clear stream.
    """

    def __init__(self, inner: StreamedResponse, model: GuardedModel, prompt: str) -> None:
        super().__init__(inner.model_request_parameters)
        self._inner = inner
        self._model = model
        self._prompt = prompt
        self._channels: dict[int, _Channel] = {}
        self._tools: list[Verdict] = []
        self._stopped: Verdict | None = None

    async def _get_event_iterator(self) -> AsyncIterator[ModelResponseStreamEvent]:
        async for event in self._inner:
            for released in await self._taken(event):
                yield released
            self._follow()
            if self._stopped is not None:
                break
        if self._stopped is None:
            async for released in self._rest():
                yield released
        if self._stopped is not None:
            await self._upstream_closed()
            for released in self._refusal(self._stopped):
                yield released

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
                return [self._parts_manager.handle_part(vendor_part_id=index, part=event.part)]
        return []

    async def _started(self, index: int, part: ModelResponsePart) -> Sequence[ModelResponseStreamEvent]:
        if isinstance(part, TextPart | ThinkingPart):
            guard = self._model.guardian.stream_guard(
                self._prompt,
                holdback_chars=self._model.holdback_chars,
                rewrites=_rewritable(part, self.model_request_parameters),
            )
            self._channels[index] = _Channel(guard, part)
            begun = self._parts_manager.handle_part(vendor_part_id=index, part=_begun(part))
            return [begun, *await self._grown(index, part.content)]
        if isinstance(part, BaseToolCallPart):
            return []  # complete at its end, one of a function at that of the stream
        return [self._parts_manager.handle_part(vendor_part_id=index, part=part)]

    async def _grown(self, index: int, text: str) -> Sequence[ModelResponseStreamEvent]:
        channel = self._channels[index]
        return self._sent(index, await channel.guard.afeed(text))

    def _sent(self, index: int, text: str) -> Sequence[ModelResponseStreamEvent]:
        channel = self._channels[index]
        channel.sent += len(text)
        if channel.guard.cut:
            self._stopped = channel.guard.verdict
        if not text:
            return []
        if isinstance(channel.part, ThinkingPart):
            return list(self._parts_manager.handle_thinking_delta(vendor_part_id=index, content=text))
        return list(self._parts_manager.handle_text_delta(vendor_part_id=index, content=text))

    async def _rest(self) -> AsyncIterator[ModelResponseStreamEvent]:
        """The upstream has ended: what is held of the texts, then the calls of tools."""
        for index, channel in self._channels.items():
            for released in self._sent(index, await channel.guard.afinish()):
                yield released
            if self._stopped is not None:
                return
            channel.rewritten = bool((verdict := channel.guard.verdict) and verdict.action is Action.REDACT)
            for released in self._detailed(index, channel):
                yield released
        calls = [part for part in self._inner.get().parts if isinstance(part, ToolCallPart)]
        for number, call in enumerate(calls):
            verdict = await self._judged(call)
            self._tools.append(verdict)
            if verdict.action >= Action.REDACT:
                self._stopped = verdict
                return
            yield self._parts_manager.handle_part(vendor_part_id=f"call-{number}", part=call)
        if not any(channel.rewritten for channel in self._channels.values()):
            self.provider_details = self._inner.provider_details
        self.metadata = self._inner.metadata
        verdicts = [v for channel in self._channels.values() if (v := channel.guard.verdict) is not None]
        noted = [verdict for verdict in (*verdicts, *self._tools) if verdict.would > Action.ALLOW]
        if noted:
            self.metadata = _noted(self.metadata, _gravest(noted))

    async def _judged(self, call: ToolCallPart) -> Verdict:
        guardian = self._model.guardian
        text = _answer(call, self.model_request_parameters)
        if text is None:
            return await guardian.acheck_tool_call(call.tool_name, call.args_as_json_str())
        return await guardian.acheck_response(self._prompt, text)

    def _detailed(self, index: int, channel: _Channel) -> Iterator[ModelResponseStreamEvent]:
        """What belongs to a part that left as it came, besides its text."""
        part = channel.part
        if isinstance(part, ThinkingPart):
            if part.signature or part.provider_details:
                yield from self._parts_manager.handle_thinking_delta(
                    vendor_part_id=index,
                    signature=part.signature,
                    provider_name=part.provider_name,
                    provider_details=part.provider_details,
                )
        elif not channel.rewritten and (part.provider_details or part.citations):
            yield from self._parts_manager.handle_text_delta(
                vendor_part_id=index,
                content="",
                provider_name=part.provider_name,
                provider_details=part.provider_details,
                citations=part.citations,
            )

    def _refusal(self, verdict: Verdict) -> Iterator[ModelResponseStreamEvent]:
        reply = self._model.reply(verdict, self.model_request_parameters)
        self.finish_reason = "content_filter"
        self.metadata = _noted(None, verdict)
        texts = [index for index, channel in self._channels.items() if isinstance(channel.part, TextPart)]
        place = texts[-1] if texts else "reply"
        said = bool(texts and self._channels[texts[-1]].sent)
        yield from self._parts_manager.handle_text_delta(
            vendor_part_id=place, content=f"\n\n{reply}" if said else reply
        )

    def _follow(self) -> None:
        """Take over what the upstream has found out about the response so far."""
        inner = self._inner
        self.provider_response_id = inner.provider_response_id
        self.canonical_system = inner.canonical_system
        self.finish_reason = inner.finish_reason
        self.failed_attempts = inner.failed_attempts
        self.state = inner.state

    async def _upstream_closed(self) -> None:
        with suppress(NotImplementedError):  # a model that cannot; the connection ends with the request then
            await self._inner.cancel()

    def get(self) -> ModelResponse:
        """The response so far; a text that is not the provider's own any more does not bear its id."""
        response = super().get()
        if self._stopped is None and not any(channel.rewritten for channel in self._channels.values()):
            return response
        return replace(
            response,
            parts=[_bare(part, part.content) if isinstance(part, TextPart) else part for part in response.parts],
        )

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


# -- what is read


def _message(part: ModelRequestPart) -> Message:
    """A part of a request as the guard's message. What is no text is a part without one, never left out."""
    if isinstance(part, UserPromptPart):
        if isinstance(part.content, str):
            return {"role": "user", "content": part.content}
        return {"role": "user", "content": [_item(item) for item in part.content]}
    if isinstance(part, BaseToolReturnPart):
        text = {"type": "text", "text": part.model_response_str(wrap_if_error=False)}
        return {"role": "tool", "content": [text, *({"type": "file"} for _ in part.files)]}
    return {"role": "user", "content": [{"type": part.part_kind}]}


def _item(item: UserContent) -> Message:
    if isinstance(item, str | TextContent):
        return {"type": "text", "text": item if isinstance(item, str) else item.content}
    return {"type": "text", "text": ""} if isinstance(item, CachePoint) else {"type": "file"}


def _answer(part: ModelResponsePart, parameters: ModelRequestParameters) -> str | None:
    """The text of a part that is an answer: prose, thinking, or output by way of a tool; None for all else."""
    if isinstance(part, TextPart | ThinkingPart):
        return part.content
    if isinstance(part, ToolCallPart) and part.tool_name in {tool.name for tool in parameters.output_tools}:
        return part.args_as_json_str()
    return None


def _rewritable(part: ModelResponsePart, parameters: ModelRequestParameters) -> bool:
    """Only prose: thinking is signed, and structured output would not fit its schema any more."""
    return isinstance(part, TextPart) and parameters.output_object is None


# -- what is made of it


def _rewritten(part: ModelRequestPart, content: Any) -> ModelRequestPart:
    if isinstance(part, ToolReturnPart):
        return replace(part, content=_returned(part, content))
    if isinstance(part, UserPromptPart):
        if isinstance(content, str):
            return replace(part, content=content)
        items = zip(part.content, content, strict=True)
        return replace(part, content=[_with_text(item, new.get("text", "")) for item, new in items])
    return part


def _returned(part: ToolReturnPart, content: Sequence[Message]) -> Any:
    """The result of a tool with this text, and the files that came with it."""
    return [content[0]["text"], *part.files] if part.files else content[0]["text"]


def _with_text(item: Any, text: str) -> UserContent:
    if isinstance(item, TextContent):
        return item if item.content == text else TextContent(text, metadata=item.metadata)
    return text if isinstance(item, str) else item


def _begun(part: TextPart | ThinkingPart) -> TextPart | ThinkingPart:
    if isinstance(part, ThinkingPart):
        return replace(part, content="", signature=None, provider_details=None)
    return replace(part, content="", provider_details=None, citations=None)


def _bare(part: TextPart, content: str) -> TextPart:
    """A text that is not what the provider has stored under its id."""
    return replace(part, content=content, id=None, provider_details=None, citations=None)


def _noted(metadata: dict[str, Any] | None, verdict: Verdict) -> dict[str, Any]:
    return {**(metadata or {}), METADATA: verdict.model_dump(mode="json")}


def _gravest(verdicts: Sequence[Verdict]) -> Verdict:
    return max(verdicts, key=lambda verdict: verdict.would)


def _stopped(verdict: Verdict, on_block: OnBlock, instead: str) -> str:
    if on_block == "raise" and verdict.action is not Action.REPLY:
        raise verdict.error()
    return instead
