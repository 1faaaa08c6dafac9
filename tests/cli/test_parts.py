"""Long texts in parts: nothing is lost at the cuts, and the joined verdict is that of the whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardian.cli.parts import interrupted, joined, parts_of
from guardian.guard import Guardian
from guardian.policy import Policy
from guardian.scoring.fake import ScriptedBackend
from guardian.verdict import Action, Verdict


@given(st.lists(st.text("ab\n", max_size=300), max_size=8), st.integers(20, 100))
def test_parts_cover_the_text_and_overlap(blocks: list[str], size: int) -> None:
    overlap = size // 4
    text = "".join(blocks)
    parts = list(parts_of(blocks, size, overlap))
    rebuilt = ""
    for part in parts:
        assert part.text == text[part.offset : part.offset + len(part.text)]
        assert part.lines == text.count("\n", 0, part.offset)
        assert part.offset + part.shared == len(rebuilt)
        rebuilt += part.text[part.shared :]
    assert rebuilt == text
    assert all(part.shared == overlap for part in parts[1:])
    assert all(len(part.text) == size for part in parts[:-1])
    if len(parts) > 1:
        assert size // 2 < len(parts[-1].text) <= size + size // 2


def _whole(guardian: Guardian, text: str, size: int, overlap: int) -> Verdict:
    verdict: Verdict | None = None
    for part in parts_of([text], size, overlap):
        verdict = joined(verdict, part, guardian.check(part.text))
    assert verdict is not None
    return verdict


@given(st.lists(st.sampled_from(["good words. ", "a bomb. ", "jailbreak. "]), max_size=60))
def test_the_joined_verdict_is_that_of_the_whole(words: list[str]) -> None:
    rules = {"bomb": {"harm": 0.9, "weapons": 0.8}, "jailbreak": {"jailbreak": 0.7}}
    guardian = Guardian(backend=ScriptedBackend(rules, window_chars=40))
    text = "".join(words)
    whole, parts = guardian.check(text), _whole(guardian, text, 200, 60)
    assert parts.action == whole.action
    assert parts.severity == whole.severity
    assert parts.scores == whole.scores
    assert {f.name: (f.score, f.triggered) for f in parts.findings} == {
        f.name: (f.score, f.triggered) for f in whole.findings
    }
    assert parts.coverage.chars == len(text)
    assert parts.coverage.total_chars == len(text)
    assert parts.coverage.complete
    covered = {n for span in parts.spans for n in range(span.start, span.end)}
    for span in whole.spans:
        if span.score > 0.85:
            assert covered & set(range(span.start, span.end))


def test_a_passage_in_the_overlap_stands_once() -> None:
    guardian = Guardian(backend=ScriptedBackend({"bomb": {"harm": 0.9}}, window_chars=40))
    text = "x" * 150 + ". a bomb. " + "y" * 190
    spans = _whole(guardian, text, 200, 100).spans
    assert len(spans) == 1
    assert "bomb" in text[spans[0].start : spans[0].end]


@pytest.mark.parametrize(
    ("policy", "action"),
    [(Policy(), Action.FLAG), (Policy(shadow=True), Action.ALLOW), (Policy(on_incomplete=Action.BLOCK), Action.BLOCK)],
)
def test_an_interrupted_verdict_is_incomplete(policy: Policy, action: Action) -> None:
    found = interrupted(Guardian(backend=ScriptedBackend(), policy=policy).check("x"), policy)
    assert not found.coverage.complete
    assert found.action is action
    assert found.flagged is (action is not Action.ALLOW)
