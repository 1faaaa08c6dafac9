"""Records: what each decision was, handed to whoever keeps logs, metrics or traces.

Off unless a recorder is given, and without the text for every recorder that does not ask for it. Recorders that need
a library of their own are adapters: `guardian.adapters.opentelemetry` and `guardian.adapters.prometheus`. The JSON
schema of a record is checked in beside this file (record.schema.json).
"""

from __future__ import annotations

import inspect
import json
import logging
import re
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from time import monotonic
from typing import Annotated, Any, Literal, Protocol, Self

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from guardian.errors import ConfigError, GuardUnavailable
from guardian.taxonomy import Severity
from guardian.verdict import Action, Coverage, Finding, ModelRef, PolicyRef, Probability, Span, Stage, Verdict

log = logging.getLogger("guardian")

COMPLAIN_EVERY_S = 60.0
"""Seconds for which a recorder that goes on failing is not complained about again."""

_SURROGATE = re.compile(r"[\ud800-\udfff]")


def _encodable(value: object) -> object:
    # A lone surrogate goes into no log and no JSON. Replaced one by one, offsets still count.
    return _SURROGATE.sub("\ufffd", value) if isinstance(value, str) else value


Encodable = Annotated[str, BeforeValidator(_encodable)]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Outage(_Value):
    """Why there is no verdict, and what became of the text."""

    error: str = Field(description="class of the error: GuardTimeout, GuardOverloaded, BackendError, ...")
    reason: Encodable
    passed: bool = Field(description="true where the policy fails open and let the text pass")


class Record(_Value):
    """One decision, or the outage that stands in its place; `text` is there only where it was asked for."""

    schema_version: Literal[1] = 1
    time: AwareDatetime = Field(description="when it was decided, in UTC")
    stage: Stage
    action: Action | None = Field(default=None, description="what was done; null in an outage")
    would: Action | None = Field(default=None, description="what the policy decided; differs in shadow mode only")
    flagged: bool = Field(default=False, description="true unless the action is allow; false in an outage")
    severity: Severity | None = None
    triggered: tuple[str, ...] = Field(default=(), description="what was found, highest score first")
    findings: tuple[Finding, ...] = Field(default=(), description="everything that was looked for")
    scores: Mapping[str, Probability] = {}
    spans: tuple[Span, ...] = ()
    coverage: Coverage | None = None
    model: ModelRef | None = None
    policy: PolicyRef | None = None
    timings: Mapping[str, float] = Field(default={}, description="milliseconds by step, of the call it was part of")
    shadow: bool = False
    tenant: Encodable | None = None
    unavailable: Outage | None = Field(default=None, description="the outage, where there is no verdict")
    text: Encodable | None = Field(default=None, repr=False, description="what was checked; only where asked for")

    @classmethod
    def of(cls, verdict: Verdict, *, tenant: str | None = None, text: str | None = None) -> Self:
        """The record of a verdict given now. With `text` it holds what was checked, else never."""
        return cls(
            time=datetime.now(UTC),
            stage=verdict.stage,
            action=verdict.action,
            would=verdict.would,
            flagged=verdict.flagged,
            severity=verdict.severity,
            triggered=verdict.triggered,
            findings=verdict.findings,
            scores=verdict.scores,
            spans=verdict.spans,
            coverage=verdict.coverage,
            model=verdict.model,
            policy=verdict.policy,
            timings=verdict.timings,
            shadow=verdict.shadow,
            tenant=tenant,
            text=text,
        )

    @classmethod
    def of_outage(cls, stage: Stage | str, error: GuardUnavailable, *, passed: bool, tenant: str | None = None) -> Self:
        """The record of an outage that happened now; `passed` says whether the text was let through."""
        outage = Outage(error=type(error).__name__, reason=error.reason, passed=passed)
        return cls(time=datetime.now(UTC), stage=Stage(stage), tenant=tenant, unavailable=outage)

    def as_dict(self) -> dict[str, Any]:
        """The record as JSON has it, of the schema beside this file; `schema_version` moves where a key changes."""
        return self.model_dump(mode="json")


class Recorder(Protocol):
    """Keeps records. It is called in the thread or task of the check, which waits for it.

    Its records hold the text only where it has an attribute `with_text` that is true.
    """

    def record(self, record: Record) -> None:
        """Keep one record. What this raises is logged, and the check goes on."""


RecorderLike = Recorder | Callable[[Record], None]
"""What is accepted wherever recorders are."""


class LogRecorder:
    """Writes each record as one line of JSON to a logger (None: `guardian.records`), with the text only if asked.

    The level goes by what was done: INFO where the text was allowed, WARNING for any other action, ERROR in an outage.
    The fields are attributes of the log record too, for structured handlers: `guardian_stage`, `guardian_action`, ...
    """

    def __init__(self, logger: logging.Logger | None = None, *, with_text: bool = False) -> None:
        self.with_text = with_text
        self._logger = logger or logging.getLogger("guardian.records")

    def record(self, record: Record) -> None:
        level = _level(record)
        if self._logger.isEnabledFor(level):
            fields = record.as_dict()
            # ASCII only, so that nothing in a tenant's name or a text can forge or hide a line.
            line = json.dumps(fields, ensure_ascii=True)
            self._logger.log(level, "%s", line, extra={f"guardian_{key}": value for key, value in fields.items()})


def _level(record: Record) -> int:
    if record.unavailable is not None:
        return logging.ERROR
    return logging.WARNING if record.flagged else logging.INFO


class Recorders:
    """Hands every record to many recorders, and keeps what they raise away from the check.

    Each is a `Recorder` or a function of a `Record`; neither may be async. ConfigError names the one that is not. What
    a recorder raises is logged without its message, which could hold the text, and at most once a minute. May be used
    by many threads at once, as far as its recorders may.
    """

    def __init__(
        self,
        recorders: Iterable[RecorderLike] = (),
        *,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        if not isinstance(recorders, Iterable):
            raise ConfigError("recorders", f"must be a list of recorders, not {type(recorders).__name__}")
        self._sinks = [_sink(recorder, f"recorders[{index}]") for index, recorder in enumerate(recorders)]
        self._clock = clock

    def verdict(self, verdict: Verdict, *, tenant: str | None = None, text: str | None = None) -> None:
        """Record a verdict given now. The text reaches only those recorders that ask for it."""
        if self._sinks:
            asked = any(sink.with_text for sink in self._sinks)
            self._keep(Record.of(verdict, tenant=tenant, text=text if asked else None))

    def outage(self, stage: Stage | str, error: GuardUnavailable, *, passed: bool, tenant: str | None = None) -> None:
        """Record an outage that happened now."""
        if self._sinks:
            self._keep(Record.of_outage(stage, error, passed=passed, tenant=tenant))

    def _keep(self, record: Record) -> None:
        bare = record if record.text is None else record.model_copy(update={"text": None})
        for sink in self._sinks:
            try:
                sink.record(record if sink.with_text else bare)
            except Exception as error:  # noqa: BLE001  # whatever it is, the check that is recorded goes on
                sink.complain(error, self._clock())


@dataclass(slots=True)
class _Sink:
    """One recorder, what it lost, and until when that is not spoken of."""

    name: str
    record: Callable[[Record], None]
    with_text: bool
    lost: int = 0
    quiet_until: float = float("-inf")
    lock: Lock = field(default_factory=Lock)

    def complain(self, error: Exception, now: float) -> None:
        with self.lock:
            self.lost += 1
            if now < self.quiet_until:
                return
            lost, self.lost = self.lost, 0
            self.quiet_until = now + COMPLAIN_EVERY_S
        [frame] = traceback.extract_tb(error.__traceback__, limit=-1)
        where = f"{frame.filename}:{frame.lineno}"
        log.warning("recorder %s raised %s at %s; records lost: %d", self.name, type(error).__name__, where, lost)


def _sink(recorder: object, key: str) -> _Sink:
    record = getattr(recorder, "record", recorder)
    if isinstance(recorder, type):
        raise ConfigError(key, f"is the class {recorder.__name__}, not an instance of it")
    if not callable(record):
        raise ConfigError(key, f"must be a Recorder or a function of a Record, not {type(recorder).__name__}")
    if inspect.iscoroutinefunction(record):
        raise ConfigError(key, "must not be async: nobody would await it")
    name = getattr(recorder, "__qualname__", type(recorder).__qualname__)
    return _Sink(name, record, with_text=bool(getattr(recorder, "with_text", False)))
