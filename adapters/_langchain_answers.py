"""The answers of a model under guard: their texts, the calls of tools in them, and the refusal in their place."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard, TypeVar

from guardian.adapters._langchain_messages import mark, marked
from guardian.adapters._wire import OnBlock, reply_of
from langchain_core.messages import AIMessage, AIMessageChunk

from guardian import Action, Guardian, Verdict

A = TypeVar("A", bound=AIMessage)

_FIELDS = {
    "text": "text",
    "text-plain": "text",
    "output_text": "text",
    "reasoning": "reasoning",
    "thinking": "thinking",
    "refusal": "refusal",
}
"""The field that holds the text of a part of an answer, by the part's type."""

_TEXTS = frozenset(("text", "text-plain", "output_text"))
"""Types of parts that may be rewritten: providers sign what a model thought."""

_THOUGHTS = frozenset(("reasoning", "reasoning_content", "thinking"))
"""Types of parts in which a provider may have what a model thought anywhere: summaries, objects of its own."""

_ECHOES = frozenset(("annotations", "citations", "logprobs"))
"""What repeats a text, or counts in it."""

PROVIDER = frozenset(("model_provider", "output_version"))
"""Metadata that says how the parts of a chunk are to be read; the same on every chunk."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text of an answer: its content (no position), or the `field` of the part of it at `position`."""

    position: int | None
    number: Hashable
    """Which block of the answer it is, or belongs to."""
    kind: str
    text: str

    @property
    def channel(self) -> Hashable:
        """What the text of a chunk continues."""
        return self.number, self.kind

    @property
    def may_change(self) -> bool:
        return self.kind in _TEXTS


def kind_of(part: str | dict[Any, Any]) -> str:
    return "text" if isinstance(part, str) else str(part.get("type", "text"))


def field_of(part: str | dict[Any, Any]) -> str | None:
    """The field of a part that holds its text; None where it has none."""
    name = _FIELDS.get(kind_of(part))
    return name if name is not None and isinstance(part, dict) and isinstance(part.get(name), str) else None


def texts_of(content: Any) -> list[Text]:
    """The texts of an answer that have a place of their own; empty ones are none."""
    if isinstance(content, str):
        return [Text(None, None, "text", content)] if content else []
    found: list[Text] = []
    for position, part in enumerate(content):
        if isinstance(part, str):
            text, number = part, position
        elif (name := field_of(part)) is not None:
            text, number = part[name], part.get("index", position)
        else:
            continue
        if text:
            found.append(Text(position, number, kind_of(part), text))
    return found


def unplaced(message: AIMessage) -> list[str]:
    """What else an answer says: thoughts, a refusal, the words of speech. It can be judged only as a whole."""
    parts = [] if isinstance(message.content, str) else message.content
    found = [part for part in parts if kind_of(part) in _THOUGHTS and field_of(part) is None]
    beside = message.additional_kwargs
    found += [beside[key] for key in ("reasoning_content", "reasoning", "refusal") if beside.get(key)]
    if isinstance(speech := beside.get("audio"), dict) and speech.get("transcript"):
        found.append(speech["transcript"])
    return ["\n".join(said) for part in found if (said := list(_strings(part)))]


def _strings(value: Any) -> Iterator[str]:
    """Every string within a value, in order, but for types, ids and signatures."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if key not in _OPAQUE:
                yield from _strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _strings(item)


_OPAQUE = frozenset(("type", "id", "index", "signature", "encrypted_content", "media_type", "mime_type"))


def calls_of(message: AIMessage) -> list[tuple[str, Any]]:
    """Names and arguments of the tools an answer calls; those of chunks are complete only when all were added."""
    found: list[tuple[str, Any]]
    if isinstance(message, AIMessageChunk) and message.tool_call_chunks:
        found = [(call["name"] or "", call["args"] or "") for call in message.tool_call_chunks]
    else:
        found = [(call["name"], call["args"]) for call in message.tool_calls]
        found += [(call["name"] or "", call["args"] or "") for call in message.invalid_tool_calls]
    if isinstance(old := message.additional_kwargs.get("function_call"), dict):
        found.append((old.get("name") or "", old.get("arguments") or ""))
    return found


@dataclass(slots=True)
class Answers:
    """How answers to one prompt are guarded. `free` is False for one that is to be parsed: it may not be rewritten."""

    guardian: Guardian
    prompt: str
    on_block: OnBlock
    holdback_chars: int
    free: bool = True
    given: list[AIMessage] = field(default_factory=list)
    """What was handed on. An answer that is not among it is other middleware's, which took another model or none."""

    def unread(self, message: object) -> TypeGuard[AIMessage]:
        """Whether this is an answer that did not come this way."""
        return isinstance(message, AIMessage) and not any(message is given for given in self.given)

    def check(self, message: AIMessage) -> AIMessage:
        """The answer as it may be handed on; raises what it must."""
        texts = [text.text for text in texts_of(message.content)] + unplaced(message)
        verdicts = self.guardian.check_responses(self.prompt, texts)
        calls = [self.guardian.check_tool_call(*call) for call in calls_of(message)]
        return self.released(message, verdicts, calls)

    async def acheck(self, message: AIMessage) -> AIMessage:
        texts = [text.text for text in texts_of(message.content)] + unplaced(message)
        verdicts = await self.guardian.acheck_responses(self.prompt, texts)
        calls = [await self.guardian.acheck_tool_call(*call) for call in calls_of(message)]
        return self.released(message, verdicts, calls)

    def released(self, message: AIMessage, verdicts: Sequence[Verdict], calls: Sequence[Verdict]) -> AIMessage:
        """The answer as it may be handed on, by the verdicts on its texts and on the calls in it."""
        texts = texts_of(message.content)
        changes = {
            text.position: verdict.redact(text.text)
            for text, verdict in zip(texts, verdicts, strict=False)
            if self.free and text.may_change and verdict.action is Action.REDACT
        }
        fixed = [v for i, v in enumerate(verdicts) if i >= len(texts) or texts[i].position not in changes]
        if (stopped := stopping([*fixed, *calls])) is not None:
            return self.refusal(stopped, like=message)
        flagged = [verdict for verdict in (*verdicts, *calls) if verdict.flagged]
        if not flagged:
            return message
        content: Any = message.content
        if isinstance(content, str):
            content = changes.get(None, content)
        else:
            content = [_rewritten(part, changes[i]) if i in changes else part for i, part in enumerate(content)]
        message = message.model_copy(update={"content": content, "response_metadata": marked(message, flagged)})
        return without_echoes(message) if changes else message

    def refusal(self, verdict: Verdict, *, like: AIMessage | None = None) -> AIMessage:
        """The safeguard reply in the place of an answer; raises where it is to be raised, or cannot be given."""
        if not self.free or (verdict.action is Action.BLOCK and self.on_block == "raise"):
            raise verdict.error()
        reply = reply_of(verdict)
        marks = {"finish_reason": "content_filter", "stop_reason": "refusal", "guardian": mark(verdict)}
        return AIMessage(
            reply,
            id=like.id if like else None,
            usage_metadata=like.usage_metadata if like else None,
            additional_kwargs={"refusal": reply},
            response_metadata={**(provider(like) if like else {}), **marks},
        )


def _rewritten(part: str | dict[Any, Any], text: str) -> str | dict[Any, Any]:
    return text if isinstance(part, str) else {**part, _FIELDS[kind_of(part)]: text}


def without_echoes(message: A) -> A:
    """A message some of whose text was cut out, less what repeats the text."""
    metadata = {key: value for key, value in message.response_metadata.items() if key not in _ECHOES}
    content: Any = message.content
    if not isinstance(content, str):
        content = [_without_echoes(part) if kind_of(part) in _TEXTS else part for part in content]
    beside = {key: value for key, value in message.additional_kwargs.items() if key != "parsed"}
    return message.model_copy(update={"content": content, "response_metadata": metadata, "additional_kwargs": beside})


def _without_echoes(part: str | dict[Any, Any]) -> str | dict[Any, Any]:
    return part if isinstance(part, str) else {key: value for key, value in part.items() if key not in _ECHOES}


def as_chunk(message: AIMessage) -> AIMessageChunk:
    """A whole message as the only, or the last, chunk of a stream."""
    return AIMessageChunk(**message.model_dump(exclude={"type"}), chunk_position="last")


def stopping(verdicts: Iterable[Verdict]) -> Verdict | None:
    """The gravest of verdicts on what cannot be rewritten, as a block, if one stops it."""
    found = [verdict for verdict in verdicts if verdict.action >= Action.REDACT]
    return as_block(max(found, key=lambda verdict: verdict.action)) if found else None


def as_block(verdict: Verdict) -> Verdict:
    """What would be redacted and cannot be is blocked."""
    if verdict.blocked:
        return verdict
    return verdict.model_copy(update={"action": Action.BLOCK, "would": Action.BLOCK})


def provider(message: AIMessage) -> dict[str, Any]:
    return {key: value for key, value in message.response_metadata.items() if key in PROVIDER}
