"""What a guard remembers: verdicts on texts that come again, and documents that were stopped in a conversation.

Texts are remembered by a keyed hash (BLAKE2b, its key drawn when the process starts), never as such, and in bounded
numbers: the least recently used go first.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from hashlib import blake2b
from threading import Lock
from typing import Generic, TypeVar

from guardian.flow import Job
from guardian.policy import Policy
from guardian.verdict import Action, Stage, Verdict

_KEY = secrets.token_bytes(32)

Value = TypeVar("Value")


class Recent(Generic[Value]):
    """The values of the keys used last, at most `size` of them; safe to share between threads."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = Lock()
        self._values: OrderedDict[bytes, Value] = OrderedDict()

    def get(self, key: bytes) -> Value | None:
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key]

    def put(self, key: bytes, value: Value) -> None:
        with self._lock:
            self._values[key] = value
            self._values.move_to_end(key)
            while len(self._values) > self._size:
                self._values.popitem(last=False)

    def __len__(self) -> int:
        return len(self._values)


class Verdicts:
    """Verdicts by text, stage, context and policy: the turns of a conversation come again with every message."""

    def __init__(self, size: int = 4096) -> None:
        # An entry holds its policy, so that no other policy can come to have the same identity.
        self._recent: Recent[tuple[Policy, Verdict]] = Recent(size)

    def get(self, job: Job, policy: Policy) -> Verdict | None:
        """The verdict this text got before; its timings are gone, because it took none."""
        found = self._recent.get(_key(job, policy))
        return None if found is None else found[1].model_copy(update={"timings": {}})

    def put(self, job: Job, policy: Policy, verdict: Verdict) -> None:
        self._recent.put(_key(job, policy), (policy, verdict))


class Conversation:
    """What must outlast one call of a conversation: a document that was stopped stays so, whatever the next task is.

    Guards against the attack in two turns of Cross-Task Defense: a harmful document that was refused for one task is
    given again for another. Documents and tool results are known by their whole text. Give it to
    `Guardian.using(conversation=...)`; it holds no text and may be kept for as long as the conversation lasts.
    """

    def __init__(self, size: int = 1024) -> None:
        self._stopped: Recent[Verdict] = Recent(size)

    def stopped(self, job: Job, *, shadow: bool = False) -> Verdict | None:
        """The verdict that stopped this text before, if one did; with `shadow` it only says that it would."""
        if job.stage not in _DOCUMENTS:
            return None
        verdict = self._stopped.get(_digest(job.text))
        if verdict is None:
            return None
        changes = {"action": Action.ALLOW, "flagged": False, "reply": None, "shadow": True} if shadow else {}
        return verdict.model_copy(update={"stage": job.stage, "timings": {}, **changes})

    def note(self, job: Job, verdict: Verdict) -> None:
        """Remember what was stopped."""
        if job.stage in _DOCUMENTS and verdict.blocked:
            self._stopped.put(_digest(job.text), verdict)


_DOCUMENTS = frozenset((Stage.DOCUMENT, Stage.TOOL_RESULT))


def _key(job: Job, policy: Policy) -> bytes:
    return _digest(job.text, str(id(policy)), job.stage, "-" if job.context is None else f"+{job.context}")


def _digest(*parts: str) -> bytes:
    found = blake2b(key=_KEY, digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        found.update(len(data).to_bytes(8, "big"))
        found.update(data)
    return found.digest()
