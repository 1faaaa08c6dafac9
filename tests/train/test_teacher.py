"""The teacher: a decoder from GGUF under guardian's heads, its opinions in the mixture, what a run can start from."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from guardian.errors import ConfigError, MissingExtra, ModelError
from guardian.scoring.backend import Piece
from guardian.scoring.encode import Encoder
from guardian.train import corpus
from guardian.train.bases import load_start, tokenizer_json, weights_of
from guardian.train.batches import collate, encode_examples
from guardian.train.examples import CONTROVERSIAL, SAFE, UNSAFE, Example, read_examples, write_examples
from guardian.train.loop import Recipe, train
from guardian.train.model import N_LOGITS, losses, total_loss
from guardian.train.slm import SLM_CONTROLS, GuardianSlm, byte_level_json
from guardian.train.teacher import heard, lesson, teach, teachable
from guardian.verdict import Stage
from tests.train.conftest import RECIPE

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def tiny_decoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A two-layer Llama in GGUF with SmolLM2's layout: reserved tokens first, then a byte-level vocabulary."""
    import gguf

    folder = tmp_path_factory.mktemp("decoder")
    reserved = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *(f"<{letter}>" for letter in "abcdefg")]
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
    train(
        tiny_decoder, tiny_mix, run, Recipe(**RECIPE | {"epochs": 0.05, "longest": 96, "lessons": True}), device="cpu"
    )
    assert teach(run, tiny_mix, out, longest=400, device="cpu") > 0
    return run, out


def test_a_decoder_reads_the_last_token_whatever_the_padding(tiny_decoder: Path, tmp_path: Path) -> None:
    model = load_start(tiny_decoder).eval()  # type: ignore[no-untyped-call]
    assert isinstance(model, GuardianSlm)
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
    controls = SLM_CONTROLS
    encoder = Encoder.load(tmp_path / "tokenizer.json", controls, window=64, context=16)
    (ids,) = encoder.encode([Piece("<|im_start|>system<|im_end|><a><|endoftext|>", Stage.PROMPT, None)])
    assert (ids[:2], ids[-2:]) == ([controls.cls, controls.query], [controls.sep, controls.pred])
    assert not controls.all() & set(ids[2:-2])


def test_the_teacher_is_asked_about_english_prompts_and_statements() -> None:
    row = Example("s/1", Stage.PROMPT, "hello", "s", severity=SAFE)
    again = Example("s/1/again0", Stage.PROMPT, "helo", "s", severity=SAFE)
    answer = Example("s/2", Stage.RESPONSE, "hello", "s", context="hi", response_severity=SAFE)
    window = Example("s/3", Stage.DOCUMENT, "hello", "s", context="Summarise.", severity=SAFE)
    german = Example("s/4", Stage.PROMPT, "hallo", "s", severity=SAFE, lang="de")
    reply = Example("s/5", Stage.PROMPT, "hello", "s", reply="I cannot help with that.")
    asked = [teachable(e) for e in (row, again, answer, window, german, reply)]
    assert asked == [True, True, False, False, False, False]
    assert [lesson(e) for e in (row, again)] == [True, False]


def test_a_taught_mixture_keeps_rows_and_labels(taught: tuple[Path, Path], tiny_mix: Path) -> None:
    before, after = list(read_examples(tiny_mix / "train.jsonl")), list(read_examples(taught[1] / "train.jsonl"))
    assert [(e.id, e.text, e.severity, e.injection) for e in before] == [
        (e.id, e.text, e.severity, e.injection) for e in after
    ]
    told = [e for e in after if e.taught is not None]
    assert told
    for example in told:
        assert teachable(example)
        assert all(p is None or 0 <= p <= 1 for p in example.taught or ())
    opinions: dict[str, set[object]] = {}
    for example in told:
        opinions.setdefault(example.id.partition("/again")[0], set()).add(example.taught)
    assert all(len(found) == 1 for found in opinions.values())  # copies share one opinion
    for name in ("calibration.jsonl", "test.jsonl", "injections.jsonl"):
        assert (taught[1] / name).read_bytes() == (tiny_mix / name).read_bytes()
    summary = json.loads((taught[1] / "mix.json").read_text())
    assert summary.pop("taught")["rows"] == len(told)
    assert summary == json.loads((tiny_mix / "mix.json").read_text())


@pytest.mark.parametrize(
    ("row", "opinion", "kept"),
    [
        pytest.param({"severity": SAFE}, (0.9, 0.1, 0.1), (0.9, 0.1, 0.1), id="a source may be wrong about harm"),
        pytest.param(
            {"severity": SAFE, "source": corpus.SOURCE}, (0.9, 0.1, 0.1), (None, 0.1, 0.1), id="a contrast row is not"
        ),
        pytest.param(
            {"severity": UNSAFE, "source": corpus.SOURCE}, (0.6, 0.1, 0.1), (0.6, 0.1, 0.1), id="no contradiction"
        ),
        pytest.param({"injection": 1, "jailbreak": 1}, (0.2, 0.3, 0.9), (0.2, None, 0.9), id="an attack is one"),
        pytest.param({"injection": 0}, (0.2, 0.9, 0.7), (0.2, 0.9, None), id="an honest look-alike is none"),
        pytest.param(
            {"severity": UNSAFE, "jailbreak": 1, "injection": 1, "source": corpus.SOURCE}, (0, 0, 0), None, id="nothing"
        ),
        pytest.param({"severity": CONTROVERSIAL}, None, None, id="not asked"),
    ],
)
def test_what_of_an_opinion_is_heard(
    row: dict[str, Any], opinion: tuple[float, float, float] | None, kept: tuple[float | None, ...] | None
) -> None:
    example = Example(**{"id": "s/1", "stage": Stage.PROMPT, "text": "x", "source": "aart", **row})
    assert heard(example, opinion) == kept


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


def test_an_unlabelled_row_is_nothing_to_learn_from(tiny_base: Path, tiny_mix: Path, tmp_path: Path) -> None:
    assert not Example("s/1", Stage.PROMPT, "x", "s").labelled
    assert Example("s/1", Stage.PROMPT, "x", "s", taught=(0.5, None, None)).labelled
    for name in ("calibration.jsonl", "test.jsonl", "mix.json"):
        shutil.copy(tiny_mix / name, tmp_path / name)
    write_examples(tmp_path / "train.jsonl", [Example("s/1", Stage.PROMPT, "x", "s")])
    with pytest.raises(ConfigError, match="no row that this model could learn from"):
        train(tiny_base, tmp_path, tmp_path / "run", Recipe(**RECIPE), device="cpu")


def test_a_run_does_not_go_on_with_other_rows(tiny_base: Path, tiny_mix: Path, tmp_path: Path) -> None:
    """Opinions change neither the number of rows nor their lengths: the file itself is compared."""
    mix, recipe = tmp_path / "mix", Recipe(**RECIPE | {"epochs": 0.02})
    shutil.copytree(tiny_mix, mix)
    train(tiny_base, mix, tmp_path / "run", recipe, device="cpu")
    rows = [replace(e, taught=(0.5, 0.5, 0.5)) for e in read_examples(mix / "train.jsonl")]
    write_examples(mix / "train.jsonl", rows)
    with pytest.raises(ConfigError, match="another recipe or mix"):
        train(tiny_base, mix, tmp_path / "run", recipe, device="cpu")


def test_a_run_of_another_kind_is_refused(taught: tuple[Path, Path], tiny_run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has trained a guardian-mini; a guardian-slm is wanted"):
        teach(tiny_run, taught[1], tmp_path)
    with pytest.raises(ConfigError, match="has trained a guardian-slm; a guardian-mini is wanted"):
        weights_of(taught[0], "guardian-mini")
    with pytest.raises(ConfigError, match="the run has not come to its end"):
        teach(tmp_path, taught[1], tmp_path / "out")
    (tmp_path / "train.jsonl").touch()
    with pytest.raises(ConfigError, match=r"calibration\.jsonl is missing"):
        teach(taught[0], tmp_path, tmp_path / "out")


def test_damaged_files_are_named(
    tiny_model: Path, tiny_run: Path, tiny_decoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, source, file in (
        ("graph", tiny_model, "model.fp16.onnx"),
        ("run", tiny_run / "weights", "model.safetensors"),
        ("config", tiny_run / "weights", "config.json"),
        ("decoder", tiny_decoder, "tiny.gguf"),
    ):
        shutil.copytree(source, tmp_path / name)
        whole = (tmp_path / name / file).read_bytes()
        (tmp_path / name / file).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(ModelError, match="truncated"):
            load_start(tmp_path / name)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtra, match=r"slm-guardian\[train\]"):
        load_start(tiny_model)


def test_a_decoder_whose_text_reaches_the_control_ids_is_refused(tiny_decoder: Path) -> None:
    spec = json.loads(Tokenizer.from_str(_decoder_tokenizer(tiny_decoder)).to_str())
    spec["added_tokens"] = spec["added_tokens"][:3]
    with pytest.raises(ConfigError, match="does not begin with reserved tokens"):
        byte_level_json(json.dumps(spec))


def _decoder_tokenizer(folder: Path) -> str:
    from transformers import AutoTokenizer

    original: str = AutoTokenizer.from_pretrained(folder, gguf_file="tiny.gguf").backend_tokenizer.to_str()
    return original
