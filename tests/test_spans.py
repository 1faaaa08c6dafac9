"""Sentences and spans, as pure functions."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from guardian.spans import LONGEST_SENTENCE, Part, merged, sentences, split
from guardian.text.normalize import canonical
from guardian.verdict import Span


def parts_of(text: str) -> list[str]:
    return [text[start:end] for start, end in split(text)]


def test_sentences() -> None:
    text = 'Is it? "Yes!" Mr. Smith paid 3.50 for it...  Then:\n\n- one\n- two 中文句子。还有一个！ End'
    assert parts_of(text) == [
        "Is it?",
        '"Yes!"',
        "Mr. Smith paid 3.50 for it...",
        "Then:",
        "- one",
        "- two 中文句子。",
        "还有一个！",
        "End",
    ]
    assert parts_of("") == parts_of(" \n ") == []


@given(st.text(alphabet="ab .!?\n\u3002\u00a0", max_size=1500))
def test_sentences_hold_everything_but_blanks_and_are_short(text: str) -> None:
    ranges = list(split(text))
    assert ranges == sorted(ranges)
    assert all(end <= start for (_, end), (start, _) in pairwise(ranges))
    assert "".join("".join(part.split()) for part in parts_of(text)) == "".join(text.split())
    assert all(0 < len(part) <= LONGEST_SENTENCE and part == part.strip() for part in parts_of(text))


def test_a_long_line_is_cut_at_blanks() -> None:
    text = "word " * 1000
    assert all(len(part) <= LONGEST_SENTENCE and part.startswith("word") for part in parts_of(text))
    assert [len(part) for part in parts_of("x" * 1000)] == [400, 400, 200]


def test_overlapping_windows_share_their_sentences() -> None:
    view, other = canonical("One is here. Two is there. Three is it."), canonical("Four is last.")
    windows = [Part(view, 0, 20), Part(view, 13, 39), Part(other, 0, 13)]
    assert [part.text for part in sentences(windows)] == [
        "One is here.",
        "Two is there.",
        "Three is it.",
        "Four is last.",
    ]
    apart = [Part(view, 0, 12), Part(view, 27, 39)]
    assert [part.text for part in sentences(apart)] == ["One is here.", "Three is it."]
    assert list(sentences([])) == []


RANGES = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 10), st.sampled_from(["harm", "crime"])), max_size=8)


@given(RANGES)
def test_merged_spans_cover_the_same_and_do_not_overlap(ranges: list[tuple[int, int, str]]) -> None:
    spans = [Span(start=a, end=a + n, hazard=hazard, score=n / 10) for a, n, hazard in ranges]
    result = merged(spans)
    for hazard in ("harm", "crime"):
        mine = [span for span in result if span.hazard == hazard]
        covered = [i for span in mine for i in range(span.start, span.end)]
        assert len(covered) == len(set(covered))
        assert set(covered) == {i for s in spans if s.hazard == hazard for i in range(s.start, s.end)}
        best = max((span.score for span in spans if span.hazard == hazard), default=None)
        assert best == max((span.score for span in mine), default=None)
    assert merged(result) == result


def test_spans_of_different_messages_stay_apart() -> None:
    spans = [Span(start=0, end=9, hazard="harm", score=0.5, message=index) for index in (1, 0)]
    assert [span.message for span in merged(spans)] == [0, 1]
