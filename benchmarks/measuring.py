"""What the benchmarks of speed share: prompts of a given length, time, and the peak memory of a fresh process."""

from __future__ import annotations

import os
import re
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from guardian.scoring.onnx import OnnxBackend

WORDS = "Could you please help me plan a small garden with herbs and vegetables that like the shade"
LENGTHS = (16, 32, 128, 256)


def prompt_of(backend: OnnxBackend, tokens: int) -> str:
    """A plain English prompt of `tokens` tokens in the model's vocabulary, never more but for a single word."""
    words = (WORDS.split() * 50)[: tokens * 2]
    while len(words) > 1 and len(backend.encoder.offsets(" ".join(words))) > tokens:
        words.pop()
    return " ".join(words)


def milliseconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1e3


def environment() -> Mapping[str, str]:
    """What a process is started with that is to import this module."""
    return os.environ | {"PYTHONPATH": str(Path(__file__).parent)}


def peak_mb() -> float:
    """Of this process since it was started, in MB.

    On Linux from /proc: `ru_maxrss` begins with the memory of the process that started this one.
    """
    if sys.platform == "linux":
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
        if found:
            return int(found[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024**2 if sys.platform == "darwin" else 1024)
