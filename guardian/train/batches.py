"""Encoded training data and length-bucketed batches with a token budget."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from guardian.scoring.backend import Piece
from guardian.scoring.encode import Encoder
from guardian.taxonomy import HAZARDS
from guardian.train.examples import SAFE, UNSAFE, Example
from guardian.train.model import IGNORED, Targets
from guardian.verdict import Stage

_HAZARD_INDEX = {hazard.value: index for index, hazard in enumerate(HAZARDS)}
_SENTENCE_END = re.compile(r"[.!?]['\")]*(?:\s|$)|\n")
_SHORTEST = 20  # characters: "1.", "e.g.", "Sure!" are no sentences that could show harm


@dataclass(frozen=True, slots=True)
class Encoded:
    """One example as token ids and label rows; -1 marks an unknown label.

    For guardian-slm: `tokens` has a severity for every id (of an answer up to there), `twin` are the ids of the same
    document under another task, `reply_from` is where the reply begins that is to be learnt (0: there is none).
    """

    ids: list[int]
    severity: int
    hazard: list[float]
    attack: list[float]
    response_severity: int
    refusal: int
    taught: list[float]
    tokens: list[int] | None = None
    twin: list[int] | None = None
    reply_from: int = 0

    @property
    def length(self) -> int:
        """Tokens a batch has to make room for."""
        return max(len(self.ids), len(self.twin or ()))


def encode_examples(encoder: Encoder, examples: Sequence[Example], *, chunk: int = 2000) -> list[Encoded]:
    """Tokenise into templates. A text longer than the window keeps head and tail (a training row, not a document)."""
    found: list[Encoded] = []
    limit = encoder.window + encoder.context + (4 if encoder.controls.pred is None else 5)
    for start in range(0, len(examples), chunk):
        part = examples[start : start + chunk]
        rows = encoder.encode([Piece(e.text, e.stage, e.context) for e in part])
        found.extend(_encoded(encoder, example, ids, limit) for example, ids in zip(part, rows, strict=True))
    return found


def _fit(ids: list[int], limit: int) -> list[int]:
    return ids if len(ids) <= limit else [*ids[: limit // 2], *ids[len(ids) - (limit - limit // 2) :]]


def _encoded(encoder: Encoder, example: Example, ids: list[int], limit: int) -> Encoded:
    row = _labelled(example, _fit(ids, limit))
    if encoder.controls.pred is None:
        return row
    if example.reply is not None:
        return _with_reply(encoder, example)
    if example.stage is Stage.RESPONSE and len(ids) <= limit:
        row = replace(row, tokens=_token_labels(encoder, example, len(ids)))
    if example.twin is not None:
        (twin,) = encoder.encode([Piece(example.text, example.stage, example.twin)])
        row = replace(row, twin=_fit(twin, limit))
    return row


def _labelled(example: Example, ids: list[int]) -> Encoded:
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


def _with_reply(encoder: Encoder, example: Example) -> Encoded:
    prefix = encoder.reply_prefix(Piece(example.text, example.stage, example.context), example.subject)
    reply = [*encoder.tokens(example.reply or ""), encoder.controls.sep]
    unlabelled = Example(example.id, example.stage, example.text, example.source)
    return replace(_labelled(unlabelled, [*prefix, *reply]), reply_from=len(prefix))


def _token_labels(encoder: Encoder, example: Example, width: int) -> list[int]:
    """A severity for every token of an answer's template: earlier sentences than the first harmful one are safe, it
    and what follows are not (Qwen3Guard-Stream, section 4.2); while that sentence lasts, the harm may yet show, so its
    tokens but the last have no label. Where the onset is not known, nothing is said of the first half."""
    labels = [-1] * width
    if example.response_severity not in (SAFE, UNSAFE):
        return labels
    offsets = encoder.offsets(example.text)
    first = width - 2 - len(offsets)  # the template ends in [SEP] <|pred|>
    for index, (_, end) in enumerate(offsets):
        labels[first + index] = token_label(example, end)
    return labels


def token_label(example: Example, end: int) -> int:
    """Severity of an answer, safe or unsafe, up to the token that ends at character `end`; -1 where nobody can say."""
    if example.response_severity == SAFE:
        return SAFE
    if example.onset is None:
        return UNSAFE if 2 * end >= len(example.text) else -1
    if end <= example.onset:
        return SAFE
    stop = _SENTENCE_END.search(example.text, example.onset + _SHORTEST)
    return UNSAFE if end >= (stop.start() + 1 if stop else len(example.text)) else -1


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
    """Ids and mask [batch, longest], and the targets. Twins stand behind all others, with the same labels."""
    paired = [(row, item) for row, item in enumerate(items) if item.twin is not None]
    rows = [*items, *(replace(item, ids=item.twin or [], tokens=None) for _, item in paired)]
    width = max(len(item.ids) for item in rows)
    ids = torch.full((len(rows), width), pad, dtype=torch.long)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    tokens = torch.full((len(rows), width), -1, dtype=torch.long)
    reply = torch.full((len(rows), width), IGNORED, dtype=torch.long)
    for row, item in enumerate(rows):
        ids[row, : len(item.ids)] = torch.tensor(item.ids)
        mask[row, : len(item.ids)] = 1
        if item.tokens is not None:
            tokens[row, : len(item.ids)] = torch.tensor(item.tokens)
        if item.reply_from:
            reply[row, item.reply_from - 1 : len(item.ids) - 1] = ids[row, item.reply_from : len(item.ids)]
    targets = Targets(
        severity=torch.tensor([item.severity for item in rows]),
        hazard=torch.tensor([item.hazard for item in rows]),
        attack=torch.tensor([item.attack for item in rows]),
        response_severity=torch.tensor([item.response_severity for item in rows]),
        refusal=torch.tensor([item.refusal for item in rows]),
        taught=torch.tensor([item.taught for item in rows]),
        tokens=tokens,
        twins=torch.tensor([(row, len(items) + n) for n, (row, _) in enumerate(paired)], dtype=torch.long).view(-1, 2),
        reply=reply,
    )
    return ids, mask, targets
