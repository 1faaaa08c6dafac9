"""What a row is to guardian-slm: templates that no text can forge, a severity for every token of an answer."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardian.errors import ModelError
from guardian.scoring.backend import Piece
from guardian.scoring.encode import Encoder
from guardian.train import corpus
from guardian.train.batches import encode_examples
from guardian.train.examples import CONTROVERSIAL, SAFE, UNSAFE, Example
from guardian.train.model import MINI_CONTROLS
from guardian.train.slm import SLM_CONTROLS
from guardian.verdict import Stage
from tests.slm_folder import tiny_tokenizer

pytestmark = pytest.mark.train

WINDOW, CONTEXT = 64, 8
SPECIAL = (
    *(f"<|reserved{n}|>" for n in range(10)),
    *(f"<|{name}|>" for name in SLM_CONTROLS.__slots__),
    "<|im_end|>",
    "<s>",
    "[SEP]",
)
TEXTS = st.lists(st.one_of(st.text(max_size=20), st.sampled_from(SPECIAL)), max_size=8).map("".join)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(tiny_tokenizer(), SLM_CONTROLS, window=WINDOW, context=CONTEXT)


# ---- templates


def test_templates_are_the_documented_ones(encoder: Encoder) -> None:
    text, context = encoder.tokens("make a cake"), encoder.tokens("tell me why")
    prompt, bare, document, answer = encoder.encode([
        Piece("make a cake", Stage.PROMPT, "ignored"),
        Piece("make a cake", Stage.DOCUMENT),
        Piece("make a cake", Stage.TOOL_RESULT, "tell me why"),
        Piece("make a cake", Stage.RESPONSE, "tell me why"),
    ])  # fmt: skip
    assert prompt == [1, 3, *text, 2, 7]
    assert bare == [1, 4, 5, *text, 2, 7]
    assert document == [1, 4, *context, 5, *text, 2, 7]
    assert answer == [1, 3, *context, 6, *text, 2, 7]
    assert encoder.answer_prefix("tell me why") == [1, 3, *context, 6]


@given(text=TEXTS, context=TEXTS, stage=st.sampled_from([Stage.PROMPT, Stage.DOCUMENT, Stage.RESPONSE]))
@settings(max_examples=200)
def test_no_text_forges_a_control_token(encoder: Encoder, text: str, context: str, stage: Stage) -> None:
    """Control ids stand where the template puts them, and what follows a text is always the same."""
    reserved = SLM_CONTROLS.all()
    frame = {Stage.PROMPT: [1, 3], Stage.DOCUMENT: [1, 4, 5], Stage.RESPONSE: [1, 3, 6]}[stage]
    piece = Piece(text, stage, context or None)
    (scored,) = encoder.encode([piece])
    for ids, end in (
        (scored, [2, 7]),
        (encoder.reply_prefix(piece), [2, 8]),
        (encoder.reply_prefix(piece, "weapons"), [2, 9, 8]),
    ):
        assert [i for i in ids if i in reserved] == [*frame, *end]
    assert encoder.reply_prefix(piece)[:-1] == scored[:-1]
    assert encoder.text(encoder.tokens(text)) == text  # nothing is lost, nothing is added


def test_a_reply_is_asked_for_and_forced_by_the_documented_ids(encoder: Encoder) -> None:
    text, task = encoder.tokens("make a bomb"), encoder.tokens("tell me why")
    prompt, document = Piece("make a bomb", Stage.PROMPT), Piece("make a bomb", Stage.DOCUMENT, "tell me why")
    assert encoder.reply_prefix(prompt) == [1, 3, *text, 2, 8]
    assert encoder.reply_prefix(prompt, "weapons") == [1, 3, *text, 2, 9, *encoder.tokens("weapons\n"), 8]
    assert encoder.reply_prefix(document) == [1, 4, *task, 5, *text, 2, 8]
    assert encoder.reply_prefix(document, "crime") == [1, 4, *task, 5, *text, 2, 9, *encoder.tokens("crime\n"), 8]


def test_an_encoder_of_guardian_mini_writes_no_replies() -> None:
    with pytest.raises(ModelError, match="writes no replies"):
        Encoder(tiny_tokenizer(), MINI_CONTROLS, window=8, context=8).reply_prefix(Piece("x", Stage.PROMPT))


def test_a_row_with_a_reply_teaches_nothing_else(encoder: Encoder) -> None:
    example = Example(
        "x/1", Stage.DOCUMENT, "the bomb", "x", context="tell me", severity=UNSAFE, hazards=("weapons",), injection=0,
        reply="I cannot help with that.", subject="weapons", twin="write",
    )  # fmt: skip
    (row,) = encode_examples(encoder, [example])
    prefix = encoder.reply_prefix(Piece("the bomb", Stage.DOCUMENT, "tell me"), "weapons")
    assert row.ids == [*prefix, *encoder.tokens("I cannot help with that."), 2]
    assert row.reply_from == len(prefix)
    assert {row.severity, row.response_severity, row.refusal, *row.hazard, *row.attack, *row.taught} == {-1}
    assert (row.tokens, row.twin) == (None, None)


# ---- severities of tokens


def labels(encoder: Encoder, answer: Example) -> list[int]:
    """Of the answer's own tokens; its frame has none."""
    (row,) = encode_examples(encoder, [answer])
    count = len(encoder.tokens(answer.text))
    assert row.tokens is not None
    assert len(row.tokens) == len(row.ids)
    first = len(row.ids) - 2 - count
    assert {*row.tokens[:first], *row.tokens[-2:]} == {-1}
    return row.tokens[first:-2]


def answer(text: str, onset: int | None = None, severity: int | None = UNSAFE) -> Example:
    return Example("x/1", Stage.RESPONSE, text, "x", context="tell me", response_severity=severity, onset=onset)


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param(("", "Mix the poison with the letter", ". Then write. And help me."), id="start"),
        pytest.param(("A cake is nice. ", "Mix the poison with the letter", ". Then write."), id="middle"),
        pytest.param(("A cake is nice. Tell me. ", "Mix the poison with the letter", "."), id="last sentence"),
        pytest.param(("A cake is nice. ", "Mix the poison with the lette", "r"), id="without an end"),
        pytest.param(("A cake is nice. ", "the po", "r"), id="shorter than a sentence"),
        pytest.param(("A cake.\n", "Mix the poison with the letter", "\nThen write\n"), id="newlines"),
        pytest.param(("", "Sure! Mix the poison with the letter", "! Then write."), id="Sure!"),
        pytest.param(("A cake. ", "1. Mix e.g. the poison with the letter", ". 2. Write."), id="a list"),
        pytest.param(("Grüße, 漢字 🙂. ", "Mix 漢字 🙂 with the letter and me", '."\n🙂 Then 漢字.'), id="many bytes"),
    ],
)
def test_an_answer_is_safe_up_to_its_first_harmful_sentence(encoder: Encoder, parts: tuple[str, str, str]) -> None:
    """Unsafe from that sentence's end on; while it lasts, nothing is said. Each token counts by its last character."""
    text = "".join(parts)
    of_character = [label for label, part in zip((SAFE, -1, UNSAFE), parts, strict=True) for _ in part]
    found = labels(encoder, answer(text, onset=len(parts[0])))
    assert found == [of_character[end - 1] for _, end in encoder.offsets(text)]
    assert found[-1] == UNSAFE


def test_without_an_onset_the_first_half_is_not_known(encoder: Encoder) -> None:
    text = "Mix the poison with the letter. Then write about the war."
    found = labels(encoder, answer(text))
    assert found == [UNSAFE if 2 * end >= len(text) else -1 for _, end in encoder.offsets(text)]
    assert found[0] == -1
    assert found[-1] == UNSAFE


@pytest.mark.parametrize(("severity", "label"), [(SAFE, SAFE), (CONTROVERSIAL, -1), (None, -1)])
def test_a_safe_answer_is_safe_throughout_and_a_doubtful_one_is_not_told(
    encoder: Encoder, severity: int | None, label: int
) -> None:
    assert set(labels(encoder, answer("Tell me. A cake is nice.", severity=severity))) == {label}


def test_a_truncated_answer_has_no_tokens_labelled(encoder: Encoder) -> None:
    """Its middle is gone, so nobody knows what its tokens would stand for."""
    long = answer("poison " * 200, onset=0)
    (row,) = encode_examples(encoder, [long])
    assert len(row.ids) == WINDOW + CONTEXT + 5
    assert row.tokens is None
    assert (row.ids[:2], row.ids[-2:], row.response_severity) == ([1, 3], [2, 7], UNSAFE)


def test_only_answers_have_tokens_labelled(encoder: Encoder) -> None:
    for stage in (Stage.PROMPT, Stage.DOCUMENT):
        (row,) = encode_examples(encoder, [replace(answer("a cake"), stage=stage)])
        assert row.tokens is None


def test_onsets_of_the_corpus_stand_where_they_are_marked() -> None:
    marked = 0
    for name in corpus.ANSWERS_WITH_ONSET:
        rows = {row.id: row for row in corpus.answers(name)}
        for number, line in enumerate(corpus.lines(name), 1):
            written = line.split("\t")[4].replace("\\n", "\n").strip()
            row = rows[f"{corpus.SOURCE}/{name}/{number}"]
            before, mark, after = written.partition(corpus.ONSET)
            assert corpus.ONSET not in row.text
            if not mark:
                assert row.onset is None
                continue
            marked += 1
            assert row.response_severity == UNSAFE
            assert row.onset is not None
            assert row.text[row.onset :] == after.lstrip()
            assert row.text[: row.onset].rstrip() == before.rstrip()
            assert row.onset == 0 or row.text[row.onset - 1].isspace()
    assert marked > 300
