"""What an application answers to one request, checked on its way to the client, for the ASGI middleware."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any

from guardian.adapters._asgi_events import GuardedEvents
from guardian.adapters._asgi_framing import framing_of
from guardian.adapters._asgi_guard import HEADER, Guard, gravest, shown, task
from guardian.adapters._asgi_http import Decoder, Message, Send, is_json, media_type, problem, without
from guardian.adapters._asgi_paths import replaced
from guardian.adapters._asgi_routes import Request, Route, Text, ToolCall, refuses, silenced, texts, tool_calls

from guardian import GuardUnavailable, InputError, Verdict


class Answer:
    """Takes what the application sends, and sends on what may leave. `verdict` is that on the request."""

    def __init__(self, guard: Guard, request: Request, routes: Sequence[Route], verdict: Verdict, send: Send) -> None:
        self._guard = guard
        self._request = request
        self._routes = routes
        self._verdict = verdict
        self._send = send
        self._take: Send = send
        self._start: Message = {}
        self._decoder = Decoder(())
        self._data = bytearray()
        self._events: GuardedEvents | None = None
        self._over = False
        self._cut = False
        self._running: asyncio.Future[None] | None = None
        self._failure: Exception | None = None

    async def run(self, app: Awaitable[None]) -> None:
        """Run the application until it is done; where the guard cuts its answer short, it is cancelled."""
        self._running = running = asyncio.ensure_future(app)
        try:
            await asyncio.wait((running,))
        finally:
            if not running.done():
                running.cancel()
                await asyncio.wait((running,))
        if not self._cut:
            running.result()
        elif not running.cancelled():
            running.exception()  # it was told that the client is gone: what it makes of that is of no interest
        if self._failure is not None:
            raise self._failure

    async def send(self, message: Message) -> None:
        """The application's `send`. OSError where the answer is over, as a server has it where a client is gone."""
        if self._over:
            raise OSError("the guard has ended this answer")
        if message["type"] not in ("http.response.start", "http.response.body"):
            raise RuntimeError(f"{message['type']} belongs to an extension that the application was not offered")
        try:
            if message["type"] == "http.response.start":
                await self._begin(message)
            else:
                await self._take(message)
        except (GuardUnavailable, InputError) as failure:
            if self._events is not None:
                self._failure = failure
            elif isinstance(failure, GuardUnavailable):
                await problem(self._send, HTTPStatus.SERVICE_UNAVAILABLE, str(failure))
            else:
                await problem(self._send, HTTPStatus.BAD_GATEWAY, failure.message)
            self._end(message)

    def _end(self, message: Message) -> None:
        """Nothing more is sent after this message of the application.

        If it has more to say it is cancelled, so that what it waits for is closed. If not, what it does afterwards is
        its own affair, such as its background tasks.
        """
        self._over = True
        if self._running is not None and (message["type"] == "http.response.start" or message.get("more_body", False)):
            self._cut = True
            self._running.cancel()

    async def _begin(self, message: Message) -> None:
        """Choose by the head of the answer how its body is read."""
        headers, status = message.get("headers", ()), message["status"]
        media, framing = media_type(headers), framing_of(media_type(headers))
        self._start = message
        self._decoder = Decoder(headers)
        if status in (HTTPStatus.NO_CONTENT, HTTPStatus.RESET_CONTENT) or status not in range(200, 300):
            await self._send_start(self._verdict)
        elif is_json(media) or framing is not None:
            if not self._decoder.known:
                raise InputError("the answer is coded in a way that cannot be read")
            self._take = self._collect
            if framing is not None:
                opened = partial(self._guard.stream_guard, task(self._request))
                self._events = GuardedEvents(self._guard.guardian, self._routes, opened, framing)
                self._take = self._rewrite
                await self._send_start(self._verdict, resized=True)
        elif refuses(self._routes):
            raise InputError("the answer has no text where it is expected")
        else:
            await self._send_start(self._verdict)

    async def _send_start(self, verdict: Verdict, *, resized: bool = False, size: int | None = None) -> None:
        stale = (b"content-length", b"content-encoding", b"transfer-encoding") if resized else ()
        headers = without(self._start.get("headers", ()), HEADER, *stale)
        if size is not None:
            headers.append((b"content-length", str(size).encode()))
        await self._send({**self._start, "headers": [*headers, (HEADER, shown(verdict))]})

    async def _collect(self, message: Message) -> None:
        """A JSON body: nothing of it leaves until all of it was checked."""
        self._data += self._decoder.feed(message.get("body", b""))
        if message.get("more_body", False):
            return
        body = _parsed(self._data)
        route, parts, calls = self._texts(body)
        if route is None:
            if self._data and refuses(self._routes):
                raise InputError("the answer has no text where it is expected")
            await self._release(bytes(self._data), self._verdict)
            return
        verdict, changes, stopped = await self._guard.check_answer(task(self._request), parts, calls)
        if stopped:
            await self._guard.refuse(self._send, verdict, route, None)
            self._end(message)
            return
        data = json.dumps(silenced(replaced(body, changes), route)).encode() if changes else bytes(self._data)
        await self._release(data, gravest(self._verdict, verdict))

    def _texts(self, body: Any) -> tuple[Route | None, Sequence[Text], Sequence[ToolCall]]:
        """What there is to check in a body, and the first route that finds anything."""
        for route in self._routes:
            parts, calls = texts(body, route.answer), tool_calls(body, route)
            if parts or calls:
                return route, parts, calls
        return None, (), ()

    async def _release(self, data: bytes, verdict: Verdict) -> None:
        await self._send_start(verdict, resized=True, size=len(data))
        await self._send({"type": "http.response.body", "body": data, "more_body": False})

    async def _rewrite(self, message: Message) -> None:
        """An event stream: events leave as they are cleared."""
        if self._events is None:
            return
        more = message.get("more_body", False)
        data = await self._events.feed(self._decoder.feed(message.get("body", b"")))
        if not more:
            data += await self._events.finish()
        stopped = self._events.stopped
        if stopped is not None:
            data += self._events.ending(self._guard.reply(stopped) or "")
        if data or not more or stopped is not None:
            await self._send({"type": "http.response.body", "body": data, "more_body": more and stopped is None})
        if stopped is not None:
            self._end(message)


def _parsed(data: bytes | bytearray) -> Any:
    """The parsed body, None where there is none. InputError where it is not what its type says."""
    try:
        return json.loads(data) if data else None
    except (ValueError, RecursionError):
        raise InputError("the answer is not JSON that can be read") from None
