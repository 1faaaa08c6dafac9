"""LangChain under guard: agents by middleware, chains by a runnable, retrieval by a document transformer.

    agent = create_agent(model, tools, middleware=[GuardianMiddleware(guardian)])
    chain = prompt | GuardianRunnable(guardian) | model | GuardianRunnable(guardian)
    documents = GuardianDocumentTransformer(guardian).transform_documents(documents, task=question)

A message that the guard made or changed, or that the policy flags, says so in `response_metadata["guardian"]`: a
mapping with `action`, `stage`, `severity`, `triggered` and `reason`, never the text. A refusal is marked as the model
APIs mark theirs, too: `additional_kwargs["refusal"]`, `finish_reason` `content_filter`, `stop_reason` `refusal`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Hashable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from inspect import isawaitable
from threading import Lock
from typing import Any, ClassVar, Literal, TypeVar

from guardian import (
    Action,
    ConfigError,
    Conversation,
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
    from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse, ToolCallRequest
    from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
    from langchain_core.documents import BaseDocumentTransformer, Document
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import (
        AIMessage,
        AIMessageChunk,
        BaseMessage,
        ChatMessage,
        FunctionMessage,
        HumanMessage,
        SystemMessage,
        ToolMessage,
        convert_to_messages,
    )
    from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
    from langchain_core.prompt_values import ChatPromptValue, PromptValue, StringPromptValue
    from langchain_core.runnables import Runnable, RunnableConfig
    from langchain_core.runnables.config import var_child_runnable_config
    from langgraph.stream import StreamTransformer
    from langgraph.types import Command
except ImportError as error:
    raise MissingExtra(
        "langchain", "guardian.adapters.langchain needs langchain: pip install 'slm-guardian[langchain]'"
    ) from error

OnBlock = Literal["raise", "reply"]
Message = Mapping[str, Any]
M = TypeVar("M", bound=BaseMessage)

WITHHELD = "[redacted]"
"""What stands in the place of an earlier turn that the policy blocks."""

THREADS = 1024
"""Threads of an agent whose stopped tool results are remembered; the least recently used go first."""


# -- agents


class GuardianMiddleware(AgentMiddleware[Any, Any, Any]):
    """Guards an agent: what goes to its model, what the model answers, every call of a tool and every tool's result.

    Put it last in `middleware=[...]`, next to the model: it then reads what the others have made of the messages, and
    streams of a model that another puts in its place are guarded too.

    - Messages are checked before every call of the model. What is stopped is not sent, and the run ends with a refusal.
      An earlier turn that is blocked does not end the conversation: the model sees `[redacted]` in its place.
    - The answer is checked before it gets into the state, the checkpoint or any stream (`stream_mode="messages"`,
      `stream_events`, `astream_events`): the model is called behind the guard, which delivers only what is clear and
      closes the model's stream where it is stopped. Calls of tools are held until they are complete.
    - A call of a tool is checked before it runs, whoever edited it; a result before the model or the state has it. What
      is stopped there is replaced by an error message with the reason, and the agent goes on.
    - With a checkpointer, a tool result that was stopped stays so for its whole thread (see `guardian.Conversation`).

    `on_block="reply"`, the default, because an agent's caller expects messages and a raised error leaves a thread
    half-way: the refusal is the last message. With "raise" the `Blocked` error of the stage is raised instead, unless
    the policy's action is `reply`. Where the agent has a `response_format` a blocked answer or prompt is always raised,
    and so is one the policy redacts: a refusal is no structured response. Raises ConfigError where `on_block` is
    neither, and in a run what the checks raise.
    """

    def __init__(self, guardian: Guardian, *, on_block: OnBlock = "reply", holdback_chars: int = 512) -> None:
        super().__init__()
        guardian.stream_guard(holdback_chars=holdback_chars)  # a wrong size is an error here, not in mid-stream
        self.guardian = guardian
        self.on_block = checked_on_block(on_block)
        self.holdback_chars = holdback_chars
        self.transformers = (partial(_ToolOutputs, guardian=guardian),)
        self._threads = _Threads(guardian)

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any] | AIMessage:
        prompt = _as_mappings(request.messages)
        with self._threads.of(request.runtime):
            verdict = self.guardian.check_messages(prompt)
        admitted = _admitted(request.messages, verdict)
        answers = self._answers(request, prompt)
        if admitted is None:
            return answers.refusal(verdict)
        response = handler(_guarded(request, admitted, answers))
        if answers.given:
            return response
        return replace(response, result=[answers.check(m) if isinstance(m, AIMessage) else m for m in response.result])

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelResponse[Any] | AIMessage:
        prompt = _as_mappings(request.messages)
        with self._threads.of(request.runtime):
            verdict = await self.guardian.acheck_messages(prompt)
        admitted = _admitted(request.messages, verdict)
        answers = self._answers(request, prompt)
        if admitted is None:
            return answers.refusal(verdict)
        response = await handler(_guarded(request, admitted, answers))
        if answers.given:
            return response
        checked = [await answers.acheck(m) if isinstance(m, AIMessage) else m for m in response.result]
        return replace(response, result=checked)

    def wrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], ToolMessage | Command[Any]]
    ) -> ToolMessage | Command[Any]:
        call = request.tool_call
        verdict = self.guardian.check_tool_call(call["name"], call["args"])
        if verdict.action >= Action.REDACT:
            return self._uncalled(request, _as_block(verdict))
        result = handler(request)
        with self._threads.of(request.runtime):
            verdicts = [self.guardian.check_messages(_as_mappings([m])) for m in _tool_messages(result)]
        return self._returned(result, verdicts)

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[ToolMessage | Command[Any]]]
    ) -> ToolMessage | Command[Any]:
        call = request.tool_call
        verdict = await self.guardian.acheck_tool_call(call["name"], call["args"])
        if verdict.action >= Action.REDACT:
            return self._uncalled(request, _as_block(verdict))
        result = await handler(request)
        with self._threads.of(request.runtime):
            verdicts = [await self.guardian.acheck_messages(_as_mappings([m])) for m in _tool_messages(result)]
        return self._returned(result, verdicts)

    def _answers(self, request: ModelRequest[Any], prompt: Sequence[Message]) -> _Answers:
        return _Answers(
            self.guardian,
            last_user_text(prompt),
            self.on_block,
            self.holdback_chars,
            free=request.response_format is None,
        )

    def _uncalled(self, request: ToolCallRequest, verdict: Verdict) -> ToolMessage:
        """What the model is told instead of the result of a call that was not made."""
        self._raise(verdict)
        call = request.tool_call
        return ToolMessage(
            verdict.reason,
            name=call["name"],
            tool_call_id=call["id"],
            status="error",
            response_metadata={"guardian": _mark(verdict)},
        )

    def _returned(self, result: ToolMessage | Command[Any], verdicts: Sequence[Verdict]) -> ToolMessage | Command[Any]:
        """The result of a tool as the agent may have it; `verdicts` are on the messages in it."""
        for verdict in verdicts:
            self._raise(verdict)
        changed: ToolMessage | Command[Any] = _with_tool_messages(result, verdicts)
        return changed

    def _raise(self, verdict: Verdict) -> None:
        if verdict.action is Action.BLOCK and self.on_block == "raise":
            raise verdict.error()


class _Threads:
    """What was stopped in each thread of an agent; nothing is remembered where a run has no thread."""

    def __init__(self, guardian: Guardian) -> None:
        self._guardian = guardian
        self._lock = Lock()
        self._known: OrderedDict[str, Conversation] = OrderedDict()

    def of(self, runtime: Any) -> AbstractContextManager[object]:
        """Check within the conversation of the thread this run belongs to."""
        info = getattr(runtime, "execution_info", None)
        if info is None or info.thread_id is None:
            return nullcontext()
        with self._lock:
            conversation = self._known.setdefault(info.thread_id, Conversation())
            self._known.move_to_end(info.thread_id)
            if len(self._known) > THREADS:
                self._known.popitem(last=False)
        return self._guardian.using(conversation=conversation)


def _tool_messages(result: Any) -> list[ToolMessage]:
    """The tool messages in what a tool gave: itself one, or a command or list with some."""
    if isinstance(result, ToolMessage):
        return [result]
    if isinstance(result, Command):
        update = result.update
        return _tool_messages(update.get("messages") if isinstance(update, Mapping) else update)
    return [m for item in result for m in _tool_messages(item)] if isinstance(result, list | tuple) else []


def _with_tool_messages(result: Any, verdicts: Sequence[Verdict]) -> Any:
    """`result` with what `verdicts`, which are on `_tool_messages` of it, say of each; all else as it is."""
    left = iter(verdicts)

    def changed(value: Any) -> Any:
        if isinstance(value, ToolMessage):
            return _tool_result(value, next(left))
        if isinstance(value, Command) and isinstance(value.update, Mapping) and "messages" in value.update:
            return replace(value, update={**value.update, "messages": changed(value.update["messages"])})
        if isinstance(value, Command) and isinstance(value.update, list | tuple):
            return replace(value, update=changed(value.update))
        return type(value)(changed(item) for item in value) if isinstance(value, list | tuple) else value

    return changed(result)


def _tool_result(message: ToolMessage, verdict: Verdict) -> ToolMessage:
    """The result of a tool as the model may have it: where it is stopped, the reason in its place."""
    if not verdict.flagged:
        return message
    marked = {**message.response_metadata, "guardian": _mark(verdict)}
    if verdict.blocked:
        return message.model_copy(
            update={"content": verdict.reason, "status": "error", "response_metadata": marked, "artifact": None}
        )
    (changed,) = _redacted([message], verdict)
    return changed.model_copy(update={"response_metadata": marked})


class _ToolOutputs(StreamTransformer):
    """What `stream_events` shows of tools: results as the model gets them, partial ones not at all.

    A tool's own callbacks show its result before the agent has it; verdicts are remembered, so it is read once.
    """

    before_builtins: ClassVar[bool] = True
    supports_sync: ClassVar[bool] = True

    def __init__(self, scope: tuple[str, ...] = (), *, guardian: Guardian) -> None:
        super().__init__(scope)
        self._guardian = guardian

    def init(self) -> dict[str, Any]:
        return {}

    def process(self, event: Any) -> bool:
        data = _of_tool(event)
        if data.get("event") == "tool-finished":
            found = _tool_messages(data.get("output"))
            verdicts = [self._guardian.check_messages(_as_mappings([message])) for message in found]
            data["output"] = _with_tool_messages(data.get("output"), verdicts)
        return data.get("event") != "tool-output-delta"

    async def aprocess(self, event: Any) -> bool:
        data = _of_tool(event)
        if data.get("event") == "tool-finished":
            found = _tool_messages(data.get("output"))
            verdicts = [await self._guardian.acheck_messages(_as_mappings([message])) for message in found]
            data["output"] = _with_tool_messages(data.get("output"), verdicts)
        return data.get("event") != "tool-output-delta"


def _of_tool(event: Any) -> dict[str, Any]:
    """The data of an event about a tool; empty for any other event."""
    data = event["params"].get("data") if event["method"] == "tools" else None
    return data if isinstance(data, dict) else {}


def _guarded(request: ModelRequest[Any], messages: list[Any], answers: _Answers) -> ModelRequest[Any]:
    return request.override(messages=messages, model=_GuardedModel.around(request.model, answers))


class _GuardedModel(BaseChatModel):
    """A chat model behind the guard: callbacks, and so streams and traces of the agent, see only what has been cleared.

    It stands in for the model itself, because every way to stream an agent listens to the model.
    """

    source: Any
    """The model as it was, for its name in traces."""
    inner: Any
    """The model with its tools."""
    answers: Any
    model_name: str = ""
    cache: Any = False  # the model has its own

    @classmethod
    def around(cls, model: BaseChatModel, answers: _Answers) -> _GuardedModel:
        name = next((n for key in _NAMES if isinstance(n := getattr(model, key, None), str) and n), "")
        profile = getattr(model, "profile", None)
        return cls(source=model, inner=model, answers=answers, model_name=name, profile=profile)

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self.model_copy(update={"inner": self.inner.bind_tools(tools, **kwargs)})

    @property
    def _llm_type(self) -> str:
        return str(getattr(self.source, "_llm_type", "guarded"))

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> Any:
        if isinstance(self.source, BaseChatModel):
            return self.source._get_ls_params(stop=stop, **kwargs)  # noqa: SLF001  # as a chat model that wraps one
        return super()._get_ls_params(stop=stop, **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        del run_manager  # must not hear what is not cleared yet
        with _unheard():
            answer = self.inner.invoke(messages, stop=stop, **kwargs)
        return ChatResult(generations=[ChatGeneration(message=self.answers.check(answer))])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        del run_manager
        with _unheard():
            answer = await self.inner.ainvoke(messages, stop=stop, **kwargs)
        return ChatResult(generations=[ChatGeneration(message=await self.answers.acheck(answer))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        del run_manager
        for chunk in self.answers.stream(_unheard_stream(self.inner.stream(messages, stop=stop, **kwargs))):
            yield ChatGenerationChunk(message=chunk)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        del run_manager
        chunks = self.answers.astream(_unheard_astream(self.inner.astream(messages, stop=stop, **kwargs)))
        try:
            async for chunk in chunks:
                yield ChatGenerationChunk(message=chunk)
        finally:
            await chunks.aclose()


_NAMES = ("model_name", "model", "model_id")


@contextmanager
def _unheard() -> Iterator[None]:
    """Cut calls off from the callbacks of the run they are part of.

    By the context, because a model with tools bound to it adds what it finds there to the callbacks it is given.
    """
    config: RunnableConfig = {**(var_child_runnable_config.get() or {}), "callbacks": []}
    token = var_child_runnable_config.set(config)
    try:
        yield
    finally:
        var_child_runnable_config.reset(token)


def _unheard_stream(chunks: Iterator[Any]) -> Iterator[Any]:
    try:
        while True:
            with _unheard():
                chunk = next(chunks, None)
            if chunk is None:
                return
            yield chunk
    finally:
        _close(chunks)


async def _unheard_astream(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
    try:
        while True:
            with _unheard():
                chunk = await anext(chunks, None)
            if chunk is None:
                return
            yield chunk
    finally:
        await _aclose(chunks)


# -- chains


class GuardianRunnable(Runnable[Any, Any]):
    """A step of a chain that knows by its input where it stands.

    A str, a prompt value or a list of messages stands before the model; what the policy redacts goes on without the
    offending spans, as the same type. An AIMessage stands behind it, and is checked as an answer and for the tools it
    calls; streamed, only what has been cleared is handed on, and a stopped stream closes the model's. A list that ends
    with the answer is input all the same, and a str always is: stand before the output parser, not behind it.

    `on_block="raise"`, the default, because there is no way to answer in a chain's place: `Blocked` is what
    `with_fallbacks(..., exceptions_to_handle=(Blocked,))` is for. With "reply", and under a policy whose action is
    `reply`, a refusal takes the place of a blocked answer; a blocked prompt is raised all the same, because the next
    step would send whatever it is given. Raises ConfigError for another `on_block`, InputError for other input.
    """

    def __init__(self, guardian: Guardian, *, on_block: OnBlock = "raise", holdback_chars: int = 512) -> None:
        guardian.stream_guard(holdback_chars=holdback_chars)
        self.guardian = guardian
        # What the answer answers is known to the other end of the chain only.
        self._answers = _Answers(guardian, "", checked_on_block(on_block), holdback_chars)

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002, ARG002
        if isinstance(input, AIMessage):
            return self._answers.check(input)
        if isinstance(input, str):
            return self.guardian.check(input).raise_if_blocked().redact(input)
        messages = _messages_of(input)
        return _as_given(input, messages, self.guardian.check_messages(_as_mappings(messages)))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002, ARG002
        if isinstance(input, AIMessage):
            return await self._answers.acheck(input)
        if isinstance(input, str):
            return (await self.guardian.acheck(input)).raise_if_blocked().redact(input)
        messages = _messages_of(input)
        return _as_given(input, messages, await self.guardian.acheck_messages(_as_mappings(messages)))

    def transform(self, input: Iterator[Any], config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:  # noqa: A002, ARG002
        whole: Any = None
        for item in input:
            if whole is None and isinstance(item, AIMessage):
                yield from self._answers.stream(_continued(item, input))
                return
            whole = item if whole is None else _added(whole, item)
        if whole is not None:
            yield self.invoke(whole, config)

    async def atransform(
        self,
        input: AsyncIterator[Any],  # noqa: A002
        config: RunnableConfig | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> AsyncIterator[Any]:
        whole: Any = None
        async for item in input:
            if whole is None and isinstance(item, AIMessage):
                chunks = self._answers.astream(_acontinued(item, input))
                try:
                    async for chunk in chunks:
                        yield chunk
                finally:
                    await chunks.aclose()
                return
            whole = item if whole is None else _added(whole, item)
        if whole is not None:
            yield await self.ainvoke(whole, config)


def _messages_of(given: Any) -> list[BaseMessage]:
    """The messages that a model would make of this input."""
    if isinstance(given, PromptValue):
        return given.to_messages()
    if not isinstance(given, list | tuple):
        raise InputError(f"cannot guard {type(given).__name__}: give a str, a prompt value, messages or an AIMessage")
    try:
        return convert_to_messages(given)
    except (ValueError, TypeError, NotImplementedError) as error:  # whose message may quote what was given
        raise InputError(f"this list holds what is no message: {type(error).__name__}") from None


def _as_given(given: Any, messages: Sequence[BaseMessage], verdict: Verdict) -> Any:
    """What was given, of which `messages` were made, as it may go on; raises where it may not."""
    if verdict.raise_if_blocked().action is not Action.REDACT:
        return given
    changed = _redacted(messages, verdict)
    if isinstance(given, StringPromptValue):
        return StringPromptValue(text=changed[0].text)
    return ChatPromptValue(messages=changed) if isinstance(given, PromptValue) else changed


def _added(whole: Any, item: Any) -> Any:
    """Input that comes in pieces, as chains add it up: the last piece where they cannot be added."""
    try:
        return whole + item
    except TypeError:
        return item


def _continued(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    """A stream of which the first chunk was looked at; closed with it."""
    try:
        yield first
        yield from rest
    finally:
        _close(rest)


async def _acontinued(first: Any, rest: AsyncIterator[Any]) -> AsyncIterator[Any]:
    try:
        yield first
        async for item in rest:
            yield item
    finally:
        await _aclose(rest)


# -- retrieval


class GuardianDocumentTransformer(BaseDocumentTransformer):
    """Checks documents for what they are going to be used for, before a model reads them.

    `task` says what that is ("Answer: what does the warranty cover?"), for all calls or as an argument of one. What the
    policy blocks is left out, or with `on_block="raise"` raises BlockedDocument; what it redacts is cut out. Those that
    remain have `guardian_action` in their metadata, and `guardian_reason` where they are flagged or redacted: strings,
    so that any vector store takes them. Raises ConfigError for another `on_block`.
    """

    def __init__(
        self, guardian: Guardian, *, task: str | None = None, on_block: Literal["drop", "raise"] = "drop"
    ) -> None:
        if on_block not in ("drop", "raise"):
            raise ConfigError("on_block", "must be 'drop' or 'raise'")
        self.guardian = guardian
        self.task = task
        self.on_block = on_block

    def transform_documents(self, documents: Sequence[Document], **kwargs: Any) -> Sequence[Document]:
        texts = [document.page_content for document in documents]
        return self._kept(documents, self.guardian.check_documents(texts, task=kwargs.get("task", self.task)))

    async def atransform_documents(self, documents: Sequence[Document], **kwargs: Any) -> Sequence[Document]:
        texts = [document.page_content for document in documents]
        return self._kept(documents, await self.guardian.acheck_documents(texts, task=kwargs.get("task", self.task)))

    def _kept(self, documents: Sequence[Document], verdicts: Sequence[Verdict]) -> list[Document]:
        if self.on_block == "raise":
            for verdict in verdicts:
                verdict.raise_if_blocked()
        pairs = zip(documents, verdicts, strict=True)
        return [_document(document, verdict) for document, verdict in pairs if not verdict.blocked]


def _document(document: Document, verdict: Verdict) -> Document:
    said = {"guardian_action": str(verdict.action)}
    if verdict.flagged:
        said["guardian_reason"] = verdict.reason
    return document.model_copy(
        update={
            "page_content": verdict.redact(document.page_content),
            "metadata": {**document.metadata, **said},
        }
    )


# -- messages


def _as_mappings(messages: Sequence[BaseMessage]) -> list[Message]:
    """Messages as the guard reads them; an empty one where there are none."""
    return [_as_mapping(message) for message in messages] or [{"role": "user", "content": ""}]


def _as_mapping(message: BaseMessage) -> Message:
    role = message.role if isinstance(message, ChatMessage) else _role(message)
    content: Any = message.content
    if not isinstance(content, str):
        content = [{**part, "type": "text"} if _is_plain_text(part) else part for part in content]
    return {"role": role, "content": content}


def _role(message: BaseMessage) -> str:
    """Chunks of messages have types of their own, so it goes by the class; the guard names a role it does not know."""
    return next((role for kind, role in _ROLES.items() if isinstance(message, kind)), message.type)


_ROLES: Mapping[type[BaseMessage], str] = {
    HumanMessage: "user",
    AIMessage: "assistant",
    SystemMessage: "system",
    ToolMessage: "tool",
    FunctionMessage: "function",
}


def _is_plain_text(part: Any) -> bool:
    """A text document among the parts of a message: to the guard a text like any other."""
    return isinstance(part, dict) and part.get("type") == "text-plain" and isinstance(part.get("text"), str)


def _redacted(messages: Sequence[M], verdict: Verdict) -> list[M]:
    """Copies of the messages without the spans that `verdict`, which is on them, wants cut out."""
    before = _as_mappings(messages)
    return [
        message if new is old else _with_content(message, new["content"])
        for message, old, new in zip(messages, before, redact_messages(before, verdict), strict=True)
    ]


def _with_content(message: M, content: Any) -> M:
    if isinstance(content, list):
        pairs = zip(message.content, content, strict=True)
        content = [{**new, "type": "text-plain"} if _is_plain_text(old) else new for old, new in pairs]
    return message.model_copy(update={"content": content})


def _admitted(messages: Sequence[BaseMessage], verdict: Verdict) -> list[BaseMessage] | None:
    """The messages as they may be sent; None where they may not.

    What comes after the model's last message is new. A thread keeps what was refused in it, so a turn from before that
    is blocked is withheld: to stop again at it would end the conversation for good.
    """
    if verdict.action < Action.REDACT:
        return list(messages)
    actions = {finding.name: finding.action for finding in verdict.findings}
    blocked = {s.message for s in verdict.spans if actions.get(s.hazard, verdict.action) >= Action.REPLY}
    new = max((i + 1 for i, message in enumerate(messages) if isinstance(message, AIMessage)), default=0)
    if verdict.blocked and not (blocked and all(i is not None and i < new for i in blocked)):
        return None
    return [
        message.model_copy(update={"content": WITHHELD}) if index in blocked else message
        for index, message in enumerate(_redacted(messages, verdict))
    ]


# -- answers

_FIELDS = {"text": "text", "text-plain": "text", "reasoning": "reasoning", "thinking": "thinking", "refusal": "refusal"}
"""The field that holds the text of a part of an answer, by the part's type."""

_TEXTS = frozenset(("text", "text-plain"))
"""Types of parts that may be rewritten: providers sign what a model thought."""

_PROVIDER = frozenset(("model_provider", "output_version"))
"""Metadata that says how the parts of a chunk are to be read; the same on every chunk."""


@dataclass(frozen=True, slots=True)
class _Text:
    """A text of an answer: its content (no position), or the `field` of the part of it at `position`."""

    position: int | None
    kind: str
    text: str
    channel: Hashable
    """What the text of a chunk continues."""

    @property
    def may_change(self) -> bool:
        return self.kind in _TEXTS


def _texts(content: Any) -> list[_Text]:
    if isinstance(content, str):
        return [_Text(None, "text", content, "text")]
    found: list[_Text] = []
    for position, part in enumerate(content):
        kind = "text" if isinstance(part, str) else part.get("type")
        text = part if isinstance(part, str) else part.get(_FIELDS.get(kind, ""))
        if isinstance(text, str):
            number = position if isinstance(part, str) else part.get("index", position)
            found.append(_Text(position, kind, text, (number, kind)))
    return found


def _unplaced(message: AIMessage) -> list[str]:
    """What a model thought, as servers give it that have no place for it in the content."""
    thought = message.additional_kwargs.get("reasoning_content")
    return [thought] if isinstance(thought, str) else []


def _calls(message: AIMessage) -> list[tuple[str, Any]]:
    """Names and arguments of the tools an answer calls; those of chunks are complete only when all were added."""
    if isinstance(message, AIMessageChunk) and message.tool_call_chunks:
        return [(call["name"] or "", call["args"] or "") for call in message.tool_call_chunks]
    valid = [(call["name"], call["args"]) for call in message.tool_calls]
    return valid + [(call["name"] or "", call["args"] or "") for call in message.invalid_tool_calls]


@dataclass(slots=True)
class _Answers:
    """How answers to one prompt are guarded. `free` is False for one that is to be parsed: it may not be rewritten."""

    guardian: Guardian
    prompt: str
    on_block: OnBlock
    holdback_chars: int
    free: bool = True
    given: bool = False
    """Whether an answer came this way. One that did not is other middleware's, which took another model or none."""

    def check(self, message: AIMessage) -> AIMessage:
        """The answer as it may be handed on; raises what it must."""
        texts = [text.text for text in _texts(message.content)] + _unplaced(message)
        verdicts = self.guardian.check_responses(self.prompt, texts)
        calls = [self.guardian.check_tool_call(*call) for call in _calls(message)]
        return self.released(message, verdicts, calls)

    async def acheck(self, message: AIMessage) -> AIMessage:
        texts = [text.text for text in _texts(message.content)] + _unplaced(message)
        verdicts = await self.guardian.acheck_responses(self.prompt, texts)
        calls = [await self.guardian.acheck_tool_call(*call) for call in _calls(message)]
        return self.released(message, verdicts, calls)

    def stream(self, chunks: Iterator[AIMessage]) -> Iterator[AIMessageChunk]:
        """What may be delivered of the chunks of one answer, and at the end the rest or the refusal."""
        feed = _Feed(self)
        try:
            for chunk in chunks:
                if not isinstance(chunk, AIMessageChunk):  # of a model that does not stream
                    yield _as_chunk(self.check(chunk))
                    return
                yield from feed.delivered(chunk, [guard.feed(text.text) for text, guard in feed.fed(chunk)])
                if feed.stopped:
                    break
            tails = [(channel, channel.guard.finish()) for channel in feed.channels]
            if feed.stopped is None:
                rest = feed.rest()
                verdicts = self.guardian.check_responses(self.prompt, _unplaced(rest))
                feed.judge(verdicts + [self.guardian.check_tool_call(*call) for call in _calls(rest)])
        finally:
            _close(chunks)
        yield from feed.ending(tails)
        self.given = True

    async def astream(self, chunks: AsyncIterator[AIMessage]) -> AsyncGenerator[AIMessageChunk]:
        feed = _Feed(self)
        try:
            async for chunk in chunks:
                if not isinstance(chunk, AIMessageChunk):
                    yield _as_chunk(await self.acheck(chunk))
                    return
                for item in feed.delivered(chunk, [await guard.afeed(text.text) for text, guard in feed.fed(chunk)]):
                    yield item
                if feed.stopped:
                    break
            tails = [(channel, await channel.guard.afinish()) for channel in feed.channels]
            if feed.stopped is None:
                rest = feed.rest()
                verdicts = await self.guardian.acheck_responses(self.prompt, _unplaced(rest))
                feed.judge(verdicts + [await self.guardian.acheck_tool_call(*call) for call in _calls(rest)])
        finally:
            await _aclose(chunks)
        for item in feed.ending(tails):
            yield item
        self.given = True

    def released(self, message: AIMessage, verdicts: Sequence[Verdict], calls: Sequence[Verdict]) -> AIMessage:
        """The answer as it may be handed on, by the verdicts on its texts and on the calls in it."""
        self.given = True
        texts = _texts(message.content)
        changes = {
            text.position: verdict.redact(text.text)
            for text, verdict in zip(texts, verdicts, strict=False)
            if self.free and text.may_change and verdict.action is Action.REDACT
        }
        fixed = [v for i, v in enumerate(verdicts) if i >= len(texts) or texts[i].position not in changes]
        if (stopped := _stopping([*fixed, *calls])) is not None:
            return self.refusal(stopped, like=message)
        flagged = [verdict for verdict in (*verdicts, *calls) if verdict.flagged]
        if not flagged:
            return message
        content: Any = message.content
        if isinstance(content, str):
            content = changes.get(None, content)
        else:
            content = [_rewritten(part, changes[i]) if i in changes else part for i, part in enumerate(content)]
        return message.model_copy(update={"content": content, "response_metadata": _marked(message, flagged)})

    def refusal(self, verdict: Verdict, *, like: AIMessage | None = None) -> AIMessage:
        """The safeguard reply in the place of an answer; raises where it is to be raised, or cannot be given."""
        if not self.free or (verdict.action is Action.BLOCK and self.on_block == "raise"):
            raise verdict.error()
        reply = verdict.reply or verdict.reason
        marks = {"finish_reason": "content_filter", "stop_reason": "refusal", "guardian": _mark(verdict)}
        return AIMessage(
            reply,
            id=like.id if like else None,
            usage_metadata=like.usage_metadata if like else None,
            additional_kwargs={"refusal": reply},
            response_metadata={**(_provider(like) if like else {}), **marks},
        )


@dataclass(slots=True)
class _Channel:
    """One text of a streamed answer; `part` is what a part of it has besides the text, None where it is no part."""

    guard: StreamGuard
    part: dict[str, Any] | None
    field: str

    def content(self, text: str) -> str | list[str | dict[Any, Any]]:
        return text if self.part is None else [{**self.part, self.field: text}]


@dataclass(slots=True)
class _Feed:
    """The state of one streamed answer.

    Text leaves as it is cleared. All else is held to the end: the calls of tools, because half of one is of use to
    nobody and cannot be judged, and why the model finished, because the guard may yet say otherwise.
    """

    answers: _Answers
    _channels: dict[Hashable, _Channel] = field(default_factory=dict)
    _held: list[AIMessageChunk] = field(default_factory=list)
    _judged: list[Verdict] = field(default_factory=list)
    _last: AIMessageChunk = field(default_factory=lambda: AIMessageChunk(content=""))

    @property
    def channels(self) -> list[_Channel]:
        return list(self._channels.values())

    @property
    def stopped(self) -> Verdict | None:
        """The verdict that ends the stream."""
        cut = [channel.guard.verdict for channel in self.channels if channel.guard.cut]
        return _stopping([*(verdict for verdict in cut if verdict is not None), *self._judged])

    def fed(self, chunk: AIMessageChunk) -> list[tuple[_Text, StreamGuard]]:
        """The texts of a chunk, each with the guard it goes to."""
        return [(text, self._channel(text, chunk).guard) for text in _texts(chunk.content) if text.text]

    def delivered(self, chunk: AIMessageChunk, released: Sequence[str]) -> Iterator[AIMessageChunk]:
        """What leaves now that the guards released this for the texts of a chunk; the rest of the chunk is held."""
        self._last = chunk
        texts = [text for text in _texts(chunk.content) if text.text]
        for text, cleared in zip(texts, released, strict=True):
            yield from self._said(self._channels[text.channel], cleared)
        rest = _without_text(chunk)
        if not _is_empty(rest):
            self._held.append(rest)

    def rest(self) -> AIMessageChunk:
        """All that was held, as one chunk."""
        first = self._held[0] if self._held else _without_text(self._last)
        return first + self._held[1:] if self._held[1:] else first

    def judge(self, verdicts: Sequence[Verdict]) -> None:
        """Take in the verdicts on what was held."""
        self._judged += verdicts

    def ending(self, tails: Iterable[tuple[_Channel, str]]) -> Iterator[AIMessageChunk]:
        """The end of the stream: what of its texts was cleared last, then all that was held, or the refusal."""
        for channel, text in tails:
            yield from self._said(channel, text)
        if (stopped := self.stopped) is not None:
            yield self._refusal(stopped)
            return
        rest = self.rest()
        known = [v for channel in self.channels if (v := channel.guard.verdict) is not None]
        if flagged := [verdict for verdict in (*known, *self._judged) if verdict.flagged]:
            rest = rest.model_copy(update={"response_metadata": _marked(rest, flagged)})
        yield rest

    def _said(self, channel: _Channel, text: str) -> Iterator[AIMessageChunk]:
        if text:
            yield AIMessageChunk(
                content=channel.content(text), id=self._last.id, response_metadata=_provider(self._last)
            )

    def _refusal(self, verdict: Verdict) -> AIMessageChunk:
        refusal = self.answers.refusal(verdict, like=self._last)
        begun = any(channel.guard.delivered for channel in self.channels)
        text = f"\n\n{refusal.content}" if begun else f"{refusal.content}"
        if isinstance(self._last.content, str):
            return _as_chunk(refusal.model_copy(update={"content": text}))
        numbers = [n for c in self.channels if c.part and isinstance(n := c.part.get("index"), int)]
        part = {"type": "text", "text": text, "index": max(numbers, default=-1) + 1}
        return _as_chunk(refusal.model_copy(update={"content": [part]}))

    def _channel(self, text: _Text, chunk: AIMessageChunk) -> _Channel:
        if text.channel not in self._channels:
            answers = self.answers
            guard = answers.guardian.stream_guard(
                answers.prompt, holdback_chars=answers.holdback_chars, rewrites=answers.free and text.may_change
            )
            whole = None if text.position is None else chunk.content[text.position]
            part = {k: v for k, v in whole.items() if k in _IDENTITY} if isinstance(whole, dict) else None
            self._channels[text.channel] = _Channel(guard, part, _FIELDS[text.kind])
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
    name = _FIELDS.get(part.get("type", ""))
    if name is None or not isinstance(part.get(name), str):
        return part
    rest = {key: value for key, value in part.items() if key != name}
    return rest if set(rest) - _IDENTITY else {}


def _is_empty(chunk: AIMessageChunk) -> bool:
    said = (chunk.content, chunk.tool_call_chunks, chunk.additional_kwargs, chunk.usage_metadata, chunk.chunk_position)
    return not any(said) and set(chunk.response_metadata) <= _PROVIDER


def _rewritten(part: str | dict[Any, Any], text: str) -> str | dict[Any, Any]:
    return text if isinstance(part, str) else {**part, _FIELDS[part["type"]]: text}


def _as_chunk(message: AIMessage) -> AIMessageChunk:
    """A whole message as the only, or the last, chunk of a stream."""
    return AIMessageChunk(**message.model_dump(exclude={"type"}), chunk_position="last")


# -- verdicts


def _stopping(verdicts: Iterable[Verdict]) -> Verdict | None:
    """The gravest of verdicts on what cannot be rewritten, as a block, if one stops it."""
    found = [verdict for verdict in verdicts if verdict.action >= Action.REDACT]
    return _as_block(max(found, key=lambda verdict: verdict.action)) if found else None


def _as_block(verdict: Verdict) -> Verdict:
    """What would be redacted and cannot be is blocked."""
    if verdict.blocked:
        return verdict
    return verdict.model_copy(update={"action": Action.BLOCK, "would": Action.BLOCK})


def _mark(verdict: Verdict) -> dict[str, Any]:
    """What an application needs to know of a verdict, as plain data."""
    return {
        "action": str(verdict.action),
        "stage": str(verdict.stage),
        "severity": str(verdict.severity),
        "triggered": list(verdict.triggered),
        "reason": verdict.reason,
    }


def _marked(message: BaseMessage, flagged: Sequence[Verdict]) -> dict[str, Any]:
    return {**message.response_metadata, "guardian": _mark(max(flagged, key=lambda verdict: verdict.action))}


def _provider(message: AIMessage) -> dict[str, Any]:
    return {key: value for key, value in message.response_metadata.items() if key in _PROVIDER}


def _close(stream: Any) -> None:
    if (close := getattr(stream, "close", None)) is not None:
        close()


async def _aclose(stream: Any) -> None:
    if (close := getattr(stream, "aclose", None)) is not None:
        closing = close()
        if isawaitable(closing):
            await closing
