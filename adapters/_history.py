"""Conversations that go on after one of their turns was stopped.

Applications keep what was refused in their history. To stop at it again with every turn would end the conversation for
good, so it is withheld from the model instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from guardian import Action, Guardian, Verdict
from guardian.verdict import REDACTED

Message = Mapping[str, Any]
Checked = tuple[Sequence[Message], Verdict]
"""The messages that may go on if the verdict, which is on them, lets them."""


def check_conversation(guardian: Guardian, messages: Sequence[Message], new: int) -> Checked:
    """Check messages of which those from index `new` on have not been answered yet."""
    verdict = guardian.check_messages(messages)
    left = _without_earlier(messages, verdict, new)
    return (messages, verdict) if left is None else (left, guardian.check_messages(left))


async def acheck_conversation(guardian: Guardian, messages: Sequence[Message], new: int) -> Checked:
    """Check messages of which those from index `new` on have not been answered yet."""
    verdict = await guardian.acheck_messages(messages)
    left = _without_earlier(messages, verdict, new)
    return (messages, verdict) if left is None else (left, await guardian.acheck_messages(left))


def _without_earlier(messages: Sequence[Message], verdict: Verdict, new: int) -> Sequence[Message] | None:
    """The messages with a mark as the content of those before `new` that are blocked; None where there are none."""
    if not verdict.blocked:
        return None
    actions = {finding.name: finding.action for finding in verdict.findings}
    blocked = {s.message for s in verdict.spans if actions.get(s.hazard, verdict.action) >= Action.REPLY}
    earlier = blocked & set(range(new))
    if not earlier:
        return None
    return [{**m, "content": REDACTED} if index in earlier else m for index, m in enumerate(messages)]
