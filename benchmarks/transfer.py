"""What carries over between tasks (Cross-Task Defense, arXiv 2405.15202, section 4): eight short runs and their matrix.

    python benchmarks/transfer.py --data data/ --mix build/refined --base build/teacher/weights --runs build/transfer \\
        --out docs/report-slm

Each run learns from the same prompts and harmless documents, and from the same number of harmful documents, which come
in one task, in all five, or not at all; one more, from a quarter of them in all five, shows what the budget buys. A run
that was stopped goes on. What they are compared on is the part `transfer` of `slm_report.py`, whose report takes it in.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import slm_report

from guardian.train.corpus import in_task
from guardian.train.examples import SAFE, Example, read_examples, write_examples
from guardian.train.loop import Recipe, train
from guardian.train.slm_mix import DEFENCES, build_slm_mix
from guardian.verdict import Stage

COMPARED = tuple(name for name in DEFENCES if name != "own")


def tell(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def learnt(rows: Iterable[Example]) -> Iterator[Example]:
    """Prompts and documents, without replies; harmful documents only where they are the defence's own. Other rows put
    harm into documents and tasks too, and would be a defence of their own."""
    for row in rows:
        if row.stage is Stage.RESPONSE or row.reply is not None or "/cross_task/" in row.id:
            continue
        if row.stage is Stage.PROMPT or row.severity == SAFE or in_task(row.id):
            yield row


def budgets(most: int) -> dict[str, tuple[str, int]]:
    """Name of a run -> its defence, and how many harmful documents that has."""
    return {name: (name, most) for name in COMPARED} | {f"mixed, {most // 4}": ("mixed", most // 4)}


def run(name: str, defence: str, budget: int, given: argparse.Namespace) -> Path:
    """Mix and train with one defence; returns the folder of the run."""
    folder: Path = given.runs / name.replace(":", "-").replace(", ", "-")
    mix, out = folder / "mix", folder / "run"
    build_slm_mix(given.mix, mix, defence=defence, budget=budget, scale=given.scale)
    rows = list(learnt(read_examples(mix / "train.jsonl")))
    write_examples(mix / "train.jsonl", rows)
    tell(f"{name}: {len(rows):,} rows")
    recipe = Recipe(
        epochs=given.epochs,
        batch_tokens=2048,
        rate=2e-4,
        head_rate=1e-3,
        average=0.95,
        longest=300,
        part="read",
        evaluate_every=10**6,
    )
    return train(given.base, mix, out, recipe, progress=tell).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data files")
    parser.add_argument("--mix", type=Path, required=True, help="what `guardian train slm-mix` draws from")
    parser.add_argument("--base", type=Path, required=True, help="weights that all runs begin with")
    parser.add_argument("--runs", type=Path, required=True, help="where mixtures and runs go")
    parser.add_argument("--out", type=Path, required=True, help="folder of the report")
    parser.add_argument("--slm", default="slm", help="model whose tokenizer and windows are used")
    parser.add_argument("--scale", type=float, default=0.1, help="share of the prompts and harmless documents")
    parser.add_argument("--budget", type=int, default=200, help="harmful documents of a defence")
    parser.add_argument("--epochs", type=float, default=1.0)
    parser.add_argument("--documents", type=int, default=40, help="documents of a kind to compare on; 0: all")
    given = parser.parse_args()
    runs = [f"{name}={run(name, *of, given)}" for name, of in budgets(given.budget).items()]
    compared = ["transfer", "--data", given.data, "--mix", given.runs / "none" / "mix", "--out", given.out]
    compared += ["--slm", given.slm, "--documents", given.documents, "--defence", *runs]
    slm_report.main([str(part) for part in compared])


if __name__ == "__main__":
    main()
