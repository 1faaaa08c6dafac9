"""Where a first model should ask a second, and what to make of both: pure functions over scores.

For one head at one stage a band of the first's scores is chosen among those around its own threshold. The blend inside
is logistic regression over both logits (stacking: Wolpert 1992; held to weights that are not negative, as Breiman 1996
found stacking to need). Every figure that decides is cross-fitted: no row is scored by a blend that has seen it. A band
is kept only where the recall that it gains stands out of the noise, so that a second that knows nothing is not asked.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from guardian.scoring.cascade import Floats, blended, logit, sigmoid
from guardian.scoring.plan import Band, Blend, Head

Labels = NDArray[np.int64]
Bools = NDArray[np.bool_]

FEWEST = 25
"""Labelled rows, of either label, that a blend is fitted on at least."""

_BUDGETS = (0.125, 0.25, 0.5, 0.75, 1.0)  # of the share, tried for every head
_ABOVE = (1.0, 2.0, 4.0, math.inf)  # logits between the first's threshold and the upper edge of a band
_FOLDS = 5
_RESAMPLES = 400
_DOUBT = 0.025  # a gain that more resamples than this do not show is noise
_RIDGE = 0.1
_STEPS = 50


@dataclass(frozen=True, slots=True)
class Rows:
    """Scores of one head on labelled rows; every array is of shape [rows].

    `first` and `second` are probabilities; `second` is NaN where it was not asked. `label` is 0 or 1. `benign` marks
    the rows, of label 0, on which false-positive rates are stated.
    """

    first: Floats
    second: Floats
    label: Labels
    benign: Bools


@dataclass(frozen=True, slots=True)
class Fitted:
    """A band, and what it gains: recall at the stated false-positive rate, of the first alone and of the cascade."""

    band: Band
    recall_first: float
    recall: float
    share: float
    """Of ordinary benign traffic, sent on by this band alone."""
    rows: int
    """Labelled rows inside."""

    @property
    def gain(self) -> float:
        return self.recall - self.recall_first


Edges = tuple[float, float]


def edges_around(threshold: float, traffic: Floats, share: float) -> list[Edges]:
    """The lower and upper edge of every band that is tried: it holds `threshold`, and at most `share` of `traffic`.

    threshold: the first's own, where it is least sure. traffic: its scores of ordinary benign texts, shape [texts].
    """
    found: dict[Edges, None] = {}
    for above, budget in product(_ABOVE, _BUDGETS):
        high = float(sigmoid(logit(threshold) + above)) if math.isfinite(above) else 1.0
        low = _lowest(traffic[traffic <= high], int(budget * share * len(traffic)))
        if low <= threshold <= high:
            found[low, high] = None
    return list(found)


def _lowest(scores: Floats, most: int) -> float:
    """The lowest edge at or over which there are at most so many scores."""
    if most >= len(scores):
        return 0.0
    at = len(scores) - most - 1
    return min(1.0, float(np.nextafter(np.partition(scores, at)[at], 2.0)))


def best_bands(rows: Rows, traffic: Floats, edges: Sequence[Edges], fpr: float, *, seed: int = 0) -> list[Fitted]:
    """Of the bands that hold up, the best for each budget: the most recall at `fpr`, and of those that are as good as
    the best (one standard error) the one with the least log loss, which counts the rows written to be mistaken too."""
    positives = rows.label == 1
    if min(positives.sum(), rows.benign.sum()) < FEWEST:
        return []
    folds = np.random.default_rng(seed).permutation(len(rows.label)) % _FOLDS
    alone = _recall(rows.first, rows, fpr)
    tried = [(at, score) for at in edges if (score := crossfitted(at, rows, folds)) is not None]
    found: list[Fitted] = []
    limits = sorted({_share(at, traffic) for at, _ in tried})
    for limit in limits:
        within = [(at, score, _recall(score, rows, fpr)) for at, score in tried if _share(at, traffic) <= limit]
        top = max(recall for _, _, recall in within)
        noise = math.sqrt(top * (1 - top) / positives.sum())
        at, score, recall = min((w for w in within if w[2] >= top - noise), key=lambda w: _log_loss(w[1], rows.label))
        blend = _blend_within(at, rows)
        if blend is None or any((fitted.band.low, fitted.band.high) == at for fitted in found):
            continue
        if recall > alone and _stands_out(score, rows, fpr, seed):
            band = Band(low=at[0], high=at[1], blend=blend)
            inside = int(_inside(at, rows.first).sum())
            found.append(Fitted(band, alone, recall, _share(at, traffic), inside))
    return found


def allocate(
    options: Mapping[Head, Sequence[Fitted]], traffic: Mapping[Head, Floats], share: float
) -> dict[Head, Fitted]:
    """One band a head, or none: what gains most recall in all while at most `share` of the traffic is sent on by any.

    traffic: scores of the same texts for every head, shape [texts] each.
    """
    heads = list(options)
    best: dict[Head, Fitted] = {}
    most, least = 0.0, 0.0
    for chosen in product(*((None, *options[head]) for head in heads)):
        picked = {head: fitted for head, fitted in zip(heads, chosen, strict=True) if fitted is not None}
        gain = sum(fitted.gain for fitted in picked.values())
        sent = sent_on({head: fitted.band for head, fitted in picked.items()}, traffic)
        if sent <= share and (gain, -sent) > (most, -least):
            best, most, least = picked, gain, sent
    return best


def sent_on(bands: Mapping[Head, Band], scores: Mapping[Head, Floats]) -> float:
    """Share of texts whose score of any head lies in its band."""
    if not bands:
        return 0.0
    return float(np.any([_inside((b.low, b.high), scores[head]) for head, b in bands.items()], axis=0).mean())


def crossfitted(edges: Edges, rows: Rows, folds: NDArray[np.int64]) -> Floats | None:
    """The cascade's score of every row, by a blend fitted on the other folds; None where there are too few rows."""
    inside = _inside(edges, rows.first)
    score = rows.first.astype(np.float64)
    for fold in range(_FOLDS):
        mine, others = inside & (folds == fold), inside & (folds != fold)
        blend = fit_blend(rows.first[others], rows.second[others], rows.label[others])
        if blend is None:
            return None
        band = Band(low=edges[0], high=edges[1], blend=blend)
        score[mine] = blended(band, rows.first[mine], rows.second[mine])
    return score


def _blend_within(edges: Edges, rows: Rows) -> Blend | None:
    inside = _inside(edges, rows.first)
    return fit_blend(rows.first[inside], rows.second[inside], rows.label[inside])


def fit_blend(first: Floats, second: Floats, label: Labels) -> Blend | None:
    """Logistic regression of the label on both logits, by Newton's method with a weak ridge on the weights.

    A weight that would be negative is left out and the rest fitted again. None where there are too few rows, or neither
    model tells the labels apart.
    """
    positives = int(label.sum())
    if min(positives, len(label) - positives) < FEWEST:
        return None
    logits = np.column_stack((logit(first), logit(second)))
    kept = [0, 1]
    while kept:
        *weights, bias = _newton(logits[:, kept], label)
        if min(weights) > 0:
            both = dict(zip(kept, weights, strict=True))
            return Blend(first=round(both.get(0, 0.0), 6), second=round(both.get(1, 0.0), 6), bias=round(bias, 6))
        del kept[int(np.argmin(weights))]
    return None


def _newton(x: Floats, label: Labels) -> list[float]:
    """Weights and bias that minimise the log loss plus the ridge."""
    design = np.column_stack((x, np.ones(len(x))))
    ridge = np.array([*[_RIDGE] * x.shape[1], 0.0])
    weights = np.zeros(design.shape[1])

    def loss(at: Floats) -> float:
        value = design @ at
        return float((np.logaddexp(0.0, value) - label * value).sum() + 0.5 * (ridge * at**2).sum())

    before = loss(weights)
    for _ in range(_STEPS):
        p = sigmoid(design @ weights)
        slope = design.T @ (p - label) + ridge * weights
        # The small diagonal keeps the step defined where all rows lie far from the boundary.
        curve = (design * (p * (1 - p))[:, None]).T @ design + np.diag(ridge + 1e-9)
        step = np.linalg.solve(curve, slope)
        while (after := loss(weights - step)) > before + 1e-12 and np.abs(step).max() > 1e-9:
            step = step / 2
        weights = weights - step
        if before - after < 1e-10:
            break
        before = after
    return [float(weight) for weight in weights]


def _inside(edges: Edges, scores: Floats) -> Bools:
    inside: Bools = (edges[0] <= scores) & (scores <= edges[1])
    return inside


def _share(edges: Edges, traffic: Floats) -> float:
    return float(_inside(edges, traffic).mean())


def _recall(score: Floats, rows: Rows, fpr: float) -> float:
    """Share of the positives over the threshold that lets at most `fpr` of the benign rows through."""
    threshold = np.quantile(score[rows.benign], 1 - fpr, method="higher")
    return float((score[rows.label == 1] > threshold).mean())


def _log_loss(score: Floats, label: Labels) -> float:
    value = logit(score)
    return float((np.logaddexp(0.0, value) - label * value).mean())


def _stands_out(score: Floats, rows: Rows, fpr: float, seed: int) -> bool:
    """Whether resamples of the rows, which move the thresholds as well, hardly ever lose the gain."""
    lost = sum(gain <= 0 for gain in _resampled_gains(score, rows, fpr, np.random.default_rng(seed)))
    return lost <= _DOUBT * _RESAMPLES


def _resampled_gains(score: Floats, rows: Rows, fpr: float, rng: np.random.Generator) -> Iterator[float]:
    positives, benign = np.flatnonzero(rows.label == 1), np.flatnonzero(rows.benign)
    for _ in range(_RESAMPLES):
        p, b = rng.choice(positives, len(positives)), rng.choice(benign, len(benign))
        recalls = [
            (s[p] > np.quantile(s[b], 1 - fpr, method="higher")).mean() for s in (score, rows.first.astype(np.float64))
        ]
        yield float(recalls[0] - recalls[1])
