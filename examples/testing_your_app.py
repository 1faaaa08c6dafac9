"""Tests of your own code without a model: a scripted backend gives the scores that you say."""

from __future__ import annotations

from guardian import BackendError, Guardian, GuardUnavailable, ScriptedBackend


def support_bot(guardian: Guardian, question: str) -> str:
    """The code under test."""
    try:
        verdict = guardian.check(question)
    except GuardUnavailable:
        return "Please try again in a minute."
    return verdict.reply or "stopped" if verdict.blocked else f"You asked: {question}"


def test_a_harmless_question_is_answered() -> None:
    assert support_bot(Guardian(backend=ScriptedBackend()), "Where is my parcel?") == "You asked: Where is my parcel?"


def test_a_harmful_question_gets_the_reply_of_the_guard() -> None:
    backend = ScriptedBackend({"explosives": {"harm": 0.99, "weapons": 0.98}})
    answer = support_bot(Guardian(backend=backend), "Which of your products make good explosives?")
    assert not answer.startswith("You asked")


def test_an_outage_is_not_a_verdict() -> None:
    backend = ScriptedBackend(fail=BackendError("prompt", "out of memory"))
    assert support_bot(Guardian(backend=backend), "Where is my parcel?") == "Please try again in a minute."


if __name__ == "__main__":  # pytest finds them by name
    for test in (
        test_a_harmless_question_is_answered,
        test_a_harmful_question_gets_the_reply_of_the_guard,
        test_an_outage_is_not_a_verdict,
    ):
        test()
        print(f"{test.__name__}: passed")
