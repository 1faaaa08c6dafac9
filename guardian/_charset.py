"""From bytes of unknown encoding to text, in blocks, so that a file of any size needs little memory.

Nothing is lost on the way: what cannot be decoded becomes U+FFFD or, in a file that is not UTF-8 at all, a character of
Windows-1252; either is noted. One wrong byte must not turn a whole file of Cyrillic into mojibake that no model reads.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

BLOCK = 1 << 18
_PROBE = 1 << 16

# UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Control bytes that text does not use; tab, newlines, form feed, backspace and ESC do occur (logs, manual pages).
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\f\b\x1b")) + b"\x7f"
_BINARY_SHARE = 0.05  # compressed data has some 10 %, programs more, text with a stray control character far less


class BinaryData(ValueError):
    """The bytes are not text in any encoding known here."""


@dataclass(frozen=True, slots=True)
class Charset:
    """How to decode a file, and what to tell about it."""

    encoding: str
    note: str | None = None


def detect(file: BinaryIO) -> Charset:
    """The encoding of a seekable file, from its start to its end. Raises BinaryData; leaves the position anywhere."""
    file.seek(0)
    head = file.read(_PROBE)
    encoding = next((name for mark, name in _MARKS if head.startswith(mark)), None) or _unmarked_utf16(head)
    if encoding is None:
        _refuse_binary(file)
        encoding = "utf-8"
    problem = _first_problem(file, encoding)
    if problem is None:
        return Charset(encoding)
    if problem == "cut":
        return Charset(encoding, "the last character is cut in half; it was replaced by U+FFFD")
    wrong, right = _count(file, encoding)
    if encoding == "utf-8" and wrong > right:
        return Charset("cp1252", "not UTF-8; read as Windows-1252 (Latin-1)")
    return Charset(encoding, f"{wrong:,} bytes are not valid {encoding.upper()}; they were replaced by U+FFFD")


def decode(file: BinaryIO, charset: Charset) -> Iterator[str]:
    """The text of the whole file in blocks; newlines stay as they are."""
    decoder = codecs.getincrementaldecoder(charset.encoding)(errors="replace")
    for block in _blocks(file):
        if text := decoder.decode(block):
            yield text
    if text := decoder.decode(b"", final=True):
        yield text


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while block := file.read(BLOCK):
        yield block


def _refuse_binary(file: BinaryIO) -> None:
    for block in _blocks(file):
        controls = len(block) - len(block.translate(None, _CONTROLS))
        if controls > _BINARY_SHARE * len(block):
            raise BinaryData


def _unmarked_utf16(head: bytes) -> str | None:
    """UTF-16 of mostly Latin text without a byte-order mark: every second byte is NUL, the others are not."""
    half = len(head) // 2
    even, odd = head[::2].count(0), head[1::2].count(0)
    if half >= 2 and max(even, odd) > 0.6 * half and min(even, odd) < 0.02 * half:
        return "utf-16-be" if even > odd else "utf-16-le"
    return None


def _first_problem(file: BinaryIO, encoding: str) -> str | None:
    """None if all of it decodes, `cut` if only the last character is incomplete, else `wrong`."""
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for block in _blocks(file):
            decoder.decode(block)
    except UnicodeError:
        return "wrong"
    try:
        decoder.decode(b"", final=True)
    except UnicodeError:
        return "cut"
    return None


def _count(file: BinaryIO, encoding: str) -> tuple[int, int]:
    """How many places are wrong, and how many characters beyond ASCII are right."""
    wrong = beyond = 0
    for text in decode(file, Charset(encoding)):
        wrong += text.count("\ufffd")
        beyond += len(text) - len(text.encode("ascii", "ignore"))
    return wrong, beyond - wrong
