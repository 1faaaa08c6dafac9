"""The content of a message: which texts stand in it, where, and as what they are to be read.

Known are a string and the parts of OpenAI's Chat Completions and Responses, Anthropic's Messages (Bedrock's JSON too)
and LangChain's standard blocks. A part of another kind, or one that holds an image, sound or an encoded file, is no
text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from guardian.errors import InputError
from guardian.verdict import Stage

Path = tuple[str | int, ...]
"""The keys (str) and indexes (int) that lead to a text."""

NESTED = 8
"""Levels of parts within parts; the APIs know two."""

_DEEPEST = 64
"""Levels of JSON that a tool gave."""

_TEXTS = frozenset({"text", "input_text", "output_text"})

_RESULTS: Mapping[str, str] = {
    "tool_result": "content",
    "mcp_tool_result": "content",
    "custom_tool_call_output": "output",
}
"""Results of tools among the parts of a message, and where they have their content."""

_DOCUMENTS: Mapping[str, tuple[Path, ...]] = {
    "document": (("title",), ("context",)),
    "search_result": (("title",), ("source",)),
    "text-plain": (("title",), ("context",)),
    "file": (("file", "filename"),),
    "input_file": (("filename",),),
}
"""Documents among the parts of a message, and what a model is told of each beside its text."""

_SOURCES: Mapping[object, Path] = {"text": ("source", "data"), "content": ("source", "content")}
"""Where a document of Anthropic has its text, by the type of its source."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A text at the end of `path` in the content of a message; it is None where a part is no text."""

    path: Path
    stage: Stage
    text: str | None


def leaves(content: object, stage: Stage, where: str = "content") -> Iterator[Leaf]:
    """Every text of the content of a message that is read at `stage`, in order, each once.

    Documents of a user are read as documents, what a tool gave is part of its result, its documents too. InputError
    says what has the wrong shape: its place, which begins with `where`, and its type.
    """
    return _Reader(where).content(content, (), stage, 0)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one content, which is called `where` in errors."""

    where: str

    def content(self, value: object, path: Path, stage: Stage, depth: int) -> Iterator[Leaf]:
        """A string, or a list of parts."""
        if depth > NESTED:
            raise InputError(f"{self._name(path)} is nested too deeply: at most {NESTED} parts within one another")
        if isinstance(value, str):
            yield Leaf(path, stage, value)
            return
        if isinstance(value, bytes) or not isinstance(value, Sequence):
            raise self._wrong(path, "a str or a list of parts", value)
        for number, part in enumerate(value):
            yield from self.part(part, (*path, number), stage, depth)

    def part(self, part: object, path: Path, stage: Stage, depth: int) -> Iterator[Leaf]:
        if isinstance(part, str):
            yield Leaf(path, stage, part)
            return
        if not isinstance(part, Mapping):
            raise self._wrong(path, "a str or a mapping", part)
        kind = part.get("type", "text")
        if not isinstance(kind, str):
            raise self._wrong((*path, "type"), "a str", kind)
        if kind in _TEXTS:
            yield Leaf((*path, "text"), stage, self._text(part.get("text"), (*path, "text")))
        elif (key := _RESULTS.get(kind)) is not None:
            if key in part:
                yield from self.content(part[key], (*path, key), Stage.TOOL_RESULT, depth + 1)
        elif kind in _DOCUMENTS:
            own = stage if stage is Stage.TOOL_RESULT else Stage.DOCUMENT
            yield from self._document(part, kind, path, own, depth)
        elif kind == "json":
            said = {key: value for key, value in part.items() if key != "type"}
            yield from self._strings(said, path, stage, 0)
        else:
            yield Leaf(path, stage, None)

    def _document(self, part: Mapping[Any, Any], kind: str, path: Path, stage: Stage, depth: int) -> Iterator[Leaf]:
        """What a document is called, and what it says."""
        for place in _DOCUMENTS[kind]:
            if note := _at(part, place):
                yield Leaf((*path, *place), stage, self._text(note, (*path, *place)))
        body = _body(part, kind)
        if body is None:
            yield Leaf(path, stage, None)
        else:
            yield from self.content(_at(part, body), (*path, *body), stage, depth + 1)

    def _strings(self, value: object, path: Path, stage: Stage, depth: int) -> Iterator[Leaf]:
        """Every string among the values of some JSON."""
        if depth > _DEEPEST:
            place = self._name(path[:-depth])  # the keys are the tool's, and may say anything
            raise InputError(f"{place} is nested too deeply: at most {_DEEPEST} levels of JSON")
        if isinstance(value, str):
            yield Leaf(path, stage, value)
        elif isinstance(value, Mapping | list | tuple):
            for key, inner in value.items() if isinstance(value, Mapping) else enumerate(value):
                yield from self._strings(inner, (*path, key), stage, depth + 1)

    def _text(self, value: object, path: Path) -> str:
        if not isinstance(value, str):
            raise self._wrong(path, "a str", value)
        return value

    def _wrong(self, path: Path, needed: str, value: object) -> InputError:
        return InputError(f"{self._name(path)} must be {needed}, not {type(value).__name__}")

    def _name(self, path: Path) -> str:
        return self.where + "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)


def _body(part: Mapping[Any, Any], kind: str) -> Path | None:
    """Where a document has its text; None where it has none."""
    if kind == "document":
        source = _at(part, ("source", "type"))
        return _SOURCES.get(source) if isinstance(source, str) else None
    key = {"search_result": "content", "text-plain": "text"}.get(kind)
    return None if key is None or part.get(key) is None else (key,)


def _at(value: Any, path: Path) -> Any:
    """What stands at the end of a path; None where it leads nowhere."""
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
