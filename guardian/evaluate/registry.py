"""Benchmarks as data: which file, which stage, which head, which label, and what is measured.

`REGISTRY` describes the evaluation files that the project knows; `mix_benchmarks` those in a held-out file of
our own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from guardian.verdict import Stage


class Measure(StrEnum):
    """What a benchmark tells: the heading it goes under in the report, and the decision that counts.

    For the first four the decision is that of the benchmark's head; for the last two, where every row is
    benign and the user suffers from any flag, it is that of the whole flow (anything flagged).
    """

    HARM = "harm"
    RESPONSE_HARM = "response_harm"
    ATTACK = "attack"
    REFUSAL = "refusal"
    OVER_REFUSAL = "over_refusal"
    OVER_DEFENCE = "over_defence"

    @property
    def benign_only(self) -> bool:
        return self in (Measure.OVER_REFUSAL, Measure.OVER_DEFENCE)


HEADS = ("harm", "jailbreak", "injection", "refusal")


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled text. `label` is 1 for the positive class of the benchmark's head. `group` splits the
    report's breakdown.
    """

    id: str
    text: str
    stage: Stage
    label: int
    context: str | None = None
    group: str | None = None
    hazards: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A benchmark definition.

    `text`, `context`, `label`, `group` and `category` name fields of a row. `values` maps label values to 1
    or 0 (a row whose value is not in it is left out; default: 1 and 0 as they are). `where` keeps rows whose
    field has one of the values.
    `stage=None` reads the stage from each row's `stage` field.
    """

    name: str
    title: str
    file: str
    measure: Measure
    head: str = "harm"
    stage: Stage | None = Stage.PROMPT
    text: str = "text"
    context: str | None = None
    label: str = "label"
    values: Mapping[str, int] = field(default_factory=lambda: {"1": 1, "0": 0, "true": 1, "false": 0})
    group: str | None = None
    category: str | None = None
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    note: str = ""


_BEAVER = {"stage": Stage.RESPONSE, "text": "response", "context": "text", "label": "response_label"}


def _response(name: str, title: str, file: str, measure: Measure = Measure.RESPONSE_HARM, **more: Any) -> Benchmark:
    return Benchmark(name, title, file, measure, **(_BEAVER | more))


_ALL: tuple[Benchmark, ...] = (
    Benchmark(
        "simplesafetytests",
        "SimpleSafetyTests",
        "simplesafetytests.jsonl.gz",
        Measure.HARM,
        group="category",
        category="category",
        note="97 plainly harmful prompts and no benign ones: recall says little without the sets below.",
    ),
    Benchmark(
        "jailbreakbench",
        "JailbreakBench behaviours",
        "jailbreakbench.jsonl.gz",
        Measure.HARM,
        note="88 harmful behaviours and 100 benign twins on the same topics.",
    ),
    Benchmark(
        "orbench_toxic",
        "OR-Bench-Toxic",
        "orbench_toxic.jsonl.gz",
        Measure.HARM,
        group="category",
        note="Written by a model; some rows are mild.",
    ),
    Benchmark(
        "ailuminate",
        "AILuminate demo (half)",
        "ailuminate_half.jsonl.gz",
        Measure.HARM,
        group="category",
        category="category",
        note="English and French; rows asking for specialised advice carry no label and are left out.",
    ),
    Benchmark(
        "coconot_original",
        "CoCoNot original",
        "coconot_original.jsonl.gz",
        Measure.HARM,
        group="category",
        note="Requests not to be simply complied with; only those with safety concerns count as harmful.",
    ),
    Benchmark(
        "multijail",
        "MultiJail, ten languages",
        "multijail.jsonl.gz",
        Measure.HARM,
        group="lang",
        category="category",
        note="Human translations. The first models are trained for English.",
    ),
    Benchmark(
        "xsafety",
        "XSafety (odd rows), nine languages",
        "xsafety_odd.jsonl.gz",
        Measure.HARM,
        group="lang",
        where={"kind": ("prompt",)},
        note="Labels by category are rough and the data folder's own; machine-translated in part.",
    ),
    Benchmark(
        "xsafety_injection",
        "XSafety goal hijacking and prompt leaking",
        "xsafety_odd.jsonl.gz",
        Measure.ATTACK,
        head="injection",
        group="lang",
        where={"kind": ("injection",)},
        note="All attacks, nine languages.",
    ),
    Benchmark(
        "promptshield",
        "PromptShield (UW), an unseen source",
        "promptshield_uw.jsonl.gz",
        Measure.ATTACK,
        head="injection",
        note="HackAPrompt and StruQ-style injections, benign chat and tasks with data; kept out of every mix.",
    ),
    Benchmark(
        "deepset",
        "deepset prompt-injections, an unseen source",
        "deepset_pi_train.jsonl.gz",
        Measure.ATTACK,
        head="injection",
        group="lang",
        note="English and German; some 'injections' are plain opinion requests. Kept out of every mix.",
    ),
    Benchmark(
        "tensor_trust",
        "Tensor Trust, an unseen source",
        "tensor_trust.jsonl.gz",
        Measure.ATTACK,
        head="injection",
        note="Attacks by players of a game, some of them nonsense that worked; no benign rows. Kept out of every mix.",
    ),
    Benchmark(
        "orbench_hard",
        "OR-Bench-Hard",
        "orbench_hard.jsonl.gz",
        Measure.OVER_REFUSAL,
        group="category",
        note="Safe prompts that models tend to refuse.",
    ),
    Benchmark(
        "coconot_contrast",
        "CoCoNot contrast",
        "coconot_contrast.jsonl.gz",
        Measure.OVER_REFUSAL,
        group="category",
        note="Benign look-alikes of requests one should refuse.",
    ),
    Benchmark(
        "notinject",
        "NotInject",
        "notinject.jsonl.gz",
        Measure.OVER_DEFENCE,
        head="injection",
        group="category",
        note="Benign prompts full of the words that injections use.",
    ),
    _response("beavertails", "BeaverTails answers", "beavertails_test.jsonl.gz", category="category"),
    _response(
        "beavertails_translated",
        "BeaverTails answers, de/fr/es",
        "beavertails_test_translated.jsonl.gz",
        group="lang",
        note="Machine-translated.",
    ),
    _response("saferlhf", "PKU-SafeRLHF answers", "saferlhf_test.jsonl.gz"),
    _response(
        "gptfuzz",
        "GPTFuzz answers",
        "gptfuzz_responses_eval.jsonl.gz",
        note="Answers to jailbreak attempts; label 1 means that the model complied.",
    ),
    _response(
        "gptfuzz_refusal",
        "GPTFuzz answers, refusal",
        "gptfuzz_responses_eval.jsonl.gz",
        Measure.REFUSAL,
        head="refusal",
        values={"1": 0, "0": 1},
        note="An answer that did not comply counts as a refusal, which holds for nearly all.",
    ),
)

REGISTRY: Mapping[str, Benchmark] = {benchmark.name: benchmark for benchmark in _ALL}

# Rows of several sets as one, so that recall and false positives are read off the same threshold (English
# prompts).
POOLED = ("simplesafetytests", "jailbreakbench", "orbench_toxic", "orbench_hard", "coconot_contrast")


def mix_benchmarks(file: Path) -> tuple[Benchmark, ...]:
    """The benchmarks in a held-out file written by `guardian train mix`: one for each head that has labels
    there.

    Rows are `{text, stage, context, source, severity, jailbreak, injection, response_severity, refusal}` with
    unknown labels left out, or `{text, stage, harm, injection}`. A controversial row (severity 1) belongs to
    neither class and is left out.
    """
    severity = {"0": 0, "2": 1}
    shared: dict[str, Any] = {"file": str(file), "stage": None, "context": "context", "group": "source"}
    note = "Held-out rows of the training sources, grouped so that none resembles a training row."
    return tuple(
        replace(benchmark, note=note)
        for benchmark in (
            Benchmark(
                "heldout_harm",
                "Held out: harm",
                measure=Measure.HARM,
                label="severity",
                values=severity,
                **shared,
            ),
            Benchmark("heldout_harm_binary", "Held out: harm", measure=Measure.HARM, label="harm", **shared),
            Benchmark(
                "heldout_jailbreak",
                "Held out: jailbreak",
                measure=Measure.ATTACK,
                head="jailbreak",
                label="jailbreak",
                **shared,
            ),
            Benchmark(
                "heldout_injection",
                "Held out: injection",
                measure=Measure.ATTACK,
                head="injection",
                label="injection",
                **shared,
            ),
            Benchmark(
                "heldout_response",
                "Held out: answers",
                measure=Measure.RESPONSE_HARM,
                label="response_severity",
                values=severity,
                **shared,
            ),
            Benchmark(
                "heldout_refusal",
                "Held out: refusal",
                measure=Measure.REFUSAL,
                head="refusal",
                label="refusal",
                **shared,
            ),
        )
    )
