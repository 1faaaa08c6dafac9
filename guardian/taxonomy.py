"""What guardian looks for: hazards, attacks and severities, with names for people.

Hazards say what a text is about, attacks how it goes about it, severity how bad it is. The three are separate axes: a
jailbreak may wrap a harmless question, and a harmful one needs no jailbreak.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Ranked(StrEnum):
    """A StrEnum ordered as it is written. Without this `<` and `max` would go by the alphabet."""

    rank: int

    def __init__(self, _: str) -> None:
        self.rank = len(type(self).__members__)

    def __lt__(self, other: str) -> bool:
        return self.rank < self._rank_of(other)

    def __le__(self, other: str) -> bool:
        return self.rank <= self._rank_of(other)

    def __gt__(self, other: str) -> bool:
        return self.rank > self._rank_of(other)

    def __ge__(self, other: str) -> bool:
        return self.rank >= self._rank_of(other)

    def _rank_of(self, other: str) -> int:
        return other.rank if isinstance(other, type(self)) else type(self)(other).rank


class Hazard(StrEnum):
    """What harm a text asks for or does; a text may have several."""

    VIOLENCE = "violence"
    WEAPONS = "weapons"
    CRIME = "crime"
    CYBER = "cyber"
    CHILD = "child"
    SEXUAL = "sexual"
    SELFHARM = "selfharm"
    HATE = "hate"
    PRIVACY = "privacy"
    MISINFO = "misinfo"
    ADVICE = "advice"
    IP = "ip"
    OTHER = "other"


class Attack(StrEnum):
    """How a text tries to get round the model's rules."""

    JAILBREAK = "jailbreak"
    INJECTION = "injection"


class Severity(Ranked):
    """How bad a text is: safe < controversial < unsafe."""

    SAFE = "safe"
    CONTROVERSIAL = "controversial"
    UNSAFE = "unsafe"


HAZARDS: tuple[Hazard, ...] = tuple(Hazard)
"""All hazards, in the order of the model's hazard head."""

ATTACKS: tuple[Attack, ...] = tuple(Attack)
"""All attacks, in the order of the model's attack head."""

HARM, RULE, UNREAD = "harm", "rule", "unread"

SUBJECTS: tuple[str, ...] = (*HAZARDS, *ATTACKS, HARM, RULE, UNREAD)
"""What a safeguard reply can be about: a hazard or an attack, harm that no hazard explains, a custom rule, and a text
that was not all read."""

_ABOUT: dict[str, tuple[str, str]] = {
    Hazard.VIOLENCE: ("Violence", "violent crime, threats, terrorism, cruelty to people or animals"),
    Hazard.WEAPONS: ("Weapons", "chemical, biological, radiological, nuclear, explosive and other weapons"),
    Hazard.CRIME: ("Crime", "fraud, theft, drugs, trafficking, scams and other non-violent crime"),
    Hazard.CYBER: ("Cybercrime", "malware, intrusion, abuse of code interpreters"),
    Hazard.CHILD: ("Child abuse", "sexual exploitation or abuse of minors"),
    Hazard.SEXUAL: ("Sexual content", "erotica and sexual crimes"),
    Hazard.SELFHARM: ("Self-harm", "suicide, self-injury, disordered eating"),
    Hazard.HATE: ("Hate", "hate, harassment, discrimination"),
    Hazard.PRIVACY: ("Privacy", "exposure of personal or confidential data"),
    Hazard.MISINFO: ("Misinformation", "false claims, defamation, election and influence operations"),
    Hazard.ADVICE: ("Specialised advice", "unqualified medical, legal or financial advice"),
    Hazard.IP: ("Intellectual property", "infringement of copyright and trademarks"),
    Hazard.OTHER: ("Other harm", "unethical or manipulative conduct that fits no other hazard"),
    Attack.JAILBREAK: ("Jailbreak", "an attempt to talk the model out of its rules"),
    Attack.INJECTION: ("Prompt injection", "instructions to the model hidden in a document or a tool's output"),
    "harm": ("Harm", "harmful content of any kind"),
}

TITLES: Mapping[str, str] = MappingProxyType({name: title for name, (title, _) in _ABOUT.items()})
"""A short title for every hazard, every attack and `harm`."""

DESCRIPTIONS: Mapping[str, str] = MappingProxyType({name: text for name, (_, text) in _ABOUT.items()})
"""What every hazard, every attack and `harm` covers, as half a sentence."""
