"""LlamaIndex under guard: the nodes that retrieval brings, and the model that reads them.

engine = index.as_query_engine(
    llm=GuardedLLM(llm, guardian), node_postprocessors=[GuardianNodePostprocessor(guardian)]
)
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Generator, Iterable, Sequence
from typing import Any, Literal, TypeVar

from guardian import (
    Action,
    AsyncGuardedStream,
    ConfigError,
    GuardedStream,
    Guardian,
    MissingExtra,
    Verdict,
    checked_on_block,
)
from guardian.stream import OnBlock, safeguard_reply

try:
    from guardian.adapters._llama_index_answers import CHAT, COMPLETION, KEY, Judged, R, Shape, gravest, noted
    from guardian.adapters._llama_index_messages import Conversation
    from guardian.adapters._llama_index_nodes import annotated, documents_of, task_of
    from guardian.adapters._llama_index_stream import ResponseFeed
    from llama_index.core.base.llms.types import (
        ChatMessage,
        ChatResponse,
        ChatResponseAsyncGen,
        ChatResponseGen,
        CompletionResponse,
        CompletionResponseAsyncGen,
        CompletionResponseGen,
        LLMMetadata,
    )
    from llama_index.core.bridge.pydantic import BaseModel, Field, PrivateAttr, SerializeAsAny
    from llama_index.core.llms.function_calling import FunctionCallingLLM
    from llama_index.core.llms.llm import LLM, ToolSelection
    from llama_index.core.postprocessor.types import BaseNodePostprocessor
    from llama_index.core.program.utils import FlexibleModel
    from llama_index.core.prompts import PromptTemplate
    from llama_index.core.schema import NodeWithScore, QueryBundle
except ImportError as error:
    raise MissingExtra(
        "llama-index", "guardian.adapters.llama_index needs llama-index-core: pip install 'slm-guardian[llama-index]'"
    ) from error

__all__ = ["KEY", "GuardedLLM", "GuardianNodePostprocessor", "OnBlock", "OnBlockedNode", "verdict_of"]

OnBlockedNode = Literal["drop", "raise"]
M = TypeVar("M", bound=BaseModel)


def verdict_of(found: ChatResponse | CompletionResponse | NodeWithScore) -> Verdict | None:
    """The verdict on a response or a node; None where everything was allowed."""
    notes = found.node.metadata if isinstance(found, NodeWithScore) else found.additional_kwargs
    return Verdict.model_validate(notes[KEY]) if KEY in notes else None


# -- nodes


class GuardianNodePostprocessor(BaseNodePostprocessor):
    """Checks the nodes that retrieval brings, as documents for the task that the query asks for.

    Text and metadata of a node are read as the model would get them, in shared batches. A node that the policy stops is
    dropped, or with `on_block="raise"` BlockedDocument is raised. What it redacts is cut out of a copy of the node; a
    node whose metadata is to be redacted is stopped. A node that was flagged or redacted has the verdict in its
    metadata, where neither a model nor an embedding sees it; see `verdict_of`. Images are not read, and what a later
    postprocessor brings is not either.
    """

    guardian: Any = Field(exclude=True, description="the Guardian that checks")
    on_block: OnBlockedNode = "drop"

    def __init__(self, guardian: Guardian, *, on_block: OnBlockedNode = "drop", **kwargs: Any) -> None:
        if on_block not in ("drop", "raise"):
            raise ConfigError("on_block", "must be 'drop' or 'raise'")
        super().__init__(guardian=guardian, on_block=on_block, **kwargs)  # type: ignore[call-arg]  # fields of this class

    @classmethod
    def class_name(cls) -> str:
        return "GuardianNodePostprocessor"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        return self._kept(nodes, self.guardian.check_documents(documents_of(nodes), task=task_of(query_bundle)))

    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        return self._kept(nodes, await self.guardian.acheck_documents(documents_of(nodes), task=task_of(query_bundle)))

    def _kept(self, nodes: list[NodeWithScore], verdicts: Sequence[Verdict]) -> list[NodeWithScore]:
        kept: list[NodeWithScore] = []
        for node, of_text, of_metadata in zip(nodes, verdicts[::2], verdicts[1::2], strict=True):
            stopped = of_metadata if of_metadata.action >= Action.REDACT else of_text
            if stopped.blocked or stopped is of_metadata:
                if self.on_block == "raise":
                    raise stopped.error()
            else:
                kept.append(annotated(node, gravest([of_text, of_metadata]), of_text))
        return kept


# -- the model


class GuardedLLM(FunctionCallingLLM):
    """A model under guard, for wherever LlamaIndex takes one; all but the checks is that of `llm`, tools included.

    Prompts and results of tools are checked before the model is asked; its text, thinking and calls of tools before
    they are returned. What the policy stops raises BlockedPrompt, BlockedResponse or BlockedTool: LlamaIndex has no
    mark of a refusal, and an engine would take one for content. With `on_block="reply"`, and for a policy whose action
    is `reply`, the safeguard reply is the response. What the policy redacts goes on without the offending spans;
    thinking and calls of tools cannot be rewritten and are stopped. A response has its verdict in `additional_kwargs`,
    see `verdict_of`, and one that was rewritten has no `raw`. ConfigError where `on_block` is neither. Structured
    prediction always raises. A turn from before the last user turn that is blocked does not end the conversation: the
    model gets `[redacted]` in its place.

    Streams are guarded as `Guardian.stream_guard` says, with at most `holdback_chars` characters held back; thinking
    and calls of tools come with the last response of a stream, when they are complete and clear.
    """

    llm: SerializeAsAny[LLM]
    guardian: Any = Field(exclude=True, description="the Guardian that checks")
    on_block: OnBlock = "raise"
    holdback_chars: int = 512
    _replies: bool = PrivateAttr(default=True)

    def __init__(
        self, llm: LLM, guardian: Guardian, *, on_block: OnBlock = "raise", holdback_chars: int = 512, **kwargs: Any
    ) -> None:
        checked_on_block(on_block)
        of_model = {name: getattr(llm, name) for name in _OF_MODEL}
        super().__init__(
            llm=llm, guardian=guardian, on_block=on_block, holdback_chars=holdback_chars, **(of_model | kwargs)
        )
        llm.callback_manager = self.callback_manager

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == "callback_manager":  # as LlamaIndex does with that of its Settings
            self.llm.callback_manager = value

    @classmethod
    def class_name(cls) -> str:
        return "GuardedLLM"

    @property
    def metadata(self) -> LLMMetadata:
        return self.llm.metadata

    # The methods bear no callbacks: those of `llm` do, and every event would come twice.

    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        given = Conversation.checked(self.guardian, messages)
        if given.verdict.blocked:
            return self._refusal(CHAT, given.verdict)
        response = self.llm.chat(given.messages, **kwargs)
        return self._released(CHAT, response, Judged.by(self.guardian, CHAT.parts(response), given.prompt))

    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        given = await Conversation.achecked(self.guardian, messages)
        if given.verdict.blocked:
            return self._refusal(CHAT, given.verdict)
        response = await self.llm.achat(given.messages, **kwargs)
        return self._released(CHAT, response, await Judged.aby(self.guardian, CHAT.parts(response), given.prompt))

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        verdict = self.guardian.check(prompt)
        if verdict.blocked:
            return self._refusal(COMPLETION, verdict)
        prompt = verdict.redact(prompt)
        response = self.llm.complete(prompt, formatted=formatted, **kwargs)
        return self._released(COMPLETION, response, Judged.by(self.guardian, COMPLETION.parts(response), prompt))

    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        verdict = await self.guardian.acheck(prompt)
        if verdict.blocked:
            return self._refusal(COMPLETION, verdict)
        prompt = verdict.redact(prompt)
        response = await self.llm.acomplete(prompt, formatted=formatted, **kwargs)
        judged = await Judged.aby(self.guardian, COMPLETION.parts(response), prompt)
        return self._released(COMPLETION, response, judged)

    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        given = Conversation.checked(self.guardian, messages)
        if given.verdict.blocked:
            return _only(self._refusal(CHAT, given.verdict))
        return self._streamed(self.llm.stream_chat(given.messages, **kwargs), self._feed(CHAT, given.prompt))

    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        given = await Conversation.achecked(self.guardian, messages)
        if given.verdict.blocked:
            return _aonly(self._refusal(CHAT, given.verdict))
        upstream = await self.llm.astream_chat(given.messages, **kwargs)
        return self._astreamed(upstream, self._feed(CHAT, given.prompt))

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        verdict = self.guardian.check(prompt)
        if verdict.blocked:
            return _only(self._refusal(COMPLETION, verdict))
        prompt = verdict.redact(prompt)
        upstream = self.llm.stream_complete(prompt, formatted=formatted, **kwargs)
        return self._streamed(upstream, self._feed(COMPLETION, prompt))

    async def astream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseAsyncGen:
        verdict = await self.guardian.acheck(prompt)
        if verdict.blocked:
            return _aonly(self._refusal(COMPLETION, verdict))
        prompt = verdict.redact(prompt)
        upstream = await self.llm.astream_complete(prompt, formatted=formatted, **kwargs)
        return self._astreamed(upstream, self._feed(COMPLETION, prompt))

    # Tools are those of `llm`, which must be a FunctionCallingLLM where its metadata says that it calls functions.

    def _prepare_chat_with_tools(
        self,
        tools: Sequence[Any],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,
        allow_parallel_tool_calls: bool = False,
        tool_required: bool = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        return self._functions._prepare_chat_with_tools_compat(  # noqa: SLF001  # the hook of its class
            tools,
            user_msg=user_msg,
            chat_history=chat_history,
            verbose=verbose,
            allow_parallel_tool_calls=allow_parallel_tool_calls,
            tool_required=tool_required,
            **kwargs,
        )

    def _validate_chat_with_tools_response(
        self, response: ChatResponse, tools: Sequence[Any], allow_parallel_tool_calls: bool = False, **kwargs: Any
    ) -> ChatResponse:
        return self._functions._validate_chat_with_tools_response(  # noqa: SLF001  # the hook of its class
            response, tools, allow_parallel_tool_calls=allow_parallel_tool_calls, **kwargs
        )

    def get_tool_calls_from_response(
        self, response: ChatResponse, error_on_no_tool_call: bool = True, **kwargs: Any
    ) -> list[ToolSelection]:
        return self._functions.get_tool_calls_from_response(
            response, error_on_no_tool_call=error_on_no_tool_call, **kwargs
        )

    # An object of a class is no place for a reply.

    def structured_predict(
        self, output_cls: type[M], prompt: PromptTemplate, llm_kwargs: dict[str, Any] | None = None, **prompt_args: Any
    ) -> M:
        found: M = FunctionCallingLLM.structured_predict(self._raising, output_cls, prompt, llm_kwargs, **prompt_args)
        return found

    async def astructured_predict(
        self, output_cls: type[M], prompt: PromptTemplate, llm_kwargs: dict[str, Any] | None = None, **prompt_args: Any
    ) -> M:
        found: M = await FunctionCallingLLM.astructured_predict(
            self._raising, output_cls, prompt, llm_kwargs, **prompt_args
        )
        return found

    def stream_structured_predict(
        self, output_cls: type[M], prompt: PromptTemplate, llm_kwargs: dict[str, Any] | None = None, **prompt_args: Any
    ) -> Generator[M | FlexibleModel, None, None]:
        raising = self._raising
        return FunctionCallingLLM.stream_structured_predict(raising, output_cls, prompt, llm_kwargs, **prompt_args)

    async def astream_structured_predict(
        self, output_cls: type[M], prompt: PromptTemplate, llm_kwargs: dict[str, Any] | None = None, **prompt_args: Any
    ) -> AsyncGenerator[M | FlexibleModel, None]:
        return await FunctionCallingLLM.astream_structured_predict(
            self._raising, output_cls, prompt, llm_kwargs, **prompt_args
        )

    @property
    def _raising(self) -> GuardedLLM:
        """The same, raising whatever is stopped."""
        raising = self.model_copy()
        raising._replies = False  # noqa: SLF001  # a copy of its own
        return raising

    @property
    def _functions(self) -> FunctionCallingLLM:
        if isinstance(self.llm, FunctionCallingLLM):
            return self.llm
        raise ConfigError("llm", f"{self.llm.class_name()} does not call functions")

    def _released(self, shape: Shape[R], response: R, judged: Judged) -> R:
        """The response as it may be returned, or the refusal in its place."""
        if (stopped := judged.stopped) is not None:
            return self._refusal(shape, stopped)
        return judged.rewritten(shape, response)

    def _refusal(self, shape: Shape[R], verdict: Verdict) -> R:
        """The safeguard reply as a response; raises where the block is to be raised."""
        reply = self._reply(verdict)
        return noted(shape.made(reply, reply), [verdict])

    def _reply(self, verdict: Verdict) -> str:
        """The safeguard reply; raises `Blocked` where it is to be raised."""
        if not self._replies:
            raise verdict.error()
        return safeguard_reply(verdict, self.on_block, self.guardian.policy.replies)

    def _feed(self, shape: Shape[R], prompt: str) -> ResponseFeed[R]:
        guard = self.guardian.stream_guard(prompt, holdback_chars=self.holdback_chars)
        return ResponseFeed(self.guardian, shape, prompt, guard, self._reply)

    def _streamed(self, upstream: Iterable[R], feed: ResponseFeed[R]) -> Generator[R, None, None]:
        with GuardedStream[R, R](upstream, feed, on_block=self.on_block) as stream:
            yield from stream

    async def _astreamed(self, upstream: AsyncIterable[R], feed: ResponseFeed[R]) -> AsyncGenerator[R, None]:
        async with AsyncGuardedStream[R, R](upstream, feed, on_block=self.on_block) as stream:
            async for response in stream:
                yield response


_OF_MODEL = (
    "callback_manager",
    "system_prompt",
    "messages_to_prompt",
    "completion_to_prompt",
    "output_parser",
    "query_wrapper_prompt",
    "pydantic_program_mode",
)
"""What a model's own methods put around prompts, which the wrapper does in its place, and who is told."""


def _only(response: R) -> Generator[R, None, None]:
    yield response


async def _aonly(response: R) -> AsyncGenerator[R, None]:
    yield response
