"""A stream read in overlapping windows: text leaves when those that cover it are clear (`guardian.text.holdback`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from guardian.flow import Job
from guardian.joined import Running
from guardian.policy import Replies
from guardian.stream import Steps
from guardian.text.holdback import HOLDBACK, Holdback, Window
from guardian.verdict import CUSTOM, REDACTED, Action, Stage, Verdict


class WindowReader:
    """Reads an answer to `prompt` in windows of `holdback_chars` characters.

    With `rewrites` False there is no cutting spans out of what comes back: what the policy would redact cuts the
    stream. Raises ConfigError for too small a window.
    """

    def __init__(self, *, prompt: str, replies: Replies, holdback_chars: int = HOLDBACK, rewrites: bool = True) -> None:
        self._prompt = prompt
        self._held = Holdback(holdback_chars)
        self._rewrites = rewrites
        self._running = Running(replies)
        self.cut = False
        self.delivered = 0
        self.scanned = 0

    @property
    def verdict(self) -> Verdict | None:
        return self._running.verdict

    def feed(self, text: str) -> Steps:
        self._held.feed(text)
        return self._read(self._held.due(), final=False)

    def finish(self) -> Steps:
        windows = self._held.due(final=True)
        # An empty stream has a verdict too.
        return self._read(windows if windows or self.verdict else [Window(0, 0, 0, "")], final=True)

    def _read(self, windows: list[Window], *, final: bool) -> Steps:
        out = ""
        while windows and not self.cut:
            verdicts = yield [Job(window.text, Stage.RESPONSE, self._prompt) for window in windows]
            out += self._settle(windows, verdicts)
            windows = self._held.due(final=final)
        return out

    def _settle(self, windows: Sequence[Window], verdicts: Sequence[Verdict]) -> str:
        out: list[str] = []
        for window, verdict in zip(windows, verdicts, strict=True):
            self.scanned += len(window.text)
            cuts = [(window.start + start, window.start + end) for start, end in verdict.redactions()]
            self.cut = verdict.blocked or (verdict.action is Action.REDACT and not self._may_cut(window, verdict))
            last = window.end == self._held.received
            self._running.note(verdict, start=window.start, received=self._held.received, last=last, stopped=self.cut)
            if self.cut:
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


def _growing(window: Window, cuts: Iterable[tuple[int, int]]) -> int | None:
    """Where a cut begins that the end of the window may have cut short, and that the next window would open within."""
    end = window.start + len(window.text.rstrip())
    if window.commit == window.end:
        return None  # the last window: nothing follows
    starts = [start for start, stop in cuts if stop >= end and window.start < start < window.commit]
    return min(starts, default=None)
