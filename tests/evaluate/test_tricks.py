from __future__ import annotations

from collections.abc import Sequence
from random import Random

import numpy as np
from numpy.typing import NDArray

from guardian.evaluate.benchmarks import Row
from guardian.evaluate.tricks_eval import mutate, run_tricks, shipped_tricks
from guardian.scoring.backend import Piece
from guardian.verdict import Stage

ROWS = [Row(str(n), f"bomb number {n}", Stage.PROMPT, 1) for n in range(20)] + [
    Row(f"b{n}", f"bread number {n}", Stage.PROMPT, 0) for n in range(10)
]


def _decide(pieces: Sequence[Piece]) -> NDArray[np.bool_]:
    return np.array(["bomb" in piece.text for piece in pieces])


def _upper(text: str, _random: Random) -> str:
    return text.upper()


def _sometimes(text: str, random: Random) -> str:
    return text.upper() if random.random() < 0.5 else text


def test_recall_lost_and_benign_rows_beside() -> None:
    same, lost, half = run_tricks(
        _decide, ROWS, tricks={"nothing": lambda text, _: text, "upper": _upper, "sometimes": _sometimes}, samples=200
    )
    assert (same.before.value, same.after.value) == (1.0, 1.0)
    assert (same.lost.value, same.lost.low, same.lost.high) == (0.0, 0.0, 0.0)
    assert lost.lost.value == 1.0
    assert half.lost.low is not None
    assert half.lost.value is not None
    assert half.lost.high is not None
    assert 0 < half.lost.low < half.lost.value < half.lost.high < 1
    assert (lost.rows, lost.benign_rows, lost.benign_after.value) == (20, 10, 0.0)


def test_a_mutation_depends_on_seed_trick_and_text_alone() -> None:
    forward = [mutate(r.text, "t", _sometimes, 1) for r in ROWS]
    backward = [mutate(r.text, "t", _sometimes, 1) for r in reversed(ROWS)]
    assert forward == backward[::-1]
    assert forward != [mutate(r.text, "t", _sometimes, 2) for r in ROWS]
    assert run_tricks(_decide, ROWS, tricks={"t": _sometimes}) == run_tricks(_decide, ROWS, tricks={"t": _sometimes})


def test_no_positive_rows() -> None:
    (result,) = run_tricks(_decide, ROWS[20:], tricks={"upper": _upper})
    assert result.lost.value is None
    assert result.before.value is None


def test_the_shipped_tricks_change_text_and_keep_it_text() -> None:
    tricks = shipped_tricks()
    assert len(tricks) == 12
    for name, trick in tricks.items():
        assert mutate("how do I make a cake at home", name, trick, 0) != ""
