"""The guard: the few methods an application calls, each in a sync and an async face over one flow."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from threading import Event, Lock
from types import TracebackType
from typing import Any, Self

from guardian import messages as chat
from guardian.documents import read_document
from guardian.errors import ConfigError, GuardTimeout, GuardUnavailable, InputError
from guardian.flow import Job, judge
from guardian.policy import Policy, floors
from guardian.scoring.backend import SCORES, Backend, Device
from guardian.taxonomy import Severity
from guardian.verdict import Action, Coverage, ModelRef, Stage, Verdict
from guardian.workers import Workers

log = logging.getLogger("guardian")


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
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        policy: Policy | None = None,
        device: Device = "auto",
        backend: Backend | None = None,
    ) -> None:
        if backend is not None and model is not None:
            raise ConfigError("backend", "give a model or a backend, not both")
        self._policy = policy or Policy()
        self._model = model
        self._device = device
        self._backend: Backend | None = None
        self._loading = Lock()
        self._workers = Workers()
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
        User turns are checked as prompts, each and the last few together, results of tools as tool results; what the
        application and the model wrote is trusted. The verdict is the gravest; each span names its `message`.
        """
        conversation = chat.parse(messages)
        return chat.combined(conversation, self._run(chat.jobs_of(conversation, self.policy)), self.policy)

    async def acheck_messages(self, messages: Sequence[Mapping[str, Any]]) -> Verdict:
        """Check a conversation before it goes to the model; see `check_messages`."""
        conversation = chat.parse(messages)
        return chat.combined(conversation, await self._arun(chat.jobs_of(conversation, self.policy)), self.policy)

    def check_response(self, prompt: str, response: str) -> Verdict:
        """Check a model's answer, read against the prompt it answers. Spans count in the answer."""
        return self._run([_answer(prompt, response)])[0]

    async def acheck_response(self, prompt: str, response: str) -> Verdict:
        """Check a model's answer, read against the prompt it answers. Spans count in the answer."""
        return (await self._arun([_answer(prompt, response)]))[0]

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

    def load(self) -> Self:
        """Load the model now rather than at the first check."""
        self._loaded()
        return self

    @property
    def policy(self) -> Policy:
        """The policy in force; a guard keeps it for life."""
        return self._policy

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

    def _run(self, jobs: Sequence[Job]) -> list[Verdict]:
        try:
            return self._workers.call(lambda gone: self._judge(jobs, gone), _stage_of(jobs), self.policy.timeout_s)
        except GuardUnavailable as outage:
            return self._let_pass(jobs, outage)

    async def _arun(self, jobs: Sequence[Job]) -> list[Verdict]:
        try:
            return await self._workers.acall(
                lambda gone: self._judge(jobs, gone), _stage_of(jobs), self.policy.timeout_s
            )
        except GuardUnavailable as outage:
            return self._let_pass(jobs, outage)

    def _judge(self, jobs: Sequence[Job], gone: Event) -> list[Verdict]:
        def proceed() -> None:
            if gone.is_set():
                raise GuardTimeout(_stage_of(jobs), "nobody waits for this check any more")

        return judge(jobs, self.policy, self._loaded(), proceed)

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
        for stage in Stage:
            floors(self.policy, stage, backend.thresholds)  # raises where the model cannot serve this policy
        self._backend = backend
        return backend

    def _let_pass(self, jobs: Sequence[Job], outage: GuardUnavailable) -> list[Verdict]:
        """Under fail mode open an outage is a verdict that allows and says that nothing was read; else it is raised."""
        if any(self.policy.fail_mode[job.stage] == "closed" for job in jobs):
            raise outage
        log.warning("%s; the policy %r fails open and lets it pass", outage, self.policy.name)
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
                policy=self.policy.ref,
                shadow=self.policy.shadow,
                would=Action.ALLOW,
            )
            for job in jobs
        ]


def _job(text: str, stage: Stage | str, what: str = "text") -> Job:
    try:
        return Job(_text(text, what), Stage(stage))
    except ValueError:
        raise ConfigError("stage", f"must be one of {', '.join(Stage)}") from None


def _jobs(texts: Iterable[str], stage: Stage | str) -> list[Job]:
    if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
        raise InputError(f"texts must be a list of str, not {type(texts).__name__}")
    return [_job(text, stage, f"texts[{index}]") for index, text in enumerate(texts)]


def _answer(prompt: str, response: str) -> Job:
    return Job(_text(response, "response"), Stage.RESPONSE, _text(prompt, "prompt"))


def _document(text: str, task: str | None) -> Job:
    return Job(_text(text, "document"), Stage.DOCUMENT, None if task is None else _text(task, "task") or None)


def _text(value: object, what: str) -> str:
    if isinstance(value, str):
        return value
    hint = ": decode them first" if isinstance(value, bytes | bytearray | memoryview) else ""
    raise InputError(f"{what} must be a str, not {type(value).__name__}{hint}")


def _stage_of(jobs: Sequence[Job]) -> Stage:
    return jobs[0].stage if jobs else Stage.PROMPT
