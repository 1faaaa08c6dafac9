"""What a check costs: the whole of `check` beside the bare ONNX call, by length; documents; cold start; memory.

    python benchmarks/speed.py [--repeat 200] [--json FILE]

The bare call is the same session on the same token ids, in the same process and run, alternating with `check`.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
from measuring import LENGTHS, WORDS, environment, milliseconds, prompt_of

from guardian import Guardian
from guardian.scoring.backend import Piece
from guardian.scoring.models import load_backend
from guardian.verdict import Stage


def spread(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {
        "p50": statistics.median(ordered),
        "p10": ordered[len(ordered) // 10],
        "p95": ordered[int(len(ordered) * 0.95)],
    }


def latency(repeat: int) -> list[dict[str, object]]:
    """check() and the bare session call on the same ids, turn by turn."""
    backend = load_backend(device="cpu")
    guard = Guardian(backend=backend)
    rows: list[dict[str, object]] = []
    for tokens in LENGTHS:
        text = prompt_of(backend, tokens)
        (ids,) = backend.encoder.encode([Piece(text, Stage.PROMPT)])
        feed = {"input_ids": np.array([ids]), "attention_mask": np.ones((1, len(ids)), np.int64)}
        bare: list[float] = []
        full: list[float] = []
        for number in range(repeat + 20):
            one = milliseconds(lambda: backend._session.run(["logits"], feed))  # noqa: B023, SLF001
            two = milliseconds(lambda: guard.check(text))  # noqa: B023
            if number >= 20:
                bare.append(one)
                full.append(two)
        over = [f - b for f, b in zip(full, bare, strict=True)]
        rows.append({"tokens": tokens, "bare": spread(bare), "check": spread(full), "overhead": spread(over)})
    return rows


def document(words: int = 20_000, repeat: int = 3) -> dict[str, float]:
    """Seconds for a benign document of `words` words, every window read."""
    text = "\n\n".join(f"Section {n}. " + " ".join((WORDS.split() * 12)[:190]) + "." for n in range(words // 192 + 1))
    guard = Guardian(backend=load_backend(device="cpu"))
    times = [milliseconds(lambda: guard.check_document(text)) / 1e3 for _ in range(repeat)]
    windows = guard.check_document(text).coverage.windows
    return {
        "words": len(text.split()),
        "windows": windows,
        "seconds": statistics.median(times),
        "low": min(times),
        "high": max(times),
    }


COLD = """
import time; began = time.perf_counter()
import guardian
imported = time.perf_counter()
from guardian import Guardian
Guardian(device="cpu").check("How do I bake bread?")
done = time.perf_counter()
import json
from measuring import peak_mb
print(json.dumps({"import_s": imported - began, "first_verdict_s": done - began, "rss_mb": peak_mb()}))
"""


def cold(repeat: int = 7) -> dict[str, dict[str, float]]:
    """Import, first verdict (both from inside a fresh process; the interpreter's own start apart), peak memory."""
    command = [sys.executable, "-c", COLD]
    runs = [json.loads(subprocess.check_output(command, text=True, env=environment())) for _ in range(repeat + 1)]
    return {
        key: {
            "p50": statistics.median(r[key] for r in runs[1:]),
            "low": min(r[key] for r in runs[1:]),
            "high": max(r[key] for r in runs[1:]),
        }
        for key in runs[0]
    }


def cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=200)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    import onnxruntime

    results = {
        "machine": cpu_name(),
        "python": platform.python_version(),
        "onnxruntime": onnxruntime.__version__,
        "cold": cold(),
        "latency": latency(arguments.repeat),
        "document": document(),
    }
    print(f"{results['machine']}, Python {results['python']}, onnxruntime {results['onnxruntime']}\n")
    print("| tokens | bare ONNX call p50 (p10-p95) ms | check p50 (p10-p95) ms | overhead p50 ms |")
    print("| --- | --- | --- | --- |")
    for row in results["latency"]:  # type: ignore[attr-defined]
        bare, full, over = row["bare"], row["check"], row["overhead"]
        print(
            f"| {row['tokens']} | {bare['p50']:.2f} ({bare['p10']:.2f}-{bare['p95']:.2f}) | "
            f"{full['p50']:.2f} ({full['p10']:.2f}-{full['p95']:.2f}) | {over['p50']:.2f} |"
        )
    doc = results["document"]
    print(
        f"\nDocument of {doc['words']:,} words, {doc['windows']} windows: {doc['seconds']:.2f} s "  # type: ignore[index]
        f"({doc['low']:.2f}-{doc['high']:.2f})"
    )  # type: ignore[index]
    for key, value in results["cold"].items():  # type: ignore[attr-defined]
        print(f"{key}: {value['p50']:.2f} ({value['low']:.2f}-{value['high']:.2f})")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
