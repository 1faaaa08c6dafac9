"""Duplicates, conflicts and near-duplicate groups, so that no split holds a twin of another split's row."""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from guardian.train.examples import Example

_WORDS = re.compile(r"\w+", re.UNICODE)
_PRIME = np.uint64((1 << 61) - 1)


def fingerprint(text: str) -> str:
    """Case-folded words only: equal for texts that differ in case, spacing, punctuation or compatibility forms."""
    return " ".join(_WORDS.findall(unicodedata.normalize("NFKC", text).casefold()))


def drop_conflicts(examples: Iterable[Example]) -> tuple[list[Example], int, int]:
    """Keep one example per (stage, text, context); where two disagree on a label, keep neither.

    Labels that only one of them has are joined. Returns (kept, duplicates merged, rows dropped in conflicts).
    """
    groups: dict[tuple[str, str, str], list[Example]] = defaultdict(list)
    for example in examples:
        groups[(example.stage.value, fingerprint(example.text), fingerprint(example.context or ""))].append(example)
    kept: list[Example] = []
    merged = dropped = 0
    for rows in groups.values():
        joined = _join(rows)
        if joined is None:
            dropped += len(rows)
        else:
            merged += len(rows) - 1
            kept.append(joined)
    return kept, merged, dropped


_HEADS = ("severity", "jailbreak", "injection", "response_severity", "refusal")


def _join(rows: Sequence[Example]) -> Example | None:
    labels: dict[str, Any] = {}
    for head in _HEADS:
        values = {value for row in rows if (value := getattr(row, head)) is not None}
        if len(values) > 1:
            return None
        if values:
            labels[head] = values.pop()
    hazards = sorted({hazard for row in rows for hazard in row.hazards or ()})
    return replace(rows[0], **labels, hazards=tuple(hazards) or None)


def near_duplicate_groups(texts: Sequence[str], *, permutations: int = 32, bands: int = 8, seed: int = 7) -> list[int]:
    """Group index per text: texts whose word trigrams are nearly the same share one (MinHash, banded, union-find).

    With 8 bands of 4 rows, pairs of Jaccard similarity 0.8 meet with probability 0.98, of 0.5 with 0.40.
    """
    rng = np.random.default_rng(seed)
    a = rng.integers(1, 2**31, size=permutations, dtype=np.uint64)
    b = rng.integers(0, 2**31, size=permutations, dtype=np.uint64)
    parent = list(range(len(texts)))

    def find(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    seen: dict[tuple[int, bytes], int] = {}
    rows = permutations // bands
    for index, text in enumerate(texts):
        signature = _minhash(text, a, b)
        for band in range(bands):
            key = (band, signature[band * rows : (band + 1) * rows].tobytes())
            other = seen.setdefault(key, index)
            if other != index:
                parent[find(index)] = find(other)
    return [find(index) for index in range(len(texts))]


def _minhash(text: str, a: NDArray[np.uint64], b: NDArray[np.uint64]) -> NDArray[np.uint64]:
    words = _WORDS.findall(text[:3000].casefold())
    shingles = {" ".join(words[i : i + 3]) for i in range(max(1, len(words) - 2))}
    hashes = np.fromiter((zlib.crc32(s.encode("utf-8", "surrogatepass")) for s in shingles), np.uint64, len(shingles))
    minima: NDArray[np.uint64] = ((hashes[:, None] * a + b) % _PRIME).min(axis=0)
    return minima
