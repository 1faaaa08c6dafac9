"""Written text as plain sentences: what is judged is what is said, however the model laid it out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

_FENCE = re.compile(r"^\s*(?:```|~~~).*$", re.M)
_LIST = re.compile(r"^[ \t]*(?:[#>]+[ \t]*|[-+•][ \t]+|\d{1,2}[.)](?=\s|$)[ \t]*)+", re.M)
_LINK = re.compile(r"!?\[([^\[\]]*)\]\(([^()\s]*)\)")
_EMPHASIS = re.compile(r"[*`]+|(?<!\w)_+(?=\w)|(?<=\S)_+(?!\w)|~~")
_QUOTES = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"'})

_END = re.compile(r"[.!?…]+[\"')\]]*(?=\s|$)|[。！？]+[」』）]*")
_NO_END = re.compile(r"(?:^|[\s(])(?:e\.g|i\.e|vs|mr|mrs|ms|dr|st|[a-z](?:\.[a-z])+|(?-i:[A-HJ-Z]))\.$", re.I)


def plain(text: str) -> str:
    """The text in one line, without the marks of Markdown; the target of a link stays, after its words."""
    text = _LINK.sub(r"\1 \2", _FENCE.sub("", text.translate(_QUOTES)))
    return " ".join(_EMPHASIS.sub("", _LIST.sub("", text)).split())


def ends(text: str) -> Iterator[int]:
    """Where in a plain text its sentences end, in order."""
    for match in _END.finditer(text):
        if not _NO_END.search(text, 0, match.end()):
            yield match.end()


def whole(text: str) -> str:
    """A plain text up to the end of its last sentence: a limit of tokens may have cut the next one short."""
    return text[: max(ends(text), default=0)]


def sentences(text: str) -> list[str]:
    """The sentences of a plain text; what follows the last end is one as well."""
    cuts = [0, *ends(text), len(text)]
    return [part for a, b in pairwise(cuts) if (part := text[a:b].strip())]
