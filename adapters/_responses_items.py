"""The items of OpenAI's Responses: what is said in them, and which tools they call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from guardian.adapters._wire import Json, Path, Text, Tool, arguments_of, listed, new_id, strings, texted

CALLS: Mapping[str, str] = MappingProxyType(
    {
        "function_call": "arguments",
        "custom_tool_call": "input",
        "mcp_call": "arguments",
        "mcp_approval_request": "arguments",
        "tool_search_call": "arguments",
        "shell_call": "action",
        "local_shell_call": "action",
        "computer_call": "action",
        "apply_patch_call": "operation",
        "code_interpreter_call": "code",
        "program": "code",
        "web_search_call": "action",
        "file_search_call": "queries",
    }
)
"""Items of the output that call a tool, and where their arguments are."""


def response_parts(response: Json, path: Path) -> Iterator[Text | Tool]:
    """The texts of a response, and the tools it calls."""
    for index, item in enumerate(listed(response.get("output"), "output")):
        yield from item_parts(item, index, (*path, "output", index))
    if response.get("output_text"):  # OpenAI's SDK for JavaScript adds the whole text
        yield Text(("output_text",), (*path, "output_text"), texted(response["output_text"], "output_text"))


def item_parts(item: Json, index: Any, path: Path) -> Iterator[Text | Tool]:
    """The texts of an item of the output, and the tool it calls. What a tool gave is held as it is, or stopped."""
    kind = texted(item.get("type", "message"), "type")
    if kind in CALLS:
        arguments = item.get(CALLS[kind], item.get("actions"))
        yield Tool((index, "tool"), texted(item.get("name") or kind, "name"), arguments_of(arguments))
    if kind in ("message", "reasoning"):
        for field in ("content", "summary"):
            for number, part in enumerate(listed(item.get(field) or [], field)):
                yield from part_texts(part, (index, field, number), (*path, field, number))
        return
    read = {CALLS.get(kind), "actions", "result" if kind == "image_generation_call" else None}
    for where, text in strings({name: value for name, value in item.items() if name not in read}):
        yield Text((index, *where), (*path, *where), text, rewrites=False)


def message_parts(items: Iterable[Json]) -> Iterator[Json]:
    """The parts of the messages among some items, which may have `logprobs` beside their text."""
    for item in items:
        if item.get("type", "message") == "message":
            yield from item.get("content") or ()


def part_texts(part: Json, key: Path, path: Path) -> Iterator[Text]:
    """The texts of a part: what is said, refused, thought or spoken, and what is noted on it."""
    for name in ("text", "refusal", "transcript"):
        if part.get(name) is not None:
            yield Text(key, (*path, name), texted(part[name], name))
    for where, text in strings(part.get("annotations")):
        yield Text((*key, "annotations", *where), (*path, "annotations", *where), text, rewrites=False)


def refusing_item(reply: str) -> Json:
    """A message that refuses."""
    return {
        "id": new_id("msg"),
        "type": "message",
        "role": "assistant",
        "status": "incomplete",
        "content": [{"type": "refusal", "refusal": reply}],
    }
