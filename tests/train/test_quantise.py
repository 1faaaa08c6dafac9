"""Weights in blocks: what comes back is near, whatever the block; packed as MatMulNBits reads it."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper

from guardian.train.quantise import Blocks, quantised, restored

pytestmark = pytest.mark.train

BLOCK = 16
Weights = NDArray[np.float32]


@st.composite
def weights(draw: st.DrawFn) -> Weights:
    """A few rows of odd and even numbers of blocks, of many magnitudes, some all of one sign, constant or nothing."""
    outputs, count = draw(st.integers(1, 3)), draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    found = rng.standard_normal((outputs, count, BLOCK)) ** draw(st.sampled_from([1, 3]))
    for block in found.reshape(-1, BLOCK):
        kind = draw(st.sampled_from(["as it is", "positive", "negative", "constant", "zero"]))
        if kind == "positive":
            np.abs(block, out=block)
        elif kind == "negative":
            np.negative(np.abs(block), out=block)
        elif kind == "constant":
            block[:] = block[0]
        elif kind == "zero":
            block[:] = 0
        block *= 10.0 ** draw(st.integers(-8, 3))
    return found.reshape(outputs, -1).astype(np.float32)


def of_blocks(weight: Weights) -> Weights:
    return weight.reshape(weight.shape[0], -1, BLOCK)


def step(weight: Weights, bits: int, symmetric: bool) -> Weights:
    """The distance between two values of a block whose whole range is held, at the precision of its scale."""
    cut = of_blocks(weight).astype(np.float64)
    low, high = np.minimum(cut.min(2), 0), np.maximum(cut.max(2), 0)
    width = 2 * np.maximum(-low, high) if symmetric else high - low
    return np.asarray(width / (2**bits - (2 if symmetric else 1)) * (1 + 2**-10) + 6e-8, np.float32)


@given(weights(), st.booleans())
def test_eight_bits_are_half_a_step_away_at_most(weight: Weights, symmetric: bool) -> None:
    found = restored(quantised(weight, bits=8, block=BLOCK, symmetric=symmetric))
    error = np.abs(of_blocks(found) - of_blocks(weight)).max(2)
    assert (error <= 0.5001 * step(weight, 8, symmetric) + 1e-12).all()


@given(weights(), st.booleans())
def test_four_bits_are_no_worse_than_the_whole_range_would_be(weight: Weights, symmetric: bool) -> None:
    """A shrunken range cuts off what sticks out only where that lessens the squared error of the block."""
    found = restored(quantised(weight, bits=4, block=BLOCK, symmetric=symmetric))
    error = np.square(of_blocks(found) - of_blocks(weight)).mean(2)
    assert (error <= (0.5001 * step(weight, 4, symmetric)) ** 2 + 1e-12).all()


def test_a_range_is_shrunk_where_one_value_sticks_out() -> None:
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((8, 32)).astype(np.float32)
    weight[:, 0] = 4.0
    whole = step(weight.reshape(8, -1)[:, :32], 4, symmetric=False).max()
    scales = quantised(weight, bits=4, block=32).scales
    assert (scales < whole).any()


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_shapes_are_the_documented_ones(bits: int, count: int) -> None:
    weight = np.random.default_rng(1).standard_normal((5, count * BLOCK)).astype(np.float32)
    blocks = quantised(weight, bits=bits, block=BLOCK)
    assert (blocks.packed.shape, blocks.packed.dtype.name) == ((5, count, BLOCK * bits // 8), "uint8")
    assert (blocks.scales.shape, blocks.scales.dtype.name) == ((5, count), "float16")
    assert blocks.zeros is not None
    assert (blocks.zeros.shape, blocks.zeros.dtype.name) == ((5, -(-count * bits // 8)), "uint8")
    assert quantised(weight, bits=bits, block=BLOCK, symmetric=True).zeros is None
    assert restored(blocks).shape == weight.shape


def test_what_cannot_be_cut_is_refused() -> None:
    weight = np.zeros((2, 40), np.float32)
    for bits, block in ((4, 16), (3, 8), (16, 8)):
        with pytest.raises(ValueError, match="not supported"):
            quantised(weight, bits=bits, block=block)


def product(blocks: Blocks, x: Weights) -> Weights:
    """What onnxruntime makes of the blocks."""
    count = blocks.inputs // blocks.block
    tensors: dict[str, NDArray[Any]] = {
        "packed": blocks.packed.reshape(blocks.outputs, count, -1),
        "scales": blocks.scales.astype(np.float32),
    }
    if blocks.zeros is not None:
        tensors["zeros"] = blocks.zeros
    node = helper.make_node(
        "MatMulNBits", ["x", *tensors], ["y"], domain="com.microsoft",
        K=blocks.inputs, N=blocks.outputs, bits=blocks.bits, block_size=blocks.block,
    )  # fmt: skip
    graph = helper.make_graph(
        [node],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(x.shape))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [len(x), blocks.outputs])],
        [onnx.numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"x": x})
    return np.asarray(found, np.float32)


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("count", [1, 3, 4])
def test_onnxruntime_reads_the_blocks_as_they_are_restored(bits: int, symmetric: bool, count: int) -> None:
    rng = np.random.default_rng(count)
    weight = (rng.standard_normal((24, count * 32)) * rng.choice([0.01, 1.0], (24, 1)) + 0.3).astype(np.float32)
    blocks = quantised(weight, bits=bits, block=32, symmetric=symmetric)
    x = rng.standard_normal((5, count * 32)).astype(np.float32)
    np.testing.assert_allclose(product(blocks, x), x @ restored(blocks).T, atol=1e-4)
