"""LlamaIndex's messages as the guard reads them, and what they are rewritten to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from guardian.adapters._history import Checked, acheck_conversation, check_conversation
from llama_index.core.base.llms.types import CachePoint, ChatMessage, CitableBlock, ContentBlock, MessageRole, TextBlock

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


def with_texts(message: ChatMessage, texts: Sequence[str | None]) -> ChatMessage:
    """A copy of the message; `texts` has one for every block, None where it has no text."""
    blocks = [_with_text(block, text) for block, text in zip(message.blocks, texts, strict=True)]
    return message.model_copy(update={"blocks": blocks})


def _last_turn(messages: Sequence[ChatMessage]) -> int:
    """Where the last user turn begins. A memory keeps a turn that was stopped, with or without an answer to it."""
    return max((i for i, message in enumerate(messages) if message.role is MessageRole.USER), default=0)


def _message(message: ChatMessage) -> Message:
    """A message as the guard's own. What is no text is a part without one, never left out."""
    role = "assistant" if message.role is MessageRole.CHATBOT else message.role.value
    return {"role": role, "content": [_part(block) for block in message.blocks]}


def _part(block: ContentBlock) -> Message:
    if isinstance(block, CachePoint):
        return {"type": "text", "text": ""}
    text = _text(block)
    return {"type": block.block_type} if text is None else {"type": "text", "text": text}


def _text(block: ContentBlock) -> str | None:
    """The text of a block, or of a document for the model to cite; None where not all of it is text."""
    if isinstance(block, TextBlock):
        return block.text
    if isinstance(block, CitableBlock):
        texts = [part.text for part in block.content if isinstance(part, TextBlock)]
        return "\n".join(texts) if len(texts) == len(block.content) else None
    return None


def _with_text(block: ContentBlock, text: str | None) -> ContentBlock:
    if text is None or text == _text(block):
        return block
    if isinstance(block, CitableBlock):
        return block.model_copy(update={"content": [TextBlock(text=text)]})
    return block.model_copy(update={"text": text}) if isinstance(block, TextBlock) else block


def _with_content(message: ChatMessage, content: str | Sequence[Message]) -> ChatMessage:
    if isinstance(content, str):
        return message.model_copy(update={"blocks": [TextBlock(text=content)]})
    return with_texts(message, [part.get("text") for part in content])
