"""LangChain under guard: agents by middleware, chains by a runnable, retrieval by a document transformer.

    agent = create_agent(model, tools, middleware=[GuardianMiddleware(guardian)])
    chain = prompt | GuardianRunnable(guardian) | model | GuardianRunnable(guardian)
    documents = GuardianDocumentTransformer(guardian).transform_documents(documents, task=question)

A message that the guard made or changed, or that the policy flags, says so in `response_metadata["guardian"]`: a
mapping with `action`, `stage`, `severity`, `triggered` and `reason`, never the text. A refusal is marked as the model
APIs mark theirs, too: `additional_kwargs["refusal"]`, `finish_reason` `content_filter`, `stop_reason` `refusal`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

from guardian import (
    Action,
    AsyncGuardedStream,
    ConfigError,
    GuardedStream,
    Guardian,
    MissingExtra,
    Verdict,
    checked_on_block,
    last_user_text,
    redact_messages,
)

try:
    from guardian.adapters._history import acheck_conversation, check_conversation
    from guardian.adapters._langchain_answers import Answers, as_block
    from guardian.adapters._langchain_messages import (
        Message,
        added,
        as_given,
        as_mappings,
        mark,
        messages_of,
        rewritten,
        unanswered,
    )
    from guardian.adapters._langchain_model import guarded
    from guardian.adapters._langchain_stream import AnswerFeed
    from guardian.adapters._langchain_tools import Threads, ToolOutputs, tool_messages, with_tool_messages
    from guardian.adapters._wire import OnBlock
    from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse, ToolCallRequest
    from langchain_core.documents import BaseDocumentTransformer, Document
    from langchain_core.messages import AIMessage, AIMessageChunk, ToolMessage
    from langchain_core.runnables import Runnable, RunnableConfig
    from langgraph.types import Command
except ImportError as error:
    raise MissingExtra(
        "langchain", "guardian.adapters.langchain needs langchain: pip install 'slm-guardian[langchain]'"
    ) from error

__all__ = ["GuardianDocumentTransformer", "GuardianMiddleware", "GuardianRunnable"]


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
        self.transformers = (partial(ToolOutputs, guardian=guardian),)
        self._threads = Threads(guardian)

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any] | AIMessage:
        prompt = as_mappings(request.messages)
        with self._threads.of(request.runtime):
            left, verdict = check_conversation(self.guardian, prompt, unanswered(request.messages))
        answers = self._answers(request, prompt)
        if verdict.blocked:
            return answers.refusal(verdict)
        sent = rewritten(request.messages, prompt, redact_messages(left, verdict))
        response = handler(guarded(request, sent, answers))
        checked = [answers.check(m) if answers.unread(m) else m for m in response.result]
        return replace(response, result=checked)

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelResponse[Any] | AIMessage:
        prompt = as_mappings(request.messages)
        with self._threads.of(request.runtime):
            left, verdict = await acheck_conversation(self.guardian, prompt, unanswered(request.messages))
        answers = self._answers(request, prompt)
        if verdict.blocked:
            return answers.refusal(verdict)
        sent = rewritten(request.messages, prompt, redact_messages(left, verdict))
        response = await handler(guarded(request, sent, answers))
        checked = [await answers.acheck(m) if answers.unread(m) else m for m in response.result]
        return replace(response, result=checked)

    def wrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], ToolMessage | Command[Any]]
    ) -> ToolMessage | Command[Any]:
        call = request.tool_call
        verdict = self.guardian.check_tool_call(call["name"], call["args"])
        if verdict.action >= Action.REDACT:
            return self._uncalled(request, as_block(verdict))
        result = handler(request)
        with self._threads.of(request.runtime):
            verdicts = [self.guardian.check_messages(as_mappings([m])) for m in tool_messages(result)]
        return self._returned(result, verdicts)

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[ToolMessage | Command[Any]]]
    ) -> ToolMessage | Command[Any]:
        call = request.tool_call
        verdict = await self.guardian.acheck_tool_call(call["name"], call["args"])
        if verdict.action >= Action.REDACT:
            return self._uncalled(request, as_block(verdict))
        result = await handler(request)
        with self._threads.of(request.runtime):
            verdicts = [await self.guardian.acheck_messages(as_mappings([m])) for m in tool_messages(result)]
        return self._returned(result, verdicts)

    def _answers(self, request: ModelRequest[Any], prompt: Sequence[Message]) -> Answers:
        return Answers(
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
            response_metadata={"guardian": mark(verdict)},
        )

    def _returned(self, result: ToolMessage | Command[Any], verdicts: Sequence[Verdict]) -> ToolMessage | Command[Any]:
        """The result of a tool as the agent may have it; `verdicts` are on the messages in it."""
        for verdict in verdicts:
            self._raise(verdict)
        changed: ToolMessage | Command[Any] = with_tool_messages(result, verdicts)
        return changed

    def _raise(self, verdict: Verdict) -> None:
        if verdict.action is Action.BLOCK and self.on_block == "raise":
            raise verdict.error()


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
        self._answers = Answers(guardian, "", checked_on_block(on_block), holdback_chars)

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002, ARG002
        if isinstance(input, AIMessage):
            return self._answers.check(input)
        if isinstance(input, str):
            return self.guardian.check(input).raise_if_blocked().redact(input)
        messages = messages_of(input)
        return as_given(input, messages, self.guardian.check_messages(as_mappings(messages)))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002, ARG002
        if isinstance(input, AIMessage):
            return await self._answers.acheck(input)
        if isinstance(input, str):
            return (await self.guardian.acheck(input)).raise_if_blocked().redact(input)
        messages = messages_of(input)
        return as_given(input, messages, await self.guardian.acheck_messages(as_mappings(messages)))

    def transform(self, input: Iterator[Any], config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:  # noqa: A002, ARG002
        whole: Any = None
        for item in input:
            if whole is None and isinstance(item, AIMessage):
                feed = AnswerFeed(self._answers)
                with GuardedStream[AIMessage, AIMessageChunk](input, feed) as stream:
                    yield from feed.feed(item)
                    yield from stream
                return
            whole = item if whole is None else added(whole, item)
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
                feed = AnswerFeed(self._answers)
                async with AsyncGuardedStream[AIMessage, AIMessageChunk](input, feed) as stream:
                    for chunk in await feed.afeed(item):
                        yield chunk
                    async for chunk in stream:
                        yield chunk
                return
            whole = item if whole is None else added(whole, item)
        if whole is not None:
            yield await self.ainvoke(whole, config)


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
