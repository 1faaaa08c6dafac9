"""An application under the ASGI middleware, for its tests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import httpx
from guardian.adapters.asgi import GuardianMiddleware
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route as PathRoute

from guardian import Guardian, Policy, ScriptedBackend
from tests.chunks import chunked

RULES = {
    "bomb": {"harm": 0.97, "weapons": 0.9},
    "ignore all previous": {"injection": 0.95},
    "rm -rf": {"harm": 0.9, "cyber": 0.9},
}
REDACT = {"stages": {s: {"harm": "redact", "injection": "redact"} for s in ("prompt", "document", "response")}}
SIZE = 64
CALM = "calm words go on and on. "
App = Callable[[Any, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]


def a_guardian(policy: Mapping[str, Any] | None = None, **backend: Any) -> Guardian:
    return Guardian(backend=ScriptedBackend(RULES, **backend), policy=Policy.from_mapping(policy or {}))


def under_guard(app: App, guardian: Guardian | None = None, **options: Any) -> App:
    return GuardianMiddleware(app, guardian=guardian or a_guardian(), holdback_chars=SIZE, **options)


def ask(app: App, body: Any = None, path: str = "/ask", **options: Any) -> httpx.Response:
    """What an application answers to a POST."""

    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://site") as client:
            given = options if body is None else {"json": body, **options}
            return await client.post(path, **given)

    return asyncio.run(send())


class Site:
    """An application with one route, which keeps the bodies it got, under guard."""

    def __init__(self, answer: Callable[[Any], Response], guardian: Guardian | None = None, **options: Any) -> None:
        self.got: list[bytes] = []
        self._answer = answer
        app = Starlette(routes=[PathRoute("/ask", self._ask, methods=["GET", "POST"])])
        self.app = under_guard(app, guardian, **options)

    async def _ask(self, request: Request) -> Response:
        self.got.append(await request.body())
        return self._answer(json.loads(self.got[-1] or b"null"))

    def post(self, body: Any = None, path: str = "/ask", **options: Any) -> httpx.Response:
        return ask(self.app, body, path, **options)


def echo(_: Any) -> Response:
    return JSONResponse({"answer": "You asked."})


def saying(value: Any) -> Callable[[Any], Response]:
    return lambda _: JSONResponse(value)


def streaming(
    text: str, sizes: Sequence[int] = (10_000,), media: str = "text/event-stream", charset: str = "utf-8"
) -> Callable[[Any], Response]:
    """An application that streams these bytes, in pieces of these sizes, wherever they cut."""
    raw = text.encode(charset)

    async def body() -> AsyncIterator[bytes]:
        for piece in chunked(raw.decode("latin-1"), sizes):
            yield piece.encode("latin-1")

    return lambda _: StreamingResponse(body(), media_type=media)


def completion(text: str | None, **message: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": "stop"}
    return {"id": "chatcmpl-1", "object": "chat.completion", "choices": [choice]}


CHAT = {"messages": [{"role": "user", "content": "How do I sharpen a knife?"}]}
PROMPT = {"prompt": "How do I sharpen a knife?"}


def events(text: str) -> list[str]:
    """The data of the events of a stream."""
    return [
        "\n".join(line.removeprefix("data: ") for line in event.split("\n") if line.startswith("data"))
        for event in text.replace("\r\n", "\n").split("\n\n")
        if any(line.startswith("data") for line in event.split("\n"))
    ]


async def exchange(app: App, *pieces: bytes, headers: Sequence[tuple[bytes, bytes]] = (), **scope: Any) -> list[Any]:
    """The messages that answer one request, whose body comes in these pieces; the client stays until it is answered."""
    coming = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    coming.append({"type": "http.request", "body": b"", "more_body": False})
    sent: list[Any] = []

    async def receive() -> Any:
        if coming:
            return coming.pop(0)
        return await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    await app({"type": "http", "method": "POST", "path": "/ask", "headers": list(headers), **scope}, receive, send)
    return sent


async def drive(app: App, body: Any, sent: list[bytes], *, then: Callable[[], Any] | None = None) -> None:
    """One request at the level of messages; `then` is awaited before the client goes."""
    raw = json.dumps(body).encode()
    scope = {"type": "http", "method": "POST", "path": "/ask", "headers": [(b"content-type", b"application/json")]}
    messages = iter([{"type": "http.request", "body": raw, "more_body": False}])

    async def receive() -> Any:
        if (message := next(messages, None)) is not None:
            return message
        if then is not None:
            await then()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            sent.append(message["body"])

    await app(scope, receive, send)
