"""Block-wise quantisation of weights as onnxruntime's MatMulNBits reads them (contrib operators, MatMulNBits).

A weight [outputs, inputs] is cut into blocks along its inputs; each block has a scale and a zero point of its own. The
range of every block is the one of a few shrunken ones that gives the least squared error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_SHRUNK = tuple(1.0 - 0.03 * step for step in range(9))


@dataclass(frozen=True, slots=True)
class Blocks:
    """A quantised weight: `packed` [outputs, blocks, block * bits / 8] uint8, `scales` [outputs, blocks] float16, and
    `zeros` [outputs, ceil(blocks * bits / 8)] uint8, or None where the zero is the middle of the range."""

    packed: NDArray[np.uint8]
    scales: NDArray[np.float16]
    zeros: NDArray[np.uint8] | None
    bits: int
    block: int
    outputs: int
    inputs: int


def quantised(weight: NDArray[np.float32], *, bits: int, block: int, symmetric: bool = False) -> Blocks:
    """The weight in blocks of `block` inputs with `bits` (4 or 8) bits a value.

    ValueError where the inputs are no multiple of the block, or it is under 16, which no kernel reads.
    """
    outputs, inputs = weight.shape
    if inputs % block or block < 16 or bits not in (4, 8):
        raise ValueError(f"{inputs} inputs in blocks of {block} with {bits} bits: not supported")
    cut = weight.reshape(outputs, inputs // block, block)
    low, high = np.minimum(cut.min(2), 0.0), np.maximum(cut.max(2), 0.0)
    if symmetric:
        high = np.maximum(-low, high)
        low = -high
    best = _fitted(cut, low, high, bits, symmetric, 1.0)
    for share in _SHRUNK[1:] if bits == 4 else ():
        best = _better(best, _fitted(cut, low, high, bits, symmetric, share))
    values, scales, zeros, _ = best
    packed = values.astype(np.uint8)
    if bits == 4:
        packed = packed[:, :, ::2] | (packed[:, :, 1::2] << np.uint8(4))
    return Blocks(
        packed=np.ascontiguousarray(packed),
        scales=scales.astype(np.float16),
        zeros=None if symmetric else _packed_zeros(zeros.astype(np.uint8), bits),
        bits=bits,
        block=block,
        outputs=outputs,
        inputs=inputs,
    )


def restored(blocks: Blocks) -> NDArray[np.float32]:
    """The weight [outputs, inputs] that the blocks stand for."""
    packed = blocks.packed
    if blocks.bits == 4:
        packed = np.stack((packed & 15, packed >> 4), axis=-1).reshape(blocks.outputs, -1, blocks.block)
    count = blocks.inputs // blocks.block
    if blocks.zeros is None:
        zeros = np.full((blocks.outputs, count), 1 << (blocks.bits - 1), np.uint8)
    elif blocks.bits == 4:
        zeros = np.stack((blocks.zeros & 15, blocks.zeros >> 4), axis=-1).reshape(blocks.outputs, -1)[:, :count]
    else:
        zeros = blocks.zeros
    found = (packed.astype(np.float32) - zeros[..., None]) * blocks.scales.astype(np.float32)[..., None]
    return found.reshape(blocks.outputs, blocks.inputs)


_Fit = tuple[NDArray[np.float32], ...]


def _fitted(
    cut: NDArray[np.float32],
    low: NDArray[np.float32],
    high: NDArray[np.float32],
    bits: int,
    symmetric: bool,
    share: float,
) -> _Fit:
    """Values [outputs, blocks, block]; scales, zeros and squared errors [outputs, blocks]; of ranges times `share`."""
    top = (1 << bits) - 1
    middle = 1 << (bits - 1)
    width = np.float32(share) * (2 * high if symmetric else high - low)
    scales = _half_up(width / np.float32(top - 1 if symmetric else top))
    zeros = np.full_like(scales, middle) if symmetric else np.clip(np.rint(-share * low / scales), 0, top)
    values = np.clip(np.rint(cut / scales[..., None]) + zeros[..., None], 0, top)
    error = np.square((values - zeros[..., None]) * scales[..., None] - cut).sum(2)
    return values, scales, zeros, error


def _better(one: _Fit, other: _Fit) -> _Fit:
    """Of every block the fit with the smaller error."""
    less = other[3] < one[3]
    rest = (np.where(less, b, a) for a, b in zip(one[1:], other[1:], strict=True))
    return (np.where(less[..., None], other[0], one[0]), *rest)


def _half_up(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rounded up to half precision, and to more than nothing: a smaller scale would cut off the ends of the range."""
    half = np.maximum(x, np.finfo(np.float16).smallest_subnormal).astype(np.float16)
    return np.where(half < x, np.nextafter(half, np.float16(np.inf)), half).astype(np.float32)


def _packed_zeros(zeros: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    if bits == 8:
        return zeros
    if zeros.shape[1] % 2:
        zeros = np.pad(zeros, ((0, 0), (0, 1)))
    return np.ascontiguousarray(zeros[:, ::2] | zeros[:, 1::2] << 4)
