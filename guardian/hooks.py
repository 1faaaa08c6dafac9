"""Hooks: an application's own code before and after each check."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from guardian.errors import ConfigError
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


def checked_hooks(hooks: Iterable[Hook]) -> tuple[Hook, ...]:
    """The hooks themselves; ConfigError names the one that is none. An async one would never be awaited."""
    if not isinstance(hooks, Iterable):
        raise ConfigError("hooks", f"must be a list of hooks, not {type(hooks).__name__}")
    given = tuple(hooks)
    for index, hook in enumerate(given):
        key = f"hooks[{index}]"
        if isinstance(hook, type):
            raise ConfigError(key, f"is the class {hook.__name__}, not an instance of it")
        for method in (getattr(hook, name, None) for name in ("before", "after")):
            if not callable(method):
                raise ConfigError(key, f"must have the methods before and after, unlike {type(hook).__name__}")
            if inspect.iscoroutinefunction(method):
                raise ConfigError(key, "must not be async: nobody would await it")
    return given
