"""Text that runs the wrong way: right-to-left overrides, backwards, upside down, and letters turned by 13 (ROT13).

Each function returns None where it finds nothing. The triggers for backwards text and ROT13 know English only.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from guardian.text import confusables
from guardian.text.offsets import FORWARD, MIRRORED, Edit, Mapped
from guardian.text.vocabulary import is_word, known_share, word_set

_OVERRIDE = re.compile("\u202e([^\u202c\u202d\u202e\n]+)")


def visual_order(text: str) -> Mapped | None:
    """`text`, as received, with what a right-to-left override shows backwards put into the order shown."""
    edits = [Edit(*m.span(1), m[1][::-1], MIRRORED) for m in _OVERRIDE.finditer(text)] if "\u202e" in text else []
    return Mapped(text).then(edits) if edits else None


_COMMON = word_set(
    "the for with that this from you how what make your have will about write where when why which would should "
    "can ignore instructions and tell give please people their them they there of to is or my it in be as at me"
)


def _mirrored(word: str) -> str:
    return word[::-1]


def _rot13(word: str) -> str:
    return codecs.encode(word, "rot13")


@dataclass(frozen=True, slots=True)
class _Spelling:
    """A way to respell words, and the common words so spelt that are not English all the same."""

    spell: Callable[[str], str]
    markers: frozenset[str]
    pattern: re.Pattern[str]


@cache
def _spelling(spell: Callable[[str], str]) -> _Spelling:
    markers = frozenset(word for word in map(spell, _COMMON) if not is_word(word))
    return _Spelling(spell, markers, re.compile(rf"\b(?:{'|'.join(sorted(markers))})\b", re.IGNORECASE | re.ASCII))


_BLOCK = 65536
_REACH = 100
"""Characters between two markers of one passage, and from the outer ones to its ends."""


def _marked_passages(text: str, spelling: _Spelling) -> list[tuple[int, int]]:
    """Where two different markers, one of three letters or more, stand close together, with what is around them."""
    clusters: list[list[re.Match[str]]] = []
    for match in spelling.pattern.finditer(text):
        if not clusters or match.start() - clusters[-1][-1].end() > _REACH:
            clusters.append([])
        clusters[-1].append(match)
    found: list[tuple[int, int]] = []
    for cluster in clusters:
        words = {match[0].lower() for match in cluster}
        if len(words) >= 2 and max(map(len, words)) >= 3:
            start, end = _surroundings(text, cluster[0].start(), cluster[-1].end())
            found.append((max(start, found[-1][1]) if found else start, end))
    return found


def _surroundings(text: str, start: int, end: int) -> tuple[int, int]:
    """The range with up to `_REACH` characters more on either side, but within the line and between words."""
    first = max(text.rfind("\n", max(0, start - _REACH), start) + 1, start - _REACH, 0)
    stop = text.find("\n", end, end + _REACH)
    last = stop if stop >= 0 else min(len(text), end + _REACH)
    if first and text[first - 1] != "\n":
        first = text.find(" ", first, start) + 1 or start
    if last < len(text) and text[last] != "\n":
        last = max(text.rfind(" ", end, last), end)
    return first, last


def respelt(text: str) -> list[tuple[str, Mapped]]:
    """The readings of text with English that is written backwards or in ROT13, by kind."""
    # Splitting is several times faster than the patterns, and in nearly all texts it settles the matter.
    blocks = (text[start : start + _BLOCK].lower().split() for start in range(0, len(text), _BLOCK))
    if all(map(_markers().isdisjoint, blocks)):
        return []
    turned = rotated(text)
    return [*backwards(text), *([("decoded:rot13", turned)] if turned else [])]


@cache
def _markers() -> frozenset[str]:
    return _spelling(_mirrored).markers | _spelling(_rot13).markers


def backwards(text: str) -> list[tuple[str, Mapped]]:
    """The readings of text with backwards English: `reversed` in whole, `reversed:words` each word on its own.

    The passages that are written backwards are turned, or the whole text if they are most of it.
    """
    passages = _marked_passages(text, _spelling(_mirrored))
    if not passages:
        return []
    by_word = Mapped(text).then(_respelt(text, passages, _mirrored, MIRRORED))
    if 2 * sum(end - start for start, end in passages) >= len(text):
        passages = [(0, len(text))]
    in_whole = Mapped(text).then(Edit(start, end, text[start:end][::-1], MIRRORED) for start, end in passages)
    return [("reversed", in_whole), ("reversed:words", by_word)]


def rotated(text: str) -> Mapped | None:
    """`text` with the words that are ROT13 turned back."""
    passages = _marked_passages(text, _spelling(_rot13))
    return Mapped(text).then(_respelt(text, passages, _rot13, FORWARD)) if passages else None


_LETTERS = re.compile("[A-Za-z]+")


def _respelt(text: str, passages: list[tuple[int, int]], spell: Callable[[str], str], step: int) -> Iterator[Edit]:
    """Respells the unknown words of `passages`."""
    for start, end in passages:
        for match in _LETTERS.finditer(text, start, end):
            word = match[0]
            if (len(word) == 1 and spell(word).lower() in "ai") or (len(word) > 1 and not is_word(word)):
                yield Edit(*match.span(), spell(word), step)


_FLIPPED_CHARS = "".join(map(chr, confusables.FLIPPED)).replace("]", r"\]").replace("[", r"\[")
_FLIPPED_RUN = re.compile(rf"(?<![^\W_])[{_FLIPPED_CHARS}losxziOHINSXZ0-9\s\"!?*=+|/-]{{4,}}(?![^\W_])")
_PROOF = re.compile(f"[{''.join(sorted(confusables.FLIPPED_PROOF))}]")


def upright(text: str) -> Mapped | None:
    """`text` with upside-down passages turned, read from the right or from the left, whichever gives known words."""
    if text.isascii() or len(set(_PROOF.findall(text))) < 2:
        return None
    edits: list[Edit] = []
    for match in _FLIPPED_RUN.finditer(text):
        run = match[0]
        if len(_PROOF.findall(run)) < 2:
            continue
        turned = run.translate(confusables.FLIPPED)
        from_right, from_left = (known_share(_LETTERS.findall(way), 2) for way in (turned[::-1], turned))
        if max(from_right, from_left) >= 0.3:
            right = from_right >= from_left
            edits.append(Edit(*match.span(), turned[::-1] if right else turned, MIRRORED if right else FORWARD))
    return Mapped(text).then(edits) if edits else None
