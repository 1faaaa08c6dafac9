"""Where and how results were made: command, machine, versions."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path


def command_line() -> str:
    """The command line, with folders cut down to their last name: the report is committed and names no
    machine's paths.
    """
    return shlex.join(Path(part).name if os.sep in part and Path(part).is_absolute() else part for part in sys.argv)


def machine() -> dict[str, str]:
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
    }


def _processor() -> str:
    try:
        lines: Iterable[str] = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")),
        platform.processor(),
    )


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in (
        "slm-guardian",
        "numpy",
        "onnxruntime",
        "onnxruntime-gpu",
        "tokenizers",
        "torch",
        "scikit-learn",
    ):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
