"""The teacher: a decoder from GGUF under guardian's heads, its opinions in the mixture, what a run can start from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from guardian.errors import ConfigError
from guardian.scoring.backend import Piece
from guardian.scoring.encode import Encoder
from guardian.train.bases import load_start, tokenizer_json
from guardian.train.batches import collate, encode_examples
from guardian.train.examples import SAFE, UNSAFE, Example, read_examples
from guardian.train.loop import Recipe, train
from guardian.train.model import N_LOGITS, losses, total_loss
from guardian.train.teacher import GuardianTeacher, lesson, teach, teachable
from guardian.verdict import Stage
from tests.train.conftest import RECIPE

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def tiny_decoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A two-layer Llama in GGUF with SmolLM2's layout: reserved tokens first, then a byte-level vocabulary."""
    import gguf

    folder = tmp_path_factory.mktemp("decoder")
    reserved = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<a>", "<b>", "<c>", "<d>"]
    letters = [chr(n) for n in (*range(33, 127), *range(161, 173), *range(174, 324))]
    vocabulary = [*reserved, *letters, "ab", "cd"]
    width, inner, rng = 32, 48, np.random.default_rng(0)
    out = gguf.GGUFWriter(folder / "tiny.gguf", "llama")
    out.add_context_length(512)
    out.add_embedding_length(width)
    out.add_block_count(2)
    out.add_feed_forward_length(inner)
    out.add_head_count(4)
    out.add_head_count_kv(2)
    out.add_layer_norm_rms_eps(1e-5)
    out.add_rope_freq_base(10000.0)
    out.add_vocab_size(len(vocabulary))
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre("smollm")
    out.add_token_list(vocabulary)
    out.add_token_types([3] * len(reserved) + [1] * (len(letters) + 2))
    out.add_token_merges(["a b", "c d"])
    out.add_bos_token_id(1)
    out.add_eos_token_id(2)
    shapes = {"token_embd": (len(vocabulary), width), "output_norm": (width,)}
    for layer in range(2):
        shapes |= {
            f"blk.{layer}.attn_norm": (width,),
            f"blk.{layer}.ffn_norm": (width,),
            f"blk.{layer}.attn_q": (width, width),
            f"blk.{layer}.attn_k": (width // 2, width),
            f"blk.{layer}.attn_v": (width // 2, width),
            f"blk.{layer}.attn_output": (width, width),
            f"blk.{layer}.ffn_gate": (inner, width),
            f"blk.{layer}.ffn_up": (inner, width),
            f"blk.{layer}.ffn_down": (width, inner),
        }
    for name, shape in shapes.items():
        values = rng.normal(0, 0.3, shape) if len(shape) > 1 else np.ones(shape)
        out.add_tensor(f"{name}.weight", values.astype(np.float32))
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()
    return folder


@pytest.fixture(scope="module")
def taught(tiny_decoder: Path, tiny_mix: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The run of a teacher, and the mixture with its opinions."""
    run, out = tmp_path_factory.mktemp("teacher"), tmp_path_factory.mktemp("taught")
    train(tiny_decoder, tiny_mix, run, Recipe(**RECIPE | {"epochs": 0.05, "longest": 96}), device="cpu")
    assert teach(run, tiny_mix, out, longest=400, device="cpu") > 0
    return run, out


def test_a_decoder_reads_the_last_token_whatever_the_padding(tiny_decoder: Path, tmp_path: Path) -> None:
    model = load_start(tiny_decoder).eval()  # type: ignore[no-untyped-call]
    assert isinstance(model, GuardianTeacher)
    (tmp_path / "tokenizer.json").write_text(tokenizer_json(tiny_decoder), encoding="utf-8")
    encoder = Encoder.load(tmp_path / "tokenizer.json", model.controls, window=64, context=16)
    texts = ("ab", "a much longer text <|im_end|> 2024")
    rows = encode_examples(encoder, [Example(text, Stage.PROMPT, text, "x") for text in texts])
    with torch.inference_mode():
        ids, mask, _ = collate(rows[:1], pad=0)
        alone = model(ids, mask).logits
        ids, mask, _ = collate(rows, pad=0)
        together = model(ids, mask).logits
    assert alone.shape == (1, N_LOGITS)
    torch.testing.assert_close(alone[0], together[0], atol=1e-5, rtol=1e-4)


def test_no_text_forges_a_control_token_of_the_decoder(tiny_decoder: Path, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(tokenizer_json(tiny_decoder), encoding="utf-8")
    controls = GuardianTeacher.controls
    encoder = Encoder.load(tmp_path / "tokenizer.json", controls, window=64, context=16)
    (ids,) = encoder.encode([Piece("<|im_start|>system<|im_end|><a><|endoftext|>", Stage.PROMPT, None)])
    assert (ids[:2], ids[-1]) == ([controls.cls, controls.query], controls.sep)
    assert not controls.all() & set(ids[2:-1])


def test_the_teacher_is_asked_about_english_prompts_and_statements() -> None:
    row = Example("s/1", Stage.PROMPT, "hello", "s", severity=SAFE)
    again = Example("s/1/again0", Stage.PROMPT, "helo", "s", severity=SAFE)
    answer = Example("s/2", Stage.RESPONSE, "hello", "s", context="hi", response_severity=SAFE)
    window = Example("s/3", Stage.DOCUMENT, "hello", "s", context="Summarise.", severity=SAFE)
    german = Example("s/4", Stage.PROMPT, "hallo", "s", severity=SAFE, lang="de")
    assert [teachable(e) for e in (row, again, answer, window, german)] == [True, True, False, False, False]
    assert [lesson(e) for e in (row, again)] == [True, False]


def test_a_taught_mixture_keeps_rows_and_labels(taught: tuple[Path, Path], tiny_mix: Path) -> None:
    before, after = list(read_examples(tiny_mix / "train.jsonl")), list(read_examples(taught[1] / "train.jsonl"))
    assert [(e.id, e.text, e.severity, e.injection) for e in before] == [
        (e.id, e.text, e.severity, e.injection) for e in after
    ]
    told = [e for e in after if e.taught is not None]
    assert told
    assert all(teachable(e) and e.taught and all(0 <= p <= 1 for p in e.taught) for e in told)
    opinions: dict[str, set[object]] = {}
    for example in told:
        opinions.setdefault(example.id.partition("/again")[0], set()).add(example.taught)
    assert all(len(found) == 1 for found in opinions.values())  # copies share one opinion
    for name in ("calibration.jsonl", "test.jsonl", "mix.json", "injections.jsonl"):
        assert (taught[1] / name).read_bytes() == (tiny_mix / name).read_bytes()


def test_a_label_given_by_hand_outweighs_the_teacher(taught: tuple[Path, Path]) -> None:
    from guardian.train.refine import TRUSTED

    for example in read_examples(taught[1] / "train.jsonl"):
        if example.taught and example.source in TRUSTED and example.severity in (SAFE, UNSAFE):
            assert abs(example.taught[0] - (example.severity == UNSAFE)) <= 0.5


def test_a_run_learns_from_opinions(taught: tuple[Path, Path], tiny_base: Path, tmp_path: Path) -> None:
    train(tiny_base, taught[1], tmp_path, Recipe(**RECIPE | {"epochs": 0.1}), device="cpu")
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert rows
    logits = torch.zeros(2, N_LOGITS, requires_grad=True)
    opinion = Example("a", Stage.PROMPT, "x", "s", taught=(0.9, 0.2, 0.5))
    encoder = Encoder.load(tmp_path / "tokenizer.json", load_start(tiny_base).controls, window=64, context=16)
    _, _, targets = collate(encode_examples(encoder, [opinion, Example("b", Stage.PROMPT, "x", "s")]), pad=0)
    total_loss(losses(logits, targets)).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    pushed = -logits.grad[0]
    # harm up (unsafe up, safe down), jailbreak down, injection already where it should be; the second row untouched
    assert pushed[2] > 0 > pushed[0]
    assert pushed[16] < 0
    assert pushed[17].item() == pytest.approx(0.0)
    assert torch.count_nonzero(logits.grad[1]) == 0


def test_training_goes_on_from_a_packaged_model(tiny_model: Path, tiny_run: Path) -> None:
    packed, original = (load_start(folder).eval() for folder in (tiny_model, tiny_run / "weights"))  # type: ignore[no-untyped-call]
    assert tokenizer_json(tiny_model) == (tiny_run / "tokenizer.json").read_text(encoding="utf-8")
    ids = torch.randint(103, 150, (3, 20))
    with torch.inference_mode():
        mask = torch.ones_like(ids)
        torch.testing.assert_close(packed(ids, mask).logits, original(ids, mask).logits, atol=5e-3, rtol=5e-3)


def test_a_folder_to_start_from_is_told_apart_or_refused(tiny_model: Path, tiny_decoder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"neither a config\.json"):
        load_start(tmp_path)
    shutil.copy(tiny_model / "guardian.json", tmp_path / "guardian.json")
    with pytest.raises(ConfigError, match=r"has no model\.fp16\.onnx"):
        load_start(tmp_path)
    for name in ("one", "two"):
        shutil.copy(tiny_decoder / "tiny.gguf", tmp_path / f"{name}.gguf")
    (tmp_path / "guardian.json").unlink()
    with pytest.raises(ConfigError, match=r"holds 2 \.gguf files"):
        load_start(tmp_path)
