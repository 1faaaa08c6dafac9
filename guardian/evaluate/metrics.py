"""Metrics of a binary detector, with intervals. Pure numpy: no model, no files.

`scores` are probabilities of the positive class in [0, 1], shape (n,); `labels` are 0 or 1, shape (n,);
`flagged` are the decisions at the detector's own threshold, shape (n,). Everything that depends on the
ranking is computed from one pass over cumulative weights, so a bootstrap of 1,000 resamples is a few matrix
products, not 1,000 sorts.

A figure that does not exist is not a number: an all-positive set has no false-positive rate and no precision
worth the name. Such figures are `Estimate(None, reason=...)`, never 0, 1 or NaN.

Definitions, where the literature has more than one:
- AUPRC is average precision (sum of precision times step in recall, no interpolation), ties taken together.
- recall at x FPR is the best recall of any threshold whose false-positive rate on this set is at most x (no
  interpolation); FPR at 95 % recall is the lowest FPR of any threshold that reaches that recall.
- ECE: 15 bins of equal width over the positive-class probability, mean over rows of |share of positives -
  mean score| (Guo et al. 2017, eq. 3, on the positive class).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

NO_NEGATIVES = "no negative rows"
NO_POSITIVES = "no positive rows"
NO_ROWS = "no rows"
NONE_FLAGGED = "nothing was flagged"
NO_DECISION = "this detector gives no decision for this head"

RATES = ("recall", "precision", "accuracy", "block_rate", "fpr")
FPRS = (0.01, 0.02)
FIGURES = (
    *RATES,
    *("f1", "auprc", "auroc"),
    *(f"recall_at_fpr_{fpr:g}" for fpr in FPRS),
    *("fpr_at_recall_0.95", "ece", "brier"),
)
"""What `evaluate_scores` gives, by default."""

ECE_BINS = 15
_CELLS = 250_000  # weights held at a time by the bootstrap: 2 MB, so that they stay in the cache
_EPS = 1e-9


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % interval, or the reason why there is none. `low`/`high` are None where no
    interval was made.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """One bin of a reliability diagram: `count` rows with scores in (low, high], their mean score and share
    of positives.
    """

    low: float
    high: float
    count: int
    mean_score: float
    positive_share: float


@dataclass(frozen=True, slots=True)
class Curve:
    """Points of a curve in drawing order; same length."""

    x: tuple[float, ...]
    y: tuple[float, ...]


# ---- points --------------------------------------------------------------------------------------


def average_precision(labels: ArrayLike, scores: ArrayLike) -> float | None:
    """AUPRC; None without both classes."""
    ranking = _Ranking(labels, scores)
    return _one(ranking.sampler(_average_precision), ranking.size)


def auroc(labels: ArrayLike, scores: ArrayLike) -> float | None:
    """Area under the ROC curve, ties count half; None without both classes."""
    ranking = _Ranking(labels, scores)
    return _one(ranking.sampler(_auroc), ranking.size)


def recall_at_fpr(labels: ArrayLike, scores: ArrayLike, fpr: float = 0.01) -> float | None:
    """Best recall of any threshold with a false-positive rate of at most `fpr`; None without both classes."""
    ranking = _Ranking(labels, scores)
    return _one(ranking.sampler(_recall_at_fpr(fpr)), ranking.size)


def fpr_at_recall(labels: ArrayLike, scores: ArrayLike, recall: float = 0.95) -> float | None:
    """Lowest false-positive rate of any threshold with at least `recall`; None without both classes."""
    ranking = _Ranking(labels, scores)
    return _one(ranking.sampler(_fpr_at_recall(recall)), ranking.size)


def precision_recall_f1(labels: ArrayLike, flagged: ArrayLike) -> tuple[float | None, float | None, float | None]:
    """Precision, recall and F1 of decisions. None where the denominator is zero, and for F1 without positive
    rows.
    """
    y, d = _labels(labels), np.asarray(flagged, dtype=bool)
    hits, called, positives = int((y & d).sum()), int(d.sum()), int(y.sum())
    precision = hits / called if called else None
    recall = hits / positives if positives else None
    f1 = 2 * hits / (called + positives) if positives else None
    return precision, recall, f1


def brier(labels: ArrayLike, scores: ArrayLike) -> float | None:
    """Mean squared distance between score and label; None for no rows."""
    y, s = _labels(labels), _scores(scores)
    return float(np.mean((s - y) ** 2)) if y.size else None


def ece(labels: ArrayLike, scores: ArrayLike, bins: int = ECE_BINS) -> float | None:
    """Expected calibration error over equal-width bins; None for no rows."""
    y, s = _labels(labels), _scores(scores)
    return _one(_ece_of(y, s, bins), y.size)


def reliability(labels: ArrayLike, scores: ArrayLike, bins: int = ECE_BINS) -> tuple[ReliabilityBin, ...]:
    """The non-empty bins of the reliability diagram, low to high."""
    y, s = _labels(labels), _scores(scores)
    index = _bin_index(s, bins)
    out = []
    for b in range(bins):
        inside = index == b
        if inside.any():
            share, mean = float(y[inside].mean()), float(s[inside].mean())
            out.append(ReliabilityBin(b / bins, (b + 1) / bins, int(inside.sum()), mean, share))
    return tuple(out)


def macro_f1(
    gold: Sequence[frozenset[str]], predicted: Sequence[frozenset[str]]
) -> tuple[float | None, dict[str, float]]:
    """Macro-averaged F1 over the classes that occur in `gold` (multi-label), and the F1 of each.

    A class never predicted and present in gold counts 0. Classes absent from gold are left out: they have no
    recall. Raises ValueError when the sequences differ in length.
    """
    per_class = {}
    for name in sorted(frozenset().union(*gold)) if gold else []:
        hits = called = present = 0
        for truth, guess in zip(gold, predicted, strict=True):
            hits += name in truth and name in guess
            called += name in guess
            present += name in truth
        per_class[name] = 2 * hits / (called + present)
    return (math.fsum(per_class.values()) / len(per_class) if per_class else None), per_class


def wilson(successes: int, total: int, z: float = 1.959963984540054) -> Estimate:
    """A rate with its Wilson score interval (Wilson 1927): sound at 0 %, 100 % and for small n."""
    if not 0 <= successes <= total:
        raise ValueError(f"{successes} of {total} is not a rate")
    if total == 0:
        return Estimate(None, reason=NO_ROWS)
    rate, z2 = successes / total, z * z
    centre = (rate + z2 / (2 * total)) / (1 + z2 / total)
    half = z / (1 + z2 / total) * math.sqrt(rate * (1 - rate) / total + z2 / (4 * total * total))
    # Rounding may carry the ends a hair past the rate itself at 0 % and 100 %.
    return Estimate(rate, max(0.0, min(rate, centre - half)), min(1.0, max(rate, centre + half)))


def bootstrap_mean(values: ArrayLike, *, samples: int = 1000, seed: int = 0, missing: str = NO_ROWS) -> Estimate:
    """The mean of one value a row, shape (n,), with a bootstrap interval over rows; `missing` is why there is none."""
    v = np.asarray(values, dtype=np.float64).reshape(-1)
    if not v.size:
        return Estimate(None, reason=missing)
    drawn = _bootstrap(v.size, lambda w: (w @ v / w.sum(1))[None, :], samples, seed, 1)[0]
    return _interval(float(v.mean()), drawn, None)


def share_of(values: ArrayLike, *, samples: int = 1000, seed: int = 0) -> Estimate:
    """The mean of one share in [0, 1] a row, shape (n,), such as that of its tasks; the interval is over rows.

    Where all rows have 0, or all 1, resampling would show no spread: the interval is Wilson's.
    """
    v = _scores(values)
    if v.size and float(v.mean()) in (0.0, 1.0):
        return wilson(int(v.sum()), v.size)
    return bootstrap_mean(v, samples=samples, seed=seed)


def conformal_threshold(benign: ArrayLike, rate: float) -> float:
    """The score that a new benign text reaches with probability at most `rate` (a score *at* it triggers).

    Split conformal prediction: with n benign scores, shape (n,), the ceil((n + 1)(1 - rate))-th smallest is exceeded by
    a new exchangeable one with probability at most `rate`. 1.0 where there are too few benign scores to promise the
    rate (fewer than 1 / rate - 1).
    """
    scores = np.asarray(benign, dtype=np.float64).reshape(-1)
    rank = math.ceil((scores.size + 1) * (1 - rate))
    if rank > scores.size:
        return 1.0
    return min(1.0, float(np.nextafter(np.partition(scores, rank - 1)[rank - 1], 2.0)))


# ---- curves --------------------------------------------------------------------------------------


def precision_recall_curve(labels: ArrayLike, scores: ArrayLike, points: int = 100) -> Curve | None:
    """Recall (x) against precision (y), thinned to at most `points`; None without both classes."""
    ranking = _Ranking(labels, scores)
    tp, fp = ranking.cumulative(np.ones((1, ranking.size)))
    if ranking.size == 0 or not tp[0, -1] or not fp[0, -1]:
        return None
    recall, precision = tp[0] / tp[0, -1], tp[0] / (tp[0] + fp[0])
    keep = np.unique(np.linspace(0, recall.size - 1, min(points, recall.size)).round().astype(int))
    return Curve(tuple(recall[keep].round(4).tolist()), tuple(precision[keep].round(4).tolist()))


def histogram(scores: ArrayLike, bins: int = 25) -> tuple[int, ...]:
    """Counts of scores in equal-width bins over [0, 1]."""
    counts, _ = np.histogram(_scores(scores), bins=bins, range=(0.0, 1.0))
    return tuple(int(c) for c in counts)


# ---- everything at once, with intervals ----------------------------------------------------------


def evaluate_scores(
    labels: ArrayLike,
    scores: ArrayLike,
    flagged: ArrayLike | None,
    *,
    fprs: Sequence[float] = FPRS,
    samples: int = 1000,
    seed: int = 0,
) -> dict[str, Estimate]:
    """All figures of one detector on one set.

    Rates at the detector's own threshold (recall, precision, accuracy, block_rate, fpr) carry Wilson
    intervals; the others a percentile bootstrap over rows of `samples` resamples, deterministic in `seed`.
    `samples=0` makes no intervals. Keys: recall, precision, f1, accuracy, block_rate, fpr, auprc, auroc,
    recall_at_fpr_<x>, fpr_at_recall_0.95, ece, brier.
    """
    y, s = _labels(labels), _scores(scores)
    if y.shape != s.shape:
        raise ValueError(f"{y.size} labels but {s.size} scores")
    d = None if flagged is None else np.asarray(flagged, dtype=bool)
    out = _rates(y, d)
    names, sampler = _sampler(y, s, d, tuple(fprs))
    missing = _one_class(y)
    if missing:
        return out | {name: Estimate(None, reason=missing) for name in names}
    point = sampler(np.ones((1, y.size)))[:, 0]
    drawn = _bootstrap(y.size, sampler, samples, seed, len(names))
    for row, name in enumerate(names):
        reason = NO_DECISION if name == "f1" and d is None else None
        out[name] = _interval(point[row], drawn[row], reason)
    return out


def recall_difference(
    labels: ArrayLike,
    scores: ArrayLike,
    base: ArrayLike,
    *,
    fpr: float = 0.01,
    samples: int = 1000,
    seed: int = 0,
) -> Estimate:
    """Recall at `fpr` of `scores` minus that of `base` on the same rows, with a paired bootstrap interval."""
    y = _labels(labels)
    missing = _one_class(y)
    if missing:
        return Estimate(None, reason=missing)
    one, two = (_Ranking(y, s).sampler(_recall_at_fpr(fpr)) for s in (scores, base))

    def difference(weights: Floats) -> Floats:
        return (one(weights) - two(weights))[None, :]

    point = difference(np.ones((1, y.size)))[0, 0]
    return _interval(point, _bootstrap(y.size, difference, samples, seed, 1)[0], None)


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure of two detectors on the same rows, and the first minus the second; `draws` are its resamples."""

    first: Estimate
    second: Estimate
    difference: Estimate
    draws: Floats


def decision_difference(
    labels: ArrayLike, first: ArrayLike, second: ArrayLike, figure: str, *, samples: int = 1000, seed: int = 0
) -> Difference:
    """`figure` (f1, recall or fpr) of two detectors' decisions, shape (n,) each, with a paired bootstrap over rows."""
    y = _labels(labels)
    one, two = (_DECIDED[figure](y, np.asarray(d, dtype=bool)) for d in (first, second))

    def both(weights: Floats) -> Floats:
        a, b = one(weights), two(weights)
        return np.stack([a, b, a - b])

    missing = NO_ROWS if not y.size else (NO_NEGATIVES if y.all() else None) if figure == "fpr" else _no_positives(y)
    if missing:
        none = Estimate(None, reason=missing)
        return Difference(none, none, none, np.empty(0))
    point, drawn = both(np.ones((1, y.size)))[:, 0], _bootstrap(y.size, both, samples, seed, 3)
    found = [_interval(value, draws, None) for value, draws in zip(point, drawn, strict=True)]
    return Difference(found[0], found[1], found[2], drawn[2])


def mean_difference(differences: Sequence[Difference]) -> Estimate:
    """The mean of differences on several sets, each set resampled for itself; sets without the figure are left out."""
    known = [d for d in differences if d.difference.value is not None]
    if not known:
        return Estimate(None, reason="no set has the figure")
    value = math.fsum(d.difference.value or 0.0 for d in known) / len(known)
    return _interval(value, np.mean([d.draws for d in known], axis=0), None)


def _no_positives(y: Bools) -> str | None:
    return None if y.any() else NO_POSITIVES


def _share(of: Bools, among: Bools) -> Sampler:
    return lambda weights: _ratio(weights @ (of & among), weights @ among.astype(float))


_DECIDED: dict[str, Callable[[Bools, Bools], Sampler]] = {
    "f1": lambda y, d: lambda weights: _ratio(2 * (weights @ (y & d)), weights @ (y.astype(float) + d)),
    "recall": lambda y, d: _share(d, y),
    "fpr": lambda y, d: _share(d, ~y),
}


def _rates(y: Bools, d: Bools | None) -> dict[str, Estimate]:
    """The figures that are plain rates, each with its Wilson interval."""
    if d is None or not y.size:
        return dict.fromkeys(RATES, Estimate(None, reason=NO_DECISION if d is None else NO_ROWS))
    positives, called = int(y.sum()), int(d.sum())
    negatives, hits = y.size - positives, int((y & d).sum())
    none = {"p": Estimate(None, reason=NO_POSITIVES), "n": Estimate(None, reason=NO_NEGATIVES)}
    precision = wilson(hits, called) if called else Estimate(None, reason=NONE_FLAGGED)
    return {
        "recall": wilson(hits, positives) if positives else none["p"],
        "precision": precision if positives and negatives else none["p" if negatives else "n"],
        "accuracy": wilson(int((y == d).sum()), y.size),
        "block_rate": wilson(called, y.size),
        "fpr": wilson(called - hits, negatives) if negatives else none["n"],
    }


def _one_class(y: Bools) -> str | None:
    if not y.size:
        return NO_ROWS
    return NO_POSITIVES if not y.any() else NO_NEGATIVES if y.all() else None


Sampler = Callable[[Floats], Floats]  # weights (b, n) -> figures (k, b), NaN where undefined


def _sampler(y: Bools, s: Floats, d: Bools | None, fprs: tuple[float, ...]) -> tuple[tuple[str, ...], Sampler]:
    ranking, square, binned = _Ranking(y, s), (s - y) ** 2, _ece_of(y, s, ECE_BINS)

    def f1(weights: Floats) -> Floats:
        if d is None:
            return np.full(weights.shape[0], np.nan)
        return _ratio(2 * (weights @ (y & d)), weights @ (y.astype(float) + d))

    counted: dict[str, Counted] = {"auprc": _average_precision, "auroc": _auroc}
    counted |= {f"recall_at_fpr_{fpr:g}": _recall_at_fpr(fpr) for fpr in fprs}
    counted["fpr_at_recall_0.95"] = _fpr_at_recall(0.95)

    def sampler(weights: Floats) -> Floats:
        tp, fp = ranking.cumulative(weights)
        ranked = [figure(tp, fp) for figure in counted.values()]
        return np.stack([f1(weights), *ranked, binned(weights), (weights @ square) / weights.sum(1)])

    return ("f1", *counted, "ece", "brier"), sampler


def _bootstrap(n: int, sampler: Sampler, samples: int, seed: int, rows: int) -> Floats:
    """Figures (k, samples) over resamples of the n rows with replacement. The chunking does not change the
    draws.
    """
    rng = np.random.default_rng(seed)
    parts = [np.empty((rows, 0))]
    chunk = max(1, _CELLS // max(n, 1))
    for start in range(0, samples, chunk):
        size = min(chunk, samples - start)
        drawn = rng.integers(0, n, size=(size, n)) + np.arange(size)[:, None] * n
        weights = np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n).astype(np.float64)
        parts.append(sampler(weights))
    return np.concatenate(parts, axis=1)


def _interval(value: float, drawn: Floats, reason: str | None) -> Estimate:
    if math.isnan(value):
        return Estimate(None, reason=reason or NONE_FLAGGED)
    usable = drawn[~np.isnan(drawn)]
    # A resample of a tiny set may hold one class only; where that is common the interval would mean nothing.
    if usable.size == 0 or usable.size < 0.9 * drawn.size:
        return Estimate(float(value))
    low, high = np.percentile(usable, [2.5, 97.5])
    return Estimate(float(value), float(low), float(high))


class _Ranking:
    """Rows in falling order of score, tied scores grouped. Methods take weights (b, n) and return (b,), NaN
    if undefined.
    """

    def __init__(self, labels: ArrayLike, scores: ArrayLike) -> None:
        y, s = _labels(labels), _scores(scores)
        if y.shape != s.shape:
            raise ValueError(f"{y.size} labels but {s.size} scores")
        self.size = y.size
        self._order = np.argsort(-s, kind="stable")
        self._y = y[self._order].astype(np.float64)
        ranked = s[self._order]
        self._ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)) if y.size else np.empty(0, dtype=int)

    def cumulative(self, weights: Floats) -> tuple[Floats, Floats]:
        """Weighted true and false positives at each distinct threshold, high to low: two arrays (b,
        groups).
        """
        ordered = weights[:, self._order]
        tp = np.cumsum(ordered * self._y, axis=1)[:, self._ends]
        every = np.cumsum(ordered, axis=1)[:, self._ends]
        return tp, every - tp

    def sampler(self, figure: Counted) -> Sampler:
        """A figure of the cumulative counts as a figure of weights."""
        return lambda weights: figure(*self.cumulative(weights))


Counted = Callable[[Floats, Floats], Floats]  # cumulative true and false positives (b, groups) -> figure (b,)


def _average_precision(tp: Floats, fp: Floats) -> Floats:
    precision = np.divide(tp, tp + fp, out=np.zeros_like(tp), where=(tp + fp) > 0)
    area = (np.diff(tp, axis=1, prepend=0.0) * precision).sum(1)
    return _both(tp, fp, _ratio(area, _last(tp)))


def _auroc(tp: Floats, fp: Floats) -> Floats:
    # Trapezia: each step in false positives times the mean of the true positives before and after it.
    area = (np.diff(fp, axis=1, prepend=0.0) * (tp - np.diff(tp, axis=1, prepend=0.0) / 2)).sum(1)
    return _both(tp, fp, _ratio(area, _last(tp) * _last(fp)))


def _recall_at_fpr(fpr: float) -> Counted:
    def figure(tp: Floats, fp: Floats) -> Floats:
        allowed = fp <= fpr * _last(fp)[:, None] + _EPS
        return _both(tp, fp, _ratio(np.where(allowed, tp, 0.0).max(1, initial=0.0), _last(tp)))

    return figure


def _fpr_at_recall(recall: float) -> Counted:
    def figure(tp: Floats, fp: Floats) -> Floats:
        reached = tp >= recall * _last(tp)[:, None] - _EPS
        return _both(tp, fp, _ratio(np.where(reached, fp, np.inf).min(1, initial=np.inf), _last(fp)))

    return figure


def _ece_of(y: Bools, s: Floats, bins: int) -> Sampler:
    inside = np.zeros((y.size, bins))
    inside[np.arange(y.size), _bin_index(s, bins)] = 1.0
    gap = inside * (y - s)[:, None]  # |sum of (label - score)| per bin, over n, is the ECE

    def figure(weights: Floats) -> Floats:
        return _ratio(np.abs(weights @ gap).sum(1), weights.sum(1))

    return figure


def _bin_index(s: Floats, bins: int) -> NDArray[np.int64]:
    """Bin of each score; a bin holds (low, high], the first also 0."""
    return np.clip(np.ceil(s * bins).astype(np.int64) - 1, 0, bins - 1)


def _last(values: Floats) -> Floats:
    return values[:, -1] if values.shape[1] else np.zeros(values.shape[0])


def _both(tp: Floats, fp: Floats, figure: Floats) -> Floats:
    """NaN where a resample holds one class only."""
    return np.where((_last(tp) > 0) & (_last(fp) > 0), figure, np.nan)


def _ratio(top: Floats, bottom: Floats) -> Floats:
    out: Floats = np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0)
    return out


def _one(figure: Sampler, n: int) -> float | None:
    """The figure of the rows as they are, each with weight one."""
    value = float(figure(np.ones((1, n)))[0])
    return None if math.isnan(value) else value


def _labels(values: ArrayLike) -> Bools:
    raw = np.asarray(values)
    if raw.size and not np.isin(raw, (0, 1)).all():
        raise ValueError("labels are 0 or 1")
    return raw.astype(bool).reshape(-1)


def _scores(values: ArrayLike) -> Floats:
    raw = np.asarray(values, dtype=np.float64).reshape(-1)
    if raw.size and not bool(((raw >= 0) & (raw <= 1)).all()):
        raise ValueError("scores are probabilities in [0, 1]")
    return raw
