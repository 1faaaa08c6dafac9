"""Streams under guard: text leaves only when it was read and is clear.

`StreamGuard` is fed by whoever owns the stream; `GuardedStream` and `AsyncGuardedStream` are iterators that feed one,
or whatever else is a `Feed`. What is read is a `Reader`'s business: windows (`guardian.window_stream`) or tokens
(`guardian.token_stream`). State belongs to one stream, never to the guard.
"""

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Sequence,
)
from contextlib import contextmanager
from inspect import isawaitable
from types import TracebackType
from typing import Any, Generic, Literal, Protocol, Self, TypeVar

from guardian.errors import ConfigError, GuardUnavailable, InputError
from guardian.flow import Job
from guardian.policy import Replies
from guardian.reply.templates import reply_for
from guardian.verdict import Action, Stage, Verdict

OnBlock = Literal["raise", "reply"]

In = TypeVar("In")
Out = TypeVar("Out")
In_contra = TypeVar("In_contra", contravariant=True)
Out_co = TypeVar("Out_co", covariant=True)


def checked_on_block(value: OnBlock) -> OnBlock:
    """The value itself; ConfigError where it is neither of the two."""
    if value not in ("raise", "reply"):
        raise ConfigError("on_block", "must be 'raise' or 'reply'")
    return value


Work = Callable[[], Any]
"""What takes long, and so is done where the guard does its checks."""

Steps = Generator[Sequence[Job] | Work, Any, str]
"""What a reader asks for, and is answered with: the verdicts on jobs, or the result of some work (None: an outage that
the policy lets pass). In the end, what may leave."""

Do = Callable[[Sequence[Job] | Work], Any]
ADo = Callable[[Sequence[Job] | Work], Awaitable[Any]]


class Reader(Protocol):
    """How one stream is read. It decides, and does nothing itself: see `Steps`."""

    cut: bool
    delivered: int
    scanned: int

    @property
    def verdict(self) -> Verdict | None: ...
    def feed(self, text: str) -> Steps: ...
    def finish(self) -> Steps: ...


class StreamGuard:
    """One streamed answer under guard. What comes in is fed; what comes back may leave, and nothing else.

        guard = guardian.stream_guard(prompt)
        for chunk in upstream:
            send(guard.feed(chunk))
            if guard.cut:
                break
        send(guard.finish())

    Once a stream is stopped it is `cut`: what was held is dropped, and nothing comes back any more. `verdict` is that
    on all that was read so far, its spans in the stream's own offsets.

    `feed` and `finish` raise what a check raises: GuardUnavailable under a policy that fails closed. After that nothing
    leaves any more. Made by `Guardian.stream_guard`; for one stream, by one thread or task at a time.

    `reader` says what is read when. Where that hangs on a model that is not loaded yet, `choose` gives it with the
    first text, or None to leave it as it is.
    """

    def __init__(
        self, do: Do, ado: ADo, reader: Reader, *, replies: Replies, choose: Callable[[], Reader | None] | None = None
    ) -> None:
        self._do = do
        self._ado = ado
        self._reader = reader
        self._choose = choose
        self._broken = False
        self.replies = replies
        self.finished = False

    @property
    def cut(self) -> bool:
        """Whether the stream was stopped."""
        return self._reader.cut

    @property
    def delivered(self) -> int:
        """Characters of the stream that have left, or were cut out of it."""
        return self._reader.delivered

    @property
    def scanned(self) -> int:
        """Characters read, those that were read twice twice."""
        return self._reader.scanned

    @property
    def verdict(self) -> Verdict | None:
        """The verdict on what was read so far; None before the first check."""
        return self._reader.verdict

    def feed(self, text: str) -> str:
        """Take in a chunk; returns what may leave now."""
        return self._run(self._fed(text))

    async def afeed(self, text: str) -> str:
        """Take in a chunk; returns what may leave now."""
        return await self._arun(self._fed(text))

    def finish(self) -> str:
        """The stream has ended: read what is held and return what of it may leave. Nothing the second time."""
        return self._run(self._finished())

    async def afinish(self) -> str:
        """The stream has ended: read what is held and return what of it may leave. Nothing the second time."""
        return await self._arun(self._finished())

    def _run(self, steps: Steps | None) -> str:
        if steps is None:
            return ""
        with self._unbroken():
            step, out = _next(steps)
            while step is not None:
                step, out = _next(steps, self._do(step))
            return out

    async def _arun(self, steps: Steps | None) -> str:
        if steps is None:
            return ""
        with self._unbroken():
            step, out = _next(steps)
            while step is not None:
                step, out = _next(steps, await self._ado(step))
            return out

    def _fed(self, text: object) -> Steps | None:
        self._ready()
        if self.finished:
            raise InputError("the stream was finished: nothing can be fed to it any more")
        if not isinstance(text, str):
            hint = ": decode them first, with an incremental decoder" if isinstance(text, bytes | bytearray) else ""
            raise InputError(f"a chunk of a stream must be a str, not {type(text).__name__}{hint}")
        return self._chosen(lambda reader: reader.feed(text)) if text and not self.cut else None

    def _finished(self) -> Steps | None:
        self._ready()
        if self.finished or self.cut:
            return None
        self.finished = True
        return self._chosen(lambda reader: reader.finish())

    def _chosen(self, steps: Callable[[Reader], Steps]) -> Steps:
        if self._choose is not None:
            self._reader = (yield self._choose) or self._reader
            self._choose = None
        return (yield from steps(self._reader))

    def _ready(self) -> None:
        if self._broken:
            raise GuardUnavailable(Stage.RESPONSE, "part of this stream was not read")

    @contextmanager
    def _unbroken(self) -> Iterator[None]:
        """Whatever ends a check early, a cancellation too, ends the stream: what was not read must not leave."""
        try:
            yield
        except BaseException:
            self._broken = True
            raise


def _next(steps: Steps, answer: Any = None) -> tuple[Sequence[Job] | Work | None, str]:
    """The next step, None at the end; and then what may leave."""
    try:
        return steps.send(answer), ""
    except StopIteration as end:
        return None, end.value


class Feed(Protocol[In_contra, Out_co]):
    """What an iterator under guard needs of whatever guards it: chunks in, what may leave out."""

    @property
    def cut(self) -> bool: ...
    @property
    def verdict(self) -> Verdict | None: ...
    def feed(self, chunk: In_contra, /) -> Sequence[Out_co]: ...
    def finish(self) -> Sequence[Out_co]: ...
    async def afeed(self, chunk: In_contra, /) -> Sequence[Out_co]: ...
    async def afinish(self) -> Sequence[Out_co]: ...

    def ending(self, on_block: OnBlock) -> Out_co:
        """What a cut stream ends with: the safeguard reply, unless the block is to be raised."""
        ...


class TextFeed:
    """A `StreamGuard` as a feed: nothing is handed on where nothing may leave."""

    def __init__(self, guard: StreamGuard) -> None:
        self.guard = guard

    @property
    def cut(self) -> bool:
        return self.guard.cut

    @property
    def verdict(self) -> Verdict | None:
        return self.guard.verdict

    def feed(self, chunk: str) -> Sequence[str]:
        return _some(self.guard.feed(chunk))

    def finish(self) -> Sequence[str]:
        return _some(self.guard.finish())

    async def afeed(self, chunk: str) -> Sequence[str]:
        return _some(await self.guard.afeed(chunk))

    async def afinish(self) -> Sequence[str]:
        return _some(await self.guard.afinish())

    def ending(self, on_block: OnBlock) -> str:
        if (verdict := self.verdict) is None:
            raise InputError("this stream was not stopped")
        reply = safeguard_reply(verdict, on_block, self.guard.replies)
        return f"\n\n{reply}" if self.guard.delivered else reply


def safeguard_reply(verdict: Verdict, on_block: OnBlock, replies: Replies) -> str:
    """The reply to what was stopped; raises `Blocked` where it is to be raised. The action `reply` always replies.

    `replies` are those of the policy, for a verdict that has none because its text could have been redacted.
    """
    if verdict.action is not Action.REPLY and on_block == "raise":
        raise verdict.error()
    return verdict.reply or reply_for(verdict, replies)


class GuardedStream(Iterator[Out], Generic[In, Out]):
    """The chunks of a stream that may leave; closing it closes the upstream.

    Where the policy stops the stream, what had been cleared has been delivered, the upstream is closed, and then
    BlockedResponse is raised, or with `on_block="reply"` (and under a policy whose action is `reply`) the safeguard
    reply is the last chunk. `verdict` is that on what was read.
    """

    def __init__(self, chunks: Iterable[In], feed: Feed[In, Out], *, on_block: OnBlock = "raise") -> None:
        self.feed = feed
        self._upstream = chunks
        self._on_block = checked_on_block(on_block)
        self._chunks = self._run()

    @property
    def verdict(self) -> Verdict | None:
        return self.feed.verdict

    def __next__(self) -> Out:
        return next(self._chunks)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop, and close the upstream where it can be closed."""
        self._chunks.close()
        _close(self._upstream)

    def _run(self) -> Generator[Out, None, None]:
        feed = self.feed
        try:
            for chunk in self._upstream:
                yield from feed.feed(chunk)
                if feed.cut:
                    break
            yield from feed.finish()
        finally:
            _close(self._upstream)
        if feed.cut:
            yield feed.ending(self._on_block)


class AsyncGuardedStream(AsyncIterator[Out], Generic[In, Out]):
    """`GuardedStream` over an async stream."""

    def __init__(self, chunks: AsyncIterable[In], feed: Feed[In, Out], *, on_block: OnBlock = "raise") -> None:
        self.feed = feed
        self._upstream = chunks
        self._on_block = checked_on_block(on_block)
        self._chunks = self._run()

    @property
    def verdict(self) -> Verdict | None:
        return self.feed.verdict

    async def __anext__(self) -> Out:
        return await anext(self._chunks)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop, and close the upstream where it can be closed."""
        await self._chunks.aclose()
        await _aclose(self._upstream)

    async def _run(self) -> AsyncGenerator[Out, None]:
        feed = self.feed
        try:
            async for chunk in self._upstream:
                for item in await feed.afeed(chunk):
                    yield item
                if feed.cut:
                    break
            for item in await feed.afinish():
                yield item
        finally:
            await _aclose(self._upstream)
        if feed.cut:
            yield feed.ending(self._on_block)


def _some(text: str) -> Sequence[str]:
    return (text,) if text else ()


def _close(upstream: Any) -> None:
    if (close := getattr(upstream, "close", None)) is not None:
        close()


async def _aclose(upstream: Any) -> None:
    """An SDK's stream has `close` where a generator has `aclose`, and both are coroutines there."""
    if (close := getattr(upstream, "aclose", None) or getattr(upstream, "close", None)) is not None:
        closing = close()
        if isawaitable(closing):
            await closing
