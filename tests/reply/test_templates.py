"""Safeguard replies: one for everything, the right one, and none that gives anything away."""

from __future__ import annotations

import pytest

from guardian import Action, ConfigError, Guardian, Policy, Replies, ScriptedBackend
from guardian.reply.templates import PLAIN, TEMPLATES, reply_for
from guardian.taxonomy import HARM, RULE, SUBJECTS, UNREAD, Attack, Hazard


def reply(policy: Policy | None = None, **scores: float) -> str:
    verdict = Guardian(backend=ScriptedBackend({"xyzzy": scores}), policy=policy).check("say xyzzy now")
    text = reply_for(verdict, policy.replies if policy else Replies())
    assert verdict.reply == (text if verdict.blocked else None)
    return text


def test_there_is_a_reply_for_everything() -> None:
    assert set(TEMPLATES) == set(PLAIN) == set(SUBJECTS) == {*Hazard, *Attack, HARM, RULE, UNREAD}
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


def test_self_harm_that_is_likely_is_supported_below_its_threshold_too() -> None:
    """Who asks for a reply to "I want to kill myself", which the default thresholds let pass, gets no refusal."""
    policy = Policy.from_mapping({"hazards": {"selfharm": {"action": "block", "threshold": 0.9}}})
    assert reply(policy, harm=0.9, selfharm=0.6) == TEMPLATES[Hazard.SELFHARM]
    assert reply(policy, harm=0.1, selfharm=0.4) == TEMPLATES[HARM]


def test_a_hazard_that_is_likely_is_answered_below_its_threshold_too() -> None:
    policy = Policy.from_mapping({"hazards": {"crime": {"action": "block", "threshold": 0.9}}})
    assert reply(policy, harm=0.9, crime=0.6) == TEMPLATES[Hazard.CRIME]
    assert reply(policy, harm=0.1, crime=0.6, cyber=0.55) == TEMPLATES[Hazard.CRIME]
    assert reply(policy, harm=0.1, crime=0.4) == TEMPLATES[HARM]


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


def test_the_plain_tone_is_one_sentence_but_for_self_harm() -> None:
    policy = Policy(replies=Replies(tone="plain"))
    for hazard in Hazard:
        text = reply(policy.with_overrides({"hazards": {hazard: "block"}}), **{"harm": 0.9, hazard.value: 0.8})
        assert text == PLAIN[hazard]
        assert text.count(".") == 1 or hazard is Hazard.SELFHARM
    assert PLAIN[Hazard.SELFHARM] == TEMPLATES[Hazard.SELFHARM]


def test_what_the_policy_says_itself_goes_before_everything() -> None:
    policy = Policy.from_mapping({"replies": {"tone": "plain", "templates": {"crime": "No. <|x|>", "selfharm": "Us!"}}})
    assert reply(policy, harm=0.9, crime=0.7) == "No. <|x|>"
    assert reply(policy, harm=0.9, selfharm=0.7) == "Us!"
    assert reply(policy, harm=0.9, cyber=0.7) == PLAIN[Hazard.CYBER]


def test_a_tenants_replies_lie_over_the_houses_key_by_key() -> None:
    house = Policy.from_mapping({"replies": {"templates": {"crime": "House.", "cyber": "House."}, "contacts": ["1"]}})
    tenant = house.with_overrides({"replies": {"templates": {"cyber": "Tenant."}, "writer": "template"}})
    assert tenant.replies == Replies(
        templates={"crime": "House.", "cyber": "Tenant."}, contacts=("1",), writer="template"
    )
    assert house.replies.templates["cyber"] == "House."


@pytest.mark.parametrize(
    ("replies", "key"),
    [
        ({"templates": {"crimes": "No."}}, "replies.templates.crimes"),
        ({"templates": {"crime": ""}}, "replies.templates.crime"),
        ({"templates": {"crime": 3}}, "replies.templates.crime"),
        ({"tone": "rude"}, "replies.tone"),
        ({"writer": "model"}, "replies.writer"),
        ({"contacts": [""]}, "replies.contacts.0"),
        ({"contact": ["988"]}, "replies.contact"),
    ],
)
def test_a_mistake_is_named(replies: dict[str, object], key: str) -> None:
    with pytest.raises(ConfigError) as error:
        Policy.from_mapping({"replies": replies})
    assert error.value.key == key
