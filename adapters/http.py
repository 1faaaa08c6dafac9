"""Transports for httpx and httpx2 that guard what goes through them: any SDK that takes an HTTP client is guarded.

    client = OpenAI(http_client=guard_client(httpx2.Client(), guardian))

Guarded are OpenAI's Chat Completions, Completions and Responses, Anthropic's Messages, and the servers compatible with
them, known by the end of the path; whole answers and streams of events.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextvars import copy_context
from typing import Any, overload

from guardian.adapters._exchange import Exchange, HttpGuard, Reply, Unknown, unreadable_answer
from guardian.adapters._sse import EventParser
from guardian.adapters._stream import GuardedEvents, unreadable_event
from guardian.adapters._wire import OnBlock, Steps, arun, run

from guardian import ConfigError, Guardian, InputError, MissingExtra

try:
    import httpx
    import httpx2
except ImportError as error:
    raise MissingExtra(
        "http", "guardian.adapters.http needs httpx and httpx2: pip install 'slm-guardian[http]'"
    ) from error

HOLDBACK = 512
"""Characters of a stream that are read together, and so the most that is held back."""

# The two libraries have the same shape and share no class, so what is of either is typed as Any.
Request = Any
Response = Any

_REWRITTEN = frozenset({"content-length", "content-encoding", "transfer-encoding"})
"""Headers that are about the bytes of a body, and untrue of another."""


class GuardedTransport(httpx.BaseTransport, httpx2.BaseTransport):
    """Checks what is asked before `inner` sends it, and what is answered before it is returned.

    A blocked prompt is never sent: the answer is made here, in the API's own shape (OpenAI: a refusal with
    finish_reason `content_filter`; Anthropic: stop_reason `refusal`), or with `on_block="raise"` an error with status
    400, which the SDKs raise as their BadRequestError. A policy whose action is `reply` always gets the answer. What
    the policy redacts goes on without the offending spans. The header `x-guardian-verdict` says what was decided (for a
    stream: on the prompt), and so does `guardian` in the body of a refusal.

    `unknown` says whether other endpoints pass or are refused (status 403). What cannot be read at a known one is
    refused: a request with status 400, an answer with 502. Errors of the upstream pass as they are. At most
    `holdback_chars` characters of a stream are held back.

    Raises ConfigError for settings that are none, and GuardUnavailable, out of the client's call or of its stream,
    where there is no verdict and the policy fails closed.
    """

    def __init__(
        self,
        inner: httpx.BaseTransport | httpx2.BaseTransport,
        guardian: Guardian | None = None,
        *,
        on_block: OnBlock = "reply",
        unknown: Unknown = "pass",
        holdback_chars: int = HOLDBACK,
    ) -> None:
        self._inner: Any = inner
        self._guard = HttpGuard(guardian, on_block=on_block, unknown=unknown, holdback_chars=holdback_chars)

    def handle_request(self, request: Request) -> Response:
        exchange = self._guard.exchange(request.method, request.url.path)
        if exchange is None:
            return self._inner.handle_request(request)
        if isinstance(exchange, Reply):
            return made(request, exchange)
        if exchange.asks:
            content = request.read()
            admitted = run(exchange.admit(_decoded(request, content)))
            if isinstance(admitted, Reply):
                return made(request, admitted)
            request = _with_content(request, content, admitted)
        response = self._inner.handle_request(request)
        return released(exchange, request, response)

    def close(self) -> None:
        self._inner.close()


class AsyncGuardedTransport(httpx.AsyncBaseTransport, httpx2.AsyncBaseTransport):
    """`GuardedTransport` for async clients; checks are made in worker threads."""

    def __init__(
        self,
        inner: httpx.AsyncBaseTransport | httpx2.AsyncBaseTransport,
        guardian: Guardian | None = None,
        *,
        on_block: OnBlock = "reply",
        unknown: Unknown = "pass",
        holdback_chars: int = HOLDBACK,
    ) -> None:
        self._inner: Any = inner
        self._guard = HttpGuard(guardian, on_block=on_block, unknown=unknown, holdback_chars=holdback_chars)

    async def handle_async_request(self, request: Request) -> Response:
        exchange = self._guard.exchange(request.method, request.url.path)
        if exchange is None:
            return await self._inner.handle_async_request(request)
        if isinstance(exchange, Reply):
            return made(request, exchange)
        if exchange.asks:
            content = await request.aread()
            admitted = await arun(exchange.admit(_decoded(request, content)))
            if isinstance(admitted, Reply):
                return made(request, admitted)
            request = _with_content(request, content, admitted)
        response = await self._inner.handle_async_request(request)
        return await areleased(exchange, request, response)

    async def aclose(self) -> None:
        await self._inner.aclose()


@overload
def guard_client(
    client: httpx2.Client,
    guardian: Guardian | None = None,
    *,
    on_block: OnBlock = "reply",
    unknown: Unknown = "pass",
    holdback_chars: int = HOLDBACK,
) -> httpx2.Client: ...
@overload
def guard_client(
    client: httpx2.AsyncClient,
    guardian: Guardian | None = None,
    *,
    on_block: OnBlock = "reply",
    unknown: Unknown = "pass",
    holdback_chars: int = HOLDBACK,
) -> httpx2.AsyncClient: ...
@overload
def guard_client(
    client: httpx.Client,
    guardian: Guardian | None = None,
    *,
    on_block: OnBlock = "reply",
    unknown: Unknown = "pass",
    holdback_chars: int = HOLDBACK,
) -> httpx.Client: ...
@overload
def guard_client(
    client: httpx.AsyncClient,
    guardian: Guardian | None = None,
    *,
    on_block: OnBlock = "reply",
    unknown: Unknown = "pass",
    holdback_chars: int = HOLDBACK,
) -> httpx.AsyncClient: ...
def guard_client(client: Any, guardian: Guardian | None = None, **options: Any) -> Any:
    """A client with the settings of `client` that sends through it, under guard; closing it closes `client`.

    The options are those of `GuardedTransport`. ConfigError where `client` is no client of httpx or httpx2.
    """
    for library in (httpx2, httpx):
        if isinstance(client, library.Client):
            return library.Client(transport=GuardedTransport(_Client(client), guardian, **options), **_settings(client))
        if isinstance(client, library.AsyncClient):
            transport = AsyncGuardedTransport(_AsyncClient(client), guardian, **options)
            return library.AsyncClient(transport=transport, **_settings(client))
    raise ConfigError("client", f"must be a client of httpx or httpx2, not {type(client).__name__}")


def _settings(client: Any) -> dict[str, Any]:
    """What a request is built from. Authentication and hooks stay with the client that sends."""
    names = ("base_url", "headers", "cookies", "params", "timeout", "follow_redirects", "max_redirects")
    return {name: getattr(client, name) for name in names}


class _Client(httpx.BaseTransport, httpx2.BaseTransport):
    """A client as a transport. Redirects are followed by the client in front, so what they lead to is guarded too."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def handle_request(self, request: Request) -> Response:
        return self._client.send(request, stream=True, follow_redirects=False, **_credentials(request))

    def close(self) -> None:
        self._client.close()


class _AsyncClient(httpx.AsyncBaseTransport, httpx2.AsyncBaseTransport):
    def __init__(self, client: Any) -> None:
        self._client = client

    async def handle_async_request(self, request: Request) -> Response:
        return await self._client.send(request, stream=True, follow_redirects=False, **_credentials(request))

    async def aclose(self) -> None:
        await self._client.aclose()


def _credentials(request: Request) -> dict[str, Any]:
    """The client's own, but none for another host that a redirect leads to, where the client would send none either."""
    origin = (request.url.scheme, request.url.host, request.url.port)
    first = request.extensions.setdefault("guardian_origin", origin)
    return {} if origin == first else {"auth": None}


class _Events(httpx.SyncByteStream, httpx2.SyncByteStream):
    """The body of a streamed answer under guard. Checks are made under what was in force at the request."""

    def __init__(self, response: Response, events: GuardedEvents) -> None:
        self._response = response
        self._events = events
        self._context = copy_context()

    def __iter__(self) -> Iterator[bytes]:
        parser = EventParser()
        try:
            for chunk in self._response.iter_bytes():
                for event in parser.feed(chunk):
                    yield from self._run(self._events.feed(event))
                    if self._events.over:
                        return
            for event in parser.finish():
                yield from self._run(self._events.feed(event))
            yield from self._run(self._events.finish())
        except InputError as error:
            yield unreadable_event(error)
        finally:
            self.close()

    def close(self) -> None:
        self._response.close()

    def _run(self, steps: Steps[list[bytes]]) -> list[bytes]:
        parts: list[bytes] = self._context.run(run, steps)
        return parts


class _AsyncEvents(httpx.AsyncByteStream, httpx2.AsyncByteStream):
    def __init__(self, response: Response, events: GuardedEvents) -> None:
        self._response = response
        self._events = events
        self._context = copy_context()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        parser = EventParser()
        try:
            async for chunk in self._response.aiter_bytes():
                for event in parser.feed(chunk):
                    for part in await self._run(self._events.feed(event)):
                        yield part
                    if self._events.over:
                        return
            for event in parser.finish():
                for part in await self._run(self._events.feed(event)):
                    yield part
            for part in await self._run(self._events.finish()):
                yield part
        except InputError as error:
            yield unreadable_event(error)
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        await self._response.aclose()

    async def _run(self, steps: Steps[list[bytes]]) -> list[bytes]:
        parts: list[bytes] = await asyncio.get_running_loop().create_task(arun(steps), context=self._context)
        return parts


# -- the answer


def released(exchange: Exchange, request: Request, response: Response) -> Response:
    """The response under guard; errors and redirects of the upstream as they are."""
    if not 200 <= response.status_code < 300:
        return response
    if _is_stream(response):
        return _streamed(request, response, exchange, _Events(response, exchange.events()))
    try:
        reply = run(exchange.release(response.read())) if _is_json(response) else unreadable_answer()
    finally:
        response.close()
    return made(request, reply, response)


async def areleased(exchange: Exchange, request: Request, response: Response) -> Response:
    """The response under guard; errors and redirects of the upstream as they are."""
    if not 200 <= response.status_code < 300:
        return response
    if _is_stream(response):
        return _streamed(request, response, exchange, _AsyncEvents(response, exchange.events()))
    try:
        reply = await arun(exchange.release(await response.aread())) if _is_json(response) else unreadable_answer()
    finally:
        await response.aclose()
    return made(request, reply, response)


# -- messages of either library


def _library(request: Request) -> Any:
    return httpx2 if isinstance(request, httpx2.Request) else httpx


def made(request: Request, reply: Reply, upstream: Response | None = None) -> Response:
    """A response with this content, and what there is of the upstream's status and headers."""
    headers, extensions = _headers(upstream, reply.headers), {} if upstream is None else upstream.extensions
    status = reply.status or (200 if upstream is None else upstream.status_code)
    return _library(request).Response(
        status, headers=headers, content=reply.content, extensions=extensions, request=request
    )


def _streamed(request: Request, upstream: Response, exchange: Exchange, stream: Any) -> Response:
    headers = _headers(upstream, exchange.headers)
    return _library(request).Response(
        upstream.status_code, headers=headers, stream=stream, extensions=upstream.extensions, request=request
    )


def _headers(upstream: Response | None, more: Any) -> list[tuple[str, str]]:
    """The upstream's headers without those that are set anew, or untrue of another body."""
    gone = _REWRITTEN | {name.lower() for name in more}
    kept = [] if upstream is None else upstream.headers.multi_items()
    return [(name, value) for name, value in kept if name.lower() not in gone] + list(more.items())


def _decoded(request: Request, content: bytes) -> bytes:
    """The content of a request, unpacked where it was compressed; a response knows how."""
    coding = request.headers.get("content-encoding")
    if coding is None:
        return content
    library = _library(request)
    try:
        unpacked: bytes = library.Response(200, headers={"content-encoding": coding}, content=content).content
    except library.DecodingError:
        return b""  # which cannot be read either, and is refused
    return unpacked


def _with_content(request: Request, content: bytes, admitted: bytes) -> Request:
    """The request itself, or one with the content that was redacted."""
    if admitted == content or (request.headers.get("content-encoding") and admitted == _decoded(request, content)):
        return request
    headers = [(name, value) for name, value in request.headers.multi_items() if name.lower() not in _REWRITTEN]
    changed = _library(request).Request(request.method, request.url, headers=headers, content=admitted)
    changed.extensions = request.extensions  # the same, so that what is noted in them outlasts a redirect
    return changed


def _is_stream(response: Response) -> bool:
    return _media_type(response) == "text/event-stream"


def _is_json(response: Response) -> bool:
    media_type = _media_type(response)
    return media_type == "application/json" or media_type.endswith("+json")


def _media_type(response: Response) -> str:
    media_type: str = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return media_type
