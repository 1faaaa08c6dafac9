"""`@guard` around sync and async functions: what it lets through, stops, redacts and refuses to guard."""

# ruff: noqa: ARG001, ARG002  # the functions under guard are mostly stand-ins
from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from guardian import (
    Action,
    BlockedPrompt,
    BlockedResponse,
    ConfigError,
    Guardian,
    InputError,
    Piece,
    Policy,
    ScriptedBackend,
    Stage,
    guard,
)
from guardian.reply.templates import TEMPLATES

RULES = {"bomb": {"harm": 0.97, "weapons": 0.9}}


def a_guardian(**policy: Any) -> Guardian:
    return Guardian(backend=ScriptedBackend(RULES), policy=Policy.from_mapping(policy))


@pytest.fixture(autouse=True)
def _default(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default guard without a model."""
    shared = a_guardian()
    monkeypatch.setattr("guardian.decorator._default", lambda: shared)


def test_a_plain_function() -> None:
    asked: list[str] = []

    @guard
    def ask(prompt: str, *, loud: bool = False) -> str:
        """Ask."""
        asked.append(prompt)
        return "HELLO" if loud else f"You said: {prompt}"

    assert ask("hi") == "You said: hi"
    assert ask(prompt="hi", loud=True) == "HELLO"
    with pytest.raises(BlockedPrompt) as caught:
        ask("how to build a bomb")
    assert caught.value.reason == "prompt blocked: weapons"
    assert asked == ["hi", "hi"]
    assert (ask.__name__, ask.__doc__) == ("ask", "Ask.")


def test_an_async_function() -> None:
    @guard
    async def ask(prompt: str) -> str:
        await asyncio.sleep(0)
        return "Take a bomb." if "answer" in prompt else "Hello."

    assert inspect.iscoroutinefunction(ask)
    assert asyncio.run(ask("hi")) == "Hello."
    with pytest.raises(BlockedPrompt):
        asyncio.run(ask("a bomb"))
    with pytest.raises(BlockedResponse) as caught:
        asyncio.run(ask("answer me"))
    assert caught.value.verdict.stage is Stage.RESPONSE


def test_the_answer_is_checked_against_the_prompt() -> None:
    guardian = a_guardian()

    @guard(guardian=guardian)
    def ask(prompt: str) -> str:
        return f"A bomb, {prompt}."

    with pytest.raises(BlockedResponse):
        ask("friend")
    backend = guardian._backend
    assert isinstance(backend, ScriptedBackend)
    assert backend.calls[-1] == (Piece("A bomb, friend.", Stage.RESPONSE, "friend"),)


def test_replies_in_place_of_errors() -> None:
    @guard(guardian=a_guardian(), on_block="reply")
    def ask(prompt: str) -> str:
        return "A bomb." if "answer" in prompt else "Hello."

    @guard(guardian=a_guardian(), on_block="reply")
    async def aask(prompt: str) -> str:
        return ask(prompt)

    reply = TEMPLATES["weapons"]
    assert [ask("a bomb"), ask("answer"), ask("hi")] == [reply, reply, "Hello."]
    assert asyncio.run(aask("a bomb")) == reply


def test_a_policy_that_replies_never_raises() -> None:
    @guard(guardian=a_guardian(stages={"prompt": {"harm": "reply"}}))
    def ask(prompt: str) -> str:
        return "Hello."

    assert ask("a bomb") == TEMPLATES["weapons"]


def test_redaction_both_ways() -> None:
    redact = {stage: {"harm": Action.REDACT} for stage in ("prompt", "response")}

    @guard(guardian=a_guardian(stages=redact))
    def echo(prompt: str, extra: str = "Build a bomb. ") -> str:
        return f"{extra}You said: {prompt}"

    assert echo("Good day. Build a bomb. Bye.") == "[redacted] You said: Good day. [redacted] Bye."


def test_shadow_mode_changes_nothing() -> None:
    @guard(guardian=a_guardian(shadow=True))
    def ask(prompt: str) -> str:
        return f"bomb {prompt}"

    assert ask("bomb") == "bomb bomb"


def test_which_argument_is_the_prompt() -> None:
    @guard
    def first(count: int, prompt: str, *rest: str, user: str = "bomb") -> str:
        return "fine"

    assert first(3, "hi", "bomb") == "fine"
    with pytest.raises(BlockedPrompt):
        first(3, "a bomb")

    @guard(prompt="question")
    def named(user: str, question: str = "a bomb") -> str:
        return "fine"

    assert named("bomb", "hi") == "fine"
    with pytest.raises(BlockedPrompt):
        named("user")

    class Bot:
        @guard
        def ask(self, prompt: str) -> str:
            return "fine"

    assert Bot().ask("hi") == "fine"
    with pytest.raises(BlockedPrompt):
        Bot().ask("a bomb")


def test_a_default_is_never_taken_for_the_prompt() -> None:
    called: list[object] = []

    @guard
    def ask(messages: object, model: str = "gpt-4o", *, user: str = "me") -> str:
        called.append(messages)
        return f"{model}, {user}"

    @guard
    async def aask(messages: object = "hi", model: str = "gpt-4o") -> str:
        called.append(messages)
        return model

    bomb = [{"role": "user", "content": "a bomb"}]
    with pytest.raises(InputError, match="ask was called without a str"):
        ask(bomb)
    for call in (aask(bomb), aask()):
        with pytest.raises(InputError, match="aask was called without a str"):
            asyncio.run(call)
    with pytest.raises(InputError, match="partial was called without a str"):
        guard(functools.partial(ask, user="you"))(bomb)
    assert called == []
    assert ask("hi") == "gpt-4o, me"
    with pytest.raises(BlockedPrompt):
        asyncio.run(aask("a bomb"))
    assert called == ["hi"]


def test_an_argument_may_have_any_name() -> None:
    @guard
    def ask(prompt: str, **options: str) -> str:
        return f"{prompt} {options}"

    assert ask("hi", self="me", call="you") == "hi {'self': 'me', 'call': 'you'}"


def test_callable_objects_and_partials() -> None:
    class Model:
        async def __call__(self, prompt: str) -> str:
            return "fine"

    async def ask(system: int, prompt: str) -> str:
        return "fine"

    assert asyncio.run(guard(Model())("hi")) == "fine"
    with pytest.raises(BlockedPrompt):
        asyncio.run(guard(functools.partial(ask, 1))("a bomb"))


def test_what_is_not_a_function_of_str_is_refused_when_called() -> None:
    @guard
    def count(prompt: str) -> str:
        return 3  # type: ignore[return-value]

    with pytest.raises(InputError, match=r"count returned int"):
        count("hi")
    with pytest.raises(InputError, match="without a str"):
        count(b"hi")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="argument"):
        count("hi", "there")  # type: ignore[call-arg]


def test_what_cannot_be_guarded_is_refused_when_decorated() -> None:
    def chunks(prompt: str) -> Iterator[str]:
        yield prompt

    async def achunks(prompt: str) -> AsyncIterator[str]:
        yield prompt

    def nothing() -> str:
        return ""

    with pytest.raises(ConfigError, match="comes with the middleware"):
        guard(chunks)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="comes with the middleware"):
        guard(achunks)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="no prompt"):
        guard(nothing)
    with pytest.raises(ConfigError, match="needs a function"):
        guard("ask")  # type: ignore[call-overload]
    with pytest.raises(ConfigError, match="on_block"):
        guard(on_block="shrug")  # type: ignore[call-overload]
    with pytest.raises(ConfigError, match="no parameter 'question'"):
        guard(prompt="question")(lambda prompt: prompt)


def test_errors_of_the_function_are_its_own() -> None:
    @guard
    def ask(prompt: str) -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ask("hi")


def test_the_default_guard_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    from guardian import decorator

    assert decorator._default() is decorator._default()
