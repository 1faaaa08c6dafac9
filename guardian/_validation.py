"""From pydantic's list of complaints to one line."""

from __future__ import annotations

from pydantic import ValidationError


def first_problem(error: ValidationError) -> tuple[str, str]:
    """Dotted key (empty for the whole) and message of the first thing that is wrong. Never repeats the value."""
    first, *others = error.errors(include_url=False, include_input=False, include_context=False)
    key = ".".join(str(part) for part in first["loc"] if part != "[key]")
    message = "unknown key" if first["type"] == "extra_forbidden" else first["msg"].removeprefix("Value error, ")
    return key, f"{message} (and {len(others)} more)" if others else message
