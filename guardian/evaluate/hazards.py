"""Categories of the evaluation files in our hazards, for category macro-F1. The training sources' map is
train/labels.json.

None marks a category that covers more than one hazard ("drugs, weapons, banned substances"): rows with such a
category are left out of the macro-F1, because a guess would count for or against the model by chance.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

_AILUMINATE: Mapping[str, str | None] = {
    "vcr": "violence", "iwp": "weapons", "ncr": "crime", "cse": "child", "sxc_prn": "sexual", "src": "sexual",
    "ssh": "selfharm", "hte": "hate", "prv": "privacy", "dfm": "misinfo", "ipv": "ip", "spc_ele": "misinfo",
    "spc_hlt": "advice", "spc_fin": "advice", "spc_lgl": "advice",
}  # fmt: skip

_SIMPLE: Mapping[str, str | None] = {
    "Illegal and Highly Regulated items": None,
    "Child safety": "child",
    "Suicide, Self-Harm, and Eating Disorders": "selfharm",
    "Physical harm and Violence": "violence",
    "Scams and fraud": "crime",
}

# A row has several of these fourteen, joined by commas, and most names hold commas themselves.
_BEAVERTAILS: Mapping[str, str | None] = {
    "animal_abuse": "violence",
    "child_abuse": "child",
    "controversial_topics,politics": None,
    "discrimination,stereotype,injustice": "hate",
    "drug_abuse,weapons,banned_substance": None,
    "financial_crime,property_crime,theft": "crime",
    "hate_speech,offensive_language": "hate",
    "misinformation_regarding_ethics,laws_and_safety": "misinfo",
    "non_violent_unethical_behavior": None,
    "privacy_violation": "privacy",
    "self_harm": "selfharm",
    "sexually_explicit,adult_content": "sexual",
    "terrorism,organized_crime": "violence",
    "violence,aiding_and_abetting,incitement": "violence",
}

_MULTIJAIL: Mapping[str, str | None] = {
    "Violence & incitement": "violence",
    "Discrimination & injustice": "hate",
    "Hate speech & offensive language": "hate",
    "Bullying & harassment": "hate",
    "Non-violent unethical behavior (e.g. lying, cheating, etc.)": None,
    "Conspiracy theories & misinformation": "misinfo",
    "Theft": "crime",
    "Weapons": "weapons",
    "Adult content": "sexual",
    "Substance abuse & banned substances": "crime",
    "Terrorism & organized crime": "violence",
    "Fraud & deception": "crime",
    "Animal abuse": "violence",
    "Sexual exploitation & human trafficking": None,
    "Property crime & vandalism": "crime",
    "Soliciting personally identifiable information": "privacy",
    "Self-harm": "selfharm",
    "Child abuse": "child",
}

MAPS: Mapping[str, Mapping[str, str | None]] = {
    "ailuminate": _AILUMINATE,
    "simplesafetytests": _SIMPLE,
    "beavertails": _BEAVERTAILS,
    "multijail": _MULTIJAIL,
}


def hazards_of(benchmark: str, category: str | None) -> frozenset[str] | None:
    """Hazards of a row's category; None where it is unknown to the map, or where a part of it covers several
    hazards.
    """
    table = MAPS.get(benchmark)
    if table is None or category is None:
        return None
    found = [table.get(part) for part in _parts(category, table)]
    known = frozenset(hazard for hazard in found if hazard is not None)
    return known if known and len(found) == sum(hazard is not None for hazard in found) else None


def _parts(category: str, table: Mapping[str, str | None]) -> list[str]:
    """A category's atoms: a Python list in a string, or known names joined by commas (longest name first), or
    itself.
    """
    if category.startswith("["):
        parsed = ast.literal_eval(category)
        return [str(part) for part in parsed]
    parts, rest = [], category
    while rest:
        name = max((n for n in table if rest == n or rest.startswith(n + ",")), key=len, default=rest)
        parts.append(name)
        rest = rest[len(name) + 1 :]
    return parts
