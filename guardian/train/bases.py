"""What a training run can start from: a folder, told apart by what lies in it.

- the sentence encoder of guardian-mini (config.json, model.safetensors, tokenizer.json);
- SmolLM2, or another decoder of its architecture and vocabulary, in GGUF (one *.gguf file): for guardian-slm;
- the weights of an earlier run, of either kind;
- a model folder that guardian ships (guardian.json with an fp16 graph): to tune the shipped guard.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from tokenizers import Tokenizer
from torch import Tensor

from guardian.errors import ConfigError, GuardianError, MissingExtra, ModelError
from guardian.scoring.encode import Encoder, guard_tokenizer_json
from guardian.scoring.manifest import Manifest
from guardian.train.model import GuardianMini, GuardianMiniConfig
from guardian.train.slm import FIRST_MEANINGS, GuardianSlm, GuardianSlmConfig, byte_level_json

Classifier = GuardianMini | GuardianSlm
_C = TypeVar("_C", GuardianMini, GuardianSlm)
_GRAPH = "model.fp16.onnx"
_FRESH = ("heads.", "token_heads.", "head_norm.", "controls_table.")


def load_start(folder: Path) -> Classifier:
    """The model to train on from, under fresh heads where `folder` has none.

    Raises ConfigError where it is none of these, ModelError where a file is damaged, MissingExtra for a package.
    """
    kind = _kind(folder)
    with _told(folder):
        if kind == "gguf":
            return _load_decoder(folder)
        if kind == "graph":
            return _load_graph(folder)
        if kind == GuardianMiniConfig.model_type:
            mini: GuardianMini = GuardianMini.from_pretrained(folder, attn_implementation="sdpa")
            return mini
        if kind == GuardianSlmConfig.model_type:
            slm: GuardianSlm = GuardianSlm.from_pretrained(folder, attn_implementation="sdpa")
            return slm
        return load_encoder(folder)


def tokenizer_json(folder: Path) -> str:
    """The tokenizer of `folder`, made safe for untrusted text. Raises as `load_start` does."""
    kind = _kind(folder)
    with _told(folder):
        if kind == "gguf":
            from transformers import AutoTokenizer

            tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=_gguf(folder).name)
            return byte_level_json(tokenizer.backend_tokenizer.to_str())
        original = (folder / "tokenizer.json").read_text(encoding="utf-8")
        return guard_tokenizer_json(original) if kind == "encoder" else original


def trained_from(base: Path) -> str:
    """The type of model that a run from `base` trains. ConfigError where nothing could be trained from it."""
    decoder = _kind(base) in {"gguf", GuardianSlmConfig.model_type}
    return GuardianSlmConfig.model_type if decoder else GuardianMiniConfig.model_type


def trained_in(run: Path) -> str:
    """The type of model whose weights a finished run holds. ConfigError where there are none."""
    folder = run / "weights"
    if not (folder / "training.json").is_file():
        raise ConfigError("run", f"{run} holds no weights: the run has not come to its end")
    return _kind(folder)


def weights_of(run: Path, model_type: str) -> Path:
    """The weights of a finished run. ConfigError where there are none, or those of another kind of model."""
    if (found := trained_in(run)) != model_type:
        raise ConfigError("run", f"{run} has trained a {found}; a {model_type} is wanted here")
    return run / "weights"


def load_run(
    run: Path, model_type: str, device: torch.device | None = None
) -> tuple[Classifier, Encoder, dict[str, Any]]:
    """The model of a finished run on `device` (default: the CPU), the encoder of its rows, and its recipe.

    Raises as `weights_of` and `load_start` do.
    """
    weights = weights_of(run, model_type)
    model = load_start(weights).eval()  # type: ignore[no-untyped-call]
    torch.nn.Module.to(model, device)  # transformers' own `to` is untyped
    recipe = json.loads((weights / "training.json").read_text(encoding="utf-8"))["recipe"]
    encoder = Encoder.load(run / "tokenizer.json", model.controls, window=recipe["window"], context=recipe["context"])
    return model, encoder, recipe


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """What the libraries say of a damaged file or a missing package, in our words."""
    try:
        yield
    except GuardianError:
        raise
    except ImportError as error:
        raise MissingExtra("train", f'{error}; the extra brings it: pip install "slm-guardian[train]"') from error
    except Exception as error:  # safetensors, onnx, gguf and transformers raise what they like
        what = (str(error) or type(error).__name__).partition("\n")[0]
        raise ModelError(folder.name, f"cannot be loaded, truncated or of another kind: {what}") from error


def _kind(folder: Path) -> str:
    """`gguf`, `graph`, `encoder`, or the model type of a run's weights."""
    if (folder / "guardian.json").is_file():
        if not (folder / _GRAPH).is_file():
            raise ConfigError("base", f"{folder} has no {_GRAPH}, whose weights training could go on from")
        return "graph"
    if (folder / "config.json").is_file():
        with _told(folder):
            name = str(json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type"))
        return name if name in {GuardianMiniConfig.model_type, GuardianSlmConfig.model_type} else "encoder"
    if any(folder.glob("*.gguf")):
        return "gguf"
    raise ConfigError("base", f"{folder} holds neither a config.json, nor a guardian.json, nor a .gguf file")


def _gguf(folder: Path) -> Path:
    found = sorted(folder.glob("*.gguf"))
    if len(found) != 1:
        raise ConfigError("base", f"{folder} holds {len(found)} .gguf files, which one is not said")
    return found[0]


def load_encoder(folder: Path) -> GuardianMini:
    """The sentence encoder of `folder` (config.json, model.safetensors) under fresh heads.

    No dropout inside the encoder: on a CPU the fused attention kernel without it trains four times faster.
    """
    from safetensors.torch import load_file

    state = {f"bert.{key}": value for key, value in load_file(folder / "model.safetensors").items()}
    return _filled(GuardianMini(_mini_config(folder)), state, folder, fresh=("heads.",))


def _mini_config(folder: Path | None = None) -> GuardianMiniConfig:
    options: dict[str, Any] = {
        "attn_implementation": "sdpa",
        "attention_probs_dropout_prob": 0.0,
        "hidden_dropout_prob": 0.0,
    }
    if folder is None:
        return GuardianMiniConfig(**options)  # type: ignore[no-untyped-call]
    config: GuardianMiniConfig = GuardianMiniConfig.from_pretrained(folder, **options)
    return config


def _filled(model: _C, state: dict[str, Tensor], folder: Path, *, fresh: tuple[str, ...]) -> _C:
    """`model` with the weights of `state`; only those whose name starts with one of `fresh` may be missing.

    None may be left over, pooler and buffers aside: an architecture with more of them is another one.
    """
    missing, unexpected = model.load_state_dict(state, strict=False)
    lost = [key for key in missing if not key.startswith(fresh)]
    over = [key for key in unexpected if "pooler" not in key and not key.endswith("position_ids")]
    if lost or over:
        what = f"lack {lost[:3]}" if lost else f"hold {over[:3]}, which this architecture does not know"
        raise ConfigError("base", f"the weights of {folder} {what}")
    return model


def _load_decoder(folder: Path) -> GuardianSlm:
    """A GGUF decoder, dequantised, under fresh heads."""
    from transformers import AutoModelForCausalLM

    source: Any = AutoModelForCausalLM.from_pretrained(folder, gguf_file=_gguf(folder).name, dtype=torch.float32)
    if source.config.model_type != "llama":
        raise ConfigError("base", f"{_gguf(folder)} is of the architecture {source.config.model_type}, not llama")
    values = source.config.to_dict() | {"attn_implementation": "sdpa"}
    for name in ("architectures", "model_type", "quantization_config"):
        values.pop(name, None)
    state = {f"model.{key}": value for key, value in source.model.state_dict().items()}
    model = _filled(GuardianSlm(GuardianSlmConfig(**values)), state, folder, fresh=_FRESH)
    words = Tokenizer.from_str(tokenizer_json(folder))
    model.give_meanings({name: words.encode(word).ids for name, word in FIRST_MEANINGS.items()})
    return model


def _load_graph(folder: Path) -> GuardianMini:
    """The weights of a packaged guardian-mini, from its fp16 graph: fused attention is taken apart again."""
    import onnx
    from onnx import numpy_helper

    Manifest.load(folder).verify(folder, [_GRAPH])
    graph = onnx.load(folder / _GRAPH).graph
    values = {i.name: torch.from_numpy(numpy_helper.to_array(i).copy()).float() for i in graph.initializer}
    state = {name: value for name, value in values.items() if name.startswith(("bert.", "heads."))}
    layers, heads = 0, 0
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in values:
            path = re.sub(r"^/|/MatMul.*$", "", node.output[0]).replace("/", ".")
            state[f"{path}.weight"] = values[node.input[1]].T.contiguous()
        elif node.op_type == "Attention":
            weights, biases = values[node.input[1]].chunk(3, 1), values[node.input[2]].chunk(3)
            for name, weight, bias in zip(("query", "key", "value"), weights, biases, strict=True):
                path = f"bert.encoder.layer.{layers}.attention.self.{name}"
                state |= {f"{path}.weight": weight.T.contiguous(), f"{path}.bias": bias.contiguous()}
            heads = next(attribute.i for attribute in node.attribute if attribute.name == "num_heads")
            layers += 1  # nodes stand in topological order: the first attention is the first layer's
    config = _mini_config()
    words, width = state["bert.embeddings.word_embeddings.weight"].shape
    config.vocab_size, config.hidden_size = words, width
    config.max_position_embeddings = len(state["bert.embeddings.position_embeddings.weight"])
    config.num_hidden_layers, config.num_attention_heads = layers, heads
    config.intermediate_size = len(state["bert.encoder.layer.0.intermediate.dense.bias"])
    return _filled(GuardianMini(config), state, folder, fresh=())
