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

{_DECODER if manifest.decoder else _ENCODER}
- Base: {manifest.base}
- Licence: {manifest.license}. Made {manifest.created}. Language: English; others only as far as the data below reaches.
{_teacher(notes)}\
{_structure(manifest)}
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
{_runs(notes)}
## Training data

Rows of the mixture by source, before `refine` left out part of what the model knew; `guardian_generated` is made from
other rows by rule, `guardian_corpus` was written for this project. No evaluation set and no row that resembles one was
trained on.

| source | licence | rows |
| --- | --- | --- |
{data}

## Limits

It reads topic better than intent, and English better than anything else. It is one layer of a defence: a determined
attacker gets past a model of {"135" if manifest.decoder else "22"} million parameters. It was trained on red-team lists
and hand-written contrasts, not on your traffic: measure the false-positive rate on your own text before you block. Do
not use it to judge people.
"""


_ENCODER = """\
A 22M-parameter encoder that reads a prompt, a document window with its task, or an answer with its prompt, and
gives in one pass: severity (safe, controversial, unsafe), 13 hazards, jailbreak, injection, an answer's severity and
whether it refuses.
"""
_DECODER = """\
A 135M-parameter decoder that reads a prompt, a document window with its task, or an answer with its prompt, and
gives in one pass: severity (safe, controversial, unsafe), 13 hazards, jailbreak, injection, an answer's severity and
whether it refuses. Besides it watches an answer token by token as it comes, and writes safeguard replies.
"""


def _structure(manifest: Manifest) -> str:
    if manifest.decoder is None:
        return "- Heads stand on the first token, the mean and the maximum of the token states; one linear layer."
    spec, bits = manifest.decoder, manifest.notes.get("bits")
    stored = ""
    if isinstance(bits, Mapping):
        stored = (
            f" Products are stored in {bits['read']} bits up to there, in {bits['write']} bits behind, the vocabulary "
            f"in {bits['vocabulary']} bits, each in blocks with scales of their own."
        )
    return (
        f"- Heads stand on the last token after {spec.read_blocks} of {spec.blocks} blocks; the rest only writes."
        f"{stored}\n- A stream is stopped where two tokens in a row are over a threshold: "
        + ", ".join(f"{limit:.3f} for {rate:.1%} of safe answers" for rate, limit in spec.token_thresholds.items())
        + "."
    )


def _teacher(notes: Mapping[str, Any]) -> str:
    if "taught" not in notes:
        return ""
    rows, teacher = notes["taught"]["rows"], notes["taught"]["teacher"]
    return f"- Beside the labels it learnt the opinion of a teacher on {rows:,} rows: {teacher}, fine-tuned.\n"


_PARTS = {"all": "all", "read": "detection", "write": "replies"}


def _runs(notes: Mapping[str, Any]) -> str:
    """The runs that these weights come from, first to last; empty where the manifest tells of none."""
    run, rows = notes.get("training"), []
    while run:
        recipe, state = run["recipe"], run["state"]
        what = "prompts (lessons)" if recipe.get("lessons") else _PARTS[recipe.get("part", "all")]
        adapters = f", adapters of rank {recipe['lora']}" if recipe.get("lora") else ""
        rows.append(
            f"| {what}{adapters} | {run['examples']:,} | {recipe['epochs']:g} | {recipe['rate']:g} | "
            f"{state['tokens']:,} | {state['seconds'] / 60:.0f} |"
        )
        run = run.get("before")
    if not rows:
        return ""
    told = "\nThe runs that these weights come from, first to last, each on the rows there were then:\n"
    head = "| learnt | rows | passes | rate | tokens | minutes |\n| --- | --- | --- | --- | --- | --- |"
    return "\n".join((told, head, *reversed(rows), ""))


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
        scores = sorted(next(iter(notes["gate"].values())))
        lines += ["| recall at 1 % false positives | " + " | ".join(scores) + " |", "| --- |" + " --- |" * len(scores)]
        for precision in (name for name in ("fp32", "bf16", "fp16", "int8") if name in notes["gate"]):
            values = " | ".join(f"{notes['gate'][precision][score]:.3f}" for score in scores)
            lines.append(f"| {precision} | {values} |")
    if "logits" in (p := notes.get("parity", {})):
        lines.append(f"\nThe graph's logits are within {p['logits']:.2g} of torch with the same quantised weights.")
    elif p:
        lines.append(
            f"\nParity on random tokens: fp32 logits within {p['fp32_logits']:.1e} of torch, fp16 probabilities within "
            f"{p['fp16_probability']:.4f} of fp32."
        )
    if "ece" in notes:
        lines += ["", "| score | expected calibration error |", "| --- | --- |"]
        lines += [f"| {name} | {value:.3f} |" for name, value in sorted(notes["ece"].items())]
    return "\n".join(lines)
