"""A tiny guardian-slm with random weights, as a model folder: everything a runtime needs, made in a second."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

# fmt: off
WORDS = [
    "how", "do", "I", "make", "a", "cake", "bomb", "garden", "poison", "letter", "write", "story", "about", "the",
    "please", "tell", "me", "what", "is", "why", "can", "you", "help", "with", "my", "work", "and", "time", "it's",
    "sorry", "cannot", "harmful", "question", "answer", "document", "task", "verdict", "we'll", "grüße", "漢字", "🙂",
]
# fmt: on
MARKS = "    if   so:  \n\n\n... -- !!\n\n\ndon't   we'll, it's\n\n\n。。。，，"  # what merges besides letters
BLOCKS, READ_BLOCKS, WIDTH, HEADS, KV_HEADS = 3, 2, 64, 2, 1


def tiny_model(seed: int = 0) -> Any:
    """A `GuardianSlm` of three blocks, 64 wide, whose random weights are large enough for its logits to differ."""
    import torch

    from guardian.train.slm import GuardianSlm, GuardianSlmConfig

    torch.manual_seed(seed)
    config = GuardianSlmConfig(
        read_layer=READ_BLOCKS,
        vocab_size=tiny_tokenizer().get_vocab_size(),
        hidden_size=WIDTH,
        intermediate_size=128,
        num_hidden_layers=BLOCKS,
        num_attention_heads=HEADS,
        num_key_value_heads=KV_HEADS,
        max_position_embeddings=4096,
        initializer_range=0.2,
        attn_implementation="sdpa",
    )
    return GuardianSlm(config).eval()  # type: ignore[no-untyped-call]


def tiny_weights(folder: Path) -> Path:
    """`folder` as the weights of a run, of a decoder that has learnt nothing yet."""
    tiny_model().save_pretrained(folder)
    tiny_tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def tiny_tokenizer() -> Any:
    """A byte-level BPE of a few hundred tokens over SmolLM2's pre-tokenizer, after ten reserved tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    from guardian.train.slm import N_CONTROLS, byte_level_json

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=448,
        special_tokens=[f"<|reserved{n}|>" for n in range(N_CONTROLS)],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator([" ".join(WORDS), MARKS] * 4, trainer)
    return Tokenizer.from_str(byte_level_json(tokenizer.to_str()))


def tiny_slm(folder: Path, *, model: Any = None) -> Path:
    """Lay a tiny guardian-slm into `folder`: graphs in both precisions, weights, tokenizer and manifest."""
    import numpy as np
    import onnx

    from guardian.train.decoder_graph import Weights, graph

    folder.mkdir(parents=True, exist_ok=True)
    weights = Weights.of(model or tiny_model())
    weights.write(folder)
    for suffix, dtype in (("", np.float32), (".fp16", np.float16)):
        for kind in ("score", "stream", "reply"):
            onnx.save(graph(kind, weights, dtype), folder / f"{kind}{suffix}.onnx")
    tiny_tokenizer().save(str(folder / "tokenizer.json"))
    files = sorted(path for path in folder.iterdir() if path.name != "guardian.json")
    body = manifest([path.name for path in files if path.suffix == ".bin"])
    body["files"] = {
        path.name: {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "bytes": path.stat().st_size}
        for path in files
    }
    (folder / "guardian.json").write_text(json.dumps(body, indent=1))
    return folder


def manifest(weights: list[str]) -> dict[str, Any]:
    """The manifest of a tiny guardian-slm, but for its files."""
    from guardian.thresholds import Thresholds
    from guardian.train.decoder_graph import POSITIONS
    from guardian.train.model import HEADS as OUTPUTS
    from guardian.train.model import head_slices
    from guardian.train.slm import SLM_CONTROLS

    slices = head_slices()
    return {
        "format": 1,
        "name": "guardian-slm",
        "version": "0.0.1",
        "base": "random",
        "license": "Apache-2.0",
        "created": "2026-11-22",
        "graphs": {"int8": "score.onnx", "fp16": "score.fp16.onnx"},
        "weights": weights,
        "tokenizer": "tokenizer.json",
        "controls": {name: getattr(SLM_CONTROLS, name) for name in SLM_CONTROLS.__slots__},
        "heads": {
            name: {"start": slices[name].start, "stop": slices[name].stop, "labels": list(labels), "kind": kind}
            for name, (labels, kind) in OUTPUTS.items()
        },
        "thresholds": Thresholds.flat().model_dump(mode="json"),
        "window": {"size": 256, "stride": 192, "context_tokens": 32, "max_tokens": 384},
        "decoder": {
            "blocks": BLOCKS,
            "read_blocks": READ_BLOCKS,
            "kv_heads": KV_HEADS,
            "head_size": WIDTH // HEADS,
            "positions": POSITIONS,
            "stream": {"int8": "stream.onnx", "fp16": "stream.fp16.onnx"},
            "reply": {"int8": "reply.onnx", "fp16": "reply.fp16.onnx"},
            "token_calibration": {"temperature": 1.0, "bias": 0.0},
            "token_thresholds": {"0.01": 0.9, "0.02": 0.8, "0.05": 0.6},
        },
    }


def restored_model(model: Any) -> Any:
    """The model whose weights are those that quantisation has left of `model`'s: what the graphs compute with."""
    from guardian.train.decoder_graph import Weights

    return Weights.of(model).restored(model)
