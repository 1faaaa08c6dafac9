"""How many bits can the weights of guardian-slm lose? Each part quantised in turn, in torch, on held-out rows.

    python benchmarks/bits.py --weights RUN/weights --mix MIX

Area under the ROC curve for harmful prompts and answers, mean change of their logits, loss per token of held-out
safeguard replies, and what the files would take.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from guardian.scoring.encode import Encoder
from guardian.train.batches import Encoded, batches, collate, encode_examples
from guardian.train.calibrate import binary_views
from guardian.train.decoder_graph import Bits, Weights
from guardian.train.examples import read_examples
from guardian.train.loop import predict
from guardian.train.model import IGNORED
from guardian.train.slm import SLM_CONTROLS, GuardianSlm
from guardian.verdict import Stage

CHOICES = {
    "as trained": None,
    "8 / 8 / 8": Bits(8, 256, 8, 256, 8, 64),
    "8 / 4 / 8": Bits(8, 256, 4, 32, 8, 64),
    "8 / 4 / 4": Bits(8, 256, 4, 32, 4, 32),
    "4 / 4 / 8": Bits(4, 32, 4, 32, 8, 64),
    "4 / 4 / 4": Bits(4, 32, 4, 32, 4, 32),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--mix", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=600)
    options = parser.parse_args()
    model: GuardianSlm = GuardianSlm.from_pretrained(options.weights, attn_implementation="sdpa").eval()
    encoder = Encoder.load(options.weights / "tokenizer.json", SLM_CONTROLS, window=256, context=96)
    rows, replies = sampled(encoder, options.mix, options.rows)
    print("| read / write / vocabulary | MB | prompts | answers | mean change of a logit | loss of replies |")
    print("| --- | --- | --- | --- | --- | --- |")
    reference = None
    for name, bits in CHOICES.items():
        stored = Weights.of(model, bits) if bits else None
        changed = stored.restored(model) if stored else model
        size = sum(tensor.nbytes for tensor in stored.tensors.values()) / 1e6 if stored else None
        logits = predict(changed, rows).double().numpy()
        reference = logits if reference is None else reference
        aucs = [
            roc_auc_score(label, logit)
            for score, (logit, label) in binary_views(logits, rows).items()
            if score in {"harm", "response_harm"}
        ]
        change = float(np.abs(logits - reference).mean())
        cells = [f"{size:.0f}" if size else "-", *(f"{auc:.3f}" for auc in aucs), f"{change:.3f}"]
        print(f"| {name} | {' | '.join(cells)} | {reply_loss(changed, replies):.3f} |", flush=True)


def sampled(encoder: Encoder, mix: Path, count: int) -> tuple[list[Encoded], list[Encoded]]:
    """Prompts and answers of the calibration split, and its replies."""
    examples = [e for e in read_examples(mix / "calibration.jsonl") if e.lang == "en" and len(e.text) < 500]
    random.Random(2).shuffle(examples)
    prompts = [e for e in examples if e.stage is Stage.PROMPT and e.reply is None and e.severity in (0, 2)]
    answers = [e for e in examples if e.stage is Stage.RESPONSE and e.response_severity in (0, 2)]
    replies = [e for e in examples if e.reply is not None]
    rows = [*prompts[:count], *answers[:count]]
    return encode_examples(encoder, rows), encode_examples(encoder, replies[:count])


def reply_loss(model: GuardianSlm, replies: Sequence[Encoded]) -> float:
    """Mean negative log likelihood of a token of a reply."""
    total, count = 0.0, 0
    for loss, tokens in _losses(model, replies):
        total, count = total + loss * tokens, count + tokens
    return total / count


@torch.inference_mode()
def _losses(model: GuardianSlm, replies: Sequence[Encoded]) -> Iterator[tuple[float, int]]:
    for batch in batches([len(item.ids) for item in replies], tokens=2048, rng=None):
        ids, mask, targets = collate([replies[i] for i in batch], pad=SLM_CONTROLS.pad)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            parts = model.learn(ids, mask, targets, smoothing=0.0)
        yield float(parts["reply"]), int((targets.reply != IGNORED).sum())


if __name__ == "__main__":
    main()
