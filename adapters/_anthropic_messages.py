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
    Turn,
    arguments_of,
    filled,
    listed,
    mapped,
    new_id,
    summary,
    texted,
)

from guardian import Verdict

_CALLS = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
_NO_TEXT: Json = {"type": "text", "text": ""}


class Messages:
    """Anthropic's Messages. Documents among the parts of a message are checked as documents."""

    asks = True

    def ask(self, body: Json) -> Asked:
        turns: list[Turn] = []
        documents: list[tuple[Path, str]] = []
        for index, message in enumerate(filled(body.get("messages"), "messages")):
            content, path = message.get("content"), ("messages", index, "content")
            if message.get("role") == "user" and isinstance(content, list):
                documents += [d for i, part in enumerate(content) for d in _documents(part, (*path, i))]
                content = [_NO_TEXT if _is_document(part) else _shown(part) for part in content]
            turns.append(Turn({"role": message.get("role"), "content": content}, path))
        return Asked(turns, documents)

    def restored(self, original: Any, changed: Any) -> Any:
        """Redacted content with its documents, and the results of tools, in the shape they had."""
        if not isinstance(original, list) or not isinstance(changed, list):
            return changed
        return [old if _is_document(old) else _put_back(old, new) for old, new in zip(original, changed, strict=True)]

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
        if kind == "content_block_start":
            block = mapped(data.get("content_block"), "content_block")
            return Read(_begun(block, data.get("index"), ("content_block",)))
        if kind == "content_block_delta":
            return Read(_delta(mapped(data.get("delta"), "delta"), data.get("index")))
        if kind == "content_block_stop":
            return Read(done=[(data.get("index"),)])
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


# -- requests


def _is_document(part: Any) -> bool:
    return isinstance(part, dict) and bool(_source(part))


def _source(part: Json) -> str | None:
    """The key under which a part has the text of a document; images and files have none."""
    if part.get("type") == "search_result":
        return "content"
    source = part.get("source")
    if part.get("type") == "document" and isinstance(source, dict) and source.get("type") in ("text", "content"):
        return "source"
    return None


def _documents(part: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """The texts of a document: in one piece, or in parts."""
    if not _is_document(part):
        return
    key = "data" if part["type"] == "document" and part["source"]["type"] == "text" else "content"
    value, where = (part, path) if part["type"] == "search_result" else (part["source"], (*path, "source"))
    value, where = value.get(key), (*where, key)
    if isinstance(value, list):
        for index, inner in enumerate(listed(value, "document")):
            if inner.get("type", "text") == "text":
                yield (*where, index, "text"), texted(inner.get("text"), "document.text")
    else:
        yield where, texted(value, "document")


def _shown(part: Any) -> Any:
    """A part as a guard reads it: documents that a tool gives are part of its result."""
    if not isinstance(part, dict):
        return part
    if part.get("type") == "tool_result" and isinstance(part.get("content"), list):
        return part | {"content": [_shown(inner) for inner in part["content"]]}
    if (key := _source(part)) is None:
        return part
    text = part["content"] if key == "content" else part["source"].get("data", part["source"].get("content"))
    return {"type": "tool_result", "content": text}


def _put_back(part: Any, changed: Any) -> Any:
    """What `_shown` made, redacted, in the shape that the part had."""
    if not isinstance(part, dict):
        return changed
    if part.get("type") == "tool_result" and isinstance(part.get("content"), list):
        inner = zip(part["content"], changed["content"], strict=True)
        return part | {"content": [_put_back(old, new) for old, new in inner]}
    if (key := _source(part)) is None:
        return changed
    if key == "content":
        return part | {"content": changed["content"]}
    field = "data" if part["source"]["type"] == "text" else "content"
    return part | {"source": part["source"] | {field: changed["content"]}}


# -- answers


def _block(block: Json, index: int, path: Path) -> Iterator[Text | Tool]:
    kind = block.get("type")
    if kind == "text":
        yield Text((index, "text"), (*path, "text"), texted(block.get("text"), "text"))
    elif kind == "thinking":  # signed: it cannot be changed
        yield Text((index, "thinking"), (*path, "thinking"), texted(block.get("thinking"), "thinking"), rewrites=False)
    elif kind in _CALLS:
        yield Tool((index, "tool"), texted(block.get("name"), "name"), arguments_of(block.get("input")))


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
    return []
