"""Safeguard replies by template: warm, short, and about the subject, never about the user.

They never quote the text, name no threshold and accuse nobody: a guard is sometimes wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from guardian.taxonomy import Attack, Hazard
from guardian.verdict import ALLOW_LIST, Verdict

HARM = "harm"
UNREAD = "unread"
RULE = "rule"

TEMPLATES: Mapping[str, str] = MappingProxyType(
    {
        Hazard.VIOLENCE: (
            "I can't help with hurting a person or an animal. If someone is in danger right now, please call "
            "your local emergency number. I'm glad to talk about keeping safe, calming a conflict, or what you "
            "are going through."
        ),
        Hazard.WEAPONS: (
            "I can't help with making, getting or using weapons. I can explain the history, the law or the "
            "safety side, if that is of use to you."
        ),
        Hazard.CRIME: (
            "I can't help with something that would break the law or cost somebody dearly. If you want to "
            "protect yourself from it, report it, or find a lawful way to the same end, I'm happy to help."
        ),
        Hazard.CYBER: (
            "I can't help with breaking into systems or writing harmful code. I can help you secure your own, "
            "understand an attack in order to stop it, or report a weakness responsibly."
        ),
        Hazard.CHILD: (
            "I can't help with anything that sexualises or harms a child. If a child may be at risk, please "
            "contact your local police or a child protection hotline. If you worry about your own thoughts, "
            "confidential help exists."
        ),
        Hazard.SEXUAL: (
            "I can't help with sexual content of this kind. Questions about health, relationships or consent "
            "are welcome."
        ),
        Hazard.SELFHARM: (
            "I'm really glad you wrote, and I'm sorry things are this hard. You don't have to carry it alone: "
            "please reach out to someone you trust, or to a crisis line (in the US call or text 988; elsewhere "
            "findahelpline.com lists one near you). If you might act on it now, call your emergency number. I'm"
            " here to listen, too, if you'd like to tell me what is going on."
        ),
        Hazard.HATE: (
            "I can't help with demeaning or harassing people for who they are. I'm happy to discuss the topic "
            "itself, or to help put a strong view into fair words."
        ),
        Hazard.PRIVACY: (
            "I can't help with finding or exposing someone's private information. I can help you protect your "
            "own data, or find the proper channel for what you need."
        ),
        Hazard.MISINFO: (
            "I can't help with spreading claims that would mislead people. I can help you check the facts, or "
            "write something persuasive that is also true."
        ),
        Hazard.ADVICE: (
            "That needs a qualified professional who knows your situation. I can give general background and "
            "help you prepare good questions for a doctor, lawyer or financial adviser."
        ),
        Hazard.IP: (
            "I can't help with copying protected work. I can summarise it, help you write something of your "
            "own, or point to where it can be had properly."
        ),
        Hazard.OTHER: (
            "I can't help with that as it stands, because somebody could come to harm. Tell me what you are "
            "trying to achieve, and I'll look for a way that works for everyone."
        ),
        Attack.JAILBREAK: (
            "I can't set my guidelines aside, but I'm still happy to help. Ask me plainly what you need, and "
            "I'll do what I can."
        ),
        Attack.INJECTION: (
            "This text contains instructions meant for me rather than for you, so I have not followed them. If "
            "you want something done with it, tell me in your own words."
        ),
        HARM: (
            "I can't help with that, because somebody could come to harm. If I misunderstood, tell me a little "
            "more about what you need, and I'll gladly try again."
        ),
        RULE: (
            "I can't help with this here: it is outside of what this service is for. I'm glad to help with something "
            "else."
        ),
        UNREAD: ("I could not check all of this text, so I'd rather not act on it. A shorter part of it would do."),
    }
)
"""A reply for every hazard and attack, for `harm` that no hazard explains, for custom rules, and for a text that was
not all read."""


def reply_for(verdict: Verdict) -> str:
    """The reply that fits what was found. Self-harm comes first whatever else was: there may be a person in need."""
    names = [name for name in verdict.triggered if name != ALLOW_LIST]
    if Hazard.SELFHARM in names:
        return TEMPLATES[Hazard.SELFHARM]
    if not names:
        return TEMPLATES[HARM if verdict.coverage.complete else UNREAD]
    known = [name for name in names if name in TEMPLATES]
    subjects = [name for name in known if name not in tuple(Attack)]
    return TEMPLATES[next(iter(subjects or known), RULE)]
