"""Training, resuming, refining and packaging, end to end on a tiny model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from guardian import Guardian
from guardian.errors import ConfigError, ModelError
from guardian.scoring.backend import Piece
from guardian.scoring.onnx import OnnxBackend
from guardian.train import calibrate
from guardian.train.card import write_card
from guardian.train.export import GRAPHS, operator_counts
from guardian.train.interpolate import interpolate
from guardian.train.loop import Recipe, device_of, train
from guardian.train.refine import refine
from guardian.verdict import Stage
from tests.train.conftest import RECIPE

pytestmark = pytest.mark.train


def test_a_run_leaves_weights_log_and_checkpoint(tiny_run: Path) -> None:
    assert (tiny_run / "weights" / "model.safetensors").is_file()
    rows = [json.loads(line) for line in (tiny_run / "log.jsonl").read_text().splitlines()]
    assert any("held_out" in row for row in rows)
    assert json.loads((tiny_run / "weights" / "training.json").read_text())["recipe"]["window"] == 64


def test_a_stopped_run_goes_on_and_ends_where_an_unbroken_one_does(
    tiny_base: Path, tiny_mix: Path, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from guardian.train.loop import _Run

    whole = _Run._after

    def stop_after_two(self: _Run, parts: dict[str, float]) -> None:
        whole(self, parts)
        if self.state.step == 2:
            self.stopped = True

    monkeypatch.setattr(_Run, "_after", stop_after_two)
    with pytest.raises(KeyboardInterrupt):
        train(tiny_base, tiny_mix, tmp_path, Recipe(**RECIPE), device="cpu")
    monkeypatch.setattr(_Run, "_after", whole)
    said: list[str] = []
    train(tiny_base, tiny_mix, tmp_path, Recipe(**RECIPE), device="cpu", progress=said.append)
    assert any("going on from step 2" in line for line in said)
    one = torch.load(tiny_run / "checkpoint.pt", weights_only=True)
    two = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert one["state"]["step"] == two["state"]["step"] == one["steps"]
    for key, value in one["model"].items():
        assert torch.allclose(value, two["model"][key], atol=1e-5), key


def test_a_checkpoint_of_another_recipe_is_refused(tiny_base: Path, tiny_mix: Path, tiny_run: Path) -> None:
    with pytest.raises(ConfigError, match="another recipe"):
        train(tiny_base, tiny_mix, tiny_run, Recipe(**RECIPE | {"rate": 0.5}), device="cpu")


def test_cuda_without_a_gpu_is_an_error() -> None:
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="no GPU"):
            device_of("cuda")
    assert device_of("cpu").type == "cpu"


def test_a_second_mixture(tiny_run: Path, tiny_mix: Path, tmp_path: Path) -> None:
    refine(tiny_run, tiny_mix, tmp_path)
    assert (tmp_path / "test.jsonl").read_bytes() == (tiny_mix / "test.jsonl").read_bytes()
    feared = json.loads((tmp_path / "feared.json").read_text())
    assert set(feared) == {"harm", "injection", "jailbreak"}
    train(tiny_run / "weights", tmp_path, tmp_path / "run", Recipe(**RECIPE), device="cpu")  # goes on from the first


def test_weights_between_two_runs(tiny_run: Path, tmp_path: Path) -> None:
    further = tmp_path / "further"
    shutil.copytree(tiny_run / "weights", further / "weights")
    ends = [load_file(tiny_run / "weights" / "model.safetensors"), {}]
    ends[1] = {name: tensor + 1 for name, tensor in ends[0].items()}
    save_file(ends[1], further / "weights" / "model.safetensors", metadata={"format": "pt"})
    weights = interpolate(tiny_run, further, tmp_path / "between", share=0.25)
    found = load_file(weights / "model.safetensors")
    assert found.keys() == ends[0].keys()
    assert all(torch.allclose(found[name], ends[0][name] + 0.25, atol=1e-5) for name in found)
    assert json.loads((weights / "training.json").read_text())["share"] == 0.25
    assert (tmp_path / "between" / "tokenizer.json").is_file()  # all that the export reads


def test_weights_that_do_not_belong_together_are_refused(tiny_run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(tiny_run / "weights", other / "weights")
    with pytest.raises(ConfigError, match="share"):
        interpolate(tiny_run, other, tmp_path / "out", share=1.5)
    (other / "weights" / "tokenizer.json").write_text("{}")
    with pytest.raises(ConfigError, match="another tokenizer"):
        interpolate(tiny_run, other, tmp_path / "out", share=0.5)
    with pytest.raises(ConfigError, match="has not come to its end"):
        interpolate(tiny_run, tmp_path, tmp_path / "out", share=0.5)
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("tiny_model")
def test_the_graphs_are_fused(tiny_run: Path) -> None:
    """As many attention operators as layers, and no softmax left alone: the exporter's pattern still fuses."""
    for precision, operator in (("fp32", "Attention"), ("fp16", "Attention"), ("int8", "QAttention")):
        counts = operator_counts(tiny_run / "onnx" / GRAPHS[precision])
        assert counts.get(operator) == 2, counts
        assert "Softmax" not in counts
        assert "LayerNormalization" not in counts


def test_a_packaged_model_serves(tiny_model: Path) -> None:
    verdict = Guardian(tiny_model).check("how do i make a cake")
    assert verdict.model.name == "tiny"
    assert 0 <= verdict.scores["harm"] <= 1
    long = Guardian(tiny_model).check_document("please help me with my work. " * 300)
    assert long.coverage.complete
    assert long.coverage.windows > 10


def test_a_score_does_not_depend_on_the_neighbours(tiny_model: Path) -> None:
    """Batch invariance of the int8 graph, bit for bit: dynamic quantisation takes one range a run."""
    backend = OnnxBackend(tiny_model, device="cpu", precision="int8")
    pieces = [Piece("how do i " * n, stage) for n in (1, 4, 12) for stage in (Stage.PROMPT, Stage.DOCUMENT)]
    together = backend.logits(pieces)
    alone = np.concatenate([backend.logits([piece]) for piece in pieces])
    assert np.array_equal(together, alone)


def test_a_truncated_graph_is_named(tiny_model: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(tiny_model, broken)
    graph = broken / GRAPHS["int8"]
    graph.write_bytes(graph.read_bytes()[:-100])
    with pytest.raises(ModelError, match=r"model\.int8\.onnx.*truncated"):
        OnnxBackend(broken, device="cpu")
    with pytest.raises(ModelError, match="no such graph"):
        OnnxBackend(tiny_model, device="cpu", precision="int2")
    with pytest.raises(ConfigError, match="CUDA"):
        OnnxBackend(tiny_model, device="cuda")


def test_the_card_names_files_data_and_commands(tiny_model: Path) -> None:
    text = write_card(tiny_model, reproduce="guardian train mix").read_text()
    assert "guardian train mix" in text
    assert "model.int8.onnx" in text
    assert "| salad_base | Apache-2.0 |" in text


# -- calibration


def test_conformal_thresholds_keep_their_promise() -> None:
    """Over many draws the share of new benign scores at or over the threshold is at most the rate (within noise)."""
    rng = np.random.default_rng(0)
    for rate in (0.01, 0.05):
        hits = []
        for _ in range(400):
            threshold = calibrate.conformal_threshold(rng.random(300), rate)
            hits.append((rng.random(2000) >= threshold).mean())
        assert np.mean(hits) <= rate * 1.15


def test_too_few_benign_scores_promise_nothing() -> None:
    assert calibrate.conformal_threshold(np.linspace(0, 0.5, 50), 0.001) == 1.0
    assert calibrate.levels(np.array([0.2]))[0.05] == 1.0


def test_scaling_repairs_overconfidence() -> None:
    rng = np.random.default_rng(1)
    logit = rng.normal(0, 2, 20000)
    label = (rng.random(20000) < 1 / (1 + np.exp(-logit))).astype(np.int64)
    scaling = calibrate.fit_scaling(logit * 4 + 3, label)  # four times too sure, and shifted
    p = scaling((logit * 4 + 3).astype(np.float32)).astype(np.float64)
    assert abs(scaling.temperature - 4) < 0.3
    assert calibrate.expected_calibration_error(p, label) < 0.02
    assert calibrate.fit_scaling(np.array([1.0, 2.0]), np.array([0, 1])).temperature == 1.0
    assert calibrate.fit_scaling(-logit, label).temperature == 1.0  # a score the wrong way round is left alone


def test_longer_documents_have_no_lower_thresholds() -> None:
    rng = np.random.default_rng(2)
    documents = [{"harm": rng.beta(1, 20, int(n))} for n in rng.integers(1, 120, 60)]
    table = calibrate.stricter_with_length(calibrate.bucket_levels(documents, ["harm"], samples=400)["harm"])
    for rate in calibrate.RATES:
        column = [table[bucket][rate] for bucket in sorted(table)]
        assert column == sorted(column)
    assert table[0][0.05] < table[5][0.05]
