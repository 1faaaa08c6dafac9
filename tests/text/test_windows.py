from __future__ import annotations

import re
import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardian.text.windows import WINDOW_BUCKETS, Offsets, bucket_of, merge_spans, plan_windows, windows_of


def tokenize(text: str) -> Offsets:
    """Words and single symbols, as a BERT pre-tokenizer has them."""
    return [match.span() for match in re.finditer(r"\w+|[^\w\s]", text)]


@st.composite
def shapes(draw: st.DrawFn) -> tuple[int, int]:
    size = draw(st.integers(1, 600))
    return size, draw(st.integers(1, size))


# --- plan_windows ------------------------------------------------------------------------------------------------


@given(st.integers(1, 5000), shapes())
def test_plan_covers_every_short_run(n: int, shape: tuple[int, int]) -> None:
    size, stride = shape
    plan = plan_windows(n, size, stride)
    assert plan[0][0] == 0
    assert plan[-1] == (max(0, n - size), n)
    assert all(end - start == min(size, n) for start, end in plan)
    assert all(0 < after[0] - before[0] <= stride for before, after in pairwise(plan))
    length = min(n, size - stride)
    reached = {start: max(end for first, end in plan if first <= start) for start in {0, n - length, n // 2, n // 3}}
    assert all(end >= min(n, start + length) for start, end in reached.items())


@pytest.mark.parametrize(("size", "stride"), [(512, 384), (64, 64), (7, 3), (1, 1), (5000, 1)])
def test_plan_for_every_length(size: int, stride: int) -> None:
    for n in range(1, 5001, 1 if size in (512, 64) else 97):
        plan = plan_windows(n, size, stride)
        assert plan[-1] == (max(0, n - size), n)
        # Between two starts at most a stride, so a run of size - stride tokens fits in the earlier or the later.
        assert all(0 < after[0] - before[0] <= stride for before, after in pairwise(plan))
        assert all(before[1] >= after[0] for before, after in pairwise(plan))


def test_plan_examples() -> None:
    assert plan_windows(0, 4, 3) == []
    assert plan_windows(4, 4, 3) == [(0, 4)]
    assert plan_windows(10, 4, 3) == [(0, 4), (3, 7), (6, 10)]
    assert plan_windows(11, 4, 3) == [(0, 4), (3, 7), (6, 10), (7, 11)]


@pytest.mark.parametrize(
    ("n", "size", "stride", "name"), [(1, 0, 1, "size"), (1, 4, 0, "stride"), (1, 4, 5, "stride"), (-1, 4, 4, "n")]
)
def test_plan_names_the_bad_argument(n: int, size: int, stride: int, name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be"):
        plan_windows(n, size, stride)


# --- windows_of --------------------------------------------------------------------------------------------------

words = st.lists(st.sampled_from(["a", "bomb", "don't", "x,y", "  ", "\n\n", " ", "é", "中文", "!?"]), max_size=120)


@given(words.map(" ".join), shapes(), st.integers(1, 200))
def test_blocks_continue_each_other(text: str, shape: tuple[int, int], block: int) -> None:
    size, stride = min(shape[0], 40), min(shape[1], shape[0], 40)
    got = list(windows_of(text, tokenize, size=size, stride=stride, block_chars=max(block, 8)))
    at_once = list(windows_of(text, tokenize, size=size, stride=stride, block_chars=len(text) + 1))
    assert got == at_once
    tokens = tokenize(text)
    plan = plan_windows(len(tokens), size, stride)
    if len(got) > 1 or len(tokens) > size:
        assert len(got) == len(plan)
        for (start, end), (first, last) in zip(got, plan, strict=True):
            assert start <= tokens[first][0]
            assert tokens[last - 1][1] <= end
            assert tokenize(text[start:end]) == [(a - start, b - start) for a, b in tokens[first:last]]


@given(st.text(max_size=400), shapes(), st.integers(1, 50))
def test_ranges_cover_any_text(text: str, shape: tuple[int, int], block: int) -> None:
    size, stride = min(shape[0], 30), min(shape[1], shape[0], 30)
    got = list(windows_of(text, tokenize, size=size, stride=stride, block_chars=block))
    assert merge_spans(got) == ([(0, len(text))] if text else [])
    assert got == sorted(got)
    assert all(start < end for start, end in got)


def test_gaps_head_and_tail_are_inside() -> None:
    text = "  aa   bb   cc   dd  "
    assert list(windows_of(text, tokenize, size=2, stride=2)) == [(0, 12), (12, 21)]
    assert list(windows_of(text, tokenize, size=3, stride=1)) == [(0, 17), (7, 21)]


def test_text_without_tokens_is_one_range() -> None:
    assert list(windows_of("", tokenize, size=2, stride=1)) == []
    assert list(windows_of(" " * 999, tokenize, size=2, stride=1, block_chars=10)) == [(0, 999)]
    assert list(windows_of("☃" * 99, lambda _: [], size=2, stride=1)) == [(0, 99)]


def test_short_text_is_not_tokenised() -> None:
    def never(text: str) -> Offsets:
        raise AssertionError(text)

    assert list(windows_of("a" * 100, never, size=300, stride=200)) == [(0, 100)]
    assert list(windows_of("é" * 75, never, size=300, stride=200)) == [(0, 75)]
    with pytest.raises(AssertionError):
        # Four byte-level tokens a character are possible here.
        list(windows_of("é" * 100, never, size=300, stride=200))


def test_a_character_of_several_tokens_is_not_cut() -> None:
    def by_bytes(text: str) -> Offsets:
        return [(i, i + 1) for i, char in enumerate(text) for _ in char.encode()]

    got = list(windows_of("😀" * 9, by_bytes, size=6, stride=6))
    assert merge_spans(got) == [(0, 9)]
    assert all(start < end for start, end in got)


@pytest.mark.parametrize(
    ("size", "stride", "block", "name"),
    [(0, 1, 9, "size"), (4, 0, 9, "stride"), (4, 5, 9, "stride"), (4, 4, 0, "block_chars")],
)
def test_windows_of_names_the_bad_argument_at_the_call(size: int, stride: int, block: int, name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be"):
        windows_of("text", tokenize, size=size, stride=stride, block_chars=block)


def test_memory_is_flat_and_windows_lazy() -> None:
    text = "lorem ipsum dolor sit amet " * 40_000

    def peak(part: str) -> int:
        tracemalloc.start()
        for _ in windows_of(part, tokenize, size=512, stride=384, block_chars=16384):
            pass
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(text) < 1.5 * peak(text[:100_000])
    read: list[int] = []

    def recorded(part: str) -> Offsets:
        read.append(len(part))
        return tokenize(part)

    next(windows_of(text, recorded, size=512, stride=384, block_chars=16384))
    assert len(read) == 1


def test_each_character_is_tokenised_once() -> None:
    text = "one two, three " * 5000
    read: list[int] = []

    def recorded(part: str) -> Offsets:
        read.append(len(part))
        return tokenize(part)

    list(windows_of(text, recorded, size=128, stride=32, block_chars=1000))
    assert sum(read) == len(text)


# --- spans and buckets -------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)).map(lambda pair: (pair[0], pair[0] + pair[1]))))
def test_merged_spans_hold_the_same_characters(spans: list[tuple[int, int]]) -> None:
    merged = merge_spans(spans)
    assert {i for span in merged for i in range(*span)} == {i for span in spans for i in range(*span)}
    assert all(before[1] < after[0] for before, after in pairwise(merged))


def test_merge_spans_joins_what_touches_and_refuses_what_runs_backwards() -> None:
    assert merge_spans([(4, 6), (0, 2), (2, 4), (8, 9)]) == [(0, 6), (8, 9)]
    with pytest.raises(ValueError, match=r"\(3, 1\)"):
        merge_spans([(3, 1)])


def test_buckets() -> None:
    assert [bucket_of(n) for n in (1, 2, 4, 5, 16, 17, 64, 65, 256, 257, 10**9)] == [0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    for n in range(1, 1000):
        first, last = WINDOW_BUCKETS[bucket_of(n)]
        assert first <= n
        assert last is None or n <= last
    with pytest.raises(ValueError, match="n_windows"):
        bucket_of(0)
