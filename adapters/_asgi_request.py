"""The body of a request, for the ASGI middleware: read as far as it has to be, and given on to the application."""

from __future__ import annotations

import json
import re
from typing import Any, Self

from guardian.adapters._asgi_forms import TEXTS, Json, WholeForm, text_of
from guardian.adapters._asgi_http import Decoder, Message, Receive, Scope, header, is_json, media_type, without

from guardian import InputError

_MARK = re.compile(
    rb"[^ \t\r\n\x00\xef\xbb\xbf\xfe\xff]"
)  # blanks of any encoding that JSON may have; byte order marks


class Body:
    """The body of a request as far as it was read.

    `raw` is as it came, `data` without its content coding. `large` is what has more than the limit of either. `gone`
    says that the client went before its request was whole, `exact` that there is but one way to read what was parsed,
    which is in the form `form`. Only where it may be a `text` is one that says so read as such.
    """

    def __init__(self, scope: Scope, receive: Receive, limit: int, *, text: bool = False) -> None:
        self.raw = bytearray()
        self.data = bytearray()
        self.large = False
        self.gone = False
        self.exact = True
        self.form: WholeForm = Json()
        self._scope = scope
        self._receive = receive
        self._limit = limit
        self._declared = is_json(media_type(scope["headers"]))
        self._is_text = text and media_type(scope["headers"]) in TEXTS
        self._decoder = Decoder(scope["headers"])
        self._broken = not self._decoder.known
        self._first = b""
        self._complete = False
        self._replayed = False

    @classmethod
    async def read(cls, scope: Scope, receive: Receive, limit: int, *, text: bool) -> Self:
        """Read a body of at most `limit` bytes, or its beginning where it is neither JSON nor text.

        JSON is told by how it begins, too: an application may not care what a client calls it.
        """
        body = cls(scope, receive, limit, text=text)
        length = header(scope["headers"], b"content-length")
        body.large = (body._declared or body._is_text) and length.isdigit() and int(length) > limit
        while not (body._complete or body.large or body._is_other or body.gone):
            body._take(await receive())
        return body

    @property
    def unread(self) -> bool:
        """Whether there is a body that nothing is known of."""
        return self._broken or bool(self.data)

    def parsed(self) -> Any:
        """The parsed body, None where it cannot be parsed. InputError where it says that it can and it cannot.

        Which of two keys of one name an application reads is not known; one that is given the body by `rewritten` reads
        what was read here.
        """
        if self._is_text and not self.large:
            return self._parsed_text()
        if self.large or not (self._looks_json or self._broken):
            return None
        try:
            if self._broken:
                raise ValueError
            return json.loads(self.data, object_pairs_hook=self._object)
        except (ValueError, RecursionError):
            if self._declared:
                raise InputError("the body is not JSON that can be read") from None
            return None

    def _parsed_text(self) -> Any:
        form = text_of(self._scope["headers"])
        if self._broken or form is None:
            raise InputError("the body is coded in a way that cannot be read")
        self.form = form
        return form.parsed(self.data)

    def rewritten(self, body: Any) -> tuple[Scope, Body]:
        """The scope and the body of the same request with another body in its form."""
        data = self.form.written(body)
        headers = without(self._scope["headers"], b"content-length", b"content-encoding", b"transfer-encoding")
        scope = {**self._scope, "headers": [*headers, (b"content-length", str(len(data)).encode())]}
        other = Body(scope, self._receive, self._limit)
        other.raw += data
        other._complete = True
        return scope, other

    async def replay(self) -> Message:
        """`receive`, with what was read already at first."""
        first, self._replayed = not self._replayed, True
        if first and (self.raw or self._complete):
            return {"type": "http.request", "body": bytes(self.raw), "more_body": not self._complete}
        message: Message = await self._receive()
        return message

    def _take(self, message: Message) -> None:
        if message["type"] == "http.disconnect":
            self.gone = True
            return
        piece = message.get("body", b"")
        self.raw += piece
        self._complete = not message.get("more_body", False)
        try:
            piece = self._decoder.feed(piece, self._limit + 1)
        except InputError:
            self._broken = True
            return
        self.data += piece
        self.large = max(len(self.raw), len(self.data)) > self._limit
        if not self._first and (mark := _MARK.search(piece)):
            self._first = mark[0]

    @property
    def _looks_json(self) -> bool:
        return self._first in (b"{", b"[", b'"')

    @property
    def _is_other(self) -> bool:
        return self._broken or bool(self._first and not (self._looks_json or self._is_text))

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        self.exact = self.exact and len(value) == len(pairs)
        return value
