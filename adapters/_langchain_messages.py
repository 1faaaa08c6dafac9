"""LangChain's messages as the guard reads them, what becomes of them, and what they say of a verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    convert_to_messages,
)
from langchain_core.prompt_values import ChatPromptValue, PromptValue, StringPromptValue

from guardian import Action, InputError, Verdict, redact_messages

Message = Mapping[str, Any]
M = TypeVar("M", bound=BaseMessage)

WITHHELD = "[redacted]"
"""What stands in the place of an earlier turn that the policy blocks."""


def as_mappings(messages: Sequence[BaseMessage]) -> list[Message]:
    """Messages as the guard reads them; an empty one where there are none."""
    return [_as_mapping(message) for message in messages] or [{"role": "user", "content": ""}]


def _as_mapping(message: BaseMessage) -> Message:
    role = message.role if isinstance(message, ChatMessage) else _role(message)
    content: Any = message.content
    return {"role": role, "content": content if isinstance(content, str) else [_as_part(part) for part in content]}


def _role(message: BaseMessage) -> str:
    """Chunks of messages have types of their own, so it goes by the class; the guard names a role it does not know."""
    return next((role for kind, role in _ROLES.items() if isinstance(message, kind)), message.type)


_ROLES: Mapping[type[BaseMessage], str] = {
    HumanMessage: "user",
    AIMessage: "assistant",
    SystemMessage: "system",
    ToolMessage: "tool",
    FunctionMessage: "function",
}


def _as_part(part: Any) -> Any:
    """A part of a message as the guard reads it: what holds text in another form is a text like any other."""
    if _is_plain_text(part):
        return {**part, "type": "text"}
    if isinstance(part, dict) and part.get("type") in _STRUCTURED and not _is_file(part):
        return {"type": "text", "text": "\n".join(strings_of(part))}
    return part


_STRUCTURED = frozenset(("json", "search_result", "document", "custom_tool_call_output"))
"""Parts of messages that hold text in a form of their own. One that is redacted goes on as plain text."""


def _is_plain_text(part: Any) -> bool:
    """A text document among the parts of a message."""
    return isinstance(part, dict) and part.get("type") == "text-plain" and isinstance(part.get("text"), str)


def _is_file(part: Mapping[str, Any]) -> bool:
    source = part.get("source")
    return isinstance(source, Mapping) and source.get("type") not in ("text", "content")


def strings_of(value: Any) -> Iterator[str]:
    """Every string within a value, in order, but for types, ids and signatures."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if key not in _OPAQUE:
                yield from strings_of(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from strings_of(item)


_OPAQUE = frozenset(("type", "id", "index", "signature", "encrypted_content", "media_type", "mime_type"))


def redacted(messages: Sequence[M], verdict: Verdict) -> list[M]:
    """Copies of the messages without the spans that `verdict`, which is on them, wants cut out."""
    before = as_mappings(messages)
    return [
        message if new is old else _with_content(message, new["content"])
        for message, old, new in zip(messages, before, redact_messages(before, verdict), strict=True)
    ]


def _with_content(message: M, content: Any) -> M:
    if isinstance(content, list):
        content = [_replaced(old, new) for old, new in zip(message.content, content, strict=True)]
    return message.model_copy(update={"content": content})


def _replaced(old: Any, new: Any) -> Any:
    """The part that `old` becomes where the guard's reading of it becomes `new`."""
    if new == _as_part(old):
        return old
    return {**new, "type": "text-plain"} if _is_plain_text(old) else new


def admitted(messages: Sequence[BaseMessage], verdict: Verdict) -> list[BaseMessage] | None:
    """The messages as they may be sent; None where they may not.

    What comes after the model's last message is new. A thread keeps what was refused in it, so a turn from before that
    is blocked is withheld: to stop again at it would end the conversation for good.
    """
    if verdict.action < Action.REDACT:
        return list(messages)
    actions = {finding.name: finding.action for finding in verdict.findings}
    blocked = {s.message for s in verdict.spans if actions.get(s.hazard, verdict.action) >= Action.REPLY}
    new = max((i + 1 for i, message in enumerate(messages) if isinstance(message, AIMessage)), default=0)
    if verdict.blocked and not (blocked and all(i is not None and i < new for i in blocked)):
        return None
    return [
        message.model_copy(update={"content": WITHHELD}) if index in blocked else message
        for index, message in enumerate(redacted(messages, verdict))
    ]


def messages_of(given: Any) -> list[BaseMessage]:
    """The messages that a model would make of this input."""
    if isinstance(given, PromptValue):
        return given.to_messages()
    if not isinstance(given, list | tuple):
        raise InputError(f"cannot guard {type(given).__name__}: give a str, a prompt value, messages or an AIMessage")
    try:
        return convert_to_messages(given)
    except (ValueError, TypeError, NotImplementedError) as error:  # whose message may quote what was given
        raise InputError(f"this list holds what is no message: {type(error).__name__}") from None


def as_given(given: Any, messages: Sequence[BaseMessage], verdict: Verdict) -> Any:
    """What was given, of which `messages` were made, as it may go on; raises where it may not."""
    if verdict.raise_if_blocked().action is not Action.REDACT:
        return given
    changed = redacted(messages, verdict)
    if isinstance(given, StringPromptValue):
        return StringPromptValue(text=changed[0].text)
    return ChatPromptValue(messages=changed) if isinstance(given, PromptValue) else changed


def added(whole: Any, item: Any) -> Any:
    """Input that comes in pieces, as chains add it up: the last piece where they cannot be added."""
    try:
        return whole + item
    except TypeError:
        return item


def mark(verdict: Verdict) -> dict[str, Any]:
    """What an application needs to know of a verdict, as plain data."""
    return {
        "action": str(verdict.action),
        "stage": str(verdict.stage),
        "severity": str(verdict.severity),
        "triggered": list(verdict.triggered),
        "reason": verdict.reason,
    }


def marked(message: BaseMessage, flagged: Sequence[Verdict]) -> dict[str, Any]:
    return {**message.response_metadata, "guardian": mark(max(flagged, key=lambda verdict: verdict.action))}
