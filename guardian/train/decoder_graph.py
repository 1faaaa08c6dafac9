"""guardian-slm as ONNX, node by node: three graphs over the same weights.

    score    input_ids, attention_mask [batch, tokens]      -> logits [batch, 23]
    stream   input_ids [1, tokens], past.* , length         -> token_logits [1, tokens, 16], present.*
    reply    input_ids [1, tokens], past.* , length         -> next [1], logits [1, vocabulary], present.*

An exported decoder is a thousand small operators. Here each block is ten: four quantised products (MatMulNBits),
attention with rotary positions and cache (GroupQueryAttention), two fused norms, and the three of the gate: what
onnxruntime runs fastest on a CPU and on a GPU. The half-precision graphs are the same nodes over the same files, with
other types in between.

The weights lie in three files, each small enough for a repository: what reads (`blocks.bin`), the heads on top of it,
which can be learnt anew alone (`heads.bin`), and the vocabulary with all that only the writing of replies needs
(`words.bin`): the last blocks, and the adapters beside the others. All products are in blocks with scales in half
precision. Caches are [1, kv heads, capacity, head size] a block; past and present are bound to one buffer, so nothing
is copied. `length` is how many tokens the cache holds, with this run's.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper

from guardian.train.model import N_LOGITS
from guardian.train.quantise import Blocks, quantised, restored
from guardian.train.slm import N_CONTROLS, N_TOKEN_LOGITS, GuardianSlm

Kind = Literal["score", "stream", "reply"]
BLOCKS, TOP, WORDS = WEIGHTS = ("blocks.bin", "heads.bin", "words.bin")
Array = NDArray[Any]

POSITIONS = 4096
"""Positions that the rotary table holds: no cache may be longer."""

_CONTRIB = "com.microsoft"
_TYPES = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.float16): TensorProto.FLOAT16}
ADAPTER_BLOCK = 32  # values a block of an adapter at most
_PAGE = 4096  # where large tensors begin in the file, so that they can be mapped into memory
_LINE = 64  # where others do: on whole pages the many small ones would be a megabyte of nothing
_LARGE = 16 * _PAGE


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a decoder."""

    width: int
    inner: int
    heads: int
    kv_heads: int
    head_size: int
    blocks: int
    read_layer: int
    epsilon: float
    vocabulary: int

    @classmethod
    def of(cls, model: GuardianSlm) -> Shape:
        c = model.config
        return cls(
            c.hidden_size,
            c.intermediate_size,
            c.num_attention_heads,
            c.num_key_value_heads,
            c.head_dim or c.hidden_size // c.num_attention_heads,
            c.num_hidden_layers,
            c.read_layer,
            c.rms_norm_eps,
            c.vocab_size,
        )


@dataclass(frozen=True, slots=True)
class Bits:
    """How products are stored: bits a value, and values a block at most: the next power of two that divides the inputs.
    The blocks that the heads stand on lose too much with four bits (docs/slm.md), and with eight a CPU reads a prompt
    faster, in wide blocks a little more so; a reply is written well with four."""

    read: int = 8
    read_block: int = 256
    write: int = 4
    write_block: int = 32
    vocabulary: int = 4
    vocabulary_block: int = 32


@dataclass(slots=True)
class Weights:
    """All tensors of a decoder, and where each lies: name -> (file, offset)."""

    shape: Shape
    bits: Bits
    tensors: dict[str, Array]
    products: dict[str, Blocks]
    places: dict[str, tuple[str, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, model: GuardianSlm, bits: Bits = Bits()) -> Weights:
        """Quantise a model."""
        state = {name: value.detach().float().numpy() for name, value in model.state_dict().items()}
        shape = Shape.of(model)
        products: dict[str, Blocks] = {}
        tensors: dict[str, Array] = {}
        for n in range(shape.blocks):
            at = f"model.layers.{n}"
            reads = n < shape.read_layer
            width, block = (bits.read, bits.read_block) if reads else (bits.write, bits.write_block)
            for name, parts in _stacked(at).items():
                weight = np.concatenate([state[part] for part in parts])
                products[f"{n}.{name}"] = quantised(weight, bits=width, block=widest(weight.shape[1], block))
                for side, adapter in _adapters(state, parts).items():
                    block_of = widest(adapter.shape[1], ADAPTER_BLOCK)
                    products[f"{n}.{name}.{side}"] = quantised(adapter, bits=bits.read, block=block_of)
            tensors[f"{n}.norm1"] = state[f"{at}.input_layernorm.weight"]
            tensors[f"{n}.norm2"] = state[f"{at}.post_attention_layernorm.weight"]
        table = np.concatenate([state["controls_table.weight"], state["model.embed_tokens.weight"][N_CONTROLS:]])
        block = widest(shape.width, bits.vocabulary_block)
        products["vocabulary"] = quantised(table, bits=bits.vocabulary, block=block, symmetric=True)
        tensors["norm"] = state["model.norm.weight"]
        tensors["head_norm"] = state["head_norm.weight"]
        for name in ("heads", "token_heads"):
            tensors[f"{name}.weight"] = np.ascontiguousarray(state[f"{name}.weight"].T)
            tensors[f"{name}.bias"] = state[f"{name}.bias"]
        tensors["cos"], tensors["sin"] = _rotary(model)
        for name, blocks in products.items():
            tensors[f"{name}.packed"], tensors[f"{name}.scales"] = blocks.packed, blocks.scales
            if blocks.zeros is not None:
                tensors[f"{name}.zeros"] = blocks.zeros
        return cls(shape, bits, tensors, products)

    def write(self, folder: Path) -> None:
        """Write the files, and note where each tensor begins."""
        for file in WEIGHTS:
            with (folder / file).open("wb") as out:
                for name in (name for name in self.tensors if self._file_of(name) == file):
                    aligned = _PAGE if self.tensors[name].nbytes >= _LARGE else _LINE
                    out.write(b"\0" * (-out.tell() % aligned))
                    self.places[name] = (file, out.tell())
                    out.write(np.ascontiguousarray(self.tensors[name]).tobytes())

    def restored(self, model: GuardianSlm) -> GuardianSlm:
        """A copy of `model` whose weights are those that the quantised ones stand for."""
        exact = copy.deepcopy(model)
        state = exact.state_dict()
        for name, blocks in self.products.items():
            weight = torch.from_numpy(restored(blocks))
            if name == "vocabulary":
                state["model.embed_tokens.weight"].copy_(weight)
                state["controls_table.weight"].copy_(weight[:N_CONTROLS])
                continue
            block, part, *side = name.split(".")
            keys = _stacked(f"model.layers.{block}")[part]
            if side:
                keys = [_sided(key, side[0]) for key in keys]
            sizes = [len(state[key]) for key in keys]
            for n, (key, piece) in enumerate(zip(keys, torch.split(weight, sizes), strict=True)):
                rank = state[key].shape[1]
                state[key].copy_(piece[:, n * rank : (n + 1) * rank] if side == ["up"] else piece)
        return exact

    def _file_of(self, name: str) -> str:
        block, *parts = name.split(".")
        writes = name.startswith(("vocabulary.", "norm")) or (block.isdigit() and int(block) >= self.shape.read_layer)
        if block in ("heads", "token_heads"):
            return TOP
        return WORDS if writes or not {"down", "up"}.isdisjoint(parts[1:]) else BLOCKS


def widest(inputs: int, most: int) -> int:
    """The largest power of two that divides `inputs` and is at most `most`, itself one."""
    return min(most, inputs & -inputs)


def _stacked(at: str) -> dict[str, list[str]]:
    """The weights of a block that stand in one product, by its name."""
    return {
        "qkv": [f"{at}.self_attn.{part}_proj.weight" for part in "qkv"],
        "out": [f"{at}.self_attn.o_proj.weight"],
        "gate_up": [f"{at}.mlp.gate_proj.weight", f"{at}.mlp.up_proj.weight"],
        "down": [f"{at}.mlp.down_proj.weight"],
    }


def _sided(key: str, side: str) -> str:
    return key.removesuffix("weight") + side


def _adapters(state: Mapping[str, Array], parts: Sequence[str]) -> dict[str, Array]:
    """The adapters of what stands in one product, as one of their joint rank: `down` on top of each other, `up` along
    the diagonal. Empty without any."""
    if _sided(parts[0], "down") not in state:
        return {}
    ups = [state[_sided(part, "up")] for part in parts]
    joint = np.zeros((sum(len(up) for up in ups), sum(up.shape[1] for up in ups)), np.float32)
    row = column = 0
    for up in ups:
        joint[row : row + len(up), column : column + up.shape[1]] = up
        row, column = row + len(up), column + up.shape[1]
    return {"down": np.concatenate([state[_sided(part, "down")] for part in parts]), "up": joint}


def _rotary(model: GuardianSlm) -> tuple[Array, Array]:
    frequencies = model.model.rotary_emb.inv_freq.float().numpy()
    angles = np.outer(np.arange(POSITIONS, dtype=np.float32), frequencies)
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def graph(
    kind: Kind, weights: Weights, dtype: type[np.float32] | type[np.float16] = np.float32, *, exact: bool = False
) -> onnx.ModelProto:
    """One of the three graphs, computing in `dtype`; its inputs and outputs are those of the module's docstring.

    A CPU does its products in int8, rounding what goes in; with `exact` in single precision, to compare it with torch.
    """
    return _Graph(weights, np.dtype(dtype), exact).model(kind)


class _Graph:
    """Nodes of one graph as they are added."""

    def __init__(self, weights: Weights, dtype: np.dtype[Any], exact: bool) -> None:
        self.weights, self.shape, self.dtype, self.exact = weights, weights.shape, dtype, exact
        self.writes = False
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, onnx.TensorProto] = {}

    def model(self, kind: Kind) -> onnx.ModelProto:
        shape = self.shape
        depth = shape.blocks if kind == "reply" else shape.read_layer
        cached, self.writes = kind != "score", kind == "reply"
        inputs = [_value("input_ids", TensorProto.INT64, [1 if cached else "batch", "tokens"])]
        if cached:
            inputs += [_value("length", TensorProto.INT64, [1])]
            self._lengths_of_cache()
        else:
            inputs += [_value("attention_mask", TensorProto.INT64, ["batch", "tokens"])]
            self._lengths_of_mask()
        outputs = {"score": self._score, "stream": self._stream, "reply": self._reply}[kind](
            *self._blocks(depth, cached)
        )
        if cached:
            inputs += [_value(f"past.{name}", _TYPES[self.dtype], self._cache("capacity")) for name in _caches(depth)]
            outputs += [
                _value(f"present.{name}", _TYPES[self.dtype], self._cache("capacity")) for name in _caches(depth)
            ]
        made = helper.make_graph(self.nodes, f"guardian-slm-{kind}", inputs, outputs, list(self.initializers.values()))
        opsets = [helper.make_opsetid("", 20), helper.make_opsetid(_CONTRIB, 1)]
        return helper.make_model(made, opset_imports=opsets, ir_version=10, producer_name="guardian")

    # -- parts

    def _lengths_of_mask(self) -> None:
        one = self._constant("one", np.array(1, np.int64))
        axis = self._constant("axis1", np.array([1], np.int64))
        self._add("ReduceSum", ["attention_mask", axis], "sums", keepdims=0)
        self._add("Sub", ["sums", one], "last")
        self._add("Cast", ["last"], "lengths_k", to=TensorProto.INT32)
        self._add("Shape", ["input_ids"], "extent", start=1, end=2)
        self._add("Cast", ["extent"], "extent32", to=TensorProto.INT32)
        self._add("Squeeze", ["extent32"], "total")

    def _lengths_of_cache(self) -> None:
        one = self._constant("one", np.array([1], np.int64))
        self._add("Sub", ["length", one], "last_of_cache")
        self._add("Cast", ["last_of_cache"], "lengths_k", to=TensorProto.INT32)
        self._add("Cast", ["length"], "length32", to=TensorProto.INT32)
        self._add("Squeeze", ["length32"], "total")

    def _blocks(self, depth: int, cached: bool) -> tuple[str, str]:
        """Embeddings and `depth` blocks; returns the two outputs whose sum is the state."""
        bits = self.weights.bits
        # The bytes of the vocabulary's product, in the shape that a lookup wants: in the file they are there once.
        table = self._tensor("vocabulary.packed", shape=[self.shape.vocabulary, -1], alias="table.packed")
        scales = self._float("vocabulary.scales", shape=[self.shape.vocabulary, -1], alias="table.scales")
        self._contrib(
            "GatherBlockQuantized",
            [table, "input_ids", scales],
            "embedded",
            bits=bits.vocabulary,
            block_size=self.weights.products["vocabulary"].block,
            gather_axis=0,
            quantize_axis=1,
        )
        state, added = "embedded", ""
        for n in range(depth):
            state, added = self._block(n, state, added, cached)
        return state, added

    def _block(self, n: int, state: str, added: str, cached: bool) -> tuple[str, str]:
        state, normed = self._normed(f"{n}.norm1", state, added)
        qkv = self._linear(f"{n}.qkv", normed)
        past = [f"past.{n}.key", f"past.{n}.value"] if cached else ["", ""]
        present = [f"present.{n}.key", f"present.{n}.value"] if cached else [f"{n}.key", f"{n}.value"]
        self.nodes.append(
            helper.make_node(
                "GroupQueryAttention",
                [qkv, "", "", *past, "lengths_k", "total", self._float("cos"), self._float("sin")],
                [f"{n}.attended", *present],
                name=f"{n}.attention",
                domain=_CONTRIB,
                num_heads=self.shape.heads,
                kv_num_heads=self.shape.kv_heads,
                do_rotary=1,
            )
        )
        state, normed = self._normed(f"{n}.norm2", state, self._linear(f"{n}.out", f"{n}.attended"))
        both = self._linear(f"{n}.gate_up", normed)
        halves = self._constant("halves", np.array([self.shape.inner, self.shape.inner], np.int64))
        self.nodes.append(
            helper.make_node("Split", [both, halves], [f"{n}.gate", f"{n}.up"], name=f"{n}.split", axis=-1)
        )
        self._contrib("QuickGelu", [f"{n}.gate"], f"{n}.silu", alpha=1.0)  # x sigmoid(x), which is SiLU
        self._add("Mul", [f"{n}.silu", f"{n}.up"], f"{n}.gated")
        return state, self._linear(f"{n}.down", f"{n}.gated")

    def _normed(self, name: str, state: str, added: str) -> tuple[str, str]:
        """The sum of both, and its norm."""
        weight, epsilon = self._float(name), self.shape.epsilon
        if not added:
            self._add("SimplifiedLayerNormalization", [state, weight], f"{name}.out", epsilon=epsilon, axis=-1)
            return state, f"{name}.out"
        self.nodes.append(
            helper.make_node(
                "SkipSimplifiedLayerNormalization",
                [state, added, weight],
                [f"{name}.out", "", "", f"{name}.sum"],
                name=name,
                domain=_CONTRIB,
                epsilon=epsilon,
            )
        )
        return f"{name}.sum", f"{name}.out"

    def _linear(self, name: str, x: str) -> str:
        """A product of a block, and while a reply is written that of its adapter."""
        found = self._product(name, x)
        if not self.writes or f"{name}.down" not in self.weights.products:
            return found
        low = self._product(f"{name}.up", self._product(f"{name}.down", x))
        self._add("Add", [found, low], f"{name}.adapted")
        return f"{name}.adapted"

    def _product(self, name: str, x: str) -> str:
        blocks = self.weights.products[name]
        count = blocks.inputs // blocks.block
        inputs = [
            x,
            self._tensor(f"{name}.packed", shape=[blocks.outputs, count, -1]),
            self._float(f"{name}.scales", shape=[blocks.outputs, count]),
        ]
        if blocks.zeros is not None:
            inputs.append(self._tensor(f"{name}.zeros"))
        self._contrib(
            "MatMulNBits",
            inputs,
            f"{name}.product",
            K=blocks.inputs,
            N=blocks.outputs,
            bits=blocks.bits,
            block_size=blocks.block,
            accuracy_level=1 if self.exact else 4,  # a GPU ignores it
        )
        return f"{name}.product"

    # -- ends

    def _score(self, state: str, added: str) -> list[onnx.ValueInfoProto]:
        """The heads at the last token of every row."""
        self._add("Add", [state, added], "states")
        axis = self._constant("axis1", np.array([1], np.int64))
        self._add("Unsqueeze", ["last", axis], "last_index")
        self._add("GatherND", ["states", "last_index"], "last_states", batch_dims=1)
        self._heads("heads", "last_states", "logits")
        return [_value("logits", TensorProto.FLOAT, ["batch", N_LOGITS])]

    def _stream(self, state: str, added: str) -> list[onnx.ValueInfoProto]:
        self._add("Add", [state, added], "states")
        self._heads("token_heads", "states", "token_logits")
        return [_value("token_logits", TensorProto.FLOAT, [1, "tokens", N_TOKEN_LOGITS])]

    def _heads(self, name: str, states: str, out: str) -> None:
        """A norm and a linear layer in single precision: few values, and decisions hang on them."""
        self._add("Cast", [states], f"{out}.single", to=TensorProto.FLOAT)
        weight = self._tensor("head_norm")
        self._add(
            "SimplifiedLayerNormalization",
            [f"{out}.single", weight],
            f"{out}.normed",
            epsilon=self.shape.epsilon,
            axis=-1,
        )
        self._add("MatMul", [f"{out}.normed", self._tensor(f"{name}.weight")], f"{out}.unbiased")
        self._add("Add", [f"{out}.unbiased", self._tensor(f"{name}.bias")], out)

    def _reply(self, state: str, added: str) -> list[onnx.ValueInfoProto]:
        """The next token after the last one: the product with the vocabulary is done for that one alone."""
        _, normed = self._normed("norm", state, added)
        last = self._constant("minus_one", np.array(-1, np.int64))
        self._add("Gather", [normed, last], "last_state", axis=1)
        product = self._product("vocabulary", "last_state")
        self._add("Cast", [product], "logits", to=TensorProto.FLOAT)
        self._add("ArgMax", ["logits"], "next", axis=-1, keepdims=0)
        return [
            _value("next", TensorProto.INT64, [1]),
            _value("logits", TensorProto.FLOAT, [1, self.shape.vocabulary]),
        ]

    # -- tensors

    def _cache(self, capacity: int | str) -> list[int | str]:
        return [1, self.shape.kv_heads, capacity, self.shape.head_size]

    def _float(self, name: str, shape: Sequence[int] | None = None, alias: str = "") -> str:
        """A tensor in the type the graph computes in; a cast from another is folded when the graph is loaded."""
        stored = self._tensor(name, shape, alias)
        if self.weights.tensors[name].dtype == self.dtype:
            return stored
        out = f"{stored}.{self.dtype.name}"
        if not any(out in node.output for node in self.nodes):
            self._add("Cast", [stored], out, to=_TYPES[self.dtype])
        return out

    def _tensor(self, name: str, shape: Sequence[int] | None = None, alias: str = "") -> str:
        key = alias or name
        if key not in self.initializers:
            array = self.weights.tensors[name]
            tensor = TensorProto(name=key, data_type=helper.np_dtype_to_tensor_dtype(array.dtype))
            tensor.dims.extend(array.reshape(shape).shape if shape else array.shape)
            tensor.data_location = TensorProto.EXTERNAL
            file, offset = self.weights.places[name]
            for entry, value in (("location", file), ("offset", offset), ("length", array.nbytes)):
                tensor.external_data.add(key=entry, value=str(value))
            self.initializers[key] = tensor
        return key

    def _constant(self, name: str, value: Array) -> str:
        if name not in self.initializers:
            self.initializers[name] = onnx.numpy_helper.from_array(value, name)
        return name

    def _add(self, operator: str, inputs: Sequence[str], out: str, **attributes: Any) -> None:
        self.nodes.append(helper.make_node(operator, list(inputs), [out], name=out, **attributes))

    def _contrib(self, operator: str, inputs: Sequence[str], out: str, **attributes: Any) -> None:
        self._add(operator, inputs, out, domain=_CONTRIB, **attributes)


def _caches(depth: int) -> Iterator[str]:
    return (f"{n}.{part}" for n in range(depth) for part in ("key", "value"))


def _value(name: str, kind: int, shape: Sequence[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)
