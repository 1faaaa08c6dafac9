"""What a hundred guarded calls at once do to an event loop."""

from __future__ import annotations

import asyncio
import statistics
import time

from guardian import Guardian, ScriptedBackend, guard
from overhead.texts import ANSWER, PROMPT

CALLS = 100


def loops(seconds: float) -> dict[str, dict[str, float]]:
    """How late a task that wants to run every millisecond is, in milliseconds, by what checks the calls beside it."""
    return {
        "nothing": asyncio.run(_idle(seconds)),
        "a backend that waits 3 ms": asyncio.run(_late(Guardian(backend=ScriptedBackend(latency_s=0.003)), seconds)),
        "the shipped model": asyncio.run(_late(Guardian(device="cpu"), seconds)),
    }


async def _idle(seconds: float) -> dict[str, float]:
    """The same with nothing to do: what the machine itself adds."""
    return await _ticks(time.perf_counter() + seconds)


async def _late(guardian: Guardian, seconds: float) -> dict[str, float]:
    @guard(guardian=guardian)
    async def ask(prompt: str) -> str:
        await asyncio.sleep(0.005)
        return ANSWER

    async def busy(number: int) -> None:
        while time.perf_counter() < end:
            await ask(f"{PROMPT} {number}")

    await ask(PROMPT)
    end = time.perf_counter() + seconds
    tasks = [asyncio.create_task(busy(number)) for number in range(CALLS)]
    late = await _ticks(end)
    await asyncio.gather(*tasks)
    return late


async def _ticks(end: float) -> dict[str, float]:
    late: list[float] = []
    while time.perf_counter() < end:
        began = time.perf_counter()
        await asyncio.sleep(0.001)
        late.append((time.perf_counter() - began - 0.001) * 1e3)
    ordered = sorted(late)
    return {"p50_ms": statistics.median(ordered), "p99_ms": ordered[int(len(ordered) * 0.99)], "max_ms": ordered[-1]}
