"""The teacher: a small decoder under the same heads, and what it thinks of the rows that guardian-mini learns from.

A decoder that has read the web ranks prompts better than a sentence encoder after a fraction of the rows (reference:
recipes). It is too slow to serve, so guardian-mini learns its opinion beside the labels (knowledge distillation, Hinton
et al. 2015, arXiv 1503.02531).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaModel, LlamaPreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from guardian.scoring.encode import Controls, Encoder
from guardian.train.examples import SAFE, UNSAFE, Example, read_examples, write_examples
from guardian.train.model import N_LOGITS
from guardian.verdict import Stage

if TYPE_CHECKING:
    from guardian.train.refine import Scores


class GuardianTeacherConfig(LlamaConfig):
    """Llama's configuration under our own type."""

    model_type = "guardian-teacher"


class GuardianTeacher(LlamaPreTrainedModel):
    """A Llama-style decoder with the guardian heads. forward: ids and mask [batch, tokens] -> logits [batch, 23].

    Ids are padded on the right. Causal attention makes the mask needless but for finding the last token, which has
    read everything. The embeddings stay as they are: most of their rows are never seen in training.
    """

    config_class = GuardianTeacherConfig
    # SmolLM2's vocabulary starts with tokens of its chat and code formats, which no text tokenises to.
    controls: ClassVar[Controls] = Controls(cls=1, sep=2, pad=0, query=3, task=4, doc=5, resp=6)

    def __init__(self, config: GuardianTeacherConfig) -> None:
        super().__init__(config)
        self.model = LlamaModel(config)
        self.model.embed_tokens.weight.requires_grad_(False)
        self.dropout = nn.Dropout(0.1)
        self.heads = nn.Linear(config.hidden_size, N_LOGITS)
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **_: object) -> SequenceClassifierOutput:
        hidden = self.model(input_ids=input_ids, use_cache=False).last_hidden_state
        last = hidden[torch.arange(len(hidden)), attention_mask.sum(1) - 1]
        return SequenceClassifierOutput(logits=self.heads(self.dropout(last)))


def byte_level_json(original: str) -> str:
    """A byte-level BPE `tokenizer.json` made safe for untrusted text: no added tokens, no template.

    Digits stand alone as in SmolLM2's own tokenizer; GGUF does not carry that.
    """
    spec = json.loads(original)
    spec |= {"added_tokens": [], "post_processor": None, "truncation": None, "padding": None}
    digits = {"type": "Digits", "individual_digits": True}
    spec["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [digits, spec["pre_tokenizer"]]}
    return json.dumps(spec, ensure_ascii=False, separators=(",", ":"))


def teach(
    run: Path,
    mix: Path,
    out: Path,
    *,
    longest: int = 96,
    device: str = "auto",
    progress: Callable[[str], None] = lambda _: None,
) -> int:
    """Write the mixture `mix` to `out` with the opinion of the teacher that `run` trained on English prompts and
    statements of at most `longest` of its tokens; returns how many rows it has an opinion on.

    Only the train split is taught. Noisy copies of a row get the opinion on the first of them.
    """
    from guardian.train.bases import load_start
    from guardian.train.batches import encode_examples
    from guardian.train.loop import device_of, predict
    from guardian.train.refine import KEPT, scores_of

    where = device_of(device)
    model = load_start(run / "weights").eval()  # type: ignore[no-untyped-call]
    torch.nn.Module.to(model, where)  # transformers' own `to` is untyped
    recipe = json.loads((run / "weights" / "training.json").read_text(encoding="utf-8"))["recipe"]
    encoder = Encoder.load(run / "tokenizer.json", model.controls, window=recipe["window"], context=recipe["context"])
    rows = list(read_examples(mix / "train.jsonl"))
    firsts = list({_stem(row): row for row in reversed(rows) if teachable(row)}.values())
    encoded = encode_examples(encoder, firsts)
    asked = [n for n, item in enumerate(encoded) if len(item.ids) <= longest]
    progress(f"asking the teacher about {len(asked):,} texts of {len(rows):,} rows")
    scores = scores_of(predict(model, [encoded[n] for n in asked], device=where).numpy())
    opinions = _opinions([firsts[n] for n in asked], scores)
    taught = [replace(row, taught=opinions.get(_stem(row))) for row in rows]
    out.mkdir(parents=True, exist_ok=True)
    write_examples(out / "train.jsonl", taught)
    for name in KEPT:
        (out / name).write_bytes((mix / name).read_bytes())
    return sum(row.taught is not None for row in taught)


def _stem(row: Example) -> str:
    return row.id.partition("/again")[0]


def teachable(row: Example) -> bool:
    """English prompts and statements: what the teacher has an opinion on."""
    return row.lang == "en" and row.stage is not Stage.RESPONSE and row.context is None


def lesson(row: Example) -> bool:
    """What the teacher itself learns from: the same, without the noisy copies."""
    return teachable(row) and row.id == _stem(row) and "/noise/" not in row.id


def _opinions(rows: Sequence[Example], scores: Scores) -> dict[str, tuple[float, float, float]]:
    """Harm, jailbreak and injection as the teacher sees them, by stem; on a label given by hand that it contradicts it
    is not heard."""
    from guardian.train.refine import TRUSTED

    found: dict[str, tuple[float, float, float]] = {}
    columns = (scores.harm.tolist(), scores.jailbreak.tolist(), scores.injection.tolist())
    for row, harm, jailbreak, injection in zip(rows, *columns, strict=True):
        label = {SAFE: 0.0, UNSAFE: 1.0}.get(-1 if row.severity is None else row.severity)
        if row.source not in TRUSTED or label is None or abs(harm - label) <= 0.5:
            found[_stem(row)] = (round(harm, 4), round(jailbreak, 4), round(injection, 4))
    return found
