"""An upstream in this process: answers of OpenAI and Anthropic in their wire formats, whole and as events."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from types import ModuleType
from typing import Any

import httpx
import httpx2

from overhead.texts import ANSWER, CHAT_HEAD, WORDS

Json = dict[str, Any]

_MESSAGE: Json = {"id": "m", "type": "message", "role": "assistant", "model": "m"}

MESSAGE: Json = {
    **_MESSAGE,
    "content": [{"type": "text", "text": ANSWER}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 1, "output_tokens": 1},
}


def chat_events() -> list[bytes]:
    """A streamed chat completion, a word an event."""

    def event(delta: Json, finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return _event({**CHAT_HEAD, "object": "chat.completion.chunk", "choices": [choice]})

    words = [event({"content": word}) for word in WORDS]
    return [event({"role": "assistant", "content": ""}), *words, event({}, "stop"), b"data: [DONE]\n\n"]


def message_events() -> list[bytes]:
    """A streamed message of Anthropic, a word an event."""
    usage = {"input_tokens": 1, "output_tokens": 1}
    start = {**_MESSAGE, "content": [], "stop_reason": None, "usage": usage}
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    deltas = [{"type": "text_delta", "text": word} for word in WORDS]
    events = [
        {"type": "message_start", "message": start},
        block,
        *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage},
        {"type": "message_stop"},
    ]
    return [_event(event, named=True) for event in events]


def _event(data: Json, *, named: bool = False) -> bytes:
    name = f"event: {data['type']}\n" if named else ""
    return f"{name}data: {json.dumps(data)}\n\n".encode()


class Events(httpx.SyncByteStream, httpx2.SyncByteStream, httpx.AsyncByteStream, httpx2.AsyncByteStream):
    """A body that comes in these chunks, in either library, sync and async."""

    def __init__(self, chunks: Sequence[bytes]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._chunks)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk


def upstream(library: ModuleType, answer: Json | list[bytes]) -> Any:
    """A transport of httpx or httpx2 behind which this is answered: an object as JSON, chunks as an event stream."""
    if isinstance(answer, dict):
        return library.MockTransport(lambda _: library.Response(200, json=answer))
    headers = {"content-type": "text/event-stream"}
    return library.MockTransport(lambda _: library.Response(200, headers=headers, stream=Events(answer)))
