"""The three graphs compute what torch computes over the weights that they hold, with a cache as without."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from guardian.train import decoder_graph
from guardian.train.decoder_graph import WEIGHTS, Bits, Kind, Weights, graph, widest
from guardian.train.quantise import restored
from guardian.train.slm import N_CONTROLS, GuardianSlm, WriteLinear
from tests.slm_folder import BLOCKS, HEADS, KV_HEADS, READ_BLOCKS, WIDTH, tiny_model

pytestmark = pytest.mark.train

CAPACITY = 64
KINDS = ("score", "stream", "reply")
Array = NDArray[Any]


def as_stored(model: GuardianSlm, weights: Weights) -> GuardianSlm:
    """`model` with the values that the blocks stand for, instead of those they were made of."""
    values = {name: torch.from_numpy(restored(blocks)) for name, blocks in weights.products.items()}
    state = model.state_dict()
    for n in range(BLOCKS):
        at, shape = f"model.layers.{n}", weights.shape
        sizes = [WIDTH, KV_HEADS * shape.head_size, KV_HEADS * shape.head_size]
        for part, value in zip("qkv", torch.split(values[f"{n}.qkv"], sizes), strict=True):
            state[f"{at}.self_attn.{part}_proj.weight"] = value
        state[f"{at}.self_attn.o_proj.weight"] = values[f"{n}.out"]
        state[f"{at}.mlp.gate_proj.weight"], state[f"{at}.mlp.up_proj.weight"] = values[f"{n}.gate_up"].chunk(2)
        state[f"{at}.mlp.down_proj.weight"] = values[f"{n}.down"]
    state["controls_table.weight"] = values["vocabulary"][:N_CONTROLS]
    state["model.embed_tokens.weight"] = values["vocabulary"]
    model.load_state_dict(state)
    return model


@pytest.fixture(scope="module")
def model() -> GuardianSlm:
    made: GuardianSlm = tiny_model()
    return as_stored(made, Weights.of(made))


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The graphs with products in single precision: kernels of int8 would blur what is compared."""
    folder = tmp_path_factory.mktemp("graphs")
    weights = Weights.of(tiny_model())
    weights.write(folder)
    found = {}
    for kind in KINDS:
        onnx.save(graph(kind, weights, exact=True), folder / f"{kind}.onnx")  # type: ignore[arg-type]
        found[kind] = onnxruntime.InferenceSession(folder / f"{kind}.onnx", providers=["CPUExecutionProvider"])
    return found


def fresh(session: Any) -> dict[str, Array]:
    shape = (1, KV_HEADS, CAPACITY, WIDTH // HEADS)
    return {i.name: np.zeros(shape, np.float32) for i in session.get_inputs() if i.name.startswith("past.")}


def fed(session: Any, ids: list[int], sizes: list[int]) -> list[Array]:
    """The first output of every run over `ids`, in parts of `sizes`, with the cache handed on."""
    names = [output.name for output in session.get_outputs()]
    cache, found, at = fresh(session), [], 0
    for size in sizes:
        part, at = np.array([ids[at : at + size]], np.int64), at + size
        outputs = dict(
            zip(names, session.run(None, {"input_ids": part, "length": np.array([at], np.int64), **cache}), strict=True)
        )
        cache = {name.replace("present", "past"): value for name, value in outputs.items() if "present" in name}
        found.append(outputs["logits" if "logits" in outputs else "token_logits"])
    return found


IDS = [1, 3, *range(60, 90), 6, *range(200, 207), 2]


def test_scores_are_those_of_torch(sessions: dict[str, Any], model: GuardianSlm) -> None:
    short = [1, 3, 40, 300, 2, 7]
    ids, mask = np.zeros((2, len(IDS) + 1), np.int64), np.zeros((2, len(IDS) + 1), np.int64)
    for row, one in enumerate((short, [*IDS, 7])):
        ids[row, : len(one)], mask[row, : len(one)] = one, 1
    (found,) = sessions["score"].run(None, {"input_ids": ids, "attention_mask": mask})
    with torch.inference_mode():
        wanted = model(torch.from_numpy(ids), torch.from_numpy(mask)).logits.numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-3)


@pytest.mark.parametrize("sizes", [[41], [16, 16, 9], [1] * 41], ids=["at once", "in groups", "token by token"])
def test_a_stream_is_that_of_torch_with_a_cache_as_without(
    sessions: dict[str, Any], model: GuardianSlm, sizes: list[int]
) -> None:
    assert len(IDS) == sum(sizes)
    found = np.concatenate(fed(sessions["stream"], IDS, sizes), axis=1)
    with torch.inference_mode():
        wanted = model.watch(model.read(torch.tensor([IDS]))).numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-3)


@pytest.mark.parametrize("sizes", [[41], [30, 1, 10], [38, 1, 1, 1]], ids=["at once", "in parts", "token by token"])
def test_the_next_token_is_that_of_torch(sessions: dict[str, Any], model: GuardianSlm, sizes: list[int]) -> None:
    assert len(IDS) == sum(sizes)
    with torch.inference_mode():
        wanted = model.vocabulary(model.write(torch.tensor([IDS])))[0].numpy()
    for end, found in zip(np.cumsum(sizes), fed(sessions["reply"], IDS, sizes), strict=True):
        np.testing.assert_allclose(found[0], wanted[end - 1], atol=2e-3)


def test_the_next_token_is_the_likeliest(sessions: dict[str, Any]) -> None:
    feed = {"input_ids": np.array([IDS], np.int64), "length": np.array([len(IDS)], np.int64)}
    token, logits = sessions["reply"].run(["next", "logits"], feed | fresh(sessions["reply"]))
    assert token.tolist() == logits.argmax(-1).tolist()


def test_what_reads_and_what_writes_lie_in_files_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every tensor lies once in one of the files, aligned, large ones to whole pages, and apart from the others."""
    monkeypatch.setattr(decoder_graph, "_LARGE", 1000)
    weights = Weights.of(tiny_model())
    weights.write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(WEIGHTS)
    assert weights.places.keys() == weights.tensors.keys()
    for file in WEIGHTS:
        spans = sorted(
            (offset, offset + weights.tensors[name].nbytes)
            for name, (where, offset) in weights.places.items()
            if where == file
        )
        large = [end - start >= 1000 for start, end in spans]
        assert set(large) == {True, False}, file
        assert all(start % (4096 if whole else 64) == 0 for (start, _), whole in zip(spans, large, strict=True))
        assert all(end <= start for (_, end), (start, _) in pairwise(spans))
        assert spans[-1][1] == (tmp_path / file).stat().st_size
    written = {weights.places[f"{n}.down.packed"][0] for n in range(READ_BLOCKS, BLOCKS)}
    read = {weights.places[f"{n}.down.packed"][0] for n in range(READ_BLOCKS)}
    assert (read, written) == ({"blocks.bin"}, {"words.bin"})
    assert {name for name, (file, _) in weights.places.items() if file == "heads.bin"} == {
        f"{head}.{part}" for head in ("heads", "token_heads") for part in ("weight", "bias")
    }


def test_products_that_read_have_more_bits_than_those_that_write() -> None:
    bits = Bits()
    products = Weights.of(tiny_model(), bits).products
    for n in range(BLOCKS):
        width, most = (bits.read, bits.read_block) if n < READ_BLOCKS else (bits.write, bits.write_block)
        for name in ("qkv", "out", "gate_up", "down"):
            product = products[f"{n}.{name}"]
            assert (product.bits, product.block) == (width, widest(product.inputs, most))
    assert products["vocabulary"].zeros is None  # the lookup of embeddings reads no zeros


def with_adapters() -> GuardianSlm:
    model: GuardianSlm = tiny_model()
    model.adapt_writing(16)
    torch.manual_seed(5)
    for layer in model.modules():
        if isinstance(layer, WriteLinear):
            torch.nn.init.normal_(layer.up, std=0.2)
    return model


def test_adapters_count_where_a_reply_is_written_and_nowhere_else(tmp_path: Path, sessions: dict[str, Any]) -> None:
    model = with_adapters()
    weights = Weights.of(model)
    weights.write(tmp_path)
    assert {weights.places[f"0.qkv.{side}.packed"][0] for side in ("down", "up")} == {"words.bin"}
    adapted = {}
    for kind in KINDS:
        onnx.save(graph(kind, weights, exact=True), tmp_path / f"{kind}.onnx")  # type: ignore[arg-type]
        adapted[kind] = onnxruntime.InferenceSession(tmp_path / f"{kind}.onnx", providers=["CPUExecutionProvider"])
    one = {"input_ids": np.array([IDS]), "attention_mask": np.ones((1, len(IDS)), np.int64)}
    assert np.array_equal(sessions["score"].run(None, one)[0], adapted["score"].run(None, one)[0])
    watched, beside = (fed(which["stream"], IDS, [41])[0] for which in (sessions, adapted))
    assert np.array_equal(watched, beside)
    exact = weights.restored(model)
    with torch.inference_mode():
        wanted = exact.vocabulary(exact.write(torch.tensor([IDS])))[0].numpy()
        plain = as_stored(tiny_model(), Weights.of(tiny_model())).write(torch.tensor([IDS]))
        assert not torch.allclose(plain, exact.write(torch.tensor([IDS])), atol=0.1)
    for end, found in zip((30, 41), fed(adapted["reply"], IDS, [30, 11]), strict=True):
        np.testing.assert_allclose(found[0], wanted[end - 1], atol=2e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_block_is_ten_nodes(tmp_path: Path, kind: Kind) -> None:
    weights = Weights.of(tiny_model())
    weights.write(tmp_path)
    nodes = Counter(node.op_type for node in graph(kind, weights).graph.node if node.name.startswith("1."))
    casts = nodes.pop("Cast", 0)  # of weights: folded when the graph is loaded
    assert nodes == {
        "MatMulNBits": 4,
        "GroupQueryAttention": 1,
        "SkipSimplifiedLayerNormalization": 2,
        "Split": 1,
        "QuickGelu": 1,
        "Mul": 1,
    }
    assert casts == 4  # the scales of the products


def test_blocks_are_as_wide_as_the_inputs_allow() -> None:
    assert [widest(inputs, 256) for inputs in (576, 1536, 2048, 96)] == [64, 256, 256, 32]
    assert widest(1536, 32) == 32
