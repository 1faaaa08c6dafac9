"""Records: what they hold and never hold, who gets them, and that no recorder breaks a check."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import guardian.record
from guardian import (
    Action,
    BackendError,
    ConfigError,
    Guardian,
    GuardTimeout,
    GuardUnavailable,
    LogRecorder,
    Outage,
    Policy,
    Record,
    ScriptedBackend,
    Severity,
    Stage,
    Verdict,
)
from guardian.record import COMPLAIN_EVERY_S, RecorderLike, Recorders

SCHEMA = Path(guardian.record.__file__).with_name("record.schema.json")
SECRET = "how to build a bomb at 12 Acacia Avenue"  # noqa: S105  # what must never come out again


def schema() -> str:
    return json.dumps(Record.model_json_schema(mode="serialization"), indent=2) + "\n"


def a_verdict(text: str = SECRET, shadow: bool = False) -> Verdict:
    backend = ScriptedBackend({"bomb": {"harm": 0.97, "weapons": 0.9}})
    return Guardian(backend=backend, policy=Policy(shadow=shadow)).check(text)


class Keeper:
    """Keeps the records it is given, with the text if told to."""

    def __init__(self, with_text: bool = False) -> None:
        self.with_text = with_text
        self.records: list[Record] = []

    def record(self, record: Record) -> None:
        self.records.append(record)


class Clock:
    """A monotonic clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def failing(error: BaseException) -> Callable[[Record], None]:
    def fail(_: Record) -> None:
        raise error

    return fail


# --- one record ------------------------------------------------------------------------------------------------------


def test_the_checked_in_schema_is_current() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == schema(), "write it anew with: python -m tests.test_record"


def test_the_record_of_a_verdict_holds_all_of_it() -> None:
    verdict, before = a_verdict(), datetime.now(UTC)
    record = Record.of(verdict, tenant="acme")
    assert before <= record.time <= datetime.now(UTC)
    assert record.time.utcoffset() == datetime.now(UTC).utcoffset()
    shared = set(Record.model_fields) & set(Verdict.model_fields)
    assert shared == set(Verdict.model_fields) - {"reply"}
    for name in shared:
        assert getattr(record, name) == getattr(verdict, name), name
    assert (record.tenant, record.triggered, record.unavailable) == ("acme", ("weapons",), None)
    assert (record.action, record.severity, record.flagged) == (Action.BLOCK, Severity.UNSAFE, True)
    assert record.spans
    assert {"harm": True, "hate": False}.items() <= {f.name: f.triggered for f in record.findings}.items()


def test_shadow_mode_says_what_it_would_have_done() -> None:
    record = Record.of(a_verdict(shadow=True))
    assert (record.action, record.would, record.flagged, record.shadow) == (Action.ALLOW, Action.BLOCK, False, True)


@pytest.mark.parametrize("passed", [True, False])
def test_the_record_of_an_outage(passed: bool) -> None:
    record = Record.of_outage("tool_call", GuardTimeout("tool_call", "took longer than 2 s"), passed=passed, tenant="t")
    assert record.unavailable == Outage(error="GuardTimeout", reason="took longer than 2 s", passed=passed)
    assert (record.stage, record.tenant, record.flagged) == (Stage.TOOL_CALL, "t", False)
    assert (record.action, record.would, record.severity, record.coverage, record.policy) == (None,) * 5
    assert (record.scores, record.findings, record.spans) == ({}, (), ())


def test_the_text_is_only_there_where_it_was_given_and_never_in_the_repr() -> None:
    verdict = a_verdict()
    assert "text" in Record.of(verdict).as_dict()
    for rendered in (repr(Record.of(verdict)), json.dumps(Record.of(verdict).as_dict())):
        assert "Acacia" not in rendered
    asked = Record.of(verdict, text=SECRET)
    assert asked.as_dict()["text"] == SECRET
    assert "Acacia" not in repr(asked)
    assert "Acacia" not in str(asked)


def test_it_is_immutable() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Record.of(a_verdict()).tenant = "other"  # type: ignore[misc]


def test_its_keys_are_those_of_its_schema() -> None:
    properties = json.loads(schema())["properties"]
    for record in (Record.of(a_verdict()), Record.of_outage("prompt", GuardTimeout("prompt", ""), passed=True)):
        assert list(record.as_dict()) == list(properties)
        assert record.as_dict()["schema_version"] == 1
        assert record.as_dict()["time"].endswith("Z")


@given(st.text(), st.text(), st.text())
def test_json_there_and_back_whatever_the_text(text: str, tenant: str, reason: str) -> None:
    text += "\ud800\udfff\x00\u200b"
    decided = Record.of(a_verdict("hello"), tenant=tenant + "\udc80", text=text)
    outage = Record.of_outage("prompt", BackendError("prompt", reason + "\ud83d"), passed=False)
    for record in (decided, outage):
        line = json.dumps(record.as_dict(), ensure_ascii=False).encode("utf-8")
        assert Record.model_validate_json(line) == record
    assert decided.text is not None
    assert len(decided.text) == len(text), "the offsets of the spans still count"


# --- the log ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "level"),
    [
        (lambda: Record.of(a_verdict("hello")), logging.INFO),
        (lambda: Record.of(a_verdict(shadow=True)), logging.INFO),
        (lambda: Record.of(a_verdict()), logging.WARNING),
        (lambda: Record.of_outage("prompt", GuardTimeout("prompt", "late"), passed=True), logging.ERROR),
    ],
)
def test_the_log_has_a_level_a_json_line_and_fields(
    make: Callable[[], Record], level: int, caplog: pytest.LogCaptureFixture
) -> None:
    record = make()
    with caplog.at_level(logging.INFO, "guardian.records"):
        LogRecorder().record(record)
    [entry] = caplog.records
    assert (entry.name, entry.levelno) == ("guardian.records", level)
    assert json.loads(entry.getMessage()) == record.as_dict()
    assert {key: vars(entry)[f"guardian_{key}"] for key in record.as_dict()} == record.as_dict()


def test_the_log_takes_another_logger_and_keeps_to_its_level(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("audit")
    with caplog.at_level(logging.WARNING, "audit"):
        LogRecorder(logger).record(Record.of(a_verdict("hello")))
        assert caplog.records == []
        LogRecorder(logger).record(Record.of(a_verdict()))
    assert [entry.name for entry in caplog.records] == ["audit"]


def test_nothing_in_a_record_forges_a_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "guardian.records"):
        LogRecorder().record(Record.of(a_verdict("hello"), tenant="a\nb\u2028c\u202ed\x1b[0m%s", text="\r\n\ud800"))
    message = caplog.records[0].getMessage()
    assert message.isascii()
    assert message.isprintable()


@pytest.mark.parametrize("with_text", [True, False])
def test_the_log_has_the_text_only_if_asked(with_text: bool, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "guardian.records"):
        Recorders([LogRecorder(with_text=with_text)]).verdict(a_verdict(), text=SECRET)
    assert ("Acacia" in caplog.text) is with_text


# --- many recorders --------------------------------------------------------------------------------------------------


def test_every_recorder_gets_every_record() -> None:
    kept: list[Record] = []
    keeper = Keeper()
    recorders = Recorders([kept.append, keeper])
    recorders.verdict(a_verdict(), tenant="acme")
    recorders.outage(Stage.RESPONSE, BackendError("response", "out of memory"), passed=True, tenant="acme")
    assert kept == keeper.records
    assert [(r.tenant, r.action, r.unavailable is None) for r in kept] == [
        ("acme", Action.BLOCK, True),
        ("acme", None, False),
    ]


def test_the_text_goes_only_to_those_who_ask() -> None:
    asks, does_not = Keeper(with_text=True), Keeper()
    function: list[Record] = []
    Recorders([does_not, asks, function.append]).verdict(a_verdict(), text=SECRET)
    assert [r.text for r in (*does_not.records, *asks.records, *function)] == [None, SECRET, None]


def test_without_recorders_no_record_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Record, "of", None)
    Recorders().verdict(a_verdict())


class Unusual(Exception):
    """Of no kind that anybody expects."""


@pytest.mark.parametrize("error", [ValueError(SECRET), Unusual(SECRET), RecursionError(SECRET), AssertionError(SECRET)])
def test_what_a_recorder_raises_breaks_nothing(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    keeper = Keeper()
    Recorders([failing(error), keeper]).verdict(a_verdict(), text=SECRET)
    assert len(keeper.records) == 1
    [entry] = caplog.records
    assert (entry.name, entry.levelno) == ("guardian", logging.WARNING)
    assert "failing.<locals>.fail" in entry.getMessage()
    assert type(error).__name__ in entry.getMessage()
    assert f"{__file__}:" in entry.getMessage()
    assert "Acacia" not in caplog.text


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1), GeneratorExit()])
def test_what_ends_the_program_passes(error: BaseException) -> None:
    with pytest.raises(type(error)):
        Recorders([failing(error)]).verdict(a_verdict())


def test_a_recorder_is_complained_about_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    clock, outage = Clock(), GuardUnavailable("prompt", "gone")
    recorders = Recorders([failing(OSError()), failing(ValueError())], clock=clock)

    def complaints() -> list[tuple[str, str]]:
        caplog.clear()
        recorders.outage("prompt", outage, passed=False)
        messages = [entry.getMessage() for entry in caplog.records]
        return [("OSError" if "OSError" in message else "ValueError", message[-1]) for message in messages]

    assert complaints() == [("OSError", "1"), ("ValueError", "1")]
    clock.now += COMPLAIN_EVERY_S - 0.1
    assert complaints() == []
    assert complaints() == []
    clock.now += 0.1
    assert complaints() == [("OSError", "3"), ("ValueError", "3")]


def test_many_threads_lose_no_count(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    recorders, verdict = Recorders([failing(OSError())], clock=clock), a_verdict()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: recorders.verdict(verdict), range(400)))
    finally:
        sys.setswitchinterval(interval)
    assert len(caplog.records) == 1
    clock.now += COMPLAIN_EVERY_S
    recorders.verdict(verdict)
    assert caplog.records[-1].getMessage().endswith("records lost: 400")


async def an_async_function(_: Record) -> None: ...


class AsyncRecorder:
    async def record(self, _: Record) -> None: ...


@pytest.mark.parametrize(
    ("recorders", "key"),
    [
        ([Keeper(), 3], r"recorders\[1\]: .*not int"),
        ([LogRecorder], r"recorders\[0\]: is the class LogRecorder"),
        ([an_async_function], r"recorders\[0\]: must not be async"),
        ([AsyncRecorder()], r"recorders\[0\]: must not be async"),
        (Keeper(), "recorders: must be a list"),
    ],
)
def test_what_is_no_recorder_is_named(recorders: Any, key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        Recorders(recorders)


def test_all_kinds_of_recorders_are_typed() -> None:
    several: list[RecorderLike] = [LogRecorder(), Keeper(), print]
    Recorders(several)


if __name__ == "__main__":
    SCHEMA.write_text(schema(), encoding="utf-8")
