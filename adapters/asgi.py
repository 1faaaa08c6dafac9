"""A guard around the JSON and event-stream routes of an ASGI application, such as one of FastAPI or Starlette.

    app.add_middleware(GuardianMiddleware, guardian=Guardian())

Nothing but the standard library is needed. What is checked where, and how answers end that are stopped, is told in
docs/adapters/asgi.md.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from http import HTTPStatus
from typing import Any, Literal

from guardian.adapters._asgi_events import GuardedEvents, told
from guardian.adapters._asgi_routes import OPENAI, PLAIN, Place, Request, Route, read, replaced, silenced, texts
from guardian.adapters._asgi_routes import tool_calls as tool_calls_of

from guardian import (
    Action,
    ConfigError,
    Guardian,
    GuardUnavailable,
    InputError,
    StreamGuard,
    Verdict,
    checked_on_block,
    last_user_text,
    redact_messages,
)

__all__ = ["OPENAI", "PLAIN", "GuardianMiddleware", "Route"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]
Headers = Sequence[tuple[bytes, bytes]]

HEADER = b"x-guardian-verdict"

_BLANKS = b" \t\r\n\x00\xef\xbb\xbf\xfe\xff"  # of any encoding that JSON may have, its byte order mark too
_EVENTS = "text/event-stream"


class GuardianMiddleware:
    """Checks what clients send to `app` and what it answers.

    `routes` say where the texts are (`Route`). Without them any request with chat `messages` or a `prompt` is checked,
    and what cannot be read passes; a route of your own refuses that unless it says `unknown="pass"`.

    What the policy stops is answered with 403 and a problem in JSON, or with `on_block="reply"` (and under a policy
    whose action is `reply`) with the safeguard reply in the route's own shape; 403 is the default, because it is what
    clients of an API handle. A stream that has begun ends with an event that says so. A request of more than
    `max_body` bytes is refused with 413, or passes unchecked with `on_large="pass"`. An outage is 503 under a policy
    that fails closed; in a stream GuardUnavailable is raised, so that the server breaks the connection off. Every
    answer to a checked request has the header `x-guardian-verdict`: the action, then what was found.

    Other requests pass untouched, websockets too. Raises ConfigError for a wrong option.
    """

    def __init__(
        self,
        app: App,
        *,
        guardian: Guardian | None = None,
        routes: Sequence[Route] | None = None,
        on_block: Literal["raise", "reply"] = "raise",
        max_body: int = 1 << 20,
        on_large: Literal["refuse", "pass"] = "refuse",
        holdback_chars: int | None = None,
    ) -> None:
        checked_on_block(on_block)
        if on_large not in ("refuse", "pass"):
            raise ConfigError("on_large", "must be 'refuse' or 'pass'")
        if max_body < 1:
            raise ConfigError("max_body", f"must be at least 1, not {max_body}")
        self._app = app
        self._routes = (OPENAI, PLAIN) if routes is None else tuple(routes)
        self._max_body = max_body
        self._on_large = on_large
        holdback = {} if holdback_chars is None else {"holdback_chars": holdback_chars}
        self._guard = _Guard(guardian or Guardian(), on_block, holdback)
        self._guard.stream_guard("")  # raises where too little is to be held back

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        routes = [r for r in self._routes if scope["type"] == "http" and fnmatchcase(scope["path"], r.path)]
        if not routes:
            await self._app(scope, receive, send)
            return
        body = await _Body.read(scope, receive, self._max_body)
        if body.gone:
            return
        if body.large and self._on_large == "refuse":
            await _problem(send, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {self._max_body} bytes can be checked")
            return
        try:
            request = None if body.large or not body.looks_json else read(routes, body.parsed())
            if request is not None:
                await self._guarded(scope, body, request, routes, send)
                return
        except InputError as error:  # a known shape with a part that cannot be read is never passed on
            await _problem(send, HTTPStatus.UNPROCESSABLE_ENTITY, error.message)
            return
        if body.data and not body.large and _refuses(routes):
            await _problem(send, HTTPStatus.UNPROCESSABLE_ENTITY, "this request has no text where it is expected")
            return
        await self._app(scope, body.replay, send)

    async def _guarded(self, scope: Scope, body: _Body, request: Request, routes: Sequence[Route], send: Send) -> None:
        try:
            verdicts, changes = await self._guard.check(request)
        except GuardUnavailable as outage:
            await _problem(send, HTTPStatus.SERVICE_UNAVAILABLE, str(outage))
            return
        gravest = max(verdicts, key=lambda v: (v.action, v.would))
        if gravest.blocked:
            streamed = request.route.wants_stream(request.body) or _accepts(scope)
            await self._guard.refuse(send, gravest, request.route, streamed)
            return
        if changes:
            body = body.with_data(json.dumps(replaced(request.body, changes)).encode())
        answer = _Answer(self._guard, request, routes, gravest, send)
        # An answer that is compressed could not be read; what the server can do besides sending is not looked into.
        headers = _without(scope["headers"], b"accept-encoding", *([b"content-length"] if changes else []))
        if changes:
            headers.append((b"content-length", str(len(body.data)).encode()))
        await answer.run(self._app({**scope, "headers": headers, "extensions": {}}, body.replay, answer.send))


@dataclass(frozen=True, slots=True)
class _Guard:
    """What checks a request, and says what the policy makes of it."""

    guardian: Guardian
    on_block: Literal["raise", "reply"]
    holdback: Mapping[str, Any]

    async def check(self, request: Request) -> tuple[list[Verdict], dict[Place, Any]]:
        """The verdicts on a request, the gravest of which may stop it, and what is to be changed in its body."""
        verdicts: list[Verdict] = []
        changes: dict[Place, Any] = {}
        for place, chat in request.messages:
            verdicts.append(verdict := await self.guardian.acheck_messages(chat))
            if verdict.action is Action.REDACT:
                changes[place] = redact_messages(chat, verdict)
        prompts = [text.text for text in request.prompts]
        documents = [text.text for text in request.documents]
        found = await self.guardian.acheck_many(prompts) if prompts else []
        found += await self.guardian.acheck_documents(documents, task=_task(request)) if documents else []
        for text, verdict in zip((*request.prompts, *request.documents), found, strict=True):
            verdicts.append(verdict)
            if verdict.action is Action.REDACT:
                changes[text.place] = verdict.redact(text.text)
        return verdicts, changes

    async def refuse(self, send: Send, verdict: Verdict, route: Route, streamed: bool) -> None:
        """Answer in the place of the application."""
        headers = [(HEADER, _shown(verdict))]
        reply = self.reply(verdict)
        if reply is None:
            await _problem(send, HTTPStatus.FORBIDDEN, verdict.reason, headers, **told(verdict))
        elif streamed:
            body = {**route.refused_chunk(reply), "guardian": told(verdict)}
            events = [json.dumps(body), *([route.done] if route.done else [])]
            data = "".join(f"data: {event}\n\n" for event in events)
            await _respond(send, HTTPStatus.OK, f"{_EVENTS}; charset=utf-8", data.encode(), headers)
        else:
            body = {**route.refused(reply), "guardian": told(verdict)}
            await _respond(send, HTTPStatus.OK, "application/json", json.dumps(body).encode(), headers)

    def reply(self, verdict: Verdict) -> str | None:
        """The safeguard reply; None where the block is to be told as an error."""
        if verdict.action is not Action.REPLY and self.on_block == "raise":
            return None
        return verdict.reply or verdict.reason

    def stream_guard(self, prompt: str) -> StreamGuard:
        return self.guardian.stream_guard(prompt, **self.holdback)


@dataclass(slots=True)
class _Body:
    """The body of a request as far as it was read; `receive` gives the rest."""

    data: bytes
    declared: bool
    receive: Receive
    large: bool = False
    gone: bool = False
    complete: bool = False
    replayed: bool = False

    @classmethod
    async def read(cls, scope: Scope, receive: Receive, limit: int) -> _Body:
        """Read a body of at most `limit` bytes, or its beginning where it is no JSON.

        JSON is told by how it begins, too: an application may not care what a client calls it.
        """
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"")
        declared = _is_json(headers.get(b"content-type", b""))
        body = cls(b"", declared, receive, large=declared and length.isdigit() and int(length) > limit)
        while not (body.complete or body.large or body.is_other):
            message = await receive()
            if message["type"] == "http.disconnect":
                body.gone = True
                break
            body.data += message.get("body", b"")
            body.complete = not message.get("more_body", False)
            body.large = len(body.data) > limit
        return body

    @property
    def looks_json(self) -> bool:
        return self.data.lstrip(_BLANKS)[:1] in (b"{", b"[", b'"')

    @property
    def is_other(self) -> bool:
        return bool(self.data.lstrip(_BLANKS)) and not self.looks_json

    def parsed(self) -> Any:
        """The parsed body. InputError where it says that it is JSON and is not; None where it does not say so."""
        try:
            return json.loads(self.data)
        except (ValueError, RecursionError):
            if self.declared:
                raise InputError("the body is not JSON") from None
            return None

    def with_data(self, data: bytes) -> _Body:
        return _Body(data, self.declared, self.receive, complete=True)

    async def replay(self) -> Message:
        """`receive`, with what was read already at first."""
        if self.replayed:
            return await self.receive()
        self.replayed = True
        if not self.data and not self.complete:
            return await self.receive()
        return {"type": "http.request", "body": self.data, "more_body": not self.complete}


class _Answer:
    """What the application answers to one request, on its way to the client."""

    def __init__(self, guard: _Guard, request: Request, routes: Sequence[Route], verdict: Verdict, send: Send) -> None:
        self._guard = guard
        self._request = request
        self._routes = routes
        self._verdict = verdict
        self._send = send
        self._take: Send = send
        self._start: Message = {}
        self._data = bytearray()
        self._events: GuardedEvents | None = None
        self._over = False
        self._running: asyncio.Task[None] | None = None
        self._failure: GuardUnavailable | None = None

    async def run(self, app: Coroutine[Any, Any, None]) -> None:
        """Run the application until it is done; where the guard ends the answer, it is cancelled."""
        self._running = running = asyncio.create_task(app)
        try:
            await asyncio.wait((running,))
        finally:
            if not running.done():
                running.cancel()
                await asyncio.wait((running,))
        if not self._over:
            running.result()
        elif not running.cancelled():
            running.exception()  # it was told that the client is gone: what it makes of that is of no interest
        if self._failure is not None:
            raise self._failure

    def _end(self) -> None:
        """Nothing more is sent. The application is cancelled, so that what it waits for is closed."""
        self._over = True
        if self._running is not None:
            self._running.cancel()

    async def send(self, message: Message) -> None:
        """The application's `send`. OSError where the answer is over, as a server has it where a client is gone."""
        if self._over:
            raise OSError("the guard has ended this answer")
        try:
            if message["type"] == "http.response.start":
                await self._begin(message)
            else:
                await self._take(message)
        except GuardUnavailable as outage:
            if self._events is None:
                await _problem(self._send, HTTPStatus.SERVICE_UNAVAILABLE, str(outage))
            else:
                self._failure = outage
            self._end()

    async def _begin(self, message: Message) -> None:
        """Choose by the head of the answer how its body is read."""
        self._start = message
        headers = dict(message.get("headers", ()))
        kind = headers.get(b"content-type", b"")
        status = message["status"]
        fine = HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES
        plain = headers.get(b"content-encoding", b"identity").lower() == b"identity"
        if fine and plain and _is_json(kind):
            self._take = self._collect
        elif fine and plain and kind.lower().startswith(_EVENTS.encode()):
            self._events = GuardedEvents(
                self._guard.guardian, self._routes, partial(self._guard.stream_guard, _task(self._request))
            )
            self._take = self._rewrite
            await self._send_start(self._verdict, resized=True)
        elif fine and status not in (HTTPStatus.NO_CONTENT, HTTPStatus.RESET_CONTENT) and _refuses(self._routes):
            await self._unreadable()
        else:
            await self._send_start(self._verdict)

    async def _send_start(self, verdict: Verdict, *, resized: bool = False, size: int | None = None) -> None:
        headers = _without(self._start.get("headers", ()), HEADER, *([b"content-length"] if resized else []))
        if size is not None:
            headers.append((b"content-length", str(size).encode()))
        await self._send({**self._start, "headers": [*headers, (HEADER, _shown(verdict))]})

    async def _unreadable(self) -> None:
        await _problem(self._send, HTTPStatus.BAD_GATEWAY, "the answer has no text where it is expected")
        self._end()

    async def _collect(self, message: Message) -> None:
        """A JSON body: nothing of it leaves until all of it was checked."""
        self._data += message.get("body", b"")
        if message.get("more_body", False):
            return
        try:
            body = json.loads(self._data)
            route = next((r for r in self._routes if r.speaks(body, r.answer)), None)
            parts = texts(body, route.answer) if route else []
        except (ValueError, RecursionError, InputError):
            route, parts, body = None, [], None
        calls = tool_calls_of(body, route) if route else []
        if route is None or not (parts or calls):
            await (self._unreadable() if _refuses(self._routes) else self._release(bytes(self._data), self._verdict))
            return
        guardian = self._guard.guardian
        verdicts = await guardian.acheck_responses(_task(self._request), [part.text for part in parts])
        tools = [await guardian.acheck_tool_call(call.name, call.arguments) for call in calls]
        stopped = [v for v in verdicts if v.blocked] + [v for v in tools if v.action >= Action.REDACT]
        if stopped:
            await self._guard.refuse(self._send, max(stopped, key=lambda v: v.action), route, streamed=False)
            self._end()
            return
        changes = {
            part.place: verdict.redact(part.text)
            for part, verdict in zip(parts, verdicts, strict=True)
            if verdict.action is Action.REDACT
        }
        gravest = max((self._verdict, *verdicts, *tools), key=lambda v: (v.action, v.would))
        if not changes:
            await self._release(bytes(self._data), gravest)
            return
        await self._release(json.dumps(silenced(replaced(body, changes), route)).encode(), gravest)

    async def _release(self, data: bytes, verdict: Verdict) -> None:
        await self._send_start(verdict, resized=True, size=len(data))
        await self._send({"type": "http.response.body", "body": data, "more_body": False})

    async def _rewrite(self, message: Message) -> None:
        """An event stream: events leave as they are cleared."""
        if self._events is None:
            return
        more = message.get("more_body", False)
        data = await self._events.feed(message.get("body", b""))
        if not more:
            data += await self._events.finish()
        if (stopped := self._events.stopped) is not None:
            more = False
            data += self._events.ending(self._guard.reply(stopped) or "")
        if data or not more:
            await self._send({"type": "http.response.body", "body": data, "more_body": more})
        if stopped is not None:
            self._end()


def _task(request: Request) -> str:
    """What the user wants."""
    asked = [text.text for text in request.prompts] + [last_user_text(chat) for _, chat in request.messages]
    return "\n".join(text for text in asked if text)


def _refuses(routes: Sequence[Route]) -> bool:
    return any(route.unknown == "refuse" for route in routes)


def _accepts(scope: Scope) -> bool:
    """Whether the client asks for an event stream."""
    return any(name == b"accept" and _EVENTS.encode() in value.lower() for name, value in scope["headers"])


def _is_json(content_type: bytes) -> bool:
    kind = content_type.partition(b";")[0].strip().lower()
    return kind == b"application/json" or kind.endswith(b"+json")


def _without(headers: Headers, *names: bytes) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in headers if name.lower() not in names]


def _shown(verdict: Verdict) -> bytes:
    """The value of the header: the action and what was found, such as `block; weapons`."""
    return "; ".join([str(verdict.action), *([", ".join(verdict.triggered)] if verdict.triggered else [])]).encode()


async def _problem(send: Send, status: HTTPStatus, detail: str, headers: Headers = (), **more: Any) -> None:
    """Answer with a problem in JSON (RFC 9457)."""
    problem: Mapping[str, Any] = {"title": status.phrase, "status": status.value, "detail": detail, **more}
    await _respond(send, status, "application/problem+json", json.dumps(problem).encode(), headers)


async def _respond(send: Send, status: HTTPStatus, kind: str, data: bytes, headers: Headers) -> None:
    known = [(b"content-type", kind.encode()), (b"content-length", str(len(data)).encode())]
    await send({"type": "http.response.start", "status": status.value, "headers": [*known, *headers]})
    await send({"type": "http.response.body", "body": data})
