"""What the middleware adds to a call, in microseconds, beside the same call unguarded; what it does to an event loop.

    python benchmarks/overhead.py [--only NAME ...] [--repeat 2000] [--json FILE]

The backend is scripted and answers at once, and upstreams are in this process, so what is left is the middleware:
finding texts, views, windows, policy, verdict, protocol. Guarded and unguarded calls take turns in one process, and
each guarded one is seen to have had its texts scored. The event loop is measured with the shipped model. The parts are
the modules of benchmarks/overhead; a part whose framework is not installed is named (litellm has an environment of its
own: `make litellm`, then .venv-litellm/bin/python benchmarks/overhead.py --only litellm).
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from overhead.bench import Bench, Row
from overhead.loop import CALLS, loops

from guardian import MissingExtra

PARTS = (
    "decorator",
    "http",
    "openai",
    "anthropic",
    "langchain",
    "litellm",
    "openai_agents",
    "pydantic_ai",
    "llama_index",
    "mcp",
    "asgi",
)
LOOP = "loop"


class NotInstalled(Exception):
    """What a part needs and this environment does not have."""


def measured(part: str, repeat: int) -> list[Row]:
    """The rows of a part. Raises NotInstalled."""
    try:
        rows: Callable[[Bench], list[Row]] = import_module(f"overhead.{part}").rows
    except ModuleNotFoundError as error:
        raise NotInstalled(f"{error.name} is not installed") from error
    except MissingExtra as error:
        raise NotInstalled(error.message) from error
    bench = Bench(repeat)
    found = [{"part": part, **row} for row in rows(bench)]
    bench.guardian.close()
    return found


def measure(parts: Sequence[str], repeat: int) -> tuple[list[Row], dict[str, str]]:
    """The rows of these parts, printed as they come, and why a part has none."""
    found: list[Row] = []
    missing: dict[str, str] = {}
    print(f"Python {platform.python_version()}, medians of {repeat} calls\n")
    print("| call | unguarded | guarded | added | added, p95 | pieces scored |\n| --- | --- | --- | --- | --- | --- |")
    for part in parts:
        try:
            rows = measured(part, repeat)
        except NotInstalled as why:
            missing[part] = str(why)
            continue
        for r in rows:
            times = " | ".join(f"{r[key]:,.1f} µs" for key in ("plain_us", "guarded_us", "added_us", "added_p95_us"))
            print(f"| {r['call']} | {times} | {r['pieces']} |", flush=True)
        found += rows
    print(*(f"\nNot measured: {part} ({why})." for part, why in missing.items()), sep="")
    return found, missing


def print_loops(found: Mapping[str, Mapping[str, float]]) -> None:
    print(f"\n| {CALLS} calls at once, over | event loop late, p50 | p99 | most |\n| --- | --- | --- | --- |")
    for name, figures in found.items():
        print(f"| {name} | {figures['p50_ms']:.2f} ms | {figures['p99_ms']:.2f} ms | {figures['max_ms']:.2f} ms |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=[*PARTS, LOOP], metavar="NAME", help=", ".join([*PARTS, LOOP]))
    parser.add_argument("--repeat", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    wanted = given.only or [*PARTS, LOOP]
    report: dict[str, Any] = {}
    if parts := [part for part in PARTS if part in wanted]:
        rows, missing = measure(parts, given.repeat)
        report |= {"calls": rows, "not_measured": missing}
    if LOOP in wanted:
        report["loop"] = loops(given.seconds)
        print_loops(report["loop"])
    if given.json:
        given.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
