"""Hooks: an application's own code before and after each check."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from guardian.verdict import Stage, Verdict


@dataclass(frozen=True, slots=True)
class Check:
    """What is about to be checked. The texts are not part of its repr, so it may be logged."""

    stage: Stage
    text: str = field(repr=False)
    context: str | None = field(default=None, repr=False)
    tenant: str | None = None


class Hook(Protocol):
    """Called around every check, in the thread that does it. What a hook raises ends the check and reaches the caller.

    A hook that must not end a check is a recorder (`guardian.record`).
    """

    def before(self, check: Check) -> None:
        """Before the text is read."""
        ...

    def after(self, check: Check, verdict: Verdict) -> Verdict | None:
        """After the decision; a verdict that is returned takes the place of the guard's."""
        ...
