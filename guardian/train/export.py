"""`guardian train export`: weights -> ONNX fp32 (through optimum) -> fused -> fp16 and int8, with parity checks.

The exporter runs eager attention, because only that pattern fuses into one Attention operator (QAttention in int8).
"""

from __future__ import annotations

import random
import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnxruntime import GraphOptimizationLevel, InferenceSession, SessionOptions
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers.fusion_options import FusionOptions
from onnxruntime.transformers.optimizer import optimize_model
from optimum.exporters.onnx import main_export
from optimum.exporters.onnx.config import TextEncoderOnnxConfig
from optimum.utils import DummyTextInputGenerator, NormalizedTextConfig
from transformers import AutoConfig, AutoModelForSequenceClassification

from guardian.errors import ModelError
from guardian.train.batches import Encoded
from guardian.train.model import GuardianMini, GuardianMiniConfig
from guardian.train.smooth import smoothed

GRAPHS = {"fp32": "model.fp32.onnx", "fp16": "model.fp16.onnx", "int8": "model.int8.onnx"}
FP32_TOLERANCE = 1e-3  # largest |logit| difference to torch
FP16_TOLERANCE = 1e-2  # largest |p| difference to fp32


class GuardianOnnxConfig(TextEncoderOnnxConfig):  # type: ignore[misc]  # optimum is untyped
    """Inputs and output of the scoring graph: ids and mask [batch, tokens] -> logits [batch, 23]."""

    NORMALIZED_CONFIG_CLASS = NormalizedTextConfig
    DUMMY_INPUT_GENERATOR_CLASSES = (DummyTextInputGenerator,)
    ATOL_FOR_VALIDATION = FP32_TOLERANCE
    DEFAULT_ONNX_OPSET = 17

    @property
    def inputs(self) -> Mapping[str, Mapping[int, str]]:
        axes = {0: "batch", 1: "tokens"}
        return {"input_ids": axes, "attention_mask": axes}

    @property
    def outputs(self) -> Mapping[str, Mapping[int, str]]:
        return {"logits": {0: "batch"}}


@dataclass(frozen=True, slots=True)
class Parity:
    """Largest differences over random batches: fp32 logits to torch, fp16 and int8 probabilities to fp32."""

    fp32_logits: float
    fp16_probability: float
    int8_probability: float


def export(
    weights: Path, out: Path, rows: Sequence[Encoded], *, progress: Callable[[str], None] = lambda _: None
) -> Parity:
    """Export the weights folder to `out` as model.fp32.onnx, model.fp16.onnx and model.int8.onnx.

    `rows` are ordinary inputs, a few hundred: int8 is smoothed over them (`guardian.train.smooth`).
    Raises ModelError naming the graph where fp32 or fp16 differ by more than DESIGN.md 4 allows. int8 is judged by the
    safety gate (recall, not numbers), which needs data: `guardian.train.package`.
    """
    out.mkdir(parents=True, exist_ok=True)
    raw = _export_raw(weights, out / "raw", progress)
    progress("fusing")
    config = GuardianMiniConfig.from_pretrained(weights)
    fused = optimize_model(
        str(raw),
        model_type="bert",
        num_heads=config.num_attention_heads,
        hidden_size=config.hidden_size,
        optimization_options=FusionOptions("bert"),
        opt_level=0,
    )
    fused.save_model_to_file(str(out / GRAPHS["fp32"]))
    progress(f"operators {operator_counts(out / GRAPHS['fp32'])}")
    smooth = smoothed(fused.model, [_feed(row) for row in rows])
    progress("half precision")
    fused.convert_float_to_float16(keep_io_types=True)
    fused.save_model_to_file(str(out / GRAPHS["fp16"]))
    progress("int8")
    onnx.save(smooth, out / "raw" / "smooth.onnx")
    quantize_dynamic(
        out / "raw" / "smooth.onnx",
        out / GRAPHS["int8"],
        weight_type=QuantType.QInt8,
        nodes_to_exclude=[node.name for node in smooth.graph.node if "logits" in node.output],
        per_channel=True,
        extra_options={"MatMulConstBOnly": True, "DefaultTensorType": onnx.TensorProto.FLOAT},
    )
    shutil.rmtree(out / "raw")
    parity = measure_parity(weights, out)
    progress(f"parity {parity}")
    if parity.fp32_logits > FP32_TOLERANCE:
        raise ModelError(GRAPHS["fp32"], f"logits differ from torch by {parity.fp32_logits:.2g}")
    if parity.fp16_probability > FP16_TOLERANCE:
        raise ModelError(GRAPHS["fp16"], f"probabilities differ from fp32 by {parity.fp16_probability:.2g}")
    return parity


def _export_raw(weights: Path, out: Path, progress: Callable[[str], None]) -> Path:
    AutoConfig.register(GuardianMiniConfig.model_type, GuardianMiniConfig, exist_ok=True)
    # optimum tells a model's library by the module of its class, and knows only its own list of them.
    exported = type("GuardianMini", (GuardianMini,), {"__module__": "transformers.guardian_mini"})
    AutoModelForSequenceClassification.register(GuardianMiniConfig, exported, exist_ok=True)
    config = GuardianMiniConfig.from_pretrained(weights)
    progress("exporting through optimum")
    # The exporter that fuses is torch's older one, and says so; tracing warns of shapes.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main_export(
            str(weights),
            out,
            task="text-classification",
            opset=17,
            do_validation=False,
            library_name="transformers",
            custom_onnx_configs={"model": GuardianOnnxConfig(config, task="text-classification")},
            model_kwargs={"attn_implementation": "eager"},
            local_files_only=True,
            no_post_process=True,
        )
    return out / "model.onnx"


def _feed(row: Encoded) -> dict[str, NDArray[np.int64]]:
    return {"input_ids": np.array([row.ids], np.int64), "attention_mask": np.ones((1, len(row.ids)), np.int64)}


def operator_counts(path: Path) -> dict[str, int]:
    """How many of each operator a graph has: a fused one has as many (Q)Attention as layers and no lone Softmax."""
    counts: dict[str, int] = {}
    for node in onnx.load(str(path), load_external_data=False).graph.node:
        counts[node.op_type] = counts.get(node.op_type, 0) + 1
    return dict(sorted(counts.items()))


def session(path: Path) -> InferenceSession:
    """A CPU session for checks."""
    options = SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = GraphOptimizationLevel.ORT_ENABLE_ALL
    return InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def measure_parity(weights: Path, folder: Path, *, seed: int = 3) -> Parity:
    """Run torch and the three graphs on the same random batches, padded ones among them."""
    model = GuardianMini.from_pretrained(weights, attn_implementation="eager").eval()
    sessions = {name: session(folder / file) for name, file in GRAPHS.items()}
    worst = {"fp32": 0.0, "fp16": 0.0, "int8": 0.0}
    for feed in _random_feeds(seed, model.config.vocab_size):
        logits = {name: s.run(["logits"], feed)[0] for name, s in sessions.items()}
        with torch.inference_mode():
            torch_logits = model(**{key: torch.from_numpy(value) for key, value in feed.items()}).logits.numpy()
        worst["fp32"] = max(worst["fp32"], float(np.abs(logits["fp32"] - torch_logits).max()))
        for name in ("fp16", "int8"):
            difference = np.abs(_sigmoid(logits[name]) - _sigmoid(logits["fp32"])).max()
            worst[name] = max(worst[name], float(difference))
    return Parity(worst["fp32"], worst["fp16"], worst["int8"])


def _random_feeds(seed: int, vocabulary: int) -> Sequence[dict[str, NDArray[np.int64]]]:
    rng = random.Random(seed)
    feeds = []
    for batch, width in ((1, 3), (1, 16), (4, 128), (2, 308), (8, 40)):
        ids = np.zeros((batch, width), np.int64)
        mask = np.zeros((batch, width), np.int64)
        for row in range(batch):
            length = width if row == 0 else rng.randint(3, width)
            low = min(1000, vocabulary - 1)
            ids[row, :length] = [101, 1, *(rng.randrange(low, vocabulary) for _ in range(length - 3)), 102][:length]
            mask[row, :length] = 1
        feeds.append({"input_ids": ids, "attention_mask": mask})
    return feeds


def _sigmoid(x: NDArray[Any]) -> NDArray[Any]:
    result: NDArray[Any] = 0.5 * (1.0 + np.tanh(0.5 * x.astype(np.float32)))
    return result
