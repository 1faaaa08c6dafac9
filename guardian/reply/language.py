"""Which language a short text is in, as far as its script and its commonest words tell.

It can tell scripts apart, and eight languages in Latin script where enough of their commonest words are there. It
cannot tell apart the languages of one other script (Russian and Ukrainian), and says nothing of a text without such
words.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from itertools import combinations

_COMMON = {
    "en": "the and is are to of in that it you i for with how what my can be this not a have do on me your",
    "fr": "le la les des une un et est pour dans que qui je vous ne pas sur avec comment mon ma au du ce en il nous à",
    "de": "der die das und ist ein eine nicht ich sie mit wie für zu den dem auf mein kann es von im wir auch was",
    "es": "el la los las una un y es para que en de no por con cómo como mi se su lo al del yo puedo usted está",
    "it": "il lo la gli le una un è e per che di non con come mio mia del della sono si nel posso ho questo ma i",
    "pt": "o a os as um uma e é para que em de não por com como meu minha do da eu se no na posso você ao são",
    "nl": "de het een en is van ik je dat niet met voor hoe op te zijn mijn kan aan ook wat maar er dit in om",
    "id": "yang dan di untuk dengan saya anda ini itu tidak adalah dari ke bagaimana cara apa bisa akan pada orang",
}
_WORDS = {language: frozenset(words.split()) for language, words in _COMMON.items()}
_SHARED = frozenset.union(*(a & b for a, b in combinations(_WORDS.values(), 2)))
_WORD = re.compile(r"(?<![\w|])[^\W\d_]+(?![\w|])")  # no part of a name such as im_start
_LEAST = 3
_SCRIPTS = ("LATIN", "CYRILLIC", "GREEK", "ARABIC", "HEBREW", "DEVANAGARI", "BENGALI", "THAI", "HANGUL", "CJK")
_KANA = ("HIRAGANA", "KATAKANA")


def same_language(one: str, other: str) -> bool:
    """False only where it can be told that they are in different ones."""
    scripts = script(one), script(other)
    if None not in scripts and scripts[0] != scripts[1]:
        return False
    languages = language(one), language(other)
    return None in languages or languages[0] == languages[1]


def script(text: str) -> str | None:
    """The script of most letters; None where there are fewer than three letters or half of them are of others."""
    names = [unicodedata.name(char, "").partition(" ")[0] for char in text if char.isalpha()]
    if len(names) < _LEAST:
        return None
    if any(name in _KANA for name in names):  # Japanese mixes kana with the characters of Chinese
        return "KANA"
    name, count = Counter(names).most_common(1)[0]
    return name if name in _SCRIPTS and 2 * count > len(names) else None


def language(text: str) -> str | None:
    """The language of a text in Latin script, of the eight that are known; None where it cannot be told."""
    words = _WORD.findall(text.lower())
    counts = {name: sum(word in common for word in words) for name, common in _WORDS.items()}
    own = {name: sum(word in common - _SHARED for word in words) for name, common in _WORDS.items()}
    best, second = sorted(counts, key=lambda name: (counts[name], own[name]), reverse=True)[:2]
    return best if own[best] >= _LEAST and counts[best] >= 1.5 * counts[second] else None
