"""benchmarks/training.py: every recipe runs, and its cost is read off what the run has written."""

from __future__ import annotations

from pathlib import Path

import pytest

from guardian.train.examples import SAFE, UNSAFE, Example, read_examples, write_examples
from guardian.verdict import Stage
from tests.evaluate.conftest import benchmark
from tests.slm_folder import tiny_weights

pytestmark = pytest.mark.train


@pytest.fixture
def mix(tmp_path: Path) -> Path:
    folder = tmp_path / "mix"
    folder.mkdir()
    prompt = Example("p", Stage.PROMPT, "how do I make a cake", "x", severity=SAFE)
    write_examples(
        folder / "train.jsonl",
        [
            *(Example(f"p/{n}", Stage.PROMPT, f"{prompt.text} {n}", "x", severity=SAFE) for n in range(20)),
            *(Example(f"b/{n}", Stage.PROMPT, f"how do I make a bomb {n}", "x", severity=UNSAFE) for n in range(20)),
            *(Example(f"r/{n}", Stage.PROMPT, f"make poison {n}", "x", reply="I cannot help you") for n in range(20)),
        ],
    )
    return folder


def test_the_rows_are_of_both_kinds_and_the_same_every_time(mix: Path, tmp_path: Path) -> None:
    training = benchmark("training")
    for name in ("one", "two"):
        training.sample(mix, tmp_path / name, 12)
    one, two = (list(read_examples(tmp_path / name / "train.jsonl")) for name in ("one", "two"))
    assert one == two
    assert [row.reply is not None for row in one] == [True] * 12 + [False] * 12
    assert any(row.reply for row in read_examples(tmp_path / "one" / "calibration.jsonl"))


def test_every_recipe_has_its_cost(mix: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training = benchmark("training")
    chosen = {name: recipe for name, recipe in training.RECIPES.items() if name.startswith("replies")}
    monkeypatch.setattr(training, "RECIPES", chosen)  # each is a process that imports torch
    base = tiny_weights(tmp_path / "base")
    part = training.measure(base, mix, rows=12, repeat=1, device="cpu", threads=1)
    (table,) = part.tables
    assert [row[0] for row in table.rows] == list(chosen)
    for _, rate, peak, steps in table.rows:
        assert rate.value > 0
        assert peak.value > 100  # MB: torch alone takes that
        assert int(steps) >= 1
