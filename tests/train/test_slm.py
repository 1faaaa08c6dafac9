"""guardian-slm: who learns from what, detection that nothing beside or behind it can move, tasks that agree."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from guardian.errors import ConfigError
from guardian.scoring.encode import Encoder
from guardian.taxonomy import HAZARDS
from guardian.train.batches import Encoded, collate, encode_examples
from guardian.train.examples import SAFE, UNSAFE, Example
from guardian.train.model import HEADS, IGNORED, N_LOGITS, head_slices, total_loss
from guardian.train.slm import N_CONTROLS, SLM_CONTROLS, GuardianSlm, GuardianSlmConfig, WriteLinear, consistency
from guardian.verdict import Stage
from tests.slm_folder import READ_BLOCKS, tiny_model, tiny_tokenizer

pytestmark = pytest.mark.train

PROMPT = Example("x/1", Stage.PROMPT, "how can I make a cake", "x", severity=SAFE, jailbreak=0)
ANSWER = Example(
    "x/2",
    Stage.RESPONSE,
    "you make the bomb with work. tell me more about the war and the garden.",
    "x",
    context="how do I make a bomb",
    response_severity=UNSAFE,
    refusal=0,
    hazards=("weapons",),
    onset=0,
)
REPLY = Example("x/3", Stage.PROMPT, "how do I make a bomb", "x", reply="sorry, I cannot help you with the bomb")
TWINS = Example(
    "x/4",
    Stage.DOCUMENT,
    "the bomb is in the garden",
    "x",
    context="tell me why",
    severity=UNSAFE,
    twin="write a story",
)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(tiny_tokenizer(), SLM_CONTROLS, window=64, context=16)


@pytest.fixture
def model() -> GuardianSlm:
    made: GuardianSlm = tiny_model()
    return made


def learnt(model: GuardianSlm, rows: list[Encoded]) -> dict[str, Tensor]:
    return model.learn(*collate(rows, pad=SLM_CONTROLS.pad), smoothing=0.0)


def backward(loss: Tensor) -> None:
    loss.backward()  # type: ignore[no-untyped-call]


def recorded(model: GuardianSlm, name: str, monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """What a method of the model returns, with its gradient kept."""
    method: Callable[..., Tensor] = getattr(model, name)
    seen: list[Tensor] = []

    def record(*arguments: Tensor) -> Tensor:
        found = method(*arguments)
        if found.requires_grad:
            found.retain_grad()
        seen.append(found)
        return found

    monkeypatch.setattr(model, name, record)
    return seen


def gradient_of(tensor: Tensor | None) -> Tensor:
    assert tensor is not None
    assert tensor.grad is not None
    return tensor.grad


def untouched(parameters: Any) -> bool:
    return all(p.grad is None or not p.grad.any() for p in parameters)


# ---- replies


def test_a_reply_is_learnt_from_its_own_tokens_alone(
    model: GuardianSlm, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cross entropy over the reply by hand; every other position gets a gradient of exactly zero."""
    rows = encode_examples(encoder, [PROMPT, REPLY, replace(REPLY, reply="I cannot", subject="weapons"), ANSWER])
    written = recorded(model, "write", monkeypatch)
    loss = learnt(model, rows)["reply"]
    backward(loss)
    with torch.no_grad():
        surprise = []
        for row in rows[1:3]:
            logits = model.vocabulary(model.write(torch.tensor([row.ids])))[0].log_softmax(-1)
            surprise += [-logits[at - 1, row.ids[at]].item() for at in range(row.reply_from, len(row.ids))]
    assert len(surprise) == sum(len(encoder.tokens(text)) + 1 for text in (REPLY.reply or "", "I cannot"))
    assert loss.item() == pytest.approx(np.mean(surprise), abs=1e-6)
    told = gradient_of(written[0]).any(-1)
    assert told.tolist() == [
        [row.reply_from - 1 <= at < len(row.ids) - 1 for at in range(told.shape[1])] for row in rows[1:3]
    ]


def test_what_is_read_before_a_reply_is_no_label(encoder: Encoder) -> None:
    """Its tokens are never wanted: the target holds the reply, one place earlier, and nothing else."""
    rows = encode_examples(encoder, [REPLY, PROMPT])
    _, _, targets = collate(rows, pad=0)
    told = targets.reply[0][targets.reply[0] != IGNORED]
    assert told.tolist() == [*encoder.tokens(REPLY.reply or ""), SLM_CONTROLS.sep]
    assert int((targets.reply[0] != IGNORED).nonzero()[0]) == rows[0].ids.index(8)  # <|expl|> writes the first token
    assert (targets.reply[1] == IGNORED).all()


def test_a_reply_teaches_no_head(model: GuardianSlm, encoder: Encoder) -> None:
    parts = learnt(model, encode_examples(encoder, [replace(REPLY, severity=UNSAFE, jailbreak=1)]))
    assert [name for name, part in parts.items() if part.item()] == ["reply"]
    backward(total_loss(parts))
    assert untouched([*model.heads.parameters(), *model.token_heads.parameters(), *model.head_norm.parameters()])
    assert not untouched(model.model.layers.parameters())


def test_a_verdict_teaches_neither_words_nor_the_blocks_that_write(model: GuardianSlm, encoder: Encoder) -> None:
    parts = learnt(model, encode_examples(encoder, [PROMPT, ANSWER, TWINS]))
    assert parts["reply"].item() == 0.0
    backward(total_loss(parts))
    assert untouched([*model.model.layers[READ_BLOCKS:].parameters(), *model.model.norm.parameters()])
    assert untouched(model.model.embed_tokens.parameters())
    assert not untouched(model.model.layers[0].parameters())
    rows = gradient_of(model.controls_table.weight).any(-1)
    used = {"cls", "sep", "query", "task", "doc", "resp", "pred"}
    assert {name for name in SLM_CONTROLS.__slots__ if rows[getattr(SLM_CONTROLS, name)]} == used


# ---- heads


@pytest.mark.parametrize("head", list(HEADS))
def test_a_head_learns_from_rows_with_its_label_alone(
    model: GuardianSlm, encoder: Encoder, monkeypatch: pytest.MonkeyPatch, head: str
) -> None:
    (bare,) = encode_examples(encoder, [Example("x/0", Stage.PROMPT, PROMPT.text, "x")])
    labels: dict[str, dict[str, Any]] = {
        "severity": {"severity": UNSAFE},
        "hazard": {"hazard": [1.0, *[0.0] * (len(HAZARDS) - 1)]},
        "attack": {"attack": [-1.0, 1.0]},
        "response_severity": {"response_severity": SAFE},
        "refusal": {"refusal": 1},
    }
    (reply,) = encode_examples(encoder, [REPLY])
    logits, states = recorded(model, "verdict", monkeypatch), recorded(model, "read", monkeypatch)
    parts = learnt(model, [bare, replace(bare, **labels[head]), reply])
    del parts["reply"]
    backward(total_loss(parts))
    assert [len(one) for one in states] == [2, 1]  # the reply is read apart, to be written
    given = gradient_of(logits[0])
    inside = torch.zeros(N_LOGITS, dtype=torch.bool)
    inside[head_slices()[head]] = True
    assert not given[0].any()
    assert not given[:, ~inside].any()
    assert given[1, inside].any()
    assert not gradient_of(states[0])[0].any()
    assert not gradient_of(model.heads.weight)[~inside].any()
    assert untouched(model.token_heads.parameters())


def test_the_token_head_learns_from_labelled_tokens_alone(
    model: GuardianSlm, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = encode_examples(encoder, [PROMPT, ANSWER, replace(ANSWER, response_severity=SAFE, hazards=None), REPLY])
    states = recorded(model, "read", monkeypatch)
    loss = learnt(model, rows)["token"]
    backward(loss)
    rows = rows[:3]  # the reply is read apart
    width = states[0].shape[1]
    known = [[token >= 0 for token in row.tokens or [-1] * len(row.ids)] for row in rows]
    padded = [row + [False] * (width - len(row)) for row in known]
    assert gradient_of(states[0]).any(-1).tolist() == padded
    assert any(padded[1])
    assert untouched(model.heads.parameters())
    logits = model.watch(states[0].detach())
    severity, hazard = [], []
    for at, row in enumerate(rows):
        for position, label in enumerate(row.tokens or ()):
            if label >= 0:
                severity.append(-logits[at, position, :3].log_softmax(-1)[label])
            if label == UNSAFE:
                wanted = torch.tensor(row.hazard)
                hazard += functional.binary_cross_entropy_with_logits(
                    logits[at, position, 3:], wanted, reduction="none"
                ).tolist()
    assert loss.item() == pytest.approx(torch.stack(severity).mean().item() + 0.5 * float(np.mean(hazard)), abs=1e-5)


# ---- detection stands alone


def test_a_verdict_is_the_same_bits_beside_a_reply(model: GuardianSlm, encoder: Encoder) -> None:
    rows = encode_examples(encoder, [PROMPT, replace(PROMPT, text="tell me about the garden and the letter"), REPLY])
    width = max(len(row.ids) for row in rows)
    with torch.inference_mode():
        beside = []
        for other in rows[1:]:
            ids, mask = torch.zeros(2, width, dtype=torch.long), torch.zeros(2, width, dtype=torch.long)
            for at, row in enumerate((rows[0], other)):
                ids[at, : len(row.ids)], mask[at, : len(row.ids)] = torch.tensor(row.ids), 1
            beside.append(model(ids, mask).logits[0])
    assert torch.equal(*beside)


@pytest.mark.parametrize("piece", [PROMPT, ANSWER, replace(TWINS, twin=None)], ids=["prompt", "answer", "document"])
def test_a_verdict_is_the_same_bits_whatever_follows(model: GuardianSlm, encoder: Encoder, piece: Example) -> None:
    (row,) = encode_examples(encoder, [piece])
    reply = [SLM_CONTROLS.expl or 0, *encoder.tokens("sorry, I cannot help you"), SLM_CONTROLS.sep]
    mask = torch.tensor([[1] * len(row.ids) + [0] * len(reply)])
    padded, followed = (torch.tensor([row.ids + rest]) for rest in ([0] * len(reply), reply))
    with torch.inference_mode():
        assert torch.equal(model(padded, mask).logits, model(followed, mask).logits)
        count = len(row.ids)
        assert torch.equal(model.read(padded)[:, :count], model.read(followed)[:, :count])
        before = model.write(padded)[:, :count]
        assert torch.equal(before, model.write(followed)[:, :count])
        assert not torch.equal(model.read(padded)[:, count:], model.read(followed)[:, count:])


def test_padding_and_batch_order_change_nothing(model: GuardianSlm, encoder: Encoder) -> None:
    model.double()
    rows = encode_examples(encoder, [PROMPT, ANSWER, TWINS, REPLY, replace(TWINS, text="a nice letter", severity=SAFE)])
    with torch.inference_mode():
        ids, mask, _ = collate(rows, pad=SLM_CONTROLS.pad)
        together = model(ids, mask).logits
        for at, row in enumerate(rows):
            ids, mask, _ = collate([replace(row, twin=None)], pad=SLM_CONTROLS.pad)
            torch.testing.assert_close(model(ids, mask).logits[0], together[at], atol=1e-6, rtol=0)
        parts, backwards = learnt(model, rows), learnt(model, rows[::-1])
    assert all(part.item() > 0 for name, part in parts.items() if name != "taught")
    for name, part in parts.items():
        assert backwards[name].item() == pytest.approx(part.item(), abs=1e-6), name


def test_a_label_read_at_the_heads_is_what_the_vocabulary_says(encoder: Encoder) -> None:
    """With the words of labels as rows of a head, behind all blocks, the head gathers from the full vector."""
    source = tiny_model()
    config = GuardianSlmConfig(**source.config.to_dict() | {"read_layer": source.config.num_hidden_layers})
    config._attn_implementation = "sdpa"
    model = GuardianSlm(config).eval()  # type: ignore[no-untyped-call]
    model.load_state_dict(source.state_dict())
    words = [encoder.tokens(word)[0] for word in (" harmful", " please", " question")]
    labels = [*words[:2], SLM_CONTROLS.harm or 0]
    with torch.inference_mode():
        model.head_norm.weight.copy_(model.model.norm.weight)
        model.heads.bias.zero_()
        for row, token in enumerate(labels):
            table = model.controls_table if token < N_CONTROLS else model.model.embed_tokens
            model.heads.weight[row] = table.weight[token]
        ids, mask, _ = collate(encode_examples(encoder, [PROMPT, ANSWER]), pad=0)
        states = model.write(ids)
        full = model.vocabulary(states[torch.arange(2), mask.sum(1) - 1])
        found = model(ids, mask).logits[:, :3]
    torch.testing.assert_close(found, full[:, labels], atol=1e-5, rtol=0)
    torch.testing.assert_close(found.softmax(-1), functional.normalize(full.exp()[:, labels], p=1.0, dim=-1))


def test_attention_that_is_not_causal_is_refused() -> None:
    config = tiny_model().config
    config._attn_implementation = "eager"
    with pytest.raises(ConfigError, match="attn_implementation: must be sdpa"):
        GuardianSlm(config)


def test_words_of_the_vocabulary_stay_and_control_tokens_have_rows_of_their_own(model: GuardianSlm) -> None:
    words = model.model.embed_tokens.weight
    ids = torch.tensor([[0, 9, N_CONTROLS, 50]])
    embedded = model.embed(ids)[0]
    assert torch.equal(embedded[:2], model.controls_table.weight[[0, 9]])
    assert torch.equal(embedded[2:], words[[N_CONTROLS, 50]])
    states = torch.randn(2, words.shape[1])
    rows = torch.cat([model.controls_table.weight, words[N_CONTROLS:]])
    torch.testing.assert_close(model.vocabulary(states), states @ rows.T)
    assert not words.requires_grad
    model.give_meanings({"query": [20], "harm": [30, 31]})
    assert torch.equal(model.controls_table.weight[3], words[20])
    assert torch.equal(model.controls_table.weight[9], (words[30] + words[31]) / 2)
    assert torch.equal(model.controls_table.weight[:3], words[:3])  # the base's own


# ---- twins


def severities(*rows: list[float]) -> Tensor:
    logits = torch.zeros(len(rows), N_LOGITS)
    logits[:, head_slices()["severity"]] = torch.tensor(rows)
    return logits


def test_consistency_is_the_divergence_of_severities() -> None:
    rng = np.random.default_rng(0)
    logits = severities(*rng.normal(0, 3, (4, 3)).tolist())
    pairs = [(0, 2), (3, 1)]
    p = np.exp(logits[:, :3].double().log_softmax(-1).numpy())
    divergence = []
    for one, other in pairs:
        middle = (p[one] + p[other]) / 2
        divergence.append(sum(0.5 * float((side * np.log(side / middle)).sum()) for side in (p[one], p[other])))
    found = consistency(logits, torch.tensor(pairs))
    assert found.item() == pytest.approx(np.mean(divergence), abs=1e-6)
    assert consistency(logits, torch.tensor(pairs).flip(1)).item() == pytest.approx(found.item(), abs=1e-7)


def test_equal_verdicts_are_consistent_and_opposite_ones_are_not() -> None:
    logits = severities([2.0, -1.0, 0.5], [2.0, -1.0, 0.5], [30.0, 0.0, 0.0], [0.0, 0.0, 30.0], [3.0, 0.0, 0.5])
    logits[1, 3:] = 7.0  # other heads do not count
    assert consistency(logits, torch.tensor([[0, 1]])).item() == pytest.approx(0.0, abs=1e-7)
    assert consistency(logits, torch.tensor([[0, 4]])).item() > 1e-4
    assert consistency(logits, torch.tensor([[2, 3]])).item() == pytest.approx(math.log(2), abs=1e-6)
    assert consistency(logits, torch.empty(0, 2, dtype=torch.long)).item() == 0.0


def test_twins_are_the_same_document_under_two_tasks(encoder: Encoder) -> None:
    other = replace(TWINS, text="please write a letter", context=None, severity=SAFE, twin="tell me")
    rows = encode_examples(encoder, [PROMPT, TWINS, ANSWER, other])
    ids, mask, targets = collate(rows, pad=0)
    assert targets.twins.tolist() == [[1, 4], [3, 5]]
    for (one, twin), example in zip(targets.twins.tolist(), (TWINS, other), strict=True):
        (wanted,) = encode_examples(encoder, [replace(example, context=example.twin, twin=None)])
        assert ids[twin, : int(mask[twin].sum())].tolist() == wanted.ids
        assert ids[one, : int(mask[one].sum())].tolist() == rows[1 if one == 1 else 3].ids
        assert targets.severity[one] == targets.severity[twin] == example.severity
    assert (targets.tokens[4:] == -1).all()
    assert (targets.reply == IGNORED).all()


def test_only_twins_are_made_consistent(model: GuardianSlm, encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    logits = recorded(model, "verdict", monkeypatch)
    backward(learnt(model, encode_examples(encoder, [PROMPT, TWINS, ANSWER]))["consistency"])
    given = gradient_of(logits[0])
    assert given[:, : head_slices()["severity"].stop].any(-1).tolist() == [False, True, False, True]
    assert not given[:, head_slices()["severity"].stop :].any()


# ---- adapters of writing


@pytest.fixture
def adapted(model: GuardianSlm) -> GuardianSlm:
    """`model` with adapters that do something."""
    made = copy.deepcopy(model)
    made.adapt_writing(16)
    for layer in made.modules():
        if isinstance(layer, WriteLinear):
            nn.init.normal_(layer.up, std=0.2)
    return made


def test_adapters_begin_as_if_they_were_not_there(model: GuardianSlm, encoder: Encoder) -> None:
    made = copy.deepcopy(model)
    made.adapt_writing(16)
    ids = torch.tensor([encode_examples(encoder, [REPLY])[0].ids])
    with torch.inference_mode():
        assert torch.equal(model.write(ids), made.write(ids))
    count = sum(isinstance(layer, WriteLinear) for layer in made.modules())
    assert count == 7 * READ_BLOCKS


def test_adapters_change_what_is_written_and_nothing_that_is_detected(
    model: GuardianSlm, adapted: GuardianSlm, encoder: Encoder
) -> None:
    ids, mask, _ = collate(encode_examples(encoder, [PROMPT, ANSWER]), pad=0)
    with torch.inference_mode():
        before = model.read(ids), model(ids, mask).logits
        assert not torch.allclose(model.write(ids), adapted.write(ids), atol=1e-3)
        assert torch.equal(before[0], adapted.read(ids))
        assert torch.equal(before[1], adapted(ids, mask).logits)


def test_writing_that_fails_leaves_no_adapter_on(adapted: GuardianSlm) -> None:
    with pytest.raises(IndexError):
        adapted.write(torch.tensor([[10**6]]))
    assert not any(layer.writes for layer in adapted.modules() if isinstance(layer, WriteLinear))


def test_adapters_are_saved_and_loaded(adapted: GuardianSlm, encoder: Encoder, tmp_path: Path) -> None:
    adapted.save_pretrained(tmp_path)
    loaded = GuardianSlm.from_pretrained(tmp_path, attn_implementation="sdpa")
    ids = torch.tensor([encode_examples(encoder, [REPLY])[0].ids])
    with torch.inference_mode():
        assert torch.equal(adapted.eval().write(ids), loaded.eval().write(ids))  # type: ignore[no-untyped-call]


def test_where_only_writing_is_learnt_adapters_are(adapted: GuardianSlm, encoder: Encoder) -> None:
    adapted.freeze_reading()
    free = {name for name, parameter in adapted.named_parameters() if parameter.requires_grad}
    assert {name.rpartition(".")[2] for name in free if ".layers.0." in name} == {"down", "up"}
    backward(learnt(adapted, encode_examples(encoder, [REPLY]))["reply"])
    assert gradient_of(adapted.get_parameter("model.layers.0.mlp.up_proj.down")).any()
    assert not any(".0." in name and name.endswith(".weight") for name in free)


@pytest.mark.parametrize("rank", [0, 8, 20, -16])
def test_a_rank_that_graphs_cannot_hold_is_named(model: GuardianSlm, rank: int) -> None:
    with pytest.raises(ConfigError, match="lora"):
        model.adapt_writing(rank)


def test_another_rank_than_that_of_the_adapters_there_are_is_named(adapted: GuardianSlm) -> None:
    adapted.adapt_writing(16)
    with pytest.raises(ConfigError, match="lora"):
        adapted.adapt_writing(32)
