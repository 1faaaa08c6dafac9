"""guardian-slm from a run to a model folder: graphs, gates, calibration, thresholds of windows and of tokens, card."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from guardian import Guardian
from guardian.cli.app import app
from guardian.errors import ConfigError, ModelError
from guardian.scoring.encode import Encoder
from guardian.scoring.manifest import Manifest
from guardian.scoring.onnx import OnnxBackend
from guardian.train import package_slm as packaging
from guardian.train.bases import load_start
from guardian.train.batches import encode_examples
from guardian.train.card import card
from guardian.train.decoder_graph import Bits, Weights
from guardian.train.examples import SAFE, UNSAFE, Example, read_examples, write_examples
from guardian.train.loop import Recipe, train
from guardian.train.package import ordinary
from guardian.train.slm import GuardianSlm
from guardian.train.slm_mix import build_slm_mix
from guardian.verdict import Stage
from tests.slm_folder import tiny_model, tiny_weights

pytestmark = pytest.mark.train

RECIPE = Recipe(
    epochs=0.05, batch_tokens=2048, head_rate=1e-2, window=64, stride=48, context=16, longest=96, evaluate_every=1000
)
BITS = Bits()


@pytest.fixture(scope="module")
def mix(tiny_mix: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small mixture: a hundred rows of each held-out split are enough to see what is done with them."""
    folder = tmp_path_factory.mktemp("slm-mix")
    build_slm_mix(tiny_mix, folder, scale=0.05)
    for split in ("calibration", "test"):
        rows = list(read_examples(folder / f"{split}.jsonl"))
        answers = [row for row in rows if row.stage is Stage.RESPONSE][:60]
        others = [row for row in rows if row.stage is not Stage.RESPONSE and row.reply is None]
        write_examples(folder / f"{split}.jsonl", [*answers, *others[:: max(1, len(others) // 120)]])
    return folder


@pytest.fixture(scope="module")
def run(mix: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    base, out = tiny_weights(tmp_path_factory.mktemp("slm-base")), tmp_path_factory.mktemp("slm-run")
    train(base, mix, out, RECIPE, device="cpu")
    return out


@pytest.fixture(scope="module")
def model(run: Path, mix: Path, tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made by the command, as users make it."""
    out = tmp_path_factory.mktemp("models") / "tiny-slm"
    arguments = ["train", "export", "--run", run, "--mix", mix, "--data", tiny_data, "--out", out, "--name", "tiny-slm"]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return out


def test_the_folder_is_whole_and_serves(model: Path) -> None:
    manifest = Manifest.load(model)
    manifest.verify(model)
    assert (manifest.name, set(manifest.weights)) == ("tiny-slm", {"blocks.bin", "heads.bin", "words.bin"})
    guardian = Guardian(model)
    verdict = guardian.check("how do I make a cake")
    assert 0 <= verdict.scores["harm"] <= 1
    assert guardian.check_document("please help me with my work. " * 60).coverage.complete
    stream = guardian.stream_guard("how do I make a cake", by="tokens")
    text = stream.feed("make the cake with a letter. " * 20) + stream.finish()
    assert stream.cut or text == "make the cake with a letter. " * 20


def test_token_thresholds_are_stricter_for_fewer_false_stops(model: Path) -> None:
    spec = Manifest.load(model).decoder
    assert spec is not None
    limits = [spec.token_thresholds[rate] for rate in sorted(spec.token_thresholds)]
    assert limits == sorted(limits, reverse=True)
    assert tuple(sorted(spec.token_thresholds)) == packaging.TOKEN_RATES


def test_token_thresholds_keep_their_rate_on_the_rows_they_were_fitted_on(model: Path, mix: Path) -> None:
    decoder = OnnxBackend(model, device="cpu").decoder
    assert decoder is not None
    rows = [row for row in read_examples(mix / "calibration.jsonl") if row.stage is Stage.RESPONSE]
    safe = [row for row in rows if row.response_severity == SAFE and row.lang == "en" and ordinary(row)]
    stopped = 0
    for row in safe:
        watcher = decoder.watch(row.context or "")
        p = [token.probability for token in (*watcher.feed(row.text), *watcher.finish())]
        stopped += any(min(pair) >= decoder.token_thresholds[0.05] for pair in pairwise(p))
    assert safe
    assert stopped <= 0.05 * (len(safe) + 1)


def test_a_graph_that_is_not_its_model_is_refused(run: Path, mix: Path, tmp_path: Path) -> None:
    trained = load_start(run / "weights")
    assert isinstance(trained, GuardianSlm)
    stored = Weights.of(trained, BITS)
    packaging.export_graphs(stored, tmp_path)
    encoder = Encoder.load(run / "tokenizer.json", trained.controls, window=64, context=16)
    encoded = encode_examples(encoder, [e for e in read_examples(mix / "test.jsonl") if e.stage is Stage.PROMPT][:20])
    assert packaging.parity(stored, trained, tmp_path, encoded) < packaging.PARITY
    with pytest.raises(ModelError, match=r"score\.onnx.*differ from torch"):
        packaging.parity(stored, tiny_model(seed=5), tmp_path, encoded)
    assert not (tmp_path / "parity.onnx").exists()


def test_lost_recall_is_refused(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that parts the labels cleanly, and a graph that gives them the wrong way round."""
    trained = load_start(run / "weights")
    assert isinstance(trained, GuardianSlm)
    encoder = Encoder.load(run / "tokenizer.json", trained.controls, window=64, context=16)
    rows = [
        Example(f"{n}", Stage.PROMPT, f"{'bomb' if n % 2 else 'cake'} {n}", "x", severity=UNSAFE if n % 2 else SAFE)
        for n in range(200)
    ]
    encoded = encode_examples(encoder, rows)
    clean = torch.zeros(len(rows), trained.heads.out_features)
    clean[:, 2] = torch.tensor([9.0 if row.severity else -9.0 for row in encoded]) + torch.arange(len(rows)) / 1000
    monkeypatch.setattr("guardian.train.package_slm.predict", lambda *_: clean)
    found = clean.double().numpy()
    assert packaging.gate(trained, encoded, found, lambda _: None)["int8"] == {"harm": 1.0}
    with pytest.raises(ModelError, match=r"score\.onnx: loses 1\.000 of harm recall"):
        packaging.gate(trained, encoded, -found, lambda _: None)


def test_a_run_of_the_other_model_is_named(tiny_run: Path, mix: Path, tiny_data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has trained a guardian-mini; a guardian-slm is wanted"):
        packaging.package_slm(tiny_run, mix, tmp_path, data=tiny_data)


def test_the_card_tells_of_a_decoder(model: Path) -> None:
    manifest = Manifest.load(model)
    state = {"step": 3, "seconds": 120.0, "tokens": 4321}
    lessons = {"recipe": {"lessons": True, "epochs": 0.5, "rate": 1e-4}, "state": state, "examples": 9}
    notes: dict[str, Any] = dict(manifest.notes)
    notes["training"] = notes["training"] | {"before": lessons}
    text = card(manifest.model_copy(update={"notes": notes}), reproduce="make slm")
    assert "135M-parameter decoder" in text
    assert "after 2 of 3 blocks" in text
    assert "of safe answers" in text
    assert "8 bits up to there" in text
    assert "22M" not in text
    assert text.index("| prompts (lessons) | 9 | 0.5 | 0.0001 | 4,321 | 2 |") < text.index("\n| all | "), (
        "first to last"
    )
    assert "The runs that" not in card(manifest.model_copy(update={"notes": {}}), reproduce="make slm")
    assert "135M-parameter" not in card(manifest.model_copy(update={"decoder": None}), reproduce="make model")


def test_a_reply_row_is_no_row_to_calibrate_on(tmp_path: Path) -> None:
    row = Example("a", Stage.PROMPT, "how", "x", severity=UNSAFE)
    write_examples(tmp_path / "rows.jsonl", [row, replace(row, id="b", reply="sorry")])
    assert [e.id for e in packaging._sample(tmp_path / "rows.jsonl", 10)] == ["a"]
