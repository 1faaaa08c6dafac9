"""Streams under guard: text leaves only when the windows that cover it are clear (see `guardian.text.holdback`).

`StreamGuard` is fed by whoever owns the stream; `GuardedStream` and `AsyncGuardedStream` are iterators that feed one,
or whatever else is a `Feed`. State belongs to one stream, never to the guard.
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
from dataclasses import replace
from inspect import isawaitable
from types import TracebackType
from typing import Any, Generic, Literal, Protocol, Self, TypeVar

from guardian.errors import ConfigError, GuardUnavailable, InputError
from guardian.flow import Job
from guardian.joined import joined
from guardian.reply.templates import reply_for
from guardian.spans import merged
from guardian.text.holdback import HOLDBACK, Holdback, Window
from guardian.verdict import CUSTOM, REDACTED, Action, Coverage, Span, Stage, Verdict

OnBlock = Literal["raise", "reply"]

In = TypeVar("In")
Out = TypeVar("Out")
In_contra = TypeVar("In_contra", contravariant=True)
Out_co = TypeVar("Out_co", covariant=True)

Check = Callable[[Sequence[Job]], list[Verdict]]
ACheck = Callable[[Sequence[Job]], Awaitable[list[Verdict]]]


def checked_on_block(value: OnBlock) -> OnBlock:
    """The value itself; ConfigError where it is neither of the two."""
    if value not in ("raise", "reply"):
        raise ConfigError("on_block", "must be 'raise' or 'reply'")
    return value


class StreamGuard:
    """One streamed answer under guard. What comes in is fed; what comes back may leave, and nothing else.

        guard = guardian.stream_guard(prompt)
        for chunk in upstream:
            send(guard.feed(chunk))
            if guard.cut:
                break
        send(guard.finish())

    Once a window is stopped the stream is `cut`: what was held is dropped, and nothing comes back any more. With
    `rewrites` False there is no cutting spans out of what comes back: what the policy would redact cuts the stream.
    `verdict` is that on all that was read so far, its spans in the stream's own offsets.

    `feed` and `finish` raise what a check raises: GuardUnavailable under a policy that fails closed. After that nothing
    leaves any more. Made by `Guardian.stream_guard`; for one stream, by one thread or task at a time.
    """

    def __init__(
        self, check: Check, acheck: ACheck, *, prompt: str, holdback_chars: int = HOLDBACK, rewrites: bool = True
    ) -> None:
        self._check = check
        self._acheck = acheck
        self._prompt = prompt
        self._held = Holdback(holdback_chars)
        self._rewrites = rewrites
        self._joined: Verdict | None = None
        self._spans: list[Span] = []
        self._broken = False
        self._unread = False  # a window that the policy let pass unread
        self.cut = False
        self.finished = False
        self.delivered = 0
        """Characters of the stream that have left, or were cut out of it."""
        self.scanned = 0
        """Characters scored, those of overlapping windows twice."""

    @property
    def verdict(self) -> Verdict | None:
        """The verdict on what was read so far; None before the first window."""
        if self._joined is None:
            return None
        return self._joined.model_copy(update={"spans": merged(self._spans)})

    def feed(self, text: str) -> str:
        """Take in a chunk; returns what may leave now."""
        return self._read(self._take(text))

    async def afeed(self, text: str) -> str:
        """Take in a chunk; returns what may leave now."""
        return await self._aread(self._take(text))

    def finish(self) -> str:
        """The stream has ended: read what is held and return what of it may leave. Nothing the second time."""
        return self._read(self._rest())

    async def afinish(self) -> str:
        """The stream has ended: read what is held and return what of it may leave. Nothing the second time."""
        return await self._aread(self._rest())

    def _read(self, windows: list[Window]) -> str:
        out = ""
        while windows and not self.cut:
            with self._unbroken():
                verdicts = self._check(self._jobs(windows))
            out += self._settle(windows, verdicts)
            windows = self._held.due(final=self.finished)
        return out

    async def _aread(self, windows: list[Window]) -> str:
        out = ""
        while windows and not self.cut:
            with self._unbroken():
                verdicts = await self._acheck(self._jobs(windows))
            out += self._settle(windows, verdicts)
            windows = self._held.due(final=self.finished)
        return out

    def _take(self, text: object) -> list[Window]:
        self._ready()
        if self.finished:
            raise InputError("the stream was finished: nothing can be fed to it any more")
        if not isinstance(text, str):
            hint = ": decode them first, with an incremental decoder" if isinstance(text, bytes | bytearray) else ""
            raise InputError(f"a chunk of a stream must be a str, not {type(text).__name__}{hint}")
        if self.cut:
            return []
        self._held.feed(text)
        return self._held.due()

    def _rest(self) -> list[Window]:
        self._ready()
        if self.finished or self.cut:
            return []
        self.finished = True
        windows = self._held.due(final=True)
        return windows if windows or self._joined else [Window(0, 0, 0, "")]  # an empty stream has a verdict too

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

    def _jobs(self, windows: Iterable[Window]) -> list[Job]:
        return [Job(window.text, Stage.RESPONSE, self._prompt) for window in windows]

    def _settle(self, windows: Sequence[Window], verdicts: Sequence[Verdict]) -> str:
        out: list[str] = []
        for window, verdict in zip(windows, verdicts, strict=True):
            self.scanned += len(window.text)
            cuts = [(window.start + start, window.start + end) for start, end in verdict.redactions()]
            stopped = verdict.blocked or (verdict.action is Action.REDACT and not self._may_cut(window, verdict))
            self._note(window, verdict, Action.BLOCK if stopped and not verdict.blocked else Action.ALLOW)
            if stopped:
                self.cut = True
                break
            growing = _growing(window, cuts)
            if growing is not None:
                self._held.return_to(growing)
                window = replace(window, commit=growing)
            out.append(self._held.release(window, cuts, mark=REDACTED))
            self.delivered = self._held.sent
            if growing is not None:
                break
        return "".join(out)

    def _may_cut(self, window: Window, verdict: Verdict) -> bool:
        """Whether what is to be redacted can be. What a rule finds in all of a window may go on for ever behind it."""
        if not self._rewrites:
            return False
        last = window.commit == window.end
        return last or not any(
            span.hazard.startswith(CUSTOM) and span.start == 0 and span.end == len(window.text)
            for span in verdict.spans
        )

    def _note(self, window: Window, verdict: Verdict, least: Action) -> None:
        move = window.start
        self._spans += [s.model_copy(update={"start": s.start + move, "end": s.end + move}) for s in verdict.spans]
        self._unread = self._unread or not verdict.coverage.complete
        before = [] if self._joined is None else [self._joined]
        coverage = Coverage(
            chars=before[0].coverage.chars if self._unread and before else window.start + verdict.coverage.chars,
            total_chars=self._held.received,
            windows=sum(v.coverage.windows for v in (*before, verdict)),
            complete=not self._unread and window.end == self._held.received,
        )
        self._joined = joined([*before, verdict], spans=(), coverage=coverage, least=least)


def _growing(window: Window, cuts: Iterable[tuple[int, int]]) -> int | None:
    """Where a cut begins that the end of the window may have cut short, and that the next window would open within."""
    end = window.start + len(window.text.rstrip())
    if window.commit == window.end:
        return None  # the last window: nothing follows
    starts = [start for start, stop in cuts if stop >= end and window.start < start < window.commit]
    return min(starts, default=None)


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
        reply = safeguard_reply(verdict, on_block)
        return f"\n\n{reply}" if self.guard.delivered else reply


def safeguard_reply(verdict: Verdict, on_block: OnBlock) -> str:
    """The reply to what was stopped; raises `Blocked` where it is to be raised. The action `reply` always replies."""
    if verdict.action is not Action.REPLY and on_block == "raise":
        raise verdict.error()
    return verdict.reply or reply_for(verdict)


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
