"""Regular expressions of a policy: what is refused, and that searching in stretches finds what searching whole does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardian.patterns import LONGEST_PATTERN, compiled, matches_nothing, search


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a+)+",
        r"(a*)*b",
        r"(?:\w+\s?)*$",
        r"(a|a)*",
        r"(a|ab)+c",
        r"(?:a?a?)*",
        r"(((a+)))*",
        r"(?:(?:a+)?)*",
        r"(a{0,10}){10}",
        r"(?=(a+)+)b",
        r"x(?<!y)(?:\d+){2,}",
        r"(?>(a+)+)",
        r"(?P<x>a)?((?(x)b+|c))+",
        r"(a+)++",
    ],
)
def test_patterns_that_may_never_end_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="exponential"):
        compiled(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        r"acme",
        r"\bacme-\d{4,}\b",
        r"(?:\d{1,3}\.){3}\d{1,3}",
        r"[\w.+-]+@[\w-]+\.[\w.]+",
        r"(?:foo|bar)+",
        r"(?:(foo)|(bar))+",
        r"(?:\w++\s)+x",
        r"(?>a+b)+",
        r"(\w+@\w+)?",
        r"(?i)secret.*key",
        r"(?x) a b  # a comment",
        r"(?P<quote>['\"]).*?(?P=quote)",
    ],
)
def test_ordinary_patterns_are_fine(pattern: str) -> None:
    assert compiled(pattern).pattern == pattern
    assert compiled(pattern) is compiled(pattern)


def test_what_is_advised_instead_ends() -> None:
    assert compiled(r"(?:a++)+b").search("a" * 200 + "!") is None  # (?:a+)+b would not, in our lifetime
    with pytest.raises(ValueError, match="possessive"):
        compiled(r"(?:a+)+b")


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("[a", "unterminated character set"),
        ("(", "no regular expression"),
        ("a{99999999999}", "no regular expression"),
        ("(" * 5000, "longer than"),
        ("(" * 2000 + "a" + ")" * 2000, "no regular expression"),
        ("[[a]", "ambiguous"),
        ("a" * (LONGEST_PATTERN + 1), "longer than"),
    ],
)
def test_what_is_no_pattern_is_refused_without_being_repeated(pattern: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as caught:
        compiled(pattern)
    assert pattern not in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "nothing"), [("a*", True), ("(?=a)", True), ("a?|b", True), ("a", False), (".+", False)]
)
def test_what_matches_nothing(pattern: str, nothing: bool) -> None:
    assert matches_nothing(pattern) is nothing


def test_case() -> None:
    assert compiled("acme", True).search("ACME")
    assert not compiled("acme").search("ACME")


PATTERNS = (
    r"ab",
    r"a{1,3}",
    r"\bab\b",
    r"^a",
    r"a$",
    r"\Aa",
    r"b\Z",
    r"(?<=a)b",
    r"a(?!b)",
    r"a(?=b)",
    r"aa?b",
    r"[^b]a",
)


@given(
    st.text("ab \n", max_size=60), st.sampled_from(PATTERNS), st.integers(12, 30), st.sampled_from(["", "(?m)", "(?s)"])
)
def test_stretches_find_what_the_whole_has(text: str, pattern: str, stretch: int, flags: str) -> None:
    wanted = [match.span() for match in re.finditer(flags + pattern, text) if match[0]]
    assert list(search(re.compile(flags + pattern), text, stretch, overlap=5)) == wanted


@given(st.text("ab\n", max_size=80))
def test_a_match_longer_than_a_stretch_is_whole(text: str) -> None:
    wanted = [match.span() for match in re.finditer("b+", text)]
    assert list(search(re.compile("b+"), text, 8, 3)) == wanted


def test_no_more_than_a_stretch_is_searched_at_a_time() -> None:
    asked: list[tuple[int, int]] = []

    class Watching:
        def finditer(self, _: str, start: int, end: int) -> Iterator[re.Match[str]]:
            asked.append((start, end))
            return iter(())

    assert not list(search(cast("re.Pattern[str]", Watching()), "x" * 1000, 100, 20))
    assert all(end - start <= 100 for start, end in asked)
    assert sum(end - start for start, end in asked) <= 1250
    assert (asked[0][0], asked[-1][1]) == (0, 1000)
