"""Patterns that run on untrusted text: linear in its length, and equal to the plain patterns they were sped up from."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardian import spans
from guardian.text import deobfuscate, encodings

SIZE = 10_000
"""Characters (more for base64, which scans fast): enough for a quadratic part to outweigh what is linear."""


def _deobfuscated(text: str) -> object:
    return deobfuscate.deobfuscate(text)


def _decoded(text: str) -> object:
    return encodings.find_encoded(text, 1)


def _split(text: str) -> object:
    return list(spans.split(text))


# Each makes one long run that nearly matches.
ATTACKS: dict[str, tuple[Callable[[str], object], Callable[[int], str]]] = {
    "accents": (_deobfuscated, lambda n: "é " + "a" * n),
    "lookalikes": (_deobfuscated, lambda n: "а " + "b" * n),
    "separators": (_deobfuscated, lambda n: "a*" * (n // 2) + "a@"),
    "leetspeak": (_deobfuscated, lambda n: "!" * n + "_"),
    "base64": (_decoded, lambda n: ("A" * 40 + "\n") * (n // 5) + "\n"),
    "binary": (_decoded, lambda n: "01010101 " * (n // 9) + "2"),
    "codes": (_decoded, lambda n: "98 " * (n // 3) + "98."),
    "morse": (_decoded, lambda n: ". " * (n // 2) + ".x"),
    "full stops": (_split, lambda n: "a" + "." * n + "b"),
    "blanks": (_split, lambda n: "a" + " " * n + "b"),
}


def _quickest(call: Callable[[str], object], text: str) -> float:
    times = []
    for _ in range(3):
        start = time.process_time()
        call(text)
        times.append(time.process_time() - start)
    return min(times)


@pytest.mark.parametrize("name", ATTACKS)
def test_time_grows_with_the_length(name: str) -> None:
    call, attack = ATTACKS[name]
    call(attack(100))  # loads the words
    # Linear is a ratio of 4, quadratic one of 16.
    assert _quickest(call, attack(4 * SIZE)) <= 8 * _quickest(call, attack(SIZE))


# --- the same matches --------------------------------------------------------------------------------------------

_MARKS = "\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
_ACCENTED = f"\u00c0-\u024f\u1e00-\u1eff{_MARKS}"
_WORD = f"[A-Za-z{_ACCENTED}]*"
_PLAIN_LATIN = re.compile(f"{_WORD}[{_ACCENTED}]{_WORD}")
_PLAIN_LOOKALIKE = re.compile(f"[\\w{deobfuscate._ANY}]*[{deobfuscate._ANY}][\\w{deobfuscate._ANY}]*")
_PLAIN_END = re.compile(r"[.!?…]+[\"'”’)\]]*\s+|[。！？]+\s*|\s*\n\s*")


def _texts(pieces: Iterable[str]) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(list(pieces)), max_size=24).map("".join)


def _spans(pattern: re.Pattern[str], text: str) -> list[tuple[int, int]]:
    return [match.span() for match in pattern.finditer(text)]


@settings(max_examples=200)
@given(_texts("aBé\u0301ñ _1а×"))
def test_accented_words_are_those_of_the_plain_pattern(text: str) -> None:
    assert _spans(deobfuscate._LATIN_WORD, text) == _spans(_PLAIN_LATIN, text)


@settings(max_examples=200)
@given(_texts("ab_1аο é𝐚ж-ß"))
def test_lookalike_words_are_those_of_the_plain_pattern(text: str) -> None:
    assert _spans(deobfuscate._LOOKALIKE_WORD, text) == _spans(_PLAIN_LOOKALIKE, text)


@settings(max_examples=200)
@given(_texts("a.!…\"') \n\t。！ "))
def test_sentence_ends_are_those_of_the_plain_pattern(text: str) -> None:
    assert _spans(spans._END, text) == _spans(_PLAIN_END, text)


def test_no_group_is_repeated_possessively(repo: Path) -> None:
    """Before Python 3.11.5 such a group matches wrongly where it holds a choice (gh-106052); `(?>(...)+)` does not."""
    files = [*(repo / "guardian").rglob("*.py"), *(repo / "adapters").glob("*.py")]
    possessive = re.compile(r"\)(?:[*+?]|\{+[0-9,]+\}+)\+")
    assert len(files) > 50
    assert [file.name for file in files if possessive.search(file.read_text(encoding="utf-8"))] == []


def _with_lookahead(module: ModuleType, pattern: str, lookahead: str, call: Callable[[], object]) -> object:
    """What `call` returns when the lookahead stands at the end of the pattern, as is natural but quadratic."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, pattern, re.compile(getattr(module, pattern).pattern + lookahead))
        return call()


@settings(max_examples=200)
@given(_texts(["bo*mb", "ki|ll", "k*ll", "we-ap.on", "*", "_", "/", "\\", "@", "1", "é", ".", " ", " ", "\n"]))
def test_separators_as_with_a_lookahead(text: str) -> None:
    def edits() -> object:
        return list(deobfuscate._separators(text))

    assert edits() == _with_lookahead(deobfuscate, "_SEPARATED", r"(?![^\W_]|[@/\\])", edits)


@settings(max_examples=200)
@given(_texts(["b0mb", "h4ck3r", "k1ll", "w34p0n", "p@ss", "!", "|", "4", "_", "$", "x", ".", " ", " ", " "]))
def test_leetspeak_as_with_a_lookahead(text: str) -> None:
    def edits() -> object:
        return deobfuscate._leet(text)

    assert edits() == _with_lookahead(deobfuscate, "_LEET_WORD", "(?!_)", edits)


_DECODER_CASES: dict[str, tuple[str, str, Callable[[str], object], list[str]]] = {
    "binary": (
        "_BINARY", "(?![0-9])", lambda text: list(encodings._binary(text)),
        ["01100010", "01101111 ", "01101101,", "01100010\n", "0110111001100101", "0", "2", " ", "x"],
    ),
    "codes": (
        "_CODES", r"(?![\d.%])", lambda text: list(encodings._codes(text)),
        ["107 105 108 108", " 98 111 109 98", "98", "111, ", " ", ",", ".", "%", "-", "0", "1045", "x"],
    ),
    "morse": (
        "_MORSE_RUN", r"(?!\S)", lambda text: list(encodings._morse(text)),
        ["-... --- -- -...", "-.- .. .-.. .-..", " ", " ", " / ", "\n", ".", "-", "........", "x", "_"],
    ),
}  # fmt: skip


@settings(max_examples=200)
@given(st.data())
@pytest.mark.parametrize("name", _DECODER_CASES)
def test_decoders_as_with_a_lookahead(name: str, data: st.DataObject) -> None:
    pattern, lookahead, decode, pieces = _DECODER_CASES[name]
    text = data.draw(_texts(pieces))
    assert decode(text) == _with_lookahead(encodings, pattern, lookahead, lambda: decode(text))


@settings(max_examples=200)
@given(_texts(["A" * 40, "b" * 41, "C" * 17, "short", "\n", "\n", "\r\n", "=", "-", " "]))
def test_base64_blocks_are_lines_of_the_possessive_pattern(text: str) -> None:
    """The possessive pattern takes a block before a blank line apart; otherwise the two agree."""
    new = encodings._BASE64
    block = r"(?:[A-Za-z0-9+/]{40,}+\r?\n)+"
    plain = re.compile(new.pattern.replace(block, f"(?>{block})"))
    assert plain.pattern != new.pattern
    expected = set(_spans(plain, text))
    lines: set[tuple[int, int]] = set()
    for match in new.finditer(text):
        if match.span() in expected:
            lines.add(match.span())
        else:
            lines |= {(match.start() + low, match.start() + high) for low, high in _spans(re.compile(r"\S+"), match[0])}
    assert lines == expected
