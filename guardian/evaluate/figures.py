"""From scores to the figures of the report."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from guardian.evaluate import metrics
from guardian.evaluate.metrics import Estimate
from guardian.evaluate.results import Agreement, BenchmarkResult, Group
from guardian.evaluate.scored import Progress, Scored
from guardian.evaluate.scorers import Scorer
from guardian.taxonomy import HAZARDS

NO_CATEGORIES = "no row has a category that maps to hazards"
_GROUPS = 40  # a breakdown with more parts than this is no breakdown


def result_of(run: Scored, bootstrap: int, seed: int, tell: Progress) -> BenchmarkResult:
    """All figures of one scorer on one benchmark."""
    tell(f"figures: {run.scorer.name}: {run.benchmark.title}", 0, 1)
    labels, benchmark = run.labels, run.benchmark
    macro, categories = _categories(run)
    stages = sorted({row.stage.value for row in run.rows})
    found = BenchmarkResult(
        benchmark=benchmark.name,
        title=benchmark.title,
        measure=benchmark.measure,
        head=benchmark.head,
        stage=", ".join(stages),
        note=benchmark.note,
        scorer=run.scorer.name,
        kind=run.scorer.kind,
        rows=len(run.rows),
        positives=int(labels.sum()),
        threshold=run.threshold,
        figures={
            **_scored_figures(run, bootstrap, seed),
            **_flow_rates(run),
            "category_macro_f1": macro,
            "hazard_ece": _hazard_ece(run),
        },
        groups=_groups(run),
        categories=categories,
    )
    return found if run.scores is None else found.model_copy(update=_curves(labels, run.scores))


def _scored_figures(run: Scored, bootstrap: int, seed: int) -> dict[str, Estimate]:
    if run.scores is not None:
        return metrics.evaluate_scores(run.labels, run.scores, run.flagged, samples=bootstrap, seed=seed)
    reason = f"{run.scorer.name} has no {run.benchmark.head} score" if run.rows else metrics.NO_ROWS
    return dict.fromkeys(metrics.FIGURES, Estimate(None, reason=reason))


def _curves(labels: NDArray[np.int64], scores: NDArray[np.float64]) -> dict[str, object]:
    positive = labels == 1
    return {
        "histogram": (metrics.histogram(scores[positive]), metrics.histogram(scores[~positive])),
        "curve": metrics.precision_recall_curve(labels, scores),
        "reliability": metrics.reliability(labels, scores),
    }


def _flow_rates(run: Scored) -> dict[str, Estimate]:
    """What the user sees: the share flagged by the flow for any reason; and the head's own share, where the
    two differ.
    """
    if run.flow is None:
        none = Estimate(None, reason="this scorer has no flow of its own")
        return {"flow_recall": none, "flow_fpr": none, "head_block_rate": none}
    positive = run.labels == 1
    head = run.decided
    return {
        "flow_recall": _rate(run.flow[positive], metrics.NO_POSITIVES),
        "flow_fpr": _rate(run.flow[~positive], metrics.NO_NEGATIVES),
        "head_block_rate": Estimate(None, reason=metrics.NO_DECISION) if head is None else _rate(head, metrics.NO_ROWS),
    }


def _rate(decisions: NDArray[np.bool_], missing: str) -> Estimate:
    if not decisions.size:
        return Estimate(None, reason=missing)
    return metrics.wilson(int(decisions.sum()), int(decisions.size))


def _categories(run: Scored) -> tuple[Estimate, dict[str, float]]:
    """Macro-F1 of the named hazards over harmful rows whose category is one hazard, or several clear ones."""
    pairs = [(row.hazards, guess) for row, guess in zip(run.rows, run.hazards, strict=False) if row.hazards]
    if not pairs:
        return Estimate(None, reason=NO_CATEGORIES), {}
    if not any(guess for _, guess in pairs):
        return Estimate(None, reason=f"{run.scorer.name} names no hazards"), {}
    value, per_class = metrics.macro_f1([gold for gold, _ in pairs], [guess for _, guess in pairs])
    return Estimate(value), per_class


def _hazard_ece(run: Scored) -> Estimate:
    """ECE of the hazard scores, all hazards pooled: benign rows (no hazard) and harmful rows with known hazards."""
    index = [n for n, row in enumerate(run.rows) if row.label == 0 or row.hazards]
    if not any(run.rows[n].label for n in index) or not any(run.rows[n].label == 0 for n in index):
        return Estimate(None, reason=NO_CATEGORIES)
    if run.hazard_scores is None:
        return Estimate(None, reason=f"{run.scorer.name} names no hazards")
    gold = np.array([[hazard in run.rows[n].hazards for hazard in HAZARDS] for n in index])
    return Estimate(metrics.ece(gold.ravel(), run.hazard_scores[index].ravel()))


def _groups(run: Scored) -> tuple[Group, ...]:
    flagged, labels = run.flagged, run.labels
    members: dict[str, list[int]] = {}
    for n, row in enumerate(run.rows):
        if row.group is not None:
            members.setdefault(row.group, []).append(n)
    if flagged is None or len(members) > _GROUPS:
        return ()
    out = []
    for name, index in sorted(members.items()):
        mine, positive = flagged[index], labels[index] == 1
        out.append(
            Group(
                name=name,
                rows=len(index),
                positives=int(positive.sum()),
                recall=_rate(mine[positive], metrics.NO_POSITIVES),
                fpr=_rate(mine[~positive], metrics.NO_NEGATIVES),
            )
        )
    return tuple(out)


def agreements(runs: Sequence[Scored], main: Scorer, bootstrap: int, seed: int) -> tuple[Agreement, ...]:
    """Every other model beside the main one on the same rows; baselines are not versions of it."""
    mine = {run.benchmark.name: run for run in runs if run.scorer is main}
    out = []
    for run in runs:
        other = mine[run.benchmark.name]
        if run.scorer is main or run.scorer.kind == "baseline" or run.scores is None or other.scores is None:
            continue
        apart = np.abs(run.scores - other.scores)
        same = Estimate(None, reason=metrics.NO_DECISION)
        if run.decided is not None and other.decided is not None:
            same = _rate(run.decided == other.decided, metrics.NO_ROWS)
        out.append(
            Agreement(
                benchmark=run.benchmark.title,
                scorer=run.scorer.name,
                rows=len(run.rows),
                same_decision=same,
                largest=float(apart.max()),
                mean=float(apart.mean()),
                recall_difference=metrics.recall_difference(
                    run.labels, run.scores, other.scores, samples=bootstrap, seed=seed
                ),
            )
        )
    return tuple(out)
