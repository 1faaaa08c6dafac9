"""Where the text stands in what applications pass around: answers of SDKs, structured output, documents.

A `Slot` is the way to one text inside a value. Values are read by their shape, never by their class, so no SDK is
imported, and they are never changed: `replaced` makes a new value of the same type with other texts in its slots.
"""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date, time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar, cast
from uuid import UUID

from pydantic import BaseModel

from guardian.errors import InputError
from guardian.verdict import Stage

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Key = Hashable
"""An attribute (str), a key of a mapping, an index (int), or a member of a set."""

AnyPath = TypeVar("AnyPath", bound=tuple[Key, ...])

_DEEPEST = 16
"""Levels of structured output and of documents; what goes deeper, or in a circle, is refused."""

FILE = "file"
"""The name of a slot whose text was read from a file: it cannot be rewritten."""

_CALLS = ("function_call_arguments.delta", "custom_tool_call_input.delta", "mcp_call_arguments.delta")
_DELTAS = ("text.delta", "refusal.delta", "transcript.delta", *_CALLS)
"""Ends of the types of events of OpenAI's Responses that bring a piece of text."""

_EVENTS = (
    *("message_start", "message_delta", "message_stop"),
    *("content_block_start", "content_block_delta", "content_block_stop", "ping", "error"),
)
"""Types of the events of Anthropic's Messages."""

_NO_TEXT = (int, float, date, time, UUID, type(None))

_THOUGHTS = ("reasoning_content", "reasoning", "thinking")
_TEXTS = ("content", "text", "response", "refusal", "partial_json", *_THOUGHTS)

# What the whole answers of the APIs have, and structured output of the same keys has not.
_OF_MESSAGES = ("tool_calls", "stop_reason")
_ROLES = ("assistant", "model", "tool")


@dataclass(frozen=True, slots=True)
class Slot:
    """One text in a value. `name` is that of the tool, for a tool call; its arguments may be no str but a mapping."""

    path: tuple[Key, ...]
    text: str
    stage: Stage = Stage.RESPONSE
    name: str = ""


def answer_slots(value: object) -> list[Slot]:
    """The texts of an answer, and the tool calls in it; none where the shape is not known.

    Known are a str, the answers of OpenAI (Chat Completions, Responses, legacy), Anthropic, Ollama and LangChain, as
    objects or as parsed JSON, their reasoning included, and structured output, of which every string is read: any
    pydantic model or dataclass, and a mapping with one of the keys that texts have there. InputError where it is nested
    too deeply.
    """
    if _is_structured(value) and not _is_of_api(value):
        found = list(_strings(value, (), 0))
        return found if not isinstance(value, Mapping) or chunk_slots(value) else []
    return chunk_slots(value)


def chunk_slots(value: object) -> list[Slot]:
    """The same of a chunk of a streamed answer: of one with a text where the APIs have it, only that is read."""
    if isinstance(value, str):
        return [Slot((), value)]
    if (choices := _get(value, "choices")) is not None and _is_list(choices):
        return [slot for index, choice in enumerate(choices) for slot in _choice(choice, ("choices", index))]
    if (output := _get(value, "output")) is not None and _is_list(output):
        return [slot for index, item in enumerate(output) for slot in _output(item, ("output", index))]
    if isinstance(delta := _get(value, "delta"), str) and (stage := _stage_of_delta(value)) is not None:
        return [Slot(("delta",), delta, stage)]
    for key in ("message", "delta"):
        if (inner := _get(value, key)) is not None and not isinstance(inner, str):
            return list(_message(inner, (key,)))
    found = list(_message(value, ()))
    if all(slot.path[-1] in _THOUGHTS for slot in found):  # of no API: there an answer stands beside its reasoning
        structured = (isinstance(value, BaseModel) or _is_dataclass(value)) and not is_event(value)
        return list(_strings(value, (), 0)) if structured else []
    return found


def is_event(value: object) -> bool:
    """Whether this is a chunk of an API that may well be without any text: it begins, ends or counts something."""
    kind = _get(value, "type")
    of_responses = isinstance(kind, str) and kind.startswith("response.")
    return of_responses or kind in _EVENTS or _is_list(_get(value, "choices"))


def document_slots(value: object, read: Callable[[Path], str] | None = None) -> list[Slot]:
    """The texts of documents: a str, objects with `page_content`, `text` or `content`, what has them in it.

    `read` gives the text of a file; its slot has the name FILE. InputError where something is neither a text nor a
    number or date, or nested too deeply: what is not read must not go on.
    """
    return list(_documents(value, (), 0, read))


def replaced(value: Any, texts: Mapping[AnyPath, Any]) -> Any:
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
    said = [path for path in texts if not (path and path[-1] in _THOUGHTS)]
    changes[said[0] if said else _place(value)] = reply
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


def _stage_of_delta(event: object) -> Stage | None:
    """What an event of OpenAI's Responses brings a piece of, such as `response.output_text.delta`."""
    kind = _get(event, "type")
    if not isinstance(kind, str) or not kind.endswith(_DELTAS):
        return None
    return Stage.TOOL_CALL if kind.endswith(_CALLS) else Stage.RESPONSE


def _is_structured(value: object) -> bool:
    return isinstance(value, Mapping | BaseModel) or _is_dataclass(value)


def _is_of_api(value: object) -> bool:
    """Whether this is the answer of an API; all other structured output is read to the last string."""
    message = _get(value, "message")
    return (
        any(_has(value, key) for key in _OF_MESSAGES)
        or (_has(value, "done") and _has(value, "response"))
        or any(_get(inner, "role") in _ROLES for inner in (value, message))
        or any(_has(choice, key) for choice in _list(_get(value, "choices")) for key in ("message", "finish_reason"))
        or any(_is_item(item) for item in _list(_get(value, "output")))
        or (isinstance(value, BaseModel) and any(_is_accessor(value, key) for key in _TEXTS))
    )


def _is_item(value: object) -> bool:
    kind = _get(value, "type")
    return isinstance(kind, str) and (kind in ("message", "reasoning") or kind.endswith("_call"))


def _is_accessor(value: BaseModel, key: str) -> bool:
    """Whether a text is no field of a model but a property of it, by which an SDK says where the text is."""
    return key not in type(value).model_fields and isinstance(getattr(type(value), key, None), property)


def _has(value: object, key: str) -> bool:
    return key in value if isinstance(value, Mapping) else not isinstance(value, str) and hasattr(value, key)


def _choice(choice: object, path: tuple[Key, ...]) -> Iterator[Slot]:
    for key in ("message", "delta"):
        if (inner := _get(choice, key)) is not None:
            yield from _message(inner, (*path, key))
            return
    if isinstance(text := _get(choice, "text"), str):
        yield Slot((*path, "text"), text)


def _message(message: object, path: tuple[Key, ...]) -> Iterator[Slot]:
    """A message or a part of one: its text, its refusal, its tool calls."""
    for key in _TEXTS:
        inner = _get(message, key)
        if key == "text" and isinstance(message, BaseModel) and _get(message, "content") and _is_accessor(message, key):
            continue  # LangChain's, of what stands in `content`
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
    elif isinstance(thought := _get(part, "thinking"), str):
        yield Slot((*path, "thinking"), thought)
    elif (arguments := _get(part, "input")) is not None and isinstance(name := _get(part, "name"), str):
        yield Slot((*path, "input"), _json(arguments), Stage.TOOL_CALL, name)


def _tool_call(call: object, path: tuple[Key, ...]) -> Iterator[Slot]:
    """OpenAI nests it under `function`; LangChain and Ollama have a mapping for its arguments, custom tools a text."""
    inner = _get(call, "function")
    if inner is not None:
        call, path = inner, (*path, "function")
    for key in ("arguments", "args", "input"):
        if (arguments := _get(call, key)) is not None:
            name = _get(call, "name")
            yield Slot((*path, key), _json(arguments), Stage.TOOL_CALL, name if isinstance(name, str) else "")


def _output(item: object, path: tuple[Key, ...]) -> Iterator[Slot]:
    """An item of a response of OpenAI's Responses API."""
    if str(_get(item, "type")).endswith("_call"):
        yield from _tool_call(item, path)
        return
    for name in ("content", "summary"):
        for index, part in enumerate(_list(_get(item, name))):
            for key in ("text", "refusal"):
                if isinstance(text := _get(part, key), str):
                    yield Slot((*path, name, index, key), text)


def _strings(value: object, path: tuple[Key, ...], depth: int) -> Iterator[Slot]:
    """Every string of structured output, but for the keys of its mappings."""
    if isinstance(value, str):
        yield Slot(path, value)
    for key, inner in _children(value, depth):
        yield from _strings(inner, (*path, key), depth + 1)


def _documents(value: object, path: tuple[Key, ...], depth: int, read: Callable[[Path], str] | None) -> Iterator[Slot]:
    if isinstance(value, str):
        yield Slot(path, value, Stage.DOCUMENT)
        return
    if isinstance(value, Path) and read is not None:
        yield Slot(path, read(value), Stage.DOCUMENT, FILE)
        return
    for key in ("page_content", "text", "content"):
        if isinstance(text := _get(value, key), str):
            yield Slot((*path, key), text, Stage.DOCUMENT)
            return
    if not _is_container(value) and not isinstance(value, _NO_TEXT):
        raise InputError(f"no text was found in a document of the type {type(value).__name__}")
    for step, inner in _children(value, depth):
        yield from _documents(inner, (*path, step), depth + 1, read)


def _children(value: object, depth: int) -> list[tuple[Key, object]]:
    children = _inner(value)
    if children and depth == _DEEPEST:
        raise InputError(f"a value is nested more than {_DEEPEST} levels deep: not all of its text could be found")
    return children


def _is_container(value: object) -> bool:
    return _is_structured(value) or _is_list(value) or isinstance(value, Set)


def _inner(value: object) -> list[tuple[Key, object]]:
    """The parts of a container, each under its key."""
    if isinstance(value, Mapping):
        return list(value.items())
    if _is_list(value):
        return list(enumerate(value))
    if isinstance(value, Set):
        return [(member, member) for member in value]
    if isinstance(value, BaseModel):
        names = (*type(value).model_fields, *(value.model_extra or ()))
        return [(name, getattr(value, name)) for name in names]
    if _is_dataclass(value):
        return [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    return []


def _with(value: Any, path: tuple[Key, ...], text: Any) -> Any:
    if not path:
        return text
    key, *rest = path
    new = _with(_get(value, key), tuple(rest), text)
    if isinstance(value, Mapping):
        return {**value, key: new}
    if isinstance(value, Set):
        return type(value)(new if member == key else member for member in value)  # type: ignore[call-arg]
    if isinstance(value, Sequence):
        return _with_item(value, key, new)
    if isinstance(value, BaseModel):
        return value.model_copy(update={str(key): new})
    changed = copy.copy(value)
    # Past the guard of a frozen dataclass: the copy is nobody's yet.
    (object.__setattr__ if _is_dataclass(value) else setattr)(changed, str(key), new)
    return changed


def _with_item(value: Any, key: Key, new: Any) -> Any:
    """A sequence with one item replaced, a list where it is of another kind; that of a named tuple may be known by its
    name."""
    names = getattr(value, "_fields", None)
    if names is not None:
        return value._replace(**{key if isinstance(key, str) else names[key]: new})
    index = cast("int", key)
    items = [*value[:index], new, *value[index + 1 :]]
    return type(value)(items) if isinstance(value, list | tuple) else items


def _get(value: object, key: Key) -> Any:
    if isinstance(value, Mapping):
        return value.get(key)
    if isinstance(value, Set):
        return key if key in value else None
    if isinstance(key, int):
        return value[key] if isinstance(value, Sequence) and not isinstance(value, str) else None
    return None if isinstance(value, str) or not isinstance(key, str) else getattr(value, key, None)


def _json(arguments: object) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False, default=str)


def _is_list(value: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, list | tuple)


def _list(value: object) -> Sequence[Any]:
    return value if _is_list(value) else ()


def _is_dataclass(value: object) -> TypeGuard[DataclassInstance]:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)
