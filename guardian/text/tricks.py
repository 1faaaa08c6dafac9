"""The twelve character tricks of Hackett et al. (2025) as attack mutators, to measure what they cost a guard.

W. Hackett et al., "Bypassing Prompt Injection and Jailbreak Detection in LLM Guardrails", 2025, section on character
injection. `guardian.text.normalize.views` undoes each of them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from types import MappingProxyType

_ACCENTS = "\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0311\u0323"
_INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff"
_UNDERLINE = "\u0332"
_EMOJI = "😊🙂👍🔥🌍🎉"

_HOMOGLYPHS = str.maketrans("aceijopsxyABCEHIKMOPTXhd", "асеіјорѕхуАВСЕНІКМОРТХһԁ")
_LEET = str.maketrans("aeiostAEIOST", "431057431057")
_FULL_WIDTH = {code: code - 0x20 + 0xFF00 for code in range(0x21, 0x7F)} | {0x20: 0x3000}
_UPSIDE_DOWN = str.maketrans(
    "abcdefghijklmnopqrstuvwyz.,'?!()[]{}<>_",
    "ɐqɔpǝɟƃɥᴉɾʞlɯuodbɹsʇnʌʍʎz˙',¿¡)(][}{><‾",
)


def _diacritics(text: str, rng: random.Random) -> str:
    """An accent on every letter."""
    return "".join(char + rng.choice(_ACCENTS) if char.isalpha() else char for char in text)


def _homoglyphs(text: str, _rng: random.Random) -> str:
    """Every letter that has one becomes its Cyrillic look-alike."""
    return text.translate(_HOMOGLYPHS)


def _bidirectional(text: str, _rng: random.Random) -> str:
    """Stored backwards under a right-to-left override, so that it is displayed forwards; line by line."""
    return "\n".join(f"\u202e{line[::-1]}\u202c" for line in text.split("\n"))


def _deletion(text: str, rng: random.Random) -> str:
    """A wrong letter and a backspace after every third character on average."""
    return "".join(char + (rng.choice("qxzjk") + "\x08" if rng.random() < 1 / 3 else "") for char in text)


def _emoji_smuggling(text: str, rng: random.Random) -> str:
    """The UTF-8 bytes as variation selectors 1 to 256 behind an emoji."""
    hidden = (chr(0xFE00 + byte if byte < 16 else 0xE0100 + byte - 16) for byte in text.encode("utf-8", "replace"))
    return rng.choice(_EMOJI) + "".join(hidden)


def _full_width(text: str, _rng: random.Random) -> str:
    """Fullwidth forms of ASCII."""
    return text.translate(_FULL_WIDTH)


def _numbers(text: str, rng: random.Random) -> str:
    """Leetspeak for a, e, i, o, s, t, each letter with probability 0.7."""
    return "".join(char.translate(_LEET) if rng.random() < 0.7 else char for char in text)


def _spaces(text: str, _rng: random.Random) -> str:
    """A space between all characters."""
    return " ".join(text)


def _underline(text: str, _rng: random.Random) -> str:
    """A combining low line under every visible character."""
    return "".join(char if char.isspace() else char + _UNDERLINE for char in text)


def _unicode_tags(text: str, _rng: random.Random) -> str:
    """ASCII as invisible tag characters; other characters stay."""
    return "".join(chr(0xE0000 + ord(char)) if " " <= char <= "~" else char for char in text)


def _upside_down(text: str, _rng: random.Random) -> str:
    """Lower-cased, in upside-down letters from right to left; line by line."""
    return "\n".join(line.lower().translate(_UPSIDE_DOWN)[::-1] for line in text.split("\n"))


def _zero_width(text: str, rng: random.Random) -> str:
    """An invisible character after every character."""
    return "".join(char + rng.choice(_INVISIBLE) for char in text)


TRICKS: Mapping[str, Callable[[str, random.Random], str]] = MappingProxyType(
    {
        "bidirectional": _bidirectional,
        "deletion": _deletion,
        "diacritics": _diacritics,
        "emoji_smuggling": _emoji_smuggling,
        "full_width": _full_width,
        "homoglyphs": _homoglyphs,
        "numbers": _numbers,
        "spaces": _spaces,
        "underline": _underline,
        "unicode_tags": _unicode_tags,
        "upside_down": _upside_down,
        "zero_width": _zero_width,
    }
)
"""Each trick by name: (text, source of randomness) to the disguised text. Made for English ASCII text."""
