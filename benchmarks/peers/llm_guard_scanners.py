"""llm-guard: scanners with a small local model of random weights, because its own are on a hub.

Such a model finds nothing, but it can tell what it was given to read.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from inputs import FORBIDDEN, JAILBREAK, emit, go_offline, prompt, row

go_offline()

import torch  # noqa: E402
from llm_guard import scan_prompt  # noqa: E402
from llm_guard.input_scanners import BanSubstrings, PromptInjection, TokenLimit  # noqa: E402
from llm_guard.input_scanners.prompt_injection import MatchType  # noqa: E402
from llm_guard.model import Model  # noqa: E402
from transformers import (  # noqa: E402
    AutoModelForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    BertTokenizerFast,
)

LENGTH = 5000
"""Characters of a prompt: more than the 512 tokens that the model reads at once."""

_read: list[str] = []
_tokens: list[int] = []


class Listening(BertForSequenceClassification):
    """Keeps what it is given."""

    def forward(self, input_ids: torch.Tensor, **kwargs: Any) -> Any:
        _read.extend(TOKENIZER.batch_decode(input_ids))
        _tokens.append(input_ids.numel())
        return super().forward(input_ids, **kwargs)


AutoModelForSequenceClassification.register(BertConfig, Listening, exist_ok=True)


def local_model() -> tuple[Model, BertTokenizerFast]:
    """A classifier of 512 positions over the words there are, and its tokenizer."""
    folder = Path(tempfile.mkdtemp(prefix="peers-"))
    words = sorted(set((prompt(LENGTH, 1.0) + JAILBREAK).lower().replace(".", " ").replace(",", " ").split()))
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", ",", *words]
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    tokenizer = BertTokenizerFast(vocab_file=str(folder / "vocab.txt"), model_max_length=512)
    tokenizer.save_pretrained(folder)
    labels = {0: "SAFE", 1: "INJECTION"}
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        id2label=labels,
        label2id={name: number for number, name in labels.items()},
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    # The arguments that come with the scanner's own models.
    arguments = {"return_token_type_ids": False, "max_length": 512, "truncation": True}
    return Model(path=str(folder), pipeline_kwargs=arguments), tokenizer


MODEL, TOKENIZER = local_model()


def reads_jailbreak(text: str, match_type: MatchType) -> bool:
    _read.clear()
    _tokens.clear()
    PromptInjection(model=MODEL, match_type=match_type).scan(text)
    return any(" dan " in text for text in _read)


def truncation(experiment: str, depth: float, match_type: MatchType) -> dict[str, object]:
    assert reads_jailbreak(JAILBREAK, match_type)
    found = reads_jailbreak(prompt(LENGTH, depth), match_type)
    among = "among them" if found else "not among them"
    did = f"`match_type={match_type.value}`: its model was given {sum(_tokens)} tokens, the jailbreak {among}"
    return row(experiment, did, defect=not found)


def two_rules() -> dict[str, object]:
    scanners = [BanSubstrings([FORBIDDEN]), BanSubstrings(["albatross"])]
    _, valid, scores = scan_prompt(scanners, f"A {FORBIDDEN}.")
    return row("two_rules", f"results {valid}, scores {scores}", defect=all(valid.values()))


def offline() -> dict[str, object]:
    try:
        TokenLimit(limit=4096).scan("How do I kill a hung Python process?")
    except Exception as error:  # noqa: BLE001  # whatever it is, it is what the experiment asks for
        return row("offline", f"`TokenLimit`: {type(error).__name__}", defect=True)
    return row("offline", "`TokenLimit` works", defect=False)


emit(
    truncation("prompt_tail", 1.0, MatchType.FULL),
    truncation("prompt_middle", 0.5, MatchType.TRUNCATE_HEAD_TAIL),
    two_rules(),
    offline(),
)
