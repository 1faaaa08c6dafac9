"""Window arithmetic: which parts of a long text are scored together.

Windows of `size` tokens start every `stride` tokens and the last one is aligned to the end, so that every run of at
most `size - stride` tokens lies whole inside some window and every token in at least one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

Offsets = Sequence[tuple[int, int]]
"""Character ranges (start, end) of the tokens of a text, in order."""

WINDOW_BUCKETS: tuple[tuple[int, int | None], ...] = ((1, 1), (2, 4), (5, 16), (17, 64), (65, 256), (257, None))
"""Numbers of windows (from, to, both included) that share thresholds: a maximum over more windows runs higher."""

_MOST_TOKENS = (3, 4)
"""Tokens a character can make: in ASCII text, and in other text (one for each byte of its UTF-8 form)."""


def plan_windows(n: int, size: int, stride: int) -> list[tuple[int, int]]:
    """The windows over `n` tokens.

    Args:
        n: number of tokens, >= 0.
        size: tokens in a window, >= 1.
        stride: tokens between the starts of two windows, 1 <= stride <= size.

    Returns:
        Token ranges (start, end) in order: [0, size), [stride, stride + size), ..., the last one
        [max(0, n - size), n); none for no tokens. Every run of at most `size - stride` tokens lies in one of them.

    Raises:
        ValueError: an argument is out of range; the message names it.
    """
    _check(size=size, stride=stride)
    if n < 0:
        raise ValueError(f"n must be at least 0, not {n}")
    if n == 0:
        return []
    starts = range(0, n - size, stride)
    return [*((start, start + size) for start in starts), (max(0, n - size), n)]


def windows_of(
    text: str, tokenize: Callable[[str], Offsets], *, size: int, stride: int, block_chars: int = 65536
) -> Iterator[tuple[int, int]]:
    """Lazily, the character ranges of the windows over `text`, in memory that does not grow with its length.

    The text is tokenised once, block by block, each block cut before its last white space where it has any. With such
    cuts the windows are those of the whole text tokenised at once, for a tokenizer that looks no further than a
    word. Ranges include the characters between tokens: their union is the whole text.

    Args:
        text: any length; empty text has no windows.
        tokenize: text to the character ranges of its tokens, without special tokens.
        size: tokens in a window, >= 1.
        stride: tokens between the starts of two windows, 1 <= stride <= size.
        block_chars: characters tokenised at a time, >= 1.

    Yields:
        Character ranges (start, end) in order, the windows of :func:`plan_windows` over all tokens. Text without a
        token has one range.

    Raises:
        ValueError: an argument is out of range; the message names it. Raised at the call.
    """
    _check(size=size, stride=stride)
    if block_chars < 1:
        raise ValueError(f"block_chars must be at least 1, not {block_chars}")
    if not text:
        return iter(())
    if len(text) * _MOST_TOKENS[not text.isascii()] <= size:
        return iter([(0, len(text))])
    return _windows(len(text), _tokens(text, tokenize, block_chars), size, stride)


def merge_spans(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The union of half-open ranges as disjoint ranges in order; ranges that touch become one.

    Args:
        spans: (start, end) with start <= end, in any order; an empty range adds nothing.

    Raises:
        ValueError: a range ends before it starts.
    """
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if end < start:
            raise ValueError(f"span ({start}, {end}) ends before it starts")
        if start == end:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def bucket_of(n_windows: int) -> int:
    """The index in `WINDOW_BUCKETS` of the bucket for a text of `n_windows` windows.

    Raises:
        ValueError: n_windows < 1.
    """
    if n_windows < 1:
        raise ValueError(f"n_windows must be at least 1, not {n_windows}")
    return next(index for index, (_, last) in enumerate(WINDOW_BUCKETS) if last is None or n_windows <= last)


def _check(*, size: int, stride: int) -> None:
    if size < 1:
        raise ValueError(f"size must be at least 1, not {size}")
    if not 1 <= stride <= size:
        raise ValueError(f"stride must be from 1 to size ({size}), not {stride}")


def _blocks(text: str, block_chars: int) -> Iterator[tuple[int, int]]:
    """Cuts `text` into ranges of at most `block_chars` characters, before white space where there is some."""
    start = 0
    while start < len(text):
        end = min(start + block_chars, len(text))
        if end < len(text) and not text[end].isspace():
            end = start + _cut(text[start:end])
        yield start, end
        start = end


def _cut(block: str) -> int:
    """Where the last white space of `block` starts, or its length if only its head has any.

    Before the white space, not after it: byte-level tokenizers make the space part of the next token.
    """
    solid = block.rstrip()
    if len(solid) == len(block):
        pieces = block.rsplit(None, 1)
        solid = pieces[0] if len(pieces) == 2 else ""
    return len(solid) or len(block)


def _tokens(text: str, tokenize: Callable[[str], Offsets], block_chars: int) -> Iterator[list[tuple[int, int]]]:
    """For each block the ranges of its tokens in `text`."""
    for start, end in _blocks(text, block_chars):
        yield [(start + first, start + last) for first, last in tokenize(text[start:end])]


def _windows(length: int, blocks: Iterator[list[tuple[int, int]]], size: int, stride: int) -> Iterator[tuple[int, int]]:
    """The windows over the tokens that `blocks` brings, each stretched to the next token's start."""
    # Tokens from the last window that was yielded on: the one that is aligned to the end begins after its start.
    tokens: list[tuple[int, int]] = []
    first = 0  # index in `tokens` of the next window's first token
    start = 0
    for block in blocks:
        tokens += block
        while len(tokens) - first > size:
            # A character of several tokens (bytes of an emoji) is not cut: the end is past the last token's, too.
            yield start, max(tokens[first + size - 1][1], tokens[first + size][0])
            first += stride
            start = tokens[first][0]
        drop = max(0, first - stride)
        del tokens[:drop]
        first -= drop
    yield (tokens[len(tokens) - size][0] if first else 0), length
