"""After which block should the heads of a decoder read? Logistic probes on the last token's state, block by block.

    python benchmarks/layers.py --weights RUN/weights --mix MIX

Half of the sampled calibration rows fit a probe, the other half score it: area under the ROC curve for harmful prompts
and for harmful answers. Decoders know most of what a probe can read well before the end; the last blocks choose words.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from guardian.scoring.encode import Encoder
from guardian.train.batches import batches, collate, encode_examples
from guardian.train.examples import SAFE, UNSAFE, Example, read_examples
from guardian.train.slm import SLM_CONTROLS, GuardianSlm
from guardian.verdict import Stage

ROWS = 900
REGULARISED = 0.01  # inverse strength: there are more dimensions than rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--mix", type=Path, required=True)
    parser.add_argument("--every", type=int, default=3, help="blocks between two probes")
    options = parser.parse_args()
    model: GuardianSlm = GuardianSlm.from_pretrained(options.weights, attn_implementation="sdpa").eval()
    encoder = Encoder.load(options.weights / "tokenizer.json", SLM_CONTROLS, window=256, context=96)
    rows = [e for e in read_examples(options.mix / "calibration.jsonl") if e.lang == "en" and len(e.text) < 400]
    random.Random(1).shuffle(rows)
    depth = model.config.num_hidden_layers
    layers = [*range(options.every, depth, options.every), depth]
    print("| blocks | harmful prompts | harmful answers |\n| --- | --- | --- |")
    prompts, answers = (of_stage(rows, stage) for stage in (Stage.PROMPT, Stage.RESPONSE))
    table = [probes(model, encoder, examples, labels, layers) for examples, labels in (prompts, answers)]
    for layer, prompt, answer in zip(layers, *table, strict=True):
        print(f"| {layer} | {prompt:.3f} | {answer:.3f} |")
    print(f"\n{len(prompts[0])} prompts and {len(answers[0])} answers, half of them to fit.")


def of_stage(rows: Sequence[Example], stage: Stage) -> tuple[list[Example], list[int]]:
    """Rows of a stage that are plainly safe or unsafe, and whether they are unsafe."""

    def label(row: Example) -> int | None:
        return row.response_severity if stage is Stage.RESPONSE else row.severity

    kept = [row for row in rows if row.stage is stage and row.reply is None and label(row) in (SAFE, UNSAFE)][:ROWS]
    return kept, [int(label(row) == UNSAFE) for row in kept]


def probes(
    model: GuardianSlm, encoder: Encoder, examples: Sequence[Example], labels: Sequence[int], layers: Sequence[int]
) -> list[float]:
    """The area under the curve of a probe after each of `layers` blocks."""
    encoded = encode_examples(encoder, examples)
    states = {layer: np.empty((len(encoded), model.config.hidden_size), np.float32) for layer in layers}
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        for batch in batches([len(item.ids) for item in encoded], tokens=4096, rng=None):
            ids, mask, _ = collate([encoded[i] for i in batch], pad=SLM_CONTROLS.pad)
            state, before = model.embed(ids), 0
            for layer in layers:
                state, before = model.blocks(state, before, layer), layer
                states[layer][batch] = state[torch.arange(len(batch)), mask.sum(1) - 1].float().numpy()
    half, known = len(encoded) // 2, np.asarray(labels)
    found = []
    for layer in layers:
        x = states[layer]
        x = (x - x[:half].mean(0)) / (x[:half].std(0) + 1e-6)
        probe = LogisticRegression(C=REGULARISED, max_iter=500).fit(x[:half], known[:half])
        found.append(float(roc_auc_score(known[half:], probe.decision_function(x[half:]))))
    return found


if __name__ == "__main__":
    main()
