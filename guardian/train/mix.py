"""`guardian train mix`: from raw sources to train / calibration / test files and one table of what went in.

Order: read -> cap -> join duplicates and drop conflicts -> drop what resembles an evaluation text -> group
near-duplicates -> split by group -> generate inside each split. Everything is seeded; the same data folder and seed
give the same bytes.
"""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from guardian.errors import ConfigError
from guardian.train import corpus, generate
from guardian.train.dedupe import drop_conflicts, fingerprint, near_duplicate_groups
from guardian.train.examples import SAFE, UNSAFE, Example, write_examples
from guardian.train.sources import SOURCES, hash_share, read_source, sources_of
from guardian.verdict import Stage

SPLITS = ("train", "calibration", "test")
CORPUS_SHARE = 5  # of `scale`, for the hand-written rows
EVERYDAY = frozenset({"oasst_prompts", "gpteacher", "guard_mix_5k"})  # whose benign rows are ordinary requests
_SHARE = {"train": 0.86, "calibration": 0.08, "test": 0.06}
# Generated rows for the train split; the other splits get their share of it.
_COUNTS = {
    "jailbreak": 4000,
    "frame": 3000,
    "noise": 3000,
    "documents": 20000,
    "cross_task": 2400,
    "sentences": 4200,
    "answers": 2400,
}
# A rate of 0.1 % can be promised from 999 benign rows on: the calibration split gets more of what is plainly ordinary.
_CALIBRATION = {"sentences": 1.5, "answers": 2.6}
# Further copies of prompts, lightly noised: the hand-written contrast rows count more than a red-team list's, and so do
# the sources that stand nearest to the boundary on either side.
_AGAIN = {corpus.SOURCE: 2, "orbench_multilingual": 2} | dict.fromkeys(
    ("cyber_frr", "caia_safety", "coconot_pref", "ailuminate_train", "salad_base", "red_instruct", "aart"), 1
)


@dataclass(frozen=True, slots=True)
class MixReport:
    """What went in: rows by source, licence and split, and what was left out, for the table and the model card."""

    mix: str
    seed: int
    rows: dict[str, dict[str, int]]  # source -> split -> rows
    licences: dict[str, str]
    duplicates: int
    conflicts: int
    like_evaluation: int

    def table(self) -> str:
        """The one table, Markdown."""
        lines = ["| source | licence | train | calibration | test |", "| --- | --- | --- | --- | --- |"]
        for source in sorted(self.rows):
            counts = " | ".join(str(self.rows[source].get(split, 0)) for split in SPLITS)
            lines.append(f"| {source} | {self.licences[source]} | {counts} |")
        totals = [sum(row.get(split, 0) for row in self.rows.values()) for split in SPLITS]
        lines.append("| **all** | | " + " | ".join(f"**{total}**" for total in totals) + " |")
        left_out = (
            f"\nLeft out: {self.duplicates} duplicates joined, {self.conflicts} rows whose labels contradict others, "
            f"{self.like_evaluation} rows that resemble an evaluation text. Mix `{self.mix}`, seed {self.seed}."
        )
        return "\n".join(lines) + "\n" + left_out + "\n"


def build_mix(
    data: Path,
    out: Path,
    *,
    mix: str = "permissive",
    seed: int = 13,
    scale: float = 1.0,
    progress: Callable[[str], None] = lambda _: None,
) -> MixReport:
    """Build the mixture of `data` into `out` (train.jsonl, calibration.jsonl, test.jsonl, mix.json, mix.md),
    and injections.jsonl: injected sentences that no training row holds.

    `scale` shrinks every source and generator for quick trials. Raises ConfigError for a bad mix or a missing file.
    """
    if not 0 < scale <= 1:
        raise ConfigError("scale", f"{scale} is not in (0, 1]")
    sources = sources_of(mix)
    read: list[Example] = []
    for source in sources:
        progress(f"reading {source.name}")
        cap = None if source.cap is None and scale == 1 else int((source.cap or 10**9) * scale)
        read.extend(_capped(read_source(data, source, mix), cap, seed))
    # Small beside the sources, so it shrinks less.
    read.extend(e for e in corpus.corpus_examples() if scale == 1 or hash_share(e.id) < CORPUS_SHARE * scale)
    kept, merged, conflicts = drop_conflicts(example for example in read if example.text.strip())
    progress(f"grouping {len(kept)} rows")
    clean, alike = _split(kept, evaluation_texts(data))
    rows = {split: [e for e in clean if e.group == split] for split in SPLITS}
    out.mkdir(parents=True, exist_ok=True)
    final: dict[str, list[Example]] = {}
    for split in SPLITS:
        progress(f"generating {split}")
        final[split] = _with_generated(rows[split], split, random.Random(f"{seed}/{split}"), scale)
        write_examples(out / f"{split}.jsonl", final[split])
    held_out = [t for split in SPLITS[1:] for t in _of_split(corpus.injection_texts(), split)]
    needles = "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in held_out)
    (out / "injections.jsonl").write_text(needles, encoding="utf-8")  # for `guardian eval`
    report = MixReport(mix, seed, count_rows(final), _licences(), merged, conflicts, alike)
    (out / "mix.md").write_text(report.table(), encoding="utf-8")
    summary = {"mix": mix, "seed": seed, "scale": scale, "rows": report.rows, "licences": report.licences}
    (out / "mix.json").write_text(json.dumps(summary, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return report


def _capped(examples: Sequence[Example], cap: int | None, seed: int) -> list[Example]:
    """At most `cap` rows by a stable draw; a row and its answer (same id stem) live and die together."""
    if cap is None or len(examples) <= cap:
        return list(examples)
    share = cap / len(examples)
    return [e for e in examples if hash_share(f"{seed}/{e.id.removesuffix('/answer')}") < share]


def evaluation_texts(data: Path) -> list[str]:
    """Texts of every evaluation file beside the data: training rows that resemble one are dropped."""
    texts: list[str] = []
    for path in sorted((data / "eval").glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            texts.extend(json.loads(line)["text"] for line in lines)
    return texts


def _split(examples: Sequence[Example], evaluation: Sequence[str]) -> tuple[list[Example], int]:
    """Split by near-duplicate group; a group that holds an evaluation text is dropped from training altogether.

    Answers are grouped by their prompt, so a prompt and its answers share a split. Rows of the xsafety halves are
    parallel translations, so resemblance is only screened in the shape MinHash sees (same language).
    """
    keys = [e.context if e.stage is Stage.RESPONSE and e.context else e.text for e in examples]
    texts = [*keys, *evaluation]
    groups = near_duplicate_groups(texts)
    tainted = set(groups[len(examples) :])
    exact = {fingerprint(text) for text in evaluation}
    kept: list[Example] = []
    for example, key, group in zip(examples, keys, groups, strict=False):
        if example.stage is not Stage.RESPONSE and (group in tainted or fingerprint(key) in exact):
            continue
        kept.append(replace(example, group=split_of(f"group/{fingerprint(texts[group])[:200]}")))
    return kept, len(examples) - len(kept)


def split_of(key: str) -> str:
    """The split of what has this key, by a stable hash."""
    share = hash_share(key)
    for split in SPLITS:
        share -= _SHARE[split]
        if share < 0:
            return split
    return SPLITS[-1]


def _of_split(items: Iterable[str], split: str) -> list[str]:
    return [item for item in items if split_of(item) == split]


def _with_generated(rows: list[Example], split: str, rng: random.Random, scale: float) -> list[Example]:
    """The split's rows, cut to window size, plus everything generated from them."""
    share = scale * (_SHARE[split] / _SHARE["train"])
    more = _CALIBRATION if split == "calibration" else {}
    counts = {name: int(count * share * more.get(name, 1)) for name, count in _COUNTS.items()}
    english = [r for r in rows if r.lang == "en"]
    requests = [
        r
        for r in english
        if r.stage is Stage.PROMPT
        and r.severity is not None
        and not r.jailbreak
        and not r.injection
        and len(r.text) < 1200
    ]
    hosts = _hosts(english)
    needles = _needles(rows, split, rng)
    frames = _of_split(corpus.all_lines(corpus.BENIGN_WRAPPERS), split)
    attacks = _of_split(corpus.all_lines(corpus.JAILBREAK_WRAPPERS), split)
    balanced = _balanced(requests, rng)
    made: list[Example] = [
        *generate.wrap(balanced, attacks, counts["jailbreak"], rng, jailbreak=True),
        *generate.wrap(balanced, frames, counts["frame"], rng, jailbreak=False),
        *generate.noised(requests, counts["noise"], rng),
        *generate.document_windows(hosts, needles, counts["documents"], rng),
        *generate.cross_task(hosts, needles, counts["cross_task"], rng),
        *generate.sentences(hosts, counts["sentences"], rng),
        *generate.spliced_answers(requests, [r for r in english if r.stage is Stage.RESPONSE], counts["answers"], rng),
    ]
    if split == "train":
        for row in rows:
            copies = _AGAIN.get(row.source, 0) if row.stage is Stage.PROMPT or row.source == corpus.SOURCE else 0
            made.extend(replace(row, id=f"{row.id}/again{n}", text=_lightly(row.text, rng)) for n in range(copies))
    plain = [_window(r, rng) for r in rows]
    return [replace(e, group="") for e in [*plain, *made] if e.text.strip()]


def _lightly(text: str, rng: random.Random) -> str:
    return generate.noise(text, rng, 0.02) if rng.random() < 0.5 else text


def _balanced(requests: Sequence[Example], rng: random.Random) -> list[Example]:
    """As many harmful as benign requests, so that a frame says nothing about harm."""
    harmful = [r for r in requests if r.severity == UNSAFE]
    benign = [r for r in requests if r.severity == SAFE]
    size = min(len(harmful), len(benign))
    return rng.sample(harmful, size) + rng.sample(benign, size)


def _hosts(rows: Sequence[Example]) -> list[str]:
    """Benign texts to read documents from: real documents, and long benign answers. Real documents count thrice."""
    documents = [r.text for r in rows if r.stage is Stage.DOCUMENT and r.severity == SAFE and len(r.text) > 300]
    answers = [
        r.text
        for r in rows
        if r.stage is Stage.RESPONSE and r.response_severity == SAFE and r.refusal == 0 and len(r.text) > 400
    ]
    return documents * 3 + answers


def _needles(rows: Sequence[Example], split: str, rng: random.Random) -> generate.Needles:
    injections = _of_split(corpus.injection_texts(), split) * 2
    injections += [
        r.text
        for r in rows
        if r.injection == 1
        and r.stage is Stage.PROMPT
        and len(r.text) < 600
        and r.source in {"cyberseceval_pi", "promptshield_na", "gandalf_ignore"}
        and r.lang == "en"
    ]
    asked = [r.text for r in rows if r.source in EVERYDAY and r.severity == SAFE and 15 < len(r.text) < 300]
    frames = _of_split(generate.TAKEOVERS, split)
    injections += generate.takeovers(asked, frames, len(injections) // 4, rng)
    harmful = [
        r
        for r in rows
        if r.stage is Stage.RESPONSE
        and r.response_severity == UNSAFE
        and len(r.text) > 200
        and r.source != "diasafety"
        and r.lang == "en"
    ]
    # Not what users ask an assistant: in the midst of a document that could be meant for the one that reads it.
    neutral = [r.text for r in rows if r.source == corpus.SOURCE and r.stage is Stage.DOCUMENT and r.severity == SAFE]
    neutral += [r.text for r in rows if r.stage is Stage.RESPONSE and r.source in {"caia_safety", "coconot_pref"}]
    return generate.Needles(injections, harmful, neutral)


def _window(example: Example, rng: random.Random) -> Example:
    """Long rows cut to what one window holds. An attack may sit anywhere, so long attacks keep head or tail whole."""
    limit = 1150
    if len(example.text) <= limit or example.injection == 1 or example.jailbreak == 1:
        return example
    return replace(example, text=generate.cut(example.text, limit, rng))


def count_rows(final: dict[str, list[Example]]) -> dict[str, dict[str, int]]:
    """Rows by source and split; of generated rows, by kind."""
    rows: dict[str, Counter[str]] = defaultdict(Counter)
    for split, examples in final.items():
        for example in examples:
            name = example.id.split("/")[1] if example.source == generate.SOURCE else None
            rows[f"{example.source}: {name}" if name else example.source][split] += 1
    return {source: dict(counts) for source, counts in rows.items()}


def _licences() -> dict[str, str]:
    table = {source.name: source.licence for source in SOURCES}
    table[corpus.SOURCE] = corpus.LICENCE
    for name in (
        "jailbreak",
        "frame",
        "noise",
        "document",
        "cross_task",
        "sentence",
        "quote",
        "swap-safe",
        "swap-unsafe",
        "late-harm",
    ):
        table[f"{generate.SOURCE}: {name}"] = generate.LICENCE
    return table
