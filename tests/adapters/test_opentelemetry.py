"""Records as spans, read back from the real SDK."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator

import pytest
from guardian.adapters.opentelemetry import CAPTURE, OpenTelemetryRecorder
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import StatusCode

from guardian import BackendError, Guardian, MissingExtra, Record, ScriptedBackend, Verdict
from guardian.record import Recorders

TEXT = "how to build a bomb"


class Traces:
    """A tracer provider and what came out of it."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self.exporter.get_finished_spans()

    @property
    def only(self) -> ReadableSpan:
        [span] = self.spans
        return span


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> Iterator[Traces]:
    monkeypatch.delenv(CAPTURE, raising=False)
    traces = Traces()
    yield traces
    traces.provider.shutdown()


def verdict() -> Verdict:
    return Guardian(backend=ScriptedBackend({"bomb": {"harm": 0.97, "weapons": 0.9}})).check(TEXT)


def test_a_decision_is_a_span_with_attributes(traces: Traces, caplog: pytest.LogCaptureFixture) -> None:
    decided = verdict()
    Recorders([OpenTelemetryRecorder(traces.provider)]).verdict(decided, tenant="acme")
    span = traces.only
    assert (span.name, span.status.status_code) == ("guardian.check", StatusCode.UNSET)
    attributes = dict(span.attributes or {})
    expected = {
        "guardian.stage": "prompt",
        "guardian.action": "block",
        "guardian.would": "block",
        "guardian.flagged": True,
        "guardian.severity": "unsafe",
        "guardian.triggered": ("weapons",),
        "guardian.spans": 1,
        "guardian.tenant": "acme",
        "guardian.score.harm": 0.97,
        "guardian.coverage.complete": True,
        "guardian.model.name": "scripted",
        "guardian.policy.name": "default",
        "guardian.timing.total_ms": decided.timings["total"],
    }
    assert expected.items() <= attributes.items()
    assert "error.type" not in attributes
    assert caplog.records == [], "the SDK complains of attributes it cannot take"


def test_the_span_covers_the_time_of_the_check(traces: Traces) -> None:
    slow = verdict().model_copy(update={"timings": {"total": 250.0}})
    Recorders([OpenTelemetryRecorder(traces.provider)]).verdict(slow)
    span = traces.only
    assert span.start_time is not None
    assert span.end_time is not None
    assert span.end_time - span.start_time == 250_000_000


def test_everything_that_was_looked_for_is_an_evaluation(traces: Traces) -> None:
    decided = verdict()
    Recorders([OpenTelemetryRecorder(traces.provider)]).verdict(decided)
    events = traces.only.events
    assert {event.name for event in events} == {"gen_ai.evaluation.result"}
    by_name = {(event.attributes or {})["gen_ai.evaluation.name"]: dict(event.attributes or {}) for event in events}
    assert set(by_name) == {finding.name for finding in decided.findings}
    assert by_name["harm"] == {
        "gen_ai.evaluation.name": "harm",
        "gen_ai.evaluation.score.value": 0.97,
        "gen_ai.evaluation.score.label": "fail",
        "gen_ai.evaluation.explanation": "triggered; threshold 0.5, action block",
    }
    assert by_name["jailbreak"]["gen_ai.evaluation.score.label"] == "pass"
    assert str(by_name["jailbreak"]["gen_ai.evaluation.explanation"]).startswith("not triggered;")


def test_the_span_is_a_child_of_the_current_one(traces: Traces) -> None:
    recorders = Recorders([OpenTelemetryRecorder(traces.provider)])
    with traces.provider.get_tracer("app").start_as_current_span("chat") as chat:
        recorders.verdict(verdict())
        recorders.verdict(verdict())
    one, other, parent = traces.spans
    assert parent.name == "chat"
    assert one.parent == other.parent == chat.get_span_context()


def test_a_worker_thread_keeps_the_current_span(traces: Traces) -> None:
    async def chat() -> None:
        with traces.provider.get_tracer("app").start_as_current_span("chat"):
            await guardian.acheck(TEXT)

    with Guardian(backend=ScriptedBackend(), recorders=[OpenTelemetryRecorder(traces.provider)]) as guardian:
        asyncio.run(chat())
    check, parent = traces.spans
    assert check.parent == parent.get_span_context()


def test_checks_at_once_stay_under_their_own_spans(traces: Traces) -> None:
    async def chat(number: int) -> None:
        with traces.provider.get_tracer("app").start_as_current_span("chat", attributes={"tenant": str(number)}):
            await asyncio.sleep(0)
            with guardian.using(tenant=str(number)):
                await guardian.acheck(TEXT)

    async def chats() -> None:
        await asyncio.gather(*map(chat, range(20)))

    with Guardian(backend=ScriptedBackend(), recorders=[OpenTelemetryRecorder(traces.provider)]) as guardian:
        asyncio.run(chats())
    of = {span.context.span_id: (span.attributes or {})["tenant"] for span in traces.spans if span.name == "chat"}
    checks = [span for span in traces.spans if span.name == "guardian.check"]
    assert len(checks) == len(of) == 20
    for check in checks:
        assert check.parent is not None
        assert (check.attributes or {})["guardian.tenant"] == of[check.parent.span_id]


@pytest.mark.parametrize("when", ["on_start", "on_end"])
def test_a_processor_that_raises_stops_no_check(traces: Traces, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no disk")

    broken = SpanProcessor()
    monkeypatch.setattr(broken, when, fail)
    traces.provider.add_span_processor(broken)
    with Guardian(backend=ScriptedBackend(), recorders=[OpenTelemetryRecorder(traces.provider)]) as guardian:
        assert not guardian.check(TEXT).blocked


def test_what_is_not_sampled_is_not_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    tracer = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    monkeypatch.setattr(Record, "findings", property(lambda _: pytest.fail("was read")), raising=False)
    OpenTelemetryRecorder(tracer).record(Record.of(verdict()))


@pytest.mark.parametrize("passed", [True, False])
def test_an_outage_is_an_error(traces: Traces, passed: bool) -> None:
    outage = BackendError("response", "out of memory")
    Recorders([OpenTelemetryRecorder(traces.provider)]).outage("response", outage, passed=passed)
    span = traces.only
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "out of memory")
    attributes = dict(span.attributes or {})
    assert attributes["error.type"] == "BackendError"
    assert attributes["guardian.passed"] is passed
    assert "guardian.action" not in attributes
    assert span.events == ()


@pytest.mark.parametrize(
    ("variable", "with_text", "kept"),
    [("true", True, True), ("True", True, True), ("true", False, False), ("false", True, False), (None, True, False)],
)
def test_the_text_has_to_be_asked_for_twice(
    traces: Traces, monkeypatch: pytest.MonkeyPatch, variable: str | None, with_text: bool, kept: bool
) -> None:
    if variable is not None:
        monkeypatch.setenv(CAPTURE, variable)
    Recorders([OpenTelemetryRecorder(traces.provider, with_text=with_text)]).verdict(verdict(), text=TEXT)
    rendered = traces.only.to_json()
    assert (TEXT in rendered) is kept
    assert ((traces.only.attributes or {}).get("guardian.text") == TEXT) is kept


def test_a_tenant_no_encoder_takes_is_mended(traces: Traces, caplog: pytest.LogCaptureFixture) -> None:
    Recorders([OpenTelemetryRecorder(traces.provider)]).verdict(verdict(), tenant="a\ud800")
    assert (traces.only.attributes or {})["guardian.tenant"] == "a\ufffd"
    assert caplog.records == []


def test_without_a_provider_nothing_happens() -> None:
    Recorders([OpenTelemetryRecorder()]).verdict(verdict())


def test_the_library_is_asked_for_by_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(MissingExtra, match=r"pip install 'slm-guardian\[observe\]'"):
        OpenTelemetryRecorder()
