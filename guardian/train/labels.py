"""Label maps: what every source calls its categories, in our hazards (reference: the taxonomy table in docs/model.md).

The map is data (`labels.json`): source -> category -> list of hazards, or "ignore" where the category says nothing
about the hazard (the hazard head then gets no gradient). Three control keys: `split` (the category is a list joined by
this character), `prefix` (the category is a path: the first part of it that is known counts), `*` (any other).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from guardian.errors import ConfigError

_CONTROL = frozenset({"split", "prefix", "*"})


@cache
def label_maps() -> Mapping[str, Mapping[str, Any]]:
    """All maps as shipped, source -> category -> hazards or "ignore"."""
    text = files("guardian.train").joinpath("labels.json").read_text(encoding="utf-8")
    maps: Mapping[str, Mapping[str, Any]] = json.loads(text)
    return maps


def hazards_of(source: str, category: str | None) -> tuple[str, ...] | None:
    """Hazards of a source's category; None where the map says `ignore`. ConfigError names an unmapped category."""
    try:
        table = label_maps()[source]
    except KeyError:
        raise ConfigError(f"labels.{source}", "this source has no label map in guardian/train/labels.json") from None
    name = "null" if category is None else category
    found: list[str] = []
    for part in name.split(table["split"]) if "split" in table else [name]:
        value = _lookup(table, part)
        if value is None:
            raise ConfigError(f"labels.{source}", f"category {name!r} is not mapped")
        if value != "ignore":
            found.extend(hazard for hazard in value if hazard not in found)
    return tuple(found) or None


def _lookup(table: Mapping[str, Any], category: str) -> Any:
    if category in table and category not in _CONTROL:
        return table[category]
    if "prefix" in table:
        for part in category.split(table["prefix"]):
            if part in table and part not in _CONTROL:
                return table[part]
    return table.get("*")
