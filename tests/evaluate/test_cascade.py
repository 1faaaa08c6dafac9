"""Accuracy against cost: the ends are the two models, and what lies between is paid for."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardian.errors import ConfigError
from guardian.evaluate.benchmarks import Benchmark, Measure, Row
from guardian.evaluate.cascade import ALL, CHOSEN, NONE, WIDTHS, CostCurve, at_rate, cost_curve, plan_at, write_curve
from guardian.evaluate.metrics import recall_at_fpr
from guardian.scoring.backend import Piece
from guardian.scoring.cascade import sigmoid
from guardian.scoring.fake import ScriptedBackend
from guardian.scoring.plan import Band, Blend, CascadePlan, ModelPart
from guardian.thresholds import Thresholds
from guardian.verdict import ModelRef, Stage

BAND = Band(low=0.3, high=1.0, blend=Blend(first=0.5, second=1.0, bias=0.0))


def a_model(name: str, apart: float) -> ScriptedBackend:
    def score(piece: Piece) -> Mapping[str, float]:
        noise = random.Random(f"{name}{piece.text}").gauss(0.0, 1.0)
        return {"harm": float(sigmoid(noise + apart * (1 if "bad" in piece.text else -1)))}

    backend = ScriptedBackend(score)
    backend.ref = ModelRef(name=name, version="1", hash=("a" if name == "first" else "b") * 64)
    return backend


def a_plan(**bands: Band) -> CascadePlan:
    return CascadePlan(
        version="1",
        first=ModelPart(name="first", version="1", hash="a" * 64),
        second=ModelPart(name="second", version="1", hash="b" * 64),
        bands={Stage.PROMPT: bands},  # type: ignore[dict-item]
        thresholds=Thresholds.flat(0.6),
    )


def a_set(name: str, rows: int = 300) -> tuple[Benchmark, list[Row]]:
    texts = [f"{'a bad' if n % 2 else 'a fine'} request of {name}, {n}" for n in range(rows)]
    found = [Row(f"{name}{n}", text, Stage.PROMPT, n % 2) for n, text in enumerate(texts)]
    return Benchmark(name, name.title(), "", Measure.HARM), found


SETS = [a_set("one"), a_set("two")]


@pytest.fixture(scope="module")
def curve() -> CostCurve:
    return cost_curve(a_model("first", 1.0), a_model("second", 2.5), a_plan(harm=BAND), SETS, ratio=8.0)


def test_the_ends_are_the_models_alone(curve: CostCurve) -> None:
    for point, model in ((curve.points[0], a_model("first", 1.0)), (curve.points[-1], a_model("second", 2.5))):
        for (_, rows), figures in zip(SETS, point.sets, strict=True):
            scores = [row["harm"] for row in model.score([Piece(row.text, row.stage) for row in rows])]
            labels = [row.label for row in rows]
            assert figures.recall == pytest.approx(recall_at_fpr(labels, scores, curve.fpr))
    assert (curve.points[0].sent_on, curve.points[0].cost) == (0.0, 1.0)
    assert (curve.points[-1].sent_on, curve.points[-1].cost) == (1.0, 8.0)


def test_wider_bands_cost_more_and_the_chosen_point_is_the_plan(curve: CostCurve) -> None:
    shares = [point.sent_on for point in curve.points]
    assert shares == sorted(shares)
    assert [point.width for point in curve.points] == list(WIDTHS)
    for point in curve.points[:-1]:
        assert point.cost == pytest.approx(1.0 + 8.0 * point.sent_on)
    chosen = next(point for point in curve.points if point.name == "chosen")
    first = a_model("first", 1.0)
    own = [row["harm"] for _, rows in SETS for row in first.score([Piece(r.text, r.stage) for r in rows])]
    assert chosen.sent_on == pytest.approx(np.mean([score >= 0.3 for score in own]))
    assert chosen.recall > curve.points[0].recall + 0.1


def test_each_model_scores_each_piece_once() -> None:
    first, second = a_model("first", 1.0), a_model("second", 2.5)
    cost_curve(first, second, a_plan(harm=BAND), SETS, ratio=8.0)
    for model in (first, second):
        pieces = [piece for call in model.calls for piece in call]
        assert len(pieces) == len(set(pieces)) == 600


def test_without_a_ratio_costs_are_measured() -> None:
    found = cost_curve(a_model("first", 1.0), a_model("second", 2.5), a_plan(harm=BAND), [a_set("small", 40)])
    assert found.unit == "ms a piece"
    assert all(point.cost > 0 for point in found.points)


def test_sets_of_one_kind_of_row_have_no_figure_at_equal_rates() -> None:
    benchmark, rows = a_set("three")
    benign = [row for row in rows if not row.label]
    with pytest.raises(ConfigError, match="both"):
        cost_curve(a_model("first", 1.0), a_model("second", 2.5), a_plan(), [(benchmark, benign)])
    mixed = [SETS[0], (replace(benchmark, name="benign"), benign)]
    found = cost_curve(a_model("first", 1.0), a_model("second", 2.5), a_plan(), mixed, ratio=2.0)
    assert [figures.benchmark for figures in found.points[0].sets] == ["one"]


edges = st.floats(0.001, 0.999)


@given(edges, edges, st.sampled_from(WIDTHS[1:-2]), st.booleans())
def test_bands_grow_with_their_width(a: float, b: float, width: float, open_ended: bool) -> None:
    low, high = sorted((a, b))
    plan = a_plan(harm=Band(low=low, high=1.0 if open_ended else high, blend=BAND.blend))
    narrow, wide = (plan_at(plan, w).bands[Stage.PROMPT]["harm"] for w in (width, WIDTHS[WIDTHS.index(width) + 1]))
    assert wide.low <= narrow.low + 1e-12
    assert narrow.high <= wide.high + 1e-12


def test_no_width_the_plans_own_and_all() -> None:
    plan = a_plan(harm=BAND)
    assert plan_at(plan, NONE).bands == {}
    assert plan_at(plan, CHOSEN) == plan
    everything = plan_at(plan, ALL).bands
    assert set(everything) == set(Stage)
    assert all(band.holds(p) for bands in everything.values() for band in bands.values() for p in (0.0, 0.5, 1.0))


@given(
    st.lists(st.tuples(st.integers(0, 1), st.sampled_from([0.0, 0.2, 0.2, 0.5, 0.7, 1.0])), min_size=2, max_size=40),
    st.sampled_from([0.01, 0.1, 0.5, 0.99]),
)
def test_recall_at_a_rate_is_that_of_the_evaluation(rows: list[tuple[int, float]], fpr: float) -> None:
    labels, scores = [0, 1, *(label for label, _ in rows)], [0.1, 0.9, *(score for _, score in rows)]
    recall, f1 = at_rate(labels, scores, fpr)
    assert recall == pytest.approx(recall_at_fpr(labels, scores, fpr))
    assert 0.0 <= f1 <= 1.0


def test_the_curve_is_written_and_drawn(curve: CostCurve, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    data, page, plot = write_curve(curve, tmp_path / "new")
    assert CostCurve.model_validate_json(data.read_text()) == curve
    text = page.read_text()
    assert "| chosen |" in text
    assert text.count("| One | 300 |") == 1
    assert "(cascade.svg)" in text
    assert plot.read_text().count('id="one"') == 2  # a line in either half
    assert "second alone" in plot.read_text()
    assert len(write_curve(curve, tmp_path / "bare", with_plot=False)) == 2
    assert "svg" not in (tmp_path / "bare" / "cascade.md").read_text()
