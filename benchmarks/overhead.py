"""What the middleware adds to a call, in microseconds, beside the same call unguarded; what it does to an event loop.

    python benchmarks/overhead.py [--repeat 2000] [--json FILE]

The backend is scripted and answers at once, so what is left is the middleware: finding texts, views, windows, policy,
verdict. Guarded and unguarded calls take turns in one process. The event loop is measured with the shipped model.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from guardian import Guardian, ScriptedBackend, guard

PROMPT = "Could you please help me plan a small garden with herbs that like the shade?"
ANSWER = "Parsley, chervil, mint and chives do well in half shade. Water them in the morning. "
MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": PROMPT}]
CHAT = {"choices": [{"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}]}
WORDS = [word + " " for word in (ANSWER * 24).split()]


def sync_calls(guardian: Guardian) -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
    """By name, the plain call and the guarded one."""

    def text(prompt: str) -> str:
        return ANSWER

    def chat(messages: list[dict[str, str]]) -> dict[str, Any]:
        return CHAT

    def stream(prompt: str) -> Iterator[str]:
        yield from WORDS

    guarded = {name: guard(guardian=guardian)(function) for name, function in (("t", text), ("c", chat), ("s", stream))}
    numbers = iter(range(10**9))

    def new_messages() -> list[dict[str, str]]:
        return [*MESSAGES, {"role": "user", "content": f"{PROMPT} {next(numbers)}"}]

    return {
        "str to str": (lambda: text(PROMPT), lambda: guarded["t"](PROMPT)),
        "messages to a chat completion": (lambda: chat(new_messages()), lambda: guarded["c"](new_messages())),
        f"stream of {len(WORDS)} words": (lambda: list(stream(PROMPT)), lambda: list(guarded["s"](PROMPT))),
    }


def async_calls(
    guardian: Guardian,
) -> dict[str, tuple[Callable[[], Awaitable[object]], Callable[[], Awaitable[object]]]]:
    async def text(prompt: str) -> str:
        return ANSWER

    async def stream(prompt: str) -> AsyncIterator[str]:
        for word in WORDS:
            yield word

    async def read(chunks: AsyncIterator[str]) -> list[str]:
        return [chunk async for chunk in chunks]

    guarded, streamed = guard(guardian=guardian)(text), guard(guardian=guardian)(stream)
    return {
        "async, str to str": (lambda: text(PROMPT), lambda: guarded(PROMPT)),
        f"async stream of {len(WORDS)} words": (lambda: read(stream(PROMPT)), lambda: read(streamed(PROMPT))),
    }


def row(name: str, plain: list[float], guarded: list[float]) -> dict[str, object]:
    added = sorted(g - p for g, p in zip(guarded, plain, strict=True))
    return {
        "call": name,
        "plain_us": statistics.median(plain),
        "guarded_us": statistics.median(guarded),
        "added_us": statistics.median(added),
        "added_p95_us": added[int(len(added) * 0.95)],
    }


def measure(repeat: int) -> list[dict[str, object]]:
    guardian = Guardian(backend=ScriptedBackend())
    rows = []
    for name, (plain, guarded) in sync_calls(guardian).items():
        times: tuple[list[float], list[float]] = ([], [])
        for turn in range(repeat + 20):
            for call, spent in zip((plain, guarded), times, strict=True):
                began = time.perf_counter()
                call()
                if turn >= 20:
                    spent.append((time.perf_counter() - began) * 1e6)
        rows.append(row(name, *times))
    rows += asyncio.run(_ameasure(guardian, repeat))
    guardian.close()
    return rows


async def _ameasure(guardian: Guardian, repeat: int) -> list[dict[str, object]]:
    rows = []
    for name, (plain, guarded) in async_calls(guardian).items():
        times: tuple[list[float], list[float]] = ([], [])
        for turn in range(repeat + 20):
            for call, spent in zip((plain, guarded), times, strict=True):
                began = time.perf_counter()
                await call()
                if turn >= 20:
                    spent.append((time.perf_counter() - began) * 1e6)
        rows.append(row(name, *times))
    return rows


async def lateness(guardian: Guardian, calls: int, seconds: float) -> dict[str, float]:
    """How late a task that wants to run every millisecond is, while so many guarded calls run at once."""

    @guard(guardian=guardian)
    async def ask(prompt: str) -> str:
        await asyncio.sleep(0.005)
        return ANSWER

    async def busy(number: int) -> None:
        while time.perf_counter() < end:
            await ask(f"{PROMPT} {number}")

    await ask(PROMPT)
    end = time.perf_counter() + seconds
    tasks = [asyncio.create_task(busy(number)) for number in range(calls)]
    late = await _ticks(end)
    await asyncio.gather(*tasks)
    return late


async def _idle(seconds: float) -> dict[str, float]:
    """The same with nothing to do: what the machine itself adds."""
    return await _ticks(time.perf_counter() + seconds)


async def _ticks(end: float) -> dict[str, float]:
    late: list[float] = []
    while time.perf_counter() < end:
        began = time.perf_counter()
        await asyncio.sleep(0.001)
        late.append((time.perf_counter() - began - 0.001) * 1e3)
    ordered = sorted(late)
    return {"p50_ms": statistics.median(ordered), "p99_ms": ordered[int(len(ordered) * 0.99)], "max_ms": ordered[-1]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rows = measure(given.repeat)
    print(f"Python {platform.python_version()}, medians of {given.repeat} calls\n")
    print("| call | unguarded | guarded | added | added, p95 |\n| --- | --- | --- | --- | --- |")
    for r in rows:
        print(
            f"| {r['call']} | {r['plain_us']:.1f} µs | {r['guarded_us']:.1f} µs "
            f"| {r['added_us']:.1f} µs | {r['added_p95_us']:.1f} µs |"
        )
    loops = {
        "nothing": asyncio.run(_idle(given.seconds)),
        "a backend that waits 3 ms": asyncio.run(
            lateness(Guardian(backend=ScriptedBackend(latency_s=0.003)), 100, given.seconds)
        ),
        "the shipped model": asyncio.run(lateness(Guardian(device="cpu"), 100, given.seconds)),
    }
    print("\n| 100 calls at once, over | event loop late, p50 | p99 | most |\n| --- | --- | --- | --- |")
    for name, figures in loops.items():
        print(f"| {name} | {figures['p50_ms']:.2f} ms | {figures['p99_ms']:.2f} ms | {figures['max_ms']:.2f} ms |")
    if given.json:
        given.json.write_text(json.dumps({"calls": rows, "loop": loops}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
