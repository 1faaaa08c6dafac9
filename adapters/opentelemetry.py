"""Records as OpenTelemetry spans, with one `gen_ai.evaluation.result` event for each thing that was looked for.

The event is that of the GenAI semantic conventions (open-telemetry/semantic-conventions-genai, still in development);
everything else is in our own namespace, `guardian.*`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from guardian import Finding, MissingExtra, Record, __version__

if TYPE_CHECKING:
    from opentelemetry.trace import Span, TracerProvider
    from opentelemetry.util.types import AttributeValue

CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
"""The environment variable by which OpenTelemetry's own instrumentations are told to keep what was said."""


class OpenTelemetryRecorder:
    """Makes each record a span `guardian.check` under the current span.

    A span of its own, because several checks of one request would overwrite each other's attributes on the current
    one. It covers the time of the check. An outage has the status ERROR. The text is an attribute only if asked for
    twice: by `with_text`, and by OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT set to `true` in the environment.

    Without a `tracer_provider` the global one is used; unless the application has set one up, nothing happens. Raises
    MissingExtra where opentelemetry-api is not installed.
    """

    def __init__(self, tracer_provider: TracerProvider | None = None, *, with_text: bool = False) -> None:
        try:
            from opentelemetry import trace
        except ImportError as error:
            message = "OpenTelemetryRecorder needs opentelemetry-api: pip install 'slm-guardian[observe]'"
            raise MissingExtra("observe", message) from error
        self._tracer = trace.get_tracer("guardian", __version__, tracer_provider)
        self._error = trace.StatusCode.ERROR
        self.with_text = with_text and os.environ.get(CAPTURE, "").strip().lower() == "true"

    def record(self, record: Record) -> None:
        end = int(record.time.timestamp() * 1e9)
        start = end - int(record.timings.get("total", 0.0) * 1e6)
        span = self._tracer.start_span("guardian.check", start_time=start)
        if span.is_recording():  # else the trace is not sampled, or nobody has set tracing up
            self._tell(span, record, end)
        span.end(end)

    def _tell(self, span: Span, record: Record, end: int) -> None:
        span.set_attributes(_attributes(record))
        for finding in record.findings:
            span.add_event("gen_ai.evaluation.result", _evaluation(finding), timestamp=end)
        if record.unavailable is not None:
            span.set_status(self._error, record.unavailable.reason)
        if self.with_text and record.text is not None:
            span.set_attribute("guardian.text", record.text)


def _evaluation(finding: Finding) -> Mapping[str, AttributeValue]:
    # A hazard that explains harm is triggered by its share of it, so score and threshold alone would not say.
    outcome = "triggered" if finding.triggered else "not triggered"
    return {
        "gen_ai.evaluation.name": finding.name,
        "gen_ai.evaluation.score.value": finding.score,
        "gen_ai.evaluation.score.label": "fail" if finding.triggered else "pass",
        "gen_ai.evaluation.explanation": f"{outcome}; threshold {finding.threshold:.4g}, action {finding.action}",
    }


def _attributes(record: Record) -> dict[str, AttributeValue]:
    """What there is to say of a record without its text; what it has no value for is left out."""
    values: dict[str, AttributeValue | None] = {
        "guardian.stage": record.stage,
        "guardian.action": record.action,
        "guardian.would": record.would,
        "guardian.flagged": record.flagged,
        "guardian.severity": record.severity,
        "guardian.triggered": record.triggered,
        "guardian.spans": len(record.spans),
        "guardian.shadow": record.shadow,
        "guardian.tenant": record.tenant,
    }
    values |= {f"guardian.score.{name}": score for name, score in record.scores.items()}
    values |= {f"guardian.timing.{step}_ms": spent for step, spent in record.timings.items()}
    for name, part in (("coverage", record.coverage), ("model", record.model), ("policy", record.policy)):
        if part is not None:
            values |= {f"guardian.{name}.{key}": value for key, value in part}
    if record.unavailable is not None:
        values["error.type"] = record.unavailable.error
        values["guardian.passed"] = record.unavailable.passed
    return {key: value for key, value in values.items() if value is not None}
