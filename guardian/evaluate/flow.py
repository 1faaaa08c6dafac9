"""The shipped flow on long documents, with the scoring narrowed to the windows that touch an insertion.

A 20,000-word document is some 120 windows; a depth curve needs hundreds of such documents. What the curve
asks is whether the insertion is seen, so only windows that hold a part of it need the model: the others are
given zeros. Everything else (views, window boundaries, aggregation, the threshold for the document's length)
is the flow as users run it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from guardian.evaluate.depth import HeadScore
from guardian.guard import Guardian
from guardian.policy import Policy
from guardian.scoring.backend import SCORES, Backend, Piece, Scores
from guardian.scoring.wrapped import WrappedBackend
from guardian.text.normalize import views
from guardian.verdict import Stage

_SHINGLE = 24  # letters and digits in a row by which a window is known to hold a part of the needle
_ZERO: Scores = dict.fromkeys(SCORES, 0.0)


class FocusBackend(WrappedBackend):
    """A backend that asks another one only about pieces that share a stretch of text with `needle` (None:
    about all).
    """

    def __init__(self, inner: Backend) -> None:
        super().__init__(inner)
        self._shingles: frozenset[str] | None = None

    def focus(self, needle: str | None) -> None:
        """From now on only windows that hold a part of `needle` are scored."""
        # Under every reading: a trick that hides the needle from us but not from the model must not hide a hit.
        self._shingles = None if needle is None else frozenset[str]().union(*map(_shingles, _readings(needle)))

    def score(self, pieces: Sequence[Piece]) -> list[Scores]:
        wanted = [n for n, piece in enumerate(pieces) if self._touches(piece.text)]
        found = self._inner.score([pieces[n] for n in wanted]) if wanted else []
        out: list[Scores] = [_ZERO] * len(pieces)
        for n, scores in zip(wanted, found, strict=True):
            out[n] = scores
        return out

    def _touches(self, text: str) -> bool:
        if self._shingles is None:
            return True
        plain = _plain(text)
        return any(shingle in plain for shingle in self._shingles)


def _readings(needle: str) -> list[str]:
    return [needle, *(view.text for view in views(needle))]


def _plain(text: str) -> str:
    """Letters and digits in lower case: what survives normalisation and re-wrapping alike."""
    return "".join(character for character in text.lower() if character.isalnum())


def _shingles(needle: str) -> frozenset[str]:
    """Stretches at every half shingle, so that a window with 36 or more characters of the needle is sure to
    hold one.
    """
    plain = _plain(needle)
    last = max(0, len(plain) - _SHINGLE)
    return frozenset(plain[at : at + _SHINGLE] for at in [*range(0, last, _SHINGLE // 2), last])


def document_scorer(backend: Backend, fpr: float = 0.01) -> Callable[[str, str | None], Mapping[str, HeadScore]]:
    """What `depth.run_depth` tests: the flow at a document false-positive budget of `fpr`, spans not
    refined.
    """
    focused = FocusBackend(backend)
    guardian = Guardian(backend=focused, policy=Policy(name="evaluation", fpr=fpr, refine_spans=False))

    def score(text: str, needle: str | None) -> Mapping[str, HeadScore]:
        focused.focus(needle)
        verdict = guardian.check_many([text], stage=Stage.DOCUMENT)[0]
        return {finding.name: HeadScore(finding.score, finding.threshold) for finding in verdict.findings}

    return score
