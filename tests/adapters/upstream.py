"""Upstreams for the tests of adapters: they speak the APIs' true wire formats, and say what became of them."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import httpx2

from tests.chunks import chunked

Json = dict[str, Any]


# -- streams of events


def sse(*events: Json | str, named: bool = False) -> bytes:
    """Server-sent events with these data; a str stands as it is."""
    return b"".join(
        event.encode()
        if isinstance(event, str)
        else (f"event: {event['type']}\n" if named else "").encode() + b"data: " + json.dumps(event).encode() + b"\n\n"
        for event in events
    )


def events_of(content: bytes) -> list[Json]:
    """The data of server-sent events that are JSON."""
    lines = [line.removeprefix("data: ") for line in content.decode().splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def chat_chunk(finish: str | None = None, index: int = 0, **delta: Any) -> Json:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [{"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}],
    }


def chat_stream(text: str, length: int = 1) -> bytes:
    """A streamed chat completion, with usage and the end mark."""
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return sse(
        chat_chunk(role="assistant", content=""),
        *(chat_chunk(content=part) for part in chunked(text, [length])),
        chat_chunk("stop"),
        chat_chunk() | {"choices": [], "usage": usage},
        "data: [DONE]\n\n",
    )


def chat_answer(*texts: str, **message: Any) -> Json:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {
                "index": i,
                "message": {"role": "assistant", "content": text, **message},
                "logprobs": None,
                "finish_reason": "stop",
            }
            for i, text in enumerate(texts)
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }


def messages_answer(*blocks: Json) -> Json:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": list(blocks),
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }


def messages_stream(*blocks: tuple[Json, Sequence[Json]]) -> bytes:
    """A streamed message: every block with its deltas."""
    start = messages_answer() | {"stop_reason": None}
    events: list[Json] = [{"type": "message_start", "message": start}, {"type": "ping"}]
    for index, (block, deltas) in enumerate(blocks):
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    delta = {"stop_reason": "end_turn", "stop_sequence": None}
    events += [{"type": "message_delta", "delta": delta, "usage": {"output_tokens": 5}}, {"type": "message_stop"}]
    return sse(*events, named=True)


def text_block(text: str, length: int = 1) -> tuple[Json, list[Json]]:
    return {"type": "text", "text": ""}, [{"type": "text_delta", "text": part} for part in chunked(text, [length])]


def tool_block(name: str, arguments: str, length: int = 3) -> tuple[Json, list[Json]]:
    block = {"type": "tool_use", "id": "toolu_1", "name": name, "input": {}}
    return block, [{"type": "input_json_delta", "partial_json": part} for part in chunked(arguments, [length])]


def response_object(*output: Json, status: str = "completed") -> Json:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": "m",
        "output": list(output),
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
    }


def message_item(text: str) -> Json:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}


def call_item(name: str, arguments: str) -> Json:
    return {
        "id": "fc_1",
        "type": "function_call",
        "call_id": "c1",
        "name": name,
        "arguments": arguments,
        "status": "completed",
    }


def response_stream(*items: Json, length: int = 1) -> bytes:
    """A streamed response: messages with one text, and calls of functions."""
    first = response_object(status="in_progress")
    events: list[Json] = [{"type": "response.created", "response": first}]
    for index, item in enumerate(items):
        here = {"output_index": index, "item_id": item["id"]}
        if item["type"] == "function_call":
            begun = item | {"arguments": "", "status": "in_progress"}
            events.append({"type": "response.output_item.added", "output_index": index, "item": begun})
            kind = "response.function_call_arguments"
            events += [{"type": f"{kind}.delta", **here, "delta": p} for p in chunked(item["arguments"], [length])]
            done = {"arguments": item["arguments"], "name": item["name"]}
            events.append({"type": f"{kind}.done", **here, **done})
        else:
            begun = item | {"content": [], "status": "in_progress"}
            events.append({"type": "response.output_item.added", "output_index": index, "item": begun})
            (part,) = item["content"]
            here["content_index"] = 0
            events.append({"type": "response.content_part.added", **here, "part": part | {"text": ""}})
            events += [
                {"type": "response.output_text.delta", **here, "delta": p, "logprobs": []}
                for p in chunked(part["text"], [length])
            ]
            events.append({"type": "response.output_text.done", **here, "text": part["text"], "logprobs": []})
            events.append({"type": "response.content_part.done", **here, "part": part})
        events.append({"type": "response.output_item.done", "output_index": index, "item": item})
    events.append({"type": "response.completed", "response": response_object(*items)})
    return sse(*(event | {"sequence_number": i} for i, event in enumerate(events)), named=True)


# -- in the process


class Body(httpx.SyncByteStream, httpx2.SyncByteStream, httpx.AsyncByteStream, httpx2.AsyncByteStream):
    """The body of a response, in these chunks; `error` is raised after them."""

    def __init__(self, chunks: Sequence[bytes], error: Exception | None = None) -> None:
        self.chunks = chunks
        self.error = error
        self.closed = False
        self.given = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.chunks:
            self.given += 1
            yield chunk
        if self.error is not None:
            raise self.error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk

    def close(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.closed = True


# -- on a socket

Answer = tuple[int, str, Iterator[bytes]]
"""Status, content type, and the chunks of the body."""


class Server:
    """An HTTP server on this machine. `requests` are what it was asked; `hung_up` is set when a client goes away."""

    def __init__(self, answer: Callable[[str, Json], Answer]) -> None:
        self.requests: list[Json] = []
        self.hung_up = threading.Event()
        self.answer = answer

    def chunks(self, write: Callable[[bytes], Any], body: Iterator[bytes]) -> None:
        try:
            for chunk in body:
                write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            write(b"0\r\n\r\n")
        except OSError:
            self.hung_up.set()


@contextmanager
def served(answer: Callable[[str, Json], Answer]) -> Iterator[tuple[str, Server]]:
    """A server that answers so, and its base URL."""
    server = Server(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            server.requests.append(body)
            status, media_type, chunks = server.answer(self.path, body)
            self.send_response(status)
            self.send_header("content-type", media_type)
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            server.chunks(self.wfile.write, chunks)
            self.close_connection = True

        def log_message(self, *args: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{http.server_address[1]}", server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
