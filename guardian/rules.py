"""What an operator knows better than a model: texts that are fine, and words that are not.

Allow-lists and custom rules see text, the rest of a policy only scores; so they stand apart from it, and are given the
text by the flow.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic.json_schema import SkipJsonSchema

from guardian.errors import GuardUnavailable
from guardian.patterns import compiled, matches_nothing, search
from guardian.verdict import CUSTOM, Action, Stage

LONGEST_MATCHED = 4096
"""Characters; a longer text is on an allow-list by exact text only. Keeps patterns cheap on untrusted text."""

Range = tuple[int, int]


class _OfStages(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    pattern: str | None = Field(default=None, description="a regular expression, as Python's re has it")
    stages: tuple[Stage, ...] | None = Field(default=None, description="where it counts; None: everywhere")
    ignore_case: bool = Field(default=False, description="of the pattern")

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, value: str | None) -> str | None:
        if value is not None:
            compiled(value)
        return value

    def at(self, stage: Stage) -> bool:
        """Whether it counts at a stage."""
        return self.stages is None or stage in self.stages


class Allowed(_OfStages):
    """An entry of an allow-list: an exact text, or a pattern that matches a text as a whole.

    Texts are compared in Unicode NFC and without the blanks around them.
    """

    text: str | None = Field(default=None, description="exactly this text")

    @field_validator("text")
    @classmethod
    def _plain(cls, value: str | None) -> str | None:
        plain = None if value is None else _plain(value)
        if plain == "":
            raise ValueError("must not be empty")
        return plain

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if (self.text is None) == (self.pattern is None):
            raise ValueError("give text or pattern, one of them")
        return self

    def covers(self, text: str, start: int, end: int) -> bool:
        """Whether the passage `text[start:end]` is this text or matches, or lies within an occurrence of this text."""
        passage = _plain(text[start:end])
        if self.text is not None:
            length = len(self.text)
            return passage == self.text or self.text in text[max(0, end - length) : start + length]
        assert self.pattern is not None  # noqa: S101  # one of the two is given
        matched = len(passage) <= LONGEST_MATCHED and compiled(self.pattern, self.ignore_case).fullmatch(passage)
        return bool(matched)


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()


class CustomRule(_OfStages):
    """An extra finding, `custom:<name>`, wherever `pattern` or `find` finds something.

    `find`, from code only, takes a text and gives the ranges (start, end) of what it found, none of them empty. It is
    called with every reading of a text (the caller's own string, and what is left of it without disguises and
    encodings), from several threads at once. What it raises is an outage, never a pass.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64)]
    action: Action = Action.BLOCK
    find: SkipJsonSchema[Callable[[str], Iterable[Range]] | None] = Field(default=None, exclude=True, repr=False)

    @field_validator("pattern")
    @classmethod
    def _finds_something(cls, value: str | None) -> str | None:
        if value is not None and matches_nothing(value):
            raise ValueError("matches the empty text, and so is found everywhere")
        return value

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if (self.find is None) == (self.pattern is None):
            raise ValueError("give pattern or, from code, find: one of them")
        return self

    @property
    def finding(self) -> str:
        """The name of its finding."""
        return CUSTOM + self.name

    def ranges(self, text: str, stage: Stage) -> Iterator[Range]:
        """What it finds in one reading of a text. GuardUnavailable names the rule where `find` fails."""
        if self.pattern is not None:
            yield from search(compiled(self.pattern, self.ignore_case), text)
            return
        assert self.find is not None  # noqa: S101  # one of the two is given
        try:
            found = [_range(given, text) for given in self.find(text)]
        except Exception as error:  # noqa: BLE001  # whatever it is, the text was not looked at: an outage, not a pass
            # Not chained: the message of somebody else's error may quote the text.
            raise GuardUnavailable(stage, f"the rule {self.name} failed ({type(error).__name__})") from None
        yield from found


def _range(given: Any, text: str) -> Range:
    start, end = (int(position) for position in given)
    if not 0 <= start < end <= len(text):
        raise ValueError("a range that is empty or outside the text")
    return start, end
