"""Calibration and thresholds, on data no model was trained on (seeds 7.5).

Per score a temperature and a bias (Platt scaling of the logit) on the calibration split, then thresholds at stated
false-positive rates by split conformal prediction: with n benign scores, the ceil((n + 1)(1 - rate))-th smallest is
exceeded by a new exchangeable benign text with probability at most `rate`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from guardian.evaluate.metrics import conformal_threshold as conformal_threshold
from guardian.scoring.calibration import Scaling
from guardian.text.windows import WINDOW_BUCKETS
from guardian.train.batches import Encoded
from guardian.train.model import HEADS, head_slices

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

RATES = (0.001, 0.01, 0.02, 0.05)
_FEWEST = 12  # of either label: with fewer a scaling would be noise


def binary_views(logits: Floats, data: Sequence[Encoded]) -> dict[str, tuple[Floats, Labels]]:
    """Per score: the logit of every item labelled for it, and its 0/1 label. Controversial items are left out.

    logits: [len(data), 23].
    """
    at = head_slices()
    severity, hazard, attack = logits[:, at["severity"]], logits[:, at["hazard"]], logits[:, at["attack"]]
    response, refusal = logits[:, at["response_severity"]], logits[:, at["refusal"]]
    views = {
        "harm": _known(severity[:, 2] - severity[:, 0], [_unsafe(d.severity) for d in data]),
        "response_harm": _known(response[:, 2] - response[:, 0], [_unsafe(d.response_severity) for d in data]),
        "jailbreak": _known(attack[:, 0], [int(d.attack[0]) for d in data]),
        "injection": _known(attack[:, 1], [int(d.attack[1]) for d in data]),
        "refusal": _known(refusal[:, 1] - refusal[:, 0], [d.refusal for d in data]),
    }
    for index, name in enumerate(HEADS["hazard"][0]):
        views[name] = _known(hazard[:, index], [int(d.hazard[index]) for d in data])
    return views


def _unsafe(severity: int) -> int:
    return {0: 0, 2: 1}.get(severity, -1)


def _known(logit: Floats, labels: Sequence[int]) -> tuple[Floats, Labels]:
    label = np.asarray(labels, np.int64)
    return logit[label >= 0].astype(np.float64), label[label >= 0]


def average_precisions(logits: Floats, data: Sequence[Encoded]) -> dict[str, float]:
    """Average precision of every score that has both labels among `data`."""
    return {
        name: round(float(average_precision_score(label, logit)), 4)
        for name, (logit, label) in binary_views(logits, data).items()
        if 0 < label.sum() < len(label)
    }


def fit_scalings(logits: Floats, data: Sequence[Encoded]) -> dict[str, Scaling]:
    """Temperature and bias of every score, by maximum likelihood; the identity where labels are too few."""
    return {name: fit_scaling(logit, label) for name, (logit, label) in binary_views(logits, data).items()}


def fit_scaling(logit: Floats, label: Labels) -> Scaling:
    """p = sigmoid(logit / temperature + bias). A fit that would turn the score around is refused (identity)."""
    positives = int(label.sum())
    if min(positives, len(label) - positives) < _FEWEST:
        return Scaling()
    # A weak prior: a few hundred rows of a rare hazard must not give a slope of a thousand.
    fitted = LogisticRegression(C=10.0).fit(logit[:, None], label)
    slope = float(fitted.coef_[0, 0])
    return Scaling(round(1.0 / slope, 5), round(float(fitted.intercept_[0]), 5)) if slope > 1e-3 else Scaling()


def levels(benign: Floats, rates: Sequence[float] = RATES) -> dict[float, float]:
    """Threshold for each rate; rounded up, so that rounding never adds a false positive."""
    return {rate: min(1.0, math.ceil(conformal_threshold(benign, rate) * 1e6) / 1e6) for rate in rates}


def bucket_levels(
    documents: Sequence[Mapping[str, Floats]],
    heads: Sequence[str],
    *,
    samples: int = 4000,
    longest: int = 512,
    seed: int = 5,
) -> dict[str, dict[int, dict[float, float]]]:
    """Document thresholds per head and number-of-windows bucket, fitted on benign long documents.

    `documents`: per document and head the score of every window, in order. Documents of a wanted length are runs of
    consecutive windows of one document, continued in others where it is too short; the maximum of each run is one
    benign score. Runs share windows, so the promise is approximate; the evaluation report shows what holds.
    """
    rng = np.random.default_rng(seed)
    sizes = np.array([len(next(iter(document.values()))) for document in documents])
    found: dict[str, dict[int, dict[float, float]]] = {head: {} for head in heads}
    for bucket, (low, high) in enumerate(WINDOW_BUCKETS):
        maxima: dict[str, list[float]] = {head: [] for head in heads}
        for _ in range(samples):
            wanted = int(rng.integers(low, min(high or longest, longest) + 1))
            runs = _runs(wanted, sizes, rng)
            for head in heads:
                maxima[head].append(max(float(np.max(documents[d][head][a:b])) for d, a, b in runs))
        for head in heads:
            found[head][bucket] = levels(np.array(maxima[head]))
    return found


def _runs(wanted: int, sizes: NDArray[np.int64], rng: np.random.Generator) -> list[tuple[int, int, int]]:
    """(document, first, end) runs of consecutive windows that together are `wanted` long."""
    runs: list[tuple[int, int, int]] = []
    while wanted > 0:
        # By size, so that every window is as likely as any other.
        document = int(rng.choice(len(sizes), p=sizes / sizes.sum()))
        length = min(wanted, int(sizes[document]))
        first = int(rng.integers(0, sizes[document] - length + 1))
        runs.append((document, first, first + length))
        wanted -= length
    return runs


def stricter_with_length(table: dict[int, dict[float, float]]) -> dict[int, dict[float, float]]:
    """More windows are more chances of a false alarm: no threshold may fall as documents get longer."""
    fixed: dict[int, dict[float, float]] = {}
    before = dict.fromkeys(RATES, 0.0)
    for bucket in sorted(table):
        before = {rate: max(value, before[rate]) for rate, value in table[bucket].items()}
        fixed[bucket] = before
    return fixed


def expected_calibration_error(p: Floats, label: Labels, bins: int = 15) -> float:
    """ECE with equal-width bins (Guo et al. 2017)."""
    index = np.minimum((p * bins).astype(int), bins - 1)
    error = 0.0
    for bin_ in range(bins):
        inside = index == bin_
        if inside.any():
            error += inside.mean() * abs(p[inside].mean() - label[inside].mean())
    return float(error)


def recall_at(rate: float, score: Floats, label: Labels) -> float:
    """Share of positives over the threshold that lets `rate` of the negatives through."""
    threshold = np.quantile(score[label == 0], 1 - rate, method="higher")
    return float((score[label == 1] > threshold).mean())
