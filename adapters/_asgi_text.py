"""Streams of plain text under guard, for the ASGI middleware: all of a stream is one text."""

from __future__ import annotations

import codecs

from guardian.adapters._asgi_forms import PlainText

from guardian import StreamGuard, Verdict


class GuardedText:
    """The stream of one answer in plain text. What comes in is fed; what comes back may leave, and nothing else.

    A character may come in pieces: what is fed is cut anywhere.
    """

    def __init__(self, guard: StreamGuard, form: PlainText) -> None:
        self.form = form
        self._guard = guard
        self._decoder = codecs.getincrementaldecoder(form.charset)()
        self._encoder = codecs.getincrementalencoder(form.charset)("replace")

    @property
    def stopped(self) -> Verdict | None:
        """The verdict that cut the stream, if one did."""
        return self._guard.verdict if self._guard.cut else None

    async def feed(self, chunk: bytes) -> bytes:
        """Take in bytes; returns those that may leave now. InputError where they are not text in the charset."""
        return self._encoded(await self._guard.afeed(self._decoded(chunk)))

    async def finish(self) -> bytes:
        """The stream has ended: returns what may leave of what is held. InputError where it ends in a character."""
        rest = "" if self._guard.cut else await self._guard.afeed(self._decoded(b"", final=True))
        return self._encoded(rest + await self._guard.afinish())

    def ending(self, reply: str | None) -> bytes | None:
        """What a stream that was cut ends with; None where there is no reply, because text has no mark of an error."""
        if reply is None:
            return None
        return self._encoded(f"\n\n{reply}" if self._guard.delivered else reply)

    def _decoded(self, chunk: bytes, *, final: bool = False) -> str:
        try:
            return self._decoder.decode(chunk, final)
        except UnicodeError:
            raise self.form.broken() from None

    def _encoded(self, text: str) -> bytes:
        return self._encoder.encode(text) if text else b""  # UTF-16 begins with a mark even where it says nothing
