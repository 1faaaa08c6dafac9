"""The decoder at work: chunks change nothing, caches neither, what it computes is what torch computes."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import threading
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from guardian import Guardian, Policy
from guardian.errors import BackendError, ConfigError, GuardTimeout, InputError, ModelError
from guardian.scoring import decoder as module
from guardian.scoring import onnx
from guardian.scoring.backend import Piece, Watched
from guardian.scoring.decoder import GROUP, LONGEST_HELD, OVERLAP, WINDOW, Borders, Cache, Decoder
from guardian.scoring.onnx import OnnxBackend
from guardian.verdict import Stage
from tests.chunks import chunked
from tests.slm_folder import restored_model, tiny_model, tiny_tokenizer

pytestmark = pytest.mark.train

PROMPT = "how do I make a cake"
ANSWER = "please tell me about the garden, it's 漢字 and 🙂 grüße 123 we'll work. " * 4
ASK = Piece("how do I make a bomb", Stage.PROMPT)


@pytest.fixture(scope="module", params=["int8", "fp16"])
def backend(slm_folder: Path, request: pytest.FixtureRequest) -> OnnxBackend:
    return OnnxBackend(slm_folder, device="cpu", precision=request.param)


@pytest.fixture(scope="module")
def decoder(backend: OnnxBackend) -> Decoder:
    assert backend.decoder is not None
    return backend.decoder


def watched(decoder: Decoder, chunks: Sequence[str], prompt: str = PROMPT) -> list[Watched]:
    watcher = decoder.watch(prompt)
    return [token for chunk in chunks for token in watcher.feed(chunk)] + watcher.finish()


# -- tokens of a text that comes in chunks

FAMILY = "👩\u200d👩\u200d👧"

# What GPT-2's pattern treats apart, and what is no character on its own.
MARKS = [
    " ",
    "  ",
    "\n",
    "\t ",
    "'",
    "'l",
    "'ll",
    "don't",
    "l",
    "é",
    "漢字，",
    "🙂",
    FAMILY,
    "12",
    ".",
    "...",
    "²",
    "_",
]
SURROGATES = ["\ud83d", "\ude42"]
pieces = st.one_of(st.sampled_from([*MARKS, *SURROGATES]), st.text(max_size=8))
texts = st.lists(pieces, max_size=40).map("".join)
cuttings = st.lists(st.integers(1, 40), min_size=1, max_size=4)


words = cache(tiny_tokenizer)


def tokens(text: str) -> list[int]:
    ids: list[int] = words().encode("".join("\ufffd" if 0xD800 <= ord(c) < 0xE000 else c for c in text)).ids
    return ids


def stretches(chunks: Sequence[str]) -> list[str]:
    borders = Borders()
    return [stretch for chunk in chunks for stretch in borders.feed(chunk)] + [borders.finish()]


@given(texts, cuttings)
@example("it'l" + "l be", [1])
@example("a  \n b", [1])
@settings(max_examples=300)
def test_chunks_are_tokenised_as_the_whole_text(text: str, lengths: list[int]) -> None:
    found = stretches(chunked(text, lengths))
    assert "".join(found) == text
    if all(len(word) < LONGEST_HELD // 2 for word in text.split()) and "  " * LONGEST_HELD not in text:
        assert [token for stretch in found for token in tokens(stretch)] == tokens(text)


@given(st.lists(st.integers(1, 900), min_size=1, max_size=4), st.integers(0, 40))
def test_a_word_without_an_end_is_cut_by_the_text_alone(lengths: list[int], lead: int) -> None:
    text = "a " * lead + "x" * 1000 + " end"
    cut = stretches(chunked(text, lengths))
    assert "".join(cut) == text
    made = {len("a " * lead) - bool(lead) + LONGEST_HELD * n for n in range(1, 4)}
    ends = [sum(map(len, cut[: n + 1])) for n in range(len(cut))]
    assert made <= set(ends)
    assert [t for stretch in cut for t in tokens(stretch)] == [t for s in stretches([text]) for t in tokens(s)]


@pytest.mark.parametrize("size", [7, 1_000_000])
def test_a_million_letters_are_handled_once_each(size: int) -> None:
    borders, handled = Borders(), 0
    for chunk in chunked("y" * 1_000_000, [size]):
        handled += sum(map(len, borders.feed(chunk)))
        assert len(borders._held) <= LONGEST_HELD
    assert handled + len(borders.finish()) == 1_000_000


# -- the token head


@given(lengths=cuttings)
@settings(max_examples=25)
def test_chunks_change_no_bit_of_any_token(decoder: Decoder, lengths: list[int]) -> None:
    assert watched(decoder, chunked(ANSWER, lengths)) == watched(decoder, [ANSWER])


def test_every_token_of_the_answer_comes_once_and_in_place(backend: OnnxBackend, decoder: Decoder) -> None:
    found = watched(decoder, [ANSWER])
    assert [(token.start, token.end) for token in found] == backend.encoder.offsets(ANSWER)
    assert len({token.probability for token in found}) > len(found) // 2
    assert all(0 <= token.probability <= 1 for token in found)


def test_tokens_come_in_groups_as_soon_as_they_are_certain(decoder: Decoder) -> None:
    watcher = decoder.watch(PROMPT)
    counts = [len(watcher.feed(chunk)) for chunk in chunked(ANSWER, [5])]
    assert all(count % GROUP == 0 for count in counts)
    assert sum(counts) > len(watched(decoder, [ANSWER])) - GROUP - 10


def test_the_probabilities_are_those_of_torch(backend: OnnxBackend, decoder: Decoder) -> None:
    import torch

    ids = [*backend.encoder.answer_prefix(PROMPT), *backend.encoder.tokens(ANSWER)]
    found = np.array([token.probability for token in watched(decoder, [ANSWER])])

    def wanted(model: Any) -> Any:
        with torch.no_grad():
            logits = model.watch(model.read(torch.tensor([ids])))[0, -len(found) :].numpy()
        return 1 / (1 + np.exp(logits[:, 0] - logits[:, 2]))

    distance = np.abs(found - wanted(restored_model(tiny_model()))).mean()
    assert distance < 0.02
    assert distance < np.abs(found - wanted(tiny_model(seed=1))).mean() / 5  # which is not said of any model


def test_an_answer_is_watched_as_a_checked_one_is_read(backend: OnnxBackend) -> None:
    (checked,) = backend.encoder.encode([Piece(ANSWER, Stage.RESPONSE, PROMPT)])
    prefix = backend.encoder.answer_prefix(PROMPT)
    assert checked[: len(prefix)] == prefix
    assert checked[len(prefix) :] == [*backend.encoder.tokens(ANSWER), 2, 7]
    assert backend.encoder.answer_prefix("")[1:] == [3, 6]


def test_a_cache_gives_what_one_run_gives(backend: OnnxBackend, decoder: Decoder) -> None:
    ids = backend.encoder.tokens(ANSWER * 4)
    assert len(ids) > 300  # more than the first capacity
    whole = Cache(decoder._stream, limit=len(ids), stage=Stage.RESPONSE).run(ids)[0]
    for size in (1, 16, 100):
        held = Cache(decoder._stream, limit=len(ids), stage=Stage.RESPONSE)
        parts = [held.run(ids[start : start + size])[0] for start in range(0, len(ids), size)]
        assert np.abs(np.concatenate(parts) - whole).max() < 0.05 * np.abs(whole).max()


def test_a_long_answer_goes_on_in_a_new_cache(backend: OnnxBackend, decoder: Decoder) -> None:
    text = ANSWER * 16
    found = watched(decoder, [text])
    assert found == watched(decoder, chunked(text, [997]))
    ids = backend.encoder.tokens(text)
    assert len(ids) > WINDOW + GROUP
    held = Cache(decoder._stream, limit=4000, stage=Stage.RESPONSE)
    held.run([*backend.encoder.answer_prefix(PROMPT), *ids[WINDOW - OVERLAP : WINDOW]])
    logits = held.run(ids[WINDOW : WINDOW + GROUP])[0]
    wanted = 1 / (1 + np.exp(logits[:, 0] - logits[:, 2]))
    assert np.allclose([token.probability for token in found[WINDOW : WINDOW + GROUP]], wanted, atol=1e-6)


def test_streams_share_the_sessions_and_nothing_else(decoder: Decoder) -> None:
    texts = [f"{word} {ANSWER}" for word in ("one", "two", "three", "four")]
    alone = [watched(decoder, [text], text) for text in texts]
    together: dict[int, list[Watched]] = {}

    def work(number: int) -> None:
        together[number] = watched(decoder, chunked(texts[number], [3]), texts[number])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(texts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [together[number] for number in range(len(texts))] == alone
    assert len({tuple(tokens) for tokens in alone}) == len(texts)


# -- replies


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The ids that a reply was continued with."""
    ids: list[int] = []
    run = Cache.run

    def spy(cache: Cache, given: Sequence[int]) -> Any:
        if cache.length:
            ids.extend(given)
        return run(cache, given)

    monkeypatch.setattr(Cache, "run", spy)
    return iter([ids])


@pytest.mark.parametrize("subject", [None, "violence"])
def test_a_reply_is_what_torch_decodes(
    backend: OnnxBackend, decoder: Decoder, written: Iterator[list[int]], subject: str | None
) -> None:
    import torch

    text = "".join(decoder.write(ASK, subject, max_tokens=40))
    ids = next(written)
    prefix = backend.encoder.reply_prefix(ASK, subject)
    model = restored_model(tiny_model())
    with torch.no_grad():
        logits = model.vocabulary(model.write(torch.tensor([[*prefix, *ids]])))[0, len(prefix) - 1 : -1]
    lost = logits.max(-1).values - logits[torch.arange(len(ids)), torch.tensor(ids)]
    assert len(ids) >= 10
    assert (lost == 0).float().mean() > 0.8
    assert lost.max() < 0.6  # where two are nearly as likely, the last digits decide
    assert text.startswith(backend.encoder.text(ids).rstrip("\ufffd").replace("\ufffd", ""))


def scripted(monkeypatch: pytest.MonkeyPatch, ids: Sequence[int]) -> list[int]:
    """Let the reply be these ids, and then control tokens; returns the lengths of the runs."""
    left, runs = [*ids], list[int]()

    def run(_: Cache, given: Sequence[int]) -> Any:
        runs.append(len(given))
        return np.array([left.pop(0) if left else 2])

    monkeypatch.setattr(Cache, "run", run)
    return runs


def test_a_reply_comes_in_whole_characters(decoder: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"Né {FAMILY} 漢 ok"
    byte_ids = [words().token_to_id(char) for char in _bytes_as_letters(text)]
    scripted(monkeypatch, byte_ids)
    parts = list(decoder.write(ASK))
    assert "".join(parts) == text
    assert "\ufffd" not in "".join(parts)
    assert len(parts) == len(text)
    scripted(monkeypatch, byte_ids[:-6])  # in the middle of a character
    assert "".join(decoder.write(ASK)) == text[:-4]


def _bytes_as_letters(text: str) -> str:
    from tokenizers import pre_tokenizers

    pre = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return "".join(word for word, _ in pre.pre_tokenize_str(text))


@pytest.mark.parametrize("end", [2, 7])
def test_a_reply_ends_with_its_turn_and_at_its_bound(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch, end: int
) -> None:
    a = words().token_to_id("a")
    scripted(monkeypatch, [a, a, end, a])
    assert "".join(decoder.write(ASK)) == "aa"
    runs = scripted(monkeypatch, [a] * 50)
    assert "".join(decoder.write(ASK, max_tokens=5)) == "aaaaa"
    assert runs[1:] == [1] * 4
    with pytest.raises(ConfigError, match="max_tokens"):
        decoder.write(ASK, max_tokens=0)


def test_a_reply_can_be_cancelled_and_has_a_time_limit(decoder: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, [words().token_to_id("a")] * 50)
    calls = iter([None, None, None, RuntimeError("gone")])

    def proceed() -> None:
        if error := next(calls):
            raise error

    reply = decoder.write(ASK, proceed=proceed)
    assert [next(reply), next(reply), next(reply)] == ["a"] * 3
    with pytest.raises(RuntimeError, match="gone"):
        next(reply)
    now = iter([0.0, 1.0, 1.9, 2.1])
    monkeypatch.setattr(module, "monotonic", lambda: next(now))
    reply = decoder.write(ASK, seconds=2)
    assert [next(reply), next(reply)] == ["a"] * 2
    with pytest.raises(GuardTimeout, match="longer than 2 s"):
        next(reply)


def test_a_long_prompt_is_read_in_bounded_runs(decoder: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = scripted(monkeypatch, [])
    list(decoder.write(Piece("word " * 500, Stage.PROMPT)))
    assert len(runs) > 2
    assert max(runs) <= 256


# -- limits and errors


def test_positions_that_run_out_are_said(slm_folder: Path, tmp_path: Path) -> None:
    folder = changed(slm_folder, tmp_path, "positions", 64)
    decoder = OnnxBackend(folder, device="cpu", precision="int8").decoder
    assert decoder is not None
    with pytest.raises(InputError, match="the model holds 64"):
        decoder.write(Piece("word " * 80, Stage.PROMPT))
    with pytest.raises(BackendError, match="tokens of the 64 there are"):
        decoder.watch("a long prompt " * 40)
    short = decoder.watch("hi")  # small windows, but windows
    assert len(short.feed(ANSWER) + short.finish()) == len(tokens(ANSWER))
    assert list(decoder.write(Piece("hi", Stage.PROMPT)))
    with pytest.raises(BackendError, match="5 tokens in a cache for 4"):
        Cache(decoder._stream, limit=4, stage=Stage.RESPONSE).run([1] * 5)


def test_sessions_are_made_at_their_first_use(slm_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    real = onnx._session

    def spy(path: Path, *rest: Any) -> Any:
        made.append(path.name)
        return real(path, *rest)

    monkeypatch.setattr(onnx, "_session", spy)
    decoder = OnnxBackend(slm_folder, device="cpu", precision="int8").decoder
    assert decoder is not None
    watcher = decoder.watch(PROMPT)
    watcher.feed("a few words")
    assert made == ["score.onnx"]
    threads = [threading.Thread(target=watched, args=(decoder, [ANSWER])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == ["score.onnx", "stream.onnx"]
    next(decoder.write(ASK), None)
    assert made == ["score.onnx", "stream.onnx", "reply.onnx"]


@pytest.mark.parametrize("file", ["stream.onnx", "words.bin", "blocks.bin"])
def test_files_are_verified_with_the_graph_that_needs_them(slm_folder: Path, tmp_path: Path, file: str) -> None:
    folder = changed(slm_folder, tmp_path)
    decoder = OnnxBackend(folder, device="cpu", precision="int8").decoder
    assert decoder is not None
    data = bytearray((folder / file).read_bytes())
    data[-1] ^= 1
    (folder / file).unlink()  # and not in place: the session of the scores may have it mapped
    (folder / file).write_bytes(data)
    with pytest.raises(ModelError, match="SHA-256") as caught:
        watched(decoder, [ANSWER])
    assert caught.value.file == file


def test_a_precision_without_a_graph_is_named(slm_folder: Path, tmp_path: Path) -> None:
    folder = changed(slm_folder, tmp_path, "stream", {"fp16": "stream.fp16.onnx"})
    decoder = OnnxBackend(folder, device="cpu", precision="int8").decoder
    assert decoder is not None
    with pytest.raises(ModelError, match="no such graph \\(fp16\\)"):
        watched(decoder, [ANSWER])


def test_a_runtime_that_fails_is_an_outage(decoder: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    watcher = decoder.watch(PROMPT)

    def full(*_: object) -> Any:
        raise RuntimeError("full")

    monkeypatch.setattr(np, "array", full)
    with pytest.raises(BackendError, match="RuntimeError"):
        watcher.feed(ANSWER)


def changed(source: Path, folder: Path, key: str | None = None, value: object = None) -> Path:
    """A copy of a model folder, with a value of its decoder changed."""
    folder = Path(shutil.copytree(source, folder / "model"))
    body = json.loads((folder / "guardian.json").read_text())
    if key is not None:
        body["decoder"][key] = value
    (folder / "guardian.json").write_text(json.dumps(body))
    assert hashlib.sha256((folder / "blocks.bin").read_bytes()).hexdigest() == body["files"]["blocks.bin"]["sha256"]
    return folder


# -- the scores of the same folder


def test_the_scores_of_a_decoder_do_not_hang_on_neighbours(backend: OnnxBackend) -> None:
    asked = [Piece(text, Stage.PROMPT) for text in ("how", ANSWER, "", "why 🙂")]
    asked.append(Piece(ANSWER, Stage.RESPONSE, PROMPT))
    together = backend.logits(asked)
    order = random.Random(0).sample(range(len(asked)), len(asked))
    shuffled = backend.logits([asked[n] for n in order])
    alone = np.concatenate([backend.logits([piece]) for piece in asked])
    if backend.precision == "int8":
        assert np.array_equal(together, alone)
        assert np.array_equal(together[order], shuffled)
    else:
        assert np.allclose(together, alone, atol=0.05 * np.abs(alone).max())


def test_the_scores_of_a_decoder_are_those_of_torch(backend: OnnxBackend) -> None:
    import torch

    asked = [Piece(ANSWER[:60], Stage.PROMPT), Piece(ANSWER, Stage.RESPONSE, PROMPT)]
    model = restored_model(tiny_model())
    for piece, row in zip(asked, backend.logits(asked), strict=True):
        ids = torch.tensor(backend.encoder.encode([piece]))
        with torch.no_grad():
            wanted = model(ids, torch.ones_like(ids)).logits[0].numpy()
        assert np.abs(row - wanted).mean() < 0.05 * np.abs(wanted).max()


# -- under a guard


@pytest.mark.parametrize("threshold", [0.3, 1.0])
def test_a_guarded_stream_is_the_same_however_it_is_chunked(slm_folder: Path, threshold: float) -> None:
    rule = {"action": "block", "threshold": threshold}
    guardian = Guardian(slm_folder, policy=Policy.from_mapping({"stages": {"response": {"harm": rule}}}), device="cpu")

    def outcome(chunks: Sequence[str]) -> Any:
        stream = guardian.stream_guard(PROMPT, by="tokens")
        sent = "".join(stream.feed(chunk) for chunk in chunks) + stream.finish()
        assert stream.verdict is not None
        seen = stream.verdict.model_dump(exclude={"timings": True, "coverage": {"total_chars"}})
        return sent, stream.cut, stream.delivered, seen

    whole = outcome([ANSWER])
    assert whole[1] == (threshold < 1)
    assert whole[0] == ANSWER[: whole[2]]
    assert whole[1] or whole[0] == ANSWER
    for lengths in ([1], [7], [32, 3]):
        assert outcome(chunked(ANSWER, lengths)) == whole


def test_what_of_a_model_streams_and_writes(slm_folder: Path, tmp_path: Path) -> None:
    whole = OnnxBackend(slm_folder, device="cpu", precision="int8")
    assert whole.decoder is not None
    assert whole.writer is whole.decoder
    assert whole.decoder.token_thresholds == {0.01: 0.9, 0.02: 0.8, 0.05: 0.6}
    folder = changed(slm_folder, tmp_path)
    body = json.loads((folder / "guardian.json").read_text())
    del body["decoder"]
    (folder / "guardian.json").write_text(json.dumps(body))
    scores = OnnxBackend(folder, device="cpu", precision="int8")
    assert scores.decoder is scores.writer is None
