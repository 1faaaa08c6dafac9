"""The one interface between the guard and whatever gives the scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from guardian.taxonomy import ATTACKS, HAZARDS
from guardian.thresholds import Thresholds
from guardian.verdict import ModelRef, Stage

SCORES: tuple[str, ...] = ("harm", "controversial", *ATTACKS, "refusal", *HAZARDS)
"""Every score there is. `harm` at the response stage is the harm of the answer."""

Device = Literal["auto", "cpu", "cuda"]
"""Where a model runs; `auto` takes a GPU where there is one."""

Scores = Mapping[str, float]
"""A calibrated probability under each name of `SCORES`. A hazard's is at most that of `harm`."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A text short enough to be read in one pass.

    `context` is what the text is read against: the task a document is used for, the prompt a response answers.
    """

    text: str
    stage: Stage
    context: str | None = None


class Backend(Protocol):
    """What gives the scores. One backend is shared by all threads, so `score` and `windows` must be thread safe."""

    @property
    def ref(self) -> ModelRef:
        """Which model this is."""
        ...

    @property
    def thresholds(self) -> Thresholds:
        """The thresholds its scores were calibrated for."""
        ...

    @property
    def window_size(self) -> int:
        """Longest text of a window, in the backend's own unit (tokens for a model)."""
        ...

    @property
    def window_stride(self) -> int:
        """Distance between the starts of two windows, in the same unit."""
        ...

    def windows(self, text: str) -> Iterator[tuple[int, int]]:
        """Character ranges (start, end) of overlapping windows that together cover `text`, lazily and in order."""
        ...

    def score(self, pieces: Sequence[Piece]) -> Sequence[Scores]:
        """Scores of every piece, in order, whatever else is in the sequence. Raises BackendError where it cannot."""
        ...


class Watched(NamedTuple):
    """One token of an answer: its characters [start, end), and the probability that the answer up to it is unsafe."""

    start: int
    end: int
    probability: float


class Watching(Protocol):
    """One answer that is watched as it comes. What comes out is a function of the text, not of its chunks."""

    def feed(self, text: str) -> Sequence[Watched]:
        """Take in what comes next; returns the tokens that were read now, in order."""
        ...

    def finish(self) -> Sequence[Watched]:
        """The answer has ended; returns the rest of its tokens."""
        ...


class TokenHead(Protocol):
    """What reads streams token by token: a backend that can has one under `decoder`. Thread safe."""

    @property
    def token_thresholds(self) -> Mapping[float, float]:
        """Thresholds on the lesser probability of two tokens in a row, by the share of safe answers they stop."""
        ...

    def watch(self, prompt: str) -> Watching:
        """A watcher over one answer to `prompt`."""
        ...


def token_head(backend: Backend) -> TokenHead | None:
    """The backend's own token head, None where it has none. May load a model."""
    return getattr(backend, "decoder", None)
