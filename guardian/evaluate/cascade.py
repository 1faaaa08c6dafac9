"""Accuracy of a cascade against its cost, for bands of every width: what `guardian eval --cascade` does.

Each point is the real flow over the same rows, with the bands of the plan made narrower or wider: from none, which is
the first model alone, to all scores, where the second alone decides. A piece is scored once by each model, however many
points ask for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict

from guardian.errors import ConfigError
from guardian.evaluate.benchmarks import Benchmark, Row
from guardian.evaluate.scored import Progress, Scored, pooled, score_all, silent
from guardian.evaluate.scorers import guardian_scorer
from guardian.guard import Guardian
from guardian.policy import Policy
from guardian.scoring.backend import Backend, Piece, Scores
from guardian.scoring.cascade import CascadeBackend, logit, sigmoid
from guardian.scoring.plan import Band, Blend, CascadePlan, Head
from guardian.scoring.wrapped import RememberingBackend
from guardian.verdict import ModelRef, Stage

NONE, CHOSEN, ALL = 0.0, 1.0, 2.0
WIDTHS = (NONE, 0.25, 0.5, 0.75, CHOSEN, 1.25, 1.5, 1.75, ALL)
"""Widths of the bands: below 1 as a share of the plan's, above it as far on the way from there to all scores."""

RATE = 0.02
_FAR = 16.0  # logits: an edge this far out has nothing beyond it
_ALONE = Band(low=0.0, high=1.0, blend=Blend(first=0.0, second=1.0, bias=0.0))
_HEADS: tuple[Head, ...] = ("harm", "jailbreak", "injection")


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SetFigures(_Value):
    """One benchmark at one point: recall and F1 at the stated false-positive rate."""

    benchmark: str
    title: str
    rows: int
    positives: int
    recall: float
    f1: float


class CostPoint(_Value):
    """The cascade with bands of one width. `sent_on` is the share of all pieces that the second was asked about."""

    name: str
    width: float
    sent_on: float
    cost: float
    recall: float
    f1: float
    sets: tuple[SetFigures, ...]


class CostCurve(_Value):
    """All points, from the first model alone to the second alone. Means give every set the same weight; the pool of
    several is left out of them. `cost` is per piece, in `unit`; those of the two models alone are the ends'."""

    model: ModelRef
    fpr: float
    unit: str
    points: tuple[CostPoint, ...]

    def save(self, path: Path) -> None:
        """Write as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")


def cost_curve(
    first: Backend,
    second: Backend,
    plan: CascadePlan,
    chosen: Sequence[tuple[Benchmark, list[Row]]],
    *,
    fpr: float = RATE,
    ratio: float | None = None,
    progress: Progress | None = None,
) -> CostCurve:
    """Run every width over the benchmarks that hold both positive and benign rows.

    Figures are at equal false-positive rates: of every set, at the threshold that lets at most `fpr` of its benign rows
    through. ratio: cost of the second in units of the first; None: both are measured in this run, in milliseconds.
    ConfigError where no benchmark has both kinds of rows.
    """
    both = [(benchmark, rows) for benchmark, rows in chosen if len({row.label for row in rows}) == 2]
    if not both:
        raise ConfigError("benchmark", "none of the benchmarks has both positive and benign rows")
    mini, slm = _Timed(first), _Timed(second)
    runs = [_run(mini, slm, plan, width, both, progress or silent) for width in WIDTHS]
    prices = (mini.mean_ms, slm.mean_ms) if ratio is None else (1.0, ratio)
    points = tuple(run.point(fpr, prices) for run in runs)
    unit = "ms a piece" if ratio is None else "pieces of the first"
    return CostCurve(model=CascadeBackend(first, lambda: second, plan).ref, fpr=fpr, unit=unit, points=points)


def plan_at(plan: CascadePlan, width: float) -> CascadePlan:
    """The plan with bands of another width (see `WIDTHS`); its blends stay, but at the end the second decides alone."""
    if width >= ALL:
        return plan.model_copy(update={"bands": {stage: dict.fromkeys(_HEADS, _ALONE) for stage in Stage}})
    if width <= NONE:
        return plan.model_copy(update={"bands": {}})
    bands = {
        stage: {head: _resized(band, _centre(plan, stage, head), width) for head, band in by_head.items()}
        for stage, by_head in plan.bands.items()
    }
    return plan.model_copy(update={"bands": bands})


def _centre(plan: CascadePlan, stage: Stage, head: str) -> float:
    return plan.thresholds.lookup(stage, head, plan.thresholds.default(stage, head), 1)


def _resized(band: Band, threshold: float, width: float) -> Band:
    low, high = float(logit(band.low)), float(logit(band.high))
    centre = min(max(float(logit(threshold)), low), high)
    if width <= CHOSEN:
        edges = (centre + width * (low - centre), centre + width * (high - centre))
    else:
        edges = (low + (width - CHOSEN) * (-_FAR - low), high + (width - CHOSEN) * (_FAR - high))
    # An edge at 0 or 1 stays there: only then has it nothing beyond it.
    outer = (band.low if edges[0] == low else None, band.high if edges[1] == high else None)
    found = [float(sigmoid(edge)) if own is None else own for edge, own in zip(edges, outer, strict=True)]
    return band.model_copy(update={"low": found[0], "high": found[1]})


def at_rate(labels: ArrayLike, scores: ArrayLike, fpr: float) -> tuple[float, float]:
    """Recall and F1 over the threshold that lets at most `fpr` of the benign rows through; both labels must be there.

    labels: 0 or 1, scores: probabilities, both of shape (n,).
    """
    y, s = np.asarray(labels).astype(bool), np.asarray(scores, np.float64)
    benign = np.sort(s[~y])[::-1]
    spared = int(fpr * benign.size + 1e-9)
    flagged = s > benign[spared] if spared < benign.size else np.ones_like(y)
    hits, called = int((flagged & y).sum()), int(flagged.sum())
    return hits / int(y.sum()), 2 * hits / (called + int(y.sum()))


# -- runs


class _Timed(RememberingBackend):
    """Remembers scores, what was asked for since `asked` was cleared, and how long new pieces took."""

    def __init__(self, inner: Backend) -> None:
        super().__init__(inner)
        self.asked: list[Piece] = []
        self._seconds, self._new = 0.0, 0

    @property
    def known(self) -> Mapping[Piece, Scores]:
        return self._known

    @property
    def mean_ms(self) -> float:
        """Milliseconds that a piece takes."""
        return 1e3 * self._seconds / max(1, self._new)

    def score(self, pieces: Sequence[Piece]) -> list[Scores]:
        self.asked += pieces
        before, began = len(self._known), perf_counter()
        found = super().score(pieces)
        if len(self._known) > before:
            self._seconds += perf_counter() - began
            self._new += len(self._known) - before
        return found


@dataclass(frozen=True, slots=True)
class _Run:
    """One width: what it scored, and by how many pieces of the first, how many sent on, how many of the second."""

    width: float
    scored: Sequence[Scored]
    pieces: int
    sent: int
    parts: int

    def point(self, fpr: float, prices: tuple[float, float]) -> CostPoint:
        sets = tuple(_figures(run, fpr) for run in self.scored if run.scores is not None)
        own = [figures for figures in sets if figures.benchmark != "pooled"]
        alone = self.width >= ALL  # then the first need not be asked
        return CostPoint(
            name=_NAMES.get(self.width, f"bands of width {self.width:g}"),
            width=self.width,
            sent_on=self.sent / max(1, self.pieces),
            cost=(0.0 if alone else prices[0]) + prices[1] * self.parts / max(1, self.pieces),
            recall=float(np.mean([figures.recall for figures in own])),
            f1=float(np.mean([figures.f1 for figures in own])),
            sets=sets,
        )


_NAMES = {NONE: "first alone", CHOSEN: "chosen", ALL: "second alone"}


def _run(
    first: _Timed,
    second: _Timed,
    plan: CascadePlan,
    width: float,
    chosen: Sequence[tuple[Benchmark, list[Row]]],
    tell: Progress,
) -> _Run:
    at_width = plan_at(plan, width)
    first.asked.clear()
    second.asked.clear()
    backend = CascadeBackend(first, lambda: second, at_width)
    guardian = Guardian(backend=backend, policy=Policy(name="evaluation", refine_spans=False, shadow=True))
    scored = score_all(guardian_scorer(guardian, _NAMES.get(width, f"width {width:g}")), chosen, tell)
    scored += pooled(scored)
    sent = [at_width.asks(piece.stage, first.known[piece]) for piece in first.asked]
    return _Run(width, scored, len(first.asked), sum(sent), len(second.asked))


def _figures(run: Scored, fpr: float) -> SetFigures:
    recall, f1 = at_rate(run.labels, run.scores if run.scores is not None else [], fpr)
    return SetFigures(
        benchmark=run.benchmark.name,
        title=run.benchmark.title,
        rows=len(run.rows),
        positives=int(run.labels.sum()),
        recall=recall,
        f1=f1,
    )


# -- what is written


def write_curve(curve: CostCurve, out: Path, *, with_plot: bool = True) -> tuple[Path, ...]:
    """Write `cascade.json`, `cascade.md` and `cascade.svg` into `out`; returns their paths.

    Raises MissingExtra without matplotlib, unless `with_plot` is False.
    """
    from guardian.evaluate.plots import draw_cascade

    drawn = draw_cascade(curve) if with_plot else None
    paths = [out / "cascade.json", out / "cascade.md"]
    curve.save(paths[0])
    paths[1].write_text(to_markdown(curve, plot=drawn is not None), encoding="utf-8")
    if drawn is not None:
        paths.append(out / "cascade.svg")
        paths[2].write_text(drawn, encoding="utf-8")
    return tuple(paths)


def to_markdown(curve: CostCurve, *, plot: bool) -> str:
    """The curve as a page: what it is, the points, and every benchmark at both ends and the chosen point."""
    ends = [point for point in curve.points if point.width in _NAMES]
    about = (
        f"{curve.model.name} {curve.model.version}. Recall and F1 at a false-positive rate of {curve.fpr:.0%} on every "
        f"benchmark, as means over {sum(s.benchmark != 'pooled' for s in ends[0].sets)} of them. Cost in {curve.unit}."
    )
    lines = [
        "# Accuracy of the cascade against its cost",
        "",
        about,
        "",
        *(["![Recall against cost](cascade.svg)", ""] if plot else []),
        "| bands | sent on | cost | recall | F1 |",
        "| --- | ---: | ---: | ---: | ---: |",
        *(f"| {p.name} | {p.sent_on:.1%} | {p.cost:.2f} | {p.recall:.3f} | {p.f1:.3f} |" for p in curve.points),
        "",
        "| benchmark | rows | " + " | ".join(f"recall, {p.name} | F1, {p.name}" for p in ends) + " |",
        "| --- | ---: |" + " ---: | ---: |" * len(ends),
    ]
    for sets in zip(*(point.sets for point in ends), strict=True):
        cells = " | ".join(f"{figures.recall:.3f} | {figures.f1:.3f}" for figures in sets)
        lines.append(f"| {sets[0].title} | {sets[0].rows:,} | {cells} |")
    return "\n".join(lines) + "\n"
