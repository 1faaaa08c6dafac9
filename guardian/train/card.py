"""The model card: README.md of a model folder, written from its manifest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from guardian.scoring.manifest import Manifest


def write_card(folder: Path, *, reproduce: str) -> Path:
    """Write `folder`/README.md. `reproduce`: the commands, one a line."""
    manifest = Manifest.load(folder)
    path = folder / "README.md"
    path.write_text(card(manifest, reproduce=reproduce), encoding="utf-8")
    return path


def card(manifest: Manifest, *, reproduce: str) -> str:
    """The card as Markdown."""
    notes: Mapping[str, Any] = manifest.notes
    files = "\n".join(
        f"| `{name}` | {entry.bytes / 1e6:.1f} MB | `{entry.sha256}` |"
        for name, entry in sorted(manifest.files.items())
    )
    data = "\n".join(f"| {row.source} | {row.licence} | {row.rows} |" for row in manifest.data)
    return f"""# {manifest.name} {manifest.version}

A 22M-parameter encoder that reads a prompt, a document window with its task, or an answer with its prompt, and
gives in one pass: severity (safe, controversial, unsafe), 13 hazards, jailbreak, injection, an answer's severity and
whether it refuses.

- Base: {manifest.base}
- Licence: {manifest.license}. Made {manifest.created}. Language: English; others only as far as the data below reaches.
{_teacher(notes)}\
- Heads stand on the first token, the mean and the maximum of the token states; one linear layer.
- Windows of {manifest.window.size} tokens, stride {manifest.window.stride}; a context of at most \
{manifest.window.context_tokens} tokens.
- Default false-positive budgets: {_budgets(manifest)}.

## Files

| file | size | SHA-256 |
| --- | --- | --- |
{files}

## Measured when it was packaged, on our own held-out rows (calibration error: on the test split)

{_notes(notes)}

Benchmarks of the model that guardian ships are in docs/evaluation.md of its repository; `guardian eval` measures any.

## How to make it again

```
{reproduce}
```

## Training data

Rows of the mixture by source, before `refine` left out part of what the model knew; `guardian_generated` is made from
other rows by rule, `guardian_corpus` was written for this project. No evaluation set and no row that resembles one was
trained on.

| source | licence | rows |
| --- | --- | --- |
{data}

## Limits

It reads topic better than intent, and English better than anything else. It is one layer of a defence: a determined
attacker gets past a 22M model. It was trained on red-team lists and hand-written contrasts, not on your traffic:
measure the false-positive rate on your own text before you block. Do not use it to judge people.
"""


def _teacher(notes: Mapping[str, Any]) -> str:
    if "taught" not in notes:
        return ""
    rows, teacher = notes["taught"]["rows"], notes["taught"]["teacher"]
    return f"- Beside the labels it learnt the opinion of a teacher on {rows:,} rows: {teacher}, fine-tuned.\n"


def _budgets(manifest: Manifest) -> str:
    own = [
        f"{rate:.1%} for {head} at the {stage} stage"
        for stage, rates in manifest.thresholds.default_fprs.items()
        for head, rate in rates.items()
    ]
    return ", ".join([*own, f"{manifest.thresholds.default_fpr:.1%} for the rest"])


def _notes(notes: Mapping[str, Any]) -> str:
    lines = []
    if "gate" in notes:
        scores = sorted(notes["gate"]["fp32"])
        lines += ["| recall at 1 % false positives | " + " | ".join(scores) + " |", "| --- |" + " --- |" * len(scores)]
        for precision in ("fp32", "fp16", "int8"):
            values = " | ".join(f"{notes['gate'][precision][score]:.3f}" for score in scores)
            lines.append(f"| {precision} | {values} |")
    if "parity" in notes:
        p = notes["parity"]
        lines.append(
            f"\nParity on random tokens: fp32 logits within {p['fp32_logits']:.1e} of torch, fp16 probabilities within "
            f"{p['fp16_probability']:.4f} of fp32."
        )
    if "ece" in notes:
        lines += ["", "| score | expected calibration error |", "| --- | --- |"]
        lines += [f"| {name} | {value:.3f} |" for name, value in sorted(notes["ece"].items())]
    return "\n".join(lines)
