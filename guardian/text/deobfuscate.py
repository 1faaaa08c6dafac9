"""Undoes spelling tricks: look-alike letters, stacked accents, leetspeak, spaced letters, separators, long letters.

Each trick is a function from text to edits, and :func:`deobfuscate` applies them one after another. Every one asks for
evidence before it edits (a mixture of scripts, a known word as the outcome), because code, product names, chemistry
and dates are full of odd spellings that mean what they say.

The patterns run on untrusted text and stay linear: a word is tried from its beginning only, and what may not follow a
run is looked at after the match, because a lookahead that fails has the run scanned again from each of its pieces.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from itertools import islice, pairwise, product

from guardian.text import confusables
from guardian.text.offsets import FORWARD, Edit, Mapped
from guardian.text.vocabulary import is_inflected, is_word, known_share, segment, word_set


def deobfuscate(text: str) -> Mapped:
    """`text`, which is canonical, with spelling tricks undone; itself if there are none. Near-linear time."""
    current = Mapped(text)
    for undo in (_accents, _lookalikes, _emblems, _spaced_letters, _separators, _split_words, _leet, _squeeze):
        current = current.then(undo(current.text))
    return current


# --- accents -----------------------------------------------------------------------------------------------------

_GENERIC_MARKS = "\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
_ACCENTED = f"\u00c0-\u024f\u1e00-\u1eff{_GENERIC_MARKS}"
_LATIN_WORD = re.compile(f"(?<![A-Za-z{_ACCENTED}])[A-Za-z]*+[{_ACCENTED}][A-Za-z{_ACCENTED}]*+")
_LATIN_LETTERS = re.compile("[A-Za-z\u00c0-\u024f\u1e00-\u1eff]")
_STACKED_MARKS = re.compile(f"[{_GENERIC_MARKS}]{{2,}}")
_ZALGO = re.compile(f"[{_GENERIC_MARKS}]{{3,}}")
_MARKED_CONSONANT = re.compile(f"(?i:[bcdfghjklpqrstvwxz])[{_GENERIC_MARKS}]")
_LONG_ENGLISH = word_set(
    "with that this from what make have your about would which there into people write please tell give explain "
    "ignore previous instructions when where could should them their these those then than because system prompt "
    "build steal kill bomb hack weapon drugs"
)


def _accents(text: str) -> list[Edit]:
    """Strips accents no language would set: stacked, on consonants without a composed form, on nearly every letter."""
    if text.isascii():
        return []
    words = [match for match in _LATIN_WORD.finditer(text) if not match[0].isascii()]
    plain = [_without_marks(match[0]) for match in words]
    everywhere = _accented_throughout(text, [match[0] for match in words], plain)
    edits = [
        Edit(*match.span(), bare)
        for match, bare in zip(words, plain, strict=True)
        if bare != match[0] and (everywhere or _overloaded(match[0], bare))
    ]
    return edits or [Edit(match.start(), match.end(), "") for match in _ZALGO.finditer(text)]


def _without_marks(word: str) -> str:
    decomposed = unicodedata.normalize("NFD", word)
    return unicodedata.normalize("NFC", "".join(char for char in decomposed if not unicodedata.combining(char)))


def _overloaded(word: str, bare: str) -> bool:
    """Whether the accents of a word are more than spelling; Vietnamese and Czech words pass, Yoruba ones mostly."""
    odd = len(_STACKED_MARKS.findall(word)) + len(_MARKED_CONSONANT.findall(word))
    # Short unknown words with a hat or a bar are variables of mathematics.
    if odd and len(bare) >= 3 and (is_inflected(bare) or (odd >= 2 and len(bare) >= 4)):
        return True
    marked = sum(char != base for char, base in zip(word, bare, strict=False)) if len(word) == len(bare) else 0
    return marked >= 5 and marked >= 0.8 * len(bare)


def _accented_throughout(text: str, words: list[str], plain: list[str]) -> bool:
    """Whether most letters carry accents, or accents hide several unmistakable English words."""
    uncovered = {bare.lower() for word, bare in zip(words, plain, strict=True) if bare != word} & _LONG_ENGLISH
    if len(uncovered) >= 2:
        return True
    marks = sum(len(unicodedata.normalize("NFD", word)) - len(bare) for word, bare in zip(words, plain, strict=True))
    return marks >= 6 and marks > 0.6 * len(_LATIN_LETTERS.findall(text))


# --- look-alike letters ------------------------------------------------------------------------------------------

_EXACT, _LOOSE, _STYLED = (frozenset(map(chr, t)) for t in (confusables.EXACT, confusables.LOOSE, confusables.STYLED))
_FOREIGN = _EXACT | _LOOSE
_ANY = "".join(map(chr, confusables.ALL))
_REPLACEABLE = re.compile(f"[0-9A-Za-z_{_ANY}]+")
_STYLED_LETTER = re.compile(f"[{''.join(sorted(_STYLED))}]")
_LOOKALIKE = re.compile(f"[{_ANY}]")
_NATIVE = re.compile(f"(?![{_ANY}])[\u0370-\u052f\u0531-\u0587\u10a0-\u10ff\u13a0-\u13ff]")
_GREEK = re.compile("[\u0370-\u03ff]")
_SWITCH = re.compile("[A-Za-z][^\x00-\x7f]|[^\x00-\x7f][A-Za-z]")


def _lookalikes(text: str) -> list[Edit]:
    """Maps look-alike letters to ASCII in words that mix scripts, or that read as a known word once mapped."""
    if text.isascii() or not _LOOKALIKE.search(text):
        return []
    native = bool(_NATIVE.search(text))
    if native and not _SWITCH.search(text) and not _STYLED_LETTER.search(text):
        return []
    strong: list[Edit] = []
    weak: list[Edit] = []
    for match in _LOOKALIKE_WORD.finditer(text):
        word = match[0]
        mapped = word.translate(confusables.ALL)
        if mapped == word or not _REPLACEABLE.fullmatch(word):
            continue
        edit = Edit(*match.span(), mapped, FORWARD)
        if _disguised(word, mapped, native):
            strong.append(edit)
        elif not native and (is_inflected(mapped) or not _GREEK.search(word)):
            weak.append(edit)
    return sorted(strong + weak) if strong else []


_LOOKALIKE_WORD = re.compile(f"(?<![\\w{_ANY}])(?>(?:(?![{_ANY}])\\w)*)[{_ANY}][\\w{_ANY}]*+")


def _disguised(word: str, mapped: str, native: bool) -> bool:
    """Whether look-alikes make up `word`; `native` says that the text also has ordinary words of such a script."""
    if len(word) < 3:
        return False
    plain = any(char.isascii() and char.isalpha() for char in word)
    letters = set(word)
    if letters & _STYLED:
        return len(word) >= 4 or is_word(mapped)
    if not letters & _FOREIGN:
        return False
    if _GREEK.search(word) and not is_inflected(mapped) and sum(map(str.isalpha, word)) < 5:
        # Variables and units: dμ, pθ, μSA.
        return False
    if plain:
        # A Latin name with a native ending (Russian and Greek do that) switches script once.
        return not native or len(_SWITCH.findall(word)) > 1 or is_inflected(mapped)
    return not native and len(word) >= 4 and is_inflected(mapped)


_REGIONAL_LETTER = re.compile("(?<![\U0001f1e6-\U0001f1ff])[\U0001f1e6-\U0001f1ff](?![\U0001f1e6-\U0001f1ff])")


def _emblems(text: str) -> list[Edit]:
    """Maps regional indicators that stand alone, three or more in the text, to letters; pairs are flags."""
    if text.isascii():
        return []
    found = list(_REGIONAL_LETTER.finditer(text))
    if len(found) < 3:
        return []
    return [Edit(*match.span(), confusables.REGIONAL[ord(match[0])], FORWARD) for match in found]


# --- spaced letters ----------------------------------------------------------------------------------------------

_LETTER = "A-Za-z\u00c0-\u024f\u0370-\u052f"
_SPACED = re.compile(
    f"(?<![\\w'’])[{_LETTER}](?>(?:(?>(?:[^\\w\n]|_){{1,7}})[{_LETTER}0-9@$](?![^\\W_])|\n[{_LETTER}](?![^\\W_])){{3,}})"
)
_GAP = re.compile(f"(?:[^{_LETTER}0-9@$]|(?<=[^\\w])[@$](?=[@$]))+")
_BRACKETED = re.compile(r"(?:[(\[][A-Za-z][)\]]\s?){3,}")
_PLAIN_LEET = str.maketrans("01345789@$", "oieastbgas")


def _spaced_letters(text: str) -> list[Edit]:
    """Joins letters set apart (`b o m b`, `k-i-l-l`, whole sentences with wider gaps between the words)."""
    edits: list[Edit] = []
    for match in _SPACED.finditer(text):
        edits += _join_letters(match[0], match.start())
    if not edits and ("(" in text or "[" in text):
        for match in _BRACKETED.finditer(text):
            letters = re.sub(r"[^A-Za-z]", "", match[0])
            if is_inflected(letters) or known_share(segment(letters.lower())) >= 0.6:
                edits.append(Edit(*match.span(), letters + (" " if match[0][-1].isspace() else "")))
    return edits


def _join_letters(run: str, offset: int) -> list[Edit]:
    """Edits for one run of single letters, or none if the letters spell nothing."""
    gaps = [(match.span(), match[0]) for match in _GAP.finditer(run) if match.end() < len(run)]
    if not gaps:
        return []
    gap = min(Counter(text for _, text in gaps).most_common(2), key=lambda item: (-item[1], len(item[0])))[0]
    if re.search(r"[()\[\]{}<>=]", gap) or 2 * sum(text == gap for _, text in gaps) < len(gaps):
        return []
    between = [_between_words(text, gap) for _, text in gaps]
    if sum(char.isalpha() for char in run) < 4 or sum(char.isdigit() for char in run) > 0.4 * len(gaps):
        return []
    starts = [0, *(end for (_, end), _ in gaps)]
    ends = [*(start for (start, _), _ in gaps), len(run)]
    letters = [run[start:end] for start, end in zip(starts, ends, strict=True)]
    words = _grouped(letters, between)
    shortest = 2
    if len(words) == 1:
        words, shortest = _word_breaks(letters, between), 3
    # Three letters and dots are an abbreviation.
    known = known_share(words, shortest) >= 0.7 and (gap.isspace() or max(map(len, words)) >= 4)
    if not known and ("," in gap or not _wordlike(words)):
        return []
    return [
        Edit(offset + start, offset + end, kept)
        for ((start, end), original), kept in zip(gaps, between, strict=True)
        if kept != original
    ]


def _between_words(text: str, gap: str) -> str:
    """What a gap stands for where `gap` only separates letters: nothing, a space, or the punctuation in it."""
    if text == gap:
        return ""
    rest = text.removeprefix(gap).removesuffix(gap) if len(text) > len(gap) else text
    return rest if rest.strip() or "\n" in rest else " "


def _grouped(letters: list[str], between: list[str]) -> list[str]:
    """The words that the letters make, plain and in lower case."""
    joined = "".join(letter + kept for letter, kept in zip(letters, [*between, ""], strict=True))
    return re.findall(r"[^\W_]+", joined.translate(_PLAIN_LEET).lower())


def _word_breaks(letters: list[str], between: list[str]) -> list[str]:
    """Finds the words of an unbroken run and notes the spaces between them in `between`."""
    pieces = segment("".join(letters).translate(_PLAIN_LEET).lower())
    if known_share(pieces) < 0.7:
        return ["".join(pieces)]
    at = 0
    for piece in pieces[:-1]:
        at += len(piece)
        between[at - 1] = " "
    return pieces


def _wordlike(words: list[str]) -> bool:
    """Whether unknown words could be language all the same: long, with vowels, and neither a list nor a pattern."""
    letters = "".join(words)
    if len(letters) < 7 or len(set(letters)) < 5:
        return False
    steps = [ord(after) - ord(before) for before, after in pairwise(letters)]
    vowels = len(re.findall("[aeiouyаеёиоуыэюяαειουω]", letters))
    listed = sum(0 <= step <= 2 for step in steps) > 0.5 * len(steps)
    return not listed and max(map(len, words)) >= 4 and 0.2 <= vowels / len(letters) <= 0.65


# --- separators inside words -------------------------------------------------------------------------------------

_SEPARATED = re.compile(r"(?<![^\W_])(?<![/\\@.])[A-Za-z]++(?>(?:[*|~^#\\`._+=:;,!/-]{1,2}+[A-Za-z]++)+)")
_SYMBOL_IN_WORD = re.compile(r"[*|~^#\\`._+=:;,!/-][A-Za-z]")
_GOES_ON = re.compile(r"[^\W_]|[@/\\]")
_PIECE = re.compile("[A-Za-z]+")
_ODD = frozenset("*|~^#`+")
_ENDINGS = word_set("t s d m ll re ve")
_PREFIXES = word_set("e i u x re co un de pre non anti sub pro mid mis bi tri ex in on en dis a wi hi")


def _separators(text: str) -> Iterator[Edit]:
    """Closes up a known word broken by symbols (`bo*mb`, `ki|ll`) and fills a masked vowel (`k*ll`)."""
    if not _SYMBOL_IN_WORD.search(text):  # cheaper, and enough for most texts
        return
    for match in _SEPARATED.finditer(text):
        if _GOES_ON.match(text, match.end()):
            continue
        whole = match[0]
        pieces = _PIECE.findall(whole)
        word = "".join(pieces)
        if len(word) <= 40 and len(word) >= 4 and _broken(whole, pieces, word):
            yield Edit(*match.span(), word)
        elif len(pieces) == 2 and ("*" in whole or "#" in whole) and len(whole) == len(word) + 1 >= 4:
            filled = [pieces[0] + vowel + pieces[1] for vowel in "aeiou" if is_word(pieces[0] + vowel + pieces[1])]
            if len(filled) >= 1 and not all(map(is_word, pieces)):
                yield Edit(*match.span(), filled[0], FORWARD)


def _broken(whole: str, pieces: list[str], word: str) -> bool:
    """Whether the pieces are no words of their own while together they are one."""
    if not is_inflected(word) or all(len(piece) > 1 and is_word(piece) for piece in pieces):
        return False
    if any(char in _ODD for char in whole):
        return "`" not in whole or pieces[-1].lower() not in _ENDINGS
    # Hyphens, dots and slashes also join words, abbreviations, file names and brands (Wi-Fi).
    if pieces[0].lower() in _PREFIXES or all(piece[0].isupper() for piece in pieces):
        return False
    return not any(len(piece) > 2 and is_word(piece) for piece in pieces)


_SPLIT = re.compile(
    r"(?<![\w'’.-])(?:[A-Za-z]{2,15}+-?\n[a-z]{2,15}+|[b-hj-zB-HJ-Z] [a-z]{3,15}+|[A-Za-z]{3,15}+ [b-hj-z])(?![\w'’-])"
)


# What is left of don't, we'll and the like where the apostrophe was lost.
_CONTRACTED = re.compile(" [sdm]$|n t$")


def _split_words(text: str) -> Iterator[Edit]:
    """Joins a known word that a line break cuts or that lost its first or last letter to a space."""
    for match in _SPLIT.finditer(text):
        pieces = _PIECE.findall(match[0])
        word = "".join(pieces)
        if len(word) < 4 or not is_word(word) or _CONTRACTED.search(match[0]):
            continue
        if not any(len(piece) > 1 and is_inflected(piece) for piece in pieces):
            yield Edit(match.start() + len(pieces[0]), match.end() - len(pieces[1]), "")


# --- leetspeak ---------------------------------------------------------------------------------------------------

_LEET = {
    "0": "o", "1": "il", "2": "z", "3": "e", "4": "a", "5": "s", "6": "g", "7": "t", "8": "b", "9": "g",
    "@": "a", "$": "s", "!": "il", "|": "li", "€": "e", "£": "l", "¥": "y", "₿": "b", "¢": "c", "(": "c", "+": "t",
}  # fmt: skip
_LEET_FIRST = {ord(char): letters[0] for char, letters in _LEET.items()}
_LEET_CHARS = "0-9@$!|€£¥₿¢"
_LEET_CHAR = re.compile(f"[{_LEET_CHARS}]")
_LEET_WORD = re.compile(f"(?<![^\\W_])(?<![@$/=&#_\\\\.:-])[A-Za-z]*+[{_LEET_CHARS}][A-Za-z{_LEET_CHARS}]*+")
_LEET_NUMBER = re.compile(r"(?<![\w.,:$#/(\[-])(?:4|1|70|15|17|45)(?![\w%:/]|[.,][0-9])")
"""Numbers that are short words (a, i, to, is, it, as) where the words around them are leetspeak."""
_MOST_READINGS = 16


def _leet(text: str) -> list[Edit]:
    """Spells out leetspeak: words that become known ones, and in a text with several of them all that look alike."""
    if not _LEET_CHAR.search(text):
        return []
    words = (match for match in _LEET_WORD.finditer(text) if not text.startswith("_", match.end()))
    found = [match for match in words if _leet_shaped(match[0])]
    if not found:
        return []
    cores = [_leet_core(match) for match in found]
    readings = [_reading(core) for _, core in cores]
    variables = sum(core[0] == "$" and reading is None for (_, core), reading in zip(cores, readings, strict=True))
    strong: set[str] = set()
    edits: list[Edit] = []
    weak: list[Edit] = []
    for (start, core), reading in zip(cores, readings, strict=True):
        edit = Edit(start, start + len(core), _cased(core, reading or core.translate(_LEET_FIRST)), FORWARD)
        if reading and _certain(core, reading) and not (core[0] == "$" and variables):
            strong.add(reading)
            edits.append(edit)
        elif (reading and _one_case(core) and core[0] not in "@$") or _weakly_leet(core):
            weak.append(edit)
    known = len(strong) + len({edit.replacement for edit in weak if is_word(edit.replacement)})
    if (len(strong) >= 2 or (strong and known >= 3)) and len(edits) >= 0.05 * len(text.split()):
        # A text full of it: now what could be leetspeak is, even a number that could be a word.
        edits += weak
        taken = {at for edit in edits for at in range(edit.start, edit.end)}
        numbers = (match for match in _LEET_NUMBER.finditer(text) if taken.isdisjoint(range(*match.span())))
        edits += [Edit(*match.span(), match[0].translate(_LEET_FIRST), FORWARD) for match in numbers]
    return sorted(edits)


def _leet_shaped(word: str) -> bool:
    """Whether letters and symbols mix in a word of a plausible length."""
    letters = sum(char.isalpha() for char in word) if 2 <= len(word) <= 32 else 0
    return letters >= 1 and letters >= 0.15 * len(word) and not word.isalpha()


def _leet_core(match: re.Match[str]) -> tuple[int, str]:
    """The word without the punctuation around it, and its offset in the text."""
    word = match[0]
    core = word.strip("!|") or word
    return match.start() + word.index(core), core


def _reading(core: str) -> str | None:
    """The known word that `core` spells, in lower case, trying at most `_MOST_READINGS` readings."""
    choices = [_LEET.get(char, char) for char in core.lower()]
    for letters in islice(product(*choices), _MOST_READINGS):
        word = "".join(letters)
        if is_inflected(word):
            return word
    return None


def _certain(core: str, reading: str) -> bool:
    """Whether nothing but leetspeak explains `core`: not a number after a word, not a version, not a unit."""
    bare = core.strip("0123456789")
    letters = sum(char.isalpha() for char in core)
    if len(reading) < 4 or letters < 0.4 * len(core):
        return False
    if bare.isalpha() and bare != core:
        # The digits stand only at the ends: `item5`, `4ever`, `win32`.
        first, last = core[1:] == bare, core[:-1] == bare and len(bare) >= 4
        return (first or last) and bare.islower() and not is_inflected(bare)
    return bool(bare) and _one_case(core) and not re.search("[0-9]{4}", core)


def _one_case(core: str) -> bool:
    """Whether the letters are all small or all capital but for the first: `Point3D` is a name, not `pointed`."""
    return core.islower() or core[1:].islower() or (core.isupper() and len(core) >= 4)


def _weakly_leet(core: str) -> bool:
    """Whether an unknown word looks like leetspeak to a reader who already saw some: symbols amid the letters."""
    inner = core.strip("0123456789")
    letters = sum(char.isalpha() for char in core)
    shaped = core.isalnum() and core.islower() and not inner.isalpha() and not re.search("[0-9]{4}", core)
    return shaped and len(core) >= 4 and letters >= 0.4 * len(core)


def _cased(core: str, reading: str) -> str:
    """`reading` in capitals where the letters of `core` are."""
    if core.isupper() and sum(char.isalpha() for char in core) > 1:
        return reading.upper()
    return "".join(old if old.isalpha() and old.lower() == new else new for old, new in zip(core, reading, strict=True))


# --- long letters ------------------------------------------------------------------------------------------------

_DRAWN_OUT = re.compile(r"(?<![A-Za-z])[A-Za-z]*?([A-Za-z])\1{3,}+[A-Za-z]*+")
_REPEATS = re.compile(r"([A-Za-z])\1{2,}")
_FOUR = re.compile(r"([A-Za-z])\1{3}")


def _squeeze(text: str) -> Iterator[Edit]:
    """Shortens letters repeated more than three times (`kiiiiill`) where that makes a known word."""
    if not _FOUR.search(text):  # ten times cheaper, and nearly always enough
        return
    for match in _DRAWN_OUT.finditer(text):
        word = match[0]
        runs = list(_REPEATS.finditer(word))
        if len(runs) > 6:
            continue
        for lengths in product((1, 2), repeat=len(runs)):
            short = word
            for run, length in zip(reversed(runs), reversed(lengths), strict=True):
                short = short[: run.start()] + run[1] * length + short[run.end() :]
            if len(short) >= 3 and is_word(short):
                yield Edit(*match.span(), short)
                break
