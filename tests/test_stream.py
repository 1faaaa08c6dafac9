"""Streams under guard: nothing leaks, chunks do not matter, upstreams are closed, streams stay apart."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardian import (
    Action,
    BackendError,
    BlockedResponse,
    ConfigError,
    Guardian,
    GuardUnavailable,
    InputError,
    Policy,
    ScriptedBackend,
    Stage,
)
from guardian.reply.templates import TEMPLATES
from guardian.stream import StreamGuard
from tests.chunks import chunked

# Found wherever a window holds it whole; the longest match is shorter than half a window.
SECRET = re.compile(r"BOMB\w{0,20}")
RULES = {SECRET: {"harm": 0.99, "weapons": 0.95}}
SIZE = 64

texts = st.lists(st.sampled_from(["calm ", "words\n", "é漢 ", "BO", "MB", "BOMBxy ", "x" * 30, "."]), max_size=60).map(
    "".join
)
cuttings = st.lists(st.integers(1, 90), min_size=1, max_size=4)


def a_guardian(rules: Any = RULES, **policy: Any) -> Guardian:
    return Guardian(backend=ScriptedBackend(rules), policy=Policy.from_mapping(policy))


def run(guard: StreamGuard, chunks: Sequence[str]) -> str:
    sent = "".join(guard.feed(chunk) for chunk in chunks)
    return sent + guard.finish()


@given(texts, cuttings)
def test_nothing_of_what_is_stopped_leaves_whatever_the_chunks(text: str, lengths: list[int]) -> None:
    guardian = a_guardian()
    guard, whole = guardian.stream_guard(holdback_chars=SIZE), guardian.stream_guard(holdback_chars=SIZE)
    sent = run(guard, chunked(text, lengths))
    assert (sent, guard.cut) == (run(whole, [text]), whole.cut)
    match = SECRET.search(text)
    assert guard.cut == (match is not None)
    assert text.startswith(sent)
    assert match is None or len(sent) <= match.start()
    assert guard.cut or sent == text
    assert guard.scanned <= 3 * len(text)
    verdict = guard.verdict
    assert verdict is not None
    assert verdict.blocked == guard.cut
    assert all(SECRET.search(text[span.start : span.end]) for span in verdict.spans)
    assert guard.cut or verdict.coverage.complete


@given(texts, cuttings)
def test_redaction_within_a_stream(text: str, lengths: list[int]) -> None:
    guardian = a_guardian(stages={"response": {"harm": "redact"}})
    guard, whole = guardian.stream_guard(holdback_chars=SIZE), guardian.stream_guard(holdback_chars=SIZE)
    sent = run(guard, chunked(text, lengths))
    assert sent == run(whole, [text])
    assert not guard.cut
    assert not SECRET.search(sent.replace("[redacted]", " "))
    assert ("[redacted]" in sent) == (SECRET.search(text) is not None)
    assert guard.delivered == len(text)


LONG_SECRET = re.compile(r"https://\S*")


@given(st.integers(9, 200), st.integers(0, 80), cuttings)
def test_a_span_that_grows_beyond_its_window_is_redacted_to_its_end_or_cuts_the_stream(
    length: int, before: int, lengths: list[int]
) -> None:
    rule = {"name": "link", "pattern": LONG_SECRET.pattern, "action": "redact"}
    guardian = Guardian(backend=ScriptedBackend(), policy=Policy.from_mapping({"rules": [rule]}))
    text = "a " * (before // 2) + "https://" + "s" * (length - 8) + " and on we go " * 12
    guard, whole = guardian.stream_guard(holdback_chars=SIZE), guardian.stream_guard(holdback_chars=SIZE)
    sent = run(guard, chunked(text, lengths))
    assert (sent, guard.cut) == (run(whole, [text]), whole.cut)
    assert "s" not in sent.replace("[redacted]", "")
    assert guard.cut == (length >= SIZE) or abs(length - SIZE) <= SIZE // 8  # borders move to blanks
    assert guard.cut or sent == LONG_SECRET.sub("[redacted]", text)


def test_what_the_policy_would_redact_cuts_a_stream_that_cannot_be_rewritten() -> None:
    guardian = a_guardian(stages={"response": {"harm": "redact"}})
    guard = guardian.stream_guard(holdback_chars=SIZE, rewrites=False)
    assert run(guard, ["calm words. " * 20, "a BOMB."]).startswith("calm")
    assert guard.cut
    assert guard.verdict is not None
    assert guard.verdict.action is Action.BLOCK


def test_the_answer_is_read_against_its_prompt() -> None:
    backend = ScriptedBackend()
    guard = Guardian(backend=backend).stream_guard("the prompt")
    run(guard, ["an answer"])
    piece = backend.calls[0][0]
    assert (piece.stage, piece.context, piece.text) == (Stage.RESPONSE, "the prompt", "an answer")


def test_an_empty_stream_has_a_verdict_and_nothing_can_follow_the_end() -> None:
    guard = a_guardian().stream_guard()
    before = guard.verdict
    assert before is None
    assert run(guard, ["", ""]) == ""
    after = guard.verdict
    assert after is not None
    assert after.coverage.complete
    assert guard.finish() == ""
    with pytest.raises(InputError, match="was finished"):
        guard.feed("more")


def test_shadow_mode_delivers_all_and_says_what_it_would_have_done() -> None:
    guard = a_guardian(shadow=True).stream_guard(holdback_chars=SIZE)
    text = "a BOMB " * 30
    assert run(guard, chunked(text, [7])) == text
    assert guard.verdict is not None
    assert (guard.verdict.action, guard.verdict.would) == (Action.ALLOW, Action.BLOCK)


@pytest.mark.parametrize("chunk", [b"bytes", None, 3])
def test_a_chunk_must_be_text(chunk: Any) -> None:
    with pytest.raises(InputError, match="must be a str, not"):
        a_guardian().stream_guard().feed(chunk)


def test_too_small_a_holdback_is_refused() -> None:
    with pytest.raises(ConfigError, match="holdback_chars"):
        a_guardian().stream_guard(holdback_chars=8)


def test_the_policy_is_that_of_the_beginning() -> None:
    guardian = a_guardian()
    with guardian.using(Policy(shadow=True), tenant="acme"):
        guard = guardian.stream_guard()
    assert run(guard, ["a BOMB"]) == "a BOMB"


# -- outages


def failing(after: int) -> ScriptedBackend:
    """A backend that answers so many batches and then fails."""
    backend = ScriptedBackend()
    score = backend.score

    def scores(pieces: Any) -> Any:
        backend.fail = BackendError(Stage.RESPONSE, "gone") if len(backend.calls) >= after else None
        return score(pieces)

    backend.score = scores  # type: ignore[method-assign]
    return backend


def test_an_outage_lets_nothing_more_through_when_closed() -> None:
    guard = Guardian(backend=failing(2)).stream_guard(holdback_chars=SIZE)
    sent: list[str] = []
    with pytest.raises(GuardUnavailable):
        sent.extend(guard.feed(chunk) for chunk in chunked("calm words " * 40, [9]))
    assert 0 < len("".join(sent)) < 2 * SIZE
    with pytest.raises(GuardUnavailable, match="not read"):
        guard.feed("x")
    with pytest.raises(GuardUnavailable, match="not read"):
        guard.finish()


def test_an_outage_lets_all_through_when_open_and_says_so() -> None:
    policy = Policy.from_mapping({"fail_mode": {"response": "open"}})
    guard = Guardian(backend=failing(2), policy=policy).stream_guard(holdback_chars=SIZE)
    text = "calm words " * 40
    assert run(guard, chunked(text, [9])) == text
    assert guard.verdict is not None
    assert not guard.verdict.coverage.complete


def test_an_upstream_that_dies_takes_what_was_held_with_it() -> None:
    def dying() -> Iterator[str]:
        yield "calm words " * 20
        raise ConnectionError("upstream")

    stream = a_guardian().stream(dying(), holdback_chars=SIZE)
    sent: list[str] = []
    with pytest.raises(ConnectionError):
        sent.extend(stream)
    assert 0 < len("".join(sent)) < 220


# -- iterators


class Upstream:
    """An upstream that knows whether it was closed, and how far it was read."""

    def __init__(self, chunks: Sequence[str]) -> None:
        self._chunks = iter(chunks)
        self.read = 0
        self.closed = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self.read += 1
        return next(self._chunks)

    def close(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.closed = True

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        await asyncio.sleep(0)
        try:
            return next(self)
        except StopIteration:
            raise StopAsyncIteration from None


LONG = ["calm words. "] * 40


def test_a_clean_stream_passes_whole() -> None:
    upstream = Upstream(LONG)
    with a_guardian().stream(upstream, prompt="hi", holdback_chars=SIZE) as stream:
        assert "".join(stream) == "".join(LONG)
    assert upstream.closed
    assert stream.verdict is not None
    assert stream.verdict.action is Action.ALLOW


def test_a_block_is_raised_after_what_was_cleared_and_the_upstream_is_closed() -> None:
    upstream = Upstream([*LONG, "a BOMB. ", *LONG])
    sent: list[str] = []
    with pytest.raises(BlockedResponse) as caught:
        sent.extend(a_guardian().stream(upstream, holdback_chars=SIZE))
    assert upstream.closed
    assert upstream.read < 60
    assert caught.value.verdict.stage is Stage.RESPONSE
    stream = a_guardian().stream(Upstream([*LONG, "a BOMB. ", *LONG]), holdback_chars=SIZE, on_block="reply")
    delivered = list(stream)
    assert delivered[-1] == "\n\n" + TEMPLATES["weapons"]
    assert "".join(LONG).startswith("".join(delivered[:-1]))


def test_a_reply_at_the_very_start_stands_alone() -> None:
    assert list(a_guardian().stream(["a BOMB"], on_block="reply")) == [TEMPLATES["weapons"]]


def test_closing_the_consumer_closes_the_upstream() -> None:
    for started in (False, True):
        upstream = Upstream(LONG)
        stream = a_guardian().stream(upstream, holdback_chars=SIZE)
        if started:
            next(stream)
        stream.close()
        assert upstream.closed


def test_async_streams() -> None:
    async def main() -> None:
        guardian = a_guardian()
        upstream = Upstream(LONG)
        async with guardian.astream(upstream, holdback_chars=SIZE) as stream:
            assert "".join([chunk async for chunk in stream]) == "".join(LONG)
        assert upstream.closed
        upstream = Upstream([*LONG, "a BOMB. ", *LONG])
        with pytest.raises(BlockedResponse):
            [chunk async for chunk in guardian.astream(upstream, holdback_chars=SIZE)]
        assert upstream.closed
        upstream = Upstream(["a BOMB"])
        replies = [chunk async for chunk in guardian.astream(upstream, on_block="reply")]
        assert replies == [TEMPLATES["weapons"]]

    asyncio.run(main())


def test_cancelling_the_consumer_closes_the_upstream_and_delivers_nothing_more() -> None:
    async def main() -> None:
        backend = ScriptedBackend(latency_s=0.05)
        upstream = Upstream(LONG * 10)
        stream = Guardian(backend=backend).astream(upstream, holdback_chars=SIZE)

        async def consume() -> None:
            async for _ in stream:
                pass

        task = asyncio.create_task(consume())
        await asyncio.sleep(0.12)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert upstream.closed
        with pytest.raises(GuardUnavailable):
            stream.feed.finish()

    asyncio.run(main())


def test_a_hundred_interleaved_streams_stay_apart() -> None:
    guardian = a_guardian(stages={"response": {"harm": "redact"}})
    rng = random.Random(7)
    texts = [f"stream {n} says " + "calm words. " * rng.randint(1, 30) + ("BOMB " if n % 3 else "") for n in range(100)]
    guards = [guardian.stream_guard(str(n), holdback_chars=SIZE) for n in range(100)]
    sent, positions = [""] * 100, [0] * 100
    open_streams = list(range(100))
    while open_streams:
        n = rng.choice(open_streams)
        length = rng.randint(1, 40)
        chunk = texts[n][positions[n] : positions[n] + length]
        positions[n] += length
        sent[n] += guards[n].feed(chunk) if chunk else guards[n].finish()
        if not chunk:
            open_streams.remove(n)
    for n, text in enumerate(sent):
        alone = guardian.stream_guard(str(n), holdback_chars=SIZE)
        assert text == run(alone, [texts[n]])
        assert f"stream {n} " in text
        assert ("[redacted]" in text) == bool(n % 3)
