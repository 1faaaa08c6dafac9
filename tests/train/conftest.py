"""A tiny base encoder and a tiny data folder: the whole training path runs in seconds."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# fmt: off
WORDS = [
    "how", "do", "make", "cake", "bomb", "garden", "poison", "letter", "python", "process", "kill", "plant", "friend",
    "write", "story", "about", "history", "of", "the", "war", "house", "please", "tell", "me", "what", "is", "why",
    "can", "you", "help", "with", "my", "work", "and", "time", "people", "they", "should", "all", "be", "nice", "bad",
]
# fmt: on
RECIPE: dict[str, Any] = {
    "epochs": 0.2,
    "batch_tokens": 4096,
    "save_every": 2,
    "evaluate_every": 3,
    "window": 64,
    "stride": 48,
    "context": 16,
}  # fmt: skip


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A two-layer BERT with random weights and a WordPiece tokenizer in BERT's layout."""
    from safetensors.torch import save_file
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from torch import manual_seed
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("base")
    letters = [chr(c) for c in range(33, 127) if not chr(c).isupper()]
    reserved = ["[PAD]", *(f"[unused{i}]" for i in range(99)), "[UNK]", "[CLS]", "[SEP]"]
    vocabulary = [*reserved, *letters, *(f"##{c}" for c in letters), *dict.fromkeys(w for w in WORDS if len(w) > 1)]
    tokenizer = Tokenizer(models.WordPiece({w: i for i, w in enumerate(vocabulary)}, unk_token="[UNK]"))  # noqa: S106
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    tokenizer.save(str(folder / "tokenizer.json"))
    manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=512,
    )
    model = BertModel(config, add_pooling_layer=False)
    config.save_pretrained(folder)
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, folder / "model.safetensors")
    return folder


def rows_for(name: str, count: int, rng: random.Random, **fixed: Any) -> Iterator[dict[str, Any]]:
    for number in range(count):
        text = " ".join(rng.choice(WORDS) for _ in range(rng.randint(4, 12))) + f" {name} {number}"
        yield {
            "id": str(number),
            "text": text,
            "response": None,
            "label": number % 2,
            "response_label": None,
            "category": None,
            "kind": "prompt",
            "lang": "en",
            "source": name,
            **fixed,
        }


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every permissive source with a few made-up rows, in the data folder's format."""
    from guardian.train.labels import label_maps
    from guardian.train.sources import sources_of

    folder = tmp_path_factory.mktemp("data")
    rng = random.Random(4)
    for source in sources_of("permissive"):
        table = label_maps()[source.name]
        known = [key for key in table if key not in {"*", "split", "prefix"}]
        category = known[0] if known else "anything"
        answer = " ".join(rng.choice(WORDS) for _ in range(60))
        fixed: dict[str, Any] = {"category": None if category == "null" else category}
        if source.read.__name__ == "answers":
            fixed |= {"response": answer, "response_label": 0, "kind": "response"}
        if source.name in {"longdocs_t0", "court_documents"}:
            fixed |= {"label": 0, "text": ". ".join(" ".join(rng.choice(WORDS) for _ in range(9)) for _ in range(30))}
        with gzip.open(folder / f"{source.name}.jsonl.gz", "wt") as out:
            for row in rows_for(source.name, 24, rng, **fixed):
                if "text" in fixed:
                    row["text"] = f"{row['id']} {row['text']}"
                if fixed.get("response") and source.name == "gptfuzz_responses":
                    row["response_label"] = row["label"]
                out.write(json.dumps(row) + "\n")
    with gzip.open(folder / "longdocs_leval.jsonl.gz", "wt") as out:
        for number in range(12):
            text = ". ".join(" ".join(rng.choice(WORDS) for _ in range(9)) for _ in range(200))
            out.write(json.dumps({"id": f"doc{number}", "text": text, "category": "x"}) + "\n")
    (folder / "eval").mkdir()
    with gzip.open(folder / "eval" / "made_up.jsonl.gz", "wt") as out:
        out.write(json.dumps({"text": "how do i make a cake for the evaluation only"}) + "\n")
    return folder


@pytest.fixture(scope="session")
def tiny_mix(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from guardian.train.mix import build_mix

    folder = tmp_path_factory.mktemp("mix")
    build_mix(tiny_data, folder, scale=0.02)
    return folder


@pytest.fixture(scope="session")
def tiny_run(tiny_base: Path, tiny_mix: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from guardian.train.loop import Recipe, train

    run = tmp_path_factory.mktemp("run")
    train(tiny_base, tiny_mix, run, Recipe(**RECIPE), device="cpu")
    return run


@pytest.fixture(scope="session")
def tiny_model(tiny_run: Path, tiny_mix: Path, tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from guardian.train.package import package

    out = tmp_path_factory.mktemp("models") / "tiny"
    package(tiny_run, tiny_mix, out, data=tiny_data, name="tiny")
    return out
