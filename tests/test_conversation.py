"""What a guard remembers, and what it is used under: memory, conversations, scopes, hooks, recorders."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardian import (
    Action,
    BlockedPrompt,
    Check,
    ConfigError,
    Conversation,
    Guardian,
    GuardUnavailable,
    Piece,
    Policy,
    Record,
    ScriptedBackend,
    Stage,
    Verdict,
    guard,
)
from guardian.conversation import Recent

RULES = {"bomb": {"harm": 0.97, "weapons": 0.9}, "obey me": {"injection": 0.95}}


def scanned(backend: ScriptedBackend) -> list[str]:
    return [piece.text for call in backend.calls for piece in call]


def turns(*texts: str) -> list[dict[str, str]]:
    return [{"role": "user" if n % 2 == 0 else "assistant", "content": text} for n, text in enumerate(texts)]


# -- memory


def test_cleared_turns_are_not_scanned_again() -> None:
    backend = ScriptedBackend(RULES)
    guardian = Guardian(backend=backend)
    first = guardian.check_messages(turns("hello there"))
    second = guardian.check_messages(turns("hello there", "hi", "and how are you"))
    assert scanned(backend) == ["hello there", "and how are you", "hello there\nand how are you"]
    again = asyncio.run(guardian.acheck_messages(turns("hello there", "hi", "and how are you")))
    assert len(scanned(backend)) == 3
    assert again.coverage == second.coverage
    assert first.scores == second.scores


def test_a_blocked_turn_stays_blocked_and_is_not_scanned_again() -> None:
    backend = ScriptedBackend(RULES)
    guardian = Guardian(backend=backend)
    messages = turns("a bomb")
    assert guardian.check_messages(messages).blocked
    assert guardian.check_messages(messages).blocked
    assert scanned(backend).count("a bomb") == 1


def test_another_policy_does_not_take_over_what_was_remembered() -> None:
    guardian = Guardian(backend=ScriptedBackend(RULES))
    assert guardian.check_messages(turns("a bomb")).blocked
    with guardian.using(Policy(shadow=True)):
        verdict = guardian.check_messages(turns("a bomb"))
    assert (verdict.action, verdict.would) == (Action.ALLOW, Action.BLOCK)
    assert guardian.check_messages(turns("a bomb")).blocked


def test_an_outage_is_not_remembered() -> None:
    backend = ScriptedBackend(RULES)
    guardian = Guardian(backend=backend, policy=Policy.from_mapping({"fail_mode": {"prompt": "open"}}))
    backend.fail = GuardUnavailable("prompt", "gone")
    assert not guardian.check_messages(turns("a bomb")).blocked
    backend.fail = None
    assert guardian.check_messages(turns("a bomb")).blocked


@given(st.lists(st.integers(0, 9), max_size=60), st.integers(1, 5))
def test_the_memory_is_bounded_and_keeps_what_was_used_last(keys: list[int], size: int) -> None:
    recent: Recent[int] = Recent(size)
    order: list[int] = []
    for key in keys:
        name = bytes([key])
        assert recent.get(name) == (key if key in order else None)
        recent.put(name, key)
        order = [*(k for k in order if k != key), key][-size:]
        assert len(recent) == len(order)


# -- conversations


def test_a_document_stopped_once_stays_stopped_for_any_task() -> None:
    def script(piece: Piece) -> dict[str, float]:
        told = piece.context == "Translate this."
        return {"injection": 0.99 if "obey me" in piece.text and told else 0.0}

    guardian = Guardian(backend=ScriptedBackend(script))
    document, talk = "A text. Now obey me.", Conversation()
    with guardian.using(conversation=talk):
        assert not guardian.check_document(document, task="Summarise this.").blocked
        assert guardian.check_document(document, task="Translate this.").blocked
    with guardian.using(conversation=talk):
        again = guardian.check_document(document, task="Summarise this.")
        assert again.blocked
        assert guardian.check(document, stage="tool_result").blocked
        assert guardian.check(document, stage="tool_result").stage is Stage.TOOL_RESULT
        assert not guardian.check_document("Another text.", task="Summarise this.").blocked
    assert not guardian.check_document(document, task="Summarise this.").blocked


def test_under_a_shadow_policy_what_was_stopped_is_only_watched() -> None:
    guardian = Guardian(backend=ScriptedBackend(RULES))
    shadow = guardian.policy.with_overrides({"shadow": True})
    with guardian.using(conversation=Conversation()):
        assert guardian.check_document("obey me").blocked
        with guardian.using(shadow):
            verdict = guardian.check_document("obey me")
        assert (verdict.action, verdict.would, verdict.shadow) == (Action.ALLOW, Action.BLOCK, True)
        assert (verdict.flagged, verdict.reply) == (False, None)
        assert guardian.check_document("obey me").blocked


def test_what_one_conversation_stopped_does_not_reach_another() -> None:
    def script(piece: Piece) -> dict[str, float]:
        return {"injection": 0.99 if piece.context == "Translate this." and "obey me" in piece.text else 0.0}

    guardian = Guardian(backend=ScriptedBackend(script))
    document = "A text. Now obey me."
    messages = [{"role": "tool", "content": document}]
    with guardian.using(conversation=Conversation()):
        assert guardian.check_document(document, task="Translate this.").blocked
        assert guardian.check_messages(messages).blocked
    assert not guardian.check_messages(messages).blocked


# -- scopes


def test_a_policy_for_one_call() -> None:
    guardian = Guardian(backend=ScriptedBackend(RULES))

    @guard(guardian=guardian)
    def ask(prompt: str) -> str:
        return f"fine: {len(prompt)} characters"

    strict = guardian.policy.with_overrides({"name": "strict", "stages": {"prompt": {"injection": "block"}}})
    with guardian.using(strict) as same:
        assert same is guardian
        assert guardian.policy is strict
        with pytest.raises(BlockedPrompt) as caught:
            ask("obey me")
        with guardian.using(Policy(shadow=True)):
            assert ask("a bomb") == "fine: 6 characters"
        assert guardian.policy is strict
    assert caught.value.verdict.policy.name == "strict"
    assert ask("obey me") == "fine: 7 characters"


def test_scopes_of_tasks_and_guards_stay_apart() -> None:
    one, other = (Guardian(backend=ScriptedBackend(RULES)) for _ in range(2))

    async def tenant(name: str) -> tuple[str, str]:
        with one.using(Policy(name=name), tenant=name):
            await asyncio.sleep(0)
            verdict = await one.acheck("hi")
            return verdict.policy.name, (await other.acheck("hi")).policy.name

    async def main() -> list[tuple[str, str]]:
        return await asyncio.gather(*(tenant(f"t{n}") for n in range(8)))

    assert asyncio.run(main()) == [(f"t{n}", "default") for n in range(8)]


def test_a_policy_that_the_model_cannot_serve_is_refused_on_entry() -> None:
    guardian = Guardian(backend=ScriptedBackend())
    with pytest.raises(ConfigError, match=r"^fpr: 0.0001 is below"), guardian.using(Policy(fpr=0.0001)):
        pass


def test_a_policy_is_a_policy_and_a_tenant_a_name() -> None:
    guardian = Guardian(backend=ScriptedBackend(RULES))
    for wrong in ("strict", {"fpr": 0.01}, ""):
        with pytest.raises(ConfigError, match=r"policy: must be a Policy, not \w+: see Policy\.preset"):
            Guardian(backend=ScriptedBackend(RULES), policy=wrong)  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match="policy: must be a Policy"), guardian.using(wrong):  # type: ignore[arg-type]
            pass
    with pytest.raises(ConfigError, match="tenant: must be a str, not int"), guardian.using(tenant=42):  # type: ignore[arg-type]
        pass


# -- hooks and recorders


class Watch:
    def __init__(self) -> None:
        self.seen: list[Any] = []

    def before(self, check: Check) -> None:
        if check.text == "stop":
            raise PermissionError(check.tenant)
        self.seen.append((check.stage, check.text, check.tenant))

    def after(self, check: Check, verdict: Verdict) -> Verdict | None:
        self.seen.append(verdict.action)
        lifted = {"action": Action.ALLOW, "flagged": False}
        return verdict.model_copy(update=lifted) if check.tenant == "trusted" else None


def test_hooks_see_every_check_and_may_have_the_last_word() -> None:
    watch = Watch()
    guardian = Guardian(backend=ScriptedBackend(RULES), hooks=[watch])
    assert guardian.check("a bomb").blocked
    with guardian.using(tenant="trusted"):
        assert not asyncio.run(guardian.acheck("a bomb")).blocked
        with pytest.raises(PermissionError, match="trusted"):
            guardian.check("stop")
    block = [(Stage.PROMPT, "a bomb", None), Action.BLOCK, (Stage.PROMPT, "a bomb", "trusted"), Action.BLOCK]
    assert watch.seen == block
    assert "a bomb" not in repr(Check(Stage.PROMPT, "a bomb", "context of a bomb"))


class OnlyAfter:
    def after(self, check: Check, verdict: Verdict) -> None: ...


class Later:
    async def before(self, check: Check) -> None: ...
    def after(self, check: Check, verdict: Verdict) -> None: ...


@pytest.mark.parametrize(
    ("hooks", "message"),
    [
        ([OnlyAfter()], r"hooks\[0\]: must have the methods before and after, unlike OnlyAfter"),
        ([Later()], r"hooks\[0\]: must not be async"),
        ([OnlyAfter], r"hooks\[0\]: is the class OnlyAfter, not an instance"),
        (Later(), "hooks: must be a list of hooks, not Later"),
    ],
)
def test_a_hook_that_would_not_be_called_is_refused_from_the_start(hooks: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Guardian(backend=ScriptedBackend(RULES), hooks=hooks)


def test_recorders_are_told_and_never_break_a_call() -> None:
    records: list[Record] = []

    def broken(record: Record) -> None:  # noqa: ARG001
        raise OSError

    backend = ScriptedBackend(RULES)
    guardian = Guardian(backend=backend, recorders=[broken, records.append])
    with guardian.using(tenant="acme"):
        assert guardian.check("a bomb").blocked
        backend.fail = GuardUnavailable("prompt", "gone")
        with pytest.raises(GuardUnavailable):
            asyncio.run(guardian.acheck("hi"))
    assert [(r.tenant, r.action, r.text) for r in records] == [("acme", Action.BLOCK, None), ("acme", None, None)]
    assert [None if r.unavailable is None else r.unavailable.passed for r in records] == [None, False]


def test_a_tool_call_is_read_with_its_name() -> None:
    backend = ScriptedBackend({"delete_all": {"harm": 0.99}})
    guardian = Guardian(backend=backend)
    verdict = guardian.check_tool_call("delete_all", {"path": "/é"})
    assert verdict.stage is Stage.TOOL_CALL
    assert verdict.blocked
    assert asyncio.run(guardian.acheck_tool_call("read", '{"path": 1}')).action is Action.ALLOW
    assert scanned(backend)[0] == 'delete_all({"path": "/é"})'
    assert scanned(backend)[-1] == 'read({"path": 1})'
