"""From the windows that triggered to the spans a caller sees: sentences, in the caller's own offsets."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from guardian.scoring.backend import Scores
from guardian.taxonomy import HAZARDS
from guardian.text.normalize import View
from guardian.verdict import Action, Finding, Span

LONGEST_SENTENCE = 400
"""Characters; a longer stretch without an end is cut at a blank, or where there is none, anywhere."""

_SHORTEST_SENTENCE = 6
_END = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’)\]]*+\s++|[。！？]+\s*|(?<!\s)\s*\n\s*")


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A stretch of one view of a text, and its scores once it has some."""

    view: View
    start: int
    end: int
    scores: Scores = field(default_factory=dict)

    @property
    def text(self) -> str:
        return self.view.text[self.start : self.end]

    def scored(self, scores: Scores) -> Part:
        return Part(self.view, self.start, self.end, scores)

    def reaches(self, limits: Mapping[str, float]) -> bool:
        """Whether any of the scores is at its limit."""
        return any(self.scores[name] >= limit for name, limit in limits.items())


def sentences(windows: Iterable[Part]) -> Iterator[Part]:
    """The sentences of some windows of a text, each once though the windows overlap."""
    for view, (start, end) in _regions(windows):
        for low, high in split(view.text[start:end]):
            yield Part(view, start + low, start + high)


def _regions(windows: Iterable[Part]) -> Iterator[tuple[View, tuple[int, int]]]:
    """Runs of overlapping windows, which come view by view and in order, as one region each."""
    for _, group in groupby(windows, key=lambda part: id(part.view)):
        parts = list(group)
        start, end = parts[0].start, parts[0].end
        for part in parts[1:]:
            if part.start > end:
                yield part.view, (start, end)
                start = part.start
            end = max(end, part.end)
        yield parts[0].view, (start, end)


def split(text: str) -> Iterator[tuple[int, int]]:
    """Ranges of the sentences of a text, without the blanks around them."""
    start = 0
    for end in (*(match.end() for match in _END.finditer(text)), len(text)):
        if end - start < _SHORTEST_SENTENCE and end < len(text):
            continue  # "Mr.", "1."
        while end - start > LONGEST_SENTENCE:
            blank = text.rfind(" ", start, start + LONGEST_SENTENCE)
            cut = blank if blank > start else start + LONGEST_SENTENCE
            yield from _trimmed(text, start, cut)
            start = cut
        yield from _trimmed(text, start, end)
        start = end


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    inner = text[start:end]
    low = start + len(inner) - len(inner.lstrip())
    high = start + len(inner.rstrip())
    if low < high:
        yield low, high


def spans_of(
    limits: Mapping[str, float],
    findings: Sequence[Finding],
    windows: Sequence[Part],
    narrowed: Sequence[Part],
    *,
    owed: Callable[[Scores], Action],
) -> tuple[Span, ...]:
    """The spans of everything that triggered: `limits` holds the thresholds of the triggered heads.

    A window is replaced by those of its sentences that are at the threshold on their own; where none is, the harm lies
    in the whole, and the window stands. A harmful span is named after its likeliest hazard, but never after one whose
    rule is milder than what is `owed` to the passage: it would be left standing where it is to be cut out.
    """
    actions = {f.name: f.action for f in findings if f.triggered and f.name in HAZARDS}
    spans: list[Span] = []
    for name, limit in limits.items():
        guilty = [part for part in narrowed if part.scores[name] >= limit]
        whole = [part for part in windows if part.scores[name] >= limit]
        spans += [_span(part, name, actions, owed) for part in (*guilty, *_without(whole, guilty))]
    return merged(spans)


def _without(windows: Iterable[Part], guilty: Iterable[Part]) -> Iterator[Part]:
    """The windows that hold none of the guilty sentences, which are in order and apart within a view."""
    of_view: dict[int, list[Part]] = {}
    for part in guilty:
        of_view.setdefault(id(part.view), []).append(part)
    for window in windows:
        parts = of_view.get(id(window.view), [])
        index = bisect_right(parts, window.start, key=lambda part: part.end)
        if index == len(parts) or parts[index].start >= window.end:
            yield window


def _span(part: Part, name: str, actions: Mapping[str, Action], owed: Callable[[Scores], Action]) -> Span:
    start, end = next(_trimmed(part.view.text, part.start, part.end))
    source_start, source_end = part.view.source_span(start, end)
    hazard = name
    if name == "harm":
        due = owed(part.scores)
        grave = [known for known, action in actions.items() if action >= due]
        hazard = max(grave, key=part.scores.__getitem__, default=name)
    return Span(start=source_start, end=source_end, hazard=hazard, score=part.scores[name])


def merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Spans in order; those of one hazard that overlap become one, with the highest score."""
    result: list[Span] = []
    for span in sorted(spans, key=lambda s: (s.message or 0, s.hazard, s.start)):
        last = result[-1] if result else None
        if last and (last.message, last.hazard) == (span.message, span.hazard) and span.start < last.end:
            update = {"end": max(last.end, span.end), "score": max(last.score, span.score)}
            result[-1] = last.model_copy(update=update)
        else:
            result.append(span)
    return tuple(sorted(result, key=lambda s: (s.message or 0, s.start, s.end)))
