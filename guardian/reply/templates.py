"""Safeguard replies by template: short, and about the subject, never about the user.

They never quote the text, name no threshold and accuse nobody: a guard is sometimes wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from guardian.policy import Replies
from guardian.taxonomy import HARM, HAZARDS, RULE, UNREAD, Attack, Hazard
from guardian.verdict import ALLOW_LIST, Verdict

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
            "I can't do this in the role or the form it comes in, but I'm still happy to help. Ask me plainly "
            "what you need, and I'll do what I can."
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
"""The warm reply about every subject: it says what it cannot do and what it can."""

PLAIN: Mapping[str, str] = MappingProxyType(
    {
        Hazard.VIOLENCE: "I can't help with requests that could lead to violence.",
        Hazard.WEAPONS: "I can't help with requests about making, getting or using weapons.",
        Hazard.CRIME: "I can't help with requests that could serve a crime.",
        Hazard.CYBER: "I can't help with requests that could harm computer systems or those who use them.",
        Hazard.CHILD: "I can't help with requests that could harm a child.",
        Hazard.SEXUAL: "I can't help with requests for sexual content of this kind.",
        Hazard.SELFHARM: TEMPLATES[Hazard.SELFHARM],
        Hazard.HATE: "I can't help with requests that demean or harass people for who they are.",
        Hazard.PRIVACY: "I can't help with requests for other people's private information.",
        Hazard.MISINFO: "I can't help with requests that could mislead people.",
        Hazard.ADVICE: "I can't give advice here that needs a qualified professional.",
        Hazard.IP: "I can't help with requests to copy protected work.",
        Hazard.OTHER: "I can't help with this request, because somebody could come to harm.",
        Attack.JAILBREAK: "I can't answer the request in this form.",
        Attack.INJECTION: "I have not followed the instructions inside this text.",
        HARM: "I can't help with this request.",
        RULE: "I can't help with this request here.",
        UNREAD: "I can't act on this text, because not all of it could be checked.",
    }
)
"""One neutral sentence about every subject. Self-harm keeps the warm reply: there may be a person in need."""

_LIKELY = 0.5  # scores are calibrated: from here on it is likelier than not


def subject_of(verdict: Verdict) -> str:
    """What the reply is about: self-harm before all else, as there may be a person in need; the likeliest hazard that
    was found or, below its threshold, is likelier than not; harm; an attack; a rule."""
    names = [name for name in verdict.triggered if name != ALLOW_LIST]
    likely = [hazard for hazard in HAZARDS if verdict.scores.get(hazard, 0.0) >= _LIKELY]
    if Hazard.SELFHARM in (*names, *likely):
        return Hazard.SELFHARM
    hazards = [name for name in names if name in HAZARDS] or sorted(likely, key=lambda name: -verdict.scores[name])
    if hazards:
        return hazards[0]
    if not names:
        return HARM if verdict.coverage.complete else UNREAD
    known = [name for name in names if name in TEMPLATES]
    return HARM if HARM in known else next(iter(known), RULE)


def template(subject: str, replies: Replies) -> str:
    """The reply about a subject: the policy's own, or else ours in the policy's tone."""
    return replies.templates.get(subject) or (PLAIN if replies.tone == "plain" else TEMPLATES)[subject]


def reply_for(verdict: Verdict, replies: Replies) -> str:
    """The reply by template that fits what was found."""
    return template(subject_of(verdict), replies)
