"""Records as Prometheus metrics: decisions, findings, outages, time and scores.

Every label has few values: stages, actions, names of findings and of policies, classes of errors. A tenant is a label
only where that is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from guardian import Attack, ConfigError, MissingExtra, Record

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_MEASURED = frozenset(("harm", *Attack))
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SCORES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)


class PrometheusRecorder:
    """Counts and measures records in the metrics of a registry, prometheus_client's own if none is given.

        guardian_decisions_total{stage, action, would, policy}
        guardian_findings_total{stage, name}                     what was triggered
        guardian_outages_total{stage, error, passed}
        guardian_duration_seconds{stage, step}                   histogram, by the steps of `timings`
        guardian_score{stage, name}                              histogram, of harm and of each attack

    With `tenants` the counters have a label `tenant` too, empty where a record has none: only for few tenants that are
    known beforehand, because a series is kept for each. Raises MissingExtra where prometheus-client is not installed,
    and ConfigError where the registry has these metrics already.
    """

    def __init__(self, registry: CollectorRegistry | None = None, *, tenants: bool = False) -> None:
        try:
            from prometheus_client import REGISTRY, Counter, Histogram
        except ImportError as error:
            message = "PrometheusRecorder needs prometheus-client: pip install 'slm-guardian[observe]'"
            raise MissingExtra("observe", message) from error
        into = REGISTRY if registry is None else registry
        more = ("tenant",) if tenants else ()
        self._tenants = tenants
        try:
            self._decisions = Counter(
                "guardian_decisions", "Verdicts given", ("stage", "action", "would", "policy", *more), registry=into
            )
        except ValueError:  # the first of them tells: they come and go together
            raise ConfigError("registry", "has guardian's metrics already; share one PrometheusRecorder") from None
        self._findings = Counter("guardian_findings", "Findings triggered", ("stage", "name", *more), registry=into)
        self._outages = Counter(
            "guardian_outages", "Checks without a verdict", ("stage", "error", "passed", *more), registry=into
        )
        self._duration = Histogram(
            "guardian_duration_seconds", "Time of a check", ("stage", "step"), registry=into, buckets=_SECONDS
        )
        self._score = Histogram("guardian_score", "Probabilities", ("stage", "name"), registry=into, buckets=_SCORES)

    def record(self, record: Record) -> None:
        tenant = {"tenant": record.tenant or ""} if self._tenants else {}
        if record.unavailable is not None:
            outage = record.unavailable
            passed = "true" if outage.passed else "false"
            self._outages.labels(stage=record.stage, error=outage.error, passed=passed, **tenant).inc()
            return
        policy = record.policy.name if record.policy else ""
        self._decisions.labels(
            stage=record.stage, action=record.action, would=record.would, policy=policy, **tenant
        ).inc()
        for step, spent in record.timings.items():
            self._duration.labels(stage=record.stage, step=step).observe(spent / 1e3)
        for finding in record.findings:
            if finding.triggered:
                self._findings.labels(stage=record.stage, name=finding.name, **tenant).inc()
            if finding.name in _MEASURED:
                self._score.labels(stage=record.stage, name=finding.name).observe(finding.score)
