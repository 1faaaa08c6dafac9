"""The verdict: its schema, its immutability, what it tells and what it redacts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import guardian.verdict
from guardian.errors import BlockedDocument, BlockedPrompt, BlockedResponse, BlockedTool
from guardian.scoring.backend import SCORES
from guardian.taxonomy import Severity
from guardian.verdict import Action, Coverage, Finding, ModelRef, PolicyRef, Span, Stage, Verdict

SCHEMA = Path(guardian.verdict.__file__).with_name("verdict.schema.json")


def schema() -> str:
    return json.dumps(Verdict.model_json_schema(mode="serialization"), indent=2) + "\n"


def a_verdict(action: Action = Action.BLOCK, **changes: Any) -> Verdict:
    fields: dict[str, Any] = {
        "stage": Stage.PROMPT,
        "action": action,
        "flagged": action is not Action.ALLOW,
        "severity": Severity.UNSAFE,
        "scores": dict.fromkeys(SCORES, 0.0) | {"harm": 0.9},
        "coverage": Coverage(chars=20, total_chars=20, windows=1, complete=True),
        "model": ModelRef(name="m", version="1", hash="0"),
        "policy": PolicyRef(name="p", version="1"),
        "would": action,
    }
    return Verdict(**(fields | changes))


def finding(name: str, action: Action = Action.BLOCK, score: float = 0.9, triggered: bool = True) -> Finding:
    return Finding(name=name, score=score, threshold=0.5, triggered=triggered, action=action)


def test_the_checked_in_schema_is_current() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == schema(), "write it anew with: python -m tests.test_verdict"


def test_it_is_immutable() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        a_verdict().action = Action.ALLOW  # type: ignore[misc]


def test_json_there_and_back() -> None:
    verdict = a_verdict(findings=(finding("harm"),), spans=(Span(start=0, end=4, hazard="harm", score=0.9),))
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict


@pytest.mark.parametrize("score", [-0.1, 1.1, float("nan"), float("inf")])
def test_scores_are_probabilities(score: float) -> None:
    with pytest.raises(ValidationError):
        a_verdict(scores={"harm": score})


@pytest.mark.parametrize(
    ("stage", "error"),
    [
        (Stage.PROMPT, BlockedPrompt),
        (Stage.DOCUMENT, BlockedDocument),
        (Stage.RESPONSE, BlockedResponse),
        (Stage.TOOL_CALL, BlockedTool),
        (Stage.TOOL_RESULT, BlockedTool),
    ],
)
def test_each_stage_has_its_error(stage: Stage, error: type[Exception]) -> None:
    with pytest.raises(error):
        a_verdict(stage=stage).raise_if_blocked()


@pytest.mark.parametrize("action", [Action.ALLOW, Action.FLAG, Action.REDACT])
def test_what_may_go_on_raises_nothing(action: Action) -> None:
    verdict = a_verdict(action)
    assert verdict.raise_if_blocked() is verdict


def test_a_reply_is_a_stop_too() -> None:
    assert a_verdict(Action.REPLY).blocked


def test_the_reason_names_hazards_rather_than_harm() -> None:
    found = (finding("harm"), finding("weapons", score=0.7), finding("jailbreak", score=0.8))
    assert a_verdict(findings=found).triggered == ("jailbreak", "weapons")
    assert a_verdict(findings=found).reason == "prompt blocked: jailbreak, weapons"
    assert a_verdict(findings=(finding("harm"), finding("jailbreak"))).triggered == ("harm", "jailbreak")
    assert a_verdict(Action.ALLOW).reason == "prompt allowed: nothing found"
    unread = Coverage(chars=5, total_chars=20, windows=1, complete=False)
    assert a_verdict(Action.FLAG, stage=Stage.TOOL_RESULT, coverage=unread).reason == (
        "tool result flagged: not all of it was read"
    )


def spans(*ranges: tuple[int, int], hazard: str = "harm", message: int | None = None) -> tuple[Span, ...]:
    return tuple(Span(start=a, end=b, hazard=hazard, score=0.9, message=message) for a, b in ranges)


def test_redaction_replaces_spans_and_keeps_the_rest() -> None:
    verdict = a_verdict(Action.REDACT, spans=spans((4, 8), (6, 10), (12, 14)))
    assert verdict.redact("0123456789abcdefghij", mark="#") == "0123#ab#efghij"


def test_redaction_is_only_done_where_it_is_asked_for() -> None:
    assert a_verdict(Action.FLAG, spans=spans((0, 5))).redact("01234") == "01234"
    mixed = a_verdict(
        Action.REDACT,
        findings=(finding("harm", Action.REDACT), finding("injection", Action.FLAG)),
        spans=spans((0, 2)) + spans((4, 6), hazard="injection"),
    )
    assert mixed.redact("0123456789abcdefghij", mark="#") == "#23456789abcdefghij"


def test_redaction_takes_out_what_was_not_read() -> None:
    unread = Coverage(chars=5, total_chars=10, windows=1, complete=False)
    assert a_verdict(Action.REDACT, coverage=unread).redact("0123456789", mark="#") == "01234#"


def test_redaction_of_one_message() -> None:
    verdict = a_verdict(Action.REDACT, spans=spans((0, 2), message=3))
    assert verdict.redact("abcd", message=3, mark="#") == "#cd"
    assert verdict.redact("abcd", message=0, mark="#") == "abcd"


@given(st.text(min_size=1, max_size=30), st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=5))
def test_redaction_leaves_nothing_of_a_span(text: str, ranges: list[tuple[int, int]]) -> None:
    inside = [(min(a, len(text)), min(max(a, b), len(text))) for a, b in ranges]
    verdict = a_verdict(
        Action.REDACT,
        spans=spans(*(pair for pair in inside if pair[0] < pair[1])),
        coverage=Coverage(chars=len(text), total_chars=len(text), windows=1, complete=True),
    )
    kept = [char for index, char in enumerate(text) if not any(a <= index < b for a, b in inside)]
    assert verdict.redact(text, mark="") == "".join(kept)


if __name__ == "__main__":
    SCHEMA.write_text(schema(), encoding="utf-8")
