"""The canonical form of untrusted text: what a reader sees, without the characters that only a tokenizer sees.

Three rewrites, repeated until nothing changes: invisible and control characters go, every combining sequence takes
its NFKC form (UAX #15), underlines and strike-throughs made of combining marks go. Ordinary text of any language
passes unchanged but for NFKC.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from guardian.text.offsets import FORWARD, Edit, Mapped

GROWTH_FACTOR = 2
GROWTH_CONSTANT = 1024
"""A canonical text holds at most `GROWTH_FACTOR * len(text) + GROWTH_CONSTANT` characters: some characters have an
18-character NFKC form, and past this bound they stay as they are."""

_MAX_ROUNDS = 8

_ASCII_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

# Default-ignorable code points (Unicode, DerivedCoreProperties) with the Hangul and Khmer fillers that render as
# nothing, interlinear annotation marks, bidi controls, variation selectors and tag characters.
_INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
    "\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
# C0 and C1 controls but \t \n \r and the two that delete, blanks that NFKC leaves alone, lone surrogates,
# noncharacters.
_BLANK = "\x00-\x07\x0b\x0c\x0e-\x1f\x80-\x9f\u1680\u2800\u3164\uffa0\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
_STRIPPED = re.compile(f"([\ud800-\udbff][\udc00-\udfff])|([{_INVISIBLE}]+)|([{_BLANK}]+)|[\u2028\u2029]")
_DELETIONS = re.compile("[\x08\x7f]+")

# Combining low lines, overlines, overlays and enclosures that style letters; none of them is spelled with.
_STYLE_MARKS = "\u0305\u0332\u0333\u0335-\u0338\u033f\u20d2\u20d3\u20d8-\u20da\u20e5\u20e6\u20ea\u20eb"
_STYLED_PAIR = re.compile(f"[^\\W_][{_STYLE_MARKS}]+[^\\W_][{_STYLE_MARKS}]")
_STYLE = re.compile(f"[{_STYLE_MARKS}]+")

_LONGEST_MARK_RUN = 30
"""UAX #15-D3 (stream-safe text): no language stacks more marks on one base, and sorting them is quadratic."""


def canonicalise(text: str) -> Mapped:
    """The canonical form of `text` with its map; never raises, linear time, ASCII without controls is itself."""
    if text.isascii() and not _ASCII_CONTROL.search(text):
        return Mapped(text)
    limit = GROWTH_FACTOR * len(text) + GROWTH_CONSTANT
    current = Mapped(text)
    for _ in range(_MAX_ROUNDS):
        before = current
        current = current.then(_strip(current.text))
        current = current.then(_delete(current.text))
        if not current.text.isascii():
            current = current.then(_compose_sequences(current.text, limit - len(current.text)))
            current = current.then(_unstyle(current.text))
        if current is before:
            break
    return current


def undeleted(text: str) -> Mapped | None:
    """`text` with its deletion characters taken out but deleting nothing, canonical; None if it has none.

    The second reading is needed because a model reads what a terminal would erase: without it a run of backspaces
    would hide the words before it.
    """
    if "\x08" not in text and "\x7f" not in text:
        return None
    edits = [Edit(match.start(), match.end(), "") for match in _DELETIONS.finditer(text)]
    shown = Mapped(text).then(edits)
    return shown.followed_by(canonicalise(shown.text))


def _strip(text: str) -> Iterator[Edit]:
    """Takes out the invisible, turns the blank into spaces, joins surrogate pairs."""
    if text.isascii() and not _ASCII_CONTROL.search(text):
        return
    for match in _STRIPPED.finditer(text):
        start, end = match.span()
        if match[1]:
            code = ((ord(match[1][0]) - 0xD800) << 10) + (ord(match[1][1]) - 0xDC00) + 0x10000
            yield Edit(start, end, chr(code))
        elif match[2]:
            yield Edit(start, end, "")
        elif match[3]:
            yield Edit(start, end, " " * (end - start), FORWARD)
        else:
            yield Edit(start, end, "\n")


def _delete(text: str) -> list[Edit]:
    """Applies backspace and DEL: each takes the last character before it, but never crosses a line break."""
    kept: list[tuple[int, int]] = []
    done = 0
    for match in _DELETIONS.finditer(text):
        kept.append((done, match.start()))
        done = match.end()
        left = match.end() - match.start()
        while left and kept:
            start, end = kept.pop()
            line = text.rfind("\n", max(start, end - left), end) + 1
            cut = line or max(start, end - left)
            if cut > start:
                kept.append((start, cut))
            left = 0 if line else left - (end - cut)
    if not done:
        return []
    kept.append((done, len(text)))
    gaps = zip([(0, 0), *kept], [*kept, (len(text), len(text))], strict=True)
    return [Edit(before[1], after[0], "") for before, after in gaps if before[1] < after[0]]


@dataclass(frozen=True, slots=True)
class _Sequences:
    """Compiled from the interpreter's Unicode tables."""

    unstable: re.Pattern[str]
    """Combining sequences that NFKC may change."""
    single: dict[int, str]
    """Characters whose NFKC form is one character."""
    marks: re.Pattern[str]
    """The tail of a run of marks that is too long."""
    spacing: frozenset[str]
    """Spacing marks whose NFKC form would put a space into a word (U+00B4 in don´t): left as they are."""


@cache
def _sequences() -> _Sequences:
    """Scans the code points that can be unstable, about 10 ms once; ideographs, syllables and private use cannot."""
    scanned = [range(0x80, 0x3400), range(0xA4D0, 0xAC00), range(0xF900, 0x13000), range(0x13430, 0x13460)]
    scanned += [range(0x16000, 0x17000), range(0x1B000, 0x20000), range(0x2F800, 0x2FA20)]
    extenders: list[int] = list(range(0x1160, 0x1200)) + list(range(0xD7B0, 0xD800))
    changing: list[int] = []
    spacing: list[str] = []
    single: dict[int, str] = {}
    for block in scanned:
        for code in block:
            char = chr(code)
            mark = unicodedata.category(char)[0] == "M"
            normal = unicodedata.normalize("NFKC", char)
            first = unicodedata.normalize("NFKD", char)[0]
            if mark or unicodedata.category(first)[0] == "M" or "\u1160" <= first <= "\u11ff":
                extenders.append(code)
            if normal != char and normal[0] == " " and len(normal) > 1:
                spacing.append(char)
            elif normal != char:
                changing.append(code)
                if len(normal) == 1:
                    single[code] = normal
    extends, changes = _char_class(extenders), _char_class(changing)
    marks = _char_class([code for code in extenders if unicodedata.category(chr(code)) in ("Mn", "Me")])
    return _Sequences(
        unstable=re.compile(f"[{changes}][{extends}]*+|.[{extends}]++", re.DOTALL),
        single=single,
        marks=re.compile(f"[{marks}]{{{_LONGEST_MARK_RUN}}}([{marks}]++)"),
        spacing=frozenset(spacing),
    )


def _char_class(codes: list[int]) -> str:
    """The inside of a regular expression's character class that holds exactly `codes`."""
    parts: list[str] = []
    previous = first = -2
    for code in [*sorted(set(codes)), -2]:
        if code != previous + 1:
            if first >= 0:
                parts.append(f"\\U{first:08x}-\\U{previous:08x}")
            first = code
        previous = code
    return "".join(parts)


def _compose_sequences(text: str, room: int) -> list[Edit]:
    """NFKC per combining sequence, growing the text by at most `room` characters."""
    tables = _sequences()
    long_runs = [Edit(*match.span(1), "") for match in tables.marks.finditer(text)]
    if long_runs:
        return long_runs
    if unicodedata.is_normalized("NFKC", text):
        return []
    # Fullwidth punctuation is all over Chinese text: one translation is much faster than an edit for each.
    translated = text.translate(tables.single)
    if translated != text:
        return [Edit(0, len(text), translated, FORWARD)]
    edits: list[Edit] = []
    for match in tables.unstable.finditer(text):
        old = match[0]
        fixed = 1 if old[0] in tables.spacing else 0
        new = old[:fixed] + unicodedata.normalize("NFKC", old[fixed:])
        grows = len(new) - len(old)
        if new != old and (grows <= 0 or grows <= room):
            room -= max(0, grows)
            edits.append(Edit(*match.span(), new))
    return edits


def _unstyle(text: str) -> list[Edit]:
    """Takes out underlines and strike-throughs if two neighbouring letters carry one; a lone mark may be spelling."""
    if not _STYLED_PAIR.search(text):
        return []
    return [Edit(match.start(), match.end(), "") for match in _STYLE.finditer(text)]
