"""What a step of training guardian-slm costs: tokens a second and peak memory, all weights against adapters.

    python benchmarks/training.py --base RUN/weights --mix build/slm-annotated --out docs/report-slm

Every run is a fresh process of the same code as `guardian train run`, on the same rows of the mixture: those that
detection learns from, and for writing those with a reply. `slm_report.py` takes the table in.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from measuring import environment

from guardian.evaluate.metrics import Estimate
from guardian.evaluate.provenance import machine
from guardian.evaluate.report import part_markdown
from guardian.evaluate.results import Part, PartTable
from guardian.train.examples import read_examples, write_examples

RANK = 16
RECIPES = {
    "detection, all weights": {"part": "read"},
    f"detection, adapters of rank {RANK}": {"part": "read", "lora": RANK},
    "replies, all weights": {"part": "write"},
    f"replies, adapters of rank {RANK} as well": {"part": "write", "lora": RANK},
    "both at once, all weights": {"part": "all"},
    f"both at once, adapters of rank {RANK}": {"part": "all", "lora": RANK},
}
BATCH = 2048

RUN = """
import json, sys
from pathlib import Path
import torch
from measuring import peak_mb
from guardian.train.loop import Recipe, device_of, train
base, mix, out, recipe, device, threads = sys.argv[1:]
torch.set_num_threads(int(threads))
where = device_of(device)
recipe = Recipe(**json.loads(recipe))
weights = train(Path(base), Path(mix), Path(out), recipe, device=device, progress=lambda line: None)
state = json.loads((weights / "training.json").read_text())["state"]
peak = torch.cuda.max_memory_allocated(where) / 2**20 if where.type == "cuda" else peak_mb()
print(json.dumps([state["tokens"] / state["seconds"], peak, state["step"]]))
"""


def sample(mix: Path, out: Path, rows: int) -> None:
    """So many rows with a reply, and as many without, of the mixture's; the same ones every time."""
    out.mkdir(parents=True)
    known = list(read_examples(mix / "train.jsonl"))
    chosen = []
    for replies in (True, False):
        kind = [row for row in known if (row.reply is not None) is replies]
        chosen += random.Random(rows).sample(kind, min(rows, len(kind)))
    write_examples(out / "train.jsonl", chosen)
    write_examples(out / "calibration.jsonl", chosen[:8] + chosen[-8:])


def cost(base: Path, mix: Path, recipe: dict[str, object], device: str, threads: int) -> tuple[float, float, int]:
    """Tokens a second, peak memory in MB, and steps of one run."""
    recipe = {
        "batch_tokens": BATCH,
        "longest": 330,
        "context": 96,
        "evaluate_every": 10**6,
        "save_every": 10**6,
    } | recipe
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-c", RUN, base, mix, out, json.dumps(recipe), device, str(threads)]
        rate, peak, steps = json.loads(subprocess.check_output(command, text=True, env=environment()).splitlines()[-1])
    return rate, peak, steps


def measure(base: Path, mix: Path, *, rows: int, repeat: int, device: str, threads: int) -> Part:
    """Every recipe, turn by turn."""
    found: dict[str, list[tuple[float, float, int]]] = {name: [] for name in RECIPES}
    with tempfile.TemporaryDirectory() as folder:
        sample(mix, Path(folder) / "mix", rows)
        for _ in range(repeat):
            for name, recipe in RECIPES.items():
                found[name].append(cost(base, Path(folder) / "mix", dict(recipe), device, threads))
                print(name, found[name][-1], file=sys.stderr)
    where = machine()
    place = "one GPU" if device == "cuda" else f"{threads} threads of {where['processor']} ({where['cores']} cores)"
    return Part(
        name="training",
        title="Cost of training guardian-slm",
        about=(
            f"Tokens a second and peak memory over {repeat} runs each on {place}, bf16, {BATCH} tokens a batch: the "
            f"mean, between the lowest and the highest. {rows} rows of a kind; every run is a process of its own."
        ),
        figures={},
        tables=(
            PartTable(
                columns=("", "tokens a second", "peak memory, MB", "steps"),
                rows=tuple(
                    (name, _between([r[0] for r in runs]), _between([r[1] for r in runs]), str(runs[0][2]))
                    for name, runs in found.items()
                ),
            ),
        ),
    )


def _between(values: Sequence[float]) -> Estimate:
    return Estimate(sum(values) / len(values), min(values), max(values))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, required=True, help="weights to begin with")
    parser.add_argument("--mix", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=150, help="rows of a kind")
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--threads", type=int, default=min(4, os.cpu_count() or 1))
    parser.add_argument("--out", type=Path, help="folder for training.json, which slm_report.py picks up")
    given = parser.parse_args()
    part = measure(
        given.base, given.mix, rows=given.rows, repeat=given.repeat, device=given.device, threads=given.threads
    )
    print(part_markdown(part))
    if given.out:
        part.save(given.out / "training.json")


if __name__ == "__main__":
    main()
