"""Models side by side at equal false-positive rates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from guardian.errors import ConfigError
from guardian.evaluate import metrics, paired
from guardian.evaluate.results import Part
from guardian.guard import Guardian
from guardian.scoring.backend import SCORES, Piece, Scores
from guardian.scoring.fake import ScriptedBackend
from tests.evaluate.conftest import write


def model(seen: str, scale: float) -> Guardian:
    """Harm where a text holds a word of `seen`; benign rows are spread over scores that `scale` stretches."""

    def script(piece: Piece) -> Scores:
        text = piece.text
        harm = next((0.9 for word in seen.split() if word in text), 0.0)
        if "benign" in text:
            harm = scale * int(text.rsplit(" ", 1)[1]) / 100
        return dict.fromkeys(SCORES, 0.0) | {"harm": harm * 1.0, "injection": 0.8 * ("disregard" in text)}

    return Guardian(backend=ScriptedBackend(script))


@pytest.fixture(scope="module")
def mix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mix")
    rows: list[dict[str, Any]] = [
        {"text": f"benign {n}", "stage": "prompt", "source": "s", "severity": 0, "injection": 0} for n in range(100)
    ]
    rows += [{"text": f"a document {n}", "stage": "document", "source": "s", "severity": 0} for n in range(500)]
    write(folder / "calibration.jsonl", rows)
    write(folder / "test.jsonl", rows[50:100])
    return folder


def compared(data: Path, mix: Path, **options: Any) -> Part:
    models = {"mini": model("write", 0.5), "slm": model("write bomb", 1.0)}
    return paired.paired(models, data=data, mix=mix, **{"rate": 0.1, "samples": 100, **options})


@pytest.fixture(scope="module")
def part(data: Path, mix: Path) -> Part:
    return compared(data, mix)


def line(part: Part, title: str, figure: str) -> list[float | None]:
    (found,) = (row[3:] for row in part.tables[0].rows if row[0] == title and row[2] == figure)
    return [None if isinstance(cell, str) else cell.value for cell in found]


def test_each_model_has_its_own_threshold_for_the_same_rate(part: Part) -> None:
    rows = {(row[0], row[1]): row[2:] for row in part.tables[1].rows}
    # The 91st of a hundred benign scores, 0.9 of the largest: half as high where scores are half as high.
    assert rows["mini", "harm"][0] == "0.4500"
    assert rows["slm", "harm"][0] == "0.9000"
    # Of the upper half of the scores, a tenth of all is nearly a fifth.
    flagged = [rows[name, "harm"][2] for name in ("mini", "slm")]
    assert [cell.value for cell in flagged if not isinstance(cell, str)] == [0.18, 0.18]


def test_differences_by_set(part: Part) -> None:
    assert line(part, "SimpleSafetyTests", "recall") == [0.0, 0.0, 0.0]


def test_equal_rates_not_equal_thresholds_decide(data: Path, mix: Path) -> None:
    """At 0.9 the threshold of the second stands on its own harm score: a tighter rate loses what a looser one finds."""
    loose = compared(data, mix, rate=0.2)
    assert line(loose, "SimpleSafetyTests", "recall") == [0.0, 1.0, 1.0]
    assert line(loose, "JailbreakBench behaviours", "F1") == [0.0, 1.0, 1.0]
    assert line(loose, "JailbreakBench behaviours", "benign flagged") == [0.0, 0.0, 0.0]
    assert line(loose, "OR-Bench-Toxic", "recall") == [1.0, 1.0, 0.0]
    assert line(loose, "OR-Bench-Hard", "benign flagged") == [0.0, 1.0, 1.0]
    assert loose.figure("slm/mean").value == pytest.approx(2 / 3)
    assert loose.figure("slm/benign").value == pytest.approx(1 / 3)
    assert loose.figure("slm/pooled").value is not None


def test_names_and_rows_are_checked(data: Path, mix: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no benchmark 'nothing'"):
        compared(data, mix, benchmarks=["nothing"])
    with pytest.raises(ConfigError, match=r"too few for a rate of 0\.001"):
        compared(data, mix, rate=0.001)
    with pytest.raises(ConfigError, match=r"calibration\.jsonl is missing"):
        compared(data, tmp_path)
    with pytest.raises(ConfigError, match="at least two models"):
        paired.paired({"mini": model("a", 1.0)}, data=data, mix=mix)
    only = compared(data, mix, benchmarks=["jailbreakbench"])
    assert {row[0] for row in only.tables[0].rows} == {
        "JailbreakBench behaviours",
        "mean over sets of harmful prompts",
    }
    assert only.figure("slm/pooled").value is None


# ---- the figures behind it -----------------------------------------------------------------------


def test_decision_difference_by_hand() -> None:
    labels = np.array([1, 1, 1, 1, 0, 0, 0, 0])
    first, second = np.array([1, 1, 1, 0, 1, 0, 0, 0]), np.array([1, 0, 0, 0, 0, 0, 0, 0])
    f1 = metrics.decision_difference(labels, first, second, "f1", samples=200)
    assert f1.first.value == pytest.approx(6 / 8)
    assert f1.second.value == pytest.approx(2 / 5)
    assert f1.difference.value == pytest.approx(6 / 8 - 2 / 5)
    assert f1.draws.size == 200
    recall = metrics.decision_difference(labels, first, second, "recall", samples=200)
    assert recall.difference.value == pytest.approx(0.5)
    fpr = metrics.decision_difference(labels, first, second, "fpr", samples=200)
    assert fpr.difference.value == pytest.approx(0.25)
    same = metrics.decision_difference(labels, first, first, "f1", samples=50).difference
    assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0)


def test_pairs_make_narrower_intervals_than_two_samples() -> None:
    rng = np.random.default_rng(3)
    first = rng.random(400) < 0.5
    second = first & (rng.random(400) < 0.9)
    found = metrics.decision_difference(np.ones(400, int), first, second, "recall", samples=500)
    one, difference = found.first, found.difference
    assert difference.low is not None
    assert difference.high is not None
    assert one.low is not None
    assert one.high is not None
    assert difference.high - difference.low < one.high - one.low


def test_mean_difference_gives_every_set_the_same_weight() -> None:
    small = metrics.decision_difference([1, 1], [1, 1], [0, 0], "recall", samples=100)
    large = metrics.decision_difference([1] * 50, [0] * 50, [0] * 50, "recall", samples=100)
    absent = metrics.decision_difference([0, 0], [0, 1], [0, 0], "recall", samples=100)
    assert metrics.mean_difference([small, large, absent]).value == 0.5
    assert metrics.mean_difference([absent]).value is None


def test_share_of_has_an_interval_where_all_rows_agree() -> None:
    none = metrics.share_of(np.zeros(50))
    assert none.value == 0.0
    assert none.high is not None
    assert none.high > 0.05
    some = metrics.share_of([0.2, 0.4, 1.0, 0.0] * 20, seed=1)
    assert some.value == pytest.approx(0.4)
    assert some.low is not None
    assert some.high is not None
    assert some.low < 0.4 < some.high
    assert metrics.share_of([]).value is None
