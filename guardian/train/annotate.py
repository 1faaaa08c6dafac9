"""`guardian train annotate`: doubts the labels of answers that two models, each of which never read them, contradict.

Cross-annotation (Qwen3Guard): the answers are split in halves, a model learns from each and labels the other. Where it
firmly contradicts a label, the answer is controversial or mislabelled. Only answers: the labels of prompts and
documents were doubted when guardian-mini's mixture was refined (`guardian.train.refine`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from guardian.errors import ConfigError
from guardian.train.bases import load_run, trained_from
from guardian.train.examples import Example, read_examples, write_examples
from guardian.train.loop import Recipe, device_of, train
from guardian.train.mix import SPLITS
from guardian.train.refine import Scores, cross_annotate, doubtful, score
from guardian.train.slm import GuardianSlmConfig
from guardian.train.slm_mix import about
from guardian.train.sources import hash_share
from guardian.verdict import Stage

RECIPE = Recipe(
    epochs=1.0, batch_tokens=3072, rate=1e-4, head_rate=6e-4, average=0.99, context=96, longest=330, part="read"
)
_REWRITTEN = ("train.jsonl", "mix.json")


def annotate(
    base: Path,
    mix: Path,
    out: Path,
    recipe: Recipe = RECIPE,
    *,
    low: float = 0.08,
    high: float = 0.92,
    device: str = "auto",
    progress: Callable[[str], None] = lambda _: None,
) -> Counter[str]:
    """Write the mixture `mix` of guardian-slm to `out` with doubtful answers relabelled; returns how many, by source.

    Both models start from `base` and learn by `recipe`, whatever its `part`, to detect alone; their runs stay in
    `out`/halves, so the same call goes on after a stop. An unsafe answer is contradicted by a probability of harm under
    `low`, a safe one by one over `high`. Labels that refine trusts (`refine.doubtful`) stay; mix.json counts both under
    "annotated". Only the train split changes. ConfigError names a base that is no guardian-slm, a mixture that is not
    whole or has no answers to split, and thresholds in the wrong order.
    """
    _check(base, mix, out, low, high)
    rows = list(read_examples(mix / "train.jsonl"))
    a, b = halves(rows, recipe.seed)
    if not (a and b):
        raise ConfigError("mix", f"{mix} has no answers to two prompts or more, so there are no halves to learn from")
    held_out = [row for row in read_examples(mix / "calibration.jsonl") if _answer(row)]
    reading = replace(recipe, part="read")
    contradicted: dict[int, Example] = {}
    for name, learnt, asked in (("a", a, b), ("b", b, a)):
        folder = out / "halves" / name
        _write_half(folder, [rows[n] for n in learnt], held_out)
        progress(f"half {name}: {len(learnt):,} answers to learn from, {len(asked):,} to label")
        train(base, folder, folder / "run", reading, device=device, progress=progress)
        before = [rows[n] for n in asked]
        after, _ = cross_annotate(before, _opinion(folder / "run", before, device), low=low, high=high)
        contradicted |= {n: new for n, old, new in zip(asked, before, after, strict=True) if new is not old}
    relabelled = {n: row for n, row in contradicted.items() if doubtful(rows[n])}
    done = Counter(row.source for row in relabelled.values())
    kept = Counter(row.source for row in contradicted.values()) - done
    progress(f"contradicted: {done.total():,} answers relabelled, {kept.total():,} trusted and kept")
    summary = {"low": low, "high": high, "relabelled": dict(sorted(done.items())), "kept": dict(sorted(kept.items()))}
    _write(mix, out, [relabelled.get(n, row) for n, row in enumerate(rows)], summary)
    return done


def halves(rows: Sequence[Example], seed: int) -> tuple[list[int], list[int]]:
    """Indices of the answers in two halves, by a hash of what they are about: answers to one prompt stay together."""
    found: tuple[list[int], list[int]] = ([], [])
    for number, row in enumerate(rows):
        if _answer(row):
            found[hash_share(f"{seed}/half/{about(row)}") < 0.5].append(number)
    return found


def _answer(row: Example) -> bool:
    return row.stage is Stage.RESPONSE and row.response_severity is not None and row.reply is None


def _check(base: Path, mix: Path, out: Path, low: float, high: float) -> None:
    """ConfigError before anything is written."""
    if not 0 <= low < high <= 1:
        raise ConfigError("low", f"{low} and {high} are no thresholds: 0 <= low < high <= 1")
    for name in (*(f"{split}.jsonl" for split in SPLITS), "mix.json"):
        if not (mix / name).is_file():
            raise ConfigError("mix", f"{mix / name} is missing: `guardian train slm-mix` writes it")
    if out.resolve() == mix.resolve():
        raise ConfigError("out", f"{out} is the mixture itself")
    if (found := trained_from(base)) != GuardianSlmConfig.model_type:
        raise ConfigError("base", f"from {base} comes a {found}; a {GuardianSlmConfig.model_type} is wanted here")


def _write_half(folder: Path, answers: Sequence[Example], held_out: Sequence[Example]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_examples(folder / "train.jsonl", answers)
    write_examples(folder / "calibration.jsonl", held_out)


def _opinion(run: Path, asked: Sequence[Example], device: str) -> Scores:
    where = device_of(device)
    model, encoder, _ = load_run(run, GuardianSlmConfig.model_type, where)
    return score(model, encoder, asked, device=where)


def _write(mix: Path, out: Path, rows: Sequence[Example], summary: Mapping[str, Any]) -> None:
    """The new mixture: other rows, one key more in mix.json, and all other files as they are."""
    write_examples(out / "train.jsonl", rows)
    body = json.loads((mix / "mix.json").read_text(encoding="utf-8")) | {"annotated": summary}
    (out / "mix.json").write_text(json.dumps(body, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    for path in sorted(mix.iterdir()):
        if path.is_file() and path.name not in _REWRITTEN:
            (out / path.name).write_bytes(path.read_bytes())
