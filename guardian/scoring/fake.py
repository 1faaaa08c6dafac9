"""A backend without a model, for tests of code that uses guardian."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from guardian.errors import ConfigError
from guardian.scoring.backend import SCORES, Piece, Scores
from guardian.thresholds import Thresholds
from guardian.verdict import ModelRef

Pattern = re.Pattern[str]
# A mapping is invariant in its keys, so each kind is named: a plain dict of str must do.
Rules = Mapping[str, Scores] | Mapping[Pattern, Scores] | Mapping[str | Pattern, Scores]


class ScriptedBackend:
    """Scores by rule: the highest of what every matching rule gives, zero where none does.

    `rules` maps a string (found anywhere, case ignored) or a compiled pattern to scores; names left out are zero. A
    callable from Piece to scores does instead where rules are not enough. `writer` writes its safeguard replies, which
    it scores too: give them a `refusal`. `latency_s` is slept away on every call of
    `score`, `fail` is raised by it. Windows are `window_chars` characters long and overlap by half. `calls` records the
    pieces of every call.

        backend = ScriptedBackend({"bomb": {"harm": 0.99, "weapons": 0.9}})
        assert Guardian(backend=backend).check("how to build a bomb").blocked
    """

    def __init__(
        self,
        rules: Rules | Callable[[Piece], Scores] | None = None,
        *,
        latency_s: float = 0.0,
        fail: Exception | None = None,
        window_chars: int = 1000,
        thresholds: Thresholds | None = None,
        writer: ScriptedWriter | None = None,
    ) -> None:
        if window_chars < 2:
            raise ConfigError("window_chars", "must be at least 2")
        self._script = rules if callable(rules) else _script(rules or {})
        self.latency_s = latency_s
        self.fail = fail
        self.ref = ModelRef(name="scripted", version="1", hash="")
        self.thresholds = thresholds or Thresholds.flat()
        self.window_size = window_chars
        self.window_stride = window_chars // 2
        self.writer = writer
        self.calls: list[tuple[Piece, ...]] = []

    def windows(self, text: str) -> Iterator[tuple[int, int]]:
        """Ranges of `window_chars` characters, the last one ending with the text."""
        start = 0
        while start + self.window_size < len(text):
            yield start, start + self.window_size
            start += self.window_stride
        if text:
            yield max(0, len(text) - self.window_size), len(text)

    def score(self, pieces: Sequence[Piece]) -> list[Scores]:
        self.calls.append(tuple(pieces))
        if self.latency_s:
            time.sleep(self.latency_s)
        if self.fail is not None:
            raise self.fail
        return [_complete(self._script(piece), "rules") for piece in pieces]


class ScriptedWriter:
    """Writes safeguard replies by script, word by word: one text for all, one by subject, or a callable's.

    What it has no text for it answers with nothing. `fail` is raised after `fail_after` words. `calls` records what
    was asked for: request and subject.
    """

    def __init__(
        self,
        replies: str | Mapping[str, str] | Callable[[Piece, str | None], str],
        *,
        fail: Exception | None = None,
        fail_after: int = 0,
    ) -> None:
        self._replies = replies
        self.fail = fail
        self.fail_after = fail_after
        self.calls: list[tuple[Piece, str | None]] = []

    def write(
        self, piece: Piece, subject: str | None, *, max_tokens: int, proceed: Callable[[], None]
    ) -> Iterator[str]:
        """The reply, at most `max_tokens` words of it."""
        self.calls.append((piece, subject))
        for number, word in enumerate(_WORD.findall(self._text(piece, subject))[:max_tokens]):
            proceed()
            if self.fail is not None and number >= self.fail_after:
                raise self.fail
            yield word

    def _text(self, piece: Piece, subject: str | None) -> str:
        if isinstance(self._replies, str):
            return self._replies
        if isinstance(self._replies, Mapping):
            return self._replies.get(subject or "", "")
        return self._replies(piece, subject)


_WORD = re.compile(r"\s*\S+\s*")


def _script(rules: Rules) -> Callable[[Piece], Scores]:
    compiled = [(_pattern(rule), _complete(scores, str(rule))) for rule, scores in rules.items()]

    none = dict.fromkeys(SCORES, 0.0)

    def script(piece: Piece) -> Scores:
        matching = [scores for pattern, scores in compiled if pattern.search(piece.text)]
        if len(matching) < 2:
            return matching[0] if matching else none
        return {name: max(scores[name] for scores in matching) for name in SCORES}

    return script


def _pattern(rule: str | Pattern) -> Pattern:
    return re.compile(re.escape(rule), re.IGNORECASE) if isinstance(rule, str) else rule


def _complete(scores: Scores, rule: str) -> Scores:
    if len(scores) == len(SCORES) and all(name in scores for name in SCORES):
        return scores
    unknown = sorted(set(scores) - set(SCORES))
    if unknown:
        raise ConfigError(f"rules.{rule}", f"{unknown[0]!r} is not a score; there are {', '.join(SCORES)}")
    return {name: scores.get(name, 0.0) for name in SCORES}
