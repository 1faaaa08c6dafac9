"""The wire format of Anthropic's Messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from guardian.adapters._sse import encoded
from guardian.adapters._wire import (
    Asked,
    Hold,
    Json,
    Path,
    Read,
    Text,
    Tool,
    arguments_of,
    chat_turns,
    listed,
    mapped,
    new_id,
    numbered,
    strings,
    summary,
    texted,
)

from guardian import Verdict

_CALLS = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
_NO_TEXT: Json = {"type": "text", "text": ""}


class Messages:
    """Anthropic's Messages."""

    asks = True

    def ask(self, body: Json) -> Asked:
        return Asked(chat_turns(body))

    def restored(self, original: Any, changed: Any) -> Any:  # noqa: ARG002  (other APIs need it)
        return changed

    def answer(self, body: Json) -> list[Text | Tool]:
        return [
            part
            for index, block in enumerate(listed(body.get("content"), "content"))
            for part in _block(block, index, ("content", index))
        ]

    def altered(self, body: Json) -> None:
        """Nothing in it says a text a second time."""

    def refuse(self, body: Json, group: int, reply: str, verdict: Verdict) -> Json:  # noqa: ARG002  (it has one choice)
        return body | {"content": [{"type": "text", "text": reply}], **_stopped(verdict), "guardian": summary(verdict)}

    def refusal(self, model: str, reply: str, verdict: Verdict) -> Json:
        usage = {"input_tokens": 0, "output_tokens": 0}
        empty = {"id": new_id("msg"), "type": "message", "role": "assistant", "model": model, "usage": usage}
        return self.refuse(empty, 0, reply, verdict)

    def refusal_events(self, model: str, reply: str, verdict: Verdict) -> bytes:
        message = self.refusal(model, reply, verdict) | {"content": [], "stop_reason": None, "stop_details": None}
        start = ("message_start", {"type": "message_start", "message": message})
        events = [start, *self.reader().ending(0, reply, verdict)]
        return b"".join(encoded(name, data) for name, data in events)

    def reader(self) -> MessagesReader:
        return MessagesReader()


class MessagesReader:
    """One stream of Messages: blocks one after the other, each with a start and a stop."""

    closing = b""

    def __init__(self) -> None:
        self._open: int | None = None
        self._next = 0

    def read(self, data: Json) -> Read:
        kind = data.get("type")
        if kind == "ping":
            return Read(keepalive=True)
        if kind == "message_start":
            message = mapped(data.get("message"), "message")
            blocks = enumerate(listed(message.get("content") or [], "content"))
            return Read(wholes=[p for i, block in blocks for p in _block(block, i, ("message", "content", i))])
        index = numbered(data.get("index"), "index")
        if kind == "content_block_start":
            return Read(_begun(mapped(data.get("content_block"), "content_block"), index, ("content_block",)))
        if kind == "content_block_delta":
            return Read(_delta(mapped(data.get("delta"), "delta"), index))
        if kind == "content_block_stop":
            return Read(done=[(index,)])
        return Read(done=[()] if kind in ("message_delta", "message_stop") else [])

    def without(self, data: Json, group: int) -> Json | None:  # noqa: ARG002  (there is one choice)
        return None

    def truncate(self, data: Json, group: int) -> None:
        """An event says one thing: where that is a text, nothing is to be dropped."""

    def altered(self, data: Json) -> None:
        """Nothing in it says a text a second time."""

    def left(self, data: Json) -> None:
        index = data.get("index")
        if data.get("type") == "content_block_start" and isinstance(index, int):
            self._open, self._next = index, index + 1
        elif data.get("type") == "content_block_stop":
            self._open = None

    def ending(self, group: int, reply: str, verdict: Verdict) -> list[tuple[str | None, Json]]:  # noqa: ARG002
        events: list[Json] = []
        if self._open is not None:
            events.append({"type": "content_block_stop", "index": self._open})
        index = self._next
        events += [
            {"type": "content_block_start", "index": index, "content_block": _NO_TEXT},
            {"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": reply}},
            {"type": "content_block_stop", "index": index},
            {
                "type": "message_delta",
                "delta": _stopped(verdict),
                "usage": {"output_tokens": 0},
                "guardian": summary(verdict),
            },
            {"type": "message_stop"},
        ]
        return [(event["type"], event) for event in events]


def _stopped(verdict: Verdict) -> Json:
    details = {"type": "refusal", "category": None, "explanation": verdict.reason}
    return {"stop_reason": "refusal", "stop_sequence": None, "stop_details": details}


# -- answers


def _block(block: Json, index: Any, path: Path) -> Iterator[Text | Tool]:
    kind = block.get("type")
    if kind == "text":
        yield Text((index, "text"), (*path, "text"), texted(block.get("text"), "text"))
        for number, citation in enumerate(listed(block.get("citations") or [], "citations")):
            yield from _cited(citation, index, (*path, "citations", number))
    elif kind == "thinking":  # signed: it cannot be changed
        yield Text((index, "thinking"), (*path, "thinking"), texted(block.get("thinking"), "thinking"), rewrites=False)
    elif isinstance(kind, str) and kind in _CALLS:
        yield Tool((index, "tool"), texted(block.get("name"), "name"), arguments_of(block.get("input")))
    else:
        yield from _others(block, index, path)


def _cited(citation: Json, index: Any, path: Path) -> Iterator[Text]:
    """What a citation says of its source, which is nothing to be changed."""
    for name in ("cited_text", "document_title", "title"):
        if citation.get(name):
            yield Text((index, name), (*path, name), texted(citation[name], name), rewrites=False)


def _others(value: Json, index: Any, path: Path) -> Iterator[Text]:
    """Texts of a block of another kind, such as what a tool of the server gave: to be sent back unchanged."""
    for where, text in strings(value):
        yield Text((index, *where), (*path, *where), text, rewrites=False)


def _begun(block: Json, index: Any, path: Path) -> list[Text | Tool | Hold]:
    """The start of a block; a tool's has an empty input, which its deltas then fill."""
    return [
        Tool(part.key, part.name, arguments_of(block.get("input") or None)) if isinstance(part, Tool) else part
        for part in _block(block, index, path)
    ]


def _delta(delta: Json, index: Any) -> list[Text | Tool | Hold]:
    kind = delta.get("type")
    if kind == "text_delta":
        return [Text((index, "text"), ("delta", "text"), texted(delta.get("text"), "text"))]
    if kind == "thinking_delta":
        thinking = texted(delta.get("thinking"), "thinking")
        return [Text((index, "thinking"), ("delta", "thinking"), thinking, rewrites=False)]
    if kind == "input_json_delta":
        return [Tool((index, "tool"), "", texted(delta.get("partial_json"), "partial_json"))]
    if kind == "citations_delta":
        return list(_cited(mapped(delta.get("citation"), "citation"), index, ("delta", "citation")))
    return list(_others(delta, index, ("delta",)))
