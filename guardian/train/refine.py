"""`guardian train refine`: a second mixture from what a first model got wrong.

Two loops. Cross-annotation (Qwen3Guard): where a model that has read a row once still firmly disagrees with its label,
the row is controversial or mislabelled. Over-defence (PIGuard, "mitigating over-defense for free"): words that the
model fears on their own are shortcuts; benign sentences that hold them, mined from real documents, unlearn these. The
same for windows: of many benign ones in every layout, those that score highest are what sets a document threshold.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from guardian.scoring.calibration import sigmoid
from guardian.scoring.encode import Encoder
from guardian.train import corpus, generate
from guardian.train.bases import Classifier, load_run
from guardian.train.batches import encode_examples
from guardian.train.examples import CONTROVERSIAL, SAFE, UNSAFE, Example, read_examples, write_examples
from guardian.train.loop import predict
from guardian.train.model import GuardianMiniConfig, head_slices
from guardian.train.sources import hash_share
from guardian.verdict import Stage

# Their labels were given one by one with the contrast in mind: the model is wrong, not they.
TRUSTED = frozenset(
    {
        corpus.SOURCE,
        "caia_safety",
        "coconot_pref",
        "orbench_multilingual",
        "cyber_frr",
        "ailuminate_train",
        "hatecheck",
        "oasst_prompts",
        "persona_prompts",
        "longdocs_t0",
        "court_documents",
    }
)
SOURCE = "guardian_overdefence"
KEPT = ("calibration.jsonl", "test.jsonl", "mix.json", "mix.md", "injections.jsonl")  # what a new train split goes with
EASY = 0.02  # a row whose label the model already gives more than 1 - EASY ...
EASY_SHARE = 0.4  # ... is read again with this probability
# Share of rows that the second pass reads again. What the first pass already knows well is only rehearsed, so that the
# time goes to the boundary: contrast rows, hard benign requests, real traffic.
REHEARSED = {
    "diasafety": 0.35,
    "bipia_train": 0.35,
    "hinglish_pi": 0.3,
    "rtp_lx": 0.4,
    "hatecheck": 0.6,
    "xsafety_even": 0.4,
    "jade_zh": 0.3,
    "kosbi_ko": 0.3,
    "cold_zh": 0.3,
    "benign_zh": 0.3,
    "cvalues_zh": 0.3,
    "red_team_ko": 0.3,
    "gptfuzz_responses": 0.6,
    "llama2_refusals": 0.5,
    "gpteacher": 0.6,
    "med_safety": 0.7,
    "gandalf_ignore": 0.5,
    "guardian_generated/jailbreak": 0.7,
    "guardian_generated/frame": 0.8,
    "guardian_generated/sentence": 0.6,
    "guardian_generated/cross_task": 0.6,
}


@dataclass(frozen=True, slots=True)
class Scores:
    """What a model says of a list of examples: probabilities [n]."""

    harm: NDArray[np.float32]
    response_harm: NDArray[np.float32]
    injection: NDArray[np.float32]
    jailbreak: NDArray[np.float32]


def score(
    model: Classifier, encoder: Encoder, examples: Sequence[Example], *, device: torch.device | None = None
) -> Scores:
    """Uncalibrated probabilities of every example. `device` is where the model is, by default the CPU."""
    return scores_of(predict(model, encode_examples(encoder, examples), device=device).numpy())


def scores_of(logits: NDArray[np.float32]) -> Scores:
    """Uncalibrated probabilities from logits [n, 23]."""
    at = head_slices()
    severity, answer, attack = logits[:, at["severity"]], logits[:, at["response_severity"]], logits[:, at["attack"]]
    return Scores(
        harm=sigmoid(severity[:, 2] - severity[:, 0]),
        response_harm=sigmoid(answer[:, 2] - answer[:, 0]),
        injection=sigmoid(attack[:, 1]),
        jailbreak=sigmoid(attack[:, 0]),
    )


def cross_annotate(
    examples: Sequence[Example], scores: Scores, *, low: float = 0.08, high: float = 0.92
) -> tuple[list[Example], Counter[str]]:
    """Relabel rows the model firmly contradicts: controversial, or unknown for generated documents (the cut may have
    left the harm out). In an answer that is controversial no place is marked any more. Returns the rows, those that
    stay as they were being the same objects, and what was done, by source."""
    done: Counter[str] = Counter()
    found: list[Example] = []
    for example, p, q in zip(examples, scores.harm.tolist(), scores.response_harm.tolist(), strict=True):
        new = example
        if (example.severity == UNSAFE and p < low) or (example.severity == SAFE and p > high):
            made = example.source == generate.SOURCE
            new = replace(example, severity=None if made else CONTROVERSIAL)
        if (example.response_severity == UNSAFE and q < low) or (example.response_severity == SAFE and q > high):
            new = replace(new, response_severity=CONTROVERSIAL, onset=None)
        if new is not example:
            done[example.source] += 1
        found.append(new)
    return found, done


def easy(examples: Sequence[Example], scores: Scores) -> list[bool]:
    """Which rows the model knows: every label it scored is given with more than 1 - EASY."""
    found = []
    for example, p, q in zip(examples, scores.harm.tolist(), scores.response_harm.tolist(), strict=True):
        pairs = ((p, example.severity), (q, example.response_severity))
        wrong = [abs(score - _TARGET[label]) for score, label in pairs if label is not None]
        found.append(bool(wrong) and max(wrong) < EASY)
    return found


_TARGET = {SAFE: 0.0, CONTROVERSIAL: 0.5, UNSAFE: 1.0}


def feared_words(model: Classifier, encoder: Encoder, count: int = 600) -> dict[str, list[str]]:
    """Whole words of the vocabulary that score highest alone, per score (MOF, step 1)."""
    vocabulary = json.loads(encoder.to_json())["model"]["vocab"]
    words = [word for word in vocabulary if re.fullmatch(r"[a-z]{3,}", word)]
    alone = [Example(word, Stage.PROMPT, word, SOURCE) for word in words]
    scores = score(model, encoder, alone)
    found = {}
    for name in ("harm", "injection", "jailbreak"):
        order = np.argsort(-getattr(scores, name))[:count]
        found[name] = [words[i] for i in order]
    return found


def mined(hosts: Sequence[str], words: Sequence[str], count: int, rng: random.Random) -> list[Example]:
    """Benign sentences that hold a feared word, at most 12 a word, most feared words first (MOF, step 2)."""
    wanted = {word: rank for rank, word in enumerate(words)}
    by_word: dict[str, list[str]] = {word: [] for word in words}
    for host in rng.sample(list(hosts), len(hosts)):
        for sentence in re.split(r"(?<=[.!?])\s+|\n+", host):
            if not 20 <= len(sentence) <= 300:
                continue
            held = [w for w in re.findall(r"[a-z]+", sentence.lower()) if w in wanted]
            if held:
                rarest = min(held, key=lambda w: len(by_word[w]))
                if len(by_word[rarest]) < 12:
                    by_word[rarest].append(sentence.strip())
    sentences = [(word, s) for word in words for s in dict.fromkeys(by_word[word])]
    rng.shuffle(sentences)
    return [
        Example(
            f"{SOURCE}/{n}",
            Stage.PROMPT if n % 3 else Stage.DOCUMENT,
            text,
            SOURCE,
            severity=SAFE,
            jailbreak=0 if n % 3 else None,
            injection=0,
        )
        for n, (_, text) in enumerate(sentences[:count])
    ]


def hard_windows(
    model: Classifier, encoder: Encoder, hosts: Sequence[str], count: int, rng: random.Random, *, drawn: int = 16_000
) -> list[Example]:
    """The benign document windows, of `drawn`, that score highest for harm or injection: at most `count`, over 0.1."""
    none = generate.Needles((), (), ())
    windows = list(generate.document_windows(hosts, none, drawn, rng))
    scores = score(model, encoder, windows)
    worst = np.maximum(scores.injection, scores.harm)
    order = [int(i) for i in np.argsort(-worst)[:count] if worst[i] > 0.1]
    return [replace(windows[i], id=f"{SOURCE}/window/{n}", source=SOURCE) for n, i in enumerate(order)]


def _rehearsed(example: Example, seed: int) -> bool:
    parts = example.id.split("/")
    name = "/".join(parts[:2]) if example.source == generate.SOURCE else example.source
    return hash_share(f"{seed}/second/{example.id}") < REHEARSED.get(name, 1.0)


def doubtful(example: Example) -> bool:
    """Whether a firm contradiction would mean more about the label than about the model."""
    if example.source in TRUSTED or example.lang != "en":
        return False
    if example.source == generate.SOURCE:  # a benign document is benign; a cut may have left the harm out
        return "/document/harmful/" in example.id or "/late-harm/" in example.id
    return example.severity is not None or example.response_severity is not None


def refine(
    run: Path,
    mix: Path,
    out: Path,
    *,
    seed: int = 13,
    sentences: int = 3000,
    windows: int = 2500,
    progress: Callable[[str], None] = lambda _: None,
) -> Counter[str]:
    """Write a second mixture to `out` from the mixture `mix` and a model trained on it; returns what was relabelled.

    Only the train split changes: calibration and test keep their labels and rows.
    """
    model, encoder, _ = load_run(run, GuardianMiniConfig.model_type)
    examples = [e for e in read_examples(mix / "train.jsonl") if _rehearsed(e, seed)]
    asked = [e for e in examples if doubtful(e)]
    progress(f"scoring {len(asked)} of {len(examples)} rows")
    scores = score(model, encoder, asked)
    rows, done = cross_annotate(asked, scores)
    known = easy(asked, scores)
    rows = [
        row
        for row, easily in zip(rows, known, strict=True)
        if not easily or hash_share(f"{seed}/easy/{row.id}") < EASY_SHARE
    ]
    rows += [e for e in examples if not doubtful(e)]
    progress("looking for feared words")
    feared = feared_words(model, encoder)
    rng = random.Random(seed)
    hosts = [e.text for e in examples if e.severity == SAFE and e.lang == "en" and e.stage is Stage.DOCUMENT]
    hosts += [e.text for e in examples if e.response_severity == SAFE and e.lang == "en" and e.refusal == 0]
    words = list(dict.fromkeys(w for pair in zip(*feared.values(), strict=True) for w in pair))
    progress("looking for hard windows")
    documents = [e.text for e in examples if e.severity == SAFE and e.stage is Stage.DOCUMENT and len(e.text) > 250]
    hard = hard_windows(model, encoder, documents + hosts, windows, rng)
    extra = [*mined(hosts, words, sentences, rng), *hard, *(replace(e, id=f"{e.id}/again") for e in hard)]
    out.mkdir(parents=True, exist_ok=True)
    write_examples(out / "train.jsonl", [*rows, *extra])
    for name in KEPT:
        (out / name).write_bytes((mix / name).read_bytes())
    summary = json.loads((mix / "mix.json").read_text(encoding="utf-8"))
    summary["rows"][SOURCE] = {"train": len(extra)}
    summary["licences"][SOURCE] = generate.LICENCE
    summary["relabelled"] = dict(sorted(done.items()))
    (out / "mix.json").write_text(json.dumps(summary, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    (out / "feared.json").write_text(json.dumps(feared, indent=1) + "\n", encoding="utf-8")
    return done
