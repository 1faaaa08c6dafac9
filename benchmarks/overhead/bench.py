"""How a pair of calls is timed: plain and guarded by turns in one process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from guardian import Guardian, ScriptedBackend
from overhead.texts import ANSWER, PROMPT

WARM_UP = 20
"""Turns that are not counted."""

Row = dict[str, Any]
READ = (PROMPT, ANSWER)
"""What a guarded call has to have read, unless it says otherwise."""


class Bench:
    """A guard over a backend that answers at once, and how often every call is made."""

    def __init__(self, repeat: int) -> None:
        self.repeat = repeat
        self.backend = ScriptedBackend()
        self.guardian = Guardian(backend=self.backend)

    def row(
        self, name: str, plain: Callable[[], object], guarded: Callable[[], object], read: tuple[str, ...] = READ
    ) -> Row:
        """The times of both calls. AssertionError where a guarded call did not read these texts, or a plain one did."""
        times = _Times(self.backend, read)
        for _ in range(self.repeat + WARM_UP):
            for call, spent in ((plain, times.plain), (guarded, times.guarded)):
                began = time.perf_counter()
                call()
                times.add(spent, time.perf_counter() - began)
        return times.row(name)

    async def arow(
        self,
        name: str,
        plain: Callable[[], Awaitable[object]],
        guarded: Callable[[], Awaitable[object]],
        read: tuple[str, ...] = READ,
    ) -> Row:
        """`row` for calls that are awaited."""
        times = _Times(self.backend, read)
        for _ in range(self.repeat + WARM_UP):
            for call, spent in ((plain, times.plain), (guarded, times.guarded)):
                began = time.perf_counter()
                await call()
                times.add(spent, time.perf_counter() - began)
        return times.row(name)


@dataclass(slots=True)
class _Times:
    """Microseconds of every call, and how many pieces of text a guarded one had scored."""

    backend: ScriptedBackend
    read: tuple[str, ...]
    plain: list[float] = field(default_factory=list)
    guarded: list[float] = field(default_factory=list)
    pieces: list[int] = field(default_factory=list)

    def add(self, spent: list[float], seconds: float) -> None:
        """Keep a time, once it is sure that the guard did what is timed: a prompt it remembers costs it nothing."""
        texts = [piece.text for scored in self.backend.calls for piece in scored]
        self.backend.calls.clear()
        missed = [text for text in self.read if not any(text in seen for seen in texts)]
        if spent is self.guarded:
            assert not missed, f"the guard has not read {missed}"
            self.pieces.append(len(texts))
        else:
            assert not texts, f"the guard has read {texts} of a plain call"
        spent.append(seconds * 1e6)

    def row(self, name: str) -> Row:
        plain, guarded = self.plain[WARM_UP:], self.guarded[WARM_UP:]
        added = sorted(g - p for g, p in zip(guarded, plain, strict=True))
        return {
            "call": name,
            "plain_us": statistics.median(plain),
            "guarded_us": statistics.median(guarded),
            "added_us": statistics.median(added),
            "added_p95_us": added[int(len(added) * 0.95)],
            "pieces": statistics.median_low(self.pieces[WARM_UP:]),
        }
