"""Two models as one: the first scores everything, the second is asked where the first is unsure.

A piece is asked about when a score of the first lies in the band of its head. There, and only for that head, the score
is a blend of both (logistic regression over the two logits, the stacking of Wolpert 1992), held between two bounds so
that the cascade has no steps. With x the first's logit and l, h those of the band's edges:

    max(l, h - (h - x) / RAMP)  <=  logit of the score  <=  min(h, l + (x - l) / RAMP)

Both bounds rise with x and meet the first's own score at the edges, and no weight of a blend is negative: so the score
is continuous, and never falls as either model is surer. What the second says can move a score to the other end of the
band, not beyond. An edge at 0 or 1 has nothing beyond it and bounds nothing.

What the second is asked about it explains as well (`controversial`, `refusal`), and together with the first: the share
of each hazard in the harm is the mean of what both say.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from guardian.errors import BackendError, GuardianError, GuardUnavailable
from guardian.reply.writer import writer_of
from guardian.scoring.backend import SCORES, Backend, Piece, Scores, TokenHead, token_head
from guardian.scoring.plan import Band, Bands, CascadePlan
from guardian.taxonomy import HAZARDS
from guardian.thresholds import Thresholds
from guardian.verdict import ModelRef, Stage

Floats = NDArray[np.float64]

RAMP = 0.05
"""Share of a band, at either edge, in which the score passes from the first's own to the blend."""

_FAR = 16.0  # logits: a float32 probability is exactly 1 soon after


class CascadeBackend:
    """A `Backend` over two others. Windows are those of the first; a window that the second would cut is cut for it,
    with its own overlap, and the highest of each score counts.

    `second` is called at the first piece that is asked about, once. Whatever goes wrong with the second, at loading or
    later, is a BackendError, so that the policy's fail mode decides: the first's own score is never given in its place.
    Raises ModelError where `first` is not the model that the plan was fitted for; of the second the same is found out
    when it is loaded.
    """

    def __init__(self, first: Backend, second: Callable[[], Backend], plan: CascadePlan) -> None:
        plan.first.check(first.ref)
        self._first = first
        self._load = second
        self._second: Backend | None = None
        self._loading = threading.Lock()
        self._plan = plan
        self._ref = _ref(plan)

    @property
    def ref(self) -> ModelRef:
        """Both models by name; one hash over both and over the plan."""
        return self._ref

    @property
    def plan(self) -> CascadePlan:
        return self._plan

    @property
    def thresholds(self) -> Thresholds:
        return self._plan.thresholds

    @property
    def window_size(self) -> int:
        return self._first.window_size

    @property
    def window_stride(self) -> int:
        return self._first.window_stride

    def windows(self, text: str) -> Iterator[tuple[int, int]]:
        return self._first.windows(text)

    @property
    def decoder(self) -> TokenHead | None:
        """What reads streams token by token: the second's, None where it has none. Loads it."""
        return token_head(self._opened(Stage.RESPONSE))

    @property
    def writer(self) -> _Writer:
        """What writes safeguard replies: the second, which is loaded when it is to write."""
        return _Writer(self._opened)

    def score(self, pieces: Sequence[Piece]) -> list[Scores]:
        """Scores of every piece, in order."""
        out = list(self._first.score(pieces))
        asked = [n for n, own in enumerate(out) if self._plan.asks(pieces[n].stage, own)]
        for n, opinion in zip(asked, self._opinions([pieces[n] for n in asked]), strict=True):
            out[n] = joined(self._plan.bands_of(pieces[n].stage), out[n], opinion)
        return out

    def _opinions(self, pieces: Sequence[Piece]) -> list[Scores]:
        """The second's scores of every piece."""
        if not pieces:
            return []
        second, stage = self._opened(pieces[0].stage), pieces[0].stage
        try:
            return opinions(second, pieces)
        except Exception as error:  # a second of whatever kind, as the flow does with the first
            raise self._outage(stage, error) from error

    def _opened(self, stage: Stage) -> Backend:
        if self._second is None:
            with self._loading:
                if self._second is None:
                    try:
                        second = self._load()
                        self._plan.second.check(second.ref)
                    except Exception as error:  # files, runtimes and a user's own callable raise what they like
                        raise self._outage(stage, error) from error
                    self._second = second
        return self._second

    def _outage(self, stage: Stage, error: Exception) -> GuardUnavailable:
        if isinstance(error, GuardUnavailable) and not isinstance(error, BackendError):
            return error  # a timeout or an overload is what it says
        if isinstance(error, BackendError):
            reason = error.reason
        else:  # the words of a foreign error may hold the text; ours never do
            reason = str(error) if isinstance(error, GuardianError) else type(error).__name__
        return BackendError(stage, f"{self._plan.second.name} failed: {reason}")


class _Writer:
    """The second's writer; that it has none is found out like any other failure to write."""

    def __init__(self, opened: Callable[[Stage], Backend]) -> None:
        self._opened = opened

    def write(
        self, piece: Piece, *, subject: str | None, max_tokens: int, proceed: Callable[[], None]
    ) -> Iterator[str]:
        """See `guardian.reply.writer.ReplyWriter`."""
        writer = writer_of(self._opened(piece.stage))
        if writer is None:
            raise BackendError(piece.stage, "the second model of the cascade writes no replies")
        yield from writer.write(piece, subject=subject, max_tokens=max_tokens, proceed=proceed)


def opinions(second: Backend, pieces: Sequence[Piece]) -> list[Scores]:
    """Scores of every piece, the highest over its parts where it is longer than what `second` reads at once: its tokens
    are not those that the pieces were cut by. BackendError where it gives something else than scores."""
    parts = [_parts(second, piece) for piece in pieces]
    flat = [part for several in parts for part in several]
    found = second.score(flat)
    # Checked before maxima are taken: NaN compares false with everything, and so would get lost.
    if len(found) != len(flat) or not all(0.0 <= row.get(name, -1.0) <= 1.0 for row in found for name in SCORES):
        raise BackendError(pieces[0].stage, "it left scores out, or gave what is no probability")
    rows = iter(found)
    return [_highest([next(rows) for _ in several]) for several in parts]


def joined(bands: Bands, first: Scores, second: Scores) -> dict[str, float]:
    """The cascade's scores of a piece that both have scored. A hazard's is at most that of harm."""
    out = dict(first)
    for head, band in bands.items():
        if band.holds(first[head]):
            out[head] = float(blended(band, first[head], second[head]))
    out["controversial"], out["refusal"] = second["controversial"], second["refusal"]
    said = [scores for scores in (first, second) if scores["harm"] > 0]
    for hazard in HAZARDS:
        shares = [min(1.0, scores[hazard] / scores["harm"]) for scores in said]
        out[hazard] = out["harm"] * sum(shares) / max(1, len(shares))
    return out


def blended(band: Band, first: ArrayLike, second: ArrayLike) -> Floats:
    """Scores of one head from those of both models, all of one shape; outside the band the first's own."""
    own = np.asarray(first, np.float64)
    x, low, high = logit(own), float(logit(band.low)), float(logit(band.high))
    value = band.blend.first * x + band.blend.second * logit(second) + band.blend.bias
    if band.low > 0:
        value = np.clip(value, low, low + np.maximum(x - low, 0.0) / RAMP)
    if band.high < 1:
        value = np.clip(value, high - np.maximum(high - x, 0.0) / RAMP, high)
    # Rounding must not carry a score over an edge.
    score = np.clip(sigmoid(value), band.low, band.high)
    inside = (band.low <= own) & (own <= band.high)
    result: Floats = np.where(inside, score, own)
    return result


def logit(p: ArrayLike) -> Floats:
    """log(p / (1 - p)), held within what single precision can tell apart."""
    value = np.asarray(p, np.float64)
    with np.errstate(divide="ignore"):
        found: Floats = np.clip(np.log(value) - np.log1p(-value), -_FAR, _FAR)
    return found


def sigmoid(x: ArrayLike) -> Floats:
    """Logistic function without overflow, in double precision."""
    value: Floats = 0.5 * (1.0 + np.tanh(0.5 * np.asarray(x, np.float64)))
    return value


def _parts(second: Backend, piece: Piece) -> list[Piece]:
    ranges = list(second.windows(piece.text))
    return [Piece(piece.text[start:end], piece.stage, piece.context) for start, end in ranges] or [piece]


def _highest(rows: Sequence[Scores]) -> Scores:
    return rows[0] if len(rows) == 1 else {name: max(row[name] for row in rows) for name in SCORES}


def _ref(plan: CascadePlan) -> ModelRef:
    # What the bands are decides as much as the weights do; what is noted about them does not.
    rules = plan.model_dump_json(include={"first", "second", "bands", "thresholds"})
    return ModelRef(
        name=f"{plan.name}({plan.first.name}+{plan.second.name})",
        version=plan.version,
        hash=hashlib.sha256(rules.encode()).hexdigest(),
    )
