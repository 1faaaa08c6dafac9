"""Where texts stand in answers and documents, and values with other texts in their place."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from pydantic import BaseModel, ConfigDict

from guardian.errors import InputError
from guardian.extract import Key, answer_slots, channel_of, chunk_slots, document_slots, refused, replaced
from guardian.verdict import Stage


def found(value: object) -> list[tuple[tuple[Key, ...], str]]:
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


class Quiz(BaseModel):
    model_config = ConfigDict(extra="allow")
    text: str = "a question"
    choices: list[str] = []
    output: tuple[Step, ...] = ()
    tags: frozenset[str] = frozenset()
    by_number: dict[int, str] = {}
    message: Step | None = None


@pytest.mark.parametrize(
    "answer",
    [
        Quiz(choices=["hidden"]),
        Quiz(output=(Step(what="hidden"),)),
        Quiz(tags=frozenset(["hidden"])),
        Quiz(by_number={1: "hidden"}),
        Quiz(message=Step(what="hidden")),
        Quiz.model_validate({"other": {"deep": [["hidden"]]}}),
        {"text": "a question", "sources": ["hidden"]},
    ],
)
def test_structured_output_that_looks_like_an_answer_of_an_api_is_read_to_the_last_string(answer: Any) -> None:
    texts = dict(found(answer))
    assert sorted(texts.values()) == ["a question", "hidden"]
    [path] = [path for path, text in texts.items() if text == "hidden"]
    changed = dict(found(replaced(answer, {path: "seen"})))
    assert sorted(changed.values()) == ["a question", "seen"]


def test_what_is_nested_too_deeply_is_refused_and_never_passed_over() -> None:
    deep: Any = "hidden"
    for _ in range(16):
        deep = [deep]
    assert [text for _, text in found({"text": "a", "deep": deep[0]})] == ["a", "hidden"]
    for value in ({"text": "a", "deep": deep}, {"text": "a", "deep": [deep]}):
        with pytest.raises(InputError, match="levels deep"):
            answer_slots(value)
    with pytest.raises(InputError, match="levels deep"):
        document_slots([[deep]])


class Named(NamedTuple):
    text: str
    number: int


@dataclasses.dataclass(frozen=True)
class Sealed:
    named: Named
    made: str = dataclasses.field(init=False, default="made")


def test_named_tuples_and_sealed_dataclasses_are_rewritten() -> None:
    assert replaced(Named("a", 1), {("text",): "b"}) == Named("b", 1)
    before = Sealed(Named("a", 1))
    after = replaced(before, {("named", 0): "b", ("made",): "c"})
    assert (after.named, after.made) == (Named("b", 1), "c")
    assert (before.named, before.made) == (Named("a", 1), "made")


@pytest.mark.parametrize("shape", [dict, as_objects], ids=["json", "objects"])
def test_reasoning_is_part_of_an_answer(shape: Any) -> None:
    said = {"role": "assistant", "content": "hello"}
    for answer in (
        {"choices": [{"message": {**said, "reasoning_content": "thought"}}]},
        {"choices": [{"message": {**said, "reasoning": "thought"}}]},
        {"message": {**said, "thinking": "thought"}},
        {"role": "assistant", "content": [{"thinking": "thought"}, {"text": "hello"}]},
        {
            "output": [
                {"type": "reasoning", "summary": [{"text": "thought"}]},
                {"type": "message", "content": [{"text": "hello"}]},
            ]
        },
    ):
        value = shape(answer)
        assert sorted(text for _, text in found(value)) == ["hello", "thought"]
        refusal = [(path[-1], text) for path, text in found(refused(value, "no")) if text]
        assert [text for _, text in refusal] == ["no"]
    assert found(shape({"type": "content_block_delta", "delta": {"thinking": "thought"}}))


def test_the_pieces_of_a_streamed_response() -> None:
    text = {"type": "response.output_text.delta", "item_id": "1", "delta": "hello"}
    call = {"type": "response.function_call_arguments.delta", "delta": "{}"}
    sound = {"type": "response.audio.delta", "delta": "UklGRg=="}
    assert [(s.text, s.stage) for s in chunk_slots(text)] == [("hello", Stage.RESPONSE)]
    assert [(s.text, s.stage) for s in chunk_slots(call)] == [("{}", Stage.TOOL_CALL)]
    assert chunk_slots(sound) == []


def test_documents_of_any_nesting_are_found_or_refused() -> None:
    slots = document_slots({"a": ["one", Path("two")], 3: {"three"}, "b": [None, 4.5]}, read=str)
    assert [(s.text, s.name) for s in slots] == [("one", ""), ("two", "file"), ("three", "")]
    for value in (["one", b"two"], ["one", object()], ["one", Path("two")]):
        with pytest.raises(InputError, match="no text was found in a document of the type"):
            document_slots(value)


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
        return channel_of(value, chunk_slots(value)[0])

    assert channel(1) == channel(1, place=1) != channel(0)
    block = {"type": "content_block_delta", "index": 3, "delta": {"type": "text_delta", "text": "x"}}
    assert channel_of(block, chunk_slots(block)[0]) == (3, "delta", "text")
