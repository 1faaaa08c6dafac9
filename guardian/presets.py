"""Ready-made policies, by name: what differs from the defaults. Their measured rates stand in docs/policy.md.

They ask for budgets, never for raw thresholds, so that they mean the same for every model.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

# Cut out or only noted where a person has not written the text: the call goes on with the rest.
_LENIENT = {"harm": "flag", "injection": "redact"}

PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "strict": {"fpr": 0.05, "hazards": {"advice": "flag"}, "on_incomplete": "block"},
        "balanced": {},
        "permissive": {
            "fpr": 0.001,
            "stages": {"document": _LENIENT, "tool_result": _LENIENT},
            "on_incomplete": "allow",
        },
        "shadow": {"shadow": True},
    }
)
"""`balanced` is the default policy; `strict` rather stops too much, `permissive` only what is all but certain, and
`shadow` is `balanced` that only watches."""
