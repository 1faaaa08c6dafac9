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
from guardian.train.mix import SPLITS, count_rows, split_of
from guardian.verdict import Stage

FIVE = ("summarise", "translate", "sentiment", "case", "cloze")
DEFENCES = ("own", "mixed", *(f"single:{task}" for task in FIVE), "none")
"""Which tasks the harmful documents come in: each in the one it was written with (what is shipped); or, to measure what
carries over (Cross-Task Defense, section 4), spread evenly over the paper's five, or all in one of them."""

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
LONGEST = 800  # characters of an answer
TWINS = 0.3  # share of documents that come under a second task as well
UNFORCED = 3  # one in so many replies is learnt without its subject as well
SOURCE = "guardian_slm"


def build_slm_mix(
    mix: Path,
    out: Path,
    *,
    seed: int = 13,
    scale: float = 1.0,
    defence: str = "own",
    budget: int | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, int]:
    """Write train.jsonl, calibration.jsonl and test.jsonl to `out`; returns the rows of the train split by kind.

    `mix` is a folder of `guardian train mix` or what came of it. `defence` and `budget` choose the tasks and the number
    of the defence examples of Cross-Task Defense (section 1.2 of the reference: matched budgets). ConfigError names
    what is missing, unknown or out of range.
    """
    if defence not in DEFENCES:
        raise ConfigError("defence", f"must be one of {', '.join(DEFENCES)}")
    if not 0 < scale <= 1:
        raise ConfigError("scale", f"{scale} is not in (0, 1]")
    if budget is not None and budget < 0:
        raise ConfigError("budget", f"{budget} is less than no document")
    for name in (*(f"{split}.jsonl" for split in SPLITS), "injections.jsonl", "mix.json"):
        if not (mix / name).is_file():
            raise ConfigError("mix", f"{mix / name} is missing: `guardian train mix` writes it")
    out.mkdir(parents=True, exist_ok=True)
    rng = random.Random(f"{seed}/slm")
    by_hand = [*_answers(), *_replies(), *documents(defence, budget, seed)]
    splits = {split: [row for row in by_hand if _split(row) == split] for split in SPLITS}
    for split in SPLITS[1:]:
        splits[split] = [*read_examples(mix / f"{split}.jsonl"), *splits[split]]
    held_out = {about(row) for split in SPLITS[1:] for row in splits[split]}
    progress("drawing rows")
    drawn = _drawn(_originals(read_examples(mix / "train.jsonl")), rng, scale)
    learnt = [row for row in (*drawn, *splits["train"]) if about(row) not in held_out]
    answers = [row for row in learnt if row.stage is Stage.RESPONSE and row.lang == "en"]
    rows = [*learnt, *turns(answers, int(TURNS * scale), rng)]
    alone = {row.id for row in splits["train"]} if defence != "own" else set()  # what carries over is to be seen
    # What guardian-mini was taught came from this model's own first stage: it is nothing new here.
    splits["train"] = [
        replace(_short(row) if row.id in alone else _with_twin(_short(row), rng), taught=None) for row in rows
    ]
    for split in SPLITS:
        write_examples(out / f"{split}.jsonl", splits[split])
    counts = Counter(_key(row) for row in splits["train"])
    summary = json.loads((mix / "mix.json").read_text(encoding="utf-8"))
    summary.pop("taught", None)
    summary["rows"] = count_rows(splits)
    summary["licences"] |= dict.fromkeys((SOURCE, corpus.SOURCE), corpus.LICENCE)
    summary["slm"] = {"rows": dict(sorted(counts.items())), "defence": defence, "budget": budget, "seed": seed}
    (out / "mix.json").write_text(json.dumps(summary, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    (out / "injections.jsonl").write_bytes((mix / "injections.jsonl").read_bytes())
    return dict(counts)


def about(row: Example) -> str:
    """What a row is about: answers to one prompt stay together, and so do documents and their harmless twins."""
    asked = row.context if row.stage is Stage.RESPONSE else None
    return fingerprint(row.group or asked or row.text)


def _split(row: Example) -> str:
    return split_of(f"group/{about(row)[:200]}")


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


def _short(row: Example) -> Example:
    """An answer cut to its beginning, which is safe where the harm begins later. Prompts and documents stay as they
    are: the harm may sit anywhere, and were only harmless ones cut, length alone would tell."""
    if row.stage is not Stage.RESPONSE or len(row.text) <= LONGEST:
        return row
    end = row.text.rfind(" ", LONGEST - 100, LONGEST)
    end = end if end > 0 else LONGEST
    if row.onset is None or row.onset < LONGEST - 100:
        return replace(row, text=row.text[:end])
    return replace(row, text=row.text[: min(end, row.onset)], response_severity=SAFE, hazards=None, onset=None)


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
            text=f"{opening} {bad.text.lstrip()[:500]}",
            onset=len(opening) + 1,
            refusal=None,
        )


def _sentences(text: str, rng: random.Random) -> str:
    """The first one to four sentences."""
    ends = [m.end() for m in generate.SENTENCE.finditer(text[:500])] or [min(len(text), 300)]
    return text[: ends[min(len(ends), rng.randint(1, 4)) - 1]].strip()


# -- replies ----------------------------------------------------------------------------------------------------------


def _replies() -> Iterator[Example]:
    """Safeguard replies. They are asked for with their subject, so they are learnt so; some without. On honest requests
    only with it."""
    for name in corpus.REPLIES:
        for number, row in enumerate(corpus.replies(name)):
            yield from _asked(row, number)
    for row in corpus.replies(corpus.REPLIES_FORCED):
        yield replace(row, subject=(row.hazards or ("harm",))[0])


def _asked(row: Example, number: int) -> Iterator[Example]:
    """A reply that is forced with its subject, and every third time one that is not."""
    yield replace(row, id=f"{row.id}/forced", subject=(row.hazards or ("harm",))[0])
    if number % UNFORCED == 0:
        yield replace(row, id=f"{row.id}/reply")


def documents(defence: str = "own", budget: int | None = None, seed: int = 13) -> list[Example]:
    """Documents inside tasks: harm or none to detect, and for harmful ones the reply that declines the task.

    `defence` says in which tasks the harmful ones of the train split come, `budget` how many there are: the same
    documents for every defence. What is held out is the same for all.
    """
    rows = [row for name in corpus.TASK_DOCUMENTS for row in corpus.task_documents(name)]
    harmful = [row for row in rows if row.severity == UNSAFE]
    learnt = [row for row in harmful if _split(row) == "train"]
    random.Random(seed).shuffle(learnt)
    kept = [] if defence == "none" else _in_tasks(learnt[:budget], defence)
    found = [row for row in rows if row.severity == SAFE]
    for number, row in enumerate((*kept, *(row for row in harmful if _split(row) != "train"))):
        found += [replace(row, reply=None), *_asked(row, number)]
    return found


def _in_tasks(rows: Sequence[Example], defence: str) -> list[Example]:
    """The documents in the tasks of a defence, in turn."""
    if defence == "own":
        return list(rows)
    kinds = FIVE if defence == "mixed" else (defence.removeprefix("single:"),)
    tasks = {kind: [task for name, task in generate.TASKS if name == kind] for kind in kinds}
    found = []
    for number, row in enumerate(rows):
        turn, which = divmod(number, len(kinds))
        of_kind = tasks[kinds[which]]
        found.append(replace(row, context=of_kind[turn % len(of_kind)]))
    return found
