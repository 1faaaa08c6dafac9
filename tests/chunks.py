"""Cutting texts into chunks, for tests of streams."""

from __future__ import annotations

from collections.abc import Sequence


def chunked(text: str, lengths: Sequence[int]) -> list[str]:
    """`text` cut into chunks of `lengths`, over and over."""
    chunks, position, number = [], 0, 0
    while position < len(text):
        length = lengths[number % len(lengths)]
        chunks.append(text[position : position + length])
        position += length
        number += 1
    return chunks
