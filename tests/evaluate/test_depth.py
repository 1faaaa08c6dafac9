from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardian.errors import ConfigError
from guardian.evaluate import depth
from guardian.evaluate.depth import Document, HeadScore, Needles
from guardian.evaluate.flow import FocusBackend, document_scorer
from guardian.scoring.backend import Piece
from guardian.scoring.fake import ScriptedBackend
from guardian.verdict import Stage
from tests.evaluate.conftest import INJECTION, prose

TEXTS = st.text(alphabet=st.sampled_from("ab .!?\n\"'é"), max_size=200)


@given(TEXTS, st.sampled_from(["Needle.", "Two words. And more!"]), st.floats(0, 1))
def test_the_document_is_unchanged_around_the_needle(text: str, needle: str, at: float) -> None:
    made = depth.insert(text, needle, at)
    assert made.original == text
    assert made.text[made.start : made.end] == needle
    assert made.start in depth.sentence_starts(text)


@pytest.mark.parametrize("at", depth.DEPTHS)
def test_the_needle_stands_at_its_depth_between_sentences(at: float) -> None:
    text = prose(1, 400)
    made = depth.insert(text, "Needle.", at)
    longest = max(
        b - a for a, b in zip(depth.sentence_starts(text), [*depth.sentence_starts(text)[1:], len(text)], strict=True)
    )
    assert abs(made.start - at * len(text)) <= longest
    assert made.start == 0 or text[made.start - 2] == "."


def test_a_depth_outside_the_document_is_refused() -> None:
    with pytest.raises(ConfigError, match="not a share"):
        depth.insert("a", "b", 1.5)


def test_sentence_starts() -> None:
    assert depth.sentence_starts("") == [0]
    assert depth.sentence_starts('One. "Two?" Three\nfour 3.5 five') == [0, 5, 12, 18]


@given(st.integers(1, 80), st.integers(1, 300))
def test_cut_keeps_whole_sentences_and_the_length(words: int, sentences: int) -> None:
    text = prose(0, sentences)
    cut = depth.cut(text, words)
    assert text.startswith(cut)
    assert len(cut.split()) >= min(words, len(text.split()))
    assert len(cut.split()) <= words + 100
    assert cut.endswith(".")


def test_documents_share_no_source_and_reach_their_length() -> None:
    sources = [Document(f"d{n}", prose(n, 20)) for n in range(30)]
    made = depth.build_documents(sources, 700)
    ids = [part for document in made for part in document.id.split("+")]
    assert len(ids) == len(set(ids))
    assert all(700 <= document.words <= 800 for document in made)
    assert len(made) > 5
    assert depth.build_documents(sources, 700) == made
    assert len(depth.build_documents(sources, 700, count=2)) == 2
    assert [d.words for d in depth.build_documents(sources[:1], 10_000)] == [sources[0].words]


def test_only_the_evaluation_half_is_read(data: Path) -> None:
    found = depth.source_documents(data)
    assert 0 < len(found) < 24
    assert all(depth.is_evaluation(document.id) for document in found)


def test_passages_have_the_wanted_length() -> None:
    made = list(depth.passages(["one two three", "a b", "x " * 30], 10))
    assert made
    assert all(len(passage.split()) == 10 for passage in made)
    assert made == list(depth.passages(["one two three", "a b", "x " * 30], 10))


def test_injections_of_bipia_are_found_at_either_end(data: Path, tmp_path: Path) -> None:
    assert depth.bipia_injections(data) == [INJECTION]
    sources = depth.source_documents(data)
    assert "not a held-out figure" in depth.injection_needles(data, None, sources).source
    assert depth.injection_needles(data, ["a", "b"], sources).texts == ("a", "b")
    (tmp_path / "lines.txt").write_text("one\n\ntwo\n", encoding="utf-8")
    (tmp_path / "rows.jsonl").write_text(
        '{"text": "x", "injection": 1}\n{"text": "y", "injection": 0}\n', encoding="utf-8"
    )
    assert depth.injection_needles(data, tmp_path / "lines.txt", sources).texts == ("one", "two")
    assert depth.injection_needles(data, tmp_path / "rows.jsonl", sources).texts == ("x",)
    with pytest.raises(ConfigError, match="does not exist"):
        depth.injection_needles(data, tmp_path / "none.txt", sources)


def test_harmful_passages_and_their_neutral_twins(data: Path) -> None:
    needles = depth.harm_needles(data, depth.source_documents(data), words=60)
    assert {len(text.split()) for text in needles.texts} == {60}
    assert all("bomb" in text for text in needles.texts)
    assert needles.neutral
    assert all(30 <= len(text.split()) <= 70 for text in needles.neutral)


def test_run_depth_counts_and_pairs() -> None:
    seen: list[tuple[str, str | None]] = []

    def scorer(text: str, needle: str | None) -> Mapping[str, HeadScore]:
        seen.append((text, needle))
        late = needle == "Bad thing." and text.index("Bad") > len(text) / 2
        return {"harm": HeadScore(0.9 if needle == "Bad thing." and not late else 0.1, 0.5)}

    sources = [Document(f"d{n}", prose(n, 40)) for n in range(10)]
    needles = Needles("harm", "harm", ("Bad thing.",), ("Nice thing.",), "test")
    told: list[tuple[int, int]] = []
    result = depth.run_depth(
        scorer,
        sources,
        [needles],
        depths=(0.0, 0.25, 0.99),
        lengths=(100, 400),
        trials=6,
        progress=lambda done, total: told.append((done, total)),
    )
    recall = {(c.words, c.depth): c.recall.value for c in result.cells}
    assert recall == {
        (400, 0.0): 1.0,
        (400, 0.25): 1.0,
        (400, 0.99): 0.0,
        (400, 0.5): recall[400, 0.5],
        (100, 0.5): recall[100, 0.5],
    }
    assert all(c.control.value == 0.0 and c.trials == 6 for c in result.cells)
    assert [(c.words, c.fpr.value) for c in result.clean] == [(100, 0.0), (400, 0.0)]
    assert result.spread("harm", 400) == 1.0
    assert result.spread("harm", 100) is None
    assert told[-1] == (6, 7)
    with pytest.raises(ConfigError, match="nothing to insert"):
        depth.run_depth(scorer, sources, [Needles("harm", "harm", (), (), "")], lengths=(100,), trials=1)


# ---- the flow, narrowed ------------------------------------------------------------------------------


def test_focus_asks_only_about_the_windows_that_touch_the_needle() -> None:
    backend = ScriptedBackend({"disregard": {"injection": 0.95}, "minutes": {"injection": 0.6}}, window_chars=600)
    text = depth.insert(prose(1, 200), INJECTION, 0.5).text
    score = document_scorer(backend, 0.01)
    near = score(text, INJECTION)["injection"]
    asked = [piece for call in backend.calls for piece in call]
    assert near.score == 0.95
    assert near.triggered
    assert 1 <= len(asked) <= 3
    assert all("disregard" in piece.text for piece in asked)
    whole = score(prose(1, 200), None)["injection"]
    assert whole.score == 0.6


def test_focus_keeps_the_order_of_pieces() -> None:
    focused = FocusBackend(ScriptedBackend({"bomb": {"harm": 0.9}}))
    focused.focus("where is the bomb hidden today")
    pieces = [Piece(t, Stage.DOCUMENT) for t in ("a bomb", "so: Where is the\nbomb hidden, today", "nothing")]
    assert [scores["harm"] for scores in focused.score(pieces)] == [0.0, 0.9, 0.0]


def test_a_short_needle_is_found_whole() -> None:
    focused = FocusBackend(ScriptedBackend({"bomb": {"harm": 0.9}}))
    focused.focus("A bomb!")
    assert focused.score([Piece("this is a bomb.", Stage.DOCUMENT)])[0]["harm"] == 0.9
