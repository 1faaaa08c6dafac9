"""The forms that bodies come in, for the ASGI middleware: JSON or plain text, read and written anew."""

from __future__ import annotations

import codecs
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from guardian.adapters._asgi_http import Headers, charset, is_json, media_type
from guardian.adapters._asgi_paths import Paths
from guardian.adapters._asgi_routes import Route

from guardian import InputError

TEXTS = ("text/plain", "text/markdown")


class Form(Protocol):
    """How an answer of one content type is written."""

    @property
    def content_type(self) -> str: ...

    def refusal(self, route: Route, reply: str, told: Mapping[str, Any]) -> bytes:
        """An answer that says `reply` in the place of another, and what is told of the verdict if it has a place."""


class WholeForm(Form, Protocol):
    """How a body is read that comes as a whole."""

    def parsed(self, data: bytes | bytearray) -> Any:
        """The body, None where there is none. InputError where it is not what its type says."""

    def written(self, body: Any) -> bytes: ...

    def places(self, route: Route) -> Paths:
        """Where the texts of an answer are."""


@dataclass(frozen=True, slots=True)
class Json:
    """One value in JSON."""

    content_type: str = "application/json"

    def parsed(self, data: bytes | bytearray) -> Any:
        try:
            return json.loads(data) if data else None
        except (ValueError, RecursionError):
            raise InputError("the body is not JSON that can be read") from None

    def written(self, body: Any) -> bytes:
        return json.dumps(body).encode()

    def places(self, route: Route) -> Paths:
        return route.answer

    def refusal(self, route: Route, reply: str, told: Mapping[str, Any]) -> bytes:
        return self.written({**route.refused(reply), "guardian": told})


@dataclass(frozen=True, slots=True)
class PlainText:
    """One text, whatever the routes say. It has no place for a verdict but the header."""

    media: str = TEXTS[0]
    charset: str = "utf-8"

    @property
    def content_type(self) -> str:
        return f"{self.media}; charset={self.charset}"

    def parsed(self, data: bytes | bytearray) -> str | None:
        try:
            return data.decode(self.charset) or None
        except UnicodeError:
            raise self.broken() from None

    def written(self, body: str) -> bytes:
        return body.encode(self.charset, "replace")  # a reply may say what its charset cannot

    def places(self, _: Route) -> Paths:
        return "$"

    def refusal(self, _: Route, reply: str, __: Mapping[str, Any]) -> bytes:
        return self.written(reply)

    def broken(self) -> InputError:
        return InputError(f"the body is not text in the charset {self.charset}")


def text_of(headers: Headers) -> PlainText | None:
    """The form of a body that says that it is text; None of others. InputError where its charset is not known.

    Without a charset it is UTF-8, which is what servers mean and what includes the US-ASCII of RFC 2046.
    """
    media = media_type(headers)
    if media not in TEXTS:
        return None
    name = charset(headers) or "utf-8"
    try:
        "a".encode(name)  # codecs such as rot13 are none of texts, which a look at the registry does not tell
    except (LookupError, ValueError):
        raise InputError("the body is text in a charset that is not known") from None
    return PlainText(media, name)


def begins_as_text(data: bytes) -> bool:
    """Whether the first bytes of a body are UTF-8, which may be cut off within a character, without a NUL."""
    try:
        return "\0" not in codecs.getincrementaldecoder("utf-8")().decode(data)
    except UnicodeError:
        return False


def form_of(headers: Headers) -> Json | PlainText | None:
    """The form of a body; None where it is none that can be read. InputError as by `text_of`."""
    return Json() if is_json(media_type(headers)) else text_of(headers)
