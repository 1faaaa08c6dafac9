"""The commit rule of streams: nothing leaves that a later window covers, whatever the chunks."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardian import ConfigError
from guardian.text.holdback import SMALLEST, Holdback, Window
from tests.chunks import chunked

texts = st.text(alphabet=st.sampled_from("ab \n.é漢\u200b\ud800"), max_size=700)
sizes = st.integers(SMALLEST, 120)


def windows_of(size: int, chunks: Sequence[str]) -> list[Window]:
    held, found = Holdback(size), []
    for chunk in chunks:
        held.feed(chunk)
        found += held.due()
    return [*found, *held.due(final=True)]


@given(texts, sizes, st.lists(st.integers(1, 200), min_size=1, max_size=5))
def test_windows_are_a_function_of_the_text_and_not_of_the_chunks(text: str, size: int, lengths: list[int]) -> None:
    windows = windows_of(size, chunked(text, lengths))
    assert windows == windows_of(size, [text])
    assert all(w.text == text[w.start : w.end] for w in windows)
    assert all(0 < w.end - w.start <= size for w in windows)
    assert sum(w.end - w.start for w in windows) <= 3 * len(text)


@given(texts, sizes, st.data())
def test_every_short_run_lies_whole_in_a_window(text: str, size: int, data: st.DataObject) -> None:
    windows = windows_of(size, [text])
    start = data.draw(st.integers(0, len(text)))
    end = min(len(text), start + size // 2)
    assert start == end or any(w.start <= start and end <= w.end for w in windows)


@given(texts, sizes, st.lists(st.integers(1, 200), min_size=1, max_size=5))
def test_what_leaves_is_covered_by_no_later_window_and_everything_leaves(
    text: str, size: int, lengths: list[int]
) -> None:
    held, sent, open_from = Holdback(size), "", 0
    for chunk in [*chunked(text, lengths), None]:
        if chunk is not None:
            held.feed(chunk)
        windows = held.due(final=chunk is None)
        for window in windows:
            assert window.start == open_from  # the next window starts where the last one let go
            open_from = window.commit
        for window in windows:
            sent += held.release(window)
            assert len(sent) == window.commit == held.sent
        # A character waits for at most `size` more.
        assert held.received - len(sent) <= size
    assert sent == text


@given(texts, sizes, st.lists(st.integers(1, 200), min_size=1, max_size=5), st.data())
def test_cuts_are_marked_once_whatever_the_chunks(
    text: str, size: int, lengths: list[int], data: st.DataObject
) -> None:
    spans = data.draw(st.lists(st.tuples(st.integers(0, len(text)), st.integers(1, size)), max_size=4))
    wanted = [(start, min(len(text), start + length)) for start, length in spans if start < len(text)]
    held, sent = Holdback(size), ""
    for chunk in [*chunked(text, lengths), None]:
        if chunk is not None:
            held.feed(chunk)
        for window in held.due(final=chunk is None):
            # A verdict on a window can only point at what lies in it.
            seen = [(max(s, window.start), min(e, window.end)) for s, e in wanted]
            sent += held.release(window, [(s, e) for s, e in seen if s < e], mark="#")
    assert sent == redacted(text, wanted)


def redacted(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """The plain way: every character of a cut goes, every run of them becomes one mark."""
    gone = {position for start, end in spans for position in range(start, end)}
    out = []
    for position, char in enumerate(text):
        if position not in gone:
            out.append(char)
        elif position - 1 not in gone:
            out.append("#")
    return "".join(out)


def test_borders_fall_on_blanks_where_there_are_some() -> None:
    text = "seven words of text come here again " * 40
    windows = windows_of(160, [text])
    assert len(windows) > 15
    assert all(text[w.start - 1].isspace() for w in windows if w.start)


def test_feeding_is_linear() -> None:
    """Counted in characters moved, not in time: joins and slices of the buffer."""
    held, moved, chars = Holdback(), 0, 100_000
    for _ in range(chars):
        held.feed("x")
        for window in held.due():
            moved += len(held._text)
            held.release(window)
            moved += len(held._text)
    assert moved < 12 * chars


def test_a_window_that_is_too_small_is_refused() -> None:
    with pytest.raises(ConfigError, match="holdback_chars: must be at least 32"):
        Holdback(SMALLEST - 1)
