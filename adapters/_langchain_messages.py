"""LangChain's messages as the guard reads them, what becomes of them, and what they say of a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def as_mappings(messages: Sequence[BaseMessage]) -> list[Message]:
    """Messages as the guard reads them; an empty one where there are none."""
    return [_as_mapping(message) for message in messages] or [{"role": "user", "content": ""}]


def _as_mapping(message: BaseMessage) -> Message:
    role = message.role if isinstance(message, ChatMessage) else _role(message)
    return {"role": role, "content": message.content}


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


def unanswered(messages: Sequence[BaseMessage]) -> int:
    """Where the messages begin that came after the model's last."""
    return max((index + 1 for index, message in enumerate(messages) if isinstance(message, AIMessage)), default=0)


def redacted(messages: Sequence[M], verdict: Verdict) -> list[M]:
    """Copies of the messages without the spans that `verdict`, which is on them, wants cut out."""
    before = as_mappings(messages)
    return rewritten(messages, before, redact_messages(before, verdict))


def rewritten(messages: Sequence[M], before: Sequence[Message], after: Sequence[Message]) -> list[M]:
    """The messages, which were read as `before`, with what became of their contents; the same where nothing did."""
    return [
        message if new is old else message.model_copy(update={"content": new["content"]})
        for message, old, new in zip(messages, before, after, strict=False)
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
