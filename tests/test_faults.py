"""The table of faults in docs/middleware.md: each with its outcome, by every kind of guarded function."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from guardian import (
    BackendError,
    ConfigError,
    Guardian,
    GuardOverloaded,
    GuardTimeout,
    Policy,
    ScriptedBackend,
    Stage,
    guard,
)
from guardian.workers import Workers

ANSWER = "calm words. " * 80


class Upstream:
    """A language model that counts its calls, as each kind of function."""

    def __init__(self, *, dies: bool = False) -> None:
        self.calls = 0
        self.closed = 0
        self._dies = dies

    def _chunks(self) -> Iterator[str]:
        self.calls += 1
        try:
            yield ANSWER
            if self._dies:
                raise ConnectionError("upstream")
        finally:
            self.closed += 1

    def sync(self, guardian: Guardian) -> str:
        return guard(guardian=guardian)(lambda prompt: "".join(self._chunks()))("hi")

    def generator(self, guardian: Guardian) -> str:
        def ask(prompt: str) -> Iterator[str]:
            assert prompt
            yield from self._chunks()

        return "".join(guard(guardian=guardian)(ask)("hi"))

    def asynchronous(self, guardian: Guardian, *, overlap: bool = False) -> str:
        async def ask(prompt: str) -> str:
            assert prompt
            return "".join(self._chunks())

        return asyncio.run(guard(guardian=guardian, overlap=overlap)(ask)("hi"))

    def overlapped(self, guardian: Guardian) -> str:
        return self.asynchronous(guardian, overlap=True)

    def async_generator(self, guardian: Guardian) -> str:
        async def ask(prompt: str) -> AsyncIterator[str]:
            assert prompt
            for chunk in self._chunks():
                yield chunk

        async def read() -> str:
            return "".join([chunk async for chunk in guard(guardian=guardian)(ask)("hi")])

        return asyncio.run(read())


KINDS = (Upstream.sync, Upstream.generator, Upstream.asynchronous, Upstream.overlapped, Upstream.async_generator)
kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
Kind = Callable[[Upstream, Guardian], str]


def failing(mode: str) -> Guardian:
    backend = ScriptedBackend(fail=BackendError(Stage.PROMPT, "gone"))
    return Guardian(backend=backend, policy=_policy(mode))


def hanging(mode: str) -> Guardian:
    return Guardian(backend=ScriptedBackend(latency_s=0.2), policy=_policy(mode, timeout_s=0.02))


def overloaded(mode: str) -> Guardian:
    guardian = Guardian(backend=ScriptedBackend(), policy=_policy(mode, timeout_s=5.0))
    guardian._workers = Workers(waiting=0)
    return guardian


def _policy(mode: str, **more: Any) -> Policy:
    return Policy.from_mapping({"fail_mode": dict.fromkeys(Stage, mode), **more})


FAULTS = ((failing, BackendError), (hanging, GuardTimeout), (overloaded, GuardOverloaded))
faults = pytest.mark.parametrize(("fault", "error"), FAULTS, ids=lambda value: value.__name__)


@kinds
@faults
def test_closed_nothing_goes_through(kind: Kind, fault: Callable[[str], Guardian], error: type[Exception]) -> None:
    upstream = Upstream()
    with pytest.raises(error):
        kind(upstream, fault("closed"))
    assert upstream.calls == 0 or kind is Upstream.overlapped
    assert upstream.closed == upstream.calls


@kinds
@faults
def test_open_the_call_goes_on(kind: Kind, fault: Callable[[str], Guardian], error: type[Exception]) -> None:
    assert issubclass(error, Exception)
    upstream = Upstream()
    assert kind(upstream, fault("open")) == ANSWER
    assert upstream.closed == upstream.calls == 1


@kinds
@pytest.mark.parametrize("mode", ["closed", "open"])
def test_an_upstream_that_dies_raises_its_own_error(kind: Kind, mode: str) -> None:
    upstream = Upstream(dies=True)
    with pytest.raises(ConnectionError):
        kind(upstream, Guardian(backend=ScriptedBackend(), policy=_policy(mode)))
    assert upstream.closed == 1


def test_what_was_cleared_before_the_upstream_died_was_delivered() -> None:
    def ask(prompt: str) -> Iterator[str]:
        assert prompt
        yield ANSWER
        raise ConnectionError

    sent: list[str] = []
    with pytest.raises(ConnectionError):
        sent.extend(guard(guardian=Guardian(backend=ScriptedBackend()))(ask)("hi"))
    delivered = "".join(sent)
    assert 0 < len(delivered) < len(ANSWER)
    assert ANSWER.startswith(delivered)


def test_a_policy_is_read_once(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("name: mine\n")
    guardian = Guardian(backend=ScriptedBackend({"bomb": {"harm": 0.99}}), policy=Policy.from_file(file))
    file.unlink()
    assert guardian.check("a bomb").blocked
    assert guardian.policy.name == "mine"
    with pytest.raises(ConfigError, match=r"policy\.yaml"):
        Policy.from_file(file)
