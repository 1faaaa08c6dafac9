"""`@guard`: a guard around any function that calls a language model, before and after."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, ParamSpec, Protocol, TypeVar, cast, overload

from guardian.call import Call, Plan
from guardian.errors import ConfigError
from guardian.guard import Guardian
from guardian.stream import AsyncGuardedStream, GuardedStream, OnBlock, checked_on_block
from guardian.text.holdback import HOLDBACK
from guardian.verdict import Verdict

P = ParamSpec("P")
R = TypeVar("R")


class Decorator(Protocol):
    """What `guard(...)` returns: it keeps a function's parameters and what it returns."""

    def __call__(self, function: Callable[P, R], /) -> Callable[P, R]: ...


@overload
def guard(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def guard(
    *,
    guardian: Guardian | None = None,
    on_block: OnBlock = "raise",
    prompt: str | None = None,
    documents: str | Sequence[str] = (),
    context: str | Sequence[str] = (),
    extract: Callable[[Any], str] | None = None,
    respond: Callable[[str], Any] | None = None,
    overlap: bool = False,
    holdback_chars: int = HOLDBACK,
) -> Decorator: ...
def guard(
    function: Callable[..., Any] | None = None,
    /,
    *,
    guardian: Guardian | None = None,
    on_block: OnBlock = "raise",
    prompt: str | None = None,
    documents: str | Sequence[str] = (),
    context: str | Sequence[str] = (),
    extract: Callable[[Any], str] | None = None,
    respond: Callable[[str], Any] | None = None,
    overlap: bool = False,
    holdback_chars: int = HOLDBACK,
) -> Any:
    """Check what goes into a function before it is called, and what comes out before it is returned.

    For functions, methods and callable objects, sync and async, that return an answer or stream it (as a generator, or
    as an iterator they return). Signature, types and metadata stay.

        @guard
        def ask(prompt: str) -> str: ...

    `prompt` names the parameter with the prompt; without it, it is the argument called `messages` or `prompt`, or else
    the first one, never a default, that is a str or a list of messages. Keywords of a `**kwargs` have to be named, by
    these names or by the options. `documents` and `context` name parameters with documents (texts, paths,
    objects with `page_content` or `text`, lists and mappings of them), which are checked for the task that the prompt
    asks for. The answer's texts and tool calls are found by its shape (`guardian.extract`), or its text by `extract`.

    Where the policy stops the prompt or a document the function is not called. BlockedPrompt, BlockedDocument,
    BlockedResponse or BlockedTool is raised, or with `on_block="reply"` the safeguard reply returned in the function's
    own return type: as a str, as an answer of the same shape, or as what `respond` makes of it; where there is no way
    to, the block is raised all the same. A policy whose action is `reply` always replies. What it redacts goes on
    without the offending spans; where that cannot be done (a path, a call of a tool, a stream of objects) it is
    stopped.

    With `overlap` an async function is called at once and its result withheld until the verdict on its input is in; a
    block cancels it. What the policy redacts is blocked then, because it has been sent.

    Raises ConfigError for what cannot be guarded, and InputError at a call without a prompt or with an answer in which
    no text is found.
    """
    checked_on_block(on_block)

    def decorate(inner: Callable[..., Any]) -> Callable[..., Any]:
        kind = _kind(inner)
        plan = Plan.of(
            inner,
            guardian=lambda: guardian or _default(),
            on_block=on_block,
            prompt=prompt,
            documents=(*_names(documents), *_names(context)),
            extract=extract,
            respond=respond,
            holdback_chars=holdback_chars,
        )
        if overlap and kind in (_sync, _generator):
            raise ConfigError("overlap", f"{plan.name} is not async: a call that runs in a thread cannot be cancelled")
        if overlap:
            return (_overlapped if kind is _async else _overlapped_generator)(inner, plan)
        return kind(inner, plan)

    return decorate if function is None else decorate(function)


def _names(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


# -- the four kinds of functions


def _sync(function: Callable[..., Any], plan: Plan) -> Callable[..., Any]:
    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        call = plan.bind(args, kwargs)
        if (stopped := _admit(call)) is not None:
            return call.replied(stopped)
        answer = function(*call.bound.args, **call.bound.kwargs)
        if inspect.isawaitable(answer):  # a sync function that hands on a coroutine
            return _later(answer, call)
        return _released(answer, call)

    return guarded


def _async(function: Callable[..., Awaitable[Any]], plan: Plan) -> Callable[..., Coroutine[Any, Any, Any]]:
    @functools.wraps(function)
    async def guarded(*args: Any, **kwargs: Any) -> Any:
        call = plan.bind(args, kwargs)
        if (stopped := await _aadmit(call)) is not None:
            return call.replied(stopped)
        return await _areleased(await function(*call.bound.args, **call.bound.kwargs), call)

    return guarded


def _generator(function: Callable[..., Iterator[Any]], plan: Plan) -> Callable[..., Iterator[Any]]:
    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Iterator[Any]:
        call = plan.bind(args, kwargs)
        if (stopped := _admit(call)) is not None:
            yield call.replied_once(stopped)
            return
        with _streamed(function(*call.bound.args, **call.bound.kwargs), call) as stream:
            yield from stream

    return guarded


def _async_generator(function: Callable[..., AsyncIterator[Any]], plan: Plan) -> Callable[..., AsyncIterator[Any]]:
    @functools.wraps(function)
    async def guarded(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        call = plan.bind(args, kwargs)
        if (stopped := await _aadmit(call)) is not None:
            yield call.replied_once(stopped)
            return
        async with _astreamed(function(*call.bound.args, **call.bound.kwargs), call) as stream:
            async for chunk in stream:
                yield chunk

    return guarded


def _kind(function: Callable[..., Any]) -> _Wrap:
    """How a function, or the call of a callable object, is wrapped."""
    if isinstance(function, classmethod | staticmethod):
        raise ConfigError("guard", f"must stand below @{type(function).__name__}, right above the function")
    if not callable(function):
        raise ConfigError("guard", f"needs a function, not {type(function).__name__}")
    called = [function, getattr(function, "__call__", None)]  # noqa: B004
    for test, kind in _KINDS:
        if any(test(inner) for inner in called):
            return kind
    return _sync


_Wrap = Callable[[Callable[..., Any], Plan], Callable[..., Any]]
_KINDS: tuple[tuple[Callable[[object], bool], _Wrap], ...] = (
    (inspect.iscoroutinefunction, _async),
    (inspect.isasyncgenfunction, _async_generator),
    (inspect.isgeneratorfunction, _generator),
)


# -- beside the call


def _overlapped(
    function: Callable[..., Coroutine[Any, Any, Any]], plan: Plan
) -> Callable[..., Coroutine[Any, Any, Any]]:
    @functools.wraps(function)
    async def guarded(*args: Any, **kwargs: Any) -> Any:
        call = plan.bind(args, kwargs)
        upstream = asyncio.ensure_future(function(*call.bound.args, **call.bound.kwargs))
        try:
            stopped = await _aadmit(call, sent=True)
            if stopped is None:
                return await _areleased(await upstream, call)
        finally:
            await _cancelled(upstream)
        return call.replied(stopped)

    return guarded


def _overlapped_generator(function: Callable[..., AsyncIterator[Any]], plan: Plan) -> Callable[..., AsyncIterator[Any]]:
    @functools.wraps(function)
    async def guarded(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        call = plan.bind(args, kwargs)
        upstream = function(*call.bound.args, **call.bound.kwargs)
        first = asyncio.ensure_future(cast("Coroutine[Any, Any, Any]", anext(upstream)))
        try:
            stopped = await _aadmit(call, sent=True)
            if stopped is None:
                async with _astreamed(_continued(first, upstream), call) as stream:
                    async for chunk in stream:
                        yield chunk
        finally:
            await _cancelled(first)
            await cast(Any, upstream).aclose()
        if stopped is not None:
            yield call.replied_once(stopped)

    return guarded


async def _continued(first: Awaitable[Any], rest: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """A stream whose first chunk was asked for already."""
    with suppress(StopAsyncIteration):
        yield await first
        async for chunk in rest:
            yield chunk


async def _cancelled(task: asyncio.Future[Any]) -> None:
    """Cancel what still runs and wait for its end; what it raised besides is of no interest any more."""
    if not task.done():
        task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.exception()


# -- before and after the call


def _admit(call: Call) -> Verdict | None:
    """Check the input, and redact it where the policy says so; returns the verdict that stops it, if one does."""
    guardian = call.guardian
    prompt = call.prompt
    verdict = guardian.check(prompt) if isinstance(prompt, str) else guardian.check_messages(prompt)
    if (stopped := call.admitted(verdict)) is not None or not call.plan.documents:
        return stopped
    return call.admitted_documents(guardian.check_documents(call.document_texts, task=call.task))


async def _aadmit(call: Call, *, sent: bool = False) -> Verdict | None:
    guardian = call.guardian
    prompt = call.prompt
    verdict = await (guardian.acheck(prompt) if isinstance(prompt, str) else guardian.acheck_messages(prompt))
    if (stopped := call.admitted(verdict, sent=sent)) is not None or not call.plan.documents:
        return stopped
    await asyncio.to_thread(lambda: call.documents)  # some are files
    return call.admitted_documents(await guardian.acheck_documents(call.document_texts, task=call.task), sent=sent)


def _released(answer: Any, call: Call) -> Any:
    if call.is_stream(answer):
        return _streamed(answer, call)
    if call.is_async_stream(answer):
        return _astreamed(answer, call)
    slots = call.answer_slots(answer)
    tools = [call.guardian.check_tool_call(slot.name, slot.text) for slot in slots.tools]
    return call.released(answer, slots, call.guardian.check_responses(call.task, slots.texts), tools)


async def _areleased(answer: Any, call: Call) -> Any:
    if call.is_stream(answer):
        return _streamed(answer, call)
    if call.is_async_stream(answer):
        return _astreamed(answer, call)
    slots = call.answer_slots(answer)
    tools = [await call.guardian.acheck_tool_call(slot.name, slot.text) for slot in slots.tools]
    return call.released(answer, slots, await call.guardian.acheck_responses(call.task, slots.texts), tools)


async def _later(answer: Awaitable[Any], call: Call) -> Any:
    return await _areleased(await answer, call)


def _streamed(chunks: Any, call: Call) -> GuardedStream[Any, Any]:
    return GuardedStream(chunks, call.feed(), on_block=call.plan.on_block)


def _astreamed(chunks: Any, call: Call) -> AsyncGuardedStream[Any, Any]:
    return AsyncGuardedStream(chunks, call.feed(), on_block=call.plan.on_block)


@cache
def _default() -> Guardian:
    return Guardian()
