"""`guardian train slm-mix`: what guardian-slm learns from: a draw of guardian-mini's mixture, and hand-written rows.

A decoder of 135M reads some hundred tokens a second on two cores, so the draw is small: every hand-written contrast row
once, a share of each source (`CAPS`), answers at full weight because they are the thinnest part, documents under two
tasks each, and the safeguard replies. Held-out rows are those of the mixture, and the hand-written ones of their split.

Response data that no source has is made here: helpful or refusing answers that turn into harmful ones at a known place
(for the token head), and harmful documents inside tasks with the reply that declines them (Cross-Task Defense).
"""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from guardian.errors import ConfigError
from guardian.train import corpus, generate
from guardian.train.dedupe import fingerprint
from guardian.train.examples import SAFE, UNSAFE, Example, read_examples, write_examples
from guardian.train.mix import split_of
from guardian.verdict import Stage

DEFENCES = ("mixed", *(f"single:{task}" for task in ("summarise", "translate", "sentiment", "case", "cloze")), "none")
"""Which tasks the harmful documents come in: `mixed`, or one of the paper's alone, to measure what carries over."""

# Rows of a source in the train split; what is not named comes whole. Keys of generated rows are their kind.
CAPS = {
    "prompt/aart": 420,
    "prompt/ailuminate_train": 660,
    "prompt/aisafetylab_train": 150,
    "prompt/caia_safety": 600,
    "prompt/coconot_pref": 390,
    "prompt/cyber_frr": 300,
    "prompt/cyberseceval_pi": 180,
    "prompt/gandalf_ignore": 120,
    "prompt/gpteacher": 90,
    "prompt/guard_mix_5k": 840,
    "prompt/guardian_corpus": 7200,
    "prompt/guardian_overdefence": 300,
    "prompt/hatecheck": 150,
    "prompt/hh_harmless": 0,
    "prompt/hinglish_pi": 120,
    "prompt/jailbreak_llms": 150,
    "prompt/med_safety": 240,
    "prompt/orbench_multilingual": 900,
    "prompt/persona_prompts": 90,
    "prompt/promptshield_na": 150,
    "prompt/red_instruct": 660,
    "prompt/rtp_lx": 300,
    "prompt/salad_base": 600,
    "prompt/surge_toxicity": 150,
    "prompt/xsafety_even": 300,
    "prompt/cross_task": 420,
    "prompt/frame": 480,
    "prompt/jailbreak": 540,
    "prompt/noise": 420,
    "prompt/sentence": 300,
    "document/bipia_train": 150,
    "document/guardian_corpus": 700,
    "document/guardian_overdefence": 400,
    "document/hatecheck": 150,
    "document/longdocs_t0": 200,
    "document/document": 1700,
    "document/sentence": 300,
    "document/surge_toxicity": 200,
    "response/caia_safety": 450,
    "response/coconot_pref": 250,
    "response/diasafety": 300,
    "response/llama2_refusals": 150,
    "response/quote": 200,
    "response/swap-safe": 250,
    "response/swap-unsafe": 300,
    "response/late-harm": 0,  # made anew below, with the place where the harm begins
}
TURNS = 900
LONGEST = {Stage.PROMPT: 900, Stage.DOCUMENT: 800, Stage.RESPONSE: 800}  # characters; longer rows are cut
TWINS = 0.3  # share of documents that come under a second task as well
SOURCE = "guardian_slm"


def build_slm_mix(
    mix: Path,
    out: Path,
    *,
    seed: int = 13,
    scale: float = 1.0,
    defence: str = "mixed",
    budget: int | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, int]:
    """Write train.jsonl, calibration.jsonl and test.jsonl to `out`; returns the rows of the train split by kind.

    `mix` is a folder of `guardian train mix` or what came of it. `defence` and `budget` choose the tasks and the number
    of the defence examples of Cross-Task Defense (section 1.2 of the reference: matched budgets). ConfigError names
    what is missing or unknown.
    """
    if defence not in DEFENCES:
        raise ConfigError("defence", f"must be one of {', '.join(DEFENCES)}")
    if not (mix / "train.jsonl").is_file():
        raise ConfigError("mix", f"{mix / 'train.jsonl'} is missing: `guardian train mix` writes it")
    out.mkdir(parents=True, exist_ok=True)
    by_hand = [*_answers(), *_replies(), *documents(defence, budget, seed)]
    for split in ("calibration", "test"):
        rows = [*read_examples(mix / f"{split}.jsonl"), *(row for row in by_hand if _split(row) == split)]
        write_examples(out / f"{split}.jsonl", rows)
    rng = random.Random(f"{seed}/slm")
    progress("drawing rows")
    drawn = _drawn(_originals(read_examples(mix / "train.jsonl")), rng, scale)
    own = [row for row in by_hand if _split(row) == "train"]
    answers = [row for row in (*drawn, *own) if row.stage is Stage.RESPONSE and row.lang == "en"]
    rows = [*drawn, *own, *turns(answers, int(TURNS * scale), rng)]
    # What guardian-mini was taught came from this model's own first stage: it is nothing new here.
    final = [replace(_with_twin(_short(row, rng), rng), taught=None) for row in rows]
    write_examples(out / "train.jsonl", final)
    summary = json.loads((mix / "mix.json").read_text(encoding="utf-8"))
    counts = Counter(_key(row) for row in final)
    summary["slm"] = {"rows": dict(sorted(counts.items())), "defence": defence, "budget": budget, "seed": seed}
    (out / "mix.json").write_text(json.dumps(summary, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return dict(counts)


def _split(row: Example) -> str:
    key = row.group or (row.context if row.stage is Stage.RESPONSE else row.text) or ""
    return split_of(f"group/{fingerprint(key)[:200]}")


def _originals(rows: Iterable[Example]) -> Iterator[Example]:
    """Without the noised copies that guardian-mini is given: a decoder does not need them."""
    return (row for row in rows if "/again" not in row.id)


def _key(row: Example) -> str:
    name = row.id.split("/")[1] if row.source == generate.SOURCE else row.source
    return f"reply/{name}" if row.reply is not None else f"{row.stage.value}/{name}"


def _drawn(rows: Iterable[Example], rng: random.Random, scale: float) -> list[Example]:
    groups: dict[str, list[Example]] = defaultdict(list)
    for row in rows:
        groups[_key(row)].append(row)
    found = []
    for key, group in sorted(groups.items()):
        most = int(CAPS.get(key, len(group)) * scale)
        found += group if most >= len(group) else rng.sample(group, most)
    return found


def _short(row: Example, rng: random.Random) -> Example:
    """Cut to what pays on a slow machine; an answer keeps its beginning, and loses its label where the harm is cut."""
    limit = LONGEST[row.stage]
    if len(row.text) <= limit or row.reply is not None:
        return row
    if row.stage is Stage.RESPONSE:
        late = row.onset is not None and row.onset > limit - 100
        return row if late else replace(row, text=row.text[: row.text.rfind(" ", 0, limit)])
    return row if row.injection == 1 or row.jailbreak == 1 else replace(row, text=generate.cut(row.text, limit, rng))


def _with_twin(row: Example, rng: random.Random) -> Example:
    """Some documents come under a second task too: harm does not depend on what the text is for."""
    if row.stage is not Stage.DOCUMENT or row.reply is not None or row.severity is None or rng.random() > TWINS:
        return row
    other = rng.choice([task for _, task in generate.TASKS if task != row.context])
    return replace(row, twin=other)


# -- answers ----------------------------------------------------------------------------------------------------------


def _answers() -> list[Example]:
    return [row for name in corpus.ANSWERS_WITH_ONSET for row in corpus.answers(name)]


def turns(answers: Sequence[Example], count: int, rng: random.Random) -> Iterator[Example]:
    """Answers that open well, with a refusal or useful talk, and then turn: the place of the turn is known."""
    unsafe = [a for a in answers if a.response_severity == UNSAFE and not a.onset and a.source != "diasafety"]
    openings = [a for a in answers if a.response_severity == SAFE and a.source != "diasafety" and len(a.text) > 60]
    if not (unsafe and openings):
        return
    for number in range(count):
        bad, good = rng.choice(unsafe), rng.choice(openings)
        opening = _sentences(good.text, rng)
        yield replace(
            bad,
            id=f"{SOURCE}/turn/{number}",
            source=SOURCE,
            text=f"{opening} {bad.text[:500]}",
            onset=len(opening) + 1,
            refusal=None,
        )


def _sentences(text: str, rng: random.Random) -> str:
    """The first one to four sentences."""
    ends = [m.end() for m in generate.SENTENCE.finditer(text[:500])] or [min(len(text), 300)]
    return text[: ends[min(len(ends), rng.randint(1, 4)) - 1]].strip()


# -- replies ----------------------------------------------------------------------------------------------------------


def _replies() -> Iterator[Example]:
    """Safeguard replies, as they are asked for and forced with their subject; on honest requests only forced."""
    for row in corpus.replies(corpus.REPLIES):
        yield row
        yield replace(row, id=f"{row.id}/forced", subject=(row.hazards or ("harm",))[0])
    for row in corpus.replies(corpus.REPLIES_TO_ATTACKS):
        yield row
        yield replace(row, id=f"{row.id}/forced", subject=(row.hazards or ("harm",))[0])
    for row in corpus.replies(corpus.REPLIES_FORCED):
        yield replace(row, subject=(row.hazards or ("harm",))[0])


def documents(defence: str = "mixed", budget: int | None = None, seed: int = 13) -> list[Example]:
    """Documents inside tasks: harm or none to detect, and for harmful ones the reply that declines the task.

    Under `single:<task>` every harmful document comes in that task, under `mixed` in its own; `budget` limits how many
    defence examples there are, the same documents for every defence.
    """
    rows = corpus.task_documents(corpus.TASK_DOCUMENTS)
    harmful = [row for row in rows if row.severity == UNSAFE]
    random.Random(seed).shuffle(harmful)
    kept = [] if defence == "none" else harmful[:budget]
    if defence.startswith("single:"):
        kind = defence.removeprefix("single:")
        tasks = [task for name, task in generate.TASKS if name == kind]
        kept = [replace(row, context=tasks[n % len(tasks)]) for n, row in enumerate(kept)]
    found = [row for row in rows if row.severity == SAFE]
    for row in kept:
        found.append(replace(row, reply=None))
        found.append(replace(row, id=f"{row.id}/reply"))
        subject = (row.hazards or ("harm",))[0]
        found.append(replace(row, id=f"{row.id}/forced", subject=subject))
    return found
