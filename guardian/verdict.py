"""The verdict: one immutable result, the same shape for every stage, and never holding the text itself.

Its JSON schema is checked in beside this file (verdict.schema.json).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from guardian import errors
from guardian.taxonomy import HAZARDS, TITLES, Ranked, Severity

REDACTED = "[redacted]"

CUSTOM = "custom:"
"""Before the name of a custom rule in the name of its finding."""

ALLOW_LIST = "allow_list"
"""The finding that says that a policy's allow-list held others back."""

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Offset = Annotated[int, Field(ge=0)]


class Stage(StrEnum):
    """Where in the flow of an LLM call a text stands."""

    PROMPT = "prompt"
    DOCUMENT = "document"
    RESPONSE = "response"
    TOOL_CALL = "tool_call"
    TOOL_RESULT = "tool_result"


class Action(Ranked):
    """What the policy does with a text: allow < flag < redact < reply < block."""

    ALLOW = "allow"
    FLAG = "flag"
    REDACT = "redact"
    REPLY = "reply"
    BLOCK = "block"


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Finding(_Value):
    """One thing that was looked for: `harm`, a hazard, an attack or `custom:` and the name of a rule.

    `allow_list` is there only where it held others back.
    """

    name: str
    score: Probability
    threshold: Probability = Field(description="that of harm, for a hazard without one of its own")
    triggered: bool
    action: Action = Field(description="what the policy does when this is triggered")


class Span(_Value):
    """An offending passage: offsets in characters into the caller's own string, end exclusive."""

    start: Offset
    end: Offset
    hazard: str = Field(description="a hazard, an attack, 'custom:' and a rule, or 'harm' where no hazard is known")
    score: Probability = Field(description="how surely this passage is harmful, or an attack")
    message: int | None = Field(
        default=None, description="index of the message whose text the offsets count in, for a list of messages"
    )


class Coverage(_Value):
    """What was read. `complete` is False as soon as some of the input was not."""

    chars: Offset = Field(description="characters scanned")
    total_chars: Offset
    windows: Offset = Field(description="windows scanned over the plain text, decoded views not counted")
    complete: bool


class ModelRef(_Value):
    """Which model gave the scores."""

    name: str
    version: str
    hash: str = Field(description="SHA-256 over the model's files")


class PolicyRef(_Value):
    """Which policy turned the scores into an action."""

    name: str
    version: str


class Verdict(_Value):
    """What guardian has to say about one text, or one list of messages."""

    stage: Stage
    action: Action
    flagged: bool = Field(description="true unless the action is allow")
    severity: Severity
    scores: Mapping[str, Probability] = Field(
        description="calibrated probability of harm, controversial, jailbreak, injection, refusal and each hazard"
    )
    findings: tuple[Finding, ...] = ()
    spans: tuple[Span, ...] = ()
    coverage: Coverage
    reply: str | None = Field(default=None, description="a safeguard reply, where the text is stopped")
    model: ModelRef
    policy: PolicyRef
    timings: Mapping[str, float] = Field(default={}, description="milliseconds by step, of the call it was part of")
    shadow: bool = Field(default=False, description="the policy only watches: the action is always allow")
    would: Action = Field(description="what the policy decided; differs from the action in shadow mode only")

    @property
    def blocked(self) -> bool:
        """True where the text must not go on: the action is block, or reply."""
        return self.action >= Action.REPLY

    @property
    def triggered(self) -> tuple[str, ...]:
        """Names of the triggered findings, highest score first; `harm` only where no hazard says which."""
        names = [f.name for f in sorted(self.findings, key=lambda f: -f.score) if f.triggered]
        named = any(name in HAZARDS for name in names)
        return tuple(name for name in names if not (named and name == "harm"))

    @property
    def reason(self) -> str:
        """One client-safe line: what happened and why, without the text, scores or thresholds."""
        subject = self.stage.replace("_", " ")
        found = [name for name in self.triggered if name != ALLOW_LIST] or self.triggered
        names = ", ".join(_title(name) for name in found)
        because = names or ("not all of it was read" if not self.coverage.complete else "nothing found")
        return f"{subject} {_PAST[self.action]}: {because}"

    def raise_if_blocked(self) -> Self:
        """Return the verdict itself, or raise the `Blocked` error of its stage where the text must not go on."""
        if self.blocked:
            raise self.error()
        return self

    def error(self) -> errors.Blocked:
        """The `Blocked` error of this verdict's stage."""
        return _BLOCKED[self.stage](self, self.reason)

    def redact(self, text: str, *, message: int | None = None, mark: str = REDACTED) -> str:
        """`text` with the offending spans, and what was not read, replaced by `mark`.

        `text` is the string this verdict is about, or the text of one `message` of a checked list. It comes back
        unchanged where the action is below redact, so the call can stand unconditionally. Spans the policy only
        flags stay.
        """
        ranges = self.redactions(message=message)
        if self.action >= Action.REDACT and message is None and self.coverage.chars < len(text):
            ranges.append((self.coverage.chars, len(text)))
        return replaced_ranges(text, ranges, mark)

    def redactions(self, *, message: int | None = None) -> list[tuple[int, int]]:
        """The ranges (start, end) that `redact` replaces, but for what was not read; none where it leaves all."""
        if self.action < Action.REDACT:
            return []
        actions = {f.name: f.action for f in self.findings}
        return [
            (span.start, span.end)
            for span in self.spans
            if span.message == message and actions.get(span.hazard, self.action) >= Action.REDACT
        ]


def _title(name: str) -> str:
    """The name of a finding, for people."""
    return "on the allow-list" if name == ALLOW_LIST else TITLES.get(name, name.removeprefix(CUSTOM)).lower()


def replaced_ranges(text: str, ranges: Iterable[tuple[int, int]], mark: str = REDACTED) -> str:
    """`text` with these ranges (start, end) replaced by `mark`, those that touch or overlap by one; what lies outside
    the text counts for nothing."""
    kept: list[str] = []
    position = 0
    for start, end in sorted(
        (max(0, low), min(len(text), high)) for low, high in ranges if low < len(text) and high > 0
    ):
        if start > position or not kept:
            kept += [text[position:start], mark]
        position = max(position, end)
    return "".join([*kept, text[position:]])


_PAST: Mapping[Action, str] = {
    Action.ALLOW: "allowed",
    Action.FLAG: "flagged",
    Action.REDACT: "redacted",
    Action.REPLY: "answered by the guard",
    Action.BLOCK: "blocked",
}

_BLOCKED: Mapping[Stage, type[errors.Blocked]] = {
    Stage.PROMPT: errors.BlockedPrompt,
    Stage.DOCUMENT: errors.BlockedDocument,
    Stage.RESPONSE: errors.BlockedResponse,
    Stage.TOOL_CALL: errors.BlockedTool,
    Stage.TOOL_RESULT: errors.BlockedTool,
}
