"""Safeguard replies: one for everything, the right one, and none that gives anything away."""

from __future__ import annotations

import pytest

from guardian import Action, Guardian, Policy, ScriptedBackend
from guardian.reply.templates import HARM, RULE, TEMPLATES, UNREAD, reply_for
from guardian.taxonomy import Attack, Hazard


def reply(policy: Policy | None = None, **scores: float) -> str:
    verdict = Guardian(backend=ScriptedBackend({"xyzzy": scores}), policy=policy).check("say xyzzy now")
    text = reply_for(verdict)
    assert verdict.reply == (text if verdict.blocked else None)
    return text


def test_there_is_a_reply_for_everything() -> None:
    assert set(TEMPLATES) == {*Hazard, *Attack, HARM, RULE, UNREAD}
    assert len(set(TEMPLATES.values())) == len(TEMPLATES)


@pytest.mark.parametrize("text", TEMPLATES.values(), ids=TEMPLATES.keys())
def test_replies_are_short_and_whole(text: str) -> None:
    assert 60 <= len(text) <= 450
    assert text.strip() == text
    assert text.endswith((".", "?"))
    assert "  " not in text


@pytest.mark.parametrize("hazard", Hazard)
def test_the_reply_is_about_the_hazard(hazard: Hazard) -> None:
    assert reply(None, **{"harm": 0.9, hazard.value: 0.8}) == TEMPLATES[hazard]


def test_the_likeliest_subject_is_answered() -> None:
    assert reply(harm=0.9, crime=0.7, cyber=0.8) == TEMPLATES[Hazard.CYBER]
    assert reply(harm=0.9) == TEMPLATES[HARM]


def test_self_harm_comes_first() -> None:
    assert reply(harm=0.9, violence=0.9, selfharm=0.5, jailbreak=0.99) == TEMPLATES[Hazard.SELFHARM]
    assert "988" in TEMPLATES[Hazard.SELFHARM]


def test_what_is_asked_goes_before_how() -> None:
    assert reply(harm=0.9, cyber=0.8, jailbreak=0.99) == TEMPLATES[Hazard.CYBER]
    assert reply(jailbreak=0.99, injection=0.6) == TEMPLATES[Attack.JAILBREAK]
    assert reply(injection=0.9) == TEMPLATES[Attack.INJECTION]


def test_a_text_that_was_not_all_read() -> None:
    assert reply(Policy(max_chars=3, on_incomplete=Action.BLOCK)) == TEMPLATES[UNREAD]


def test_a_rule_of_ones_own_has_a_reply_unless_more_is_known() -> None:
    policy = Policy.from_mapping({"rules": [{"name": "magic", "pattern": "xyzzy"}], "allow": [{"text": "fine"}]})
    assert reply(policy) == TEMPLATES[RULE]
    assert reply(policy, harm=0.9, crime=0.7) == TEMPLATES[Hazard.CRIME]
