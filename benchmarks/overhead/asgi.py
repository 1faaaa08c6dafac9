"""The ASGI middleware around a FastAPI application, called as a server would, without one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from guardian.adapters.asgi import GuardianMiddleware

from overhead.bench import Bench, Row
from overhead.texts import ANSWER, WORDS, new_prompt


def application() -> FastAPI:
    app = FastAPI()

    @app.post("/ask")
    async def ask(body: dict[str, str]) -> dict[str, str]:
        return {"answer": ANSWER}

    @app.post("/stream")
    async def stream(body: dict[str, str]) -> StreamingResponse:
        return StreamingResponse(events(), media_type="text/event-stream")

    async def events() -> AsyncIterator[str]:
        for word in WORDS:
            yield f"data: {json.dumps({'token': word})}\n\n"

    return app


async def call(app: Any, path: str) -> None:
    """One request, as a server hands it to an application. AssertionError unless it is answered with 200."""
    body = json.dumps({"prompt": new_prompt()}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    requests = iter([{"type": "http.request", "body": body, "more_body": False}])
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if (message := next(requests, None)) is not None:
            return message
        await asyncio.Event().wait()  # the client stays until the answer is complete
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    assert sent[0]["status"] == 200, sent


def rows(bench: Bench) -> list[Row]:
    return asyncio.run(_rows(bench))


async def _rows(bench: Bench) -> list[Row]:
    plain = application()
    guarded = application()
    guarded.add_middleware(GuardianMiddleware, guardian=bench.guardian)
    return [
        await bench.arow("ASGI, JSON", lambda: call(plain, "/ask"), lambda: call(guarded, "/ask")),
        await bench.arow(
            f"ASGI, event stream of {len(WORDS)} words",
            lambda: call(plain, "/stream"),
            lambda: call(guarded, "/stream"),
        ),
    ]
