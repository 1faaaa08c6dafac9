"""SmoothQuant over a graph with an outlier channel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

pytestmark = pytest.mark.train

WIDTH = 16
RNG = np.random.default_rng(3)
TABLE = RNG.normal(size=(50, WIDTH)).astype(np.float32) * np.where(np.arange(WIDTH) == 5, 60, 1).astype(np.float32)
WEIGHTS = [RNG.normal(size=(WIDTH, WIDTH)).astype(np.float32) for _ in range(2)]
HEAD = RNG.normal(size=(WIDTH, 3)).astype(np.float32)
FEEDS = [{"input_ids": RNG.integers(0, 50, size=(1, length))} for length in (4, 9, 30)]


def a_graph() -> ModelProto:
    """Rows of a table through two products, the second with a residual around it, then a head."""
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["x"], name="embed"),
        helper.make_node("MatMul", ["x", "w0"], ["a"], name="first"),
        helper.make_node("Tanh", ["a"], ["b"], name="tanh"),
        helper.make_node("MatMul", ["x", "w1"], ["c"], name="second"),
        helper.make_node("Add", ["b", "c"], ["d"], name="add"),
        helper.make_node("MatMul", ["d", "head"], ["logits"], name="head_product"),
    ]
    arrays = {"table": TABLE, "w0": WEIGHTS[0], "w1": WEIGHTS[1], "head": HEAD}
    graph = helper.make_graph(
        nodes,
        "outliers",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "tokens"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "tokens", 3])],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def logits(model: ModelProto) -> list[NDArray[np.float32]]:
    from onnxruntime import InferenceSession

    session = InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return [session.run(["logits"], feed)[0] for feed in FEEDS]


def worst(model: ModelProto) -> float:
    return max(float(np.abs(a - b).max()) for a, b in zip(logits(model), logits(a_graph()), strict=True))


def quantised(model: ModelProto, folder: Path) -> ModelProto:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    onnx.save(model, folder / "fp32.onnx")
    quantize_dynamic(
        folder / "fp32.onnx",
        folder / "int8.onnx",
        weight_type=QuantType.QInt8,
        per_channel=True,
        nodes_to_exclude=["embed", "head_product"],
        extra_options={"MatMulConstBOnly": True, "DefaultTensorType": TensorProto.FLOAT},
    )
    return onnx.load(folder / "int8.onnx")


@pytest.mark.parametrize("strength", [0.0, 0.5, 0.8, 1.0])
def test_a_smoothed_graph_computes_the_same(strength: float) -> None:
    from guardian.train.smooth import smoothed

    model = smoothed(a_graph(), FEEDS, strength=strength)
    onnx.checker.check_model(model)
    assert [node.op_type for node in model.graph.node].count("Mul") == 2  # the head's product is left alone
    assert worst(model) < 1e-3
    assert worst(a_graph()) == 0  # what is given is not changed


def test_int8_loses_less_once_it_is_smoothed(tmp_path: Path) -> None:
    from guardian.train.smooth import smoothed

    assert worst(quantised(smoothed(a_graph(), FEEDS), tmp_path)) < 0.3 * worst(quantised(a_graph(), tmp_path))


def test_a_channel_that_is_never_used_is_no_division_by_zero() -> None:
    from guardian.train.smooth import smoothed

    model = a_graph()
    for tensor in model.graph.initializer:
        if tensor.name == "table":
            tensor.CopyFrom(numpy_helper.from_array(TABLE * (np.arange(WIDTH) != 2), "table"))
        if tensor.name == "w0":
            tensor.CopyFrom(numpy_helper.from_array(WEIGHTS[0] * (np.arange(WIDTH) != 3)[:, None], "w0"))
    before, after = logits(model), logits(smoothed(model, FEEDS))
    assert all(np.allclose(a, b, atol=1e-3) for a, b in zip(before, after, strict=True))
