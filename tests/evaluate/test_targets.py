"""The targets of guardian-slm, read off results and parts."""

from __future__ import annotations

import pytest

from guardian.evaluate.metrics import Estimate
from guardian.evaluate.report import part_markdown, report_blocks, to_markdown
from guardian.evaluate.results import Part, PartTable, Results
from guardian.evaluate.targets import SLM_TARGETS, TARGETS, Target, judge
from guardian.verdict import ModelRef

STREAMED = Part(
    name="streamed",
    title="Streamed answers",
    about="What it is.",
    figures={"within": Estimate(0.75, 0.7, 0.8), "false_stops": Estimate(0.03)},
    tables=(PartTable(title="All", columns=("", "figure"), rows=(("within", Estimate(0.75, 0.7, 0.8)),)),),
)


def results(name: str, *parts: Part) -> Results:
    return Results(
        created="now",
        command="c",
        seconds=1.0,
        seed=0,
        bootstrap=0,
        limit=None,
        machine={},
        versions={},
        model=ModelRef(name=name, version="1", hash=""),
        policy=None,
        main="guardian",
        scorers={},
        benchmarks=(),
        parts=parts,
    )


def test_a_model_is_held_to_its_own_targets() -> None:
    for name in ("guardian-slm", "guardian-cascade(guardian-mini+guardian-slm)"):
        assert [t.title for t in judge(results(name))] == [t.title for t in SLM_TARGETS]
    assert [t.title for t in judge(results("guardian-mini"))] == [t.title for t in TARGETS]


def test_figures_of_parts_are_held_against_targets() -> None:
    found = {t.title: t for t in judge(results("guardian-slm", STREAMED))}
    assert found["Harmful streams stopped within 32 tokens"].held is True
    assert found["Safe streams stopped"].held is False
    missing = found["Score of a 128-token prompt, ms"]
    assert (missing.held, missing.measured.reason) == (None, "speed not run")


@pytest.mark.parametrize("target", [t for t in SLM_TARGETS if t.figure.startswith("part/")], ids=lambda t: t.figure)
def test_a_figure_at_its_bound_holds_and_beyond_it_does_not(target: Target) -> None:
    _, name, figure = target.figure.split("/", 2)
    worse = target.bound - 0.001 if target.at_least else target.bound + 0.001
    for value, held in ((target.bound, True), (worse, False)):
        part = Part(name=name, title=name, about="", figures={figure: Estimate(value)})
        (judged,) = judge(results("guardian-slm", part), [target])
        assert judged.held is held


def test_parts_stand_in_the_report() -> None:
    one = results("guardian-slm", STREAMED)
    text = to_markdown(one, tuple(report_blocks(one)), "plots")
    assert "## Streamed answers" in text
    assert "| within | 0.750 [0.700, 0.800] |" in text
    assert part_markdown(STREAMED) in text + "\n"
    assert Results.model_validate_json(one.model_dump_json()) == one
