"""The wire format of OpenAI's Responses: what is asked and what is answered whole; `_responses_stream` has the rest."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from guardian.adapters._responses_stream import ResponsesReader
from guardian.adapters._sse import encoded
from guardian.adapters._wire import (
    Asked,
    Json,
    Path,
    Text,
    Tool,
    Turn,
    arguments_of,
    listed,
    mapped,
    new_id,
    summary,
    texted,
)

from guardian import Verdict

_RESULTS = frozenset(
    {
        "function_call_output",
        "custom_tool_call_output",
        "local_shell_call_output",
        "apply_patch_call_output",
        "mcp_call",
    }
)
"""Items of the input whose `output` is the result of a tool."""

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
        "web_search_call": "action",
        "file_search_call": "queries",
    }
)
"""Items of the output that call a tool, and where their arguments are."""

_TRUSTED = frozenset({*CALLS, "reasoning", "item_reference", "mcp_approval_response", "compaction"}) - _RESULTS
"""Items of the input that the application or the model wrote."""

_UNREAD: Json = {"role": "user", "content": [{"type": "unread"}]}


class Responses:
    """Responses. Without `asks` a stored one that is fetched or cancelled."""

    def __init__(self, *, asks: bool = True) -> None:
        self.asks = asks

    def ask(self, body: Json) -> Asked:
        given = body.get("input")
        if isinstance(given, str):
            turns = [Turn({"role": "user", "content": given}, ("input",))]
        else:
            items = listed(given, "input") if given is not None else []
            turns = [turn for i, item in enumerate(items) for turn in _turns(item, ("input", i))]
        prompt = mapped(body.get("prompt") or {}, "prompt")
        for name, value in mapped(prompt.get("variables") or {}, "prompt.variables").items():
            content = value if isinstance(value, str) else [value]
            turns.append(Turn({"role": "user", "content": content}, ("prompt", "variables", name)))
        return Asked(turns)

    def restored(self, original: Any, changed: Any) -> Any:
        """The variable of a prompt may be a part; all else is as it was read."""
        return changed[0] if isinstance(original, dict) else changed

    def answer(self, body: Json) -> list[Text | Tool]:
        items = listed(body.get("output"), "output")
        return [part for i, item in enumerate(items) for part in item_parts(item, i, ("output", i))]

    def altered(self, body: Json) -> None:
        """Nothing says a text a second time but `logprobs`, which go with the text."""
        for item in body["output"]:
            for part in item.get("content") or ():
                part.pop("logprobs", None)

    def refuse(self, body: Json, group: int, reply: str, verdict: Verdict) -> Json:  # noqa: ARG002  (it has one choice)
        return body | {
            "status": "incomplete",
            "incomplete_details": {"reason": "content_filter"},
            "output": [refusing_item(reply)],
            "guardian": summary(verdict),
        }

    def refusal(self, model: str, reply: str, verdict: Verdict) -> Json:
        return self.refuse(_empty(model), 0, reply, verdict)

    def refusal_events(self, model: str, reply: str, verdict: Verdict) -> bytes:
        reader = self.reader()
        created: Json = {"type": "response.created", "sequence_number": 0, "response": _empty(model)}
        reader.left(created)
        events = [("response.created", created), *reader.ending(0, reply, verdict)]
        return b"".join(encoded(name, data) for name, data in events)

    def reader(self) -> ResponsesReader:
        return ResponsesReader(item_parts, CALLS, refusing_item)


def refusing_item(reply: str) -> Json:
    """A message that refuses."""
    return {
        "id": new_id("msg"),
        "type": "message",
        "role": "assistant",
        "status": "incomplete",
        "content": [{"type": "refusal", "refusal": reply}],
    }


def _empty(model: str) -> Json:
    return {
        "id": new_id("resp"),
        "object": "response",
        "created_at": int(time.time()),
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": model,
        "output": [],
        "parallel_tool_calls": True,
        "temperature": None,
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
    }


def _turns(item: Json, path: Path) -> Iterator[Turn]:
    """The texts of an item of the input. What is neither text nor known is not read, and the policy says what then."""
    kind = item.get("type", "message")
    if kind == "message":
        yield Turn({"role": item.get("role"), "content": item.get("content")}, (*path, "content"))
    elif kind in _RESULTS and item.get("output") is not None:
        yield Turn({"role": "tool", "content": item["output"]}, (*path, "output"))
    elif kind == "shell_call_output":
        for index, part in enumerate(listed(item.get("output"), "output")):
            for name in ("stdout", "stderr"):
                text = texted(part.get(name, ""), name)
                yield Turn({"role": "tool", "content": text}, (*path, "output", index, name))
    elif kind not in _TRUSTED and kind not in _RESULTS:
        yield Turn(_UNREAD, path)


def item_parts(item: Json, index: Any, path: Path) -> Iterator[Text | Tool]:
    """The texts of an item of the output, and the tool it calls."""
    kind = item.get("type")
    if isinstance(kind, str) and kind in CALLS:
        arguments = item.get(CALLS[kind], item.get("actions"))
        yield Tool((index, "tool"), texted(item.get("name") or kind, "name"), arguments_of(arguments))
        return
    for field in ("content", "summary"):
        for number, part in enumerate(listed(item.get(field) or [], field)):
            yield from part_texts(part, (index, field, number), (*path, field, number))


def part_texts(part: Json, key: tuple[Any, ...], path: Path) -> Iterator[Text]:
    """The text of a part: what is said, refused, thought or spoken."""
    for name in ("text", "refusal", "transcript"):
        if part.get(name) is not None:
            yield Text(key, (*path, name), texted(part[name], name))
