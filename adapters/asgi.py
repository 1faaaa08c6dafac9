"""A guard around the routes of an ASGI application that speak JSON, plain text or streams, as those of FastAPI do.

    app.add_middleware(GuardianMiddleware, guardian=Guardian())

Nothing but the standard library is needed. What is checked where, and how answers end that are stopped, is told in
docs/adapters/asgi.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Literal

from guardian.adapters._asgi_answer import Answer
from guardian.adapters._asgi_forms import TEXTS, Form, Json, PlainText
from guardian.adapters._asgi_framing import EVENTS, LINES, EventFraming, framing_of
from guardian.adapters._asgi_guard import HOLDBACK, Guard
from guardian.adapters._asgi_http import App, Receive, Scope, Send, header, problem, without
from guardian.adapters._asgi_request import Body
from guardian.adapters._asgi_routes import OPENAI, PLAIN, Request, Route, read, refuses

from guardian import ConfigError, Guardian, GuardUnavailable, InputError, checked_on_block
from guardian.extract import replaced

__all__ = ["OPENAI", "PLAIN", "GuardianMiddleware", "Route"]


class GuardianMiddleware:
    """Checks what clients send to `app` and what it answers.

    `routes` say where the texts are (`Route`). Without them any request with chat `messages` or a `prompt` is checked,
    and what cannot be read passes; a route of your own refuses that unless it says `unknown="pass"`.

    What the policy stops is answered with 403 and a problem in JSON, or with `on_block="reply"` (and under a policy
    whose action is `reply`) with the safeguard reply in the route's own shape; 403 is the default, because it is what
    clients of an API handle. A stream of events that has begun ends with one that says so; one of plain text ends with
    the reply, or else BlockedResponse is raised, so that the server breaks the connection off. A request of more than
    `max_body` bytes is refused with 413, or passes unchecked with `on_large="pass"`. An outage is 503 under a policy
    that fails closed; in a stream that has begun GuardUnavailable is raised. Every answer to a checked request has the
    header `x-guardian-verdict`: the action, then what was found.

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
        holdback_chars: int = HOLDBACK,
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
        self._guard = Guard(guardian or Guardian(), on_block, holdback_chars)
        self._guard.stream_guard("")  # raises where too little is to be held back

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        root = scope.get("root_path", "")
        routes = [r for r in self._routes if scope["type"] == "http" and r.fits(scope["path"], root)]
        if not routes:
            await self._app(scope, receive, send)
            return
        body = await Body.read(scope, receive, self._max_body, text=any(route.takes_text for route in routes))
        if body.gone:
            return
        if body.large and self._on_large == "refuse":
            await problem(send, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {self._max_body} bytes can be checked")
            return
        try:
            request = read(routes, body.parsed())
        except InputError as error:  # a known shape with a part that cannot be read is never passed on
            await problem(send, HTTPStatus.UNPROCESSABLE_ENTITY, error.message)
            return
        if request is not None:
            await self._guarded(scope, body, request, routes, send)
        elif body.unread and not body.large and refuses(routes):
            await problem(send, HTTPStatus.UNPROCESSABLE_ENTITY, "this request has no text where it is expected")
        else:
            await self._app(scope, body.replay, send)

    async def _guarded(self, scope: Scope, body: Body, request: Request, routes: Sequence[Route], send: Send) -> None:
        try:
            verdict, changes = await self._guard.check(request)
        except GuardUnavailable as outage:
            await problem(send, HTTPStatus.SERVICE_UNAVAILABLE, str(outage))
            return
        except InputError as error:
            await problem(send, HTTPStatus.UNPROCESSABLE_ENTITY, error.message)
            return
        if verdict.blocked:
            await self._guard.refuse(send, verdict, request.route, _wanted(scope, request, body.form))
            return
        if changes or not body.exact:
            scope, body = body.rewritten(replaced(request.body, changes))
        answer = Answer(self._guard, request, routes, verdict, send)
        # An answer that is compressed might not be read; what the server can do besides sending is not looked into.
        headers = without(scope["headers"], b"accept-encoding")
        await answer.run(self._app({**scope, "headers": headers, "extensions": {}}, body.replay, answer.send))


def _wanted(scope: Scope, request: Request, form: Form) -> Form:
    """The form of the answer that the client asks for; that of its request, which is `form`, where it asks for none."""
    accepted = header(scope["headers"], b"accept").decode("latin-1").lower()
    for media in (EVENTS, *LINES):
        if media in accepted and (framing := framing_of(media)) is not None:
            return framing
    if request.route.wants_stream(request.body):
        return EventFraming()
    if "json" in accepted:  # clients that take both put it first
        return Json()
    return next((PlainText(media) for media in TEXTS if media in accepted), form)
