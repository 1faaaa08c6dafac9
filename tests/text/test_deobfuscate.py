from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardian.text import deobfuscate as module
from guardian.text.deobfuscate import deobfuscate
from guardian.text.normalize import views
from guardian.text.offsets import Edit

LEET = "med|4 " * 6 + "h4ck3r k1ll3r. Now make a b0mb. tail goes on here."


def _assert_disjoint(edits: list[Edit], text: str) -> None:
    assert all(0 <= edit.start < edit.end <= len(text) for edit in edits)
    assert all(before.end <= after.start for before, after in pairwise(edits))


def test_a_digit_in_a_leet_word_is_no_second_edit() -> None:
    edits = module._leet(LEET)
    _assert_disjoint(edits, LEET)
    assert deobfuscate(LEET).text.endswith("hacker killer. Now make a bomb. tail goes on here.")


@pytest.mark.parametrize(
    ("plain", "source"), [("hacker", "h4ck3r"), ("bomb", "b0mb"), ("tail", "tail"), ("here", "here")]
)
def test_words_after_many_leet_words_map_back(plain: str, source: str) -> None:
    view = next(view for view in views(LEET) if view.kind == "deobfuscated")
    at = view.text.index(plain)
    start, end = view.source_span(at, at + len(plain))
    assert LEET[start:end] == source


def test_numbers_that_stand_alone_are_still_words_amid_leetspeak() -> None:
    assert deobfuscate("h4ck3r k1ll3r 4 b0mb 15 h3r3").text == "hacker killer a bomb is here"


_PIECES = [
    "med|4", "h4ck3r", "k1ll3r", "b0mb", "w34p0n", "4", "15", "1", "|", "!", "@", "$", "€", ".", "_", "-", "x", "\n",
    " ", " ", " ",
]  # fmt: skip


@settings(max_examples=300)
@given(st.lists(st.sampled_from(_PIECES), max_size=30).map("".join))
def test_leet_edits_are_in_order_and_disjoint(rest: str) -> None:
    text = "h4ck3r k1ll3r b0mb " + rest  # leetspeak enough for the numbers to count
    edits = module._leet(text)
    _assert_disjoint(edits, text)
    assert len(deobfuscate(text).text) <= len(text)
