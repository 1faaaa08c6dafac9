"""Backends around another one, where the same texts are scored again: evaluation, and policies side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from guardian.scoring.backend import Backend, Piece, Scores
from guardian.thresholds import Thresholds
from guardian.verdict import ModelRef


class WrappedBackend:
    """Another backend as it is; subclasses say what they do with its scores."""

    def __init__(self, inner: Backend) -> None:
        self._inner = inner

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
        return list(self._inner.score(pieces))


class RememberingBackend(WrappedBackend):
    """Scores each piece once, however often it is asked. Its memory grows with every piece: not for serving."""

    def __init__(self, inner: Backend) -> None:
        super().__init__(inner)
        self._known: dict[Piece, Scores] = {}

    def score(self, pieces: Sequence[Piece]) -> list[Scores]:
        new = list(dict.fromkeys(piece for piece in pieces if piece not in self._known))
        if new:
            self._known.update(zip(new, self._inner.score(new), strict=True))
        return [self._known[piece] for piece in pieces]
