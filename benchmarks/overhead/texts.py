"""What is asked and answered, the same for every integration."""

from __future__ import annotations

from itertools import count
from typing import Any

PROMPT = "Could you please help me plan a small garden with herbs that like the shade?"
ANSWER = "Parsley, chervil, mint and chives do well in half shade. Water them in the morning. "
WORDS = [word + " " for word in (ANSWER * 24).split()]
LONG_ANSWER = "".join(WORDS)
FOUND = "Sorrel grows in any soil that does not dry out."

CHAT_HEAD = {"id": "c", "created": 1, "model": "m"}
CHAT: dict[str, Any] = {
    **CHAT_HEAD,
    "object": "chat.completion",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}],
}

_MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": PROMPT}]
_numbers = count()


def new_prompt() -> str:
    """A prompt that was never asked before, so that no verdict on it is remembered."""
    return f"{PROMPT} {next(_numbers)}"


def new_turn() -> dict[str, str]:
    return {"role": "user", "content": new_prompt()}


def look_up(query: str) -> str:
    """Look something up."""
    return f"{FOUND} {next(_numbers)}"


def new_messages() -> list[dict[str, str]]:
    """A conversation whose last turn is new."""
    return [*_MESSAGES, new_turn()]
