"""The threads of a guard: what becomes of those who wait when it is closed, and when a limit is all but kept."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor

import pytest

from guardian import Action, Guardian, GuardTimeout, GuardUnavailable, Policy, ScriptedBackend, Stage
from guardian.workers import Workers
from tests.conftest import Gate

OPEN = {Stage.PROMPT: "open"}


def one_thread(gate: Gate, policy: Policy) -> Guardian:
    guardian = Guardian(backend=ScriptedBackend(gate), policy=policy)
    guardian._workers = Workers(threads=1)
    return guardian


def until(condition: Callable[[], bool]) -> None:
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it never came")


@pytest.mark.parametrize("fails_open", [False, True])
def test_closing_is_an_outage_for_the_async_checks_that_wait(gate: Gate, fails_open: bool) -> None:
    guardian = one_thread(gate, Policy.from_mapping({"fail_mode": OPEN if fails_open else {}}))

    async def main() -> None:
        running = asyncio.create_task(guardian.acheck("a"))
        assert await asyncio.to_thread(gate.entered.wait, 60)
        waiting = asyncio.create_task(guardian.acheck("b"))
        await asyncio.to_thread(until, lambda: guardian._workers._pending == 2)
        closing = asyncio.create_task(asyncio.to_thread(guardian.close))
        if fails_open:
            verdict = await waiting
            assert (verdict.action, verdict.coverage.complete) == (Action.ALLOW, False)
        else:
            with pytest.raises(GuardUnavailable, match="the guard was closed"):
                await waiting
        assert not gate.open.is_set()
        gate.open.set()
        assert (await running).coverage.complete
        await closing
        assert not (await guardian.acheck("c")).flagged

    asyncio.run(main())
    guardian.close()


@pytest.mark.parametrize("fails_open", [False, True])
def test_closing_is_an_outage_for_the_sync_checks_that_wait(gate: Gate, fails_open: bool) -> None:
    guardian = one_thread(gate, Policy.from_mapping({"timeout_s": 60, "fail_mode": OPEN if fails_open else {}}))
    with ThreadPoolExecutor(3) as callers:
        running = callers.submit(guardian.check, "a")
        assert gate.entered.wait(60)
        waiting = callers.submit(guardian.check, "b")
        until(lambda: guardian._workers._pending == 2)
        closing = callers.submit(guardian.close)
        try:
            if fails_open:
                assert waiting.result(60).action is Action.ALLOW
            else:
                with pytest.raises(GuardUnavailable, match="the guard was closed"):
                    waiting.result(60)
        finally:
            gate.open.set()
        assert running.result(60).coverage.complete
        closing.result(60)


def test_who_is_cancelled_while_waiting_is_cancelled(gate: Gate) -> None:
    guardian = one_thread(gate, Policy())

    async def main() -> None:
        running = asyncio.create_task(guardian.acheck("a"))
        assert await asyncio.to_thread(gate.entered.wait, 60)
        waiting = asyncio.create_task(guardian.acheck("b"))
        await asyncio.to_thread(until, lambda: guardian._workers._pending == 2)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        with pytest.raises(TimeoutError) as caught:
            await asyncio.wait_for(guardian.acheck("c"), 0.01)
        assert not isinstance(caught.value, GuardUnavailable)
        gate.open.set()
        await running

    asyncio.run(main())
    guardian.close()


class Late(Future[str]):
    """It ends at the very moment the wait for it does."""

    def result(self, timeout: float | None = None) -> str:
        self._end(timeout)
        return super().result(0)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        self._end(timeout)
        return super().exception(0)

    def _end(self, timeout: float | None) -> None:
        if timeout and not self.done():
            self.set_result("done")
            raise TimeoutError


def test_work_that_ends_as_the_limit_does_leaks_no_bare_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    workers = Workers()
    monkeypatch.setattr(workers, "_submit", lambda *_: Late())
    with pytest.raises(GuardTimeout, match="longer than 5 s"):
        workers.call(lambda _: "done", "prompt", 5)


@pytest.mark.parametrize("error", [TimeoutError("mine"), CancelledError("mine")])
def test_errors_of_the_work_are_its_own(error: Exception) -> None:
    def work(_: threading.Event) -> str:
        raise error

    workers = Workers()
    with pytest.raises(type(error), match="mine"):
        workers.call(work, "prompt", 60)
    workers.close()


FORKED = """
import os
from guardian import Guardian, Policy, ScriptedBackend

guardian = Guardian(backend=ScriptedBackend(), policy=Policy(timeout_s=60))
guardian.check("in the parent, which starts the threads")
child = os.fork()
if child == 0:
    os._exit(0 if guardian.check("in the child").action == "allow" else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_forked_process_has_threads_of_its_own() -> None:
    found = subprocess.run(  # a process of its own, because this one has threads that a fork would copy
        [sys.executable, "-W", "ignore", "-c", FORKED], capture_output=True, text=True, timeout=50, check=True
    )
    assert found.stdout == "0\n"
