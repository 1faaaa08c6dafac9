"""Lists of chat messages: which of their texts are to be checked, and how the verdicts on them become one.

The shapes are those of the common APIs: a `role`, and a `content` that is a string or a list of parts. What the
application and its model wrote (`system`, `developer`, `assistant`) is trusted; what users and tools wrote is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from guardian.errors import InputError
from guardian.extract import replaced
from guardian.flow import Job
from guardian.joined import joined
from guardian.parts import Leaf, Path, leaves
from guardian.policy import Policy
from guardian.spans import merged
from guardian.text.windows import merge_spans
from guardian.verdict import Action, Coverage, Span, Stage, Verdict, replaced_ranges

TURNS = 4
"""User turns read as one text as well, so that a request spread over several turns is seen."""

TRUSTED = frozenset({"system", "developer", "assistant", "model"})
UNTRUSTED: Mapping[str, Stage] = {
    "user": Stage.PROMPT,
    "tool": Stage.TOOL_RESULT,
    "function": Stage.TOOL_RESULT,
}

_SEPARATOR = "\n"


@dataclass(frozen=True, slots=True)
class Segment:
    """A text to be checked: `text` stands at offset `start` of the text of message number `message`."""

    message: int
    stage: Stage
    start: int
    text: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """The untrusted texts of a list of messages. `complete` is False where a part, such as an image, is no text.

    `task` is what the user said last. All documents are read for it, those of earlier turns too: what one was cleared
    for does not clear it for what is asked of it now.
    """

    segments: tuple[Segment, ...]
    complete: bool
    task: str

    def context(self, segment: Segment) -> str | None:
        """What a segment is read against."""
        return self.task or None if segment.stage is Stage.DOCUMENT else None

    def turns(self, limit: int | None) -> tuple[Segment, ...]:
        """The last user turns, as many of their texts as fit into `limit` characters; none where there is only one."""
        prompts = [segment for segment in self.segments if segment.stage is Stage.PROMPT]
        last = sorted({segment.message for segment in prompts})[-TURNS:]
        chosen: list[Segment] = []
        room = limit
        for segment in reversed([segment for segment in prompts if segment.message in last]):
            if room is not None:
                room -= len(segment.text) + len(_SEPARATOR)
                if room < 0:
                    break
            chosen.insert(0, segment)
        return tuple(chosen) if len(chosen) > 1 else ()


def message_text(message: Mapping[str, Any]) -> str:
    """The text that spans of a message count in: its content, or all texts of its parts joined by a line feed."""
    content = message.get("content")
    texts = [] if content is None else [leaf.text for leaf in leaves(content, Stage.PROMPT)]
    return _SEPARATOR.join(text for text in texts if text is not None)


def last_user_text(messages: Sequence[Mapping[str, Any]]) -> str:
    """What the user said last, as far as they said anything: what an answer answers, and what documents are for.

    A user's turn that only brings documents or, as Anthropic has it, results of tools says nothing of its own.
    """
    for message in reversed(messages):
        if message.get("role") == "user" and message.get("content"):
            own = [leaf.text for leaf in leaves(message["content"], Stage.PROMPT) if leaf.stage is Stage.PROMPT]
            if said := [text for text in own if text]:
                return _SEPARATOR.join(said)
    return ""


def redact_messages(messages: Sequence[Mapping[str, Any]], verdict: Verdict) -> list[Mapping[str, Any]]:
    """The messages with the offending spans of `verdict`, which is on them, replaced; unchanged ones are the same."""
    found: list[Mapping[str, Any]] = []
    for index, message in enumerate(messages):
        ranges = verdict.redactions(message=index)
        content = message.get("content")
        if ranges and content is not None:
            message = {**message, "content": _cut_out(content, merge_spans(ranges))}
        found.append(message)
    return found


def _cut_out(content: Any, ranges: Sequence[tuple[int, int]]) -> Any:
    """`content` without `ranges`, which count in its texts joined by a line feed."""
    changed: dict[Path, str] = {}
    start = 0
    for leaf in leaves(content, Stage.PROMPT):
        if leaf.text is None:
            continue
        end = start + len(leaf.text)
        if own := [(low - start, high - start) for low, high in ranges if low < end and high > start]:
            changed[leaf.path] = replaced_ranges(leaf.text, own)
        start = end + len(_SEPARATOR)
    return replaced(content, changed)


def parse(messages: Sequence[Mapping[str, Any]]) -> Conversation:
    """Find the untrusted texts. InputError names the message and the key that has the wrong shape."""
    if isinstance(messages, str | bytes | Mapping) or not isinstance(messages, Sequence):
        raise InputError(f"messages must be a list of messages, not {type(messages).__name__}")
    if not messages:
        raise InputError("messages is empty: there is nothing to check")
    segments: list[Segment] = []
    complete = True
    for index, message in enumerate(messages):
        stage = _stage(message, index)
        if stage is not None:
            found = list(leaves(message.get("content"), stage, f"messages[{index}].content"))
            complete = complete and all(leaf.text is not None for leaf in found)
            segments += _segments(index, found)
    return Conversation(tuple(segments), complete, last_user_text(messages))


def _segments(message: int, found: Iterable[Leaf]) -> Iterator[Segment]:
    """The texts of a message, those that are read as one joined, at their offsets in its whole text."""
    start = 0
    texts = [(_read_with(leaf), leaf.text) for leaf in found if leaf.text is not None]
    for (stage, _), group in groupby(texts, key=itemgetter(0)):
        text = _SEPARATOR.join(text for _, text in group)
        yield Segment(message, stage, start, text)
        start += len(text) + len(_SEPARATOR)


def _read_with(leaf: Leaf) -> tuple[Stage, Path]:
    """What is the same for texts in a row that are one: their stage, and for documents which one they are of."""
    return leaf.stage, leaf.path[:1] if leaf.stage is Stage.DOCUMENT else ()


def _stage(message: object, index: int) -> Stage | None:
    """The stage of an untrusted message; None for one that is trusted."""
    if not isinstance(message, Mapping):
        raise InputError(f"messages[{index}] must be a mapping with role and content, not {type(message).__name__}")
    role = message.get("role")
    if isinstance(role, str) and role in TRUSTED:
        return None
    if not isinstance(role, str) or role not in UNTRUSTED:
        raise InputError(f"messages[{index}].role must be one of {', '.join(sorted({*TRUSTED, *UNTRUSTED}))}")
    return UNTRUSTED[role]


def jobs_of(conversation: Conversation, policy: Policy) -> list[Job]:
    """A job for every untrusted text, then one for the last user turns together if there are several."""
    jobs = [Job(segment.text, segment.stage, conversation.context(segment)) for segment in conversation.segments]
    turns = conversation.turns(policy.max_chars)
    if turns:
        jobs.append(Job(_SEPARATOR.join(turn.text for turn in turns), Stage.PROMPT))
    return jobs or [Job("", Stage.PROMPT)]


def combined(conversation: Conversation, verdicts: Sequence[Verdict], policy: Policy) -> Verdict:
    """One verdict from those on `jobs_of`: the gravest, with all scores at their maximum and all findings and spans.

    To redact takes that every message was read to its end: the verdict does not say how far each was read, so an unread
    end could not be cut out, and the conversation is blocked instead.
    """
    least = Action.ALLOW if conversation.complete else policy.on_incomplete
    read = all(verdict.coverage.complete for verdict in verdicts)
    if not read and max(verdict.would for verdict in verdicts) is Action.REDACT:
        least = max(least, Action.BLOCK)
    spans, coverage = _spans(conversation, policy, verdicts), _coverage(conversation, verdicts)
    return joined(verdicts, spans=spans, coverage=coverage, replies=policy.replies, least=least)


def _coverage(conversation: Conversation, verdicts: Sequence[Verdict]) -> Coverage:
    """The sum over the messages; the turns read together were counted before."""
    parts = [verdict.coverage for verdict in verdicts[: max(1, len(conversation.segments))]]
    return Coverage(
        chars=sum(part.chars for part in parts),
        total_chars=sum(part.total_chars for part in parts),
        windows=sum(part.windows for part in parts),
        complete=conversation.complete and all(part.complete for part in parts),
    )


def _spans(conversation: Conversation, policy: Policy, verdicts: Sequence[Verdict]) -> tuple[Span, ...]:
    spans: list[Span] = []
    for segment, verdict in zip(conversation.segments, verdicts, strict=False):
        spans += _located(verdict.spans, [segment])
    turns = conversation.turns(policy.max_chars)
    return merged([*spans, *_located(verdicts[-1].spans, turns)] if turns else spans)


def _located(spans: Sequence[Span], segments: Sequence[Segment]) -> Iterator[Span]:
    """Spans over the joined text of `segments`, moved to the messages they are in; one over several is cut."""
    begin = 0
    for segment in segments:
        end = begin + len(segment.text)
        for span in spans:
            low, high = max(span.start, begin), min(span.end, end)
            if low < high:
                move = segment.start - begin
                where = {"start": low + move, "end": high + move, "message": segment.message}
                yield span.model_copy(update=where)
        begin = end + len(_SEPARATOR)
