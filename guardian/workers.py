"""The threads of one guard: where the async face does its work, and where a time limit is kept.

A model call cannot be interrupted. Whoever waits can stop waiting, though: on a timeout or a cancellation the waiter
leaves at once, and the worker is told to stop before its next batch.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextvars import copy_context
from threading import Event, Lock
from typing import TypeVar
from weakref import WeakSet

from guardian.errors import GuardOverloaded, GuardTimeout, GuardUnavailable

Result = TypeVar("Result")

THREADS = max(2, os.cpu_count() or 1)
"""Checks that run at once. More would only compete for the cores, with each other and with the event loop."""

WAITING = 1024
"""Checks that may wait or run at once; one more is refused, because it would be answered too late anyway."""


_NEVER = Event()
"""Of work that its caller does itself, and so waits for."""


class Workers:
    """A small thread pool, started at the first use, that refuses work it could not do in time."""

    def __init__(self, threads: int = THREADS, waiting: int = WAITING) -> None:
        self._threads = threads
        self._waiting = waiting
        self._lock = Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._pending = 0
        _started.add(self)

    def call(self, work: Callable[[Event], Result], stage: str, seconds: float | None) -> Result:
        """Do `work` in this thread, or where there is a limit of `seconds` in a worker, waiting that long at most.

        `work` is given an event that is set once nobody waits for its result. Raises GuardTimeout, GuardOverloaded, and
        GuardUnavailable where the work still waited for a worker when `close` was called.
        """
        if seconds is None:
            return work(_NEVER)
        abandoned = Event()
        future = self._submit(work, stage, abandoned)
        try:
            future.exception(seconds)  # unlike `result` it raises no error of the work's own
        except TimeoutError:
            raise GuardTimeout(stage, f"took longer than {seconds:g} s") from None
        except CancelledError:
            raise _closed(stage) from None
        finally:
            abandoned.set()
            future.cancel()
        return future.result()

    async def acall(self, work: Callable[[Event], Result], stage: str, seconds: float | None) -> Result:
        """Do `work` in a worker without blocking the event loop; otherwise like `call`. May be cancelled."""
        abandoned = Event()
        future = self._submit(work, stage, abandoned)
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                return await asyncio.wrap_future(future)
        except TimeoutError:
            if not limit.expired():  # the work's own
                raise
            raise GuardTimeout(stage, f"took longer than {seconds:g} s") from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if future.cancelled() and not (task and task.cancelling()):  # by `close`, not by who waits
                raise _closed(stage) from None
            raise
        finally:
            abandoned.set()

    def close(self) -> None:
        """Finish what is running, refuse what waits and end the threads. The next call starts new ones."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(cancel_futures=True)

    def forked(self) -> None:
        """In the child of a fork: the parent's pool is here, but not its threads, and nobody can give its lock back."""
        self._lock = Lock()
        self._pool = None
        self._pending = 0

    def _submit(self, work: Callable[[Event], Result], stage: str, abandoned: Event) -> Future[Result]:
        with self._lock:
            if self._pending >= self._waiting:
                raise GuardOverloaded(stage, f"{self._pending} checks are waiting already")
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="guardian")
            future = self._pool.submit(copy_context().run, work, abandoned)
            self._pending += 1
        future.add_done_callback(self._done)
        return future

    def _done(self, _: object) -> None:
        with self._lock:
            self._pending -= 1


_started: WeakSet[Workers] = WeakSet()


def _after_fork() -> None:
    for workers in _started:
        workers.forked()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_after_fork)


def _closed(stage: str) -> GuardUnavailable:
    return GuardUnavailable(stage, "the guard was closed")
