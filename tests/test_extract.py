"""Where texts stand in answers and documents, and values with other texts in their place."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from guardian.extract import answer_slots, channel_of, document_slots, refused, replaced
from guardian.verdict import Stage


def found(value: object) -> list[tuple[tuple[str | int, ...], str]]:
    return [(slot.path, slot.text) for slot in answer_slots(value)]


def calls(value: object) -> list[tuple[str, str]]:
    return [(slot.name, slot.text) for slot in answer_slots(value) if slot.stage is Stage.TOOL_CALL]


def as_objects(value: Any) -> Any:
    """Parsed JSON as an SDK would hold it: attributes instead of keys, but for the arguments of a tool."""
    if isinstance(value, dict):
        kept = {key: inner if key in ("args", "input") else as_objects(inner) for key, inner in value.items()}
        return SimpleNamespace(**kept)
    return [as_objects(inner) for inner in value] if isinstance(value, list) else value


CHAT = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "hello", "refusal": None}}]}
CHAT_TOOLS = {
    "choices": [{"message": {"content": None, "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}}]
}
RESPONSES = {
    "output": [
        {"type": "reasoning", "content": None},
        {"type": "message", "content": [{"type": "output_text", "text": "hello"}]},
        {"type": "function_call", "name": "f", "arguments": '{"a": 1}'},
    ]
}
ANTHROPIC = {
    "content": [{"type": "text", "text": "hello"}, {"type": "tool_use", "name": "f", "input": {"a": "é"}}],
    "stop_reason": "end_turn",
}
OLLAMA = {"message": {"role": "assistant", "content": "hello"}}
LANGCHAIN = {"content": "hello", "tool_calls": [{"name": "f", "args": {"a": 1}}]}


@pytest.mark.parametrize("shape", [dict, as_objects], ids=["json", "objects"])
@pytest.mark.parametrize(
    ("answer", "texts", "tools"),
    [
        (CHAT, [("choices", 0, "message", "content")], []),
        (CHAT_TOOLS, [], [("f", "{}")]),
        (RESPONSES, [("output", 1, "content", 0, "text")], [("f", '{"a": 1}')]),
        (ANTHROPIC, [("content", 0, "text")], [("f", '{"a": "é"}')]),
        (OLLAMA, [("message", "content")], []),
        (LANGCHAIN, [("content",)], [("f", '{"a": 1}')]),
        ({"choices": [{"text": "hello"}]}, [("choices", 0, "text")], []),
        ({"response": "hello"}, [("response",)], []),
    ],
)
def test_answers_of_the_common_apis(shape: Any, answer: Any, texts: Any, tools: Any) -> None:
    value = shape(answer)
    slots = answer_slots(value)
    assert [s.path for s in slots if s.stage is Stage.RESPONSE] == texts
    assert all(s.text == "hello" for s in slots if s.stage is Stage.RESPONSE)
    assert calls(value) == tools
    if texts:
        assert found(replaced(value, {texts[0]: "other"}))[0] == (texts[0], "other")
        assert found(value)[0] == (texts[0], "hello")


def test_what_has_no_text_gives_none() -> None:
    for value in (None, 3, b"bytes", {}, [], {"a": "b"}, object()):
        assert answer_slots(value) == []


class Step(BaseModel):
    model_config = ConfigDict(frozen=True)
    what: str
    minutes: int = 1


@dataclasses.dataclass(frozen=True)
class Plan:
    steps: tuple[Step, ...]
    notes: dict[str, str]


def test_structured_output_of_any_depth_is_read_and_replaced() -> None:
    plan = Plan((Step(what="mix"), Step(what="bake")), {"a": "hot"})
    assert found(plan) == [
        (("steps", 0, "what"), "mix"),
        (("steps", 1, "what"), "bake"),
        (("notes", "a"), "hot"),
    ]
    changed = replaced(plan, {("steps", 1, "what"): "cool", ("notes", "a"): "cold"})
    assert changed == Plan((Step(what="mix"), Step(what="cool")), {"a": "cold"})
    assert plan.steps[1].what == "bake"


def test_documents() -> None:
    page = SimpleNamespace(page_content="text", metadata={})
    slots = document_slots([page, "plain", {"a": "first", "b": ["second"]}])
    assert [(s.path, s.text) for s in slots] == [
        ((0, "page_content"), "text"),
        ((1,), "plain"),
        ((2, "a"), "first"),
        ((2, "b", 0), "second"),
    ]
    assert all(s.stage is Stage.DOCUMENT for s in slots)


def test_a_refusal_says_the_reply_and_calls_nothing() -> None:
    assert refused("text", "no") == "no"
    chat = refused(CHAT_TOOLS, "no")["choices"][0]
    assert chat == {"message": {"content": "no", "tool_calls": None}, "finish_reason": "content_filter"}
    two = {"choices": [*CHAT["choices"], *CHAT["choices"]]}
    assert [text for _, text in found(refused(two, "no"))] == ["no", ""]
    anthropic = refused({**ANTHROPIC, "content": ANTHROPIC["content"][:1]}, "no")
    assert (anthropic["content"][0]["text"], anthropic["stop_reason"]) == ("no", "refusal")


def test_a_chunk_continues_the_choice_it_names() -> None:
    def channel(index: int, place: int = 0) -> tuple[object, ...]:
        choices = [{"index": 9, "delta": {}}] * place + [{"index": index, "delta": {"content": "x"}}]
        value = {"choices": choices}
        return channel_of(value, answer_slots(value)[0])

    assert channel(1) == channel(1, place=1) != channel(0)
    block = {"type": "content_block_delta", "index": 3, "delta": {"type": "text_delta", "text": "x"}}
    assert channel_of(block, answer_slots(block)[0]) == (3, "delta", "text")
