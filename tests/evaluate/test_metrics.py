from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardian.evaluate import metrics
from guardian.evaluate.metrics import Estimate


def _data(seed: int, n: int = 400, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    scores = np.clip(0.35 * labels + 0.65 * rng.random(n), 0, 1)
    return labels, np.round(scores, 1) if ties else scores


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_scikit_learn(seed: int, ties: bool) -> None:
    sk = pytest.importorskip("sklearn.metrics")
    labels, scores = _data(seed, ties=ties)
    flagged = scores >= 0.5
    precision, recall, f1 = metrics.precision_recall_f1(labels, flagged)
    assert metrics.average_precision(labels, scores) == pytest.approx(sk.average_precision_score(labels, scores))
    assert metrics.auroc(labels, scores) == pytest.approx(sk.roc_auc_score(labels, scores))
    assert metrics.brier(labels, scores) == pytest.approx(sk.brier_score_loss(labels, scores))
    assert precision == pytest.approx(sk.precision_score(labels, flagged))
    assert recall == pytest.approx(sk.recall_score(labels, flagged))
    assert f1 == pytest.approx(sk.f1_score(labels, flagged))
    fpr, tpr, _ = sk.roc_curve(labels, scores, drop_intermediate=False)
    for rate in (0.0, 0.01, 0.1):
        assert metrics.recall_at_fpr(labels, scores, rate) == pytest.approx(tpr[fpr <= rate + 1e-12].max())
    assert metrics.fpr_at_recall(labels, scores, 0.95) == pytest.approx(fpr[tpr >= 0.95 - 1e-12].min())


def test_by_hand() -> None:
    labels, scores = [1, 0, 1, 0, 0], [0.9, 0.8, 0.7, 0.2, 0.1]
    assert metrics.average_precision(labels, scores) == pytest.approx((1 + 2 / 3) / 2)
    assert metrics.auroc(labels, scores) == pytest.approx(5 / 6)
    assert metrics.recall_at_fpr(labels, scores, 0.01) == 0.5
    assert metrics.recall_at_fpr(labels, scores, 0.34) == 1.0
    assert metrics.fpr_at_recall(labels, scores, 0.95) == pytest.approx(1 / 3)


def test_all_scores_tied_is_a_coin() -> None:
    labels, scores = [1, 0, 0, 1], [0.5] * 4
    assert metrics.auroc(labels, scores) == 0.5
    assert metrics.average_precision(labels, scores) == 0.5
    assert metrics.recall_at_fpr(labels, scores, 0.01) == 0.0
    assert metrics.fpr_at_recall(labels, scores) == 1.0


def test_ece_by_hand() -> None:
    # Two bins are filled: (0, 1/15] with mean 0.05 and one positive in two, (14/15, 1] with mean 0.95, all positive.
    labels, scores = [1, 0, 1, 1], [0.05, 0.05, 0.95, 0.95]
    assert metrics.ece(labels, scores) == pytest.approx((2 * 0.45 + 2 * 0.05) / 4)
    low, high = metrics.reliability(labels, scores)
    assert (low.count, low.positive_share, high.count, high.positive_share) == (2, 0.5, 2, 1.0)
    assert low.low == 0.0
    assert high.high == 1.0


def test_bins_hold_their_upper_edge_and_zero_falls_in_the_first() -> None:
    assert [b.low for b in metrics.reliability([0, 1, 1], [0.0, 1 / 15, 1.0])] == [0.0, 14 / 15]


def test_perfectly_calibrated_scores_have_a_small_ece() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(50_000)
    error = metrics.ece(rng.random(50_000) < scores, scores)
    assert error is not None
    assert error < 0.01


def test_macro_f1() -> None:
    a, b, none = frozenset("a"), frozenset("b"), frozenset[str]()
    value, per_class = metrics.macro_f1([a, a, b, b | a], [a, b, b, a])
    assert per_class == {"a": 4 / 5, "b": pytest.approx(2 / 4)}
    assert value == pytest.approx((0.8 + 0.5) / 2)
    assert metrics.macro_f1([], []) == (None, {})
    assert metrics.macro_f1([none], [a]) == (None, {})
    with pytest.raises(ValueError, match="zip"):
        metrics.macro_f1([a], [])


@given(st.integers(0, 500), st.integers(0, 500))
def test_wilson_holds_the_rate(successes: int, more: int) -> None:
    estimate = metrics.wilson(successes, successes + more)
    if successes + more == 0:
        assert estimate == Estimate(None, reason=metrics.NO_ROWS)
        return
    assert estimate.value is not None
    assert estimate.low is not None
    assert estimate.high is not None
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1


def test_wilson_by_hand() -> None:
    estimate = metrics.wilson(8, 10)
    assert estimate.low == pytest.approx(0.4901625, abs=1e-6)
    assert estimate.high == pytest.approx(0.9433178, abs=1e-6)
    with pytest.raises(ValueError, match="not a rate"):
        metrics.wilson(3, 2)


# ---- degenerate sets ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "reason", "kept"),
    [
        ([1, 1, 1], metrics.NO_NEGATIVES, {"recall", "accuracy", "block_rate"}),
        ([0, 0, 0], metrics.NO_POSITIVES, {"accuracy", "block_rate", "fpr"}),
    ],
)
def test_one_class_has_no_ranking_and_says_why(labels: list[int], reason: str, kept: set[str]) -> None:
    figures = metrics.evaluate_scores(labels, [0.9, 0.8, 0.1], [True, True, False], samples=50)
    assert set(figures) == set(metrics.FIGURES)
    for name, figure in figures.items():
        if name in kept:
            assert figure.value is not None, name
        else:
            assert figure == Estimate(None, reason=reason), name


def test_no_rows_and_no_decision() -> None:
    assert all(figure.value is None for figure in metrics.evaluate_scores([], [], []).values())
    figures = metrics.evaluate_scores([1, 0], [0.9, 0.1], None, samples=0)
    assert figures["f1"] == Estimate(None, reason=metrics.NO_DECISION)
    assert figures["recall"] == Estimate(None, reason=metrics.NO_DECISION)
    assert figures["auprc"] == Estimate(1.0)


def test_nothing_flagged() -> None:
    figures = metrics.evaluate_scores([1, 0], [0.9, 0.1], [False, False], samples=0)
    assert figures["precision"] == Estimate(None, reason=metrics.NONE_FLAGGED)
    assert figures["f1"].value == 0.0
    assert metrics.precision_recall_f1([0], [False]) == (None, None, None)
    assert metrics.brier([], []) is None
    assert metrics.ece([], []) is None
    assert metrics.precision_recall_curve([1], [0.5]) is None


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="0 or 1"):
        metrics.auroc([2, 0], [0.1, 0.2])
    with pytest.raises(ValueError, match="probabilities"):
        metrics.auroc([1, 0], [1.1, 0.2])
    with pytest.raises(ValueError, match="probabilities"):
        metrics.auroc([1, 0], [math.nan, 0.2])
    with pytest.raises(ValueError, match="2 labels but 1 scores"):
        metrics.auroc([1, 0], [0.2])


# ---- intervals ---------------------------------------------------------------------------------------


def test_bootstrap_is_deterministic_in_the_seed() -> None:
    labels, scores = _data(1)
    first, again, other = (
        metrics.evaluate_scores(labels, scores, scores > 0.5, samples=200, seed=seed) for seed in (3, 3, 4)
    )
    assert first == again
    assert first["auprc"] != other["auprc"]
    assert first["auprc"].value == other["auprc"].value
    assert first["recall"] == other["recall"]


def test_chunks_do_not_change_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    labels, scores = _data(2, n=100)
    whole = metrics.evaluate_scores(labels, scores, scores > 0.5, samples=60)
    monkeypatch.setattr(metrics, "_CELLS", 700)
    chunked = metrics.evaluate_scores(labels, scores, scores > 0.5, samples=60)
    for name, figure in whole.items():
        assert figure.value == pytest.approx(chunked[name].value)
        assert figure.low == pytest.approx(chunked[name].low)
        assert figure.high == pytest.approx(chunked[name].high)


def test_a_resample_equals_the_plain_figure_of_its_rows() -> None:
    sk = pytest.importorskip("sklearn.metrics")
    labels, scores = _data(5, n=50, ties=True)
    ranking = metrics._Ranking(labels, scores)
    rng = np.random.default_rng(9)
    for _ in range(20):
        rows = rng.integers(0, 50, 50)
        weights = np.bincount(rows, minlength=50)[None, :].astype(float)
        y, s = labels[rows], scores[rows]
        pairs = [
            (metrics._average_precision, sk.average_precision_score(y, s)),
            (metrics._auroc, sk.roc_auc_score(y, s)),
            (metrics._recall_at_fpr(0.1), metrics.recall_at_fpr(y, s, 0.1)),
            (metrics._fpr_at_recall(0.9), metrics.fpr_at_recall(y, s, 0.9)),
        ]
        for figure, wanted in pairs:
            assert ranking.sampler(figure)(weights)[0] == pytest.approx(wanted)


def test_intervals_hold_the_point_and_narrow_with_rows() -> None:
    widths = []
    for n in (100, 3000):
        labels, scores = _data(7, n=n)
        figures = metrics.evaluate_scores(labels, scores, scores > 0.5, samples=300)
        for name in ("f1", "auprc", "auroc", "brier"):
            figure = figures[name]
            assert figure.value is not None
            assert figure.low is not None
            assert figure.high is not None
            assert figure.low <= figure.value <= figure.high
        width = figures["auprc"]
        widths.append((width.high or 0) - (width.low or 0))
    assert widths[1] < widths[0] / 2


def test_no_interval_where_resamples_lose_a_class() -> None:
    figures = metrics.evaluate_scores([1, 0], [0.9, 0.1], [True, False], samples=200)
    assert figures["auroc"] == Estimate(1.0)


def test_recall_difference_is_paired() -> None:
    labels, scores = _data(8)
    same = metrics.recall_difference(labels, scores, scores, samples=100)
    assert same == Estimate(0.0, 0.0, 0.0)
    worse = metrics.recall_difference(labels, np.full_like(scores, 0.5), scores, samples=100)
    assert worse.value is not None
    assert worse.value < 0
    assert metrics.recall_difference([1], [0.5], [0.5]).reason == metrics.NO_NEGATIVES


def test_curve_is_thinned_and_ends_at_full_recall() -> None:
    labels, scores = _data(3, n=2000)
    curve = metrics.precision_recall_curve(labels, scores, points=50)
    assert curve is not None
    assert len(curve.x) == len(curve.y) <= 50
    assert curve.x[-1] == 1.0
    assert list(curve.x) == sorted(curve.x)
    assert sum(metrics.histogram(scores)) == 2000
