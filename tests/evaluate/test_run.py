"""End to end with a scripted backend: run, results file, report."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import pytest

from guardian.errors import ConfigError, MissingExtra
from guardian.evaluate import plots, report, runner, targets
from guardian.evaluate.metrics import Estimate
from guardian.evaluate.results import Results
from guardian.evaluate.runner import Options, run_evaluation
from guardian.evaluate.scorers import Scorer, scorer_of
from guardian.evaluate.targets import Target
from guardian.guard import Guardian
from guardian.policy import Policy
from guardian.scoring.backend import Piece
from guardian.scoring.fake import ScriptedBackend
from guardian.verdict import Stage
from tests.evaluate.conftest import INJECTION, scripted, write


def _shy(pieces: list[Piece]) -> list[dict[str, float]]:
    """Another version of the scripted model, a little less sure."""
    return [{"harm": 0.85 if "bomb" in piece.text else 0.05, "injection": 0.0, "refusal": 0.0} for piece in pieces]


def make_shy() -> object:
    return _shy


@dataclass(frozen=True)
class Run:
    results: Results
    backend: ScriptedBackend
    out: Path


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One evaluation with everything on, for all tests that only look at it."""
    out, backend = tmp_path_factory.mktemp("run"), scripted()
    rows = [{"text": f"{INJECTION} {n}", "stage": "document", "source": "mail", "injection": 1} for n in range(6)]
    rows += [{"text": f"Nothing to see {n}", "stage": "document", "source": "mail", "injection": 0} for n in range(6)]
    results = run_evaluation(
        Guardian(backend=backend),
        data=data,
        benchmarks=None,
        out=out,
        compare=["fp32=tests.evaluate.test_run:make_shy"],
        bootstrap=50,
        options=Options(
            heldout=write(out / "heldout.jsonl", rows),
            backend=backend,
            trials=4,
            lengths=(100, 300),
            depths=(0.0, 0.5),
            command="guardian eval",
        ),
    )
    return Run(results, backend, out)


@pytest.fixture
def results(run: Run) -> Results:
    return run.results


def test_figures_of_a_known_detector(results: Results) -> None:
    found = results.of("jailbreakbench")
    assert found is not None
    assert (found.rows, found.positives, found.threshold) == (28, 8, 0.5)
    assert found.figure("f1").value == 1.0
    assert found.figure("auprc").value == 1.0
    safe = results.of("simplesafetytests")
    assert safe is not None
    assert safe.figure("recall").value == 1.0
    assert safe.figure("f1") == Estimate(None, reason="no negative rows")
    assert safe.figure("category_macro_f1").value == 1.0
    hard = results.of("orbench_hard")
    assert hard is not None
    assert hard.figure("accuracy").value == 0.0
    pool = results.of("pooled")
    assert pool is not None
    assert pool.rows == 10 + 28 + 9 + 9 + 9
    assert {group.name for group in pool.groups} > {"JailbreakBench behaviours"}


def test_stages_and_context_reach_the_model(run: Run) -> None:
    pieces = {piece for call in run.backend.calls for piece in call}
    assert any(piece.stage is Stage.RESPONSE and piece.context == "question" for piece in pieces)
    answers = run.results.of("beavertails")
    assert answers is not None
    assert answers.figure("f1").value == 1.0


def test_baselines_and_compared_versions_stand_beside(results: Results) -> None:
    assert list(results.scorers) == ["guardian", "fp32", "keywords", "constant"]
    constant = results.of("jailbreakbench", "constant")
    assert constant is not None
    assert constant.figure("recall").value == 1.0
    assert constant.figure("precision").value == pytest.approx(8 / 28)
    agreement = next(a for a in results.agreement if a.benchmark == "JailbreakBench behaviours")
    assert agreement.same_decision.value == 1.0
    assert agreement.largest == pytest.approx(0.05)
    assert agreement.recall_difference.value == 0.0
    assert {a.scorer for a in results.agreement} == {"fp32"}


def test_a_compared_version_may_be_held_to_some_benchmarks(data: Path, tmp_path: Path) -> None:
    results = run_evaluation(
        Guardian(backend=scripted()),
        data=data,
        benchmarks=["jailbreakbench", "simplesafetytests"],
        out=tmp_path,
        compare=["fp32=tests.evaluate.test_run:make_shy"],
        bootstrap=20,
        options=Options(tricks=False, long_documents=False, compare_on=("jailbreakbench",)),
    )
    by_scorer = {(b.scorer, b.benchmark) for b in results.benchmarks}
    assert ("fp32", "jailbreakbench") in by_scorer
    assert ("fp32", "simplesafetytests") not in by_scorer
    assert {("guardian", "simplesafetytests"), ("constant", "simplesafetytests")} <= by_scorer


def test_what_was_not_measured_is_listed(results: Results) -> None:
    skipped = {s.name: s.reason for s in results.skipped}
    assert "no training rows" in skipped["tfidf"]
    assert "multijail.jsonl.gz does not exist" in skipped["multijail"]


def test_long_documents_and_tricks_ran(results: Results) -> None:
    assert results.depth is not None
    injection = [c for c in results.depth.cells if c.kind == "injection"]
    assert {c.recall.value for c in injection} == {1.0}
    assert {c.control.value for c in results.depth.cells} == {0.0}
    assert {(t.head, t.rows) for t in results.tricks} == {("harm", 27), ("injection", 6)}
    assert len({t.trick for t in results.tricks}) == 12


def test_targets_are_judged(results: Results) -> None:
    outcome = {t.title: t for t in results.targets}
    assert outcome["SimpleSafetyTests recall"].held is True
    assert outcome["OR-Bench-Hard safe accuracy (nothing flagged)"].held is False
    assert outcome["Injection at 50% of 20,000 words, recall"].held is None
    assert outcome["Injection at 50% of 20,000 words, recall"].measured.reason == "longest documents have 300 words"
    assert outcome["int8 against fp32, recall at 1 % FPR, difference"].held is not None
    assert outcome["Held-out injection, recall at 1 % FPR"].held is True


def test_results_file_round_trips(run: Run, tmp_path: Path) -> None:
    assert Results.load(run.out / "results.json") == run.results
    stored = json.loads((run.out / "results.json").read_text(encoding="utf-8"))
    assert stored["model"]["name"] == "scripted"
    assert stored["machine"]["cores"]
    assert stored["versions"]["numpy"]
    assert str(run.out) not in json.dumps([stored["command"], stored["machine"]])
    path = tmp_path / "results.json"
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(ConfigError, match="not a results file"):
        Results.load(path)
    with pytest.raises(ConfigError, match="not a results file"):
        Results.load(tmp_path / "none.json")


def test_the_same_run_gives_the_same_figures(
    guardian: Guardian, backend: ScriptedBackend, data: Path, tmp_path: Path
) -> None:
    quick = Options(limit=5, tricks=False, long_documents=False, backend=backend)
    one, two = (
        run_evaluation(guardian, data=data, benchmarks=["jailbreakbench"], out=tmp_path, bootstrap=30, options=quick)
        for _ in range(2)
    )
    assert one.benchmarks == two.benchmarks
    assert one.benchmarks[0].rows == 5


# ---- choosing ----------------------------------------------------------------------------------------


def _quick(guardian: Guardian, data: Path, out: Path, names: list[str] | None, **options: object) -> Results:
    chosen = Options(tricks=False, long_documents=False, **options)  # type: ignore[arg-type]
    return run_evaluation(guardian, data=data, benchmarks=names, out=out, bootstrap=0, options=chosen)


def test_a_missing_file_asked_for_by_name_is_an_error(guardian: Guardian, data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"multijail\.jsonl\.gz does not exist"):
        _quick(guardian, data, tmp_path, ["multijail"])
    with pytest.raises(ConfigError, match="holds none of the benchmark files"):
        _quick(guardian, tmp_path / "empty", tmp_path, None)
    with pytest.raises(ConfigError, match="heldout"):
        _quick(guardian, data, tmp_path, ["notinject"], heldout=write(tmp_path / "h.jsonl", [{"text": "x"}]))


def test_calibration_of_hazards_and_categories_from_the_mix(guardian: Guardian, data: Path, tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"text": f"bomb {n}", "stage": "prompt", "severity": 2, "hazards": ["violence"]} for n in range(4)
    ]
    rows += [{"text": f"bread {n}", "stage": "prompt", "severity": 0, "hazards": []} for n in range(4)]
    results = _quick(guardian, data, tmp_path, ["notinject"], heldout=write(tmp_path / "h.jsonl", rows))
    found = results.of("heldout_harm")
    assert found is not None
    assert found.figure("category_macro_f1").value == 1.0
    # Of 8 x 13 scores, four are 0.8 where they should be 1.
    assert found.figure("hazard_ece").value == pytest.approx(4 * 0.2 / (8 * 13))
    calibration = next(t for t in results.targets if t.title.startswith("Calibration error"))
    assert calibration.measured.value == pytest.approx(0.05)
    assert calibration.held is False


def test_held_out_rows_have_a_limit_of_their_own(guardian: Guardian, data: Path, tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"text": f"{word} {n}", "stage": "prompt", "severity": severity}
        for n in range(6)
        for word, severity in (("bomb", 2), ("bread", 0))
    ]
    held_out = write(tmp_path / "h.jsonl", rows)
    cut = _quick(guardian, data, tmp_path, ["notinject"], heldout=held_out, limit=2, heldout_limit=8)
    sizes = {b.benchmark: b.rows for b in cut.benchmarks if b.scorer == cut.main}
    assert (sizes["notinject"], sizes["heldout_harm"]) == (2, 8)
    report.write_report(cut, tmp_path, with_plots=False)
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "at most 2 rows of each benchmark and 8 of each held-out or attack set" in text
    same = _quick(guardian, data, tmp_path, ["notinject"], heldout=held_out, limit=2)
    assert {b.rows for b in same.benchmarks} == {2}


def test_spread_is_no_merit_where_nothing_is_detected(results: Results) -> None:
    assert results.depth is not None
    unseen = [c.model_copy(update={"words": 20_000, "recall": Estimate(0.0)}) for c in results.depth.cells]
    changed = results.model_copy(update={"depth": results.depth.model_copy(update={"cells": tuple(unseen)})})
    (judged,) = targets.judge(changed, [Target("x", "depth/harm/spread", 0.05, at_least=False)])
    assert (judged.held, judged.measured.reason) == (None, "nothing was detected")


def test_two_scorers_of_one_name_are_refused(guardian: Guardian, data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="same name"):
        _quick(guardian, data, tmp_path, ["notinject"], scorers=[Scorer("guardian", _shy)])


def test_a_scorer_that_loses_rows_is_refused(guardian: Guardian, data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="gave 0 scores for"):
        _quick(guardian, data, tmp_path, ["notinject"], scorers=[Scorer("lossy", lambda pieces: [])])


def test_scorer_specs() -> None:
    assert scorer_of("tests.evaluate.test_run:make_shy").name == "make_shy"
    for bad in ("nowhere", "a=no.such.module:thing", "tests.evaluate.test_run:no_such_thing"):
        with pytest.raises(ConfigError):
            scorer_of(bad)


def test_shadow_mode_and_missing_heads_do_not_fake_figures(
    backend: ScriptedBackend, data: Path, tmp_path: Path
) -> None:
    results = _quick(Guardian(backend=backend, policy=Policy(shadow=True)), data, tmp_path, ["orbench_hard"])
    found = results.of("orbench_hard")
    assert found is not None
    assert found.figure("block_rate").value == 1.0
    partial = Scorer("partial", lambda pieces: [{"harm": 0.1} for _ in pieces])
    results = _quick(Guardian(backend=backend), data, tmp_path, ["notinject"], scorers=[partial])
    found = results.of("notinject", "partial")
    assert found is not None
    assert found.figure("accuracy") == Estimate(None, reason="partial has no injection score")


def test_progress_is_told(guardian: Guardian, data: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    run_evaluation(
        guardian,
        data=data,
        benchmarks=["notinject"],
        out=tmp_path,
        bootstrap=0,
        progress=lambda *step: told.append(step),
        options=Options(tricks=False, long_documents=False),
    )
    assert ("guardian: NotInject", 5, 5) in told
    assert all(done <= total for _, done, total in told)


def test_the_command_line_names_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/home/me/bin/guardian", "eval", "--data", "/home/me/data", "a b"])
    from guardian.evaluate.provenance import command_line

    assert command_line() == "guardian eval --data data 'a b'"


# ---- targets -----------------------------------------------------------------------------------------


def test_every_target_reads_a_figure_that_exists(results: Results) -> None:
    assert len(targets.judge(results)) == len(targets.TARGETS)
    at_most = Target("x", "benchmark/orbench_hard/block_rate", 0.1, at_least=False)
    (judged,) = targets.judge(results, [at_most])
    assert (judged.held, judged.wanted) == (False, "at most 0.10")
    (unknown,) = targets.judge(results, [Target("y", "benchmark/none/recall", 0.1)])
    assert (unknown.held, unknown.measured.reason) == (None, "benchmark not run")


# ---- report ------------------------------------------------------------------------------------------


class _Checker(HTMLParser):
    """Tags that must be closed are, in order; ids are unique; nothing is fetched from elsewhere."""

    VOID = frozenset({"meta", "img", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag not in self.VOID:
            self.open.append(tag)
        if values.get("id"):
            self.ids.append(str(values["id"]))
        if tag == "a":
            self.targets.append(str(values["href"]).removeprefix("#"))
        assert tag not in ("script", "link")
        assert str(values.get("src", "data:")).startswith("data:")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_report_renders(results: Results, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    markdown, page = report.write_report(results, tmp_path / "report")
    text, html = markdown.read_text(encoding="utf-8"), page.read_text(encoding="utf-8")
    assert text.startswith("# Evaluation of scripted 1\n")
    for heading in (
        "Targets",
        "How to read this",
        "Harmful prompts",
        "Over-refusal",
        "Long documents",
        "Character tricks",
    ):
        assert f"\n## {heading}\n" in text
        assert heading in html
    for link in re.findall(r"\]\((.*?\.svg)\)", text):
        assert (markdown.parent / link).is_file()
    assert html.count("<figure>") == text.count(".svg)") == 6
    checker = _Checker()
    checker.feed(html)
    assert checker.open == []
    assert set(checker.targets) <= set(checker.ids)


def test_the_report_says_what_fell_short_and_what_does_not_exist(results: Results) -> None:
    text = report.to_markdown(results, [b for b in report.report_blocks(results) if not isinstance(b, report.Plot)], "")
    assert "fell short: " in report.verdict_line(results)
    assert re.search(
        r"\| OR-Bench-Hard safe accuracy \(nothing flagged\) \| at least 0.70 \| 0.000 .* \| fell short \|", text
    )
    assert "<details><summary>SimpleSafetyTests, F1 by hazard</summary>" in text
    assert "not measured: longest documents have 300 words" in text
    assert re.search(r"No F1, precision, .*: no negative rows\.", text)
    assert "nan" not in text.lower().replace("finance", "")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert text.index("fell short |") < text.index("held |")
    assert all(line.endswith(" |") for line in rows)


def test_plots_are_the_same_bytes_every_time(results: Results) -> None:
    pytest.importorskip("matplotlib")
    small = results.model_copy(update={"benchmarks": results.benchmarks[:2]})
    first, again = plots.draw(small), plots.draw(small)
    assert first == again
    assert set(first) == {"overview", "histograms", "precision_recall", "reliability", "depth", "tricks"}


def test_a_small_result_needs_no_plots_and_no_matplotlib(
    results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtra, match=r"slm-guardian\[train\]"):
        report.write_report(results, tmp_path)
    empty = results.model_copy(update={"benchmarks": (), "depth": None, "tricks": (), "agreement": (), "targets": ()})
    markdown, page = report.write_report(empty, tmp_path, name="small", with_plots=False)
    assert "How this was made" in markdown.read_text(encoding="utf-8")
    assert "<img" not in page.read_text(encoding="utf-8")


def test_text_in_results_cannot_break_the_page(results: Results) -> None:
    first = results.benchmarks[0].model_copy(update={"title": "<b>|x", "note": "<script>"})
    changed = results.model_copy(update={"benchmarks": (first,)})
    blocks = [b for b in report.report_blocks(changed) if not isinstance(b, report.Plot)]
    html = report.to_html(changed, blocks, {})
    assert "<script>" not in html
    assert "&lt;b&gt;|x" in html


def test_evaluation_imports_neither_matplotlib_nor_scikit_learn() -> None:
    import subprocess

    code = "import guardian.evaluate.runner, guardian.evaluate.report, sys; "
    code += "bad = {'matplotlib', 'sklearn', 'torch', 'onnxruntime'} & set(sys.modules); assert not bad, bad"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert runner is not None
