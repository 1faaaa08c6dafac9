"""What goes to a model of Pydantic AI: the parts of its requests that are read, and what they are rewritten to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from guardian.adapters._history import acheck_conversation
from pydantic_ai.messages import (
    BaseToolReturnPart,
    CachePoint,
    ModelMessage,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    TextContent,
    ToolReturnPart,
    UserContent,
    UserPromptPart,
)

from guardian import Guardian, Verdict, last_user_text, redact_messages

Message = Mapping[str, Any]

# Parts of a request that the application or the framework wrote.
_TRUSTED = frozenset(
    (
        "system-prompt",
        "retry-feedback",
        "instruction",
        "instruction-delta",
        "instruction-baseline",
        "tool-availability-delta",
        "capability-load-delta",
        "model-settings-delta",
    )
)


@dataclass(frozen=True)
class Conversation:
    """The messages of a request, and those of their parts that are read, as the guard's messages.

    `places` has message and index of each of these parts. Those from number `new` on came after the model's last
    response.
    """

    messages: list[ModelMessage]
    places: tuple[tuple[int, int], ...]
    readable: Sequence[Message]
    new: int

    @classmethod
    def of(cls, messages: list[ModelMessage]) -> Conversation:
        parts = {
            (number, index): as_message(part)
            for number, message in enumerate(messages)
            if isinstance(message, ModelRequest)
            for index, part in enumerate(message.parts)
            if part.part_kind not in _TRUSTED
        }
        answered = max((i for i, message in enumerate(messages) if isinstance(message, ModelResponse)), default=-1)
        new = sum(number < answered for number, _ in parts)
        return cls(messages, tuple(parts), tuple(parts.values()) or ({"role": "user", "content": ""},), new)

    @property
    def prompt(self) -> str:
        return last_user_text(self.readable)

    async def checked(self, guardian: Guardian) -> tuple[Conversation, Verdict]:
        """The conversation as it may go to the model, if the verdict lets it."""
        left, verdict = await acheck_conversation(guardian, self.readable, self.new)
        return self._changed(redact_messages(left, verdict)), verdict

    def _changed(self, readable: Sequence[Message]) -> Conversation:
        """The same with other contents; parts and messages that did not change are the same."""
        new = {
            place: after["content"]
            for place, before, after in zip(self.places, self.readable, readable, strict=False)
            if after is not before
        }
        changed = {number for number, _ in new}
        messages = [
            replace(
                message,
                parts=[
                    _rewritten(part, new[number, index]) if (number, index) in new else part
                    for index, part in enumerate(message.parts)
                ],
            )
            if number in changed and isinstance(message, ModelRequest)
            else message
            for number, message in enumerate(self.messages)
        ]
        return replace(self, messages=messages, readable=tuple(readable)) if new else self


def as_message(part: ModelRequestPart) -> Message:
    """A part of a request as the guard's message. What is no text is a part without one, never left out."""
    if isinstance(part, UserPromptPart):
        if isinstance(part.content, str):
            return {"role": "user", "content": part.content}
        return {"role": "user", "content": [_item(item) for item in part.content]}
    if isinstance(part, BaseToolReturnPart):
        text = {"type": "text", "text": part.model_response_str(wrap_if_error=False)}
        return {"role": "tool", "content": [text, *({"type": "file"} for _ in part.files)]}
    return {"role": "user", "content": [{"type": part.part_kind}]}


def returned(part: ToolReturnPart, content: str | Sequence[Message]) -> Any:
    """The result of a tool with this text: of parts, with the files that came with it."""
    if isinstance(content, str):
        return content
    return [content[0]["text"], *part.files] if part.files else content[0]["text"]


def _item(item: UserContent) -> Message:
    if isinstance(item, str | TextContent):
        return {"type": "text", "text": item if isinstance(item, str) else item.content}
    return {"type": "text", "text": ""} if isinstance(item, CachePoint) else {"type": "file"}


def _rewritten(part: ModelRequestPart, content: str | Sequence[Message]) -> ModelRequestPart:
    if isinstance(part, ToolReturnPart):
        return replace(part, content=returned(part, content))
    if isinstance(part, UserPromptPart):
        if isinstance(content, str):
            return replace(part, content=content)
        items = zip(part.content, content, strict=True)
        return replace(part, content=[_with_text(item, new.get("text", "")) for item, new in items])
    return part


def _with_text(item: Any, text: str) -> UserContent:
    if isinstance(item, TextContent):
        return item if item.content == text else TextContent(text, metadata=item.metadata)
    return text if isinstance(item, str) else item
