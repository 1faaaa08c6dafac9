"""SmoothQuant: outliers of activations moved into weights before int8 (Xiao et al. 2023, arXiv:2211.10438, eq. 4).

Dynamic int8 keeps one scale for a whole tensor of activations, so one channel with outliers costs all others their
precision; weights have a scale per column. Each product X W becomes (X / s) (s W), the same in exact arithmetic, with
s_j = max|X_j|^a / max|W_j|^(1 - a) over the channels j it sums over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, numpy_helper
from onnxruntime import InferenceSession

STRENGTH = 0.8
"""The paper's alpha: 0 leaves all to the activations, 1 moves all outliers into the weights."""

_LEAST = 1e-5
Feed = Mapping[str, NDArray[np.int64]]


def smoothed(model: ModelProto, feeds: Sequence[Feed], *, strength: float = STRENGTH) -> ModelProto:
    """A copy of a fp32 graph whose products with constant weights are smoothed, and compute the same.

    `feeds` are inputs of ordinary length and kind: the ranges of activations are taken over them.
    """
    smooth = ModelProto()
    smooth.CopyFrom(model)
    weights = {tensor.name: tensor for tensor in smooth.graph.initializer}
    products = [node for node in smooth.graph.node if _is_product(node, weights)]
    ranges = _ranges(model, sorted({node.input[0] for node in products}), feeds)
    nodes: list[NodeProto] = []
    for node in smooth.graph.node:
        if node in products:
            weight = numpy_helper.to_array(weights[node.input[1]])
            scale = _scale(ranges[node.input[0]], weight, strength)
            weights[node.input[1]].CopyFrom(numpy_helper.from_array(weight * scale[:, None], node.input[1]))
            nodes.append(_divided(smooth, node, scale))
        nodes.append(node)
    del smooth.graph.node[:]
    smooth.graph.node.extend(nodes)
    return smooth


def _is_product(node: NodeProto, weights: Mapping[str, onnx.TensorProto]) -> bool:
    """A product of activations and a weight matrix of its own; the heads' is left as it is, it stays in fp32."""
    return (
        node.op_type in {"MatMul", "Attention"}
        and node.input[1] in weights
        and len(weights[node.input[1]].dims) == 2
        and "logits" not in node.output
    )


def _ranges(model: ModelProto, names: Sequence[str], feeds: Sequence[Feed]) -> dict[str, NDArray[np.float32]]:
    """Largest absolute value of each channel of the named tensors over all feeds."""
    shown = ModelProto()
    shown.CopyFrom(model)
    for name in names:
        shown.graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    session = InferenceSession(shown.SerializeToString(), providers=["CPUExecutionProvider"])
    found: dict[str, NDArray[np.float32]] = {}
    for feed in feeds:
        for name, value in zip(names, session.run(list(names), dict(feed)), strict=True):
            high = np.abs(value).reshape(-1, value.shape[-1]).max(axis=0)
            found[name] = np.maximum(found.get(name, high), high)
    return found


def _scale(activations: NDArray[np.float32], weight: NDArray[np.float32], strength: float) -> NDArray[np.float32]:
    rows = np.maximum(np.abs(weight).max(axis=1), _LEAST)
    scale = np.maximum(activations, _LEAST) ** strength / rows ** (1 - strength)
    result: NDArray[np.float32] = (scale / np.exp(np.log(scale).mean())).astype(np.float32)
    return result


def _divided(model: ModelProto, node: NodeProto, scale: NDArray[np.float32]) -> NodeProto:
    """The node that divides what goes into a product; the product is made to read from it."""
    name = f"{node.name}/smooth"
    model.graph.initializer.append(numpy_helper.from_array((1 / scale).astype(np.float32), f"{name}/scale"))
    divided = helper.make_node("Mul", [node.input[0], f"{name}/scale"], [f"{name}/output"], name=name)
    node.input[0] = f"{name}/output"
    return divided
