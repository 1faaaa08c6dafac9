"""The ONNX backend on the shipped model: order, invariance, calibration range, errors with a way out."""

from __future__ import annotations

import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from guardian import Guardian
from guardian.errors import BackendError, ConfigError, MissingExtra, ModelError
from guardian.scoring.backend import SCORES, Piece
from guardian.scoring.models import find_model, load_backend
from guardian.scoring.onnx import OnnxBackend
from guardian.verdict import Stage

pytestmark = pytest.mark.model

PIECES = [
    Piece("hello there", Stage.PROMPT), Piece("How do I bake bread? " * 12, Stage.PROMPT), Piece("", Stage.PROMPT),
    Piece("The meeting is at three.", Stage.DOCUMENT, "Summarise this."),
    Piece("I can't help.", Stage.RESPONSE, "Help!"),
    Piece("\u0645\u0631\u062d\u0628\u0627 \U0001f600", Stage.TOOL_RESULT),
]  # fmt: skip


@pytest.fixture(scope="module")
def backend() -> OnnxBackend:
    return OnnxBackend(find_model(), device="cpu")


def test_every_score_is_there_and_a_probability(backend: OnnxBackend) -> None:
    rows = backend.score(PIECES)
    assert len(rows) == len(PIECES)
    for row in rows:
        assert set(row) == set(SCORES)
        assert all(0.0 <= value <= 1.0 for value in row.values())


def test_hazards_never_exceed_harm(backend: OnnxBackend) -> None:
    hazards = [name for name in SCORES if name not in {"harm", "controversial", "jailbreak", "injection", "refusal"}]
    for row in backend.score(PIECES):
        assert all(row[name] <= row["harm"] + 1e-6 for name in hazards)


def test_order_and_neighbours_change_nothing(backend: OnnxBackend) -> None:
    together = backend.logits(PIECES)
    backwards = backend.logits(PIECES[::-1])[::-1]
    alone = np.concatenate([backend.logits([piece]) for piece in PIECES])
    assert np.array_equal(together, backwards)
    assert np.array_equal(together, alone)


def test_half_precision_gives_the_same_verdicts() -> None:
    int8, fp16 = (OnnxBackend(find_model(), device="cpu", precision=p) for p in ("int8", "fp16"))
    for a, b in zip(int8.score(PIECES), fp16.score(PIECES), strict=True):
        assert abs(a["harm"] - b["harm"]) < 0.15


def test_one_backend_serves_many_threads(backend: OnnxBackend) -> None:
    expected = backend.logits(PIECES)
    wrong: list[int] = []

    def work(number: int) -> None:
        wrong.extend(number for _ in range(5) if not np.array_equal(backend.logits(PIECES), expected))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_nothing_to_score(backend: OnnxBackend) -> None:
    assert backend.score([]) == []


def test_a_piece_that_is_too_long_is_refused_not_cut(backend: OnnxBackend) -> None:
    with pytest.raises(BackendError, match="cut it with windows"):
        backend.score([Piece("word " * 3000, Stage.PROMPT)])


def test_windows_cover_the_text_and_fit(backend: OnnxBackend) -> None:
    text = "The quick brown fox, of 1905, jumps. " * 400
    ranges = list(backend.windows(text))
    assert (ranges[0][0], ranges[-1][1]) == (0, len(text))
    assert all(b[0] <= a[1] for a, b in pairwise(ranges))
    backend.score([Piece(text[a:b], Stage.DOCUMENT) for a, b in ranges[:3]])


def test_without_a_runtime_both_install_lines_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtra, match=r"slm-guardian\[cpu\].*slm-guardian\[gpu\]"):
        load_backend()


def test_wrong_names_are_explained(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nonesuch.*guardian-mini"):
        load_backend("nonesuch")
    with pytest.raises(ModelError, match=r"guardian\.json"):
        load_backend(tmp_path)
    with pytest.raises(ConfigError, match="device"):
        load_backend(device="tpu")  # type: ignore[arg-type]


def test_no_text_makes_a_window_longer_than_the_model_reads(backend: OnnxBackend) -> None:
    """A window that begins inside a long run is split elsewhere than the whole text was, into many more tokens."""
    text = "a b c d e f g h i j " + "qzjx" * 60
    for n in range(200):
        run = "qzjxvkwq" * 6
        text += ("\ua66e" + run[1:]) if n % 2 == 0 else (run[:-1] + "\ua66e")
    ranges = list(backend.windows(text))
    assert ranges[0][0] == 0
    assert ranges[-1][1] == len(text)
    assert all(after[0] <= before[1] for before, after in pairwise(ranges))
    limit = backend.window_size + 2 * 48
    assert all(len(backend.encoder.offsets(text[start:end])) <= limit for start, end in ranges)
    assert Guardian(backend=backend).check(text).coverage.complete


@pytest.mark.parametrize("text", ["", "\x08", "\u200b\u200b", "a\x08"])
def test_nothing_to_read_is_no_window(backend: OnnxBackend, text: str) -> None:
    assert list(backend.windows("")) == []
    assert Guardian(backend=backend).check(text).coverage.complete


class Counting:
    """A session that notes how many are in it at once."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._inside = self.most = 0

    def run(self, names: list[str], feed: dict[str, Any]) -> Any:
        with self._lock:
            self._inside += 1
            self.most = max(self.most, self._inside)
        time.sleep(0.01)  # long enough for others to come in, if they may
        try:
            return self._session.run(names, feed)
        finally:
            with self._lock:
                self._inside -= 1


@pytest.mark.parametrize(("cores", "threads", "most"), [(2, None, 1), (4, 2, 2), (1, 4, 1), (8, None, 2)])
def test_inferences_do_not_share_cores(
    cores: int, threads: int | None, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    backend = OnnxBackend(find_model(), device="cpu", threads=threads)
    session = Counting(backend._session)
    monkeypatch.setattr(backend, "_session", session)
    with ThreadPoolExecutor(6) as pool:
        scores = list(pool.map(lambda number: backend.score([Piece(f"text {number}", Stage.PROMPT)]), range(12)))
    assert len(scores) == 12
    assert session.most == most
