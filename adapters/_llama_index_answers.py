"""What a model of LlamaIndex answers: what is read of a response, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from llama_index.core.llms.llm import ToolSelection

from guardian import Action, Guardian, Verdict

KEY = "guardian"
"""The key under which a response's `additional_kwargs`, or a node's metadata, has the verdict as JSON."""

R = TypeVar("R", ChatResponse, CompletionResponse)


@dataclass(frozen=True, slots=True)
class Parts:
    """What there is to read in a response."""

    texts: Sequence[str]
    thoughts: Sequence[str] = ()
    calls: Sequence[tuple[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdicts on the parts of a response, `texts` being those on what can be rewritten."""

    parts: Parts
    texts: Sequence[Verdict]
    fixed: Sequence[Verdict]

    @classmethod
    def by(cls, guardian: Guardian, parts: Parts, prompt: str) -> Judged:
        texts = guardian.check_responses(prompt, [*parts.texts, *parts.thoughts])
        return cls._of(parts, texts, [guardian.check_tool_call(*call) for call in parts.calls])

    @classmethod
    async def aby(cls, guardian: Guardian, parts: Parts, prompt: str) -> Judged:
        texts = await guardian.acheck_responses(prompt, [*parts.texts, *parts.thoughts])
        return cls._of(parts, texts, [await guardian.acheck_tool_call(*call) for call in parts.calls])

    @classmethod
    def _of(cls, parts: Parts, texts: Sequence[Verdict], calls: Sequence[Verdict]) -> Judged:
        number = len(parts.texts)
        return cls(parts, texts[:number], [*texts[number:], *calls])

    @property
    def all(self) -> Sequence[Verdict]:
        return [*self.texts, *self.fixed]

    @property
    def stopped(self) -> Verdict | None:
        """The gravest verdict that stops the response, if one does."""
        found = [verdict for verdict in self.texts if verdict.blocked]
        found += [verdict for verdict in self.fixed if verdict.action >= Action.REDACT]
        return gravest(found) if found else None

    def rewritten(self, shape: Shape[R], response: R) -> R:
        """The response, which is not stopped, without what is redacted, and with the verdict."""
        if any(verdict.action is Action.REDACT for verdict in self.texts):
            texts = [verdict.redact(text) for verdict, text in zip(self.texts, self.parts.texts, strict=True)]
            response = shape.rewritten(response, texts)
        return noted(response, self.all)


def noted(response: R, verdicts: Sequence[Verdict]) -> R:
    """The response with the gravest verdict, where one has anything to say."""
    found = [verdict for verdict in verdicts if verdict.would > Action.ALLOW]
    if not found:
        return response
    notes = {**response.additional_kwargs, KEY: gravest(found).model_dump(mode="json")}
    return response.model_copy(update={"additional_kwargs": notes})


def gravest(verdicts: Sequence[Verdict]) -> Verdict:
    return max(verdicts, key=lambda verdict: verdict.would)


# -- the two kinds of responses


class Shape(Protocol[R]):
    """How responses of one kind are read and made."""

    def parts(self, response: R, /) -> Parts: ...
    def made(self, text: str, delta: str, /) -> R: ...
    def rewritten(self, response: R, texts: Sequence[str], /) -> R:
        """The response with other texts, and without what repeats the old ones."""
        ...

    def last(self, response: R, text: str, delta: str, /, *, clear: bool) -> R:
        """The last response of a stream that said `text`; `clear` where that is all as it came."""
        ...


class _Chat:
    def parts(self, response: ChatResponse) -> Parts:
        blocks = response.message.blocks
        calls = [(block.tool_name, block.tool_kwargs) for block in blocks if isinstance(block, ToolCallBlock)]
        return Parts(
            texts=[block.text for block in blocks if isinstance(block, TextBlock)],
            thoughts=[block.content for block in blocks if isinstance(block, ThinkingBlock) and block.content],
            calls=calls or [_called(call) for call in response.message.additional_kwargs.get("tool_calls") or ()],
        )

    def made(self, text: str, delta: str) -> ChatResponse:
        return ChatResponse(message=ChatMessage(role=MessageRole.ASSISTANT, content=text), delta=delta)

    def rewritten(self, response: ChatResponse, texts: Sequence[str]) -> ChatResponse:
        left = iter(texts)
        blocks = [
            block.model_copy(update={"text": next(left)}) if isinstance(block, TextBlock) else block
            for block in response.message.blocks
        ]
        message = response.message.model_copy(update={"blocks": blocks})
        return response.model_copy(update={"message": message, **_REPEATING})

    def last(self, response: ChatResponse, text: str, delta: str, *, clear: bool) -> ChatResponse:
        others = [block for block in response.message.blocks if not isinstance(block, TextBlock)]
        thoughts = [block for block in others if isinstance(block, ThinkingBlock)]
        blocks = [*thoughts, TextBlock(text=text), *(block for block in others if block not in thoughts)]
        message = response.message.model_copy(update={"blocks": blocks})
        return response.model_copy(update={"message": message, "delta": delta, **({} if clear else _REPEATING)})


class _Completion:
    def parts(self, response: CompletionResponse) -> Parts:
        return Parts([response.text])

    def made(self, text: str, delta: str) -> CompletionResponse:
        return CompletionResponse(text=text, delta=delta)

    def rewritten(self, response: CompletionResponse, texts: Sequence[str]) -> CompletionResponse:
        return response.model_copy(update={"text": texts[0], **_REPEATING})

    def last(self, response: CompletionResponse, text: str, delta: str, *, clear: bool) -> CompletionResponse:
        return response.model_copy(update={"text": text, "delta": delta, **({} if clear else _REPEATING)})


CHAT: Shape[ChatResponse] = _Chat()
COMPLETION: Shape[CompletionResponse] = _Completion()

_REPEATING: Mapping[str, None] = {"raw": None, "logprobs": None}
"""What of a response says its text once more, and is taken out where that was rewritten."""


def _called(call: Any) -> tuple[str, Any]:
    """A call of a tool in the way of older integrations, which keep what their API gave them."""
    if isinstance(call, ToolSelection):
        return call.tool_name, call.tool_kwargs
    inner = _get(call, "function") or call
    return str(_get(inner, "name") or ""), _get(inner, "arguments") or ""


def _get(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, Mapping) else getattr(value, key, None)
