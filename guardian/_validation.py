"""From pydantic's list of complaints to one line."""

from __future__ import annotations

from pydantic import ValidationError

# What pydantic says in the words of Python, in those of a file.
_PLAIN = {
    "extra_forbidden": "unknown key",
    "tuple_type": "must be a list",
    "dict_type": "must be a table of keys and values",
    "model_type": "must be a table of keys and values",
}


def first_problem(error: ValidationError) -> tuple[str, str]:
    """Dotted key (empty for the whole) and message of the first thing that is wrong. Never repeats the value."""
    first, *others = error.errors(include_url=False, include_input=False, include_context=False)
    key = ".".join(str(part) for part in first["loc"] if part != "[key]")
    message = _PLAIN.get(first["type"]) or first["msg"].removeprefix("Value error, ")
    return key, f"{message} (and {len(others)} more)" if others else message
