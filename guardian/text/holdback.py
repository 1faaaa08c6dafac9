"""What of a stream may leave: the only place that decides it.

The text of a stream is read in overlapping windows. A window is read once, and what it alone still covers leaves when
its verdict is in: whatever a later window could take back is held. So nothing that a verdict stops has been delivered,
and because windows are a function of the text, chunk sizes change neither what is delivered nor what is decided.

    text     |------------------------------------------------ ...
    windows  [ 1                ]
                      [ 2                ]
                               [ 3                ]
    leaves   |--- 1 --|--- 2 --|--- 3 --| ...          each after its own verdict
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from guardian.errors import ConfigError
from guardian.text.windows import merge_spans

HOLDBACK = 512
"""Characters of a window, and so the most that is held back."""

SMALLEST = 32

_SNAP = 16
"""A border moves back to a blank by at most this part of the window, so that windows seldom begin within a word."""


@dataclass(frozen=True, slots=True)
class Window:
    """The stretch [start, end) of a stream that is read together; when it is clear, all up to `commit` may leave."""

    start: int
    end: int
    commit: int
    text: str


class Holdback:
    """The text of one stream between its arrival and its delivery. Offsets count from the start of the stream.

    `size` is the length of a window in characters. Every run of at most `size // 2` characters lies whole inside some
    window, a character is held until at most `size` more have come, and all windows together have less than three
    times the length of the text; `return_to` reads more and holds longer. Feeding costs amortised linear time whatever
    the chunks. Raises ConfigError for a size below 32.

    Feed, ask for the windows that are due, release those that are clear, in order:

        holdback.feed(chunk)
        for window in holdback.due():
            send(holdback.release(window))
    """

    def __init__(self, size: int = HOLDBACK) -> None:
        if size < SMALLEST:
            raise ConfigError("holdback_chars", f"must be at least {SMALLEST}, not {size}")
        self.size = size
        self.received = 0
        self.sent = 0
        """Characters of the stream that have left, or were cut out."""
        self._parts: list[str] = []  # what has come, joined only where there is enough for a window
        self._text = ""
        self._base = 0  # offset of `_text` in the stream
        self._next = 0  # where the next window starts
        self._cuts: list[tuple[int, int]] = []

    def feed(self, text: str) -> None:
        """Take in what the stream brings next."""
        if text:
            self._parts.append(text)
            self.received += len(text)

    def due(self, *, final: bool = False) -> list[Window]:
        """The windows that can be read now, each once and in order; with `final` the stream has ended.

        A window is due when more than its length has come: were it all, it would be the last one.
        """
        windows: list[Window] = []
        if not final and self.received - self._next <= self.size:
            return windows
        self._join()
        while self.received - self._next > self.size:
            start = self._next
            end = self._border(start + self.size)
            self._next = self._border(end - self.size // 2)
            windows.append(Window(start, end, self._next, self._slice(start, end)))
        if final and self._next < self.received:
            start, self._next = self._next, self.received
            windows.append(Window(start, self.received, self.received, self._slice(start, self.received)))
        return windows

    def release(self, window: Window, cuts: Iterable[tuple[int, int]] = (), *, mark: str = "") -> str:
        """What may leave now that `window` is clear, with `cuts` (ranges of the stream) replaced by `mark`.

        A cut that reaches beyond what leaves is remembered: its rest goes as soon as it comes. Cuts that touch are one.
        """
        self._cuts = merge_spans([*self._cuts, *cuts])
        kept: list[str] = []
        position = self.sent
        for start, end in self._cuts:
            if start >= window.commit:
                break
            if start >= self.sent:  # one that started before has its mark
                kept += [self._slice(position, start), mark]
            position = max(position, min(end, window.commit))
        kept.append(self._slice(position, window.commit))
        self._cuts = [cut for cut in self._cuts if cut[1] >= window.commit]
        self.sent = window.commit
        self._forget()
        return "".join(kept)

    def return_to(self, at: int) -> None:
        """Let the next window start at `at`, which has not left yet: windows that were due beyond it are void."""
        self._next = at

    def _border(self, at: int) -> int:
        """`at`, or the end of the last blank shortly before it."""
        low = at - self.size // _SNAP
        for position in range(at, low, -1):
            if self._text[position - 1 - self._base].isspace():
                return position
        return at

    def _slice(self, start: int, end: int) -> str:
        return self._text[start - self._base : end - self._base]

    def _join(self) -> None:
        self._text = "".join((self._text, *self._parts))
        self._parts.clear()

    def _forget(self) -> None:
        """Drop what has left, once it is half of what is kept: each character is moved a bounded number of times."""
        if 2 * (self.sent - self._base) >= len(self._text):
            self._text = self._text[self.sent - self._base :]
            self._base = self.sent
