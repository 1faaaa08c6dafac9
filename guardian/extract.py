"""Where the text stands in what applications pass around: answers of SDKs, structured output, documents.

A `Slot` is the way to one text inside a value. Values are read by their shape, never by their class, so no SDK is
imported, and they are never changed: `replaced` makes a new value of the same type with other texts in its slots.
"""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from pydantic import BaseModel

from guardian.verdict import Stage

Key = str | int
"""An attribute or key (str) or an index (int)."""

_DEEPEST = 6
"""Levels of structured output that are looked into."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One text in a value. `name` is that of the tool, for a tool call; its arguments may be no str but a mapping."""

    path: tuple[Key, ...]
    text: str
    stage: Stage = Stage.RESPONSE
    name: str = ""


def answer_slots(value: object) -> list[Slot]:
    """The texts of an answer, and the tool calls in it; none where the shape is not known.

    Known are a str, the answers and stream chunks of OpenAI (Chat Completions, Responses, legacy), Anthropic, Ollama
    and LangChain, as objects or as parsed JSON, and any pydantic model or dataclass: there all its strings.
    """
    if isinstance(value, str):
        return [Slot((), value)]
    if (choices := _get(value, "choices")) is not None and _is_list(choices):
        return [slot for index, choice in enumerate(choices) for slot in _choice(choice, ("choices", index))]
    if (output := _get(value, "output")) is not None and _is_list(output):
        return [slot for index, item in enumerate(output) for slot in _output(item, ("output", index))]
    for key in ("message", "delta"):
        if (inner := _get(value, key)) is not None and not isinstance(inner, str):
            return list(_message(inner, (key,)))
    found = list(_message(value, ()))
    if not found and (isinstance(value, BaseModel) or _is_dataclass(value)):
        found = list(_strings(value, (), 0))
    return found


def document_slots(value: object) -> list[Slot]:
    """The texts of documents: a str, a mapping or list of them, objects with `page_content`, `text` or `content`."""
    return list(_documents(value, (), 0))


def replaced(value: Any, texts: Mapping[tuple[Key, ...], Any]) -> Any:
    """A copy of `value` with these texts at these paths; `value` itself where there are none."""
    for path, text in texts.items():
        value = _with(value, path, text)
    return value


def refused(value: Any, reply: str) -> Any:
    """An answer of the same type that says `reply` and nothing else, marked as the APIs mark a refusal."""
    slots = answer_slots(value)
    texts = [slot.path for slot in slots if slot.stage is Stage.RESPONSE]
    changes: dict[tuple[Key, ...], Any] = dict.fromkeys(texts, "")
    for slot in slots:
        if slot.stage is Stage.TOOL_CALL and "tool_calls" in slot.path:
            changes[slot.path[: slot.path.index("tool_calls") + 1]] = None
    for index in range(len(_get(value, "choices") or ())):
        changes["choices", index, "finish_reason"] = "content_filter"
    if _get(value, "stop_reason") is not None:
        changes["stop_reason",] = "refusal"
    changes[texts[0] if texts else _place(value)] = reply
    return replaced(value, changes)


def channel_of(value: object, slot: Slot) -> tuple[object, ...]:
    """What the text of a chunk continues: its place, with the number the API gives to the choice or block it is of.

    Chunks of several choices come one by one, each at place 0, and say in `index` which choice they belong to.
    """
    names: list[object] = [_number(value)]
    for depth, key in enumerate(slot.path):
        number = _number(_at(value, slot.path[: depth + 1])) if isinstance(key, int) else None
        names.append(key if number is None else number)
    return tuple(names)


def _number(value: object) -> int | None:
    """The `index` that an API gives a choice or a block; that of a tuple is a method."""
    number = _get(value, "index")
    return number if isinstance(number, int) else None


def _at(value: object, path: tuple[Key, ...]) -> object:
    for key in path:
        value = _get(value, key)
    return value


def _place(value: object) -> tuple[Key, ...]:
    """Where the text of an answer goes that has none, such as one that only calls tools."""
    if _get(value, "choices"):
        return ("choices", 0, "message", "content")
    return ("content",) if _get(value, "content") is not None else ()


def _choice(choice: object, path: tuple[Key, ...]) -> Iterator[Slot]:
    for key in ("message", "delta"):
        if (inner := _get(choice, key)) is not None:
            yield from _message(inner, (*path, key))
            return
    if isinstance(text := _get(choice, "text"), str):
        yield Slot((*path, "text"), text)


def _message(message: object, path: tuple[Key, ...]) -> Iterator[Slot]:
    """A message or a part of one: its text, its refusal, its tool calls."""
    for key in ("content", "text", "response", "refusal", "partial_json"):
        inner = _get(message, key)
        if isinstance(inner, str):
            stage = Stage.TOOL_CALL if key == "partial_json" else Stage.RESPONSE
            yield Slot((*path, key), inner, stage)
        elif key == "content" and _is_list(inner):
            for index, part in enumerate(inner):
                yield from _part(part, (*path, key, index))
    for index, call in enumerate(_list(_get(message, "tool_calls"))):
        yield from _tool_call(call, (*path, "tool_calls", index))


def _part(part: object, path: tuple[Key, ...]) -> Iterator[Slot]:
    if isinstance(part, str):
        yield Slot(path, part)
    elif isinstance(text := _get(part, "text"), str):
        yield Slot((*path, "text"), text)
    elif (arguments := _get(part, "input")) is not None and isinstance(name := _get(part, "name"), str):
        yield Slot((*path, "input"), _json(arguments), Stage.TOOL_CALL, name)


def _tool_call(call: object, path: tuple[Key, ...]) -> Iterator[Slot]:
    """OpenAI nests it under `function`; LangChain and Ollama have a mapping for its arguments."""
    inner = _get(call, "function")
    if inner is not None:
        call, path = inner, (*path, "function")
    for key in ("arguments", "args"):
        if (arguments := _get(call, key)) is not None:
            name = _get(call, "name")
            yield Slot((*path, key), _json(arguments), Stage.TOOL_CALL, name if isinstance(name, str) else "")


def _output(item: object, path: tuple[Key, ...]) -> Iterator[Slot]:
    """An item of a response of OpenAI's Responses API."""
    if _get(item, "type") == "function_call":
        yield from _tool_call(item, path)
        return
    for index, part in enumerate(_list(_get(item, "content"))):
        for key in ("text", "refusal"):
            if isinstance(text := _get(part, key), str):
                yield Slot((*path, "content", index, key), text)


def _strings(value: object, path: tuple[Key, ...], depth: int) -> Iterator[Slot]:
    """Every string of structured output."""
    if isinstance(value, str):
        yield Slot(path, value)
    elif depth < _DEEPEST:
        for key, inner in _children(value):
            yield from _strings(inner, (*path, key), depth + 1)


def _documents(value: object, path: tuple[Key, ...], depth: int) -> Iterator[Slot]:
    if isinstance(value, str):
        yield Slot(path, value, Stage.DOCUMENT)
        return
    for key in ("page_content", "text", "content"):
        if isinstance(text := _get(value, key), str):
            yield Slot((*path, key), text, Stage.DOCUMENT)
            return
    if depth < _DEEPEST and (_is_list(value) or isinstance(value, Mapping)):
        for step, inner in _children(value):
            yield from _documents(inner, (*path, step), depth + 1)


def _children(value: object) -> Iterator[tuple[Key, object]]:
    if isinstance(value, Mapping):
        yield from ((key, inner) for key, inner in value.items() if isinstance(key, str))
    elif _is_list(value):
        yield from enumerate(value)
    elif isinstance(value, BaseModel):
        yield from ((name, getattr(value, name)) for name in type(value).model_fields)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield from ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))


def _with(value: Any, path: tuple[Key, ...], text: Any) -> Any:
    if not path:
        return text
    key, *rest = path
    new = _with(_get(value, key), tuple(rest), text)
    if isinstance(value, Mapping):
        return {**value, key: new}
    if isinstance(value, tuple | list):
        return type(value)([*value[: int(key)], new, *value[int(key) + 1 :]])
    if isinstance(value, BaseModel):
        return value.model_copy(update={str(key): new})
    if _is_dataclass(value):
        return dataclasses.replace(value, **{str(key): new})
    changed = copy.copy(value)
    setattr(changed, str(key), new)
    return changed


def _get(value: object, key: Key) -> Any:
    if isinstance(key, int):
        return value[key] if _is_list(value) else None
    if isinstance(value, Mapping):
        return value.get(key)
    return None if isinstance(value, str) else getattr(value, key, None)


def _json(arguments: object) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False, default=str)


def _is_list(value: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, list | tuple)


def _list(value: object) -> Sequence[Any]:
    return value if _is_list(value) else ()


def _is_dataclass(value: object) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)
