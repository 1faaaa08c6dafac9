"""The JSON schema of a policy file, for editors: it completes keys, shows what they mean and marks what is wrong.

It is checked in beside this file (policy.schema.json). Files leave out what keeps its default and may write a bare
action for a rule, so it asks for less than the finished policy has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from guardian.policy import Policy
from guardian.presets import PRESETS
from guardian.taxonomy import SUBJECTS

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def policy_schema() -> dict[str, Any]:
    """The schema as plain values."""
    schema = Policy.model_json_schema()
    kinds = schema["$defs"]
    for kind in kinds.values():
        kind.pop("description", None)  # that of a class, for who writes code
    for table in _tables(schema):
        _spell_out(table, kinds[table.pop("propertyNames")["$ref"].rpartition("/")[2]]["enum"])
    _spell_out(kinds["Replies"]["properties"]["templates"], SUBJECTS)
    rule = kinds["Rule"]
    del rule["required"]  # what is not given is laid over a rule that has one
    rule["not"] = {"required": ["fpr", "threshold"]}
    kinds["Rule"] = {"anyOf": [{"$ref": "#/$defs/Action"}, rule]}
    kinds["Allowed"]["oneOf"] = [{"required": ["text"]}, {"required": ["pattern"]}]
    kinds["CustomRule"]["required"] = ["name", "pattern"]  # the other way, a callable, is not for files
    properties = schema["properties"]
    properties["version"]["type"] = ["string", "number"]
    preset = {"enum": list(PRESETS), "description": "the ready-made policy that the other keys are laid over"}
    return {"$schema": DIALECT, **schema, "properties": {"preset": preset, **properties}}


def _tables(value: object) -> Iterator[dict[str, Any]]:
    """All schemas of mappings with keys of a known set."""
    if isinstance(value, dict):
        if "propertyNames" in value:
            yield value
        for inner in value.values():
            yield from _tables(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _tables(inner)


def _spell_out(table: dict[str, Any], keys: Iterable[str]) -> None:
    """Name the keys one by one: editors complete properties, but not the names that a rule for names allows."""
    table["properties"] = dict.fromkeys(keys, table["additionalProperties"])
    table["additionalProperties"] = False
    table.pop("default", None)
