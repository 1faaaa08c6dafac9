"""The heads and their losses: missing labels give exactly zero gradient, heads lie where the manifest says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from guardian.taxonomy import HAZARDS
from guardian.train.bases import load_encoder
from guardian.train.batches import Encoded, batches, collate
from guardian.train.examples import SAFE, UNSAFE
from guardian.train.model import HEADS, LOSS_WEIGHTS, N_LOGITS, head_slices, losses, total_loss

pytestmark = pytest.mark.train

UNKNOWN = Encoded([101, 1, 110, 102], -1, [-1.0] * 13, [-1.0, -1.0], -1, -1, [-1.0] * 3)
LABELLED = {
    "severity": replace(UNKNOWN, severity=UNSAFE),
    "hazard": replace(UNKNOWN, hazard=[1.0] + [0.0] * 12),
    "attack": replace(UNKNOWN, attack=[-1.0, 1.0]),
    "response_severity": replace(UNKNOWN, response_severity=SAFE),
    "refusal": replace(UNKNOWN, refusal=1),
}


def test_heads_fill_the_logits_in_order() -> None:
    slices = head_slices()
    covered = [i for s in slices.values() for i in range(s.start, s.stop)]
    assert covered == list(range(N_LOGITS))
    assert HEADS["hazard"][0] == tuple(h.value for h in HAZARDS)


@pytest.mark.parametrize("head", list(HEADS))
def test_missing_labels_give_exactly_zero_gradient(head: str) -> None:
    """Only `head` is labelled: the logits of every other head get a gradient of exactly zero."""
    logits = torch.randn(3, N_LOGITS, requires_grad=True)
    _, _, targets = collate([LABELLED[head], UNKNOWN, LABELLED[head]], pad=0)
    total_loss(losses(logits, targets, smoothing=0.1)).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    own = head_slices()[head]
    inside = torch.zeros(N_LOGITS, dtype=torch.bool)
    inside[own] = True
    assert torch.count_nonzero(logits.grad[:, ~inside]) == 0
    assert torch.count_nonzero(logits.grad[1]) == 0  # the unlabelled row
    assert torch.count_nonzero(logits.grad[0, inside]) > 0


def test_hazards_weigh_what_the_recipe_says() -> None:
    logits = torch.randn(2, N_LOGITS)
    _, _, targets = collate([LABELLED["hazard"], LABELLED["severity"]], pad=0)
    parts = losses(logits, targets)
    more = total_loss(parts, hazard_weight=4.0) - total_loss(parts, hazard_weight=0.0)
    assert torch.isclose(more, 4.0 * parts["hazard"])
    assert torch.equal(total_loss(parts), total_loss(parts, hazard_weight=LOSS_WEIGHTS["hazard"]))


def test_nothing_labelled_is_a_loss_of_zero() -> None:
    logits = torch.randn(2, N_LOGITS, requires_grad=True)
    _, _, targets = collate([UNKNOWN, UNKNOWN], pad=0)
    parts = losses(logits, targets)
    assert all(part.item() == 0.0 for part in parts.values())
    assert set(parts) | {"token", "consistency", "reply"} == set(LOSS_WEIGHTS)  # these are guardian-slm's alone


def test_a_head_is_averaged_over_its_own_items() -> None:
    """Adding rows without a label must not dilute a head's loss."""
    logits = torch.randn(1, N_LOGITS)
    _, _, one = collate([LABELLED["severity"]], pad=0)
    _, _, many = collate([LABELLED["severity"], UNKNOWN, UNKNOWN], pad=0)
    alone = losses(logits, one)["severity"]
    among = losses(logits.repeat(3, 1), many)["severity"]
    assert torch.equal(alone, among)


def test_padding_and_batch_order_do_not_change_the_logits(tiny_base: Path) -> None:
    model = load_encoder(tiny_base).eval()  # type: ignore[no-untyped-call]
    short, long = [101, 1, 110, 120, 102], [101, 1, *range(103, 140), 102]
    items = [replace(UNKNOWN, ids=short), replace(UNKNOWN, ids=long)]
    with torch.inference_mode():
        ids, mask, _ = collate(items[:1], pad=0)
        alone = model(ids, mask).logits[0]
        ids, mask, _ = collate([items[1], items[0]], pad=0)
        together = model(ids, mask).logits[1]
    assert torch.allclose(alone, together, atol=1e-4)


def test_batches_hold_every_item_once_within_the_budget() -> None:
    import random

    lengths = [random.Random(1).randint(3, 300) for _ in range(500)]
    for rng in (None, random.Random(2)):
        plan = batches(lengths, tokens=1000, rng=rng)
        assert sorted(i for batch in plan for i in batch) == list(range(500))
        assert all(len(b) * max(lengths[i] for i in b) <= 1000 for b in plan)
