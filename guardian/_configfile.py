"""Configuration files as plain values: YAML, TOML, JSON. A key given twice is an error in all three."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from guardian.errors import ConfigError


def read(path: Path) -> Any:
    """The values of a file, by its suffix. ConfigError names the file and says what is wrong with it."""
    parse = _PARSERS.get(path.suffix.lower())
    if parse is None:
        raise ConfigError(path.name, f"must end in {', '.join(_PARSERS)}")
    try:
        return parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(path.name, f"cannot be read: {error.strerror}") from error
    except ValueError as error:  # of the encoding, of TOML and of JSON; parsers below raise nothing else
        raise ConfigError(path.name, f"cannot be parsed: {error}") from error


def _json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError(_twice([key for key, _ in pairs]))
    return values


def _yaml(text: str) -> Any:
    import yaml  # here, because only YAML files need it

    class Loader(yaml.SafeLoader):
        """PyYAML lets the last of two equal keys win in silence."""

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            values = super().construct_mapping(node, deep)
            if len(values) < len(node.value):
                raise ValueError(_twice([str(key.value) for key, _ in node.value]))
            return values

    try:
        return yaml.load(text, Loader)  # noqa: S506  # a SafeLoader
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def _twice(keys: list[str]) -> str:
    return f"{next(key for key in keys if keys.count(key) > 1)!r} is given twice"


_PARSERS: Mapping[str, Callable[[str], Any]] = {".yaml": _yaml, ".yml": _yaml, ".toml": tomllib.loads, ".json": _json}
