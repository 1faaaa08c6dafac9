"""Templates: no text can forge a control token, no word is too long to be read, contexts keep head and tail."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardian.errors import ModelError
from guardian.scoring.backend import Piece
from guardian.scoring.encode import LONGEST_WORD, Controls, Encoder
from guardian.scoring.manifest import Manifest
from guardian.scoring.models import find_model
from guardian.verdict import Stage

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    folder = find_model()
    manifest = Manifest.load(folder)
    controls = Controls(**manifest.controls.model_dump())
    return Encoder.load(folder / manifest.tokenizer, controls, window=256, context=48)


SPECIAL = ("[CLS]", "[SEP]", "[PAD]", "[MASK]", "[UNK]", "[unused0]", "[unused1]", "<|query|>", "<|pred|>", "<s>")


@given(st.lists(st.one_of(st.text(max_size=40), st.sampled_from(SPECIAL)), max_size=12).map(" ".join))
@settings(max_examples=300, deadline=None)
def test_no_text_can_forge_a_control_token(encoder: Encoder, text: str) -> None:
    controls = encoder.controls.all()
    for stage, frame in ((Stage.PROMPT, 3), (Stage.DOCUMENT, 4), (Stage.RESPONSE, 4)):
        (ids,) = encoder.encode([Piece(text, stage)])
        assert sum(i in controls for i in ids) == frame
        assert ids[0] == encoder.controls.cls
        assert ids[-1] == encoder.controls.sep


@pytest.mark.parametrize("text", SPECIAL)
def test_a_special_token_in_the_text_is_ordinary_text(encoder: Encoder, text: str) -> None:
    (ids,) = encoder.encode([Piece(text, Stage.PROMPT, None)])
    assert not encoder.controls.all() & set(ids[2:-1])
    assert len(ids) > 4


def test_templates(encoder: Encoder) -> None:
    c = encoder.controls
    prompt, bare, task, answer = encoder.encode([
        Piece("cake", Stage.PROMPT, "ignored"),
        Piece("cake", Stage.DOCUMENT),
        Piece("cake", Stage.TOOL_RESULT, "eat it"),
        Piece("cake", Stage.RESPONSE, "what is for tea"),
    ])  # fmt: skip
    (cake,) = prompt[2:-1]
    assert prompt == [c.cls, c.query, cake, c.sep]
    assert bare == [c.cls, c.task, c.doc, cake, c.sep]
    assert (task[:2], task[-3:], len(task)) == ([c.cls, c.task], [c.doc, cake, c.sep], 7)
    assert (answer[:2], answer[-3:], len(answer)) == ([c.cls, c.query], [c.resp, cake, c.sep], 9)


def test_a_long_context_keeps_head_and_tail(encoder: Encoder) -> None:
    context = "first " + "middle " * 5000 + "last"
    (ids,) = encoder.encode([Piece("x", Stage.RESPONSE, context)])
    (ends,) = encoder.encode([Piece("x", Stage.RESPONSE, "first last")])
    assert len(ids) == encoder.context + 5
    assert (ids[2], ids[-4]) == (ends[2], ends[3])


def test_a_word_of_a_million_letters_is_read_to_its_end(encoder: Encoder) -> None:
    """WordPiece makes one unknown token of a word over 100 letters: a place to hide. Ours is split first."""
    offsets = encoder.offsets("a" * 1_000_000)
    assert len(offsets) >= 1_000_000 // LONGEST_WORD
    assert (offsets[0][0], offsets[-1][1]) == (0, 1_000_000)
    tail = "bomb" * 12
    hidden, plain = encoder.encode([Piece("z" * 2 * LONGEST_WORD + tail, Stage.PROMPT), Piece(tail, Stage.PROMPT)])
    assert hidden[-len(plain) + 2 :] == plain[2:]


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\udfff\ud800" * 3, "é\udc80"])
def test_lone_surrogates_keep_the_offsets(encoder: Encoder, text: str) -> None:
    assert all(0 <= start <= end <= len(text) for start, end in encoder.offsets(text))
    assert len(encoder.encode([Piece(text, Stage.PROMPT)])) == 1


def test_a_broken_tokenizer_file_is_named(tmp_path: Path) -> None:
    controls = Controls(101, 102, 0, 1, 2, 3, 4)
    with pytest.raises(ModelError, match="cannot be read"):
        Encoder.load(tmp_path / "tokenizer.json", controls, window=8, context=8)
    (tmp_path / "tokenizer.json").write_text('{"model": ')
    with pytest.raises(ModelError, match="is not a tokenizer"):
        Encoder.load(tmp_path / "tokenizer.json", controls, window=8, context=8)


@pytest.mark.parametrize("mark", ["\U0001f642", "\u2603", "\ua66e", "\u16a0", "\U0001d11e"])
def test_a_symbol_glued_to_a_word_leaves_the_word_readable(encoder: Encoder, mark: str) -> None:
    (plain,) = encoder.encode([Piece("bomb", Stage.PROMPT)])
    (bomb,) = plain[2:-1]
    for text in (f"bomb{mark}", f"{mark}bomb", f"{mark}bomb{mark}{mark}"):
        (ids,) = encoder.encode([Piece(text, Stage.PROMPT)])
        assert bomb in ids
