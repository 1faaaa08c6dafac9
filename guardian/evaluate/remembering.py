"""A backend that scores each piece once, however often an evaluation asks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from guardian.scoring.backend import Backend, Piece, Scores
from guardian.thresholds import Thresholds
from guardian.verdict import ModelRef


class RememberingBackend:
    """Another backend and what it said. Its memory grows with every piece: for one evaluation, not for serving."""

    def __init__(self, inner: Backend) -> None:
        self._inner = inner
        self._known: dict[Piece, Scores] = {}

    @property
    def ref(self) -> ModelRef:
        return self._inner.ref

    @property
    def thresholds(self) -> Thresholds:
        return self._inner.thresholds

    @property
    def window_size(self) -> int:
        return self._inner.window_size

    @property
    def window_stride(self) -> int:
        return self._inner.window_stride

    def windows(self, text: str) -> Iterator[tuple[int, int]]:
        return self._inner.windows(text)

    def score(self, pieces: Sequence[Piece]) -> list[Scores]:
        new = list(dict.fromkeys(piece for piece in pieces if piece not in self._known))
        if new:
            self._known.update(zip(new, self._inner.score(new), strict=True))
        return [self._known[piece] for piece in pieces]
