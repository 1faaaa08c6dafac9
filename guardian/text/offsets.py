"""Edited text that remembers where each of its characters came from.

A clean-up is written as a list of :class:`Edit` values over a text. :func:`rewrite` applies them and returns the new
text with an :class:`OffsetMap`; maps of successive clean-ups compose. A map holds one row per unbroken stretch, not
one per character, so text that is mostly unchanged costs next to nothing.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Final, NamedTuple

FORWARD: Final = 1
MIRRORED: Final = -1
WHOLE: Final = 0


class Edit(NamedTuple):
    """Replace `text[start:end]` by `replacement`.

    `step` tells how the replacement's characters map back: `FORWARD` one to one, `MIRRORED` one to one from the end,
    `WHOLE` each to the entire replaced range. The first two need a replacement as long as the range.
    """

    start: int
    end: int
    replacement: str
    step: int = WHOLE


@dataclass(frozen=True, slots=True, eq=False)
class OffsetMap:
    """Maps character ranges of a rewritten text to ranges of its source.

    Row i covers the target characters from `targets[i]` up to `targets[i + 1]` (the last row: up to `length`) and
    the source characters from `sources[i]`, `widths[i]` of them. All counts are code points.
    """

    targets: array[int]
    sources: array[int]
    widths: array[int]
    steps: array[int]
    length: int
    monotone: bool
    """Whether later target characters never map before earlier ones."""

    def row_end(self, row: int) -> int:
        """The target offset where `row` ends."""
        return self.targets[row + 1] if row + 1 < len(self.targets) else self.length

    def row_span(self, row: int, start: int, end: int) -> tuple[int, int]:
        """The source range of the part of the target range that lies in `row`."""
        low = max(start, self.targets[row]) - self.targets[row]
        high = min(end, self.row_end(row)) - self.targets[row]
        source, width, step = self.sources[row], self.widths[row], self.steps[row]
        if step == FORWARD:
            return source + low, source + high
        if step == MIRRORED:
            return source + width - high, source + width - low
        return source, source + width

    def rows(self, start: int, end: int) -> range:
        """The rows that the target range touches; the range is not empty and within bounds."""
        first = bisect_right(self.targets, start) - 1
        last = bisect_right(self.targets, end - 1) - 1
        return range(first, last + 1)

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The smallest source range that covers the target range, which is not empty and within bounds."""
        rows = self.rows(start, end)
        if self.monotone:
            return self.row_span(rows[0], start, end)[0], self.row_span(rows[-1], start, end)[1]
        spans = [self.row_span(row, start, end) for row in rows]
        return min(low for low, _ in spans), max(high for _, high in spans)

    def through(self, inner: OffsetMap) -> OffsetMap:
        """The map of `inner`'s targets to this map's sources, where this map made the text that `inner` rewrote."""
        rows = _Rows()
        for row, step in enumerate(inner.steps):
            target, start = inner.targets[row], inner.sources[row]
            end = start + inner.widths[row]
            if step == WHOLE:
                low, high = self.span(start, end)
                rows.add(inner.row_end(row) - target, low, high - low, WHOLE)
                continue
            touched = self.rows(start, end)
            for piece in touched if step == FORWARD else reversed(touched):
                length = min(end, self.row_end(piece)) - max(start, self.targets[piece])
                low, high = self.row_span(piece, start, end)
                rows.add(length, low, high - low, step * self.steps[piece])
        return rows.done()


class _Rows:
    """Collects the rows of a map, joining a row to the one before where they continue each other."""

    def __init__(self) -> None:
        self.targets = array("Q")
        self.sources = array("Q")
        self.widths = array("Q")
        self.steps = array("b")
        self.length = 0
        self.monotone = True

    def add(self, length: int, source: int, width: int, step: int) -> None:
        if not length:
            return
        if length == width == 1:
            step = FORWARD
        if not self._joins(source, step):
            if self.sources and source < self.sources[-1] + self.widths[-1]:
                # Two rows of one block share their source; that is still in order.
                same = (source, width) == (self.sources[-1], self.widths[-1])
                self.monotone = self.monotone and same
            self.monotone = self.monotone and step != MIRRORED
            self.targets.append(self.length)
            self.sources.append(source)
            self.widths.append(width)
            self.steps.append(step)
        else:
            self.widths[-1] += width
        self.length += length

    def _joins(self, source: int, step: int) -> bool:
        if not self.steps or step != FORWARD or self.steps[-1] != FORWARD:
            return False
        return source == self.sources[-1] + self.widths[-1]

    def done(self) -> OffsetMap:
        return OffsetMap(self.targets, self.sources, self.widths, self.steps, self.length, self.monotone)


@dataclass(frozen=True, slots=True, eq=False)
class Mapped:
    """A text and its map to the source it was made from; no map means that the two are the same string."""

    text: str
    offsets: OffsetMap | None = None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The smallest source range that covers `text[start:end]`, which is not empty and within bounds."""
        return (start, end) if self.offsets is None else self.offsets.span(start, end)

    def then(self, edits: Iterable[Edit]) -> Mapped:
        """This text after `edits`, mapped to the same source; itself if there are none."""
        if edits == []:
            return self
        return self.followed_by(rewrite(self.text, edits))

    def followed_by(self, inner: Mapped) -> Mapped:
        """`inner`, which was made from this text, mapped to this text's source."""
        if inner.offsets is None:
            return self
        if self.offsets is None:
            return inner
        return Mapped(inner.text, self.offsets.through(inner.offsets))


def rewrite(text: str, edits: Iterable[Edit]) -> Mapped:
    """Applies `edits`, which are in order and do not overlap, to `text`, in linear time."""
    pending = iter(edits)
    first = next(pending, None)
    if first is None:
        return Mapped(text)
    rows = _Rows()
    parts: list[str] = []
    done = 0
    for start, end, replacement, step in chain((first,), pending):
        parts += text[done:start], replacement
        rows.add(start - done, done, start - done, FORWARD)
        rows.add(len(replacement), start, end - start, step)
        done = end
    parts.append(text[done:])
    rows.add(len(text) - done, done, len(text) - done, FORWARD)
    return Mapped("".join(parts), rows.done())
