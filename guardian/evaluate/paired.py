"""Models side by side on the prompt benchmarks, each at its own threshold for the same false-positive rate.

A model can always buy recall with false positives. So the threshold of every model is put where the same share of the
benign prompts of the calibration split reaches it, and only then are decisions compared, row by row on the same rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from guardian.errors import ConfigError
from guardian.evaluate.benchmarks import POOLED, REGISTRY, Benchmark, Measure, Row, find_file, load, mix_benchmarks
from guardian.evaluate.metrics import (
    Difference,
    Estimate,
    conformal_threshold,
    decision_difference,
    mean_difference,
    recall_at_fpr,
    recall_difference,
    wilson,
)
from guardian.evaluate.results import Part, PartTable
from guardian.evaluate.scored import Progress, limited, score_rows, silent
from guardian.evaluate.scorers import GuardianLike, Scorer, guardian_scorer
from guardian.scoring.backend import Piece
from guardian.verdict import Stage

RATE = 0.02
_MOST_BENIGN = 2000  # benign prompts of a split, where sets are cut
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_ABOUT = """
Every model decides by one threshold a head, at which {rate:.1%} of the benign prompts of the calibration split are
flagged ({fitted}); the second table shows how many of the held-out ones are. F1 where a set has benign rows, else
recall; on sets of benign rows the share flagged. Differences are to {base}, with paired bootstrap intervals over rows;
the mean gives every set the same weight and resamples each for itself. The thresholds are not resampled.
"""


@dataclass(slots=True)
class _Model:
    """A model, its thresholds by head, and what it was asked before."""

    scorer: Scorer
    thresholds: dict[str, float] = field(default_factory=dict)
    known: dict[Piece, dict[str, float]] = field(default_factory=dict)

    def scores(self, rows: Sequence[Row], head: str, what: str, tell: Progress) -> Floats:
        found = score_rows(self.scorer, rows, self.known, partial(tell, f"{self.scorer.name}: {what}"))
        return np.array([scores[head] for scores in found])

    def flags(self, scores: Floats, head: str) -> Bools:
        return scores >= self.thresholds[head]


def paired(
    models: Mapping[str, GuardianLike],
    *,
    data: Path,
    mix: Path,
    benchmarks: Sequence[str] | None = None,
    rate: float = RATE,
    limit: int | None = None,
    samples: int = 1000,
    seed: int = 0,
    progress: Progress | None = None,
) -> Part:
    """Compare models on prompt sets; the first is the one that the others are compared with.

    `mix` holds calibration.jsonl, for the thresholds, and test.jsonl. `limit`: at most so many rows of a set, drawn by
    hash. Figures: <model>/mean (over the sets of harmful prompts), <model>/attacks, <model>/benign (share of the
    over-refusal sets flagged), <model>/pooled (recall of the pooled English prompts at `rate` of their own benign
    rows), all as differences. ConfigError for an unknown benchmark, and for too few benign prompts.
    """
    tell = progress or silent
    chosen = _chosen(benchmarks, data, limit)
    heads = tuple(dict.fromkeys(benchmark.head for benchmark, _ in chosen))
    benign = {split: _benign(mix / f"{split}.jsonl", heads, limit) for split in ("calibration", "test")}
    sides = [_Model(guardian_scorer(guardian, name)) for name, guardian in models.items()]
    if len(sides) < 2:
        raise ConfigError("models", "give at least two models to compare")
    for side in sides:
        for head, rows in benign["calibration"].items():
            side.thresholds[head] = _threshold(side.scores(rows, head, "calibration", tell), head, rate)
    results = [
        _Result(benchmark, rows, *_both(sides, benchmark, rows, samples, seed, tell)) for benchmark, rows in chosen
    ]
    pool = _pool(results, rate, samples, seed)
    figures, means = _means(sides, results)
    fitted = ", ".join(f"{len(rows):,} for {head}" for head, rows in benign["calibration"].items())
    about = _ABOUT.format(rate=rate, fitted=fitted, base=sides[0].scorer.name)
    names = [side.scorer.name for side in sides]
    columns = ("set", "rows", "figure", *names, *(f"{name} - {names[0]}" for name in names[1:]))
    lines = (*(line for result in results for line in result.cells()), *means, *pool.cells())
    return Part(
        name="paired",
        title="Models side by side at equal false-positive rates",
        about=" ".join(about.split()),
        figures=figures | {f"{name}/pooled": value for name, value in zip(names[1:], pool.differences, strict=False)},
        tables=(PartTable(columns=columns, rows=lines), _thresholds(sides, benign["test"], tell)),
    )


def _chosen(names: Sequence[str] | None, data: Path, limit: int | None) -> list[tuple[Benchmark, list[Row]]]:
    if names is not None and (unknown := [name for name in names if name not in REGISTRY]):
        raise ConfigError("benchmarks", f"no benchmark {unknown[0]!r}; known: {', '.join(REGISTRY)}")
    found = []
    for benchmark in REGISTRY.values() if names is None else (REGISTRY[name] for name in names):
        if benchmark.stage is not Stage.PROMPT or (names is None and not _there(data, benchmark)):
            continue
        found.append((benchmark, limited(load(benchmark, data), limit)))
    if not found:
        raise ConfigError("data", f"{data} holds no prompt set")
    return found


def _there(data: Path, benchmark: Benchmark) -> bool:
    try:
        find_file(data, benchmark.file)
    except ConfigError:
        return False
    return True


def _benign(file: Path, heads: Sequence[str], limit: int | None) -> dict[str, list[Row]]:
    """The benign prompts of a split for every head."""
    if not file.is_file():
        raise ConfigError("mix", f"{file} is missing: `guardian train mix` and `slm-mix` write it")
    found: dict[str, list[Row]] = {}
    for benchmark in mix_benchmarks(file.absolute()):
        if benchmark.head not in heads or benchmark.measure not in (Measure.HARM, Measure.ATTACK):
            continue
        rows = [row for row in load(benchmark, file.parent) if row.stage is Stage.PROMPT and row.label == 0]
        found.setdefault(benchmark.head, []).extend(rows)
    # A threshold is as good as the tail it is fitted on.
    return {head: limited(rows, limit and max(4 * limit, _MOST_BENIGN)) for head, rows in found.items()}


def _threshold(scores: Floats, head: str, rate: float) -> float:
    if scores.size < 1 / rate - 1:
        raise ConfigError("mix", f"{scores.size} benign prompts labelled for {head} are too few for a rate of {rate:g}")
    return conformal_threshold(scores, rate)


@dataclass(frozen=True, slots=True)
class _Result:
    """A set: the scores [models, rows] and, by figure, each further model against the first."""

    benchmark: Benchmark
    rows: Sequence[Row]
    scores: Floats
    found: Mapping[str, Sequence[Difference]]

    @property
    def main(self) -> str:
        """The figure that the set is there for."""
        return next(iter(self.found))

    def cells(self) -> list[tuple[str | Estimate, ...]]:
        shown = {"f1": "F1", "recall": "recall", "fpr": "benign flagged"}
        return [
            (
                self.benchmark.title,
                f"{len(self.rows):,}",
                shown[figure],
                differences[0].second,
                *(d.first for d in differences),
                *(d.difference for d in differences),
            )
            for figure, differences in self.found.items()
        ]


def _both(
    sides: Sequence[_Model], benchmark: Benchmark, rows: Sequence[Row], samples: int, seed: int, tell: Progress
) -> tuple[Floats, dict[str, list[Difference]]]:
    labels = np.array([row.label for row in rows])
    scores = np.stack([side.scores(rows, benchmark.head, benchmark.title, tell) for side in sides])
    flags = [side.flags(own, benchmark.head) for side, own in zip(sides, scores, strict=True)]
    both = bool(labels.any()) and not bool(labels.all())
    figures = ("f1", "fpr") if both else ("recall",) if labels.any() else ("fpr",)
    return scores, {
        figure: [
            decision_difference(labels, other, flags[0], figure, samples=samples, seed=seed) for other in flags[1:]
        ]
        for figure in figures
    }


_MEANS: Mapping[str, tuple[str, tuple[Measure, ...]]] = {
    "mean": ("mean over sets of harmful prompts", (Measure.HARM,)),
    "attacks": ("mean over sets of attacks", (Measure.ATTACK,)),
    "benign": ("mean over sets of benign prompts, flagged", (Measure.OVER_REFUSAL, Measure.OVER_DEFENCE)),
}


def _means(
    sides: Sequence[_Model], results: Sequence[_Result]
) -> tuple[dict[str, Estimate], list[tuple[str | Estimate, ...]]]:
    figures: dict[str, Estimate] = {}
    table: list[tuple[str | Estimate, ...]] = []
    for key, (title, measures) in _MEANS.items():
        mine = [result.found[result.main] for result in results if result.benchmark.measure in measures]
        if not mine:
            continue
        means = [mean_difference([differences[n] for differences in mine]) for n in range(len(sides) - 1)]
        figures |= {f"{side.scorer.name}/{key}": value for side, value in zip(sides[1:], means, strict=True)}
        blanks = ("",) * len(sides)
        table.append((title, f"{len(mine)} sets", "", *blanks, *means))
    return figures, table


@dataclass(frozen=True, slots=True)
class _Pool:
    """The pooled English prompts: recall at the rate of their own benign rows; empty where a set is missing."""

    rows: int = 0
    recalls: tuple[Estimate, ...] = ()
    differences: tuple[Estimate, ...] = ()

    def cells(self) -> list[tuple[str | Estimate, ...]]:
        title, figure = "English prompts, pooled", "recall at the rate of its own benign rows"
        return [(title, f"{self.rows:,}", figure, *self.recalls, *self.differences)] if self.rows else []


def _pool(results: Sequence[_Result], rate: float, samples: int, seed: int) -> _Pool:
    parts = [result for result in results if result.benchmark.name in POOLED]
    if len(parts) < len(POOLED):
        return _Pool()
    labels = np.concatenate([[row.label for row in part.rows] for part in parts])
    scores = np.concatenate([part.scores for part in parts], axis=1)
    recalls = tuple(Estimate(recall_at_fpr(labels, own, rate)) for own in scores)
    differences = tuple(
        recall_difference(labels, own, scores[0], fpr=rate, samples=samples, seed=seed) for own in scores[1:]
    )
    return _Pool(labels.size, recalls, differences)


def _thresholds(sides: Sequence[_Model], heldout: Mapping[str, Sequence[Row]], tell: Progress) -> PartTable:
    """The thresholds, and the share of held-out benign prompts that reach them."""
    rows: list[tuple[str | Estimate, ...]] = []
    for side in sides:
        for head, benign in heldout.items():
            flagged = side.flags(side.scores(benign, head, "held out", tell), head)
            share = wilson(int(flagged.sum()), flagged.size)
            rows.append((side.scorer.name, head, f"{side.thresholds[head]:.4f}", f"{len(benign):,}", share))
    columns = ("model", "head", "threshold", "held-out benign prompts", "flagged")
    return PartTable(title="Thresholds", columns=columns, rows=tuple(rows))
