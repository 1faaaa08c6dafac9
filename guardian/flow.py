"""The flow of a text to its verdict: views, windows, scores, maximum, decision, spans.

No thread, no clock but for the timings, and no model but for the function that scores: the sync and the async face of
the guard share all of it. Memory stays flat with the length of a text: windows are made and scored in bounded batches,
and only those that could matter in the end are kept.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import TypeVar

from guardian.decision import Decision, action_of_harm, decide, floors, subject
from guardian.errors import BackendError, GuardianError
from guardian.policy import Policy
from guardian.reply.templates import reply_for
from guardian.scoring.backend import SCORES, Backend, Piece, Scores
from guardian.spans import Part, merged, sentences, spans_of
from guardian.taxonomy import ATTACKS
from guardian.text.normalize import View, views
from guardian.text.windows import merge_spans
from guardian.verdict import Action, Coverage, Finding, Span, Stage, Verdict

BATCH = 64
"""Most pieces a backend is asked to score at once."""

_REMEMBERED = 8 * BATCH
_QUEUED = 16 * BATCH

# Read with a task in mind, these ask whether the text goes against the task; the neutral reading has no say in them.
_TASK_ONLY = frozenset((*ATTACKS, "refusal"))

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Job:
    """One text to be judged, and what it is read against."""

    text: str
    stage: Stage
    context: str | None = None

    def pieces(self, text: str) -> tuple[Piece, ...]:
        """How a passage is read: under its context, and for a document with a task under none as well."""
        own = Piece(text, self.stage, self.context)
        if self.context is None or self.stage is Stage.RESPONSE:
            return (own,)
        return own, Piece(text, self.stage)


@dataclass(slots=True)
class Tally:
    """What is known of one job so far."""

    job: Job
    floors: Mapping[str, float]
    scanned: int
    windows: int = 0
    scores: dict[str, float] = field(default_factory=lambda: dict.fromkeys(SCORES, 0.0))
    suspects: list[Part] = field(default_factory=list)
    """Windows that can trigger something: over the least threshold there is for any length of text."""
    custom: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    """By finding of a custom rule, where in the job's text it found something."""

    def add(self, part: Part) -> None:
        for name, score in part.scores.items():
            if score > self.scores[name]:
                self.scores[name] = score
        if any(part.scores[name] >= floor for name, floor in self.floors.items()):
            self.suspects.append(part)

    @property
    def complete(self) -> bool:
        return self.scanned == len(self.job.text)


def judge(
    jobs: Sequence[Job],
    policy: Policy,
    backend: Backend,
    proceed: Callable[[], None] = lambda: None,
) -> list[Verdict]:
    """Verdicts on all jobs, in order. Each is what the job would get alone; only the batches are shared.

    `proceed` is called before every batch and stops the work by raising.
    """
    began = perf_counter()
    scorer = Scorer(backend, proceed)
    floors_of = {stage: floors(policy, stage, backend.thresholds) for stage in {job.stage for job in jobs}}
    tallies = [Tally(job, floors_of[job.stage], scanned=_reach(job, policy)) for job in jobs]
    for (tally, part), scores in scorer.run(_windows(tallies, policy, backend, proceed)):
        tally.add(part.scored(scores))
    decisions = [_decision(tally, policy, backend) for tally in tallies]
    spans = _spans(tallies, decisions, scorer, policy)
    judged = [
        _without_allowed(tally, decision, found, policy, backend)
        for tally, decision, found in zip(tallies, decisions, spans, strict=True)
    ]
    timings = {"score": scorer.seconds * 1e3, "total": (perf_counter() - began) * 1e3}
    return [
        _verdict(tally, decision, found, policy, backend, timings)
        for tally, (decision, found) in zip(tallies, judged, strict=True)
    ]


def _decision(tally: Tally, policy: Policy, backend: Backend, excused: Collection[str] | None = None) -> Decision:
    actions = {rule.finding: rule.action for rule in policy.rules}
    return decide(
        policy,
        tally.job.stage,
        tally.scores,
        backend.thresholds,
        tally.windows,
        tally.complete,
        passages=[part.scores for part in tally.suspects],
        custom=[
            Finding(name=name, score=float(bool(ranges)), threshold=1.0, triggered=bool(ranges), action=actions[name])
            for name, ranges in tally.custom.items()
        ],
        excused=excused,
    )


def _without_allowed(
    tally: Tally, decision: Decision, spans: tuple[Span, ...], policy: Policy, backend: Backend
) -> tuple[Decision, tuple[Span, ...]]:
    """What is left of a decision and its spans without what is on the policy's allow-list."""
    text = tally.job.text
    entries = [entry for entry in policy.allow if entry.at(tally.job.stage)]
    triggered = {finding.name for finding in decision.findings if finding.triggered}
    if not entries or not triggered:
        return decision, spans
    if any(entry.covers(text, 0, len(text)) for entry in entries):
        return _decision(tally, policy, backend, excused=triggered), ()
    kept = tuple(s for s in spans if not any(entry.covers(text, s.start, s.end) for entry in entries))
    if len(kept) == len(spans):
        return decision, spans
    gone = {subject(span.hazard) for span in spans} - {subject(span.hazard) for span in kept}
    return _decision(tally, policy, backend, excused={name for name in triggered if subject(name) in gone}), kept


def _reach(job: Job, policy: Policy) -> int:
    return min(len(job.text), policy.max_chars or len(job.text))


def _windows(
    tallies: Iterable[Tally], policy: Policy, backend: Backend, proceed: Callable[[], None]
) -> Iterator[tuple[tuple[Tally, Part], tuple[Piece, ...]]]:
    """Every window of every view of every text, made as it is asked for. Counts those of the plain text.

    On the way custom rules read every view as a whole.
    """
    for tally in tallies:
        plain, *others = views(tally.job.text[: tally.scanned])
        _apply_rules(tally, (plain, *others), policy, proceed)
        for start, end in _windows_of(plain.text, tally.job.stage, backend):
            tally.windows += 1
            if not plain.text[start:end].isspace():
                yield _request(tally, Part(plain, start, end))
        for view in others:
            for start, end in _windows_of(view.text, tally.job.stage, backend):
                if _differs(view, start, end, tally.job.text):
                    yield _request(tally, Part(view, start, end))


def _windows_of(text: str, stage: Stage, backend: Backend) -> Iterator[tuple[int, int]]:
    with AsOutage(stage):
        yield from backend.windows(text)


class AsOutage:
    """Within it, whatever a backend raises is an outage. Its words stay in the cause: they may hold the text."""

    __slots__ = ("stage",)

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, GuardianError):
            raise BackendError(self.stage, f"the backend raised {type(error).__name__}") from error


def _apply_rules(tally: Tally, readings: Sequence[View], policy: Policy, proceed: Callable[[], None]) -> None:
    """Note where custom rules find something: in the caller's own string, and in what is behind its disguises."""
    stage, text = tally.job.stage, tally.job.text[: tally.scanned]
    for rule in policy.rules:
        if not rule.at(stage):
            continue
        proceed()
        plain = list(rule.ranges(text, stage))
        found = list(plain)
        for view in (view for view in readings if view.text != text):
            proceed()
            found += _disguised(text, plain, view, rule.ranges(view.text, stage))
        tally.custom[rule.finding] = merge_spans(found)


def _disguised(
    text: str, plain: Iterable[tuple[int, int]], view: View, ranges: Iterable[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Ranges of `text` that hold what was found in a view, but for those where all of it is plain to see as well.

    A view knows its place only by stretches, of whole words that look disguised: so what touches is counted together.
    """
    found = [(view.source_span(start, end), view.text[start:end]) for start, end in ranges]
    stretches = merge_spans(span for span, _ in found)
    starts = [start for start, _ in stretches]
    hidden = [Counter[str]() for _ in stretches]
    for (start, _), words in found:
        hidden[bisect_right(starts, start) - 1][words] += 1
    for start, end in plain:
        index = bisect_right(starts, start) - 1
        if index >= 0 and end <= stretches[index][1]:
            hidden[index][text[start:end]] -= 1
    return [stretch for stretch, left in zip(stretches, hidden, strict=True) if any(n > 0 for n in left.values())]


def _request(tally: Tally, part: Part) -> tuple[tuple[Tally, Part], tuple[Piece, ...]]:
    return (tally, part), tally.job.pieces(part.text)


def _differs(view: View, start: int, end: int, source: str) -> bool:
    """Whether a window of a further view says anything that the plain view does not: one encoded line in a long
    document should not cost a second reading of all the rest."""
    text = view.text[start:end]
    low, high = view.source_span(start, end)
    # What later deletion characters erase is not in the plain view: being equal to the source says nothing there.
    return not text.isspace() and (view.kind == "undeleted" or text != source[low:high])


class Scorer:
    """Scores texts in batches of bounded size, a text that comes again only once. For one call of the guard."""

    def __init__(self, backend: Backend, proceed: Callable[[], None]) -> None:
        self._backend = backend
        self._proceed = proceed
        self._known: dict[Piece, Scores] = {}
        self.seconds = 0.0

    def run(self, requests: Iterable[tuple[Key, tuple[Piece, ...]]]) -> Iterator[tuple[Key, Scores]]:
        """Scores of every request, in order, asking for no more requests than a batch holds."""
        queue: list[tuple[Key, tuple[Piece, ...]]] = []
        missing: dict[Piece, None] = {}
        for key, pieces in requests:
            queue.append((key, pieces))
            missing.update((piece, None) for piece in pieces if piece not in self._known)
            if len(missing) >= BATCH or len(queue) >= _QUEUED:
                yield from self._answer(queue, missing)
        yield from self._answer(queue, missing)

    def _answer(
        self, queue: list[tuple[Key, tuple[Piece, ...]]], missing: dict[Piece, None]
    ) -> Iterator[tuple[Key, Scores]]:
        pieces = list(missing)
        for start in range(0, len(pieces), BATCH):
            self._score(pieces[start : start + BATCH])
        for key, asked in queue:
            yield key, _joined([self._known[piece] for piece in asked])
        queue.clear()
        missing.clear()
        for piece in list(self._known)[: max(0, len(self._known) - _REMEMBERED)]:
            del self._known[piece]

    def _score(self, batch: list[Piece]) -> None:
        self._proceed()
        began = perf_counter()
        with AsOutage(batch[0].stage):
            scores = self._backend.score(batch)
        self.seconds += perf_counter() - began
        if len(scores) != len(batch):
            raise BackendError(batch[0].stage, f"{len(scores)} scores for {len(batch)} pieces")
        for piece, row in zip(batch, scores, strict=True):
            # NaN compares false with everything, and so would pass for safe.
            wrong = [name for name in SCORES if not 0.0 <= row.get(name, -1.0) <= 1.0]
            if wrong:
                raise BackendError(piece.stage, f"the score of {wrong[0]} is missing or no probability")
            self._known[piece] = row


def _joined(readings: Sequence[Scores]) -> Scores:
    """One set of scores from the reading under the task and, where there is one, the neutral reading."""
    own, *neutral = readings
    if not neutral:
        return own
    return {name: own[name] if name in _TASK_ONLY else max(own[name], neutral[0][name]) for name in SCORES}


def _spans(
    tallies: Sequence[Tally], decisions: Sequence[Decision], scorer: Scorer, policy: Policy
) -> list[tuple[Span, ...]]:
    """The offending spans of every text, narrowed down to sentences where the policy says so."""
    if not any(finding.triggered for decision in decisions for finding in decision.findings):
        return [()] * len(tallies)
    limits = [
        {f.name: f.threshold for f in decision.findings if f.triggered and f.name in tally.floors}
        for tally, decision in zip(tallies, decisions, strict=True)
    ]
    windows = [
        [part for part in tally.suspects if part.reaches(limit)] for tally, limit in zip(tallies, limits, strict=True)
    ]
    narrowed: list[list[Part]] = [[] for _ in tallies]
    if policy.refine_spans:
        requests = (
            ((index, part), tally.job.pieces(part.text))
            for index, tally in enumerate(tallies)
            for part in sentences(windows[index])
        )
        for (index, part), scores in scorer.run(requests):
            narrowed[index].append(part.scored(scores))
    of_model = [
        spans_of(
            limits[index],
            decision.findings,
            windows[index],
            narrowed[index],
            owed=partial(action_of_harm, policy, tallies[index].job.stage),
        )
        for index, decision in enumerate(decisions)
    ]
    return [merged((*spans, *_custom_spans(tally))) for tally, spans in zip(tallies, of_model, strict=True)]


def _custom_spans(tally: Tally) -> Iterator[Span]:
    for name, ranges in tally.custom.items():
        for start, end in ranges:
            yield Span(start=start, end=end, hazard=name, score=1.0)


def _verdict(
    tally: Tally,
    decision: Decision,
    spans: tuple[Span, ...],
    policy: Policy,
    backend: Backend,
    timings: Mapping[str, float],
) -> Verdict:
    action = Action.ALLOW if policy.shadow else decision.action
    verdict = Verdict(
        stage=tally.job.stage,
        action=action,
        flagged=action is not Action.ALLOW,
        severity=decision.severity,
        scores=tally.scores,
        findings=decision.findings,
        spans=spans,
        coverage=Coverage(
            chars=tally.scanned, total_chars=len(tally.job.text), windows=tally.windows, complete=tally.complete
        ),
        model=backend.ref,
        policy=policy.ref,
        timings=timings,
        shadow=policy.shadow,
        would=decision.action,
    )
    return verdict.model_copy(update={"reply": reply_for(verdict, policy.replies)}) if verdict.blocked else verdict
