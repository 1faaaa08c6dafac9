"""Anthropic's Python client under guard, by the client's own kind of middleware."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel

from guardian import ConfigError, Guardian, MissingExtra

try:
    import httpx2
    from anthropic import (
        Anthropic,
        APIRequest,
        APIResponse,
        AsyncAnthropic,
        AsyncAPIResponse,
        AsyncCallNext,
        CallNext,
        Middleware,
    )
except ImportError as error:
    raise MissingExtra(
        "anthropic", "guardian.adapters.anthropic needs anthropic 2: pip install 'slm-guardian[anthropic]'"
    ) from error

from guardian.adapters._exchange import Exchange, HttpGuard, Reply, Unknown
from guardian.adapters._wire import OnBlock, arun, run
from guardian.adapters.http import HOLDBACK, areleased, made, released

Client = TypeVar("Client")
"""Anthropic, AsyncAnthropic, or one of their kin for other platforms."""

_RAW = "X-Stainless-Raw-Response"
"""The header by which the SDK hands on its response rather than what is in it, as a middleware must."""


class GuardianMiddleware(Middleware):
    """Checks what Messages are asked before they are sent, and what is answered before it is parsed.

        client = Anthropic(middleware=[GuardianMiddleware(guardian)])

    A blocked prompt is never sent. It is answered, and a blocked answer replaced, by a message with stop_reason
    `refusal` and `guardian` beside it with the verdict; or with `on_block="raise"` anthropic.BadRequestError is raised
    (within a stream anthropic.APIStatusError). The other options are those of `GuardedTransport`. Raises ConfigError
    for settings that are none, and GuardUnavailable where there is no verdict and the policy fails closed.
    """

    def __init__(
        self,
        guardian: Guardian | None = None,
        *,
        on_block: OnBlock = "reply",
        unknown: Unknown = "pass",
        holdback_chars: int = HOLDBACK,
    ) -> None:
        self._guard = HttpGuard(guardian, on_block=on_block, unknown=unknown, holdback_chars=holdback_chars)

    def handle(self, request: APIRequest, call_next: CallNext) -> APIResponse[Any]:
        exchange = self._exchange(request)
        if exchange is None:
            return call_next(request)
        if isinstance(exchange, Reply):
            return _answered(request, exchange)
        content = _content(request)
        admitted = run(exchange.admit(content))
        if isinstance(admitted, Reply):
            return _answered(request, admitted)
        response = call_next(_with_content(request, content, admitted))
        response.http_response = released(exchange, response.http_response.request, response.http_response)
        return response

    async def handle_async(self, request: APIRequest, call_next: AsyncCallNext) -> AsyncAPIResponse[Any]:
        exchange = self._exchange(request)
        if exchange is None:
            return await call_next(request)
        if isinstance(exchange, Reply):
            return await _aanswered(request, exchange)
        content = _content(request)
        admitted = await arun(exchange.admit(content))
        if isinstance(admitted, Reply):
            return await _aanswered(request, admitted)
        response = await call_next(_with_content(request, content, admitted))
        response.http_response = await areleased(exchange, response.http_response.request, response.http_response)
        return response

    def _exchange(self, request: APIRequest) -> Exchange | Reply | None:
        return self._guard.exchange(request.method.upper(), urlsplit(request.url).path)


def guard_anthropic(
    client: Client,
    guardian: Guardian | None = None,
    *,
    on_block: OnBlock = "reply",
    unknown: Unknown = "pass",
    holdback_chars: int = HOLDBACK,
) -> Client:
    """A client like this one whose Messages are guarded by a `GuardianMiddleware`, the innermost of its middleware.

        client = guard_anthropic(Anthropic())

    Clients for other platforms are guarded as far as they answer in JSON or server-sent events. Raises ConfigError
    where `client` takes no middleware.
    """
    if (with_middleware := getattr(client, "with_middleware", None)) is None:
        raise ConfigError("client", f"must be a client of anthropic 2, not {type(client).__name__}")
    middleware = GuardianMiddleware(guardian, on_block=on_block, unknown=unknown, holdback_chars=holdback_chars)
    guarded: Client = with_middleware(middleware)
    return guarded


def _content(request: APIRequest) -> bytes:
    """The body as it goes over the wire."""
    body, extra = request.json, request.options.extra_json
    if isinstance(body, Mapping) and extra:
        body = {**body, **extra}
    return json.dumps(body, default=_plain).encode()


def _plain(value: object) -> Any:
    """Blocks of an earlier answer are given back as objects. Anything else is no JSON, and cannot be read."""
    return value.model_dump(mode="json", exclude_unset=True, by_alias=True) if isinstance(value, BaseModel) else None


def _with_content(request: APIRequest, content: bytes, admitted: bytes) -> APIRequest:
    if admitted == content:
        return request
    changed = request.copy(body=json.loads(admitted))
    changed.options.extra_json = None  # it is in the body by now
    return changed


def _answered(request: APIRequest, reply: Reply) -> APIResponse[Any]:
    """What was answered here, as the SDK makes it of a response: by a client that never connects."""
    transport = httpx2.MockTransport(lambda http_request: made(http_request, reply))
    with Anthropic(api_key="none", http_client=httpx2.Client(transport=transport)) as client:
        raw = _raw(request)
        response: APIResponse[Any] = client.request(
            raw.cast_to, raw.options, stream=raw.stream, stream_cls=raw.stream_cls
        )
    return response


async def _aanswered(request: APIRequest, reply: Reply) -> AsyncAPIResponse[Any]:
    transport = httpx2.MockTransport(lambda http_request: made(http_request, reply))
    async with AsyncAnthropic(api_key="none", http_client=httpx2.AsyncClient(transport=transport)) as client:
        raw = _raw(request)
        response: AsyncAPIResponse[Any] = await client.request(
            raw.cast_to, raw.options, stream=raw.stream, stream_cls=raw.stream_cls
        )
    return response


def _raw(request: APIRequest) -> APIRequest:
    return request if request.headers.get(_RAW) else request.copy(headers={**request.headers, _RAW: "raw"})
