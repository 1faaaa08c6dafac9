"""Finding and decoding encoded passages: base64, hex, percent, entities, escapes, binary, character codes, Morse,
and the two that are invisible: Unicode tag characters and variation selectors used as bytes.

A decoder yields :class:`Passage` values only where the outcome reads as text, so that hashes, identifiers and numbers
yield nothing. Every decoder shortens what it decodes; there is no decompression and so no bomb.

The patterns run on untrusted text and stay linear: what may not follow a run is looked at after the match, because a
lookahead that fails has the run scanned again from each of its pieces.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import unquote, unquote_plus

from guardian.text.canonical import canonicalise
from guardian.text.offsets import Edit, rewrite
from guardian.text.vocabulary import known_share, segment

MAX_DEPTH = 3
"""How many encodings inside one another are undone."""


class Passage(NamedTuple):
    """An encoded range of a text and what it says."""

    start: int
    end: int
    payload: str
    kind: str


def find_hidden(text: str) -> list[Passage]:
    """Passages in tag characters and variation selectors, which the canonical form strips; `text` is as received."""
    if text.isascii():
        return []
    return _expanded(_disjoint([*_tags(text), *_selectors(text)]))


def find_encoded(text: str, depth: int = MAX_DEPTH) -> list[Passage]:
    """Visibly encoded passages of canonical `text`, in order, disjoint, with the encodings inside them undone."""
    decoders = _DECODERS if _ANY_DIGIT.search(text) else _WITHOUT_DIGITS
    found = [passage for decode in decoders for passage in decode(text)]
    return _expanded(_disjoint(found), depth - 1)


def substitute(text: str, passages: list[Passage]) -> str:
    """`text` with the payloads in the places of their passages."""
    return rewrite(text, (Edit(p.start, p.end, p.payload) for p in passages)).text


def _disjoint(passages: list[Passage]) -> list[Passage]:
    """The passages in order, without those that overlap an earlier or, at the same place, a longer one."""
    kept: list[Passage] = []
    for passage in sorted(passages, key=lambda p: (p.start, -p.end)):
        if not kept or passage.start >= kept[-1].end:
            kept.append(passage)
    return kept


def _expanded(passages: list[Passage], depth: int = MAX_DEPTH - 1) -> list[Passage]:
    """The passages with canonical payloads, decoded further `depth` times."""
    return [passage._replace(payload=_expand(passage, depth)) for passage in passages]


def _expand(passage: Passage, depth: int) -> str:
    clean = canonicalise(passage.payload).text
    # NFKC can lengthen; a payload must not outgrow what it was decoded from.
    text = clean if len(clean) <= passage.end - passage.start else passage.payload
    return substitute(text, find_encoded(text, depth)) if depth > 0 else text


# --- does it read as text? ---------------------------------------------------------------------------------------

_SPACE = str.maketrans("", "", " \t\r\n")


def _readable(text: str | None, shortest: int = 3) -> bool:
    """Whether decoded text is printable and mostly letters; random bytes are not."""
    if text is None:
        return False
    solid = text.translate(_SPACE)
    letters = sum(map(str.isalpha, solid))
    return (
        letters >= shortest
        and letters >= 0.6 * len(solid)
        and solid.isprintable()
        and len(set(solid)) >= min(4, shortest)
    )


def _wordy(text: str | None) -> bool:
    """Whether decoded text is readable and at least half known words; for encodings that numbers can imitate."""
    if text is None or not _readable(text):
        return False
    words = re.findall("[a-z]+", text.lower())
    return known_share(words) >= 0.5 or known_share([piece for word in words for piece in segment(word)]) >= 0.7


def _utf8(data: bytes) -> str | None:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


# --- hidden ------------------------------------------------------------------------------------------------------

_TAG_RUN = re.compile("(\U0001f3f4)?([\U000e0001-\U000e007f]{3,})")
_SELECTOR = "\ufe00-\ufe0f\U000e0100-\U000e01ef"
# One ordinary character may stand between two selectors: some smugglers put one on each letter.
_SELECTOR_RUN = re.compile(f"[{_SELECTOR}](?:[^{_SELECTOR}]?[{_SELECTOR}]){{3,}}")
_NOT_SELECTOR = re.compile(f"[^{_SELECTOR}]")


def _tags(text: str) -> Iterator[Passage]:
    """Runs of tag characters; a black flag with a few of them is the flag of a region."""
    for match in _TAG_RUN.finditer(text):
        payload = "".join(chr(ord(char) - 0xE0000) for char in match[2] if 0xE0020 <= ord(char) <= 0xE007E)
        flag = match[1] and len(payload) <= 6 and payload.isalnum()
        if payload and not flag:
            yield Passage(*match.span(2), payload, "tags")


def _selectors(text: str) -> Iterator[Passage]:
    """Bytes smuggled as variation selectors: VS1 to VS256 stand for 0 to 255."""
    for match in _SELECTOR_RUN.finditer(text):
        codes = map(ord, _NOT_SELECTOR.sub("", match[0]))
        payload = _utf8(bytes(code - 0xFE00 if code < 0xFE10 else code - 0xE0100 + 16 for code in codes))
        if payload and _readable(payload, shortest=2):
            yield Passage(*match.span(), payload, "emoji")


# --- visible -----------------------------------------------------------------------------------------------------

_BASE64 = re.compile(
    r"(?<![A-Za-z0-9+/_=-])(?:(?:[A-Za-z0-9+/]{40,}+\r?\n)+[A-Za-z0-9+/]++|[A-Za-z0-9+/_-]{16,}+)={0,2}"
)


def _base64(text: str) -> Iterator[Passage]:
    for match in _BASE64.finditer(text):
        pieces = [match.span()]
        if _from_base64(match[0]) is None and "\n" in match[0]:
            pieces = [(match.start() + m.start(), match.start() + m.end()) for m in re.finditer(r"\S+", match[0])]
        for start, end in pieces:
            payload = _from_base64(text[start:end])
            if payload is not None:
                yield Passage(start, end, payload, "base64")


def _from_base64(coded: str) -> str | None:
    """The text in a base64 string of either alphabet, padded or not; UTF-8, or UTF-16 as PowerShell has it."""
    letters = re.sub(r"[\s=]", "", coded).replace("-", "+").replace("_", "/")
    if len(letters) < 16 or len(letters) % 4 == 1:
        return None
    try:
        data = base64.b64decode(letters + "=" * (-len(letters) % 4), validate=True)
    except binascii.Error:
        return None
    if len(data) % 2 == 0 and data[1::2].count(0) > 0.4 * len(data):
        decoded = data.decode("utf-16-le", errors="replace")
        return decoded if _readable(decoded) else None
    decoded_or_none = _utf8(data)
    # Nested encodings are poor in letters, so the bar is only printable text here, and letters for short ones.
    if decoded_or_none and (_readable(decoded_or_none) or _printable_ascii(decoded_or_none)):
        return decoded_or_none
    return None


def _printable_ascii(text: str) -> bool:
    """Whether text is plain ASCII of a length that chance does not produce from random bytes."""
    return len(text) >= 16 and text.isascii() and text.translate(_SPACE).isprintable()


_HEX = re.compile(r"(?<![0-9A-Za-z%\\])(?>(?:(?:0x|\\x)?[0-9A-Fa-f]{2}(?:, |[ :,-])?){8,})")


def _hex(text: str) -> Iterator[Passage]:
    for match in _HEX.finditer(text):
        # In the middle of a word: no code.
        if match[0][-1].isalnum() and text[match.end() : match.end() + 1].isalnum():
            continue
        coded = match[0].rstrip(" :,-")
        digits = re.sub(r"0x|\\x|[ :,-]", "", coded)
        payload = _utf8(bytes.fromhex(digits)) if len(digits) % 2 == 0 else None
        plain_number = digits.isdigit()
        if payload and (_wordy(payload) if plain_number else _readable(payload) or _printable_ascii(payload)):
            yield Passage(match.start(), match.start() + len(coded), payload, "hex")


_PERCENT = re.compile(r"""(?<![^\s<>"'])[^\s<>"'%]*+(?>(?:%[^\s<>"'%]*+)+)""")
_PERCENT_BYTE = re.compile("%[0-9A-Fa-f]{2}")
_PERCENT_LETTER = re.compile("%(?:3[0-9]|[46][1-9A-Fa-f]|[57][0-9Aa])")


def _url(text: str) -> Iterator[Passage]:
    """Percent-encoding, in a web address only where it hides letters, which need none."""
    if text.count("%") < 3:
        return
    for match in _PERCENT.finditer(text):
        coded = match[0]
        address = "://" in coded or coded.startswith("www.")
        if len((_PERCENT_LETTER if address else _PERCENT_BYTE).findall(coded)) < 3:
            continue
        payload = unquote(coded) if "%20" in coded or "+" not in coded or address else unquote_plus(coded)
        if "\ufffd" not in payload and payload.translate(_SPACE).isprintable():
            yield Passage(*match.span(), payload, "url")


_ENTITIES = re.compile("(?:&#(?:[0-9]{2,7}|[xX][0-9A-Fa-f]{2,6});?)+")
_ENTITY_LIMIT = 3


def _entities(text: str) -> list[Passage]:
    """Numeric HTML entities, if the text spells letters with them; named ones are ordinary markup."""
    if text.count("&#") < _ENTITY_LIMIT:
        return []
    found = [Passage(*m.span(), html.unescape(m[0]), "html") for m in _ENTITIES.finditer(text)]
    return _if_letters(found)


_ESCAPES = re.compile(
    r"(?:\\x[0-9A-Fa-f]{2})+|(?:\\u[0-9A-Fa-f]{4}|\\u\{[0-9A-Fa-f]{1,6}\}|\\U[0-9A-Fa-f]{8})+|(?:\\[0-3][0-7]{2})+"
)
_ESCAPE_CODE = re.compile(r"[0-9A-Fa-f]+")


def _escapes(text: str) -> list[Passage]:
    r"""String escapes (`\x68`, `\u0068`, `\150`), if the text spells letters with them."""
    if text.count("\\") < 3:
        return []
    found = [Passage(*m.span(), _unescaped(m[0]), "escapes") for m in _ESCAPES.finditer(text)]
    return _if_letters(found)


def _unescaped(run: str) -> str:
    base = 8 if run[1].isdigit() else 16
    codes = [int(code, base) for code in _ESCAPE_CODE.findall(run)]
    if run[1] not in "uU":
        data = bytes(codes)
        return _utf8(data) or data.decode("latin-1")
    joined = "".join(chr(code) if code < 0x110000 else "\ufffd" for code in codes)
    return joined.encode("utf-16", "surrogatepass").decode("utf-16", errors="replace")


def _if_letters(passages: list[Passage]) -> list[Passage]:
    """The printable passages if they hide three ASCII letters or six others; else none."""
    shown = [p for p in passages if p.payload.translate(_SPACE).isprintable()]
    letters = [char for p in shown for char in p.payload if char.isalnum()]
    plain = sum(map(str.isascii, letters))
    return shown if plain >= 3 or len(letters) >= 6 else []


_BINARY = re.compile(r"(?<![0-9])(?>(?:[01]{8}[ ,\n]?){3,})")
_ANY_DIGIT = re.compile("[0-9]")


def _binary(text: str) -> Iterator[Passage]:
    for match in _BINARY.finditer(text):
        if _ANY_DIGIT.match(text, match.end()):
            continue
        coded = match[0].rstrip(" ,\n")
        bits = re.sub("[^01]", "", coded)
        payload = _utf8(bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)))
        if _readable(payload) and payload:
            yield Passage(match.start(), match.start() + len(coded), payload, "binary")


_CODES = re.compile(r"(?<![\d.,-])[1-9]\d{1,2}(?>(?:[ ,]{1,2}[1-9]\d{1,2}){4,})")
_NUMBER_GOES_ON = re.compile(r"[\d.%]")


def _codes(text: str) -> Iterator[Passage]:
    """Decimal character codes, `98 111 109 98 115`."""
    for match in _CODES.finditer(text):
        if _NUMBER_GOES_ON.match(text, match.end()):
            continue
        codes = [int(code) for code in re.findall(r"\d+", match[0])]
        if all(32 <= code < 127 for code in codes):
            payload = "".join(map(chr, codes))
            if _wordy(payload):
                yield Passage(*match.span(), payload, "codes")


_MORSE_MARKS = str.maketrans({"·": ".", "•": ".", "–": "-", "—": "-", "−": "-", "_": "-"})
_MORSE_SIGNS = ".-–—−·•_"
_MORSE_RUN = re.compile(r"(?<!\S)[.\-–—−·•_]{1,7}(?>(?:(?: ?[/|] ?| {1,7}|\n)[.\-–—−·•_]{1,7}){4,})")
_NO_BLANK = re.compile(r"\S")
_MORSE_CODES = (
    ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --.. "
    "----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----. .-.-.- --..-- ..--.. -..-."
)
_MORSE = dict(zip(_MORSE_CODES.split(), "abcdefghijklmnopqrstuvwxyz0123456789.,?/", strict=True))


def _morse(text: str) -> Iterator[Passage]:
    if sum(map(text.count, _MORSE_SIGNS)) < 5:
        return
    for match in _MORSE_RUN.finditer(text):
        if _NO_BLANK.match(text, match.end()):
            continue
        words = re.split(r" ?[/|] ?| {2,}|\n", match[0].translate(_MORSE_MARKS))
        letters = [[_MORSE.get(code) for code in word.split()] for word in words]
        if all(letter for word in letters for letter in word):
            payload = " ".join("".join(letter or "" for letter in word) for word in letters)
            if _wordy(payload):
                yield Passage(*match.span(), payload, "morse")


_Decoder = Callable[[str], Iterator[Passage] | list[Passage]]
# Most texts have no digit, and the code of no Latin letter does without one in any of these.
_OF_DIGITS: tuple[_Decoder, ...] = (_escapes, _entities, _url, _binary, _hex, _codes)
_WITHOUT_DIGITS: tuple[_Decoder, ...] = (_base64, _morse)
_DECODERS = (*_OF_DIGITS, *_WITHOUT_DIGITS)
