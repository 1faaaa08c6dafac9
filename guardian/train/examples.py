"""The training example: one text with whatever labels are known for it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from guardian.errors import InputError
from guardian.verdict import Stage

SAFE, CONTROVERSIAL, UNSAFE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled text. `None` means the label is not known: that head gets no gradient from it.

    `severity` is the harm of a prompt or document (0 safe, 1 controversial, 2 unsafe), `response_severity` that of
    an answer. `context` is the task a document is used for, or the prompt an answer replies to. `taught` is a teacher's
    opinion: the probabilities of harm, jailbreak and injection, None where it is not heard.

    For guardian-slm: `onset` is the character at which the first harmful sentence of an answer begins, `twin` another
    task that the verdict on a document must not depend on, `reply` the safeguard reply to write, and `subject` the
    hazard or attack it is forced for. A row with a reply teaches nothing else.
    """

    id: str
    stage: Stage
    text: str
    source: str
    context: str | None = None
    severity: int | None = None
    hazards: tuple[str, ...] | None = None
    jailbreak: int | None = None
    injection: int | None = None
    response_severity: int | None = None
    refusal: int | None = None
    lang: str = "en"
    group: str = ""
    taught: tuple[float | None, float | None, float | None] | None = None
    onset: int | None = None
    twin: str | None = None
    reply: str | None = None
    subject: str | None = None

    @property
    def labelled(self) -> bool:
        """Whether there is anything to learn from it."""
        labels = (
            self.severity,
            self.jailbreak,
            self.injection,
            self.response_severity,
            self.refusal,
            self.taught,
            self.reply,
        )
        return any(label is not None for label in labels)


def write_examples(path: Path, examples: Iterable[Example]) -> int:
    """Write JSON lines, one example each, leaving unknown labels out. Returns the number of rows."""
    count = 0
    with path.open("w", encoding="utf-8") as out:
        for example in examples:
            row = {key: value for key, value in asdict(example).items() if value is not None}
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count


def read_examples(path: Path) -> Iterator[Example]:
    """Read what `write_examples` wrote; InputError names the line that is wrong."""
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
                row["stage"] = Stage(row["stage"])
                row |= {name: tuple(row[name]) for name in ("hazards", "taught") if row.get(name) is not None}
                yield Example(**row)
            except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
                raise InputError(f"{path}: line {number} is not a training example: {error}") from error
