"""One verdict from several: over the messages of a conversation, over the windows of a stream."""

from __future__ import annotations

from collections.abc import Sequence

from guardian.policy import Replies
from guardian.reply.templates import subject_of, template
from guardian.spans import merged
from guardian.taxonomy import Severity
from guardian.verdict import Action, Coverage, Finding, Span, Verdict


def joined(
    verdicts: Sequence[Verdict],
    *,
    spans: tuple[Span, ...],
    coverage: Coverage,
    replies: Replies,
    least: Action = Action.ALLOW,
) -> Verdict:
    """The gravest of `verdicts` (at least one) with all scores at their maximum, all findings, and what is given.

    `least` is the mildest action the whole may have. The reply is that of the gravest, unless the whole is about
    something else.
    """
    gravest = max(verdicts, key=gravity)
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
    if not verdict.blocked:
        return verdict
    subject = subject_of(verdict)
    said = gravest.reply if subject == subject_of(gravest) else None
    return verdict.model_copy(update={"reply": said or template(subject, replies)})


class Running:
    """The verdict on a stream so far, joined from those on its parts as they come."""

    def __init__(self, replies: Replies) -> None:
        self._replies = replies
        self._joined: Verdict | None = None
        self._spans: list[Span] = []
        self._unread = False

    @property
    def verdict(self) -> Verdict | None:
        """None before the first part."""
        if self._joined is None:
            return None
        return self._joined.model_copy(update={"spans": merged(self._spans)})

    def note(
        self, verdict: Verdict, *, start: int, received: int, last: bool, stopped: bool, since: int | None = None
    ) -> None:
        """Take in the verdict on a part that begins at `start`; with the `last` all of the stream was read.

        Where it has `stopped` the stream, the action is block at least. `since`: where the one passage begins that it
        was stopped for.
        """
        end = start + verdict.coverage.chars
        if since is not None:
            self._spans.append(Span(start=since, end=end, hazard=_named(verdict), score=verdict.scores["harm"]))
        else:
            self._spans += [
                s.model_copy(update={"start": s.start + start, "end": s.end + start}) for s in verdict.spans
            ]
        self._unread = self._unread or not verdict.coverage.complete
        before = [] if self._joined is None else [self._joined]
        coverage = Coverage(
            chars=before[0].coverage.chars if self._unread and before else end,
            total_chars=received,
            windows=sum(v.coverage.windows for v in (*before, verdict)),
            complete=last and not self._unread,
        )
        least = Action.BLOCK if stopped and not verdict.blocked else Action.ALLOW
        self._joined = joined([*before, verdict], spans=(), coverage=coverage, replies=self._replies, least=least)

    def pass_unread(self) -> None:
        """Part of the stream was let pass without having been read."""
        self._unread = True


def _named(verdict: Verdict) -> str:
    """What a passage is named after: the likeliest finding that triggered."""
    return next(iter(verdict.triggered), "harm")


def gravity(verdict: Verdict) -> tuple[Action, Severity, float]:
    """What the gravest of several verdicts has most of."""
    return verdict.would, verdict.severity, verdict.scores["harm"]


def _findings(verdicts: Sequence[Verdict]) -> tuple[Finding, ...]:
    """Of every name the finding that triggered, or else that with the highest score."""
    found: dict[str, Finding] = {}
    for finding in (f for verdict in verdicts for f in verdict.findings):
        best = found.setdefault(finding.name, finding)
        if (finding.triggered, finding.action, finding.score) > (best.triggered, best.action, best.score):
            found[finding.name] = finding
    return tuple(found.values())
