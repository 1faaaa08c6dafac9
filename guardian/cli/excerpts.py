"""Cutting the offending spans out of a text with a little of what surrounds them, to be shown to people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from guardian.verdict import Span

CONTEXT = 70
LONGEST = 360
MOST = 3


@dataclass(frozen=True, slots=True)
class Excerpt:
    """One span: where it is, and its text between a little context. Raw, untrusted text: make it printable first."""

    span: Span
    line: int
    before: str
    text: str
    after: str


def excerpts(text: str, spans: Sequence[Span], *, offset: int = 0, lines: int = 0) -> tuple[Excerpt, ...]:
    """The highest-scoring spans, in the order of the text.

    `text` stands at `offset` in what the spans count in, after `lines` newlines.
    """
    inside = [span for span in spans if offset <= span.start and span.end <= offset + len(text)]
    best = sorted(sorted(inside, key=lambda span: -span.score)[:MOST], key=lambda span: span.start)
    return tuple(_excerpt(text, span, span.start - offset, span.end - offset, lines) for span in best)


def _excerpt(text: str, span: Span, start: int, end: int, lines: int) -> Excerpt:
    passage = text[start:end]
    if len(passage) > LONGEST:
        passage = f"{passage[: LONGEST - 100]} [\u2026] {passage[-90:]}"
    before = text[max(0, start - CONTEXT) : start]
    after = text[end : end + CONTEXT]
    return Excerpt(
        span=span,
        line=lines + text.count("\n", 0, start) + 1,
        before=("\u2026" if start > CONTEXT else "") + before,
        text=passage,
        after=after + ("\u2026" if end + CONTEXT < len(text) else ""),
    )
