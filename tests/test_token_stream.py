"""Streams read token by token: what leaves and what is decided is a function of the text, and nothing flagged leaks."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
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
    guard,
)
from guardian.scoring.backend import Piece, Scores, Watched
from guardian.stream import StreamGuard
from guardian.thresholds import Thresholds
from guardian.token_stream import GRACE_TOKENS, HOLDBACK_TOKENS, Alarm, alarm_threshold, harm_alone
from tests.chunks import chunked

GROUP = 4
TOKEN = re.compile(r"\S{1,6} *| +")
STOPPED = "BAD"  # what the guard stops, wherever it stands
SUSPECT = ("BAD", "odd")  # what the token head finds high


class Words:
    """A watcher whose tokens are short words, in groups of four; high are those that begin with a suspect."""

    def __init__(self, log: list[str]) -> None:
        self.text = ""
        self.read = 0
        self.log = log

    def feed(self, text: str) -> list[Watched]:
        self.text += text
        self.log.append(text)
        certain = [m for m in TOKEN.finditer(self.text) if m.end() < len(self.text)]
        return self._tokens(certain[: len(certain) // GROUP * GROUP])

    def finish(self) -> list[Watched]:
        return self._tokens(list(TOKEN.finditer(self.text)))

    def _tokens(self, found: Sequence[re.Match[str]]) -> list[Watched]:
        new, self.read = found[self.read :], len(found)
        return [Watched(m.start(), m.end(), 0.9 if m[0].startswith(SUSPECT) else 0.1) for m in new]


class Head:
    def __init__(self, watcher: Callable[[list[str]], Any] = Words) -> None:
        self.token_thresholds = {0.01: 0.8, 0.05: 0.5}
        self.log: list[str] = []
        self.prompts: list[str] = []
        self.watcher = watcher

    def watch(self, prompt: str) -> Any:
        self.prompts.append(prompt)
        return self.watcher(self.log)


class TokenBackend(ScriptedBackend):
    """A scripted backend with a token head."""

    def __init__(self, rules: Any = None, head: Head | None = None) -> None:
        super().__init__({STOPPED: {"harm": 0.99, "weapons": 0.95}} if rules is None else rules)
        self.window_size = 64  # tokens
        self.decoder = head or Head()

    def windows(self, text: str) -> Iterator[tuple[int, int]]:
        return iter([(0, len(text))])


def a_guardian(backend: TokenBackend | None = None, **policy: Any) -> Guardian:
    return Guardian(backend=backend or TokenBackend(), policy=Policy.from_mapping({"refine_spans": False} | policy))


def run(stream: StreamGuard, chunks: Sequence[str]) -> str:
    sent = "".join(stream.feed(chunk) for chunk in chunks)
    return sent + stream.finish()


def asked(guardian: Guardian) -> list[str]:
    """The texts that the guard was asked about."""
    backend = guardian.backend
    assert isinstance(backend, TokenBackend)
    return [piece.text for call in backend.calls for piece in call]


CALM = "calm " * 40
texts = st.lists(
    st.sampled_from(
        ["calm ", "é漢 ", "🙂", "odd ", "odd odd ", "BAD ", "BAD BAD ", "x" * 9, "calm " * 12, "odd " * 20]
    ),
    max_size=30,
).map("".join)
cuttings = st.lists(st.integers(1, 90), min_size=1, max_size=4)


def outcome(stream: StreamGuard, sent: str) -> Any:
    verdict = stream.verdict
    assert verdict is not None
    seen = verdict.model_dump(exclude={"timings": True, "coverage": {"total_chars"}})
    return sent, stream.cut, stream.delivered, seen


@given(texts, cuttings)
def test_chunks_change_neither_what_leaves_nor_the_verdict(text: str, lengths: list[int]) -> None:
    guardian = a_guardian()
    stream, whole = guardian.stream_guard(), guardian.stream_guard()
    sent = run(stream, chunked(text, lengths))
    assert outcome(stream, sent) == outcome(whole, run(whole, [text]))
    assert text.startswith(sent)
    assert stream.delivered == len(sent)
    assert stream.cut == (STOPPED in text)
    assert stream.cut or sent == text
    verdict = stream.verdict
    assert verdict is not None
    assert verdict.blocked == stream.cut
    assert stream.cut or verdict.coverage.complete


@given(texts, cuttings)
def test_nothing_from_the_first_flagged_token_on_leaves(text: str, lengths: list[int]) -> None:
    stream = a_guardian().stream_guard()
    sent = run(stream, chunked(text, lengths))
    pair = re.search(r"(?<!\S)BAD (?=BAD)", text)  # an alarm that the guard confirms
    if pair is None:
        return
    verdict = stream.verdict
    assert stream.cut
    assert verdict is not None
    (span,) = verdict.spans
    assert len(sent) <= span.start <= pair.start()
    assert text.index(STOPPED) < span.end
    assert span.hazard == "weapons"


def test_a_stream_is_cut_soon_and_from_the_right_place() -> None:
    guardian = a_guardian()
    stream = guardian.stream_guard("the prompt")
    text = CALM + "BAD BAD " + CALM
    fed = 0
    sent = ""
    for chunk in chunked(text, [5]):
        fed += len(chunk)
        sent += stream.feed(chunk)
        if stream.cut:
            break
    assert fed <= len(CALM) + 5 * (GROUP + 3)
    assert sent == "calm " * (40 + 2 - HOLDBACK_TOKENS)
    verdict = stream.verdict
    assert verdict is not None
    assert verdict.triggered == ("weapons",)
    assert [(span.start, span.end) for span in verdict.spans] == [(len(CALM), len(CALM) + 8)]
    assert not verdict.coverage.complete
    assert asked(guardian) == [CALM + "BAD BAD "]
    assert (stream.feed("more"), stream.finish()) == ("", "")


def test_the_guard_reads_the_last_of_a_long_answer_against_its_prompt() -> None:
    guardian = a_guardian()
    stream = guardian.stream_guard("the prompt")
    run(stream, ["calm " * 200 + "odd odd " + CALM])
    backend = guardian.backend
    assert isinstance(backend, TokenBackend)
    assert backend.decoder.prompts == ["the prompt"]
    first, last = [call[0] for call in backend.calls]
    assert (first.stage, first.context, first.text) == (Stage.RESPONSE, "the prompt", "calm " * 62 + "odd odd ")
    assert last == Piece("calm " * 200 + "odd odd " + CALM, Stage.RESPONSE, "the prompt")


def test_text_waits_for_so_many_tokens() -> None:
    stream = a_guardian().stream_guard()
    sent = ""
    for number in range(1, 101):
        sent += stream.feed("calm ")
        watched = (number - 1) // GROUP * GROUP  # the last one is not certain yet
        assert len(sent) == 5 * max(0, watched - HOLDBACK_TOKENS)
    assert sent + stream.finish() == "calm " * 100


# -- alarms


def test_one_token_is_no_alarm_and_two_are() -> None:
    for text, count in ((CALM + "odd calm odd " + CALM, 1), (CALM + "odd odd " + CALM, 2)):
        guardian = a_guardian()
        assert run(guardian.stream_guard(), [text]) == text
        assert len(asked(guardian)) == count


def test_what_the_guard_clears_goes_on_and_is_not_asked_about_at_once() -> None:
    guardian = a_guardian()
    stream = guardian.stream_guard()
    text = "odd " * 100
    assert run(stream, chunked(text, [3])) == text
    *alarms, whole = (len(found) // 4 for found in asked(guardian))
    assert alarms == [2, 2 + GRACE_TOKENS, min(64, 2 + 2 * GRACE_TOKENS), 64]
    assert whole == 100
    assert stream.verdict is not None
    assert not stream.verdict.flagged


def test_an_alarm_while_the_guard_is_not_asked_again_is_held() -> None:
    text = "odd odd calm calm BAD BAD " + CALM
    guardian = a_guardian()
    stream = guardian.stream_guard()
    sent = "".join(stream.feed(chunk) for chunk in chunked(text, [4]))
    assert stream.cut
    assert len(asked(guardian)[1]) < len("odd odd calm calm BAD BAD ") + 5 * GRACE_TOKENS
    assert text.index("BAD") >= len(sent)
    assert stream.verdict is not None
    assert stream.verdict.spans[-1].start == text.index("BAD")


def test_an_alarm_by_hand() -> None:
    alarm = Alarm(0.5)
    assert [alarm.sees(p) for p in (0.9, 0.1, 0.5, 0.5)] == [False, False, False, True]
    assert (alarm.since, alarm.seen) == (2, 4)
    alarm.over()
    due = [alarm.sees(0.9) for _ in range(GRACE_TOKENS)]
    assert due == [False] * (GRACE_TOKENS - 1) + [True]
    assert alarm.since == 4
    assert alarm.first_held == min(4 + GRACE_TOKENS - HOLDBACK_TOKENS, 4)


def test_what_only_shows_in_the_whole_stops_the_end() -> None:
    guardian = a_guardian(TokenBackend({re.compile("calm .* end", re.DOTALL): {"harm": 0.99}}))
    stream = guardian.stream_guard()
    text = CALM + "the end"
    sent = run(stream, chunked(text, [9]))
    assert stream.cut
    assert sent == text[: len(sent)]
    assert len(text) - len(sent) >= 5 * HOLDBACK_TOKENS
    assert stream.verdict is not None
    assert stream.verdict.spans
    assert stream.verdict.coverage.complete


# -- policies


def test_what_a_policy_asks_for_decides_how_streams_are_read() -> None:
    read_by_tokens: list[dict[str, Any]] = [{}, {"fpr": 0.01}, {"hazards": {"weapons": {"action": "flag"}}}]
    rule = {"name": "r", "pattern": "x"}
    others: list[dict[str, Any]] = [
        {"stages": {"response": {"harm": "redact"}}},
        {"stages": {"response": {"jailbreak": "flag"}}},
        {"hazards": {"privacy": "redact"}},
        {"rules": [rule]},
    ]
    for policy in [*read_by_tokens, {"rules": [rule | {"stages": ["prompt"]}]}]:
        guardian = a_guardian(**policy)
        run(guardian.stream_guard(), ["calm"])
        assert harm_alone(guardian.policy)
        assert guardian.backend.decoder.log == ["calm"]  # type: ignore[attr-defined]
    for policy in others:
        guardian = a_guardian(**policy)
        run(guardian.stream_guard(), ["calm"])
        assert not harm_alone(guardian.policy)
        assert guardian.backend.decoder.log == []  # type: ignore[attr-defined]
        run(guardian.stream_guard(by="tokens"), ["calm"])
        assert guardian.backend.decoder.log == ["calm"]  # type: ignore[attr-defined]


def test_a_stream_is_read_as_the_caller_says() -> None:
    guardian = a_guardian()
    run(guardian.stream_guard(by="windows"), ["calm"])
    assert guardian.backend.decoder.log == []  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="by: 'words'"):
        guardian.stream_guard(by="words")  # type: ignore[arg-type]
    without = Guardian(backend=ScriptedBackend())
    assert run(without.stream_guard(), ["calm"]) == "calm"
    stream = without.stream_guard(by="tokens")
    with pytest.raises(ConfigError, match="by: scripted has no head for tokens"):
        stream.feed("calm")
    with pytest.raises(ConfigError, match="holdback_chars"):
        guardian.stream_guard(holdback_chars=1)
    with pytest.raises(InputError, match="must be a str"):
        guardian.stream_guard().feed(b"calm")  # type: ignore[arg-type]


def test_no_model_is_loaded_before_the_first_text(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[Any] = []

    def load(*given: Any, **_: Any) -> Any:
        loaded.append(given)
        return TokenBackend()

    monkeypatch.setattr("guardian.scoring.models.load_backend", load)
    guardian = Guardian("any")
    stream = guardian.stream_guard()
    assert (stream.cut, stream.delivered, stream.verdict, stream.feed("")) == (False, 0, None, "")
    assert loaded == []
    stream.feed("calm")
    assert len(loaded) == 1


def test_thresholds_of_the_alarm() -> None:
    levels = {0.005: 0.95, 0.02: 0.8, 0.05: 0.6}
    flat = Thresholds.flat()  # means to be used at 0.02

    def threshold(**policy: Any) -> float:
        return alarm_threshold(Policy.from_mapping(policy), flat, levels)

    assert threshold() == 0.8
    assert threshold(fpr=0.02) == 0.8
    assert threshold(fpr=0.03) == 0.8
    assert threshold(fpr=0.2) == 0.6
    assert threshold(fpr=0.001) == 0.95  # none as strict: the strictest
    assert threshold(stages={"response": {"harm": {"action": "block", "fpr": 0.05}}}) == 0.6
    assert threshold(stages={"response": {"harm": {"action": "block", "threshold": 0.7}}}) == 0.7
    assert threshold(hazards={"weapons": {"action": "block", "fpr": 0.05}}) == 0.6
    assert threshold(stages={"response": {"harm": None}}) == float("inf")


def test_what_would_be_redacted_cuts_a_stream_of_tokens() -> None:
    guardian = a_guardian(stages={"response": {"harm": "redact"}})
    stream = guardian.stream_guard(by="tokens")
    assert "BAD" not in run(stream, [CALM + "BAD BAD " + CALM])
    assert stream.cut
    assert stream.verdict is not None
    assert stream.verdict.action is Action.BLOCK


def test_shadow_mode_delivers_all_and_says_what_it_would_have_done() -> None:
    stream = a_guardian(shadow=True).stream_guard()
    text = "BAD BAD " * 30
    assert run(stream, chunked(text, [7])) == text
    assert stream.verdict is not None
    assert (stream.verdict.action, stream.verdict.would) == (Action.ALLOW, Action.BLOCK)


def test_an_empty_stream_has_a_verdict() -> None:
    stream = a_guardian().stream_guard()
    assert run(stream, ["", ""]) == ""
    assert stream.verdict is not None
    assert stream.verdict.coverage.complete


# -- outages


class Failing(Words):
    """Fails at a text that holds FAIL."""

    error: Exception = RuntimeError("quotes the text")

    def feed(self, text: str) -> list[Watched]:
        if "FAIL" in text:
            raise self.error
        return super().feed(text)


def failing() -> TokenBackend:
    return TokenBackend(head=Head(Failing))


def test_an_outage_lets_nothing_more_through_when_closed() -> None:
    stream = a_guardian(failing()).stream_guard()
    sent = stream.feed(CALM)
    assert sent
    with pytest.raises(BackendError, match="the backend raised RuntimeError"):
        stream.feed("FAIL ")
    with pytest.raises(GuardUnavailable, match="not read"):
        stream.feed("x")
    with pytest.raises(GuardUnavailable, match="not read"):
        stream.finish()


def test_an_outage_lets_all_through_when_open_says_so_and_the_rest_is_watched() -> None:
    guardian = a_guardian(failing(), fail_mode={"response": "open"})
    stream = guardian.stream_guard()
    sent = stream.feed(CALM) + stream.feed("FAIL ")
    assert sent == CALM + "FAIL "
    assert stream.feed(CALM).count("calm") < 40  # held back again
    sent += "calm " * 13
    text = stream.feed("BAD BAD " + CALM)
    assert stream.cut
    assert "BAD" not in text
    verdict = stream.verdict
    assert verdict is not None
    assert verdict.spans[-1].start == len(CALM + "FAIL " + CALM)
    assert not verdict.coverage.complete


def test_an_outage_of_the_choice_is_one_like_any_other() -> None:
    class Gone(TokenBackend):
        @property
        def decoder(self) -> Any:
            raise BackendError(Stage.RESPONSE, "cannot be loaded")

        @decoder.setter
        def decoder(self, _: object) -> None: ...

    with pytest.raises(BackendError, match="cannot be loaded"):
        a_guardian(Gone()).stream_guard().feed("calm")
    stream = a_guardian(Gone(), fail_mode={"response": "open"}).stream_guard()
    assert run(stream, [CALM]) == CALM


# -- every way in


def test_iterators_and_async_twins_are_the_same() -> None:
    text = CALM + "BAD BAD " + CALM
    alone = a_guardian().stream_guard()
    sent = run(alone, [text])

    async def pieces() -> AsyncIterator[str]:
        for chunk in chunked(text, [11]):
            yield chunk

    async def of(guardian: Guardian) -> tuple[str, str]:
        stream, parts = guardian.stream_guard(), ""
        async for chunk in pieces():
            parts += await stream.afeed(chunk)
        parts += await stream.afinish()
        replied = "".join([part async for part in guardian.astream(pieces(), on_block="reply")])
        return parts, replied

    with a_guardian() as guardian:
        parts, replied = asyncio.run(of(guardian))
        assert parts == sent
        assert alone.verdict is not None
        assert replied == f"{sent}\n\n{alone.verdict.reply}"
        with pytest.raises(BlockedResponse) as caught:
            list(guardian.stream(chunked(text, [11])))
        assert caught.value.verdict.triggered == ("weapons",)


def test_the_decorator_reads_tokens_too() -> None:
    guardian = a_guardian()

    @guard(guardian=guardian)
    def answer(prompt: str) -> Any:
        yield from chunked(f"{prompt} " + CALM + "BAD BAD " + CALM, [13])

    sent: list[str] = []
    with pytest.raises(BlockedResponse):
        sent.extend(answer("calm"))
    assert sent
    assert STOPPED not in "".join(sent)
    assert guardian.backend.decoder.prompts == ["calm"]  # type: ignore[attr-defined]


def test_a_time_limit_ends_the_stream() -> None:
    from threading import Event

    opened = Event()

    class Slow(Words):
        def feed(self, text: str) -> list[Watched]:
            opened.wait(60)
            return super().feed(text)

    with a_guardian(TokenBackend(head=Head(Slow)), timeout_s={"response": 0.05}) as guardian:
        stream = guardian.stream_guard()
        with pytest.raises(GuardUnavailable, match="took longer"):
            stream.feed("calm")
        opened.set()


def test_scores_may_come_from_a_callable() -> None:
    def rule(piece: Piece) -> Scores:
        return {"harm": 0.99} if piece.text.endswith("odd odd ") else {}

    stream = a_guardian(TokenBackend(rule)).stream_guard()
    assert run(stream, [CALM + "odd odd " + CALM]) == "calm " * 18
    assert stream.cut
