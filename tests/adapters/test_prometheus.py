"""Records as metrics, read back from a real registry."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from guardian.adapters.prometheus import PrometheusRecorder
from prometheus_client import CollectorRegistry, generate_latest

from guardian import ConfigError, Guardian, GuardTimeout, MissingExtra, Policy, ScriptedBackend, Verdict
from guardian.record import Recorders

RULES = {"bomb": {"harm": 0.97, "weapons": 0.9}}


def verdict(text: str = "a bomb", policy: Policy | None = None) -> Verdict:
    return Guardian(backend=ScriptedBackend(RULES), policy=policy).check(text)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def test_decisions_are_counted(registry: CollectorRegistry) -> None:
    recorders = Recorders([PrometheusRecorder(registry)])
    for text in ("a bomb", "hello", "bombs"):
        recorders.verdict(verdict(text), tenant="acme")
    recorders.verdict(verdict(policy=Policy(name="watch", shadow=True)))

    def count(action: str, would: str, policy: str) -> float | None:
        labels = {"stage": "prompt", "action": action, "would": would, "policy": policy}
        return registry.get_sample_value("guardian_decisions_total", labels)

    assert count("block", "block", "default") == 2
    assert count("allow", "allow", "default") == 1
    assert count("allow", "block", "watch") == 1


def test_findings_are_counted_where_they_triggered(registry: CollectorRegistry) -> None:
    Recorders([PrometheusRecorder(registry)]).verdict(verdict())

    def count(name: str) -> float | None:
        return registry.get_sample_value("guardian_findings_total", {"stage": "prompt", "name": name})

    assert [count(name) for name in ("harm", "weapons", "jailbreak", "hate")] == [1, 1, None, None]


def test_outages_are_counted_apart(registry: CollectorRegistry) -> None:
    recorders = Recorders([PrometheusRecorder(registry)])
    for passed in (True, False, False):
        recorders.outage("prompt", GuardTimeout("prompt", "took longer than 2 s"), passed=passed)

    def count(passed: str) -> float | None:
        labels = {"stage": "prompt", "error": "GuardTimeout", "passed": passed}
        return registry.get_sample_value("guardian_outages_total", labels)

    assert (count("true"), count("false")) == (1, 2)
    assert b"guardian_decisions_total{" not in generate_latest(registry)


def test_time_is_in_seconds_by_step(registry: CollectorRegistry) -> None:
    timed = verdict().model_copy(update={"timings": {"score": 30.0, "total": 40.0}})
    Recorders([PrometheusRecorder(registry)]).verdict(timed)
    for step, seconds in (("score", 0.03), ("total", 0.04)):
        labels = {"stage": "prompt", "step": step}
        assert registry.get_sample_value("guardian_duration_seconds_sum", labels) == pytest.approx(seconds)
        below = registry.get_sample_value("guardian_duration_seconds_bucket", labels | {"le": "0.025"})
        assert below == 0


def test_scores_of_harm_and_attacks_are_measured(registry: CollectorRegistry) -> None:
    recorders = Recorders([PrometheusRecorder(registry)])
    recorders.verdict(verdict())
    recorders.verdict(verdict("hello"))

    def value(sample: str, name: str) -> float | None:
        return registry.get_sample_value(f"guardian_score_{sample}", {"stage": "prompt", "name": name})

    assert (value("count", "harm"), value("sum", "harm")) == (2, 0.97)
    assert value("count", "jailbreak") == 2
    assert value("count", "weapons") is None


@pytest.mark.parametrize("tenants", [True, False])
def test_a_tenant_is_a_label_only_if_asked(registry: CollectorRegistry, tenants: bool) -> None:
    recorders = Recorders([PrometheusRecorder(registry, tenants=tenants)])
    recorders.verdict(verdict(), tenant="acme\ud800")
    recorders.verdict(verdict())
    recorders.outage("prompt", GuardTimeout("prompt", "late"), passed=True, tenant="acme")
    samples = [sample for metric in registry.collect() for sample in metric.samples]
    found = {sample.labels["tenant"] for sample in samples if "tenant" in sample.labels}
    assert found == ({"acme", "acme\ufffd", ""} if tenants else set())
    assert generate_latest(registry)


def test_the_text_is_in_no_metric(registry: CollectorRegistry) -> None:
    Recorders([PrometheusRecorder(registry)]).verdict(
        verdict("a bomb in Acacia Avenue"), text="a bomb in Acacia Avenue"
    )
    assert b"Acacia" not in generate_latest(registry)


def test_processes_that_share_a_folder_are_counted_together(tmp_path: Path) -> None:
    program = """
from prometheus_client import CollectorRegistry, generate_latest, multiprocess
from guardian import Guardian, ScriptedBackend
from guardian.adapters.prometheus import PrometheusRecorder

guardian = Guardian(backend=ScriptedBackend({"bomb": {"harm": 0.97}}), recorders=[PrometheusRecorder()])
guardian.check("a bomb")
registry = CollectorRegistry()
multiprocess.MultiProcessCollector(registry)
print(generate_latest(registry).decode())
"""
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    run = partial(subprocess.check_output, [sys.executable, "-c", program], env=environment, text=True)
    assert [f'guardian_findings_total{{name="harm",stage="prompt"}} {n}.0' in run() for n in (1, 2)] == [True, True]


def test_two_recorders_do_not_share_a_registry(registry: CollectorRegistry) -> None:
    PrometheusRecorder(registry)
    with pytest.raises(ConfigError, match=r"registry: .*share one"):
        PrometheusRecorder(registry)
    PrometheusRecorder(CollectorRegistry())


def test_the_library_is_asked_for_by_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(MissingExtra, match=r"pip install 'slm-guardian\[observe\]'"):
        PrometheusRecorder()
