"""How much recall the character tricks cost: full width, zero width, leetspeak and their kin
(guardian/text/tricks.py).

Hackett et al. (2025) report up to full evasion of public guards with twelve such tricks. Each trick is
applied to the same rows, positive and benign: recall kept because everything tricked is flagged would be no
robustness, so the benign rows stand beside.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from guardian.evaluate.benchmarks import Row
from guardian.evaluate.metrics import NO_POSITIVES, bootstrap_mean, wilson
from guardian.evaluate.results import TrickResult
from guardian.scoring.backend import Piece

Trick = Callable[[str, random.Random], str]
Decide = Callable[[Sequence[Piece]], NDArray[np.bool_]]


def run_tricks(
    decide: Decide,
    rows: Sequence[Row],
    *,
    head: str = "harm",
    tricks: Mapping[str, Trick] | None = None,
    samples: int = 1000,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[TrickResult, ...]:
    """Recall before and after each trick.

    `decide` says for each piece whether it is flagged. Rows with label 1 give the recall, those with label 0
    the false positives. The loss has a paired bootstrap interval over rows. Deterministic in `seed`: each
    text's mutation depends on the seed, the trick and the text alone, not on the order of rows.
    """
    mutators = shipped_tricks() if tricks is None else tricks
    labels = np.array([row.label == 1 for row in rows], dtype=bool)
    plain = decide([Piece(row.text, row.stage, row.context) for row in rows])
    out = []
    for done, (name, trick) in enumerate(mutators.items()):
        if progress is not None:
            progress(done, len(mutators))
        tricked = decide([Piece(mutate(row.text, name, trick, seed), row.stage, row.context) for row in rows])
        out.append(_result(name, head, labels, plain, tricked, samples, seed))
    return tuple(out)


def shipped_tricks() -> Mapping[str, Trick]:
    """The twelve tricks of guardian/text/tricks.py."""
    from guardian.text.tricks import TRICKS

    return TRICKS


def mutate(text: str, name: str, trick: Trick, seed: int) -> str:
    """`text` under a trick, the same on every run and machine."""
    return trick(text, random.Random(zlib.crc32(f"{seed}\0{name}\0{text}".encode())))


def _result(
    name: str,
    head: str,
    labels: NDArray[np.bool_],
    plain: NDArray[np.bool_],
    tricked: NDArray[np.bool_],
    samples: int,
    seed: int,
) -> TrickResult:
    positive, benign = int(labels.sum()), int((~labels).sum())
    lost = plain[labels].astype(float) - tricked[labels]
    return TrickResult(
        trick=name,
        head=head,
        rows=positive,
        before=wilson(int((plain & labels).sum()), positive),
        after=wilson(int((tricked & labels).sum()), positive),
        lost=bootstrap_mean(lost, samples=samples, seed=seed, missing=NO_POSITIVES),
        benign_rows=benign,
        benign_before=wilson(int((plain & ~labels).sum()), benign),
        benign_after=wilson(int((tricked & ~labels).sum()), benign),
    )
