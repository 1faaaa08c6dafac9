"""Safeguard replies: decided by score, written by the model, by template where that may not be said (SLM as Guardian,
arXiv 2405.19795, section 3).

What the model wrote is held against the request (`guardian.reply.acceptance`) and scored by the model as an answer to
it. In doubt a template is said.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from time import perf_counter
from typing import Literal

from guardian.decision import threshold_of
from guardian.errors import BackendError, GuardianError
from guardian.flow import AsOutage, Job, Scorer
from guardian.policy import Policy
from guardian.reply.acceptance import MENDABLE, Flaw, bare, flaw_of, flaw_of_scores, offered
from guardian.reply.sentences import ends, plain, sentences, whole
from guardian.reply.templates import template
from guardian.reply.writer import MAX_TOKENS, writer_of
from guardian.scoring.backend import Backend, Piece
from guardian.taxonomy import HAZARDS, Hazard
from guardian.text.normalize import canonical
from guardian.verdict import Stage, Verdict

log = logging.getLogger("guardian")

LONGEST_S = 10.0
"""Most seconds that one reply is written for, whatever the policy's `timeout_s`."""

_READ = 8192  # characters of a request that a writer's window is looked for in
_UNCALIBRATED = 0.5  # the limit of a score that the model has no threshold for

Source = Literal["model", "template", "policy"]


@dataclass(frozen=True, slots=True)
class Reply:
    """What is said to the user in the place of the model.

    `source` is who wrote it: the model, our template, or the policy's own. `refused` says why what the model wrote was
    not said, where it wrote something. `timings` are milliseconds by step.
    """

    text: str
    source: Source
    subject: str
    refused: Flaw | None
    timings: Mapping[str, float]


def request_of(job: Job, verdict: Verdict | None, backend: Backend) -> Piece | None:
    """What a reply to a text answers, short enough for one pass: of a long one the window where it offends most.

    A stopped answer is replied to as its prompt would be. None where there is nothing to answer.
    """
    text, stage, context = job.text, job.stage, job.context
    if stage is Stage.RESPONSE:
        text, stage, context = job.context or "", Stage.PROMPT, None
    spans = verdict.spans if verdict is not None and verdict.stage is stage else ()
    start = max(spans, key=lambda span: span.score).start if spans else 0
    found = _window(text[:_READ], backend)
    if len(found) < len(text) and start >= len(found):
        found = _window(text[start : start + _READ], backend)
    passage = canonical(found).text
    return None if not passage or passage.isspace() else Piece(passage, stage, context)


def _window(text: str, backend: Backend) -> str:
    """The first window of a text."""
    start, end = next(iter(backend.windows(text)), (0, 0))
    return text[start:end]


class Author:
    """The author of the replies of one call of the guard; `proceed` stops the work by raising.

    `until` is when the last of them has to be there, by `time.perf_counter`; what takes longer is said by template.
    """

    def __init__(
        self, policy: Policy, backend: Backend, proceed: Callable[[], None], until: float | None = None
    ) -> None:
        self._policy = policy
        self._writer = writer_of(backend)
        self._backend = backend
        self._proceed = proceed
        self._until = until
        self._scorer = Scorer(backend, proceed)
        self._known: dict[tuple[Piece, str], tuple[str, Flaw | None]] = {}

    def reply(self, job: Job, subject: str, verdict: Verdict | None = None) -> Reply:
        """The reply to a text about `subject`, one of `guardian.taxonomy.SUBJECTS`. `verdict` is that on the text, and
        says where in a long one to look."""
        began = perf_counter()
        text, flaw = "", None
        try:
            request = self._request(job, subject, verdict)
            if request is not None:
                text, flaw = self._judged(request, subject)
        except _NotWrittenError as stop:
            flaw = stop.flaw
        timings = {"reply": (perf_counter() - began) * 1e3}
        if text and flaw is None:
            return Reply(text, "model", subject, None, timings)
        own: Source = "policy" if subject in self._policy.replies.templates else "template"
        return Reply(template(subject, self._policy.replies), own, subject, flaw, timings)

    def _judged(self, request: Piece, subject: str) -> tuple[str, Flaw | None]:
        """What the model writes, and what is wrong with it. Several answers to one prompt have one reply."""
        key = request, subject
        if key not in self._known:
            written = plain("".join(self._written(request, subject)))
            text = whole(written)
            cut = bool(written) and not text
            self._known[key] = text, Flaw.UNFINISHED if cut else self._flaw(text, request, subject)
        return self._known[key]

    def sentences(self, job: Job, subject: str, verdict: Verdict | None = None) -> Iterator[str]:
        """The same reply sentence by sentence, each as soon as the reply up to it may be said.

        Where a later sentence may not, the reply ends before it; where nothing may be said, the template is.
        """
        said = False
        with suppress(_NotWrittenError):
            request = self._request(job, subject, verdict)
            for sentence in () if request is None else self._accepted(request, subject):
                said = True
                yield sentence
        if not said:
            yield template(subject, self._policy.replies)

    def _accepted(self, request: Piece, subject: str) -> Iterator[str]:
        """The sentences of a written reply, as far as it may be said."""
        said = ""
        for text in self._drafts(request, subject):
            flaw = self._flaw(text, request, subject)
            if flaw is None and text.startswith(said):
                yield text[len(said) :]
                said = text
            elif flaw not in MENDABLE:
                return

    def _request(self, job: Job, subject: str, verdict: Verdict | None) -> Piece | None:
        """What the model is asked to reply to; None where it is not asked."""
        if not self._writes(subject):
            return None
        with _writing(job.stage):
            return request_of(job, verdict, self._backend)

    def _writes(self, subject: str) -> bool:
        """Whether the model may write about this: it knows hazards, and only the warm tone. What attacks a model is not
        given to a model to answer; where no hazard explains the harm, there is nothing to tell it to write about."""
        replies = self._policy.replies
        return (
            self._writer is not None
            and replies.writer == "auto"
            and subject not in replies.templates
            and subject in HAZARDS
            and (replies.tone == "warm" or subject == Hazard.SELFHARM)
        )

    def _drafts(self, request: Piece, subject: str) -> Iterator[str]:
        """The reply as far as its sentences are whole, each time there is one more."""
        raw, seen = "", 0
        for chunk in self._written(request, subject):
            raw += chunk
            text = plain(raw)
            # A sentence has ended once something follows: "3." may yet become "3.5".
            for end in [end for end in ends(text) if seen < end < len(text)]:
                yield text[:end]
                seen = end
        text = whole(plain(raw))
        if len(text) > seen:
            yield text

    def _written(self, request: Piece, subject: str) -> Iterator[str]:
        """What the model writes, as it comes. Raises _NotWrittenError where it fails or takes too long."""
        assert self._writer is not None  # noqa: S101  # `_writes` was asked
        until = perf_counter() + LONGEST_S
        until = until if self._until is None else min(until, self._until)
        with _writing(request.stage):
            self._in_time(until)
            for chunk in self._writer.write(request, subject=subject, max_tokens=MAX_TOKENS, proceed=self._proceed):
                self._in_time(until)
                yield chunk

    def _in_time(self, until: float) -> None:
        self._proceed()
        if perf_counter() >= until:
            raise _NotWrittenError(Flaw.LATE)

    def _flaw(self, text: str, request: Piece, subject: str) -> Flaw | None:
        """What is wrong with a reply by its words or, where they are well, by its scores."""
        asked = request.context or request.text  # who gives a document speaks the language of the task
        contacts = self._policy.replies.contacts
        flaw = flaw_of(text, request.text, asked=asked, subject=subject, contacts=contacts)
        return flaw or self._flaw_of_scores(bare(text), asked)

    def _flaw_of_scores(self, text: str, asked: str) -> Flaw | None:
        """The model reads the reply as a whole; each sentence alone, which behind a refusal looks harmless; and what
        is offered, as a request of its own."""
        with _writing(Stage.RESPONSE):
            windows = [Piece(text[start:end], Stage.RESPONSE, asked) for start, end in self._backend.windows(text)]
            parts = [Piece(sentence, Stage.RESPONSE, asked) for sentence in sentences(text)]
            offers = [Piece(request, Stage.PROMPT) for request in offered(text)]
            scored = self._scorer.run((piece, (piece,)) for piece in dict.fromkeys((*windows, *parts, *offers)))
            rows = dict(scored)
        return flaw_of_scores(
            max(rows[piece]["harm"] for piece in (*windows, *parts)),
            max(rows[piece]["refusal"] for piece in windows),
            max((rows[piece]["harm"] for piece in offers), default=0.0),
            harm_limit=_harm_limit(self._policy, self._backend, Stage.RESPONSE),
            refusal_limit=_default(self._backend, Stage.RESPONSE, "refusal"),
            offer_limit=_harm_limit(self._policy, self._backend, Stage.PROMPT),
        )


class _NotWrittenError(GuardianError):
    """There will be no reply by the model, or no more of it."""

    def __init__(self, flaw: Flaw) -> None:
        super().__init__(flaw)
        self.flaw = flaw


@contextmanager
def _writing(stage: Stage) -> Iterator[None]:
    """Within it an outage of the model ends the reply, not the check: what is to be done is decided by then."""
    try:
        with AsOutage(stage):
            yield
    except BackendError as outage:
        log.warning("%s; the reply is said by template", outage)
        raise _NotWrittenError(Flaw.OUTAGE) from outage


def _harm_limit(policy: Policy, backend: Backend, stage: Stage) -> float:
    """Harm from which on words are not said: that of the policy at the stage, or the model's own if it is lower."""
    rule, thresholds = policy.stages[stage].harm, backend.thresholds
    limits = [] if rule is None else [threshold_of(policy, stage, "harm", thresholds, 1)]
    return min([*limits, _default(backend, stage, "harm")])


def _default(backend: Backend, stage: Stage, head: str) -> float:
    """The model's own threshold, where it was calibrated for one."""
    thresholds = backend.thresholds
    if thresholds.loosest(stage, head, 1) is None:
        return _UNCALIBRATED
    return thresholds.lookup(stage, head, thresholds.default(stage, head), 1)
