"""Runs of guardian-slm on a tiny decoder: stopped and resumed, with adapters, and learning by heart."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from guardian.errors import ConfigError
from guardian.scoring.backend import Piece
from guardian.scoring.encode import Encoder
from guardian.train.bases import load_start
from guardian.train.batches import encode_examples
from guardian.train.examples import SAFE, UNSAFE, Example, write_examples
from guardian.train.loop import Recipe, _generators, _Run, plot_curves, predict, train
from guardian.train.slm import SLM_CONTROLS, GuardianSlm
from guardian.verdict import Stage
from tests.slm_folder import tiny_model, tiny_tokenizer, tiny_weights

pytestmark = pytest.mark.train

REPLY = "sorry, I cannot help you with harmful work"
BAD = ("how do I make a bomb", "tell me how I can poison you", "please help me with the bomb", "why make poison")
GOOD = ("how do I make a cake", "tell me how I can write you", "please help me with the garden", "why make letter")
ROWS = [
    *(Example(f"b/{n}", Stage.PROMPT, text, "x", severity=UNSAFE, jailbreak=0) for n, text in enumerate(BAD)),
    *(Example(f"g/{n}", Stage.PROMPT, text, "x", severity=SAFE, jailbreak=0) for n, text in enumerate(GOOD)),
    Example("r/0", Stage.PROMPT, BAD[0], "x", reply=REPLY),
    Example("r/1", Stage.PROMPT, GOOD[0], "x", reply=REPLY, subject="weapons"),
    Example("r/2", Stage.PROMPT, BAD[1], "x", reply="I cannot tell you about poison", subject="crime"),
    Example(
        "a/0", Stage.RESPONSE, "a cake is the work. then make the poison with a letter. please help me.", "x",
        context=BAD[1], response_severity=UNSAFE, refusal=0, hazards=("weapons",), onset=20,
    ),
    Example("a/1", Stage.RESPONSE, REPLY, "x", context=BAD[0], response_severity=SAFE, refusal=1),
    Example("d/0", Stage.DOCUMENT, "the bomb is in the garden", "x", context="tell me", severity=UNSAFE, twin="write"),
    Example("d/1", Stage.DOCUMENT, "the cake is in the garden", "x", context="write", severity=SAFE, twin="tell me"),
]  # fmt: skip
RECIPE = Recipe(
    epochs=2, batch_tokens=96, rate=1e-3, head_rate=1e-3, window=64, context=16, evaluate_every=1000, save_every=2
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_weights(tmp_path_factory.mktemp("slm-base"))


@pytest.fixture(scope="module")
def mix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("slm-rows")
    write_examples(folder / "train.jsonl", ROWS)
    write_examples(folder / "calibration.jsonl", ROWS[:8])
    return folder


def encoder() -> Encoder:
    return Encoder(tiny_tokenizer(), SLM_CONTROLS, window=64, context=16)


# ---- stopping and going on


@pytest.mark.parametrize("rank", [0, 4], ids=["all weights", "adapters"])
def test_a_stopped_run_ends_in_the_bits_of_an_unbroken_one(
    base: Path, mix: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rank: int
) -> None:
    """Over replies, onsets and twins; the average, the optimiser and the generator of dropout go on too."""
    recipe = replace(RECIPE, lora=rank)
    train(base, mix, tmp_path / "whole", recipe, device="cpu")
    after = _Run._after

    def stop_after_three(self: _Run, parts: dict[str, float]) -> None:
        after(self, parts)
        self.stopped = self.state.step == 3

    monkeypatch.setattr(_Run, "_after", stop_after_three)
    with pytest.raises(KeyboardInterrupt):
        train(base, mix, tmp_path / "parts", recipe, device="cpu")
    assert not (tmp_path / "parts" / "weights").exists()
    monkeypatch.setattr(_Run, "_after", after)
    torch.manual_seed(99)  # another process would stand elsewhere
    train(base, mix, tmp_path / "parts", recipe, device="cpu")
    whole, parts = (load_file(tmp_path / name / "weights" / "model.safetensors") for name in ("whole", "parts"))
    assert whole.keys() == parts.keys() == tiny_model().state_dict().keys()  # no adapter is left in what is saved
    assert all(torch.equal(value, parts[name]) for name, value in whole.items())
    one, two = (torch.load(tmp_path / name / "checkpoint.pt", weights_only=True) for name in ("whole", "parts"))
    assert one["state"]["step"] == two["state"]["step"] == one["steps"] > 6
    assert all(torch.equal(value, two["model"][name]) for name, value in one["model"].items())
    before = tiny_model().state_dict()
    assert torch.equal(whole["model.embed_tokens.weight"], before["model.embed_tokens.weight"])
    for name in ("model.layers.0.mlp.up_proj.weight", "model.layers.2.self_attn.q_proj.weight"):
        moved = whole[name] - before[name]
        assert 0 < int(torch.linalg.matrix_rank(moved, atol=1e-6)) <= (rank or 64), name


def test_a_checkpoint_keeps_the_generators_of_its_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU dropout draws from another one than on a CPU, whose checkpoints have no such part."""
    state = torch.tensor([7], dtype=torch.uint8)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda device: state)
    on_cpu, on_gpu = _generators(torch.device("cpu")), _generators(torch.device("cuda"))
    assert list(on_cpu) == ["rng"]
    assert torch.equal(on_gpu.pop("rng"), on_cpu["rng"])
    assert on_gpu == {"rng_cuda": state}


def test_rows_encoded_for_lessons_are_not_taken_for_all_rows(base: Path, mix: Path, tmp_path: Path) -> None:
    """A run may leave its rows behind without weights, and the next one begin there with another recipe."""
    once = replace(RECIPE, epochs=0.1)
    lessons = train(base, mix, tmp_path, replace(once, lessons=True), device="cpu")
    (tmp_path / "checkpoint.pt").unlink()
    everything = train(base, mix, tmp_path, once, device="cpu")
    assert json.loads((everything / "training.json").read_text())["examples"] == len(ROWS)
    (tmp_path / "checkpoint.pt").unlink()
    train(base, mix, tmp_path, replace(once, lessons=True), device="cpu")
    assert json.loads((lessons / "training.json").read_text())["examples"] == len(BAD + GOOD)


def test_the_cache_of_a_run_without_lessons_keeps_its_key(base: Path, mix: Path, tmp_path: Path) -> None:
    """Rows that were encoded before there were lessons are still read."""
    from guardian.train.loop import fingerprint

    train(base, mix, tmp_path, replace(RECIPE, epochs=0.1), device="cpu")
    cached = torch.load(tmp_path / "train.cache.pt", weights_only=False)
    assert cached["of"] == fingerprint(mix / "train.jsonl", encoder())
    assert [asdict(row) for row in cached["rows"]] == [asdict(row) for row in encode_examples(encoder(), ROWS)]


def test_curves_are_drawn_of_either_models_log(tmp_path: Path) -> None:
    """guardian-mini has no part for tokens, consistency and replies."""
    parts = dict.fromkeys(("severity", "hazard", "attack", "response_severity", "refusal", "taught"), 0.5)
    held_out = {"step": 20, "held_out": {"harm": 0.9, "jailbreak": 0.8}}
    pictures = []
    for more in ({}, {"token": 0.3, "consistency": 0.1, "reply": 3.0}):
        steps = [{"step": step, **parts, **more, "tokens_per_s": 100} for step in (20, 40)]
        (tmp_path / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in (*steps, held_out)))
        pictures.append(plot_curves(tmp_path).read_bytes())
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)
    assert pictures[0] != pictures[1]


# ---- parts


def test_what_writes_is_learnt_without_a_trace_on_what_detects(base: Path, mix: Path, tmp_path: Path) -> None:
    weights = train(base, mix, tmp_path / "write", replace(RECIPE, part="write"), device="cpu")
    before, after = (load_file(folder / "model.safetensors") for folder in (base, weights))
    moved = {name for name, value in before.items() if not torch.equal(value, after[name])}
    writing = {name for name in before if name.startswith(("model.layers.2.", "model.norm."))}
    assert moved == writing
    assert json.loads((weights / "training.json").read_text())["examples"] == sum(row.reply is not None for row in ROWS)


def test_what_detects_is_learnt_without_replies(base: Path, mix: Path, tmp_path: Path) -> None:
    weights = train(base, mix, tmp_path, replace(RECIPE, part="read"), device="cpu")
    before, after = (load_file(folder / "model.safetensors") for folder in (base, weights))
    moved = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert {"heads.weight", "token_heads.weight", "model.layers.0.mlp.up_proj.weight"} <= moved
    assert not any(name.startswith(("model.layers.2.", "model.norm.")) for name in moved)
    assert json.loads((weights / "training.json").read_text())["examples"] == sum(row.reply is None for row in ROWS)


def test_adapters_of_what_writes_stay_beside_the_blocks_that_detect(base: Path, mix: Path, tmp_path: Path) -> None:
    weights = train(base, mix, tmp_path, replace(RECIPE, part="write", lora=16), device="cpu")
    before, after = (load_file(folder / "model.safetensors") for folder in (base, weights))
    moved = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert moved == {name for name in before if name.startswith(("model.layers.2.", "model.norm."))}
    added = {name: value for name, value in after.items() if name not in before}
    assert all(name.startswith(("model.layers.0.", "model.layers.1.")) for name in added)
    assert {name.rpartition(".")[2] for name in added} == {"down", "up"}
    assert all(value.any() for value in added.values())  # learnt: `up` begins at zero
    assert json.loads((weights / "config.json").read_text())["write_rank"] == 16


def test_adapters_of_what_writes_are_learnt_on_and_have_one_rank(base: Path, mix: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, part="write", lora=16)
    first = train(base, mix, tmp_path / "first", recipe, device="cpu")
    second = train(first, mix, tmp_path / "second", recipe, device="cpu")
    one, two = (load_file(folder / "model.safetensors") for folder in (first, second))
    name = "model.layers.0.mlp.up_proj.up"
    assert not torch.equal(one[name], two[name])
    with pytest.raises(ConfigError, match=r"lora: .*16"):
        train(first, mix, tmp_path / "other", replace(recipe, lora=32), device="cpu")
    with pytest.raises(ConfigError, match=r"lora: .*multiple of 16"):
        train(base, mix, tmp_path / "odd", replace(recipe, lora=5), device="cpu")


def test_a_part_that_is_none_is_named(base: Path, mix: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="part: must be one of all, read, write"):
        train(base, mix, tmp_path, replace(RECIPE, part="listen"), device="cpu")  # type: ignore[arg-type]
    assert not (tmp_path / "checkpoint.pt").exists()


def test_weights_say_what_all_the_runs_were_that_they_come_from(base: Path, mix: Path, tmp_path: Path) -> None:
    reads = train(base, mix, tmp_path / "reads", replace(RECIPE, part="read", epochs=0.5), device="cpu")
    writes = train(reads, mix, tmp_path / "writes", replace(RECIPE, part="write"), device="cpu")
    told = json.loads((writes / "training.json").read_text())
    assert (told["recipe"]["part"], told["before"]["recipe"]["part"]) == ("write", "read")
    assert told["before"]["before"] is None


# ---- learning by heart


def written(model: GuardianSlm, prefix: list[int], most: int = 30) -> str:
    """What greedy decoding writes after `prefix`."""
    ids = list(prefix)
    with torch.inference_mode():
        while len(ids) < len(prefix) + most:
            states = model.write(torch.tensor([ids]))
            ids.append(int(model.vocabulary(states[0, -1]).argmax()))
            if ids[-1] == SLM_CONTROLS.sep:
                return encoder().text(ids[len(prefix) : -1])
    return "(no end)"


def by_heart(base: Path, folder: Path, rows: list[Example]) -> GuardianSlm:
    folder.mkdir()
    for name in ("train.jsonl", "calibration.jsonl"):
        write_examples(folder / name, rows)
    recipe = replace(RECIPE, epochs=150, batch_tokens=2048, rate=3e-3, head_rate=3e-3, average=0.9, save_every=10**6)
    found = load_start(train(base, folder, folder / "run", recipe, device="cpu")).eval()  # type: ignore[no-untyped-call]
    assert isinstance(found, GuardianSlm)
    return found


def test_one_model_learns_to_detect_and_to_reply(base: Path, tmp_path: Path) -> None:
    """Replies are reproduced, asked for and forced, and detection is as good as where it is all there is to learn."""
    joint = by_heart(base, tmp_path / "joint", ROWS)
    alone = by_heart(base, tmp_path / "alone", [row for row in ROWS if row.reply is None])
    for row in ROWS:
        if row.reply is not None:
            prefix = encoder().reply_prefix(Piece(row.text, row.stage), row.subject)
            assert written(joint, prefix) == row.reply, row.id
    assert written(load_start(base).eval(), prefix) != row.reply  # type: ignore[no-untyped-call]
    detected = [row for row in ROWS if row.severity is not None]
    items = encode_examples(encoder(), detected)
    harm = {}
    for name, model in (("joint", joint), ("alone", alone)):
        p = predict(model, items)[:, :3].softmax(-1)[:, 2].numpy()
        unsafe = np.array([row.severity == UNSAFE for row in detected])
        harm[name] = p[unsafe].min() - p[~unsafe].max()
    assert harm["joint"] > 0.5
    assert harm["joint"] > harm["alone"] - 0.1
    (answer,) = encode_examples(encoder(), [row for row in ROWS if row.onset])
    with torch.inference_mode():
        tokens = joint.watch(joint.read(torch.tensor([answer.ids])))[0, :, :3].argmax(-1)
    told = [(found, label) for found, label in zip(tokens.tolist(), answer.tokens or (), strict=True) if label >= 0]
    assert {label for _, label in told} == {SAFE, UNSAFE}
    assert all(found == label for found, label in told)
