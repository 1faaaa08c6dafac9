"""LlamaIndex's messages as the guard reads them, and what they are rewritten to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from guardian.adapters._history import Checked, acheck_conversation, check_conversation
from llama_index.core.base.llms.types import (
    CachePoint,
    ChatMessage,
    CitableBlock,
    ContentBlock,
    DocumentBlock,
    MessageRole,
    TextBlock,
)

from guardian import Guardian, Verdict, last_user_text, redact_messages

Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Conversation:
    """The messages for a model as they may be sent, if the verdict on them lets them, and the prompt among them."""

    messages: Sequence[ChatMessage]
    prompt: str
    verdict: Verdict

    @classmethod
    def checked(cls, guardian: Guardian, messages: Sequence[ChatMessage]) -> Conversation:
        given = [_message(message) for message in messages]
        return cls._of(messages, given, check_conversation(guardian, given, _last_turn(messages)))

    @classmethod
    async def achecked(cls, guardian: Guardian, messages: Sequence[ChatMessage]) -> Conversation:
        given = [_message(message) for message in messages]
        return cls._of(messages, given, await acheck_conversation(guardian, given, _last_turn(messages)))

    @classmethod
    def _of(cls, messages: Sequence[ChatMessage], given: Sequence[Message], checked: Checked) -> Conversation:
        left, verdict = checked
        changed = redact_messages(left, verdict)
        sent = [
            message if new is old else _with_content(message, new["content"])
            for message, old, new in zip(messages, given, changed, strict=True)
        ]
        return cls(sent, last_user_text(changed), verdict)


def _last_turn(messages: Sequence[ChatMessage]) -> int:
    """Where the last user turn begins. A memory keeps a turn that was stopped, with or without an answer to it."""
    return max((i for i, message in enumerate(messages) if message.role is MessageRole.USER), default=0)


def _message(message: ChatMessage) -> Message:
    """A message as the guard's own. What is no text is a part without one, never left out."""
    role = "assistant" if message.role is MessageRole.CHATBOT else message.role.value
    return {"role": role, "content": [_part(block) for block in message.blocks]}


def _part(block: ContentBlock) -> Message:
    """A block as a part, whose texts have the names that they have in the block."""
    if isinstance(block, CachePoint):
        return {"type": "text", "text": ""}
    if isinstance(block, TextBlock):
        return {"type": "text", "text": block.text}
    if isinstance(block, CitableBlock):
        content = [_part(inner) for inner in block.content]
        return {"type": "search_result", "title": block.title, "source": block.source, "content": content}
    if isinstance(block, DocumentBlock):
        return {"type": "document", "title": block.title}
    return {"type": block.block_type}


def _rewritten(block: Any, part: Message) -> Any:
    """The block that became `part`; itself where nothing changed."""
    before = _part(block)
    if part == before:
        return block
    changed = {name: part[name] for name in ("text", "title", "source") if part.get(name) != before.get(name)}
    if isinstance(block, CitableBlock):
        changed["content"] = [_rewritten(*pair) for pair in zip(block.content, part["content"], strict=True)]
    return block.model_copy(update=changed)


def _with_content(message: ChatMessage, content: str | Sequence[Message]) -> ChatMessage:
    if isinstance(content, str):
        return message.model_copy(update={"blocks": [TextBlock(text=content)]})
    blocks = [_rewritten(block, part) for block, part in zip(message.blocks, content, strict=True)]
    return message.model_copy(update={"blocks": blocks})
