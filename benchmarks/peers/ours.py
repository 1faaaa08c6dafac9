"""guardian in every experiment: the bundled model where what is found matters, else a scripted one with the same rule.

Under its default policy, but for the rules that an experiment is about.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import zip_longest

from inputs import (
    A_LONG_URL,
    A_URL,
    AN_EMAIL,
    FORBIDDEN,
    INJECTION,
    TWO_STREAMS,
    chunks,
    document,
    emit,
    linked,
    mixed,
    pieces,
    prompt,
    row,
    shortened,
    shown,
    zero_width,
)

from guardian import (
    BlockedResponse,
    CustomRule,
    Guardian,
    GuardUnavailable,
    Piece,
    Policy,
    ScriptedBackend,
    Verdict,
)

Row = dict[str, object]

STOPS = {FORBIDDEN: {"harm": 0.99, "violence": 0.9}}
URL, EMAIL = r"https?://\S+", r"[\w.+-]{1,64}@[\w.-]{1,250}"


def released(experiment: str, name: str, pattern: str, secret: str) -> Row:
    rules = [{"name": name, "pattern": pattern, "action": "redact", "stages": ["response"]}]
    guardian = Guardian(policy=Policy.from_mapping({"rules": rules}), backend=ScriptedBackend())
    delivered, ended = stream(guardian, pieces(linked(secret)))
    sent = shown(delivered)
    did = f"sent {shortened(sent) if delivered else 'nothing'}" + ("" if ended == "no error" else f", then `{ended}`")
    leaked = any(secret[at : at + 8] in delivered for at in range(len(secret) - 7))
    return row(experiment, did, defect=leaked)


def stream(guardian: Guardian, answer: Sequence[str]) -> tuple[str, str]:
    """What was delivered, and the name of the error it ended with."""
    delivered: list[str] = []
    try:
        for text in guardian.stream(answer):
            delivered.append(text)  # noqa: PERF402  # what came before the error counts
    except (BlockedResponse, GuardUnavailable) as error:
        return "".join(delivered), type(error).__name__
    return "".join(delivered), "no error"


def before_block(experiment: str, count: int) -> Row:
    delivered, ended = stream(Guardian(backend=ScriptedBackend(STOPS)), chunks(count, forbidden_at=5))
    leaked = FORBIDDEN in delivered
    among = "the word among them" if leaked else "the word not among them"
    return row(experiment, f"delivered {len(delivered)} characters, {among}, then `{ended}`", defect=leaked)


def rescans(experiment: str, count: int) -> Row:
    answer = chunks(count)
    guard = Guardian(backend=ScriptedBackend(STOPS)).stream_guard()
    for chunk in answer:
        guard.feed(chunk)
    guard.finish()
    share = guard.scanned / sum(map(len, answer))
    assert guard.verdict is not None
    did = f"{guard.verdict.coverage.windows} windows, {share:.1f} characters read per character"
    return row(experiment, did, defect=share > 3)


def shared() -> Row:
    read: list[str] = []

    def listening(piece: Piece) -> dict[str, float]:
        read.append(piece.text)
        return {}

    guardian = Guardian(backend=ScriptedBackend(listening))
    for _ in zip_longest(*(guardian.stream(answer) for answer in TWO_STREAMS)):
        pass
    both = sum(map(mixed, read))
    return row(
        "stream_shared", f"the model was given {len(read)} texts, {both} of them of both streams", defect=both > 0
    )


def check_raises() -> Row:
    def raising(_: str) -> list[tuple[int, int]]:
        raise RuntimeError("the model behind this check is down")

    policy = Policy(rules=(CustomRule(name="raising", find=raising),))
    delivered, ended = stream(Guardian(policy=policy, backend=ScriptedBackend()), chunks(80))
    did = f"by default `{ended}`, {len(delivered)} characters delivered (`fail_mode: open` would let them pass)"
    return row("check_raises", did, defect=bool(delivered))


def said(verdict: Verdict) -> str:
    names = ", ".join(verdict.triggered)
    return verdict.action.value + (f" ({names})" if names else "")


def hidden(guardian: Guardian) -> Row:
    plain, disguised = guardian.check(INJECTION), guardian.check(zero_width(INJECTION))
    did = f"plain: {said(plain)}; with zero-width spaces: {said(disguised)}"
    return row("zero_width", did, defect=disguised.action < plain.action or not disguised.blocked)


def long_text(experiment: str, attacked: Verdict, clean: Verdict) -> Row:
    coverage = attacked.coverage
    read = "all" if coverage.complete else f"{coverage.chars:,} of"
    did = f"{said(attacked)}, without the attack {said(clean)}; read {read} {coverage.total_chars:,} characters"
    return row(experiment, did, defect=not attacked.blocked or clean.blocked or not coverage.complete)


def tool_result(guardian: Guardian, experiment: str, length: int, depth: float) -> Row:
    texts = document(length, depth, INJECTION), document(length, depth, "")
    return long_text(experiment, *(guardian.check(text, stage="tool_result") for text in texts))


def long_prompt(guardian: Guardian, experiment: str, depth: float) -> Row:
    return long_text(experiment, *(guardian.check(text) for text in (prompt(5000, depth), prompt(5000, depth, ""))))


def two_rules() -> Row:
    rules = [{"name": "first", "pattern": FORBIDDEN}, {"name": "second", "pattern": "albatross"}]
    verdict = Guardian(policy=Policy.from_mapping({"rules": rules}), backend=ScriptedBackend()).check(f"A {FORBIDDEN}.")
    return row("two_rules", said(verdict), defect=not verdict.blocked)


@contextmanager
def no_network() -> Iterator[None]:
    """Whatever opens a socket fails."""

    def refuse(*_: object) -> None:
        raise OSError("no network here")

    connect, socket.socket.connect = socket.socket.connect, refuse  # type: ignore[method-assign]
    try:
        yield
    finally:
        socket.socket.connect = connect  # type: ignore[method-assign]


def offline() -> Row:
    with no_network():
        verdict = Guardian().check("How do I kill a hung Python process?")
    return row("offline", f"model loaded and asked: {said(verdict)}", defect=verdict.blocked)


async def in_event_loop(guardian: Guardian) -> Row:
    sync, beside = guardian.check(INJECTION), await guardian.acheck(INJECTION)
    return row("in_event_loop", f"`check`: {said(sync)}; `acheck`: {said(beside)}", defect=sync.action != beside.action)


def main() -> None:
    guardian = Guardian()
    emit(
        released("stream_url", "url", URL, A_URL),
        released("stream_url_long", "url", URL, A_LONG_URL),
        released("stream_email", "email", EMAIL, AN_EMAIL),
        before_block("stream_before_block", 400),
        before_block("stream_before_block_short", 80),
        rescans("stream_rescans", 400),
        rescans("stream_rescans_5", 2000),
        shared(),
        check_raises(),
        hidden(guardian),
        tool_result(guardian, "document_30_50", 30_000, 0.5),
        tool_result(guardian, "document_100_50", 100_000, 0.5),
        tool_result(guardian, "document_100_99", 100_000, 0.99),
        long_prompt(guardian, "prompt_tail", 1.0),
        long_prompt(guardian, "prompt_middle", 0.5),
        two_rules(),
        offline(),
        asyncio.run(in_event_loop(guardian)),
    )


if __name__ == "__main__":
    main()
