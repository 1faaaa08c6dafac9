"""Regular expressions from a policy, run on untrusted text: compiled once, refused where they could take for ever."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterator
from functools import lru_cache
from re import _parser  # type: ignore[attr-defined]  # the only parser of Python's own syntax; the tests watch it
from typing import Any

LONGEST_PATTERN = 4096
"""Characters of a pattern."""

STRETCH = 16384
"""Characters of a text searched at a time: what a slow pattern costs does not grow with the square of the text."""

OVERLAP = 4096
"""Characters shared by two stretches: a match is found for certain where it can be told within so many."""

# A repetition may match what it holds in about so many ways at most (as a logarithm); beyond, trying them all hangs.
_MOST_WAYS = math.log(10_000)

Ops = Any  # of the parser, which has no types


@lru_cache(maxsize=1024)
def compiled(pattern: str, ignore_case: bool = False) -> re.Pattern[str]:
    """The pattern, ready for use. ValueError says what is wrong with it, and never repeats it.

    Refused are repetitions of what can itself match in many ways, as in `(a+)+` and `(a|a)*`: on a text that just fails
    to match they try exponentially many. A possessive repetition inside (`a++`) has one way only and is fine.
    """
    if len(pattern) > LONGEST_PATTERN:
        raise ValueError(f"is longer than {LONGEST_PATTERN:,} characters")
    flags = re.IGNORECASE if ignore_case else re.NOFLAG
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)  # a set that will mean something else one day
            result = re.compile(pattern, flags)
    except FutureWarning as warning:
        raise ValueError(f"is ambiguous: {warning}") from None
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"is no regular expression: {getattr(error, 'msg', 'too large')}") from None
    _ways(_parser.parse(pattern))
    return result


def matches_nothing(pattern: str) -> bool:
    """Whether the pattern can match the empty string, and so is found everywhere."""
    return not _parser.parse(pattern).getwidth()[0]


def search(
    pattern: re.Pattern[str], text: str, stretch: int = STRETCH, overlap: int = OVERLAP
) -> Iterator[tuple[int, int]]:
    """Ranges of all matches in order, apart, none empty: those of `finditer`, found stretch by stretch.

    A text of at most `stretch` characters is searched whole. In a longer one a match is left out, or ends early, only
    where more than `overlap` characters have to be read to tell that it is one.
    """
    start = 0
    while start < len(text):
        end = min(start + stretch, len(text))
        last = end == len(text)
        turn = end if last else end - overlap  # from there on the next stretch sees more
        after = turn
        for found in pattern.finditer(text, start, end):
            if found.start() >= turn:
                break
            # What ends with a stretch may have been cut, or anchored there.
            match = found if last or found.end() < end else pattern.match(text, found.start())
            if match is not None and match.end() > match.start():
                yield match.span()
                after = max(turn, match.end())
        start = end if last else after


def _ways(ops: Ops) -> float:
    """Logarithm of the number of ways in which these can match one text, infinite where its length decides.

    Raises ValueError for a repetition of what can match in too many.
    """
    return sum(_ways_of(str(op), argument) for op, argument in ops)


def _ways_of(op: str, argument: Any) -> float:
    match op:
        case "MAX_REPEAT" | "MIN_REPEAT":
            low, high, body = argument
            inner = _ways(body)
            if high > 1 and inner * high > _MOST_WAYS:
                raise ValueError(
                    "can take exponential time: it repeats what can match in many ways; "
                    "make the inner repetition possessive (++, *+, ?+) or bounded"
                )
            free = math.inf if high == _parser.MAXREPEAT else math.log(high - low + 1)
            return free + (inner * high if inner else 0.0)
        case "POSSESSIVE_REPEAT":
            _ways([("MAX_REPEAT", argument)])
            return 0.0
        case "ATOMIC_GROUP":
            _ways(argument)
            return 0.0
        case "ASSERT" | "ASSERT_NOT":
            _ways(argument[1])
            return 0.0
        case "SUBPATTERN":
            return _ways(argument[-1])
        case "GROUPREF_EXISTS":
            return max(_ways(branch) for branch in argument[1:] if branch is not None)
        case "BRANCH":
            return _ways_of_branches(argument[1])
        case _:
            return 0.0


def _ways_of_branches(branches: list[Ops]) -> float:
    """One of them at a time; where two may begin alike, both may have to be tried."""
    most = max(_ways(branch) for branch in branches)
    starts = [_first(branch) for branch in branches]
    apart = None not in starts and len(set(starts)) == len(starts)
    return most if apart else most + math.log(len(branches))


def _first(branch: Ops) -> str | None:
    """The character it begins with, where that is a certain one."""
    match [(str(op), argument) for op, argument in branch]:
        case [("LITERAL", code), *_]:
            return chr(code).casefold()
        case [("SUBPATTERN", argument), *_]:
            return _first(argument[-1])
        case _:
            return None
