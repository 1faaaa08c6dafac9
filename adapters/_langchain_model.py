"""A chat model behind the guard, for agents."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import ExitStack, aclosing, closing, contextmanager
from contextvars import ContextVar
from typing import Any

from guardian.adapters._langchain_answers import Answers
from guardian.adapters._langchain_stream import AnswerFeed
from langchain.agents.middleware import ModelRequest
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.load import dumpd
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tracers.context import _configure_hooks, tracing_v2_callback_var
from langsmith import tracing_context

from guardian import AsyncGuardedStream, GuardedStream


def guarded(request: ModelRequest[Any], messages: list[Any], answers: Answers) -> ModelRequest[Any]:
    return request.override(messages=messages, model=GuardedModel.around(request.model, answers))


class GuardedModel(BaseChatModel):
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
    def around(cls, model: Any, answers: Answers) -> GuardedModel:
        name = next((n for key in _NAMES if isinstance(n := getattr(model, key, None), str) and n), "")
        profile = getattr(model, "profile", None)
        behind = cls(source=model, inner=model, answers=answers, model_name=name, profile=profile)
        if not isinstance(model, BaseChatModel):
            return behind
        # What listens to the model itself listens to the guard instead.
        taken = {"callbacks": model.callbacks, "tags": model.tags, "metadata": model.metadata}
        inner = model.model_copy(update={"callbacks": None}) if model.callbacks else model
        return behind.model_copy(update={**taken, "inner": inner})

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:  # noqa: A002
        answer = super().invoke(input, config, **kwargs)
        self.answers.given.append(answer)
        return answer

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:  # noqa: A002
        answer = await super().ainvoke(input, config, **kwargs)
        self.answers.given.append(answer)
        return answer

    def to_json(self) -> Any:
        """What traces are told of the model: what they would be told without the guard."""
        return dumpd(self.source)

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
        chunks = _unheard_stream(self.inner.stream(messages, stop=stop, **kwargs))
        with GuardedStream[AIMessage, AIMessageChunk](chunks, AnswerFeed(self.answers)) as stream:
            for chunk in stream:
                yield ChatGenerationChunk(message=chunk)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        del run_manager
        chunks = _unheard_astream(self.inner.astream(messages, stop=stop, **kwargs))
        async with AsyncGuardedStream[AIMessage, AIMessageChunk](chunks, AnswerFeed(self.answers)) as stream:
            async for chunk in stream:
                yield ChatGenerationChunk(message=chunk)


_NAMES = ("model_name", "model", "model_id")


@contextmanager
def _unheard() -> Iterator[None]:
    """Cut calls off from the callbacks of the run they are part of.

    By the context, because a model with tools bound to it adds what it finds there to the callbacks it is given, and
    so do tracers and counters of tokens that a context manager or LangSmith's settings switch on.
    """
    config: RunnableConfig = {**(var_child_runnable_config.get() or {}), "callbacks": []}
    with ExitStack() as stack:
        stack.callback(var_child_runnable_config.reset, var_child_runnable_config.set(config))
        listening: list[ContextVar[Any]] = [tracing_v2_callback_var, *(hook[0] for hook in _configure_hooks)]
        for var in listening:
            stack.callback(var.reset, var.set(None))
        stack.enter_context(tracing_context(enabled=False))
        yield


def _unheard_stream(chunks: Generator[Any]) -> Iterator[Any]:
    with closing(chunks):
        while True:
            with _unheard():
                chunk = next(chunks, None)
            if chunk is None:
                return
            yield chunk


async def _unheard_astream(chunks: AsyncGenerator[Any]) -> AsyncIterator[Any]:
    async with aclosing(chunks):
        while True:
            with _unheard():
                chunk = await anext(chunks, None)
            if chunk is None:
                return
            yield chunk
