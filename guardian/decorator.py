"""`@guard`: a guard around any function from a prompt to an answer."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, ParamSpec, Protocol, cast, overload

from guardian.errors import ConfigError, InputError
from guardian.guard import Guardian
from guardian.reply.templates import reply_for
from guardian.verdict import Action, Verdict

P = ParamSpec("P")
OnBlock = Literal["raise", "reply"]


class Decorator(Protocol):
    """What `guard(...)` returns: it keeps a function's parameters, and whether it is async."""

    @overload
    def __call__(self, function: Callable[P, Awaitable[str]], /) -> Callable[P, Coroutine[Any, Any, str]]: ...
    @overload
    def __call__(self, function: Callable[P, str], /) -> Callable[P, str]: ...


@overload
def guard(function: Callable[P, Awaitable[str]], /) -> Callable[P, Coroutine[Any, Any, str]]: ...
@overload
def guard(function: Callable[P, str], /) -> Callable[P, str]: ...
@overload
def guard(*, guardian: Guardian | None = None, on_block: OnBlock = "raise", prompt: str | None = None) -> Decorator: ...
def guard(
    function: Callable[..., Any] | None = None,
    /,
    *,
    guardian: Guardian | None = None,
    on_block: OnBlock = "raise",
    prompt: str | None = None,
) -> Any:
    """Check the prompt before a function is called, and its answer before it is returned.

    For sync and async functions that take a prompt and return the answer as str. The prompt is the first argument of
    the call that is a str, never a default, or the parameter named by `prompt`, its default included; InputError where
    there is none. A text the policy redacts goes on with the offending spans replaced.
    Where the policy stops the prompt the function is not called: BlockedPrompt is raised, or with `on_block="reply"`
    the safeguard reply returned as if it were the answer; likewise BlockedResponse for the answer. A policy whose
    action is `reply` always replies. Without a `guardian` the default one is used, loaded at the first call and shared.

        @guard
        def ask(prompt: str) -> str: ...

    Raises ConfigError for what it cannot guard (generators: they come with the middleware).
    """
    if on_block not in ("raise", "reply"):
        raise ConfigError("on_block", "must be 'raise' or 'reply'")

    def decorate(inner: Callable[..., Any]) -> Callable[..., Any]:
        checks = _Checks(inner, guardian, on_block, prompt)
        return _async(inner, checks) if _is_async(inner) else _sync(inner, checks)

    return decorate if function is None else decorate(function)


def _sync(function: Callable[..., str], checks: _Checks) -> Callable[..., str]:
    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> str:
        call = checks.bind(args, kwargs)
        verdict = checks.guardian.check(call.prompt)
        if (reply := checks.reply(verdict)) is not None:
            return reply
        call.redact(verdict)
        answer = checks.answer(function(*call.bound.args, **call.bound.kwargs))
        return checks.released(answer, checks.guardian.check_response(call.prompt, answer))

    return guarded


def _async(function: Callable[..., Awaitable[str]], checks: _Checks) -> Callable[..., Coroutine[Any, Any, str]]:
    @functools.wraps(function)
    async def guarded(*args: Any, **kwargs: Any) -> str:
        call = checks.bind(args, kwargs)
        verdict = await checks.guardian.acheck(call.prompt)
        if (reply := checks.reply(verdict)) is not None:
            return reply
        call.redact(verdict)
        answer = checks.answer(await function(*call.bound.args, **call.bound.kwargs))
        return checks.released(answer, await checks.guardian.acheck_response(call.prompt, answer))

    return guarded


@dataclass(frozen=True, slots=True)
class _Call:
    """The arguments of one call, and the name of that which is the prompt."""

    bound: inspect.BoundArguments
    parameter: str

    @property
    def prompt(self) -> str:
        return cast(str, self.bound.arguments[self.parameter])

    def redact(self, verdict: Verdict) -> None:
        self.bound.arguments[self.parameter] = verdict.redact(self.prompt)


class _Checks:
    """What the sync and the async wrapper share: everything but the calls themselves."""

    def __init__(
        self, function: Callable[..., Any], guardian: Guardian | None, on_block: OnBlock, prompt: str | None
    ) -> None:
        if not callable(function):
            raise ConfigError("guard", f"needs a function, not {type(function).__name__}")
        self._name = getattr(function, "__qualname__", type(function).__name__)
        if _is(inspect.isgeneratorfunction, function) or _is(inspect.isasyncgenfunction, function):
            raise ConfigError(self._name, "is a generator function; guarding streams comes with the middleware")
        self._signature = inspect.signature(function)
        if prompt is not None and prompt not in self._signature.parameters:
            raise ConfigError("prompt", f"{self._name} has no parameter {prompt!r}")
        if not self._signature.parameters:
            raise ConfigError(self._name, "takes no argument, so there is no prompt to guard")
        self._guardian = guardian
        self._on_block = on_block
        self._prompt = prompt

    @property
    def guardian(self) -> Guardian:
        return self._guardian or _default()

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Call:
        bound = self._signature.bind(*args, **kwargs)
        candidates = list(bound.arguments) if self._prompt is None else [self._prompt]
        bound.apply_defaults()
        for name in candidates:
            if isinstance(bound.arguments[name], str):
                return _Call(bound, name)
        raise InputError(f"{self._name} was called without a str for its prompt")

    def reply(self, verdict: Verdict) -> str | None:
        """None where the text may go on; else the reply in its place, unless the block is to be raised."""
        if not verdict.blocked:
            return None
        if verdict.action is Action.BLOCK and self._on_block == "raise":
            verdict.raise_if_blocked()
        return verdict.reply or reply_for(verdict)

    def answer(self, value: object) -> str:
        if not isinstance(value, str):
            raise InputError(f"{self._name} returned {type(value).__name__}; @guard is for functions that return str")
        return value

    def released(self, answer: str, verdict: Verdict) -> str:
        reply = self.reply(verdict)
        return verdict.redact(answer) if reply is None else reply


def _is_async(function: Callable[..., Any]) -> bool:
    return _is(inspect.iscoroutinefunction, function)


def _is(kind: Callable[[Any], bool], function: Callable[..., Any]) -> bool:
    """Whether a function, or the call of a callable object, is of a kind."""
    return kind(function) or kind(getattr(function, "__call__", None))  # noqa: B004


@cache
def _default() -> Guardian:
    return Guardian()
