from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from guardian.text.offsets import FORWARD, MIRRORED, WHOLE, Edit, Mapped, rewrite


@st.composite
def edited(draw: st.DrawFn, text: str) -> list[Edit]:
    """Edits of `text`, in order and disjoint."""
    cuts = sorted(draw(st.sets(st.integers(0, len(text)), max_size=8)))
    edits = []
    for start, end in zip(cuts[::2], cuts[1::2], strict=False):
        step = draw(st.sampled_from([FORWARD, MIRRORED, WHOLE]))
        part = text[start:end]
        new = {FORWARD: part.upper(), MIRRORED: part[::-1], WHOLE: draw(st.text("xyz", max_size=4))}[step]
        edits.append(Edit(start, end, new, step))
    return edits


texts = st.text("abcdef ", min_size=1, max_size=40)


def sources(text: str, edits: list[Edit]) -> list[tuple[int, int]]:
    """The plain meaning of the edits: the source range of every character of the outcome."""
    ranges: list[tuple[int, int]] = []
    done = 0
    for start, end, new, step in edits:
        ranges += [(i, i + 1) for i in range(done, start)]
        single = [(i, i + 1) for i in range(start, end)]
        ranges += {FORWARD: single, MIRRORED: single[::-1], WHOLE: [(start, end)] * len(new)}[step]
        done = end
    return ranges + [(i, i + 1) for i in range(done, len(text))]


@given(st.data(), texts)
def test_maps_and_their_compositions_say_where_characters_came_from(data: st.DataObject, text: str) -> None:
    first = data.draw(edited(text))
    middle = rewrite(text, first)
    second = data.draw(edited(middle.text))
    final = Mapped(text).then(first).then(second)
    assert final.text == rewrite(middle.text, second).text
    outer = sources(text, first)
    expected = [(min(outer[i][0] for i in range(*r)), max(outer[i][1] for i in range(*r))) if first else r
                for r in sources(middle.text, second)]  # fmt: skip
    size = len(final.text)
    assert len(expected) == size
    for start in range(size):
        for end in range(start + 1, size + 1):
            covered = expected[start:end]
            assert final.span(start, end) == (min(low for low, _ in covered), max(high for _, high in covered))


def test_long_unchanged_text_has_a_short_map() -> None:
    text = "word " * 100_000
    mapped = rewrite(text, [Edit(5, 6, "W", FORWARD), Edit(1000, 1002, ""), Edit(2000, 2001, "expanded")])
    assert mapped.offsets is not None
    assert len(mapped.offsets.targets) <= 4
    assert mapped.span(1000, 1001) == (1002, 1003)
    assert mapped.span(999, 1001) == (999, 1003)


def test_no_edits_no_map() -> None:
    source = Mapped("same")
    assert source.then([]) is source
    assert rewrite("same", []).offsets is None
