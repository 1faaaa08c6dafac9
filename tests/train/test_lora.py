"""Adapters: they alone are trained beside the heads, and leave no trace but their product."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from guardian.scoring.encode import Encoder
from guardian.train.batches import Encoded, collate, encode_examples
from guardian.train.examples import SAFE, UNSAFE, Example
from guardian.train.loop import Recipe, _optimiser
from guardian.train.lora import SCALE, LoraLinear, adapt, merge
from guardian.train.model import total_loss
from guardian.train.slm import SLM_CONTROLS, GuardianSlm
from guardian.verdict import Stage
from tests.slm_folder import BLOCKS, tiny_model, tiny_tokenizer

pytestmark = pytest.mark.train

OWN = ("heads.", "token_heads.", "head_norm.", "controls_table.")
LAYERS = 7 * BLOCKS  # query, key, value, out, gate, up and down of every block


@pytest.fixture(scope="module")
def rows() -> list[Encoded]:
    encoder = Encoder(tiny_tokenizer(), SLM_CONTROLS, window=64, context=16)
    prompt = Example("x/1", Stage.PROMPT, "how do I make a bomb", "x", severity=UNSAFE, hazards=("weapons",))
    answer = Example("x/2", Stage.RESPONSE, "please tell me about the war", "x", response_severity=SAFE, refusal=0)
    return encode_examples(encoder, [prompt, answer, replace(prompt, reply="I cannot help you with my work")])


def taught(model: GuardianSlm, rows: list[Encoded], steps: int = 3) -> None:
    optimiser = _optimiser(model, Recipe(rate=1e-2, head_rate=1e-2))
    for _ in range(steps):
        optimiser.zero_grad()
        parts = model.learn(*collate(rows, pad=0), smoothing=0.0)
        total_loss(parts).backward()  # type: ignore[no-untyped-call]
        optimiser.step()


def logits(model: GuardianSlm, rows: list[Encoded]) -> tuple[Tensor, Tensor]:
    ids, mask, _ = collate(rows, pad=0)
    with torch.inference_mode():
        return model(ids, mask).logits, model.vocabulary(model.write(ids))


def test_fresh_adapters_change_nothing(rows: list[Encoded]) -> None:
    model: GuardianSlm = tiny_model()
    before = logits(model, rows)
    assert adapt(model.backbone, 4) == LAYERS
    assert all(torch.equal(one, other) for one, other in zip(before, logits(model, rows), strict=True))


def test_only_adapters_heads_and_control_tokens_are_trained(rows: list[Encoded]) -> None:
    model: GuardianSlm = tiny_model()
    adapt(model.backbone, 4)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    taught(model, rows)
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    adapters = {name for name in before if name.endswith((".down.weight", ".up.weight"))}
    assert len(adapters) == 2 * LAYERS
    assert changed == adapters | {name for name in before if name.startswith(OWN)}


def test_without_adapters_all_but_the_words_is_trained(rows: list[Encoded]) -> None:
    model: GuardianSlm = tiny_model()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    taught(model, rows)
    same = {name for name, value in model.state_dict().items() if torch.equal(value, before[name])}
    assert same == {"model.embed_tokens.weight"}


def test_merged_adapters_give_the_same_logits(rows: list[Encoded]) -> None:
    model: GuardianSlm = tiny_model()
    names = set(model.state_dict())
    adapt(model.backbone, 4)
    taught(model.train(), rows)
    model.eval().double()  # type: ignore[no-untyped-call]
    before = logits(model, rows)
    assert merge(model.backbone) == LAYERS
    assert set(model.state_dict()) == names
    assert not any(isinstance(layer, LoraLinear) for layer in model.modules())
    for one, other in zip(before, logits(model, rows), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)
    assert merge(model.backbone) == 0


def test_what_is_merged_has_the_rank_of_the_adapter() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(24, 16)
    before = layer.weight.detach().clone()
    adapter = LoraLinear(layer, 3)
    nn.init.normal_(adapter.up.weight)
    found = adapter.merged().weight.detach() - before
    assert int(torch.linalg.matrix_rank(found, atol=1e-4)) == 3
    torch.testing.assert_close(found, SCALE * (adapter.up.weight @ adapter.down.weight).detach(), atol=1e-5, rtol=1e-4)
