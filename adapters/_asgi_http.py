"""ASGI's own terms, for the ASGI middleware: types, headers, content codings and short answers."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from http import HTTPStatus
from typing import Any

from guardian import InputError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
# Starlette, asgiref and plain functions each have types of their own for scopes and messages: all of them fit Any.
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Any, Receive, Send], Awaitable[None]]
Headers = Sequence[tuple[bytes, bytes]]

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_CHARSET = re.compile(rb";\s*charset\s*=\s*\"?([^\s\";]+)", re.IGNORECASE)
_CODINGS = {b"": False, b"identity": False, b"gzip": True, b"x-gzip": True, b"deflate": True}


def header(headers: Headers, name: bytes) -> bytes:
    """The first value of a header, empty where there is none. Names are to be in lower case, and often are not."""
    return next((value for key, value in headers if key.lower() == name), b"")


def without(headers: Headers, *names: bytes) -> list[tuple[bytes, bytes]]:
    return [(key, value) for key, value in headers if key.lower() not in names]


def media_type(headers: Headers) -> str:
    """The content type without its parameters, in lower case."""
    return header(headers, b"content-type").partition(b";")[0].strip().lower().decode("latin-1")


def charset(headers: Headers) -> str:
    """The charset that the content type names, in lower case; empty where it names none."""
    named = _CHARSET.search(header(headers, b"content-type"))
    return named[1].lower().decode("latin-1") if named else ""


def is_json(media: str) -> bool:
    return media in ("application/json", "text/json") or media.endswith("+json")


class Decoder:
    """Undoes the content coding of a body, piece by piece. `known` says whether it can be undone."""

    def __init__(self, headers: Headers) -> None:
        coding = header(headers, b"content-encoding").strip().lower()
        self.known = coding in _CODINGS
        self._inflating = _CODINGS.get(coding, False)
        self._inflate = zlib.decompressobj(_GZIP_OR_ZLIB)

    def feed(self, data: bytes, limit: int = 0) -> bytes:
        """What `data` holds, about `limit` bytes of it at most (0: all). InputError where it is not coded so."""
        if not self._inflating:
            return data
        out = b""
        while data and not (limit and len(out) >= limit):
            if self._inflate.eof:  # a file of gzip may have many members, with zeros between them
                if not (data := data.lstrip(b"\0")):
                    break
                self._inflate = zlib.decompressobj(_GZIP_OR_ZLIB)
            try:
                out += self._inflate.decompress(data, limit)
            except zlib.error:
                raise InputError("the body is not coded as its content-encoding says") from None
            data = self._inflate.unused_data
        return out


async def problem(send: Send, status: HTTPStatus, detail: str, headers: Headers = (), **more: Any) -> None:
    """Answer with a problem in JSON (RFC 9457)."""
    told: Mapping[str, Any] = {"title": status.phrase, "status": status.value, "detail": detail, **more}
    await respond(send, status, "application/problem+json", json.dumps(told).encode(), headers)


async def respond(send: Send, status: HTTPStatus, kind: str, data: bytes, headers: Headers) -> None:
    known = [(b"content-type", kind.encode()), (b"content-length", str(len(data)).encode())]
    await send({"type": "http.response.start", "status": status.value, "headers": [*known, *headers]})
    await send({"type": "http.response.body", "body": data})
