"""Everything guardian raises on purpose.

    GuardianError
    ├── ConfigError          a key of a policy, a setting or an argument is wrong; names the key
    ├── InputError           the caller handed in what cannot be read: not text, a wrong shape, a broken file
    ├── ModelError           a model file is missing, changed or not what it should be; names the file
    ├── MissingExtra         an optional dependency is not installed; says how to install it (an ImportError too)
    ├── GuardUnavailable     an outage: no verdict could be given; the policy's fail mode says what then
    │   ├── GuardTimeout     the time budget ran out
    │   ├── GuardOverloaded  too many checks are waiting already
    │   └── BackendError     the model runtime failed
    └── Blocked              a decision: the text may not go on; carries the verdict
        ├── BlockedPrompt
        ├── BlockedDocument
        ├── BlockedResponse
        └── BlockedTool      a tool call or a tool result

A denial is a decision, an outage is an error: they share no class below `GuardianError`. The text that was checked is
never part of an error, so every one of them may be logged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from guardian.verdict import Verdict

# Every error hands its fields to `Exception.__init__`, so that it survives pickling (process pools, task queues).


class GuardianError(Exception):
    """Base of all errors of guardian."""


class ConfigError(GuardianError):
    """A setting is wrong. `key` is its dotted name, such as `stages.prompt.harm.fpr`."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(key, message)
        self.key = key
        self.message = message

    def __str__(self) -> str:
        return f"{self.key}: {self.message}"


class InputError(GuardianError):
    """The caller's input cannot be checked; the message names what is wrong, never what it says."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ModelError(GuardianError):
    """A file of a model is not usable. `file` is its name, `message` what is wrong with it."""

    def __init__(self, file: str, message: str) -> None:
        super().__init__(file, message)
        self.file = file
        self.message = message

    def __str__(self) -> str:
        return f"{self.file}: {self.message}"


class MissingExtra(GuardianError, ImportError):
    """An optional dependency is missing. `message` holds the line that installs `extra`."""

    def __init__(self, extra: str, message: str) -> None:
        super().__init__(extra, message)
        self.extra = extra
        self.message = message

    def __str__(self) -> str:
        return self.message


class GuardUnavailable(GuardianError):
    """No verdict could be given at this stage. Raised under fail mode `closed`; `open` lets the text pass."""

    def __init__(self, stage: str, reason: str) -> None:
        super().__init__(stage, reason)
        self.stage = stage
        self.reason = reason

    def __str__(self) -> str:
        return f"no verdict on the {self.stage.replace('_', ' ')}: {self.reason}"


class GuardTimeout(GuardUnavailable):
    """The policy's `timeout_s` ran out."""


class GuardOverloaded(GuardUnavailable):
    """Too many checks are waiting for a worker."""


class BackendError(GuardUnavailable):
    """The model runtime failed."""


class Blocked(GuardianError):
    """The policy stopped the text. `reason` is safe to show to the client; `verdict` is for the operator."""

    def __init__(self, verdict: Verdict, reason: str) -> None:
        super().__init__(verdict, reason)
        self.verdict = verdict
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class BlockedPrompt(Blocked):
    """A prompt was stopped before it reached the model."""


class BlockedDocument(Blocked):
    """A document was stopped before it reached the model."""


class BlockedResponse(Blocked):
    """A model's answer was stopped before it reached the user."""


class BlockedTool(Blocked):
    """A tool call was stopped before it ran, or a tool's result before it reached the model."""
