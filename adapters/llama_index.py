"""LlamaIndex under guard: the nodes that retrieval brings, and the model that reads them.

engine = index.as_query_engine(
    llm=GuardedLLM(llm, guardian), node_postprocessors=[GuardianNodePostprocessor(guardian)]
)
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar

from guardian import (
    Action,
    AsyncGuardedStream,
    ConfigError,
    GuardedStream,
    Guardian,
    InputError,
    MissingExtra,
    StreamGuard,
    Verdict,
    checked_on_block,
    last_user_text,
    redact_messages,
)

try:
    from llama_index.core.base.llms.types import (
        CachePoint,
        ChatMessage,
        ChatResponse,
        ChatResponseAsyncGen,
        ChatResponseGen,
        CompletionResponse,
        CompletionResponseAsyncGen,
        CompletionResponseGen,
        ContentBlock,
        LLMMetadata,
        MessageRole,
        TextBlock,
        ThinkingBlock,
        ToolCallBlock,
    )
    from llama_index.core.bridge.pydantic import Field, SerializeAsAny
    from llama_index.core.llms.function_calling import FunctionCallingLLM
    from llama_index.core.llms.llm import LLM, ToolSelection
    from llama_index.core.postprocessor.types import BaseNodePostprocessor
    from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle
except ImportError as error:
    raise MissingExtra(
        "llama-index", "guardian.adapters.llama_index needs llama-index-core: pip install 'slm-guardian[llama-index]'"
    ) from error

OnBlock = Literal["raise", "reply"]
OnBlockedNode = Literal["drop", "raise"]
Message = Mapping[str, Any]
R = TypeVar("R", ChatResponse, CompletionResponse)

KEY = "guardian"
"""The key under which a response's `additional_kwargs`, or a node's metadata, has the verdict as JSON."""


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
    metadata, where neither a model nor an embedding sees it; see `verdict_of`. Images are not read.
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
        return self._kept(nodes, self.guardian.check_documents(_documents(nodes), task=_task(query_bundle)))

    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        return self._kept(nodes, await self.guardian.acheck_documents(_documents(nodes), task=_task(query_bundle)))

    def _kept(self, nodes: list[NodeWithScore], verdicts: Sequence[Verdict]) -> list[NodeWithScore]:
        kept: list[NodeWithScore] = []
        for node, of_text, of_metadata in zip(nodes, verdicts[::2], verdicts[1::2], strict=True):
            stopped = of_metadata if of_metadata.action >= Action.REDACT else of_text
            if stopped.blocked or stopped is of_metadata:
                if self.on_block == "raise":
                    raise stopped.error()
            else:
                kept.append(_annotated(node, _gravest([of_text, of_metadata]), of_text))
        return kept


def _documents(nodes: Sequence[NodeWithScore]) -> list[str]:
    """Text and metadata of every node, in turn."""
    return [
        text
        for node in nodes
        for text in (node.node.get_content(MetadataMode.NONE), node.node.get_metadata_str(MetadataMode.LLM))
    ]


def _task(query: QueryBundle | None) -> str | None:
    return query.query_str if query is not None else None


def _annotated(found: NodeWithScore, verdict: Verdict, of_text: Verdict) -> NodeWithScore:
    """A copy of the node with the verdict, and without what is redacted; the node itself where there is neither."""
    if verdict.would is Action.ALLOW:
        return found
    node = found.node.model_copy()
    node.metadata = {**node.metadata, KEY: verdict.model_dump(mode="json")}
    node.excluded_llm_metadata_keys = [*node.excluded_llm_metadata_keys, KEY]
    node.excluded_embed_metadata_keys = [*node.excluded_embed_metadata_keys, KEY]
    text = node.get_content(MetadataMode.NONE)
    if (redacted := of_text.redact(text)) != text:
        node.set_content(redacted)
    return NodeWithScore(node=node, score=found.score)


# -- the model


class GuardedLLM(FunctionCallingLLM):
    """A model under guard, for wherever LlamaIndex takes one; all but the checks is that of `llm`, tools included.

    Prompts and results of tools are checked before the model is asked; its text, thinking and calls of tools before
    they are returned. What the policy stops raises BlockedPrompt, BlockedResponse or BlockedTool: LlamaIndex has no
    mark of a refusal, and an engine would take one for content. With `on_block="reply"`, and for a policy whose action
    is `reply`, the safeguard reply is the response. What the policy redacts goes on without the offending spans;
    thinking and calls of tools cannot be rewritten and are stopped. A response has its verdict in `additional_kwargs`,
    see `verdict_of`, and one that was rewritten has no `raw`. ConfigError where `on_block` is neither.

    Streams are guarded as `Guardian.stream_guard` says, with at most `holdback_chars` characters held back; thinking
    and calls of tools come with the last response of a stream, when they are complete and clear.
    """

    llm: SerializeAsAny[LLM]
    guardian: Any = Field(exclude=True, description="the Guardian that checks")
    on_block: OnBlock = "raise"
    holdback_chars: int = 512

    def __init__(
        self, llm: LLM, guardian: Guardian, *, on_block: OnBlock = "raise", holdback_chars: int = 512, **kwargs: Any
    ) -> None:
        checked_on_block(on_block)
        of_model = {name: getattr(llm, name) for name in _PROMPTING}
        super().__init__(
            llm=llm, guardian=guardian, on_block=on_block, holdback_chars=holdback_chars, **(of_model | kwargs)
        )

    @classmethod
    def class_name(cls) -> str:
        return "GuardedLLM"

    @property
    def metadata(self) -> LLMMetadata:
        return self.llm.metadata

    # The methods bear no callbacks: those of `llm` do, and every event would come twice.

    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        given = [_message(message) for message in messages]
        verdict = self.guardian.check_messages(given)
        if verdict.blocked:
            return self._refusal(_CHAT, verdict)
        response = self.llm.chat(_redacted(messages, given, verdict), **kwargs)
        return self._released(_CHAT, response, self._judged(_CHAT.parts(response), _prompt(given, verdict)))

    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        given = [_message(message) for message in messages]
        verdict = await self.guardian.acheck_messages(given)
        if verdict.blocked:
            return self._refusal(_CHAT, verdict)
        response = await self.llm.achat(_redacted(messages, given, verdict), **kwargs)
        return self._released(_CHAT, response, await self._ajudged(_CHAT.parts(response), _prompt(given, verdict)))

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        verdict = self.guardian.check(prompt)
        if verdict.blocked:
            return self._refusal(_COMPLETION, verdict)
        prompt = verdict.redact(prompt)
        response = self.llm.complete(prompt, formatted=formatted, **kwargs)
        return self._released(_COMPLETION, response, self._judged(_COMPLETION.parts(response), prompt))

    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        verdict = await self.guardian.acheck(prompt)
        if verdict.blocked:
            return self._refusal(_COMPLETION, verdict)
        prompt = verdict.redact(prompt)
        response = await self.llm.acomplete(prompt, formatted=formatted, **kwargs)
        return self._released(_COMPLETION, response, await self._ajudged(_COMPLETION.parts(response), prompt))

    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        given = [_message(message) for message in messages]
        verdict = self.guardian.check_messages(given)
        if verdict.blocked:
            return _only(self._refusal(_CHAT, verdict))
        upstream = self.llm.stream_chat(_redacted(messages, given, verdict), **kwargs)
        return self._streamed(upstream, self._feed(_CHAT, _prompt(given, verdict)))

    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        given = [_message(message) for message in messages]
        verdict = await self.guardian.acheck_messages(given)
        if verdict.blocked:
            return _aonly(self._refusal(_CHAT, verdict))
        upstream = await self.llm.astream_chat(_redacted(messages, given, verdict), **kwargs)
        return self._astreamed(upstream, self._feed(_CHAT, _prompt(given, verdict)))

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        verdict = self.guardian.check(prompt)
        if verdict.blocked:
            return _only(self._refusal(_COMPLETION, verdict))
        prompt = verdict.redact(prompt)
        upstream = self.llm.stream_complete(prompt, formatted=formatted, **kwargs)
        return self._streamed(upstream, self._feed(_COMPLETION, prompt))

    async def astream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseAsyncGen:
        verdict = await self.guardian.acheck(prompt)
        if verdict.blocked:
            return _aonly(self._refusal(_COMPLETION, verdict))
        prompt = verdict.redact(prompt)
        upstream = await self.llm.astream_complete(prompt, formatted=formatted, **kwargs)
        return self._astreamed(upstream, self._feed(_COMPLETION, prompt))

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

    @property
    def _functions(self) -> FunctionCallingLLM:
        if isinstance(self.llm, FunctionCallingLLM):
            return self.llm
        raise ConfigError("llm", f"{self.llm.class_name()} does not call functions")

    def _judged(self, parts: _Parts, prompt: str) -> _Judged:
        texts = self.guardian.check_responses(prompt, [*parts.texts, *parts.thoughts])
        return _Judged.of(parts, texts, [self.guardian.check_tool_call(*call) for call in parts.calls])

    async def _ajudged(self, parts: _Parts, prompt: str) -> _Judged:
        texts = await self.guardian.acheck_responses(prompt, [*parts.texts, *parts.thoughts])
        return _Judged.of(parts, texts, [await self.guardian.acheck_tool_call(*call) for call in parts.calls])

    def _released(self, shape: _Shape[R], response: R, judged: _Judged) -> R:
        """The response as it may be returned, or the refusal in its place."""
        if (stopped := judged.stopped) is not None:
            return self._refusal(shape, stopped)
        if any(verdict.action is Action.REDACT for verdict in judged.texts):
            texts = [verdict.redact(text) for verdict, text in zip(judged.texts, judged.parts.texts, strict=True)]
            response = shape.rewritten(response, texts)
        return _noted(response, judged.all)

    def _refusal(self, shape: _Shape[R], verdict: Verdict) -> R:
        """The safeguard reply as a response; raises where the block is to be raised."""
        if self.on_block == "raise" and verdict.action is not Action.REPLY:
            raise verdict.error()
        reply = verdict.reply or verdict.reason
        return _noted(shape.made(reply, reply), [verdict])

    def _feed(self, shape: _Shape[R], prompt: str) -> _Feed[R]:
        return _Feed(self, shape, prompt, self.guardian.stream_guard(prompt, holdback_chars=self.holdback_chars))

    def _streamed(self, upstream: Iterable[R], feed: _Feed[R]) -> Generator[R, None, None]:
        with GuardedStream[R, R](upstream, feed, on_block=self.on_block) as stream:
            yield from stream

    async def _astreamed(self, upstream: AsyncIterable[R], feed: _Feed[R]) -> AsyncGenerator[R, None]:
        async with AsyncGuardedStream[R, R](upstream, feed, on_block=self.on_block) as stream:
            async for response in stream:
                yield response


_PROMPTING = (
    "system_prompt",
    "messages_to_prompt",
    "completion_to_prompt",
    "output_parser",
    "query_wrapper_prompt",
    "pydantic_program_mode",
)
"""What a model's own methods put around prompts: the wrapper does it in its place."""


def _only(response: R) -> Generator[R, None, None]:
    yield response


async def _aonly(response: R) -> AsyncGenerator[R, None]:
    yield response


# -- what is read


@dataclass(frozen=True, slots=True)
class _Parts:
    """What there is to read in a response."""

    texts: Sequence[str]
    thoughts: Sequence[str] = ()
    calls: Sequence[tuple[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class _Judged:
    """The verdicts on the parts of a response, `texts` being those on what can be rewritten."""

    parts: _Parts
    texts: Sequence[Verdict]
    fixed: Sequence[Verdict]

    @classmethod
    def of(cls, parts: _Parts, texts: Sequence[Verdict], calls: Sequence[Verdict]) -> _Judged:
        number = len(parts.texts)
        return cls(parts, texts[:number], [*texts[number:], *calls])

    @property
    def all(self) -> Sequence[Verdict]:
        return [*self.texts, *self.fixed]

    @property
    def stopped(self) -> Verdict | None:
        """The gravest verdict that stops the response, if one does."""
        found = [verdict for verdict in self.texts if verdict.blocked]
        found += [verdict for verdict in self.fixed if verdict.action >= Action.REDACT]
        return _gravest(found) if found else None


def _message(message: ChatMessage) -> Message:
    """A message as the guard's own. What is no text is a part without one, never left out."""
    role = "assistant" if message.role is MessageRole.CHATBOT else message.role.value
    return {"role": role, "content": [_part(block) for block in message.blocks]}


def _part(block: ContentBlock) -> Message:
    if isinstance(block, TextBlock):
        return {"type": "text", "text": block.text}
    return {"type": "text", "text": ""} if isinstance(block, CachePoint) else {"type": block.block_type}


def _redacted(messages: Sequence[ChatMessage], given: Sequence[Message], verdict: Verdict) -> list[ChatMessage]:
    """The messages without what the policy redacts; unchanged ones are the same."""
    changed = redact_messages(given, verdict)
    return [
        message if new is old else _with_texts(message, [part.get("text", "") for part in new["content"]])
        for message, old, new in zip(messages, given, changed, strict=True)
    ]


def _prompt(given: Sequence[Message], verdict: Verdict) -> str:
    return last_user_text(redact_messages(given, verdict))


def _with_texts(message: ChatMessage, texts: Sequence[str]) -> ChatMessage:
    """A copy of the message; `texts` has one for every block, of which those of text blocks count."""
    blocks = [
        block.model_copy(update={"text": text}) if isinstance(block, TextBlock) else block
        for block, text in zip(message.blocks, texts, strict=True)
    ]
    return message.model_copy(update={"blocks": blocks})


# -- what is made of it


class _Shape(Protocol[R]):
    """How responses of one kind are read and made."""

    def parts(self, response: R, /) -> _Parts: ...
    def made(self, text: str, delta: str, /) -> R: ...
    def rewritten(self, response: R, texts: Sequence[str], /) -> R:
        """The response with other texts, and without what repeats the old ones."""
        ...

    def last(self, response: R, text: str, delta: str, /, *, clear: bool) -> R:
        """The last response of a stream that said `text`; `clear` where that is all as it came."""
        ...


class _Chat:
    def parts(self, response: ChatResponse) -> _Parts:
        blocks = response.message.blocks
        calls = [(block.tool_name, block.tool_kwargs) for block in blocks if isinstance(block, ToolCallBlock)]
        return _Parts(
            texts=[block.text for block in blocks if isinstance(block, TextBlock)],
            thoughts=[block.content for block in blocks if isinstance(block, ThinkingBlock) and block.content],
            calls=calls or [_called(call) for call in response.message.additional_kwargs.get("tool_calls") or ()],
        )

    def made(self, text: str, delta: str) -> ChatResponse:
        return ChatResponse(message=ChatMessage(role=MessageRole.ASSISTANT, content=text), delta=delta)

    def rewritten(self, response: ChatResponse, texts: Sequence[str]) -> ChatResponse:
        left = iter(texts)
        each = [next(left) if isinstance(block, TextBlock) else "" for block in response.message.blocks]
        message = _with_texts(response.message, each)
        return response.model_copy(update={"message": message, "raw": None, "logprobs": None})

    def last(self, response: ChatResponse, text: str, delta: str, *, clear: bool) -> ChatResponse:
        others = [block for block in response.message.blocks if not isinstance(block, TextBlock)]
        thoughts = [block for block in others if isinstance(block, ThinkingBlock)]
        blocks = [*thoughts, TextBlock(text=text), *(block for block in others if block not in thoughts)]
        message = response.message.model_copy(update={"blocks": blocks})
        kept = {} if clear else {"raw": None, "logprobs": None}
        return response.model_copy(update={"message": message, "delta": delta, **kept})


class _Completion:
    def parts(self, response: CompletionResponse) -> _Parts:
        return _Parts([response.text])

    def made(self, text: str, delta: str) -> CompletionResponse:
        return CompletionResponse(text=text, delta=delta)

    def rewritten(self, response: CompletionResponse, texts: Sequence[str]) -> CompletionResponse:
        return response.model_copy(update={"text": texts[0], "raw": None, "logprobs": None})

    def last(self, response: CompletionResponse, text: str, delta: str, *, clear: bool) -> CompletionResponse:
        kept = {} if clear else {"raw": None, "logprobs": None}
        return response.model_copy(update={"text": text, "delta": delta, **kept})


_CHAT: _Shape[ChatResponse] = _Chat()
_COMPLETION: _Shape[CompletionResponse] = _Completion()


def _called(call: Any) -> tuple[str, Any]:
    """A call of a tool in the way of older integrations, which keep what their API gave them."""
    if isinstance(call, ToolSelection):
        return call.tool_name, call.tool_kwargs
    inner = _get(call, "function") or call
    return str(_get(inner, "name") or ""), _get(inner, "arguments") or ""


def _get(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, Mapping) else getattr(value, key, None)


def _noted(response: R, verdicts: Sequence[Verdict]) -> R:
    noted = [verdict for verdict in verdicts if verdict.would > Action.ALLOW]
    if not noted:
        return response
    notes = {**response.additional_kwargs, KEY: _gravest(noted).model_dump(mode="json")}
    return response.model_copy(update={"additional_kwargs": notes})


def _gravest(verdicts: Sequence[Verdict]) -> Verdict:
    return max(verdicts, key=lambda verdict: verdict.would)


class _Feed(Generic[R]):
    """The feed of a streamed response: text as it is cleared, all else with the last response."""

    def __init__(self, llm: GuardedLLM, shape: _Shape[R], prompt: str, guard: StreamGuard) -> None:
        self._llm = llm
        self._shape: _Shape[R] = shape
        self._prompt = prompt
        self._guard = guard
        self._received = ""
        self._text = ""  # what has left
        self._last: R | None = None
        self._stopped: Verdict | None = None

    @property
    def cut(self) -> bool:
        return self._guard.cut or self._stopped is not None

    @property
    def verdict(self) -> Verdict | None:
        return self._stopped or self._guard.verdict

    def feed(self, response: R) -> Sequence[R]:
        return self._grown(self._guard.feed(self._taken(response)))

    async def afeed(self, response: R) -> Sequence[R]:
        return self._grown(await self._guard.afeed(self._taken(response)))

    def finish(self) -> Sequence[R]:
        delta = self._guard.finish()
        if self.cut or self._last is None:
            return self._grown(delta)
        return self._ended(delta, self._last, self._llm._judged(self._fixed(self._last), self._prompt))  # noqa: SLF001

    async def afinish(self) -> Sequence[R]:
        delta = await self._guard.afinish()
        if self.cut or self._last is None:
            return self._grown(delta)
        judged = await self._llm._ajudged(self._fixed(self._last), self._prompt)  # noqa: SLF001  # its own stream
        return self._ended(delta, self._last, judged)

    def ending(self, on_block: OnBlock) -> R:
        if (verdict := self.verdict) is None:
            raise InputError("this stream was not stopped")
        if on_block == "raise" and verdict.action is not Action.REPLY:
            raise verdict.error()
        reply = verdict.reply or verdict.reason
        delta = f"\n\n{reply}" if self._text else reply
        return _noted(self._shape.made(self._text + delta, delta), [verdict])

    def _taken(self, response: R) -> str:
        """What is new in this response; where it does not say, it has all the text so far."""
        self._last = response
        if response.delta is None:
            delta = "".join(self._shape.parts(response).texts).removeprefix(self._received)
        else:
            delta = response.delta
        self._received += delta
        return delta

    def _grown(self, delta: str) -> Sequence[R]:
        if not delta:
            return []
        self._text += delta
        return [self._shape.made(self._text, delta)]

    def _fixed(self, response: R) -> _Parts:
        parts = self._shape.parts(response)
        return _Parts((), parts.thoughts, parts.calls)

    def _ended(self, delta: str, last: R, judged: _Judged) -> Sequence[R]:
        self._stopped = judged.stopped
        if self._stopped is not None:
            return self._grown(delta)
        self._text += delta
        of_text: Verdict | None = self._guard.verdict
        clear = of_text is None or of_text.action is not Action.REDACT
        verdicts = [*judged.all, *([of_text] if of_text else [])]
        return [_noted(self._shape.last(last, self._text, delta, clear=clear), verdicts)]
