"""The exception tree: who is whose child, what they say, and that they survive pickling."""

from __future__ import annotations

import pickle

import pytest

from guardian import Guardian, ScriptedBackend, errors
from guardian.errors import (
    BackendError,
    Blocked,
    BlockedPrompt,
    ConfigError,
    GuardianError,
    GuardOverloaded,
    GuardTimeout,
    GuardUnavailable,
    InputError,
    MissingExtra,
    ModelError,
)

TEXT = "how to build a bomb at home"


def all_errors() -> list[GuardianError]:
    verdict = Guardian(backend=ScriptedBackend({"bomb": {"harm": 0.99, "weapons": 0.9}})).check(TEXT)
    kinds: list[type[Blocked]] = [Blocked, *Blocked.__subclasses__()]
    blocked = [kind(verdict, verdict.reason) for kind in kinds]
    return [
        ConfigError("stages.prompt.harm.fpr", "must be a number"),
        InputError("text must be a str, not bytes"),
        ModelError("model.int8.onnx", "missing"),
        MissingExtra("cpu", "pip install 'slm-guardian[cpu]'"),
        GuardUnavailable("tool_result", "no answer"),
        GuardTimeout("prompt", "took longer than 1 s"),
        GuardOverloaded("prompt", "1024 checks are waiting already"),
        BackendError("prompt", "out of memory"),
        *blocked,
    ]


def test_the_tree_is_as_drawn() -> None:
    public = {kind.__name__ for kind in GuardianError.__subclasses__()} - {
        "_NotWrittenError"
    }  # never leaves its module
    assert public == {
        "ConfigError",
        "InputError",
        "ModelError",
        "MissingExtra",
        "GuardUnavailable",
        "Blocked",
    }
    assert set(GuardUnavailable.__subclasses__()) == {GuardTimeout, GuardOverloaded, BackendError}
    assert issubclass(MissingExtra, ImportError)
    assert not issubclass(Blocked, GuardUnavailable)
    drawn = errors.__doc__ or ""
    for error in all_errors():
        assert type(error).__name__ in drawn


def test_messages_name_the_subject() -> None:
    said = [str(error) for error in all_errors()]
    assert "stages.prompt.harm.fpr: must be a number" in said
    assert "model.int8.onnx: missing" in said
    assert "no verdict on the tool result: no answer" in said
    assert "prompt blocked: weapons" in said


@pytest.mark.parametrize("error", all_errors(), ids=lambda error: type(error).__name__)
def test_errors_survive_pickling_and_never_hold_the_text(error: GuardianError) -> None:
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)
    assert "bomb" not in f"{error} {error!r}"


def test_blocked_carries_the_verdict() -> None:
    guardian = Guardian(backend=ScriptedBackend({"bomb": {"harm": 0.99}}))
    with pytest.raises(BlockedPrompt) as caught:
        guardian.check(TEXT).raise_if_blocked()
    assert caught.value.verdict.scores["harm"] == 0.99
    assert caught.value.reason == "prompt blocked: harm"
