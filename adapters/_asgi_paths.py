"""Paths that name places in JSON, for the ASGI middleware: what is there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from guardian import InputError

Key = str | int
Place = tuple[Key, ...]
Paths = str | Sequence[str]

_EVERY = "*"
_STEP = re.compile(r"\.?(?P<name>[^.\[\]$]+)|\[(?P<index>\d+|\*)\]")
_DEEPEST = 64


def listed(paths: Paths) -> tuple[str, ...]:
    return (paths,) if isinstance(paths, str) else tuple(paths)


@cache
def steps(path: str) -> tuple[Key, ...] | None:
    """Keys, indices and `*` of a path; None where it is none."""
    position = 1 if path.startswith("$") else 0
    found: list[Key] = []
    while position < len(path):
        step = _STEP.match(path, position)
        if step is None:
            return None
        index = step["index"]
        found.append(step["name"] if index is None else index if index == _EVERY else int(index))
        position = step.end()
    return tuple(found) if path else None


def found(body: object, path: str) -> Iterator[tuple[Place, Any]]:
    """Place and value of everything that a path leads to."""
    values: list[tuple[Place, Any]] = [((), body)]
    for step in steps(path) or ():
        values = [((*place, key), inner) for place, value in values for key, inner in _children(value, step)]
    return iter(values)


def reaches(body: object, path: str) -> bool:
    """Whether a body has the shape of a path: it goes as far as its last step but one, or to an empty list before."""
    way = steps(path) or ()
    values = [body]
    for step in way[: max(1, len(way) - 1)]:
        values = [inner for value in values for _, inner in _children(value, step)] or [v for v in values if v == []]
    return bool(values)


def strings(value: object, place: Place) -> Iterator[tuple[Place, str]]:
    """Every string in a value. InputError where it is nested deeper than any known API nests."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, Mapping | list):
        if len(place) >= _DEEPEST:
            raise InputError(f"the body is nested too deeply: at most {_DEEPEST} levels")
        for key, inner in _children(value, _EVERY):
            yield from strings(inner, (*place, key))


def built(paths: Sequence[str], reply: str) -> dict[str, Any]:
    """The smallest body that has `reply` at the first path; under `response` where that is the whole body."""
    body: Any = reply
    for step in reversed((steps(paths[0]) if paths else None) or ("response",)):
        body = [body] if isinstance(step, int) or step == _EVERY else {step: body}
    return body if isinstance(body, dict) else {"response": reply}


def _children(value: object, step: Key) -> Iterator[tuple[Key, Any]]:
    if isinstance(value, Mapping):
        yield from value.items() if step == _EVERY else ((k, value[k]) for k in value.keys() & {step})
    elif isinstance(value, list) and step == _EVERY:
        yield from enumerate(value)
    elif isinstance(value, list) and isinstance(step, int):
        yield from ((step, inner) for inner in value[step : step + 1])
