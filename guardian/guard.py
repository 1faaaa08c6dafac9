"""The guard: the few methods an application calls, each in a sync and an async face over one flow."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Event, Lock
from types import TracebackType
from typing import Any, Self

from guardian import messages as chat
from guardian.conversation import Conversation, Verdicts
from guardian.decision import floors
from guardian.documents import read_document
from guardian.errors import ConfigError, GuardTimeout, GuardUnavailable, InputError
from guardian.flow import Job, judge
from guardian.hooks import Check, Hook, checked_hooks
from guardian.policy import Policy
from guardian.record import RecorderLike, Recorders
from guardian.scoring.backend import SCORES, Backend, Device
from guardian.stream import AsyncGuardedStream, GuardedStream, OnBlock, StreamGuard, TextFeed
from guardian.taxonomy import Severity
from guardian.text.holdback import HOLDBACK
from guardian.verdict import Action, Coverage, ModelRef, Stage, Verdict
from guardian.workers import THREADS, Workers

log = logging.getLogger("guardian")


@dataclass(frozen=True, slots=True)
class _Scope:
    """What checks are made under: it changes from call to call, the guard does not."""

    policy: Policy
    tenant: str | None = None
    conversation: Conversation | None = None
    memory: Verdicts | None = None


# Guards are few and scopes nest: the innermost one of a guard is looked for from the end.
_SCOPES: ContextVar[tuple[tuple[object, _Scope], ...]] = ContextVar("guardian_scopes", default=())


class Guardian:
    """Checks what goes into and comes out of a language model.

    `model` is a model folder or the name of a bundled model (None: the bundled default), `device` is "auto", "cpu" or
    "cuda"; `backend` takes the place of both, for tests and for models served elsewhere. The model is loaded at the
    first check, or by `load()`. One guard is meant to be shared by all threads and tasks of a process.

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
        return self._run([_job(text, stage)])[0]

    async def acheck(self, text: str, *, stage: Stage | str = Stage.PROMPT) -> Verdict:
        """Check one text."""
        return (await self._arun([_job(text, stage)]))[0]

    def check_many(self, texts: Iterable[str], *, stage: Stage | str = Stage.PROMPT) -> list[Verdict]:
        """Check many texts in shared batches: the verdicts of `check`, in order, in less time."""
        return self._run(_jobs(texts, stage))

    async def acheck_many(self, texts: Iterable[str], *, stage: Stage | str = Stage.PROMPT) -> list[Verdict]:
        """Check many texts in shared batches: the verdicts of `acheck`, in order, in less time."""
        return await self._arun(_jobs(texts, stage))

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
        return self._run([_answer(prompt, response)])[0]

    async def acheck_response(self, prompt: str, response: str) -> Verdict:
        """Check a model's answer, read against the prompt it answers. Spans count in the answer."""
        return (await self._arun([_answer(prompt, response)]))[0]

    def check_responses(self, prompt: str, responses: Sequence[str]) -> list[Verdict]:
        """Check several answers to one prompt in shared batches, as an API gives them that is asked for many."""
        return self._run(_answers(prompt, responses))

    async def acheck_responses(self, prompt: str, responses: Sequence[str]) -> list[Verdict]:
        """Check several answers to one prompt; see `check_responses`."""
        return await self._arun(_answers(prompt, responses))

    def check_document(self, document: str | Path, *, task: str | None = None) -> Verdict:
        """Check a document of any length: its text, or the path of a file (text, Markdown, HTML, PDF, DOCX).

        A string is always the text itself. `task` is what the document is going to be used for, in plain words
        ("Summarise this"): instructions that go against it are what makes an injection. Spans of a file count in the
        text that `guardian.documents.read_document` makes of it. InputError names a file that cannot be read.
        """
        text = read_document(document).text if isinstance(document, Path) else document
        return self._run([_document(text, task)])[0]

    async def acheck_document(self, document: str | Path, *, task: str | None = None) -> Verdict:
        """Check a document of any length, in a worker thread from the reading on; see `check_document`."""
        if isinstance(document, Path):
            path = document
            document = await self._workers.acall(lambda _: read_document(path).text, Stage.DOCUMENT, None)
        return (await self._arun([_document(document, task)]))[0]

    def check_documents(self, documents: Sequence[str], *, task: str | None = None) -> list[Verdict]:
        """Check the texts of several documents for one task in shared batches, as retrieval brings them."""
        return self._run(_documents(documents, task))

    async def acheck_documents(self, documents: Sequence[str], *, task: str | None = None) -> list[Verdict]:
        """Check the texts of several documents for one task; see `check_documents`."""
        return await self._arun(_documents(documents, task))

    def check_tool_call(self, name: str, arguments: str | Mapping[str, Any]) -> Verdict:
        """Check a call a model wants to make, before it is made: the tool's name, and its arguments as JSON or mapping.

        It is read as `name(arguments)`, and there spans count.
        """
        return self._run([_tool_call(name, arguments)])[0]

    async def acheck_tool_call(self, name: str, arguments: str | Mapping[str, Any]) -> Verdict:
        """Check a call a model wants to make, before it is made; see `check_tool_call`."""
        return (await self._arun([_tool_call(name, arguments)]))[0]

    def stream_guard(self, prompt: str = "", *, holdback_chars: int = HOLDBACK, rewrites: bool = True) -> StreamGuard:
        """A guard over one streamed answer to `prompt`, fed chunk by chunk; see `StreamGuard`.

        At most `holdback_chars` characters are held back: they are what is read together. Less comes sooner and is
        judged in less context. The policy is that in force now.
        """
        scope = self._current
        return StreamGuard(
            partial(self._run, scope=scope),
            partial(self._arun, scope=scope),
            prompt=_text(prompt, "prompt"),
            holdback_chars=holdback_chars,
            rewrites=rewrites,
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
        return replace(self._current, memory=self._remembered)

    def _run(self, jobs: Sequence[Job], scope: _Scope | None = None) -> list[Verdict]:
        scope, stage = scope or self._current, _stage_of(jobs)
        try:
            return self._workers.call(partial(self._judge, jobs, scope), stage, scope.policy.timeout_of(stage))
        except GuardUnavailable as outage:
            return self._let_pass(jobs, scope, outage)

    async def _arun(self, jobs: Sequence[Job], scope: _Scope | None = None) -> list[Verdict]:
        scope, stage = scope or self._current, _stage_of(jobs)
        try:
            return await self._workers.acall(partial(self._judge, jobs, scope), stage, scope.policy.timeout_of(stage))
        except GuardUnavailable as outage:
            return self._let_pass(jobs, scope, outage)

    def _judge(self, jobs: Sequence[Job], scope: _Scope, gone: Event) -> list[Verdict]:
        def proceed() -> None:
            if gone.is_set():
                raise GuardTimeout(_stage_of(jobs), "nobody waits for this check any more")

        checks = [Check(job.stage, job.text, job.context, scope.tenant) for job in jobs]
        for hook in self._hooks:
            for check in checks:
                hook.before(check)
        verdicts = self._remembered_or_judged(jobs, scope, proceed)
        for hook in self._hooks:
            verdicts = [hook.after(check, v) or v for check, v in zip(checks, verdicts, strict=True)]
        proceed()
        for job, verdict in zip(jobs, verdicts, strict=True):
            if scope.conversation is not None:
                scope.conversation.note(job, verdict)
            self._recorders.verdict(verdict, tenant=scope.tenant, text=job.text)
        return verdicts

    def _remembered_or_judged(self, jobs: Sequence[Job], scope: _Scope, proceed: Callable[[], None]) -> list[Verdict]:
        found = [_recalled(job, scope) for job in jobs]
        new = [job for job, verdict in zip(jobs, found, strict=True) if verdict is None]
        judged = judge(new, scope.policy, self._loaded(), proceed) if new else []
        if scope.memory is not None:
            for job, verdict in zip(new, judged, strict=True):
                scope.memory.put(job, scope.policy, verdict)
        rest = iter(judged)
        return [verdict or next(rest) for verdict in found]

    def _loaded(self) -> Backend:
        backend = self._backend
        if backend is not None:
            return backend
        with self._loading:
            if self._backend is None:
                from guardian.scoring.onnx import load_backend  # numpy and onnxruntime, at the first use only

                return self._use(load_backend(self._model, device=self._device))
            return self._backend

    def _use(self, backend: Backend) -> Backend:
        _can_serve(self.policy, backend)
        self._backend = backend
        return backend

    def _let_pass(self, jobs: Sequence[Job], scope: _Scope, outage: GuardUnavailable) -> list[Verdict]:
        """Under fail mode open an outage is a verdict that allows and says that nothing was read; else it is raised."""
        policy = scope.policy
        passed = not any(policy.fail_mode[job.stage] == "closed" for job in jobs)
        self._recorders.outage(_stage_of(jobs), outage, passed=passed, tenant=scope.tenant)
        if not passed:
            raise outage
        log.warning("%s; the policy %r fails open and lets it pass", outage, policy.name)
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


def _job(text: str, stage: Stage | str, what: str = "text") -> Job:
    try:
        return Job(_text(text, what), Stage(stage))
    except ValueError:
        raise ConfigError("stage", f"must be one of {', '.join(Stage)}") from None


def _jobs(texts: Iterable[str], stage: Stage | str) -> list[Job]:
    return [_job(text, stage, f"texts[{index}]") for index, text in enumerate(_several(texts, "texts"))]


def _answers(prompt: str, responses: Iterable[str]) -> list[Job]:
    return [_answer(prompt, response) for response in _several(responses, "responses")]


def _documents(documents: Iterable[str], task: str | None) -> list[Job]:
    return [_document(text, task) for text in _several(documents, "documents")]


def _several(texts: Iterable[str], what: str) -> Iterable[str]:
    """The texts themselves; one str is no list of its characters."""
    if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
        raise InputError(f"{what} must be a list of str, not {type(texts).__name__}")
    return texts


def _answer(prompt: str, response: str) -> Job:
    return Job(_text(response, "response"), Stage.RESPONSE, _text(prompt, "prompt"))


def _tool_call(name: str, arguments: str | Mapping[str, Any]) -> Job:
    if isinstance(arguments, Mapping):
        try:
            arguments = json.dumps(arguments, ensure_ascii=False, default=str)
        except (TypeError, ValueError, RecursionError) as error:
            raise InputError(f"the arguments cannot be written as JSON: {type(error).__name__}") from None
    return Job(f"{_text(name, 'name')}({_text(arguments, 'arguments')})", Stage.TOOL_CALL)


def _document(text: str, task: str | None) -> Job:
    return Job(_text(text, "document"), Stage.DOCUMENT, None if task is None else _text(task, "task") or None)


def _text(value: object, what: str) -> str:
    if isinstance(value, str):
        return value
    hint = ": decode them first" if isinstance(value, bytes | bytearray | memoryview) else ""
    raise InputError(f"{what} must be a str, not {type(value).__name__}{hint}")


def _stage_of(jobs: Sequence[Job]) -> Stage:
    return jobs[0].stage if jobs else Stage.PROMPT
