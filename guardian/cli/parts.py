"""Long texts in parts that overlap, and the verdicts on them joined to one, so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from guardian.policy import Policy
from guardian.verdict import Action, Coverage, Finding, Span, Verdict

SIZE = 1 << 19
"""Characters of a part. Half as many are more windows than the last bucket of thresholds begins with, so every part of
a long text is held against the same thresholds, and the joined verdict is that of the whole."""

OVERLAP = 1 << 13
"""Characters that a part shares with the one before: several windows, so that no passage is seen only in halves."""


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a text, `offset` characters and `lines` newlines into it; the last part had its first `shared`."""

    text: str
    offset: int = 0
    lines: int = 0
    shared: int = 0

    @property
    def fresh(self) -> int:
        """Characters that no part before has."""
        return len(self.text) - self.shared


def parts_of(blocks: Iterable[str], size: int = SIZE, overlap: int = OVERLAP) -> Iterator[Part]:
    """The text in `blocks` as parts of `size`, the last with half to one and a half of it. At least one part."""
    buffer, offset, lines, shared = "", 0, 0, 0
    for piece in _small(blocks, size):
        buffer += piece
        while len(buffer) > size + size // 2:
            yield Part(buffer[:size], offset, lines, shared)
            step = size - overlap
            lines += buffer.count("\n", 0, step)
            buffer, offset, shared = buffer[step:], offset + step, overlap
    yield Part(buffer, offset, lines, shared)


def _small(blocks: Iterable[str], size: int) -> Iterator[str]:
    for block in blocks:
        for start in range(0, len(block), size):
            yield block[start : start + size]


def joined(verdict: Verdict | None, part: Part, found: Verdict) -> Verdict:
    """`verdict` on what came before (None at the start) together with `found`, the verdict on `part`."""
    if verdict is None:
        return found
    moved = [span.model_copy(update=_moved(span, part.offset)) for span in found.spans]
    coverage = Coverage(
        chars=verdict.coverage.chars + max(0, found.coverage.chars - part.shared),
        total_chars=verdict.coverage.total_chars + part.fresh,
        windows=verdict.coverage.windows + found.coverage.windows,
        complete=verdict.coverage.complete and found.coverage.complete,
    )
    return verdict.model_copy(
        update={
            "action": max(verdict.action, found.action),
            "would": max(verdict.would, found.would),
            "flagged": verdict.flagged or found.flagged,
            "severity": max(verdict.severity, found.severity),
            "scores": _highest(verdict.scores, found.scores),
            "findings": _findings(verdict.findings, found.findings),
            "spans": _spans(verdict.spans, moved),
            "coverage": coverage,
            "reply": found.reply if found.action > verdict.action else verdict.reply,
            "timings": {k: verdict.timings.get(k, 0.0) + v for k, v in found.timings.items()},
        }
    )


def interrupted(verdict: Verdict, policy: Policy) -> Verdict:
    """The verdict on what was read before somebody stopped the reading."""
    would = max(verdict.would, policy.on_incomplete)
    action = Action.ALLOW if verdict.shadow else would
    coverage = verdict.coverage.model_copy(update={"complete": False})
    return verdict.model_copy(
        update={"coverage": coverage, "would": would, "action": action, "flagged": action is not Action.ALLOW}
    )


def _moved(span: Span, offset: int) -> dict[str, int]:
    return {"start": span.start + offset, "end": span.end + offset}


def _highest(left: Mapping[str, float], right: Mapping[str, float]) -> dict[str, float]:
    return {name: max(left.get(name, 0.0), right.get(name, 0.0)) for name in {**left, **right}}


def _findings(left: Sequence[Finding], right: Sequence[Finding]) -> tuple[Finding, ...]:
    """Of each name the finding that was triggered, or else has the higher score."""
    best = {finding.name: finding for finding in left}
    for finding in right:
        known = best.setdefault(finding.name, finding)
        if (finding.triggered, finding.score) > (known.triggered, known.score):
            best[finding.name] = finding
    return tuple(best.values())


def _spans(left: tuple[Span, ...], right: Iterable[Span]) -> tuple[Span, ...]:
    """Both, where one that two parts saw in their overlap stands once."""
    spans = list(left)
    for span in right:
        for index in range(len(spans) - 1, max(-1, len(spans) - 50), -1):
            known = spans[index]
            if known.hazard == span.hazard and known.start < span.end and span.start < known.end:
                update = {"start": min(known.start, span.start), "end": max(known.end, span.end)}
                spans[index] = known.model_copy(update={**update, "score": max(known.score, span.score)})
                break
        else:
            spans.append(span)
    return tuple(spans)
