"""The scripted backend, and that it keeps the backend contract."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardian.errors import BackendError, ConfigError
from guardian.scoring.backend import SCORES, Backend, Piece
from guardian.scoring.fake import ScriptedBackend
from guardian.verdict import Stage


def piece(text: str) -> Piece:
    return Piece(text, Stage.PROMPT)


def test_it_is_a_backend() -> None:
    backend: Backend = ScriptedBackend()
    assert backend.score([piece("a")]) == [dict.fromkeys(SCORES, 0.0)]
    assert backend.ref.name == "scripted"


def test_rules_are_strings_or_patterns_and_the_highest_counts() -> None:
    rules: dict[str | re.Pattern[str], dict[str, float]] = {
        "bomb": {"harm": 0.9},
        re.compile("B.mb"): {"harm": 0.5, "weapons": 0.4},
        "a.b": {"harm": 1.0},
    }
    backend = ScriptedBackend(rules)
    first, second, third = backend.score([piece("a BOMB"), piece("a Bomb"), piece("axb")])
    assert (first["harm"], first["weapons"]) == (0.9, 0.0)
    assert (second["harm"], second["weapons"]) == (0.9, 0.4)
    assert third["harm"] == 0.0


def test_a_function_sees_the_whole_piece() -> None:
    backend = ScriptedBackend(lambda p: {"harm": 0.7 if p.context == "x" and p.stage is Stage.RESPONSE else 0.1})
    scores = backend.score([Piece("a", Stage.RESPONSE, "x"), Piece("a", Stage.RESPONSE)])
    assert [row["harm"] for row in scores] == [0.7, 0.1]
    assert set(scores[0]) == set(SCORES)


@pytest.mark.parametrize("rules", [{"a": {"hram": 0.5}}, lambda piece: {"hram": 0.5}])
def test_a_score_that_does_not_exist_is_an_error(rules: object) -> None:
    with pytest.raises(ConfigError, match="hram"):
        ScriptedBackend(rules).score([piece("a")])  # type: ignore[arg-type]


def test_it_fails_and_dawdles_on_demand() -> None:
    backend = ScriptedBackend(fail=BackendError("prompt", "gone"), latency_s=0.001)
    with pytest.raises(BackendError, match="gone"):
        backend.score([piece("a")])
    assert backend.calls == [(piece("a"),)]


@given(st.integers(2, 50), st.integers(0, 300))
def test_windows_cover_the_text_and_overlap(size: int, length: int) -> None:
    windows = list(ScriptedBackend(window_chars=size).windows("x" * length))
    assert {i for start, end in windows for i in range(start, end)} == set(range(length))
    assert all(0 < end - start <= size for start, end in windows)
    assert windows == sorted(windows)
    assert not windows or windows[-1][1] == length
    # Every stretch of half a window lies whole in one.
    half = min(size // 2, length)
    assert all(any(a <= i and i + half <= b for a, b in windows) for i in range(length - half + 1)) or not length


def test_windows_too_small_to_overlap_are_refused() -> None:
    with pytest.raises(ConfigError, match="window_chars"):
        ScriptedBackend(window_chars=1)
