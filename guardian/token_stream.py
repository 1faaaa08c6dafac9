"""A stream read token by token: text leaves when its tokens, and `HOLDBACK_TOKENS` more, were watched and are clear.

Two tokens in a row over the threshold raise an alarm (the debounce of Qwen3Guard-Stream, arXiv 2510.14276). It stands
on one small head, so the guard is asked, once, about the answer so far: only its verdict stops a stream. Where it does
not, the stream goes on, and is not asked about again before `GRACE_TOKENS` more have come; what raises an alarm
meanwhile is held until then. At the end the whole answer is checked.

    tokens    . . . . . . . . . . . . . . . ! !
    leaves    |----------|                  ^ the alarm begins here: nothing from here on ever leaves
                          |- held: 24 tokens -|
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from functools import partial
from typing import Any

from guardian.flow import AsOutage, Job
from guardian.joined import Running
from guardian.policy import Policy
from guardian.scoring.backend import Watched, Watching
from guardian.stream import Steps, Work
from guardian.thresholds import Thresholds
from guardian.verdict import Action, Stage, Verdict

HOLDBACK_TOKENS = 24
GRACE_TOKENS = 32
_SLICE = 256  # characters watched at once: a stream is cut, and a check abandoned, between two


class TokenReader:
    """Reads an answer to `prompt` with what `watch` gives: a watcher over it, which may load a model.

    threshold: of the alarm, on the probability of a token. context_tokens: how much of the answer is read to confirm
    one. Nothing is ever rewritten: what the policy would redact cuts the stream.
    """

    def __init__(
        self, watch: Callable[[], Watching], *, prompt: str, policy: Policy, threshold: float, context_tokens: int
    ) -> None:
        self._begin = watch
        self._watching: Watching | None = None
        self._base = 0  # where in the stream this watcher's text begins
        self._watched = 0  # characters that watchers were given
        self._prompt = prompt
        self._text = io.StringIO()
        self._alarm = Alarm(threshold)
        # What an alarm is confirmed with, and all that may be asked for the place of.
        self._last: deque[Watched] = deque(maxlen=max(context_tokens, HOLDBACK_TOKENS + GRACE_TOKENS))
        self._running = Running(policy.replies)
        self._cleared = 0  # characters that may leave
        self.cut = False
        self.delivered = 0
        self.scanned = 0

    @property
    def verdict(self) -> Verdict | None:
        return self._running.verdict

    def feed(self, text: str) -> Steps:
        self._text.seek(0, io.SEEK_END)
        self._text.write(text)
        for start in range(0, len(text), _SLICE):
            piece = text[start : start + _SLICE]
            self._watched += len(piece)
            if (yield from self._watch(piece)):
                break
        return self._leaving()

    def finish(self) -> Steps:
        if self._watching is not None and (yield from self._watch(None)):
            return self._leaving()
        if (yield from self._check(0, self._received(), last=True)):
            return ""  # what was cleared of these last tokens is dropped with the rest
        self._cleared = self._received()
        return self._leaving()

    def _watch(self, text: str | None) -> Generator[Sequence[Job] | Work, Any, bool]:
        """Watch what comes next, None: the end; where that raises the alarm, ask the guard. Whether it was stopped."""
        found = yield partial(_watched, self._watching, self._begin, text)
        if found is None:
            self._pass_unread()
            return False
        self._watching, tokens = found
        for start, end, probability in tokens:
            self._last.append(Watched(self._base + start, self._base + end, probability))
            due = self._alarm.sees(probability)
            self._clear()
            if due:
                if (yield from self._check(self._last[0].start, self._last[-1].end)):
                    return True
                self._alarm.over()
        return False

    def _check(self, start: int, end: int, *, last: bool = False) -> Generator[Sequence[Job] | Work, Any, bool]:
        """Let the guard say whether a part of the answer stops it."""
        self.scanned += end - start
        (verdict,) = yield [Job(self._slice(start, end), Stage.RESPONSE, self._prompt)]
        self.cut = verdict.blocked or verdict.action is Action.REDACT
        since = self._alarm.since if self.cut else None
        self._running.note(
            verdict,
            start=start,
            received=self._received(),
            last=last,
            stopped=self.cut,
            since=None if since is None else self._start_of(since),
        )
        return self.cut

    def _pass_unread(self) -> None:
        """After an outage under a policy that fails open: what has come passes, and a new watcher begins behind it."""
        self._watching = None
        self._base = self._cleared = self._watched
        self._last.clear()
        self._alarm = Alarm(self._alarm.threshold)
        self._running.pass_unread()

    def _clear(self) -> None:
        first_held = self._alarm.first_held
        if first_held > 0:
            self._cleared = self._start_of(first_held)

    def _start_of(self, token: int) -> int:
        return self._last[token - self._alarm.seen].start

    def _leaving(self) -> str:
        start, self.delivered = self.delivered, self._cleared
        return self._slice(start, self._cleared)

    def _slice(self, start: int, end: int) -> str:
        self._text.seek(start)
        return self._text.read(end - start)

    def _received(self) -> int:
        return self._text.seek(0, io.SEEK_END)


class Alarm:
    """When the guard is to be asked, token by token. Tokens count from 0."""

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self.seen = 0
        self.since: int | None = None
        """The first token of an alarm that is not over."""
        self._high = False
        self._grace = 0

    def sees(self, probability: float) -> bool:
        """Take in a token; returns whether the guard is to be asked now."""
        before, self._high = self._high, probability >= self.threshold
        if before and self._high and self.since is None:
            self.since = self.seen - 1
        self.seen += 1
        return self.since is not None and self.seen >= self._grace

    def over(self) -> None:
        """The guard has cleared all tokens so far."""
        self.since, self._high = None, False
        self._grace = self.seen + GRACE_TOKENS

    @property
    def first_held(self) -> int:
        """The first token that may not leave; below 1 where none may."""
        held = self.seen - HOLDBACK_TOKENS
        return held if self.since is None else min(held, self.since)


def harm_alone(policy: Policy) -> bool:
    """Whether tokens tell all that the policy asks of an answer: harm, and nothing to be cut out of it."""
    rules = dict(policy.stages[Stage.RESPONSE].items())
    actions = [rule.action for rule in (*rules.values(), *policy.hazards.values())]
    return (
        rules.keys() == {"harm"}
        and Action.REDACT not in actions
        and not any(rule.at(Stage.RESPONSE) for rule in policy.rules)
    )


def alarm_threshold(policy: Policy, thresholds: Thresholds, levels: Mapping[float, float]) -> float:
    """The threshold of the alarm at the policy's false-positive rate for the harm of answers.

    Between two rates the stricter one counts, and the strictest where none is strict enough: the verdict that confirms
    an alarm keeps to the policy's rate whatever raised it. A bare threshold is taken as it is. Of the rules for harm
    and for hazards with thresholds of their own the most wary counts; infinite where there is none.
    """
    harm = policy.stages[Stage.RESPONSE].harm
    rules = [rule for rule in policy.hazards.values() if rule.sets_threshold] + ([] if harm is None else [harm])
    found = [
        rule.threshold
        if rule.threshold is not None
        else _at(levels, rule.fpr or policy.fpr or thresholds.default(Stage.RESPONSE, "harm"))
        for rule in rules
    ]
    return min(found, default=float("inf"))


def _at(levels: Mapping[float, float], rate: float) -> float:
    return levels[max((level for level in levels if level <= rate), default=min(levels))]


def _watched(
    watching: Watching | None, begin: Callable[[], Watching], text: str | None
) -> tuple[Watching, Sequence[Watched]]:
    """The watcher, made with the first text, and the tokens it has read of this text; None is the end."""
    with AsOutage(Stage.RESPONSE):
        watching = watching or begin()
        return watching, watching.finish() if text is None else watching.feed(text)
