"""The streams of OpenAI's Responses: many kinds of events, and every text comes again in whole at the end."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace

from guardian.adapters._responses_items import CALLS, item_parts, message_parts, refusing_item, response_parts
from guardian.adapters._wire import (
    Hold,
    Json,
    Key,
    Read,
    Text,
    Tool,
    listed,
    mapped,
    new_id,
    numbered,
    strings,
    summary,
    texted,
)

from guardian import Verdict

_DELTAS: Mapping[str, tuple[str, str]] = {
    "response.output_text.delta": ("content", "content_index"),
    "response.refusal.delta": ("content", "content_index"),
    "response.reasoning_text.delta": ("content", "content_index"),
    "response.reasoning_summary_text.delta": ("summary", "summary_index"),
    "response.audio.transcript.delta": ("audio", "content_index"),
}
"""Events that go on with a text: the list of its item it is in, and where they say its place in that list."""

_DONE: Mapping[str, tuple[str, str, str]] = {
    "response.output_text.done": ("content", "content_index", "text"),
    "response.refusal.done": ("content", "content_index", "refusal"),
    "response.reasoning_text.done": ("content", "content_index", "text"),
    "response.reasoning_summary_text.done": ("summary", "summary_index", "text"),
}
"""Events that end a text, and where they say it again."""

_PARTS = frozenset(
    {
        "response.content_part.added",
        "response.content_part.done",
        "response.reasoning_summary_part.added",
        "response.reasoning_summary_part.done",
    }
)


class ResponsesReader:
    """One stream of Responses. Items that call a tool are held from their first event to their last."""

    closing = b""

    def __init__(self) -> None:
        self._tools: set[int | None] = set()
        self._response: Json = {}
        self._items: dict[int, Json] = {}  # what has left, by output_index
        self._open: int | None = None
        self._sequence = -1

    # -- reading

    def read(self, data: Json) -> Read:
        kind, index = str(data.get("type")), numbered(data.get("output_index"), "output_index")
        if kind in _DELTAS:
            return Read([_delta(data, index, *_DELTAS[kind])])
        if kind in _DONE:
            return _done(data, index, *_DONE[kind])
        if kind in _PARTS:
            part = {"content": [mapped(data.get("part"), "part")]}
            wholes = [t for t in item_parts(part, index, ()) if isinstance(t, Text)]
            return Read(wholes=[replace(t, path=("part", *t.path[2:])) for t in wholes])
        if kind == "response.output_item.done":
            item = mapped(data.get("item"), "item")
            return Read(_held(index), list(item_parts(item, index, ("item",))), [(index,)])
        if kind == "response.output_item.added":
            return self._added(mapped(data.get("item"), "item"), index)
        if kind == "response.output_text.annotation.added":
            notes = strings(data.get("annotation"))
            return Read(wholes=[Text((index, kind), ("annotation", *w), text, rewrites=False) for w, text in notes])
        if kind.startswith("response.audio."):  # of no item: its transcript is read
            return Read(_held("audio"))
        if (response := data.get("response")) is not None:
            return _whole(mapped(response, "response"))
        return Read(_held(index) if kind.endswith((".delta", ".done")) or index in self._tools else [])

    def _added(self, item: Json, index: int | None) -> Read:
        if str(item.get("type")) in CALLS:
            self._tools.add(index)
            return Read(_held(index))
        return Read(wholes=list(item_parts(item, index, ("item",))))

    def without(self, data: Json, group: int) -> Json | None:  # noqa: ARG002  (there is one choice)
        return None

    def truncate(self, data: Json, group: int) -> None:
        """An event says one thing: where that is a text, nothing is to be dropped."""

    def altered(self, data: Json) -> None:
        """Drop the tokens of what was changed."""
        items = [data.get("item"), *((data.get("response") or {}).get("output") or [])]
        for part in (data, data.get("part"), *message_parts(item for item in items if item)):
            if part and part.get("logprobs"):
                part["logprobs"] = []

    # -- ending

    def left(self, data: Json) -> None:
        kind, index = data.get("type"), data.get("output_index")
        if (number := numbered(data.get("sequence_number"), "sequence_number")) is not None:
            self._sequence = max(self._sequence, number)
        if isinstance(response := data.get("response"), dict):
            self._response = response
        if not isinstance(index, int):
            return
        if kind in ("response.output_item.added", "response.output_item.done"):
            self._items[index] = deepcopy(data["item"])
            self._open = index if kind.endswith("added") else None
        elif kind == "response.content_part.added" and index in self._items:
            item = self._items[index]
            item["content"] = [*listed(item.get("content") or [], "content"), deepcopy(data["part"])]
        elif kind == "response.output_text.delta" and (part := self._last_part(index)) is not None:
            part["text"] = (part.get("text") or "") + data["delta"]

    def ending(self, group: int, reply: str, verdict: Verdict) -> list[tuple[str | None, Json]]:  # noqa: ARG002
        """Close the item that is open, refuse in one of its own, and end the response as incomplete."""
        item = refusing_item(reply)
        index = max(self._items, default=-1) + 1
        here = {"output_index": index, "item_id": item["id"], "content_index": 0}
        (part,) = item["content"]
        events = [
            *self._closed(),
            {
                "type": "response.output_item.added",
                "output_index": index,
                "item": item | {"content": [], "status": "in_progress"},
            },
            {"type": "response.content_part.added", **here, "part": part | {"refusal": ""}},
            {"type": "response.refusal.delta", **here, "delta": reply},
            {"type": "response.refusal.done", **here, "refusal": reply},
            {"type": "response.content_part.done", **here, "part": part},
            {"type": "response.output_item.done", "output_index": index, "item": item},
        ]
        self._items[index] = item
        response = self._response | {
            "status": "incomplete",
            "incomplete_details": {"reason": "content_filter"},
            "output": [self._items[number] for number in sorted(self._items)],
            "guardian": summary(verdict),
        }
        response.setdefault("id", new_id("resp"))
        events.append({"type": "response.incomplete", "response": response})
        return [
            (event["type"], event | {"sequence_number": self._sequence + number})
            for number, event in enumerate(events, 1)
        ]

    def _closed(self) -> list[Json]:
        """The events that close what is open, with as much of it as has left."""
        if self._open is None:
            return []
        index, item = self._open, self._items[self._open]
        item["status"] = "incomplete"
        events: list[Json] = []
        part = self._last_part(index)
        if part is not None and part.get("type") == "output_text":
            place = len(item["content"]) - 1
            here = {"output_index": index, "item_id": item.get("id"), "content_index": place}
            text = part.get("text", "")
            events += [
                {"type": "response.output_text.done", **here, "text": text, "logprobs": []},
                {"type": "response.content_part.done", **here, "part": part},
            ]
        return [*events, {"type": "response.output_item.done", "output_index": index, "item": item}]

    def _last_part(self, index: int) -> Json | None:
        parts: list[Json] = self._items.get(index, {}).get("content") or []
        return parts[-1] if parts else None


def _delta(data: Json, index: int | None, field: str, place: str) -> Text:
    return Text(
        _key(data, index, field, place), ("delta",), texted(data.get("delta"), "delta"), rewrites=field != "audio"
    )


def _done(data: Json, index: int | None, field: str, place: str, name: str) -> Read:
    key = _key(data, index, field, place)
    return Read(wholes=[Text(key, (name,), texted(data.get(name), name))], done=[key])


def _key(data: Json, index: int | None, field: str, place: str) -> Key:
    return index, field, numbered(data.get(place), place)


def _held(index: int | str | None) -> list[Text | Tool | Hold]:
    """What waits until its item is done: a tool's, and pieces that are no text, such as sound."""
    return [Hold((index, "held"))]


def _whole(response: Json) -> Read:
    output = response if response.get("output") is not None else response | {"output": []}
    wholes = list(response_parts(output, ("response",)))
    if not wholes and response.get("status") == "in_progress":
        return Read()
    return Read(wholes=wholes, done=[(), ("audio",), *((index,) for index in range(len(output["output"])))])
