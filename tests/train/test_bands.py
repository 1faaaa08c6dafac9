"""Where a second model is asked, on made-up scores of which the truth is known."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("sklearn")  # guardian.train needs its extra

from guardian.scoring.cascade import Floats, blended, logit, sigmoid
from guardian.scoring.plan import Band, Blend
from guardian.train.bands import (
    Fitted,
    Rows,
    allocate,
    best_bands,
    crossfitted,
    edges_around,
    fit_blend,
    sent_on,
)

FPR = 0.02


def made_up(seed: int, better: float, *, rows: int = 3000, worse: float = 1.5) -> tuple[Rows, Floats]:
    """Rows half harmful, and traffic. The logits of either class are normal, `worse` (first) and `better` (second)
    apart: 0 knows nothing, less is turned around."""
    rng = np.random.default_rng(seed)
    label = (rng.random(rows) < 0.5).astype(np.int64)

    def scores(apart: float, of: np.ndarray) -> Floats:
        found: Floats = sigmoid(rng.normal(0.0, 1.0, len(of)) + apart * (2 * of - 1))
        return found

    found = Rows(scores(worse, label), scores(better, label), label, label == 0)
    return found, scores(worse, np.zeros(rows))


def chosen(rows: Rows, traffic: Floats, share: float) -> Fitted | None:
    threshold = float(np.quantile(rows.first[rows.benign], 1 - FPR, method="higher"))
    options = best_bands(rows, traffic, edges_around(threshold, traffic, share), FPR)
    return allocate({"harm": options}, {"harm": traffic}, share).get("harm")


def recall(score: Floats, rows: Rows) -> float:
    threshold = np.quantile(score[rows.benign], 1 - FPR, method="higher")
    return float((score[rows.label == 1] > threshold).mean())


@pytest.mark.parametrize("seed", range(3))
def test_a_better_second_is_asked_and_what_it_gains_holds_on_new_rows(seed: int) -> None:
    rows, traffic = made_up(seed, 3.0)
    fitted = chosen(rows, traffic, 0.15)
    assert fitted is not None
    assert fitted.gain > 0.1
    new, _ = made_up(seed + 100, 3.0, rows=20_000)
    score = blended(fitted.band, new.first, new.second)
    assert recall(score, new) > recall(new.first, new) + 0.1
    assert abs(recall(score, new) - fitted.recall) < 0.08


@pytest.mark.parametrize("better", [0.0, -2.0])
@pytest.mark.parametrize("seed", range(4))
def test_a_second_that_knows_nothing_or_the_contrary_is_not_asked_or_does_no_harm(seed: int, better: float) -> None:
    rows, traffic = made_up(seed, better)
    fitted = chosen(rows, traffic, 0.15)
    if fitted is None:
        return
    new, _ = made_up(seed + 100, better, rows=20_000)
    assert recall(blended(fitted.band, new.first, new.second), new) > recall(new.first, new) - 0.02


def test_a_second_that_knows_nothing_is_hardly_ever_asked() -> None:
    assert sum(chosen(*made_up(seed, 0.0), 0.15) is not None for seed in range(12)) <= 2


def test_a_worse_second_that_knows_something_of_its_own_never_loses() -> None:
    rows, traffic = made_up(5, 0.7)
    fitted = chosen(rows, traffic, 0.15)
    new, _ = made_up(105, 0.7, rows=20_000)
    if fitted is not None:
        assert recall(blended(fitted.band, new.first, new.second), new) > recall(new.first, new) - 0.01


@given(
    st.floats(0.01, 0.6),
    st.floats(0.01, 0.99),
    st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.500001, 0.9, 1.0]) | st.floats(0.0, 1.0), min_size=1, max_size=60),
)
def test_no_band_sends_more_than_the_share_on(share: float, threshold: float, scores: list[float]) -> None:
    traffic = np.array(scores)
    for low, high in edges_around(threshold, traffic, share):
        assert 0.0 <= low <= threshold <= high <= 1.0
        assert np.mean((low <= traffic) & (traffic <= high)) <= share


def test_more_share_never_gains_less() -> None:
    rows, traffic = made_up(1, 3.0)
    gains = [fitted.gain if (fitted := chosen(rows, traffic, share)) else 0.0 for share in (0.02, 0.05, 0.15, 0.4)]
    assert gains[-1] > gains[0]
    assert all(later >= earlier - 0.03 for earlier, later in pairwise(gains))


def test_too_few_rows_are_no_band() -> None:
    rows, traffic = made_up(0, 3.0, rows=40)
    assert chosen(rows, traffic, 0.15) is None


def test_heads_share_the_share() -> None:
    rng = np.random.default_rng(0)
    traffic = {"harm": rng.random(5000), "jailbreak": rng.random(5000)}

    def option(low: float, gain: float) -> Fitted:
        band = Band(low=low, high=1.0, blend=Blend(first=1, second=1, bias=0))
        return Fitted(band, 0.5, 0.5 + gain, 1 - low, 100)

    options = {"harm": [option(0.95, 0.1), option(0.88, 0.2)], "jailbreak": [option(0.95, 0.15), option(0.88, 0.16)]}
    picked = allocate(options, traffic, 0.17)  # type: ignore[arg-type]
    assert {head: fitted.band.low for head, fitted in picked.items()} == {"harm": 0.88, "jailbreak": 0.95}
    assert sent_on({head: fitted.band for head, fitted in picked.items()}, traffic) <= 0.17  # type: ignore[arg-type]
    assert allocate(options, traffic, 0.01) == {}  # type: ignore[arg-type]


# -- blends


def test_a_blend_finds_the_weights_that_made_the_labels() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(0, 2, 20_000), rng.normal(0, 2, 20_000)
    label = (rng.random(20_000) < sigmoid(0.7 * x + 1.3 * y - 0.5)).astype(np.int64)
    blend = fit_blend(sigmoid(x), sigmoid(y), label)
    assert blend is not None
    assert (blend.first, blend.second, blend.bias) == pytest.approx((0.7, 1.3, -0.5), abs=0.07)


def test_a_blend_is_what_sklearn_fits() -> None:
    from sklearn.linear_model import LogisticRegression

    rows, _ = made_up(3, 1.0)
    blend = fit_blend(rows.first, rows.second, rows.label)
    design = np.column_stack((logit(rows.first), logit(rows.second)))
    theirs = LogisticRegression(C=10.0, tol=1e-10).fit(design, rows.label)  # our ridge is 1 / C
    assert blend is not None
    assert (blend.first, blend.second) == pytest.approx(tuple(theirs.coef_[0]), abs=1e-4)
    assert blend.bias == pytest.approx(float(theirs.intercept_[0]), abs=1e-4)


def test_a_blend_never_counts_what_a_model_says_against_it() -> None:
    rows, _ = made_up(2, -2.0)
    blend = fit_blend(rows.first, rows.second, rows.label)
    assert blend is not None
    assert blend.second == 0.0
    assert blend.first > 0.0
    assert fit_blend(1 - rows.first, rows.second, rows.label) is None


@pytest.mark.parametrize("far", [1.0, 40.0, 1e6])
def test_labels_that_can_be_told_apart_are_no_trouble(far: float) -> None:
    label = np.repeat([0, 1], 50)
    x = sigmoid(far * (2 * label - 1.0))
    blend = fit_blend(x, x, label)
    assert blend is not None
    assert np.isfinite([blend.first, blend.second, blend.bias]).all()


def test_no_row_is_scored_by_a_blend_that_has_seen_it() -> None:
    """With labels turned around in one fold, that fold's scores stay and all others change."""
    rows, _ = made_up(4, 2.0, rows=1000)
    folds = np.arange(1000) % 5
    turned = replace(rows, label=np.where(folds == 0, 1 - rows.label, rows.label))
    before, after = (crossfitted((0.0, 1.0), each, folds) for each in (rows, turned))
    assert before is not None
    assert after is not None
    assert np.array_equal(before[folds == 0], after[folds == 0])
    assert not np.isclose(before[folds != 0], after[folds != 0]).any()
