"""Scores of one detector on the rows of one benchmark, and the decisions that go with them."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from guardian.errors import ConfigError
from guardian.evaluate.benchmarks import POOLED, Benchmark, Measure, Row
from guardian.evaluate.scorers import Scorer
from guardian.scoring.backend import Piece
from guardian.taxonomy import HAZARDS

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""

_BATCH = 128  # pieces handed to a scorer at a time


def silent(_label: str, _done: int, _total: int) -> None:
    """Progress for those who want none."""


@dataclass(slots=True)
class Scored:
    """What one scorer gave on one benchmark's rows."""

    benchmark: Benchmark
    rows: list[Row]
    scorer: Scorer
    scores: NDArray[np.float64] | None
    decided: NDArray[np.bool_] | None
    flow: NDArray[np.bool_] | None
    threshold: float | None
    hazards: list[frozenset[str]] = field(default_factory=list)
    """Hazards the scorer names for each row."""
    hazard_scores: NDArray[np.float64] | None = None
    """Shape (rows, hazards), in the order of HAZARDS; None where the scorer has none."""

    @property
    def labels(self) -> NDArray[np.int64]:
        return np.array([row.label for row in self.rows], dtype=np.int64)

    @property
    def flagged(self) -> NDArray[np.bool_] | None:
        """The decision that counts: the whole flow's where every row is benign, else the head's."""
        return self.flow if self.benchmark.measure.benign_only and self.flow is not None else self.decided


def limited(rows: list[Row], limit: int | None) -> list[Row]:
    """At most `limit` rows, the same ones on every run and for every scorer."""
    if limit is None or len(rows) <= limit:
        return rows
    kept = {id(row) for row in sorted(rows, key=lambda row: zlib.crc32(row.id.encode()))[:limit]}
    return [row for row in rows if id(row) in kept]


def score_all(scorer: Scorer, chosen: Sequence[tuple[Benchmark, list[Row]]], tell: Progress = silent) -> list[Scored]:
    """A scorer over all benchmarks. Two of them may share a file: each piece is scored once."""
    out, cache = [], dict[Piece, dict[str, float]]()
    for benchmark, rows in chosen:
        found = score_rows(scorer, rows, cache, partial(tell, f"{scorer.name}: {benchmark.title}"))
        out.append(_scored(benchmark, rows, scorer, found))
    return out


def score_rows(
    scorer: Scorer,
    rows: Sequence[Row],
    cache: dict[Piece, dict[str, float]],
    tell: Callable[[int, int], None] | None = None,
) -> list[dict[str, float]]:
    """Scores of each row; those in `cache` are not asked for again. Short texts go first, so batches are even."""
    told = tell or partial(silent, "")
    pieces = [Piece(row.text, row.stage, row.context) for row in rows]
    todo = sorted(
        {piece for piece in pieces if piece not in cache},
        key=lambda p: (len(p.text), p.text, p.context or ""),
    )
    told(0, len(todo))
    for start in range(0, len(todo), _BATCH):
        batch = todo[start : start + _BATCH]
        found = scorer.score(batch)
        if len(found) != len(batch):
            raise ConfigError("compare", f"{scorer.name} gave {len(found)} scores for {len(batch)} pieces")
        cache.update(zip(batch, found, strict=True))
        told(start + len(batch), len(todo))
    return [cache[piece] for piece in pieces]


def _scored(benchmark: Benchmark, rows: list[Row], scorer: Scorer, found: Sequence[dict[str, float]]) -> Scored:
    head = benchmark.head
    has = bool(found) and all(head in scores for scores in found)
    scores = np.array([s[head] for s in found], dtype=np.float64) if has else None
    decisions = [decision(scorer, row, s, head) for row, s in zip(rows, found, strict=True)]
    decided = np.array(decisions, dtype=bool) if decisions and None not in decisions else None
    flow = np.array([s["flagged"] > 0 for s in found], dtype=bool) if found and "flagged" in found[0] else None
    used = [_threshold(scorer, row, s, head) for row, s in zip(rows, found, strict=True)]
    known = [threshold for threshold in used if threshold is not None]
    threshold = float(np.median(known)) if known else None
    return Scored(
        benchmark=benchmark,
        rows=rows,
        scorer=scorer,
        scores=scores,
        decided=decided,
        flow=flow,
        threshold=threshold,
        hazards=[_named_hazards(s) for s in found],
        hazard_scores=_hazard_scores(found),
    )


def decision(scorer: Scorer, row: Row, scores: dict[str, float], head: str) -> bool | None:
    """Whether the scorer calls this row positive for `head`; None where it has no threshold for it."""
    if f"triggered:{head}" in scores:
        return scores[f"triggered:{head}"] > 0
    threshold = scorer.threshold_for(row.stage, head)
    return None if threshold is None or head not in scores else scores[head] >= threshold


def _threshold(scorer: Scorer, row: Row, scores: dict[str, float], head: str) -> float | None:
    return scores.get(f"threshold:{head}", scorer.threshold_for(row.stage, head))


def _hazard_scores(found: Sequence[dict[str, float]]) -> NDArray[np.float64] | None:
    if not found or any(hazard not in scores for scores in found for hazard in HAZARDS):
        return None
    return np.array([[scores[hazard] for hazard in HAZARDS] for scores in found], dtype=np.float64)


def _named_hazards(scores: dict[str, float]) -> frozenset[str]:
    """The hazards a scorer names: the likeliest, and those at half of harm or more. Empty if it has no hazard
    scores.
    """
    known = {hazard.value: scores[hazard] for hazard in HAZARDS if hazard in scores}
    if not known or max(known.values()) <= 0:
        return frozenset()
    top = max(known, key=known.__getitem__)
    return frozenset({top, *(name for name, score in known.items() if score >= 0.5 * scores.get("harm", 1.0))})


def pooled(runs: Sequence[Scored]) -> list[Scored]:
    """The English prompt sets as one: recall and false positives read off one threshold, by the harm head.

    Empty unless the scorer has scores on all of them.
    """
    parts = [run for run in runs if run.benchmark.name in POOLED]
    if len(parts) < len(POOLED) or any(part.scores is None for part in parts):
        return []
    title = "English prompts, pooled"
    note = "Pool of " + ", ".join(part.benchmark.title for part in parts) + "; the decision is the harm head's."
    definition = replace(
        parts[0].benchmark,
        name="pooled",
        title=title,
        note=note,
        file="",
        group=None,
        category=None,
        measure=Measure.HARM,
    )
    decided = [part.decided for part in parts if part.decided is not None]
    flows = [part.flow for part in parts if part.flow is not None]
    one = Scored(
        benchmark=definition,
        rows=[replace(row, group=part.benchmark.title, hazards=frozenset()) for part in parts for row in part.rows],
        scorer=parts[0].scorer,
        scores=np.concatenate([part.scores for part in parts if part.scores is not None]),
        decided=np.concatenate(decided) if len(decided) == len(parts) else None,
        flow=np.concatenate(flows) if len(flows) == len(parts) else None,
        threshold=parts[0].threshold,
    )
    return [one]
