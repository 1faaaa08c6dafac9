"""Encoded training data and length-bucketed batches with a token budget."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from guardian.scoring.backend import Piece
from guardian.scoring.encode import Encoder
from guardian.taxonomy import HAZARDS
from guardian.train.examples import SAFE, Example
from guardian.train.model import Targets

_HAZARD_INDEX = {hazard.value: index for index, hazard in enumerate(HAZARDS)}


@dataclass(frozen=True, slots=True)
class Encoded:
    """One example as token ids and label rows; -1 marks an unknown label."""

    ids: list[int]
    severity: int
    hazard: list[float]
    attack: list[float]
    response_severity: int
    refusal: int
    taught: list[float]


def encode_examples(encoder: Encoder, examples: Sequence[Example], *, chunk: int = 2000) -> list[Encoded]:
    """Tokenise into templates. A text longer than the window keeps head and tail (a training row, not a document)."""
    found: list[Encoded] = []
    for start in range(0, len(examples), chunk):
        part = examples[start : start + chunk]
        rows = encoder.encode([Piece(e.text, e.stage, e.context) for e in part])
        limit = encoder.window + encoder.context + 4
        found.extend(_encoded(example, _fit(ids, limit)) for example, ids in zip(part, rows, strict=True))
    return found


def _fit(ids: list[int], limit: int) -> list[int]:
    return ids if len(ids) <= limit else [*ids[: limit // 2], *ids[len(ids) - (limit - limit // 2) :]]


def _encoded(example: Example, ids: list[int]) -> Encoded:
    harmful = (example.severity or SAFE) != SAFE or (example.response_severity or SAFE) != SAFE
    hazard = [-1.0] * len(HAZARDS)
    if harmful and example.hazards:
        hazard = [0.0] * len(HAZARDS)
        for name in example.hazards:
            hazard[_HAZARD_INDEX[name]] = 1.0
    return Encoded(
        ids=ids,
        severity=_known(example.severity),
        hazard=hazard,
        attack=[float(_known(example.jailbreak)), float(_known(example.injection))],
        response_severity=_known(example.response_severity),
        refusal=_known(example.refusal),
        taught=[-1.0 if p is None else p for p in example.taught or (None, None, None)],
    )


def _known(label: int | None) -> int:
    return -1 if label is None else label


def batches(lengths: Sequence[int], *, tokens: int, rng: random.Random | None) -> list[list[int]]:
    """Indices in batches of similar length, each at most `tokens` padded tokens (one item may exceed it alone).

    With an rng the order of batches and of equals is shuffled; without, items go from long to short.
    """
    order = list(range(len(lengths)))
    if rng is not None:
        rng.shuffle(order)
        jitter = [rng.uniform(0.9, 1.1) for _ in order]
        order.sort(key=lambda i: -lengths[i] * jitter[i])
    else:
        order.sort(key=lambda i: -lengths[i])
    found: list[list[int]] = []
    batch: list[int] = []
    longest = 0
    for index in order:
        longest = max(longest, lengths[index])
        if batch and longest * (len(batch) + 1) > tokens:
            found.append(batch)
            batch, longest = [], lengths[index]
        batch.append(index)
    if batch:
        found.append(batch)
    if rng is not None:
        rng.shuffle(found)
    return found


def collate(items: Sequence[Encoded], *, pad: int) -> tuple[Tensor, Tensor, Targets]:
    """Ids and mask [batch, longest], and the targets."""
    width = max(len(item.ids) for item in items)
    ids = torch.full((len(items), width), pad, dtype=torch.long)
    mask = torch.zeros((len(items), width), dtype=torch.long)
    for row, item in enumerate(items):
        ids[row, : len(item.ids)] = torch.tensor(item.ids)
        mask[row, : len(item.ids)] = 1
    targets = Targets(
        severity=torch.tensor([item.severity for item in items]),
        hazard=torch.tensor([item.hazard for item in items]),
        attack=torch.tensor([item.attack for item in items]),
        response_severity=torch.tensor([item.response_severity for item in items]),
        refusal=torch.tensor([item.refusal for item in items]),
        taught=torch.tensor([item.taught for item in items]),
    )
    return ids, mask, targets
