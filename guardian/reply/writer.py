"""What writes a safeguard reply: the interface between the guard and a model that can."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from guardian.scoring.backend import Backend, Piece

MAX_TOKENS = 96
"""Most tokens of a reply: three or four sentences."""


class ReplyWriter(Protocol):
    """Writes replies. A backend that can has one as its attribute `writer`, shared by all threads."""

    def write(
        self, piece: Piece, *, subject: str | None, max_tokens: int, proceed: Callable[[], None]
    ) -> Iterator[str]:
        """The reply to a request as it is decoded, greedily: the same request gets the same reply.

        With a `subject`, a hazard or an attack, it is forced to be a safeguard reply about that. `proceed` is called
        before every token and stops the work by raising. Raises BackendError where the model fails.
        """
        ...


def writer_of(backend: Backend) -> ReplyWriter | None:
    """The writer of a backend that has one."""
    writer: ReplyWriter | None = getattr(backend, "writer", None)
    return writer
