"""The registry of training sources: name, licence, place in the mix, and how a raw row becomes training examples.

Raw rows are JSON lines with `id, text, response, label, response_label, category, kind, lang, source` (the data
folder's README). In `injection` files, and in `jailbreak` files with benign rows, label 1 means an attack, not harm.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from guardian.errors import ConfigError
from guardian.train.examples import CONTROVERSIAL, SAFE, UNSAFE, Example
from guardian.train.labels import hazards_of
from guardian.verdict import Stage

Raw = Mapping[str, Any]
Reader = Callable[["Source", Raw], Iterator[Example]]

MAX_CHARS = 6000  # a training row needs no more: documents are cut into windows later

_REFUSAL = re.compile(
    r"\b(i'?m sorry|i am sorry|i apologi[sz]e|i can'?t|i cannot|i can not|i won'?t|unable to|as an ai|i must decline|"
    r"not able to (?:help|assist|fulfil)|against my|not appropriate|i'?m just an ai|i refuse)\b",
    re.IGNORECASE,
)


def looks_like_refusal(answer: str) -> bool:
    """True if the opening of an answer refuses (first 160 characters; a heuristic for labelling, not for serving)."""
    return _REFUSAL.search(answer[:160].replace("\u2019", "'")) is not None


@dataclass(frozen=True, slots=True)
class Source:
    """One file of the data folder. `cap` bounds its rows in the mix (the rest is dropped at random, seeded)."""

    name: str
    licence: str
    permissive: bool
    read: Reader
    cap: int | None = None
    exclude: tuple[str, ...] = ()  # categories left out of the permissive mix


def _base(source: Source, raw: Raw, stage: Stage, text: str | None = None) -> Example:
    return Example(
        id=f"{source.name}/{raw['id']}",
        stage=stage,
        text=(raw["text"] if text is None else text)[:MAX_CHARS],
        source=source.name,
        lang=str(raw.get("lang") or "en"),
    )


def _harm(source: Source, raw: Raw, stage: Stage) -> Example:
    label = raw["label"]
    severity = None if label is None else (UNSAFE if label else SAFE)
    return replace(
        _base(source, raw, stage),
        severity=severity,
        hazards=hazards_of(source.name, raw["category"]) if label else None,
        jailbreak=0 if label == 0 and stage is Stage.PROMPT else None,
        injection=0 if label == 0 else None,
    )


def prompts(source: Source, raw: Raw) -> Iterator[Example]:
    """A user prompt labelled for harm; plain requests carry no attack."""
    example = _harm(source, raw, Stage.PROMPT)
    if example.severity is not None:
        # WildGuard's rows hold adversarial frames that carry no label of their own: the long ones may be attacks.
        unsure = source.name == "guard_mix_5k" and len(example.text) > 250
        yield replace(example, jailbreak=None if unsure else 0, injection=0)


def unlabelled(source: Source, raw: Raw) -> Iterator[Example]:
    """A user prompt without a label: only a teacher's opinion makes it count."""
    yield _base(source, raw, Stage.PROMPT)


def statements(source: Source, raw: Raw) -> Iterator[Example]:
    """A comment or sentence labelled for harm: scored as a document, and as what a user might type."""
    example = _harm(source, raw, Stage.DOCUMENT)
    if example.severity is not None:
        stage = Stage.PROMPT if hash_share(example.id) < 0.5 else Stage.DOCUMENT
        yield replace(example, stage=stage, jailbreak=0 if stage is Stage.PROMPT else None, injection=0)


def documents(source: Source, raw: Raw) -> Iterator[Example]:
    """A longer document, benign or harmful, without an attack in it."""
    example = _harm(source, raw, Stage.DOCUMENT)
    if example.severity is not None:
        yield replace(example, injection=0)


def wrapped(source: Source, raw: Raw) -> Iterator[Example]:
    """A harmful request in a mild or unlabelled disguise: harm is known, the attack is not."""
    yield replace(_harm(source, raw, Stage.PROMPT), jailbreak=None, injection=None)


def jailbreaks(source: Source, raw: Raw) -> Iterator[Example]:
    """A jailbreak: the label means attack. Harm is known only where a harmful question was filled in."""
    filled = source.name in {"gptfuzz_templates", "jailtrick_adv"}
    example = replace(_base(source, raw, Stage.PROMPT), jailbreak=int(raw["label"] or 0))
    if raw["kind"] == "prompt":  # plain questions that come with a jailbreak collection
        yield from prompts(source, raw)
    elif not raw["label"]:
        yield replace(example, severity=SAFE, injection=0)
    else:
        yield replace(example, severity=UNSAFE if filled else None)


def injections(source: Source, raw: Raw) -> Iterator[Example]:
    """A direct or embedded prompt injection; label means attack. Documents (BIPIA) keep the document stage."""
    attack = int(raw["label"])
    if source.name == "bipia_train":
        yield replace(_base(source, raw, Stage.DOCUMENT), injection=attack, severity=None if attack else SAFE)
        return
    yield replace(
        _base(source, raw, Stage.PROMPT),
        injection=attack,
        jailbreak=attack,  # typed by the user, an override of the instructions is a jailbreak as well
        severity=None if attack else SAFE,
    )


def answers(source: Source, raw: Raw) -> Iterator[Example]:
    """A prompt with its answer: the answer is a response-stage row, a labelled prompt also a prompt-stage one."""
    if raw["label"] is not None and source.name != "gptfuzz_responses":
        yield from prompts(source, raw)
    answer = (raw["response"] or "").strip()
    if not answer or raw["response_label"] is None:
        return
    unsafe = bool(raw["response_label"])
    yield replace(
        _base(source, raw, Stage.RESPONSE, answer),
        id=f"{source.name}/{raw['id']}/answer",
        context=raw["text"][:2000],
        response_severity=UNSAFE if unsafe else SAFE,
        refusal=_refusal_label(source, answer, unsafe, raw["label"]),
        hazards=hazards_of(source.name, raw["category"]) if unsafe else None,
    )


def _refusal_label(source: Source, answer: str, unsafe: bool, prompt_label: int | None) -> int | None:
    if unsafe or prompt_label == 0:
        return 0
    if source.name == "diasafety":
        return None  # forum replies, not assistants
    return 1 if looks_like_refusal(answer) else None


def ailuminate(source: Source, raw: Raw) -> Iterator[Example]:
    """AILuminate: prompts of the specialised-advice hazards (no label) are the controversial ones."""
    if raw["label"] is None:
        example = _base(source, raw, Stage.PROMPT)
        hazards = hazards_of(source.name, raw["category"])
        yield replace(example, severity=CONTROVERSIAL, hazards=hazards, jailbreak=0, injection=0)
        return
    yield from prompts(source, raw)


def hash_share(key: str) -> float:
    """A stable number in [0, 1) from a string: the same row gets the same draw in every run and process."""
    import zlib

    return zlib.crc32(key.encode("utf-8", "surrogatepass")) / 2**32


def _source(
    name: str,
    licence: str,
    read: Reader,
    cap: int | None = None,
    *,
    permissive: bool = True,
    exclude: tuple[str, ...] = (),
) -> Source:
    return Source(name, licence, permissive, read, cap, exclude)


def _research(name: str, licence: str, read: Reader, cap: int | None = None) -> Source:
    return _source(name, licence, read, cap, permissive=False)


SOURCES: tuple[Source, ...] = (
    # -- what the shipped weights may use
    _source("guard_mix_5k", "MIT; parts ODC-BY, CC-BY-4.0", prompts, exclude=("BeaverTailsTrainR", "ToxicChatTrainR")),
    _source("red_instruct", "Apache-2.0", prompts, 2200),
    _source("salad_base", "Apache-2.0", prompts),
    _source("ailuminate_train", "CC-BY-4.0", ailuminate),
    _source("med_safety", "MIT", answers, 1300),
    _source("aart", "CC-BY-4.0", prompts, 1600),
    _source("advbench_malicious", "MIT", prompts),
    _source("jailbreak_llms", "MIT", jailbreaks),
    _source("jailtrick_adv", "MIT", jailbreaks, 900),
    _source("latent_jailbreak", "MIT", wrapped, 250),
    _source("gptfuzz_templates", "MIT", jailbreaks),
    _source("gptfuzz_responses", "MIT", answers),
    _source("sap200", "Apache-2.0", wrapped, 500),
    _source("trustllm_jailbreak", "MIT", wrapped, 700),
    _source("aisafetylab_train", "MIT", answers),
    _source("hatecheck", "CC-BY-4.0", statements, 2400),
    _source("surge_toxicity", "MIT", statements),
    _source("rtp_lx", "MIT", statements, 3500),
    _source("oasst_prompts", "Apache-2.0", prompts),
    _source("gpteacher", "MIT", answers, 3000),
    _source("orbench_multilingual", "CC-BY-4.0", prompts, 2600),
    _source("cyber_frr", "MIT", prompts, 600),
    _source("coconot_pref", "ODC-BY", answers),
    _source("caia_safety", "CC-BY-4.0", answers),
    _source("persona_prompts", "CC0-1.0", jailbreaks),
    _source("longdocs_t0", "Apache-2.0", documents),
    _source("court_documents", "public decisions; MIT code", documents),
    _source("xsafety_even", "Apache-2.0", prompts, 2200),
    _source("cyberseceval_pi", "MIT", injections, 900),
    _source("gandalf_ignore", "MIT", injections),
    _source("promptshield_na", "MIT", injections),
    _source("hinglish_pi", "MIT", injections, 1800),
    _source("bipia_train", "MIT; contexts CC", injections),
    _source("diasafety", "Apache-2.0", answers, 3000),
    _source("jade_zh", "MIT", answers, 700),
    _source("llama2_refusals", "MIT", answers),
    _source("kosbi_ko", "MIT", statements, 300),
    _source("cold_zh", "Apache-2.0", statements, 500),
    _source("cvalues_zh", "Apache-2.0", prompts, 300),
    _source("benign_zh", "Apache-2.0; ODC-BY", answers, 500),
    _source("red_team_ko", "MIT", prompts),
    _source("hh_harmless", "MIT", unlabelled),
    # -- deepset_pi_train, tensor_trust and promptshield_uw stay out of every mix: see UNUSED
    # -- research mix only: non-commercial, share-alike or unstated licences
    _research("s_eval_base", "CC-BY-NC-SA-4.0", prompts, 6000),
    _research("s_eval_attack", "CC-BY-NC-SA-4.0", wrapped, 3000),
    _research("beavertails_prompts", "CC-BY-NC-4.0", prompts, 4000),
    _research("do_not_answer", "CC-BY-NC-SA-4.0", answers),
    _research("do_not_answer_contrast", "none stated", prompts),
    _research("do_not_answer_fp", "CC-BY-NC-SA-4.0", prompts),
    _research("safety_tuned_llamas", "CC-BY-NC-4.0", answers),
    _research("alpaca_5k", "CC-BY-NC-4.0", answers, 2500),
    _research("alpaca_prompts", "CC-BY-NC-4.0", prompts, 4000),
    _research("dolly_prompts", "CC-BY-SA-3.0", prompts),
    _research("guardset_cyber", "none stated", answers, 3000),
    _research("guardset_social", "none stated", prompts, 2000),
    _research("guardset_workplace", "none stated", documents, 1000),
    _research("phtest", "none stated", answers),
    _research("oktest", "none stated", prompts),
    _research("fyyfu_documents", "none stated", documents),
    _research("aegis2_replies", "CC-BY-4.0; copy unstated", answers),
)
# Files of the data folder that no training mix reads, with the reason (a test holds every file to one of the lists).
UNUSED: Mapping[str, str] = {
    "deepset_pi_train": "held out whole: an injection source the model never saw",
    "tensor_trust": "held out whole: an injection source the model never saw",
    "promptshield_uw": "held out whole: an injection source the model never saw",
    "longdocs_leval": "held out whole: long documents for document thresholds and depth evaluation",
}


def read_source(data: Path, source: Source, mix: str) -> list[Example]:
    """All examples of a source in file order. ConfigError names a missing or broken file."""
    path = data / f"{source.name}.jsonl.gz"
    if not path.is_file():
        raise ConfigError("data", f"{path} is missing: give the folder that holds the .jsonl.gz files")
    found: list[Example] = []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                raw = json.loads(line)
            except json.JSONDecodeError as error:
                raise ConfigError("data", f"{path}: line {number} is not JSON: {error}") from error
            if mix == "permissive" and raw["category"] in source.exclude:
                continue
            found.extend(source.read(source, raw))
    return found


def sources_of(mix: str) -> tuple[Source, ...]:
    """The sources of a mix: `permissive` (what the shipped weights may use) or `research` (all)."""
    if mix not in {"permissive", "research"}:
        raise ConfigError("mix", f"{mix!r} is not one of: permissive, research")
    return tuple(source for source in SOURCES if source.permissive or mix == "research")
