"""The wire format of OpenAI's Responses: what is asked and what is answered whole; `_responses_stream` has the rest."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from guardian.adapters._responses_items import CALLS, message_parts, refusing_item, response_parts
from guardian.adapters._responses_stream import ResponsesReader
from guardian.adapters._sse import encoded
from guardian.adapters._wire import (
    Asked,
    Json,
    Path,
    Text,
    Tool,
    Turn,
    listed,
    mapped,
    new_id,
    strings,
    summary,
    texted,
)

from guardian import Verdict

_RESULTS: Mapping[str, str] = MappingProxyType(
    {
        "function_call_output": "output",
        "custom_tool_call_output": "output",
        "local_shell_call_output": "output",
        "apply_patch_call_output": "output",
        "mcp_call": "output",
        "program_output": "result",
    }
)
"""Items of the input with the result of a tool, and where it is: a text, or a list of parts."""

_REPORTS: Mapping[str, str] = MappingProxyType(
    {"shell_call_output": "output", "code_interpreter_call": "outputs", "file_search_call": "results"}
)
"""Items of the input with the result of a tool in a shape of its own, and where it is."""

_TRUSTED = frozenset(
    {*CALLS, "reasoning", "item_reference", "mcp_approval_response", "compaction", "image_generation_call"}
)
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
        return list(response_parts(body, ()))

    def altered(self, body: Json) -> None:
        """Nothing says a text a second time but `logprobs`, which go with the text."""
        for part in message_parts(body["output"]):
            part.pop("logprobs", None)

    def refuse(self, body: Json, group: int, reply: str, verdict: Verdict) -> Json:  # noqa: ARG002  (it has one choice)
        body.pop("output_text", None)
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
        return ResponsesReader()


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
    kind = texted(item.get("type", "message"), "type")
    if kind == "message":
        yield Turn({"role": item.get("role"), "content": item.get("content")}, (*path, "content"))
    elif (name := _RESULTS.get(kind)) is not None:
        if item.get(name) is not None:
            yield Turn({"role": "tool", "content": item[name]}, (*path, name))
    elif (name := _REPORTS.get(kind)) is not None:
        for where, text in strings(item.get(name)):
            yield Turn({"role": "tool", "content": text}, (*path, name, *where))
    elif kind not in _TRUSTED:
        yield Turn(_UNREAD, path)
