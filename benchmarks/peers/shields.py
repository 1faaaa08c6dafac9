"""pydantic-ai-shields: `PromptInjection` on an agent, with pydantic-ai's own test model behind it."""

from __future__ import annotations

from inputs import INJECTION, emit, go_offline, row, zero_width

go_offline()

from pydantic_ai import Agent  # noqa: E402
from pydantic_ai.models.test import TestModel  # noqa: E402
from pydantic_ai_shields import InputBlocked, PromptInjection  # noqa: E402


def blocked(prompt: str) -> bool:
    try:
        Agent(TestModel(), capabilities=[PromptInjection()]).run_sync(prompt)
    except InputBlocked:
        return True
    return False


plain, hidden = blocked(INJECTION), blocked(zero_width(INJECTION))
words = {True: "blocked", False: "allowed"}
emit(row("zero_width", f"plain: {words[plain]}; with zero-width spaces: {words[hidden]}", defect=not hidden))
