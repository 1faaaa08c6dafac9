"""Lists of chat messages: which of their texts are to be checked, and how the verdicts on them become one.

The shapes are those of the common APIs: a `role`, and a `content` that is a string or a list of parts. What the
application and its model wrote (`system`, `developer`, `assistant`) is trusted; what users and tools wrote is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from guardian.errors import InputError
from guardian.flow import Job
from guardian.joined import joined
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

NESTED = 8
"""Levels of tool results within tool results; the APIs know one."""

_TEXT_PARTS = frozenset({"text", "input_text", "output_text"})
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
    """The untrusted texts of a list of messages. `complete` is False where a part, such as an image, is no text."""

    segments: tuple[Segment, ...]
    complete: bool

    def turns(self, limit: int | None) -> tuple[Segment, ...]:
        """The last user turns, as many as fit into `limit` characters; none where there is only one."""
        chosen: list[Segment] = []
        room = limit
        for segment in reversed([s for s in self.segments if s.stage is Stage.PROMPT][-TURNS:]):
            if room is not None:
                room -= len(segment.text) + len(_SEPARATOR)
                if room < 0:
                    break
            chosen.insert(0, segment)
        return tuple(chosen) if len(chosen) > 1 else ()


def message_text(message: Mapping[str, Any]) -> str:
    """The text that spans of a message count in: its content, or its text parts joined by a line feed."""
    content = message.get("content")
    parts = [] if content is None else _texts(content, Stage.PROMPT, "content")
    return _SEPARATOR.join(text for _, text in parts if text is not None)


def last_user_text(messages: Sequence[Mapping[str, Any]]) -> str:
    """What the user said last, as far as they said anything: what an answer answers, and what documents are for.

    A user's turn that only brings results of tools, as Anthropic has it, says nothing of its own.
    """
    for message in reversed(messages):
        if message.get("role") == "user" and message.get("content"):
            parts = _texts(message["content"], Stage.PROMPT, "content")
            own = [text for stage, text in parts if stage is Stage.PROMPT and text]
            if own:
                return _SEPARATOR.join(own)
    return ""


def redact_messages(messages: Sequence[Mapping[str, Any]], verdict: Verdict) -> list[Mapping[str, Any]]:
    """The messages with the offending spans of `verdict`, which is on them, replaced; unchanged ones are the same."""
    found: list[Mapping[str, Any]] = []
    for index, message in enumerate(messages):
        ranges = verdict.redactions(message=index)
        content = message.get("content")
        if ranges and content is not None:
            message = {**message, "content": _cut_out(content, _Place(), merge_spans(ranges))}
        found.append(message)
    return found


@dataclass(slots=True)
class _Place:
    """Where in the text of a message the next part begins."""

    offset: int = 0


def _cut_out(content: Any, place: _Place, ranges: Sequence[tuple[int, int]]) -> Any:
    """`content` without `ranges`, which count in its texts joined by a line feed."""
    if isinstance(content, str):
        start = place.offset
        place.offset += len(content) + len(_SEPARATOR)
        return replaced_ranges(content, [(low - start, high - start) for low, high in ranges])
    if isinstance(content, Mapping):
        key = "content" if content.get("type") == "tool_result" else "text"
        if key not in content or (key == "text" and content.get("type", "text") not in _TEXT_PARTS):
            return content
        return {**content, key: _cut_out(content[key], place, ranges)}
    return [_cut_out(part, place, ranges) for part in content]


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
            parts = list(_texts(message.get("content"), stage, f"messages[{index}].content"))
            complete = complete and all(text is not None for _, text in parts)
            segments += _segments(index, [(kind, text) for kind, text in parts if text is not None])
    return Conversation(tuple(segments), complete)


def _segments(message: int, parts: Iterable[tuple[Stage, str]]) -> Iterator[Segment]:
    """The texts of a message, those of one stage in a row as one, at their offsets in its whole text."""
    start = 0
    for stage, group in groupby(parts, key=lambda part: part[0]):
        text = _SEPARATOR.join(text for _, text in group)
        yield Segment(message, stage, start, text)
        start += len(text) + len(_SEPARATOR)


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


def _texts(content: object, stage: Stage, where: str, depth: int = 0) -> Iterator[tuple[Stage, str | None]]:
    """Stage and text of every part, in order; the text is None where the part is none."""
    if isinstance(content, str):
        yield stage, content
        return
    if isinstance(content, bytes) or not isinstance(content, Sequence):
        raise InputError(f"{where} must be a str or a list of parts, not {type(content).__name__}")
    for number, part in enumerate(content):
        yield from _part(part, stage, f"{where}[{number}]", depth)


def _part(part: object, stage: Stage, where: str, depth: int) -> Iterator[tuple[Stage, str | None]]:
    if isinstance(part, str):
        yield stage, part
        return
    if not isinstance(part, Mapping):
        raise InputError(f"{where} must be a str or a mapping, not {type(part).__name__}")
    kind = part.get("type", "text")
    if not isinstance(kind, str):
        raise InputError(f"{where}.type must be a str, not {type(kind).__name__}")
    if kind in _TEXT_PARTS:
        if not isinstance(part.get("text"), str):
            raise InputError(f"{where}.text must be a str, not {type(part.get('text')).__name__}")
        yield stage, part["text"]
    elif kind == "tool_result":
        if depth == NESTED:
            raise InputError(f"{where} is nested too deeply: at most {NESTED} tool results within one another")
        if "content" in part:
            yield from _texts(part["content"], Stage.TOOL_RESULT, f"{where}.content", depth + 1)
    else:
        yield stage, None


def jobs_of(conversation: Conversation, policy: Policy) -> list[Job]:
    """A job for every untrusted text, then one for the last user turns together if there are several."""
    jobs = [Job(segment.text, segment.stage) for segment in conversation.segments]
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
    return joined(verdicts, spans=spans, coverage=coverage, least=least)


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
