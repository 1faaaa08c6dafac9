"""What callers give, checked and made into jobs: bad input ends here, with an error that names it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from guardian.errors import ConfigError, InputError
from guardian.flow import Job
from guardian.taxonomy import SUBJECTS
from guardian.verdict import Stage, Verdict


def job_of(text: str, stage: Stage | str, what: str = "text") -> Job:
    """One text to check; `what` is its name in errors. InputError for what is no text, ConfigError for no stage."""
    try:
        return Job(text_of(text, what), Stage(stage))
    except ValueError:
        raise ConfigError("stage", f"must be one of {', '.join(Stage)}") from None


def jobs_of(texts: Iterable[str], stage: Stage | str) -> list[Job]:
    """Several texts to check. InputError names the one that is none."""
    return [job_of(text, stage, f"texts[{index}]") for index, text in enumerate(_several(texts, "texts"))]


def answer_jobs(prompt: str, responses: Iterable[str]) -> list[Job]:
    """Several answers to one prompt. InputError for what is no text."""
    return [answer_job(prompt, response) for response in _several(responses, "responses")]


def document_jobs(documents: Iterable[str], task: str | None) -> list[Job]:
    """Several documents for one task. InputError for what is no text."""
    return [document_job(text, task) for text in _several(documents, "documents")]


def _several(texts: Iterable[str], what: str) -> Iterable[str]:
    """The texts themselves; one str is no list of its characters."""
    if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
        raise InputError(f"{what} must be a list of str, not {type(texts).__name__}")
    return texts


def answer_job(prompt: str, response: str) -> Job:
    """An answer, read against its prompt. InputError for what is no text."""
    return Job(text_of(response, "response"), Stage.RESPONSE, text_of(prompt, "prompt"))


def request_job(
    request: str, verdict: Verdict | None, subject: str | None, stage: Stage | str | None, task: str | None
) -> Job:
    """What is to be replied to, as the stage it was checked at; an answer is replied to as its prompt.

    InputError for what is no text; ConfigError for a subject, stage or task that does not fit.
    """
    if subject is not None and subject not in SUBJECTS:
        raise ConfigError("subject", f"must be one of {', '.join(SUBJECTS)}")
    if stage is None:
        stage = Stage.PROMPT if verdict is None or verdict.stage is Stage.RESPONSE else verdict.stage
    job = job_of(request, stage, "request")
    if job.stage is Stage.RESPONSE:
        raise ConfigError("stage", "is that of a request; to a stopped answer give its prompt")
    if task is not None and job.stage not in (Stage.DOCUMENT, Stage.TOOL_RESULT):
        raise ConfigError("task", f"is for documents and results of tools, not for the {job.stage} stage")
    return replace(job, context=None if task is None else text_of(task, "task") or None)


def tool_call_job(name: str, arguments: str | Mapping[str, Any]) -> Job:
    """A call of a tool as `name(arguments)`. InputError for what is no text and cannot be written as JSON."""
    if isinstance(arguments, Mapping):
        try:
            arguments = json.dumps(arguments, ensure_ascii=False, default=str)
        except (TypeError, ValueError, RecursionError) as error:
            raise InputError(f"the arguments cannot be written as JSON: {type(error).__name__}") from None
    return Job(f"{text_of(name, 'name')}({text_of(arguments, 'arguments')})", Stage.TOOL_CALL)


def document_job(text: str, task: str | None) -> Job:
    """A document, read against what it is for. InputError for what is no text."""
    return Job(text_of(text, "document"), Stage.DOCUMENT, None if task is None else text_of(task, "task") or None)


def text_of(value: object, what: str) -> str:
    """The value, if it is a str; else InputError calls it `what`."""
    if isinstance(value, str):
        return value
    hint = ": decode them first" if isinstance(value, bytes | bytearray | memoryview) else ""
    raise InputError(f"{what} must be a str, not {type(value).__name__}{hint}")
