"""What an application answers to one request, checked on its way to the client, for the ASGI middleware."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, Protocol

from guardian.adapters._asgi_events import GuardedEvents
from guardian.adapters._asgi_forms import Form, PlainText, WholeForm, begins_as_text, form_of
from guardian.adapters._asgi_framing import framing_of
from guardian.adapters._asgi_guard import HEADER, Guard, gravest, shown, task
from guardian.adapters._asgi_http import Decoder, Message, Send, header, media_type, problem, without
from guardian.adapters._asgi_routes import Request, Route, Text, ToolCall, refuses, silenced, texts, tool_calls
from guardian.adapters._asgi_text import GuardedText

from guardian import GuardUnavailable, InputError, Verdict
from guardian.extract import replaced


class _Stream(Protocol):
    """An answer that comes piece by piece: what is fed leaves when it is clear."""

    @property
    def form(self) -> Form: ...
    @property
    def stopped(self) -> Verdict | None: ...
    async def feed(self, chunk: bytes) -> bytes: ...
    async def finish(self) -> bytes: ...

    def ending(self, reply: str | None) -> bytes | None:
        """What ends it where it was cut; None where it cannot say without a reply that it was."""


class Answer:
    """Takes what the application sends, and sends on what may leave. `verdict` is that on the request."""

    def __init__(self, guard: Guard, request: Request, routes: Sequence[Route], verdict: Verdict, send: Send) -> None:
        self._guard = guard
        self._asked = task(request)
        self._routes = routes
        self._verdict = verdict
        self._send = send
        self._take: Send = send
        self._start: Message = {}
        self._decoder = Decoder(())
        self._data = bytearray()
        self._begun = False
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
            if self._begun:
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
        self._start = message
        self._decoder = Decoder(headers)
        if status in (HTTPStatus.NO_CONTENT, HTTPStatus.RESET_CONTENT) or status not in range(200, 300):
            await self._send_start(self._verdict)
        elif (framing := framing_of(media_type(headers))) is not None:
            self._may_decode()
            self._take = partial(self._rewrite, GuardedEvents(self._guard, self._asked, self._routes, framing))
            await self._send_start(self._verdict, resized=True)
        elif (form := form_of(headers)) is not None:
            self._may_decode()
            self._take = partial(self._text, form) if isinstance(form, PlainText) else partial(self._collect, form)
        elif not header(headers, b"content-type") and not header(headers, b"content-encoding"):
            self._take = self._untyped
        else:
            await self._pass()

    async def _pass(self) -> None:
        """Let an answer through that cannot be read, unless the routes refuse such."""
        if refuses(self._routes):
            raise InputError("the answer has no text where it is expected")
        self._take = self._send
        await self._send_start(self._verdict)

    async def _untyped(self, message: Message) -> None:
        """An answer that does not say what it is, as Starlette's streams do not unless told: text if it begins so."""
        data = message.get("body", b"")
        if not data and message.get("more_body", False):
            return
        if begins_as_text(data):
            self._take = partial(self._text, PlainText())
        else:
            await self._pass()
        await self._take(message)

    def _may_decode(self) -> None:
        if not self._decoder.known:
            raise InputError("the answer is coded in a way that cannot be read")

    async def _send_start(self, verdict: Verdict, *, resized: bool = False, size: int | None = None) -> None:
        stale = (b"content-length", b"content-encoding", b"transfer-encoding") if resized else ()
        headers = without(self._start.get("headers", ()), HEADER, *stale)
        if size is not None:
            headers.append((b"content-length", str(size).encode()))
        self._begun = True
        await self._send({**self._start, "headers": [*headers, (HEADER, shown(verdict))]})

    async def _send_body(self, data: bytes, *, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    async def _text(self, form: PlainText, message: Message) -> None:
        """Plain text comes whole, which its length or its first piece says, or else as a stream."""
        sized = header(self._start.get("headers", ()), b"content-length")
        if sized or not message.get("more_body", False):
            self._take = partial(self._collect, form)
        else:
            self._take = partial(self._rewrite, GuardedText(self._guard.stream_guard(self._asked), form))
        await self._take(message)

    async def _collect(self, form: WholeForm, message: Message) -> None:
        """A whole body: nothing of it leaves until all of it was checked."""
        self._data += self._decoder.feed(message.get("body", b""))
        if message.get("more_body", False):
            return
        body = form.parsed(self._data)
        route, parts, calls = self._texts(form, body)
        if route is None:
            if self._data and refuses(self._routes):
                raise InputError("the answer has no text where it is expected")
            await self._release(bytes(self._data), self._verdict)
            return
        verdict, changes, stopped = await self._guard.check_answer(self._asked, parts, calls)
        if stopped:
            await self._guard.refuse(self._send, verdict, route, form)
            self._end(message)
            return
        data = form.written(silenced(replaced(body, changes), route)) if changes else bytes(self._data)
        await self._release(data, gravest(self._verdict, verdict))

    def _texts(self, form: WholeForm, body: Any) -> tuple[Route | None, Sequence[Text], Sequence[ToolCall]]:
        """What there is to check in a body, and the first route that finds anything."""
        for route in self._routes:
            parts, calls = texts(body, form.places(route)), tool_calls(body, route)
            if parts or calls:
                return route, parts, calls
        return None, (), ()

    async def _release(self, data: bytes, verdict: Verdict) -> None:
        await self._send_start(verdict, resized=True, size=len(data))
        await self._send_body(data, more=False)

    async def _rewrite(self, stream: _Stream, message: Message) -> None:
        """A stream: what is cleared of it leaves. Where it has no head yet, that leaves with the first of it."""
        more = message.get("more_body", False)
        data = await stream.feed(self._decoder.feed(message.get("body", b"")))
        if not more:
            data += await stream.finish()
        if stream.stopped is not None:
            await self._stop(stream, stream.stopped, data)
            self._end(message)
        elif data or not more:
            await self._forward(data, more=more)

    async def _stop(self, stream: _Stream, verdict: Verdict, data: bytes) -> None:
        """End a stream that was cut. Where nothing can end it but a reply, and there is none, it is broken off."""
        if not (self._begun or data):
            await self._guard.refuse(self._send, verdict, self._routes[0], stream.form)
            return
        ending = stream.ending(self._guard.reply(verdict))
        if ending is None:
            self._failure = verdict.error()
        await self._forward(data + (ending or b""), more=ending is None)

    async def _forward(self, data: bytes, *, more: bool) -> None:
        if not self._begun:
            await self._send_start(self._verdict, resized=True)
        await self._send_body(data, more=more)
