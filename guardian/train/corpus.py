"""The hand-written corpus: contrast pairs, user traffic, statements, attacks and their honest look-alikes.

Every line was written for this project (Apache-2.0), none was taken from a public data set. Formats: `*.tsv` hold
`severity<TAB>hazard<TAB>text`, `direct_*.tsv` `label<TAB>kind<TAB>text` (a line break is written \\n), `answers*.tsv`
`severity<TAB>refusal<TAB>hazard<TAB>prompt<TAB>answer` (`||` before the first harmful sentence, where it is known), and
so do `replies*.tsv`, safeguard replies for guardian-slm to write; `task_documents*.tsv` hold
`severity<TAB>refusal<TAB>hazard<TAB>task<TAB>document<TAB>reply`; the text files hold one item a line;
`injections*.txt` hold `goal<TAB>text`; `documents_*.txt` hold passages of many lines, parted by lines of `%%`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files

from guardian.errors import ConfigError
from guardian.taxonomy import ATTACKS, HAZARDS
from guardian.train.examples import CONTROVERSIAL, SAFE, UNSAFE, Example
from guardian.verdict import Stage

SOURCE = "guardian_corpus"
LICENCE = "Apache-2.0 (written for guardian)"
ONSET = "||"
_SEVERITY = {"safe": SAFE, "controversial": CONTROVERSIAL, "unsafe": UNSAFE}
REQUESTS = (
    "traffic.tsv",
    "traffic_b.tsv",
    *(f"twins_{letter}.tsv" for letter in "abcde"),
    *(f"plain_{letter}.tsv" for letter in "abcdefghijklmnop"),
)
DIRECT = ("direct_a.tsv", "direct_b.tsv")
ANSWERS = ("answers.tsv", "answers_b.tsv")
ANSWERS_WITH_ONSET = tuple(f"answers_{letter}.tsv" for letter in "cdefghijklmnopqrs")  # for guardian-slm alone
REPLIES = ("replies_plain.tsv", "replies_plain_b.tsv", "replies_plain_attack.tsv")  # in one pattern: it can be learnt
REPLIES_FORCED = "replies_plain_forced.tsv"  # the same to honest requests
REPLIES_FREE = "replies.tsv"  # as a person would write them: too varied for 135M, but the checks must accept them
TASK_DOCUMENTS = ("task_documents.tsv", "task_documents_b.tsv", "task_documents_c.tsv")
STATEMENTS = ("statements.tsv", "statements_b.tsv")
JAILBREAK_WRAPPERS = ("jailbreak_wrappers.txt", "jailbreak_wrappers_b.txt")
BENIGN_WRAPPERS = ("benign_wrappers.txt", "benign_wrappers_b.txt")
INJECTIONS = ("injections.txt", *(f"injections_{letter}.txt" for letter in "bcdefg"))
DOCUMENT_BENIGN = ("document_benign.txt", "document_benign_b.txt", "document_benign_c.txt")
DOCUMENTS = tuple(f"documents_{letter}.txt" for letter in "abcdefghi")


@cache
def lines(name: str) -> tuple[str, ...]:
    """The lines of one corpus file, blank ones left out."""
    text = files("guardian.train").joinpath("corpus", name).read_text(encoding="utf-8")
    return tuple(line for line in text.split("\n") if line.strip())


def all_lines(names: Sequence[str]) -> list[str]:
    """The lines of several corpus files, one after the other."""
    return [line for name in names for line in lines(name)]


def labelled(name: str, stage: Stage) -> list[Example]:
    """Examples of a severity-labelled file. ConfigError names the line that is wrong."""
    hazards = {hazard.value for hazard in HAZARDS}
    found: list[Example] = []
    for number, line in enumerate(lines(name), 1):
        parts = line.split("\t")
        if len(parts) != 3 or parts[0] not in _SEVERITY or parts[1] not in {*hazards, "-"} or not parts[2].strip():
            raise ConfigError(f"corpus.{name}", f"line {number} is not severity<TAB>hazard<TAB>text")
        severity = _SEVERITY[parts[0]]
        found.append(
            Example(
                id=f"{SOURCE}/{name}/{number}",
                stage=stage,
                text=parts[2],
                source=SOURCE,
                severity=severity,
                hazards=(parts[1],) if severity != SAFE and parts[1] != "-" else None,
                jailbreak=0 if stage is Stage.PROMPT else None,
                injection=0,
            )
        )
    return found


def direct(name: str) -> list[Example]:
    """What users and applications send an assistant: attacks on its instructions, and honest look-alikes.

    `direct_a` is typed by a user, so an attack there is a jailbreak as well; `direct_b` holds data with an attack.
    """
    found: list[Example] = []
    for number, line in enumerate(lines(name), 1):
        parts = line.split("\t")
        if len(parts) != 3 or parts[0] not in {"attack", "benign"} or not parts[2].strip():
            raise ConfigError(f"corpus.{name}", f"line {number} is not label<TAB>kind<TAB>text")
        identity, text = f"{SOURCE}/{name}/{number}", parts[2].replace("\\n", "\n")
        if parts[0] == "benign":
            found.append(_benign(identity, Stage.PROMPT, text))
        else:
            typed = 1 if name == DIRECT[0] else None
            found.append(Example(identity, Stage.PROMPT, text, SOURCE, jailbreak=typed, injection=1))
    return found


def answers(name: str) -> list[Example]:
    """An assistant's answers, with the prompt as context, and where it is marked with the place where harm begins."""
    found: list[Example] = []
    for identity, (severity, refusal, hazard, prompt, answer) in _rows(name, 5):
        before, marked, after = answer.partition(ONSET)
        before, after = before.rstrip(" "), after.lstrip()
        gap = "" if before.endswith("\n") else " "
        text = f"{before}{gap}{after}".strip() if marked else answer
        found.append(
            Example(
                id=identity,
                stage=Stage.RESPONSE,
                text=text,
                source=SOURCE,
                context=prompt,
                response_severity=_SEVERITY[severity],
                refusal=int(refusal),
                hazards=(hazard,) if severity != "safe" and hazard != "-" else None,
                onset=len(text) - len(after) if marked else None,
            )
        )
    return found


def replies(name: str) -> list[Example]:
    """Safeguard replies to prompts. `hazards` holds their subject, which may be an attack."""
    return [
        Example(identity, Stage.PROMPT, prompt, SOURCE, hazards=(subject,), reply=reply)
        for identity, (_, _, subject, prompt, reply) in _rows(name, 5)
    ]


def in_task(identity: str) -> bool:
    """Whether a row of this id comes from `task_documents`."""
    return identity.startswith(tuple(f"{SOURCE}/{name}/" for name in TASK_DOCUMENTS))


def task_documents(name: str) -> list[Example]:
    """Documents inside tasks: harmful ones with the reply that declines the task, each before its harmless twin.

    `group` is the harmful document: what keeps the twins in one split.
    """
    found: list[Example] = []
    group = ""
    for identity, (_, refusal, hazard, task, document, reply) in _rows(name, 6):
        harmful = refusal == "1"
        group = document if harmful else group
        found.append(
            Example(
                id=identity,
                stage=Stage.DOCUMENT,
                text=document,
                source=SOURCE,
                context=task,
                severity=UNSAFE if harmful else SAFE,
                injection=0,
                hazards=(hazard,) if harmful else None,
                reply=reply if harmful else None,
                group=group,
            )
        )
    return found


def _rows(name: str, columns: int) -> Iterator[tuple[str, list[str]]]:
    """Identity and columns of every line of a file of answers or replies. ConfigError names the line that is wrong."""
    subjects = {*(hazard.value for hazard in HAZARDS), *(attack.value for attack in ATTACKS), "-"}
    for number, line in enumerate(lines(name), 1):
        parts = [part.replace("\\n", "\n").strip() for part in line.split("\t")]
        known = len(parts) == columns and parts[0] in _SEVERITY and parts[1] in {"0", "1"} and parts[2] in subjects
        if not known or not all(parts):
            kinds = ("prompt", "answer") if columns == 5 else ("task", "document", "reply")
            raise ConfigError(
                f"corpus.{name}", f"line {number} is not {'<TAB>'.join(('severity', 'refusal', 'hazard', *kinds))}"
            )
        yield f"{SOURCE}/{name}/{number}", parts


def corpus_examples() -> list[Example]:
    """Requests (prompt stage), statements (half prompt, half document stage), attacks and their honest look-alikes,
    answers."""
    found = [example for name in REQUESTS for example in labelled(name, Stage.PROMPT)]
    for name in STATEMENTS:
        rows = labelled(name, Stage.PROMPT)
        twins = labelled(name, Stage.DOCUMENT)
        found.extend(row if index % 2 else twin for index, (row, twin) in enumerate(zip(rows, twins, strict=True)))
    found.extend(example for name in DIRECT for example in direct(name))
    found.extend(example for name in ANSWERS for example in answers(name))
    for number, text in enumerate(lines("trigger_benign.txt"), 1):
        found.append(_benign(f"{SOURCE}/trigger_benign/{number}", Stage.PROMPT, text))
    for name in DOCUMENT_BENIGN:
        kind = name.removesuffix(".txt")
        for number, text in enumerate(lines(name), 1):
            found.append(_benign(f"{SOURCE}/{kind}/{number}", Stage.DOCUMENT, text))
    for name in DOCUMENTS:
        kind = name.removesuffix(".txt")
        for number, text in enumerate(passages(name), 1):
            found.append(_benign(f"{SOURCE}/{kind}/{number}", Stage.DOCUMENT, text))
    return found


def passages(name: str) -> list[str]:
    """Excerpts of documents as they might be cut from the middle of long ones, layout kept."""
    text = files("guardian.train").joinpath("corpus", name).read_text(encoding="utf-8")
    return [passage.strip("\n") for passage in text.split("\n%%\n") if passage.strip(" \n%")]


def injection_texts() -> list[str]:
    """Indirect injections, without their goal column."""
    return [line.split("\t", 1)[1].replace("\\n", "\n") for line in all_lines(INJECTIONS)]


def _benign(identity: str, stage: Stage, text: str) -> Example:
    return Example(identity, stage, text, SOURCE, severity=SAFE, jailbreak=0, injection=0)
