"""One verdict from several: over the messages of a conversation, over the windows of a stream."""

from __future__ import annotations

from collections.abc import Sequence

from guardian.reply.templates import reply_for
from guardian.verdict import Action, Coverage, Finding, Span, Verdict


def joined(
    verdicts: Sequence[Verdict], *, spans: tuple[Span, ...], coverage: Coverage, least: Action = Action.ALLOW
) -> Verdict:
    """The gravest of `verdicts` (at least one) with all scores at their maximum, all findings, and what is given.

    `least` is the mildest action the whole may have.
    """
    gravest = max(verdicts, key=lambda v: (v.would, v.severity, v.scores["harm"]))
    would = max(gravest.would, least)
    action = Action.ALLOW if gravest.shadow else would
    verdict = gravest.model_copy(
        update={
            "action": action,
            "would": would,
            "flagged": action is not Action.ALLOW,
            "severity": max(v.severity for v in verdicts),
            "scores": {name: max(v.scores[name] for v in verdicts) for name in gravest.scores},
            "findings": _findings(verdicts),
            "spans": spans,
            "coverage": coverage,
            "reply": None,
        }
    )
    return verdict.model_copy(update={"reply": reply_for(verdict)}) if verdict.blocked else verdict


def _findings(verdicts: Sequence[Verdict]) -> tuple[Finding, ...]:
    """Of every name the finding that triggered, or else that with the highest score."""
    found: dict[str, Finding] = {}
    for finding in (f for verdict in verdicts for f in verdict.findings):
        best = found.setdefault(finding.name, finding)
        if (finding.triggered, finding.action, finding.score) > (best.triggered, best.action, best.score):
            found[finding.name] = finding
    return tuple(found.values())
