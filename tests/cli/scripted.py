"""The command line over a scripted backend, as a program: `python -m tests.cli.scripted scan ...`.

A text with INTERRUPT in it presses Ctrl-C when it is scored, so that no test has to wait for the right moment.
SCRIPTED_PATIENCE are the seconds before a progress bar is shown. With SCRIPTED_INSTANT every text has the same verdict,
without being looked at: for tests of memory.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable

from guardian.cli import common, main, progress
from guardian.guard import Guardian
from guardian.policy import Policy
from guardian.scoring.backend import Piece, Scores
from guardian.scoring.fake import ScriptedBackend
from guardian.verdict import Stage, Verdict

RULES = {
    "bomb": {"harm": 0.99, "weapons": 0.9},
    "ignore all previous": {"injection": 0.95},
}


def score(piece: Piece) -> Scores:
    """By RULES."""
    if "INTERRUPT" in piece.text:
        os.kill(os.getpid(), signal.SIGINT)
    found: dict[str, float] = {}
    for word, scores in RULES.items():
        if word in piece.text:
            found.update(scores)
    return found


class InstantGuardian(Guardian):
    """Looks at nothing."""

    def check(self, text: str, *, stage: Stage | str = Stage.PROMPT) -> Verdict:
        return super().check(text[:0], stage=stage)

    def check_many(self, texts: Iterable[str], *, stage: Stage | str = Stage.PROMPT) -> list[Verdict]:
        return super().check_many([text[:0] for text in texts], stage=stage)


def scripted(model: str | None, policy: Policy, device: common.DeviceName) -> Guardian:
    """In the place of `guardian.cli.common.open_guardian`."""
    del model, device
    kind = InstantGuardian if os.environ.get("SCRIPTED_INSTANT") else Guardian
    return kind(policy=policy, backend=ScriptedBackend(score))


if __name__ == "__main__":
    common.open_guardian = scripted
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that runs the tests in the background ignores it
    progress.PATIENCE_S = float(os.environ.get("SCRIPTED_PATIENCE", progress.PATIENCE_S))
    main()
