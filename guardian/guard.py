"""The guard: the few methods an application calls, each in a sync and an async face over one flow."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Event, Lock
from time import perf_counter
from types import TracebackType
from typing import Any, Literal, Self

from guardian import messages as chat
from guardian.conversation import Conversation, Verdicts
from guardian.decision import floors
from guardian.documents import read_document
from guardian.errors import ConfigError, GuardTimeout, GuardUnavailable
from guardian.flow import Job, judge
from guardian.hooks import Check, Hook, checked_hooks
from guardian.jobs import (
    answer_job,
    answer_jobs,
    document_job,
    document_jobs,
    job_of,
    jobs_of,
    request_job,
    text_of,
    tool_call_job,
)
from guardian.joined import gravity
from guardian.policy import Policy
from guardian.record import RecorderLike, Recorders
from guardian.reply.author import Author, Reply
from guardian.reply.templates import subject_of
from guardian.scoring.backend import SCORES, Backend, Device, token_head
from guardian.stream import AsyncGuardedStream, GuardedStream, OnBlock, StreamGuard, TextFeed, Work
from guardian.taxonomy import Severity
from guardian.text.holdback import HOLDBACK
from guardian.token_stream import TokenReader, alarm_threshold, harm_alone
from guardian.verdict import Action, Coverage, ModelRef, Stage, Verdict
from guardian.window_stream import WindowReader
from guardian.workers import THREADS, Workers

log = logging.getLogger("guardian")

StreamBy = Literal["auto", "windows", "tokens"]
"""What a stream is read by; see `Guardian.stream_guard`."""

_WRITING = 0.8
"""Share of a time limit after which no reply is written any more: a template is better than no verdict at all."""


def _each(verdicts: Sequence[Verdict]) -> Iterable[int]:
    return range(len(verdicts))


def _none(_: Sequence[Verdict]) -> Iterable[int]:
    return ()


def _gravest(verdicts: Sequence[Verdict]) -> Iterable[int]:
    """That of the texts of one conversation, as `joined` has it."""
    return (max(range(len(verdicts)), key=lambda index: gravity(verdicts[index])),)


def _first_stopped(verdicts: Sequence[Verdict]) -> Iterable[int]:
    """That of the windows of a stream where it ends."""
    return [index for index, verdict in enumerate(verdicts) if verdict.blocked][:1]


@dataclass(frozen=True, slots=True)
class _Scope:
    """What checks are made under: it changes from call to call, the guard does not."""

    policy: Policy
    tenant: str | None = None
    conversation: Conversation | None = None
    memory: Verdicts | None = None
    answered: Callable[[Sequence[Verdict]], Iterable[int]] = _each
    """Which of the verdicts of one call are worth a written reply, where the policy's action is one."""


# Guards are few and scopes nest: the innermost one of a guard is looked for from the end.
_SCOPES: ContextVar[tuple[tuple[object, _Scope], ...]] = ContextVar("guardian_scopes", default=())


class Guardian:
    """Checks what goes into and comes out of a language model.

    `model` is "mini" (the default, which comes with guardian), "slm" or "cascade" (docs/cascade.md), another model's
    name, or a model folder; `device` is "auto", "cpu" or "cuda"; `backend` takes the place of both, for tests and for
    models served elsewhere. The model is loaded at the first check, or by `load()`. One guard is meant to be shared by
    all threads and tasks of a process.

    Every check returns a `Verdict`; a text that may not go on is a verdict too, and `verdict.raise_if_blocked()` makes
    it an error. The `a...` twins do the same in a worker thread, never block the event loop and may be cancelled.

    All raise InputError for what is not text, GuardUnavailable where no verdict could be given and the policy fails
    closed, ModelError and MissingExtra where the model cannot be loaded, and ConfigError where the policy asks for what
    the model cannot give. With a `timeout_s` in the policy, a check answers within that time or raises GuardTimeout.

    `hooks` are called around every check, in order; `recorders` are told of every decision and outage, and never break
    a call (`guardian.record`). `workers` is how many checks of the async face, or with a time limit, run at once: one a
    core, which suits a model on this machine; a backend that waits for another machine does well with more.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        policy: Policy | None = None,
        device: Device = "auto",
        backend: Backend | None = None,
        hooks: Iterable[Hook] = (),
        recorders: Iterable[RecorderLike] = (),
        workers: int = THREADS,
    ) -> None:
        if backend is not None and model is not None:
            raise ConfigError("backend", "give a model or a backend, not both")
        if workers < 1:
            raise ConfigError("workers", f"must be at least 1, not {workers}")
        self._scope = _Scope(Policy() if policy is None else _a_policy(policy))
        self._hooks = checked_hooks(hooks)
        self._recorders = Recorders(recorders)
        self._remembered = Verdicts()
        self._model = model
        self._device = device
        self._backend: Backend | None = None
        self._loading = Lock()
        self._workers = Workers(workers)
        if backend is not None:
            self._use(backend)

    def check(self, text: str, *, stage: Stage | str = Stage.PROMPT) -> Verdict:
        """Check one text."""
        return self._run([job_of(text, stage)])[0]

    async def acheck(self, text: str, *, stage: Stage | str = Stage.PROMPT) -> Verdict:
        """Check one text."""
        return (await self._arun([job_of(text, stage)]))[0]

    def check_many(self, texts: Iterable[str], *, stage: Stage | str = Stage.PROMPT) -> list[Verdict]:
        """Check many texts in shared batches: the verdicts of `check`, in order, in less time."""
        return self._run(jobs_of(texts, stage))

    async def acheck_many(self, texts: Iterable[str], *, stage: Stage | str = Stage.PROMPT) -> list[Verdict]:
        """Check many texts in shared batches: the verdicts of `acheck`, in order, in less time."""
        return await self._arun(jobs_of(texts, stage))

    def check_messages(self, messages: Sequence[Mapping[str, Any]]) -> Verdict:
        """Check a conversation before it goes to the model.

        Messages are mappings with `role` and `content` (a string or a list of parts), as the common APIs have them.
        User turns are checked as prompts, each and the last few together; results of tools, and documents in them, as
        tool results; documents and search results in user turns as documents, each with its title, source and context
        as one text, all for what the user said last. What the application and the model wrote is trusted. The verdict
        is the gravest; each span names its `message`. A part that is no text (an image, an encoded file, a kind that is
        not known) makes `coverage.complete` false. What came before under the same policy is remembered, not scanned
        again; a document is, where the user now asks for something else.
        """
        conversation, scope = chat.parse(messages), self._remembering()
        verdicts = self._run(chat.jobs_of(conversation, scope.policy), scope)
        return chat.combined(conversation, verdicts, scope.policy)

    async def acheck_messages(self, messages: Sequence[Mapping[str, Any]]) -> Verdict:
        """Check a conversation before it goes to the model; see `check_messages`."""
        conversation, scope = chat.parse(messages), self._remembering()
        verdicts = await self._arun(chat.jobs_of(conversation, scope.policy), scope)
        return chat.combined(conversation, verdicts, scope.policy)

    def check_response(self, prompt: str, response: str) -> Verdict:
        """Check a model's answer, read against the prompt it answers. Spans count in the answer."""
        return self._run([answer_job(prompt, response)])[0]

    async def acheck_response(self, prompt: str, response: str) -> Verdict:
        """Check a model's answer, read against the prompt it answers. Spans count in the answer."""
        return (await self._arun([answer_job(prompt, response)]))[0]

    def check_responses(self, prompt: str, responses: Sequence[str]) -> list[Verdict]:
        """Check several answers to one prompt in shared batches, as an API gives them that is asked for many."""
        return self._run(answer_jobs(prompt, responses))

    async def acheck_responses(self, prompt: str, responses: Sequence[str]) -> list[Verdict]:
        """Check several answers to one prompt; see `check_responses`."""
        return await self._arun(answer_jobs(prompt, responses))

    def check_document(self, document: str | Path, *, task: str | None = None) -> Verdict:
        """Check a document of any length: its text, or the path of a file (text, Markdown, HTML, PDF, DOCX).

        A string is always the text itself. `task` is what the document is going to be used for, in plain words
        ("Summarise this"): instructions that go against it are what makes an injection. Spans of a file count in the
        text that `guardian.documents.read_document` makes of it. InputError names a file that cannot be read.
        """
        text = read_document(document).text if isinstance(document, Path) else document
        return self._run([document_job(text, task)])[0]

    async def acheck_document(self, document: str | Path, *, task: str | None = None) -> Verdict:
        """Check a document of any length, in a worker thread from the reading on; see `check_document`."""
        if isinstance(document, Path):
            path = document
            document = await self._workers.acall(lambda _: read_document(path).text, Stage.DOCUMENT, None)
        return (await self._arun([document_job(document, task)]))[0]

    def check_documents(self, documents: Sequence[str], *, task: str | None = None) -> list[Verdict]:
        """Check the texts of several documents for one task in shared batches, as retrieval brings them."""
        return self._run(document_jobs(documents, task))

    async def acheck_documents(self, documents: Sequence[str], *, task: str | None = None) -> list[Verdict]:
        """Check the texts of several documents for one task; see `check_documents`."""
        return await self._arun(document_jobs(documents, task))

    def check_tool_call(self, name: str, arguments: str | Mapping[str, Any]) -> Verdict:
        """Check a call a model wants to make, before it is made: the tool's name, and its arguments as JSON or mapping.

        It is read as `name(arguments)`, and there spans count.
        """
        return self._run([tool_call_job(name, arguments)])[0]

    async def acheck_tool_call(self, name: str, arguments: str | Mapping[str, Any]) -> Verdict:
        """Check a call a model wants to make, before it is made; see `check_tool_call`."""
        return (await self._arun([tool_call_job(name, arguments)]))[0]

    def reply(
        self,
        request: str,
        *,
        verdict: Verdict | None = None,
        subject: str | None = None,
        stage: Stage | str | None = None,
        task: str | None = None,
    ) -> Reply:
        """The safeguard reply to a request: written by a model that can and accepted, or by template (docs/replies.md).

        It is about what `verdict` found, or `subject` (one of `guardian.taxonomy.SUBJECTS`), whether the request was
        stopped or not; without either the request is checked. `stage` is that of the verdict, or prompt; to a stopped
        answer the request is its prompt. `task` is what a document was to be used for. The policy's `timeout_s` counts
        for the check and for the reply, which is said by template where it would take longer.
        """
        scope, job = self._silent(), request_job(request, verdict, subject, stage, task)
        verdict, subject = self._reason(job, verdict, subject, scope)
        seconds = scope.policy.timeout_of(job.stage)
        return self._workers.call(
            partial(self._reply, job, verdict, subject, scope, _until(seconds)), job.stage, seconds
        )

    async def areply(
        self,
        request: str,
        *,
        verdict: Verdict | None = None,
        subject: str | None = None,
        stage: Stage | str | None = None,
        task: str | None = None,
    ) -> Reply:
        """The safeguard reply to a request; see `reply`."""
        scope, job = self._silent(), request_job(request, verdict, subject, stage, task)
        verdict, subject = await self._areason(job, verdict, subject, scope)
        seconds = scope.policy.timeout_of(job.stage)
        work = partial(self._reply, job, verdict, subject, scope, _until(seconds))
        return await self._workers.acall(work, job.stage, seconds)

    def reply_stream(
        self,
        request: str,
        *,
        verdict: Verdict | None = None,
        subject: str | None = None,
        stage: Stage | str | None = None,
        task: str | None = None,
    ) -> Iterator[str]:
        """The reply of `reply` sentence by sentence, each as soon as the reply up to it is accepted.

        Where a later sentence is not, the reply ends before it.
        """
        scope, job = self._silent(), request_job(request, verdict, subject, stage, task)
        return self._sentences(job, verdict, subject, scope, Event())

    def areply_stream(
        self,
        request: str,
        *,
        verdict: Verdict | None = None,
        subject: str | None = None,
        stage: Stage | str | None = None,
        task: str | None = None,
    ) -> AsyncIterator[str]:
        """The reply of `reply` sentence by sentence; see `reply_stream`."""
        scope, job = self._silent(), request_job(request, verdict, subject, stage, task)
        return self._asentences(job, verdict, subject, scope)

    def stream_guard(
        self,
        prompt: str = "",
        *,
        holdback_chars: int = HOLDBACK,
        rewrites: bool = True,
        by: StreamBy = "auto",
    ) -> StreamGuard:
        """A guard over one streamed answer to `prompt`, fed chunk by chunk; see `StreamGuard`.

        It reads `by` windows, or by tokens where the model has a head for them, which comes to a decision within a few
        words; "auto" takes tokens where it can, unless the policy asks more of an answer than whether it is harmful.
        By windows at most `holdback_chars` characters are held back: they are what is read together. Less comes sooner
        and is judged in less context. With `rewrites` False, and always by tokens, what the policy would redact cuts
        the stream. The policy is that in force now. With the first text ConfigError for tokens of a model that has no
        head for them.
        """
        if by not in ("auto", "windows", "tokens"):
            raise ConfigError("by", f"{by!r} is not one of: auto, windows, tokens")
        scope, prompt = replace(self._current, answered=_first_stopped), text_of(prompt, "prompt")
        replies = scope.policy.replies
        windows = WindowReader(prompt=prompt, replies=replies, holdback_chars=holdback_chars, rewrites=rewrites)
        tokens = by == "tokens" or (by == "auto" and harm_alone(scope.policy))
        return StreamGuard(
            partial(self._step, scope=scope),
            partial(self._astep, scope=scope),
            windows,
            replies=replies,
            choose=partial(self._token_reader, prompt, scope.policy, needed=by == "tokens") if tokens else None,
        )

    def stream(
        self, chunks: Iterable[str], *, prompt: str = "", on_block: OnBlock = "raise", holdback_chars: int = HOLDBACK
    ) -> GuardedStream[str, str]:
        """The chunks of an answer that may leave, as they are cleared; see `GuardedStream` and `stream_guard`."""
        feed = TextFeed(self.stream_guard(prompt, holdback_chars=holdback_chars))
        return GuardedStream(chunks, feed, on_block=on_block)

    def astream(
        self,
        chunks: AsyncIterable[str],
        *,
        prompt: str = "",
        on_block: OnBlock = "raise",
        holdback_chars: int = HOLDBACK,
    ) -> AsyncGuardedStream[str, str]:
        """The chunks of an answer that may leave, as they are cleared; see `AsyncGuardedStream` and `stream_guard`."""
        feed = TextFeed(self.stream_guard(prompt, holdback_chars=holdback_chars))
        return AsyncGuardedStream(chunks, feed, on_block=on_block)

    @contextmanager
    def using(
        self, policy: Policy | None = None, *, tenant: str | None = None, conversation: Conversation | None = None
    ) -> Iterator[Self]:
        """Within the block, in this thread or task, check under another policy, for a tenant, in a conversation.

            with guardian.using(guardian.policy.with_overrides({"fpr": 0.001}), tenant="acme"):
                answer = ask(prompt)

        What is not given stays. Streams keep what was in force when they began. ConfigError where the policy asks for
        what the model cannot give.
        """
        scope = self._current
        policy = scope.policy if policy is None else _a_policy(policy)
        if self._backend is not None and policy is not scope.policy:
            _can_serve(policy, self._backend)
        if tenant is not None and not isinstance(tenant, str):
            raise ConfigError("tenant", f"must be a str, not {type(tenant).__name__}")
        scope = replace(
            scope,
            policy=policy,
            tenant=tenant or scope.tenant,
            conversation=conversation or scope.conversation,
        )
        token = _SCOPES.set((*_SCOPES.get(), (self, scope)))
        try:
            yield self
        finally:
            _SCOPES.reset(token)

    def load(self) -> Self:
        """Load the model now rather than at the first check."""
        self._loaded()
        return self

    @property
    def policy(self) -> Policy:
        """The policy in force here: the guard's own, or that of the innermost `using`."""
        return self._current.policy

    @property
    def model(self) -> ModelRef:
        """The model in use; loads it."""
        return self._loaded().ref

    @property
    def backend(self) -> Backend:
        """What gives the scores; loads it. For evaluation and for those who want scores without a policy."""
        return self._loaded()

    def close(self) -> None:
        """End the worker threads, after what they are doing; checks that still wait get GuardUnavailable.

        A closed guard can be used again.
        """
        self._workers.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _current(self) -> _Scope:
        return next((scope for guard, scope in reversed(_SCOPES.get()) if guard is self), self._scope)

    def _remembering(self) -> _Scope:
        return replace(self._current, memory=self._remembered, answered=_gravest)

    def _silent(self) -> _Scope:
        """A check that a reply follows has none of its own."""
        return replace(self._current, answered=_none)

    def _run(self, jobs: Sequence[Job], scope: _Scope | None = None) -> list[Verdict]:
        scope, stage = scope or self._current, _stage_of(jobs)
        seconds = scope.policy.timeout_of(stage)
        try:
            return self._workers.call(partial(self._judge, jobs, scope, _until(seconds)), stage, seconds)
        except GuardUnavailable as outage:
            return self._let_pass(jobs, scope, outage)

    async def _arun(self, jobs: Sequence[Job], scope: _Scope | None = None) -> list[Verdict]:
        scope, stage = scope or self._current, _stage_of(jobs)
        seconds = scope.policy.timeout_of(stage)
        try:
            return await self._workers.acall(partial(self._judge, jobs, scope, _until(seconds)), stage, seconds)
        except GuardUnavailable as outage:
            return self._let_pass(jobs, scope, outage)

    def _judge(self, jobs: Sequence[Job], scope: _Scope, until: float | None, gone: Event) -> list[Verdict]:
        proceed = partial(_proceed, _stage_of(jobs), gone)
        checks = [Check(job.stage, job.text, job.context, scope.tenant) for job in jobs]
        for hook in self._hooks:
            for check in checks:
                hook.before(check)
        verdicts = self._remembered_or_judged(jobs, scope, proceed, until)
        for hook in self._hooks:
            verdicts = [hook.after(check, v) or v for check, v in zip(checks, verdicts, strict=True)]
        proceed()
        for job, verdict in zip(jobs, verdicts, strict=True):
            if scope.conversation is not None:
                scope.conversation.note(job, verdict)
            self._recorders.verdict(verdict, tenant=scope.tenant, text=job.text)
        return verdicts

    def _remembered_or_judged(
        self, jobs: Sequence[Job], scope: _Scope, proceed: Callable[[], None], until: float | None
    ) -> list[Verdict]:
        found = [_recalled(job, scope) for job in jobs]
        new = [job for job, verdict in zip(jobs, found, strict=True) if verdict is None]
        rest = iter(judge(new, scope.policy, self._loaded(), proceed) if new else ())
        verdicts = [verdict or next(rest) for verdict in found]
        if any(verdict.action is Action.REPLY for verdict in verdicts):
            author = Author(scope.policy, self._loaded(), proceed, until)
            for index in scope.answered(verdicts):
                if found[index] is None and verdicts[index].action is Action.REPLY:
                    verdicts[index] = _with_reply(verdicts[index], author, jobs[index])
        if scope.memory is not None:
            for job, known, verdict in zip(jobs, found, verdicts, strict=True):
                if known is None:
                    scope.memory.put(job, scope.policy, verdict)
        return verdicts

    def _reason(
        self, job: Job, verdict: Verdict | None, subject: str | None, scope: _Scope
    ) -> tuple[Verdict | None, str]:
        """What a reply is about; the request is checked where the caller says nothing of it."""
        if subject is not None:
            return verdict, subject
        verdict = verdict or self._run([job], scope)[0]
        return verdict, subject_of(verdict)

    async def _areason(
        self, job: Job, verdict: Verdict | None, subject: str | None, scope: _Scope
    ) -> tuple[Verdict | None, str]:
        """What a reply is about; the request is checked where the caller says nothing of it."""
        if subject is not None:
            return verdict, subject
        verdict = verdict or (await self._arun([job], scope))[0]
        return verdict, subject_of(verdict)

    def _reply(
        self, job: Job, verdict: Verdict | None, subject: str, scope: _Scope, until: float | None, gone: Event
    ) -> Reply:
        author = Author(scope.policy, self._loaded(), partial(_proceed, job.stage, gone), until)
        return author.reply(job, subject, verdict)

    def _sentences(
        self, job: Job, verdict: Verdict | None, subject: str | None, scope: _Scope, gone: Event
    ) -> Iterator[str]:
        verdict, subject = self._reason(job, verdict, subject, scope)
        until = _until(scope.policy.timeout_of(job.stage))
        author = Author(scope.policy, self._loaded(), partial(_proceed, job.stage, gone), until)
        yield from author.sentences(job, subject, verdict)

    async def _asentences(
        self, job: Job, verdict: Verdict | None, subject: str | None, scope: _Scope
    ) -> AsyncIterator[str]:
        """Each sentence is one piece of work, so that no worker waits for whoever reads them."""
        verdict, subject = await self._areason(job, verdict, subject, scope)
        gone = Event()
        sentences = self._sentences(job, verdict, subject, scope, gone)
        try:
            while (sentence := await self._workers.acall(lambda _: next(sentences, None), job.stage, None)) is not None:
                yield sentence
        finally:
            gone.set()

    def _loaded(self) -> Backend:
        backend = self._backend
        if backend is not None:
            return backend
        with self._loading:
            if self._backend is None:
                from guardian.scoring.models import load_backend  # numpy and onnxruntime, at the first use only

                return self._use(load_backend(self._model, device=self._device))
            return self._backend

    def _use(self, backend: Backend) -> Backend:
        _can_serve(self.policy, backend)
        self._backend = backend
        return backend

    def _token_reader(self, prompt: str, policy: Policy, *, needed: bool) -> TokenReader | None:
        backend = self._loaded()
        head = token_head(backend)
        if head is None:
            if needed:
                raise ConfigError("by", f"{backend.ref.name} has no head for tokens: read this stream by windows")
            return None
        return TokenReader(
            partial(head.watch, prompt),
            prompt=prompt,
            policy=policy,
            threshold=alarm_threshold(policy, backend.thresholds, head.token_thresholds),
            context_tokens=backend.window_size,
        )

    def _step(self, step: Sequence[Job] | Work, scope: _Scope) -> Any:
        """What a stream asks for; None for work that an outage ended which the policy lets pass."""
        if not callable(step):
            return self._run(step, scope)
        try:
            return self._workers.call(lambda _: step(), Stage.RESPONSE, scope.policy.timeout_of(Stage.RESPONSE))
        except GuardUnavailable as outage:
            self._tolerate([Stage.RESPONSE], scope, outage)

    async def _astep(self, step: Sequence[Job] | Work, scope: _Scope) -> Any:
        """What a stream asks for; None for work that an outage ended which the policy lets pass."""
        if not callable(step):
            return await self._arun(step, scope)
        try:
            limit = scope.policy.timeout_of(Stage.RESPONSE)
            return await self._workers.acall(lambda _: step(), Stage.RESPONSE, limit)
        except GuardUnavailable as outage:
            self._tolerate([Stage.RESPONSE], scope, outage)

    def _tolerate(self, stages: Sequence[Stage], scope: _Scope, outage: GuardUnavailable) -> None:
        """Record an outage, and raise it unless the policy fails open at all these stages."""
        policy = scope.policy
        passed = not any(policy.fail_mode[stage] == "closed" for stage in stages)
        self._recorders.outage(next(iter(stages), Stage.PROMPT), outage, passed=passed, tenant=scope.tenant)
        if not passed:
            raise outage
        log.warning("%s; the policy %r fails open and lets it pass", outage, policy.name)

    def _let_pass(self, jobs: Sequence[Job], scope: _Scope, outage: GuardUnavailable) -> list[Verdict]:
        """Under fail mode open an outage is a verdict that allows and says that nothing was read; else it is raised."""
        self._tolerate([job.stage for job in jobs], scope, outage)
        policy = scope.policy
        model = self._backend.ref if self._backend else ModelRef(name="not loaded", version="", hash="")
        return [
            Verdict(
                stage=job.stage,
                action=Action.ALLOW,
                flagged=False,
                severity=Severity.SAFE,
                scores=dict.fromkeys(SCORES, 0.0),
                coverage=Coverage(chars=0, total_chars=len(job.text), windows=0, complete=False),
                model=model,
                policy=policy.ref,
                shadow=policy.shadow,
                would=Action.ALLOW,
            )
            for job in jobs
        ]


def _proceed(stage: Stage, gone: Event) -> None:
    if gone.is_set():
        raise GuardTimeout(stage, "nobody waits for this check any more")


def _until(seconds: float | None) -> float | None:
    """When, by `perf_counter`, replies have to be written that take part in a time limit of so many seconds."""
    return None if seconds is None else perf_counter() + _WRITING * seconds


def _with_reply(verdict: Verdict, author: Author, job: Job) -> Verdict:
    reply = author.reply(job, subject_of(verdict), verdict)
    timings = {**verdict.timings, **reply.timings}
    timings["total"] += timings["reply"]
    return verdict.model_copy(update={"reply": reply.text, "timings": timings})


def _a_policy(value: object) -> Policy:
    if isinstance(value, Policy):
        return value
    raise ConfigError(
        "policy",
        f"must be a Policy, not {type(value).__name__}: see Policy.preset, Policy.from_file and Policy.from_mapping",
    )


def _can_serve(policy: Policy, backend: Backend) -> None:
    for stage in Stage:
        floors(policy, stage, backend.thresholds)  # raises where the model cannot serve this policy


def _recalled(job: Job, scope: _Scope) -> Verdict | None:
    """The verdict on this text that the conversation or the memory of earlier messages holds."""
    stopped = scope.conversation.stopped(job, shadow=scope.policy.shadow) if scope.conversation else None
    if stopped is not None or scope.memory is None:
        return stopped
    return scope.memory.get(job, scope.policy)


def _stage_of(jobs: Sequence[Job]) -> Stage:
    return jobs[0].stage if jobs else Stage.PROMPT
