"""A capability for Pydantic AI: every request to the model, every answer and every result of a tool under guard.

    agent = Agent("openai:gpt-5", capabilities=[GuardianCapability(Guardian())])

The capability puts a `GuardedModel` around whatever model serves a request, so that runs, streams and events are
guarded alike, and checks the results of tools as they come. A `GuardedModel` can be used alone as well.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import KW_ONLY, dataclass, replace
from functools import partial
from typing import Any

from guardian import ConfigError, Guardian, MissingExtra, Verdict, checked_on_block, redact_messages
from guardian.stream import OnBlock, safeguard_reply

try:
    from guardian.adapters._pydantic_ai_answers import METADATA, judged, noted, refused, rewritten, stopping
    from guardian.adapters._pydantic_ai_requests import Conversation, as_message, returned
    from guardian.adapters._pydantic_ai_stream import GuardedResponse
    from pydantic_ai import RunContext, ToolDefinition
    from pydantic_ai.capabilities import (
        AbstractCapability,
        BatchModelRequests,
        CapabilityOrdering,
        WrapToolExecuteHandler,
    )
    from pydantic_ai.exceptions import ToolFailedError, ToolRetryError
    from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturn, ToolReturnPart
    from pydantic_ai.models import (
        CompletedStreamedResponse,
        KnownModelName,
        Model,
        ModelRequestContext,
        ModelRequestParameters,
        StreamedResponse,
    )
    from pydantic_ai.models.batch import BatchRequest, EncodedBatchRequest
    from pydantic_ai.models.wrapper import WrapperModel
    from pydantic_ai.settings import ModelSettings
    from pydantic_ai.usage import RequestUsage
except ImportError as error:
    raise MissingExtra(
        "pydantic-ai", "guardian.adapters.pydantic_ai needs pydantic-ai: pip install 'slm-guardian[pydantic-ai]'"
    ) from error

__all__ = ["METADATA", "GuardedModel", "GuardianCapability", "OnBlock", "verdict_of"]


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
    a tool, or the error it gave, is replaced by the reason, and the run goes on. What the policy redacts goes on
    without the offending spans; where that cannot be (thinking, structured output, a call of a tool) it is stopped. The
    verdict is in the metadata of the response, see `verdict_of`. ConfigError where `on_block` is neither.

    A turn from before the model's last response that is blocked does not end the conversation: the model gets
    `[redacted]` in its place.

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

    def get_ordering(self) -> CapabilityOrdering:
        return CapabilityOrdering(wraps=[BatchModelRequests])  # which never calls a model that it is put around

    def get_wrapper_model(self, model: Model) -> Model | None:
        return GuardedModel(model, self.guardian, on_block=self.on_block, holdback_chars=self.holdback_chars)

    async def wrap_tool_execute(
        self,
        ctx: RunContext[Any],  # noqa: ARG002
        *,
        call: ToolCallPart,
        tool_def: ToolDefinition,  # noqa: ARG002
        args: dict[str, Any],
        handler: WrapToolExecuteHandler,
    ) -> Any:
        try:
            return await handler(args)
        except ToolRetryError as error:
            await self._check_part(call, error.tool_retry)
            raise
        except ToolFailedError as error:
            await self._check_part(call, error.tool_failed)
            raise

    async def _check_part(self, call: ToolCallPart, part: Any) -> None:
        """What a tool says in an error is a result as well: the model gets it in this part."""
        if isinstance(part, ToolReturnPart):
            part.content = await self._checked(call, part.content)

    async def after_tool_execute(
        self,
        ctx: RunContext[Any],  # noqa: ARG002
        *,
        call: ToolCallPart,
        tool_def: ToolDefinition,  # noqa: ARG002
        args: dict[str, Any],  # noqa: ARG002
        result: Any,
    ) -> Any:
        if isinstance(result, ToolReturn):
            return replace(result, return_value=await self._checked(call, result.return_value))
        return await self._checked(call, result)

    async def _checked(self, call: ToolCallPart, value: Any) -> Any:
        """What a tool gave as the model may get it: as it came, without what is redacted, or the reason."""
        part = ToolReturnPart(tool_name=call.tool_name, content=value, tool_call_id=call.tool_call_id)
        message = as_message(part)
        verdict = await self.guardian.acheck_messages([message])
        if verdict.blocked:
            safeguard_reply(verdict, self.on_block, self.guardian.policy.replies)  # raises where it is to be raised
            return verdict.reason
        (changed,) = redact_messages([message], verdict)
        return value if changed is message else returned(part, changed["content"])


class GuardedModel(WrapperModel):
    """A model under guard; see `GuardianCapability` for what it does. `wrapped` is a model or its name.

    It has no batch API: there a stopped request could not be answered. `BatchModelRequests` goes inside the guard,
    where the capability puts it.
    """

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
        given, verdict = await Conversation.of(messages).checked(self.guardian)
        if verdict.blocked:
            return self._refusal(verdict, model_request_parameters)
        response = await self.wrapped.request(given.messages, model_settings, model_request_parameters)
        parts = dict(enumerate(response.parts))
        verdicts = await judged(self.guardian, parts, given.prompt, model_request_parameters)
        if (stopped := stopping(verdicts, parts, model_request_parameters)) is not None:
            return refused(response, self._reply(model_request_parameters, stopped), stopped)
        return rewritten(response, verdicts)

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        given, verdict = await Conversation.of(messages).checked(self.guardian)
        if verdict.blocked:
            refusal = self._refusal(verdict, model_request_parameters)
            yield CompletedStreamedResponse(
                refusal, model_request_parameters=model_request_parameters, replay_events=True
            )
            return
        async with self.wrapped.request_stream(
            given.messages, model_settings, model_request_parameters, run_context
        ) as stream:
            yield GuardedResponse(
                stream,
                self.guardian,
                given.prompt,
                holdback_chars=self.holdback_chars,
                reply=partial(self._reply, model_request_parameters),
            )

    # Providers count and compact by reading the messages, so they get no more there than in a request.

    async def count_tokens(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> RequestUsage:
        given, verdict = await Conversation.of(messages).checked(self.guardian)
        if verdict.blocked:
            return RequestUsage()  # nothing is sent: the request says what was stopped
        return await self.wrapped.count_tokens(given.messages, model_settings, model_request_parameters)

    async def compact_messages(
        self, request_context: ModelRequestContext, *, instructions: str | None = None
    ) -> ModelResponse:
        given, verdict = await Conversation.of(request_context.messages).checked(self.guardian)
        verdict.raise_if_blocked()
        return await self.wrapped.compact_messages(
            replace(request_context, messages=given.messages), instructions=instructions
        )

    @property
    def batch_max_requests(self) -> int | None:
        return None

    async def batch_encode(self, request: BatchRequest) -> EncodedBatchRequest:  # noqa: ARG002
        raise ConfigError("model", "a GuardedModel has no batch API: put the guard around BatchModelRequests")

    def _refusal(self, verdict: Verdict, parameters: ModelRequestParameters) -> ModelResponse:
        """The response that says the safeguard reply; raises where the block is to be raised."""
        return ModelResponse(
            parts=[TextPart(self._reply(parameters, verdict))],
            model_name=self.model_name,
            finish_reason="content_filter",
            metadata=noted(None, [verdict]),
        )

    def _reply(self, parameters: ModelRequestParameters, verdict: Verdict) -> str:
        """The safeguard reply; raises `Blocked` where it is to be raised, or where the output is no free text."""
        if not parameters.allow_text_output or parameters.output_object is not None:
            raise verdict.error()
        return safeguard_reply(verdict, self.on_block, self.guardian.policy.replies)
