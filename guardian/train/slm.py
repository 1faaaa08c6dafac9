"""guardian-slm: one small decoder that detects, watches an answer token by token, and writes safeguard replies.

SLM as Guardian (arXiv 2405.19795) with heads instead of label words: the same linear heads as guardian-mini's stand on
the state at `<|pred|>`, a token head on every token of an answer (Qwen3Guard-Stream, arXiv 2510.14276, section 4), and
the language model head writes the reply after `<|expl|>`.

The heads are read after `read_layer` of the blocks, two thirds of them: what a probe finds there it also finds at the
end (docs/slm.md), detection costs a third less, and the last third is left to the writing of replies.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import LlamaConfig, LlamaModel, LlamaPreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from guardian.errors import ConfigError
from guardian.scoring.encode import Controls
from guardian.taxonomy import HAZARDS
from guardian.train.examples import SAFE
from guardian.train.model import IGNORED, N_LOGITS, Targets, binary, cross_entropy, head_slices, losses

# SmolLM2's vocabulary starts with tokens of its chat and code formats, which no text tokenises to. The end of a prompt
# and that of a reply are one token, the end of a turn, as the base model knows it.
SLM_CONTROLS = Controls(cls=1, sep=2, pad=0, query=3, task=4, doc=5, resp=6, pred=7, expl=8, harm=9)
N_CONTROLS = 10
N_TOKEN_LOGITS = 3 + len(HAZARDS)  # severity of the answer up to here, and hazards
# The base never saw most of its reserved tokens, whose rows are one and the same: words give each a first meaning.
FIRST_MEANINGS = {
    "query": " question",
    "task": " task",
    "doc": " document",
    "resp": " answer",
    "pred": " verdict",
    "expl": " sorry",
    "harm": " harmful",
}


class GuardianSlmConfig(LlamaConfig):
    """Llama's configuration under our own type.

    `read_layer`: the block after which the heads read. `write_rank`: rank of the adapters that writing has in the
    blocks up to there; 0: there are none."""

    model_type = "guardian-slm"

    def __init__(self, read_layer: int | None = None, write_rank: int = 0, **options: Any) -> None:
        super().__init__(**options)  # type: ignore[no-untyped-call]
        self.read_layer = read_layer or max(1, round(self.num_hidden_layers * 2 / 3))
        self.write_rank = write_rank


WRITES_WITH = (".down", ".up")
"""How the names of a `WriteLinear`'s own parameters end."""


class WriteLinear(nn.Linear):
    """A linear layer that detection reads with, and beside it a low-rank product (LoRA, arXiv 2106.09685) that counts
    only while a reply is written: what detection has forgotten of the language comes back, and detection stays as it
    is, to the bit."""

    def __init__(self, inputs: int, outputs: int, rank: int) -> None:
        super().__init__(inputs, outputs, bias=False)
        self.down = nn.Parameter(torch.empty(rank, inputs))
        self.up = nn.Parameter(torch.zeros(outputs, rank))  # so it begins as if it were not there
        nn.init.kaiming_uniform_(self.down, a=5**0.5)
        self.writes = False

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = super().forward(x)
        return found + functional.linear(functional.linear(x, self.down), self.up) if self.writes else found


class GuardianSlm(LlamaPreTrainedModel):
    """A Llama-style decoder with the guardian heads. forward: ids and mask [batch, tokens] -> logits [batch, 23].

    Ids are padded on the right: causal attention never looks there, so the mask only tells the last token, where the
    heads read. The table of embeddings stays as it is, because most of its rows are never seen in training; the control
    tokens have rows of their own in `controls_table`, which the language model head shares.
    """

    config_class = GuardianSlmConfig
    base_model_prefix = "model"
    controls: ClassVar[Controls] = SLM_CONTROLS

    def __init__(self, config: GuardianSlmConfig) -> None:
        super().__init__(config)
        if self.config._attn_implementation != "sdpa":  # noqa: SLF001  # it has no public name
            raise ConfigError("attn_implementation", "must be sdpa, which without a mask is causal")
        self.read_layer = config.read_layer
        self.model = LlamaModel(config)
        self.model.embed_tokens.weight.requires_grad_(False)
        self.controls_table = nn.Embedding(N_CONTROLS, config.hidden_size)
        self.head_norm = LlamaRMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.dropout = nn.Dropout(0.1)
        self.heads = nn.Linear(config.hidden_size, N_LOGITS)
        self.token_heads = nn.Linear(config.hidden_size, N_TOKEN_LOGITS)
        if config.write_rank:
            self._exchange_linears(config.write_rank)
        self.post_init()  # type: ignore[no-untyped-call]

    @property
    def backbone(self) -> nn.Module:
        """All but the heads."""
        backbone: nn.Module = self.model
        return backbone

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **_: object) -> SequenceClassifierOutput:
        logits: Any = self.verdict(self.read(input_ids), attention_mask)
        return SequenceClassifierOutput(logits=logits)

    def read(self, ids: Tensor) -> Tensor:
        """States [batch, tokens, width] after the blocks that the heads stand on."""
        return self.blocks(self.embed(ids), 0, self.read_layer)

    def verdict(self, states: Tensor, mask: Tensor) -> Tensor:
        """Logits [batch, 23] at the last token of every row."""
        last = states[torch.arange(len(states), device=states.device), mask.sum(1) - 1]
        logits: Tensor = self.heads(self.dropout(self.head_norm(last)))
        return logits

    def watch(self, states: Tensor) -> Tensor:
        """Logits [..., 16] of the token head: three severities of the answer so far, and the hazards."""
        logits: Tensor = self.token_heads(self.dropout(self.head_norm(states)))
        return logits

    def write(self, ids: Tensor) -> Tensor:
        """States [batch, tokens, width] for `vocabulary`: through all blocks, with the adapters of writing."""
        with self.writing():
            states = self.read(ids)
        normed: Tensor = self.model.norm(self.blocks(states, self.read_layer, self.config.num_hidden_layers))
        return normed

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Within it the adapters of writing count. Not for two threads at once."""
        adapted = [layer for layer in self.modules() if isinstance(layer, WriteLinear)]
        for layer in adapted:
            layer.writes = True
        try:
            yield
        finally:
            for layer in adapted:
                layer.writes = False

    def vocabulary(self, states: Tensor) -> Tensor:
        """Logits [..., vocabulary] of the next token."""
        logits = functional.linear(states, self.model.embed_tokens.weight)
        own = functional.linear(states, self.controls_table.weight)
        return torch.cat([own, logits[..., N_CONTROLS:]], dim=-1)

    def embed(self, ids: Tensor) -> Tensor:
        """Embeddings [batch, tokens, width]."""
        control = ids < N_CONTROLS
        own = self.controls_table(torch.where(control, ids, 0))
        words: Tensor = self.model.embed_tokens(ids)
        return torch.where(control.unsqueeze(-1), own, words)

    def learn(self, ids: Tensor, mask: Tensor, targets: Targets, *, smoothing: float) -> dict[str, Tensor]:
        """The loss of every part on a batch: heads, token head, consistency over tasks, reply (seeds 7.4).

        Rows with a reply have no other label: they are only written, and the others only read.
        """
        replies = (targets.reply != IGNORED).any(1)
        read = ~replies
        logits = torch.zeros(len(ids), N_LOGITS, device=ids.device)
        states = self.read(ids[read]) if bool(read.any()) else None
        if states is not None:
            logits[read] = self.verdict(states, mask[read]).float()
        return losses(logits, targets, smoothing=smoothing) | {
            "token": self._token_loss(states, targets.tokens[read], targets.hazard[read]),
            "consistency": consistency(logits, targets.twins),
            "reply": self._reply_loss(ids[replies], targets.reply[replies]),
        }

    def _token_loss(self, states: Tensor | None, tokens: Tensor, hazards: Tensor) -> Tensor:
        """Mean over the labelled tokens of answers; hazards where they are harmful."""
        known = tokens >= 0
        if states is None or not bool(known.any()):
            return self.token_heads.weight.new_zeros((), dtype=torch.float32)
        logits, severity = self.watch(states[known]).float(), tokens[known]
        hazard = hazards.unsqueeze(1).expand(-1, known.shape[1], -1)[known]
        hazard = torch.where((severity != SAFE).unsqueeze(-1), hazard, -1.0)
        return cross_entropy(logits[:, :3], severity) + 0.5 * binary(logits[:, 3:], hazard)

    def _reply_loss(self, ids: Tensor, reply: Tensor) -> Tensor:
        """Cross entropy over the tokens of replies alone (Cross-Task Defense masks everything but the reply)."""
        if not len(ids):
            return self.token_heads.weight.new_zeros((), dtype=torch.float32)
        told = reply != IGNORED
        return functional.cross_entropy(self.vocabulary(self.write(ids)[told]).float(), reply[told])

    def blocks(self, states: Tensor, start: int, stop: int) -> Tensor:
        """States [batch, tokens, width] after the blocks [start, stop)."""
        positions = torch.arange(states.shape[1], device=states.device).unsqueeze(0)
        rotary = self.model.rotary_emb(states, positions)
        for block in self.model.layers[start:stop]:
            states = block(states, attention_mask=None, position_ids=positions, position_embeddings=rotary)
        return states

    def freeze_reading(self) -> None:
        """Leave only what writes to be trained, the last blocks and the adapters of the others: the heads and all that
        they read stay as they are."""
        writing = [*self.model.layers[self.read_layer :].parameters(), *self.model.norm.parameters()]
        writing += [
            part for layer in self.modules() if isinstance(layer, WriteLinear) for part in (layer.down, layer.up)
        ]
        kept = {id(parameter) for parameter in writing}
        for parameter in self.parameters():
            if id(parameter) not in kept:
                parameter.requires_grad_(False)

    def adapt_writing(self, rank: int) -> None:
        """Give the blocks that the heads stand on adapters of `rank`, a multiple of 16, for writing. ConfigError for
        another rank, or where there are some already."""
        if rank < 1 or rank % 16 or self.config.write_rank not in (0, rank):
            there = f", and the {self.config.write_rank} of the adapters there are" if self.config.write_rank else ""
            raise ConfigError("lora", f"must be a multiple of 16{there}, is {rank}")
        if not self.config.write_rank:
            self.config.write_rank = rank
            self._exchange_linears(rank)

    def _exchange_linears(self, rank: int) -> None:
        for block in self.model.layers[: self.read_layer]:
            for part in (block.self_attn, block.mlp):
                for name, layer in list(part.named_children()):
                    if type(layer) is nn.Linear:
                        adapted = WriteLinear(layer.in_features, layer.out_features, rank)
                        adapted.weight = layer.weight
                        setattr(part, name, adapted)

    @torch.no_grad()
    def give_meanings(self, ids_of: dict[str, list[int]]) -> None:
        """Start the rows of control tokens: the base's own, and where it has none the mean of the words in `ids_of`."""
        words = self.model.embed_tokens.weight
        self.controls_table.weight.copy_(words[:N_CONTROLS])
        for name, ids in ids_of.items():
            self.controls_table.weight[getattr(self.controls, name)] = words[ids].mean(0)


def consistency(logits: Tensor, twins: Tensor) -> Tensor:
    """Jensen-Shannon divergence between the severities of the same document under two tasks (seeds 7.4, L_cons)."""
    if not len(twins):
        return logits.new_zeros(())
    severity = head_slices()["severity"]
    one, other = (logits[twins[:, side], severity].log_softmax(-1) for side in (0, 1))
    mean = torch.logsumexp(torch.stack((one, other)), 0) - torch.log(torch.tensor(2.0))
    parts = [functional.kl_div(mean, side, reduction="batchmean", log_target=True) for side in (one, other)]
    return 0.5 * (parts[0] + parts[1])


def byte_level_json(original: str) -> str:
    """A byte-level BPE `tokenizer.json` made safe for untrusted text: no added tokens, no template.

    Digits stand alone as in SmolLM2's own tokenizer; GGUF does not carry that. ConfigError where text could reach the
    control ids, as in vocabularies that do not begin with reserved tokens.
    """
    spec = json.loads(original)
    reserved = {token["id"] for token in spec["added_tokens"] if token["special"]}
    if not SLM_CONTROLS.all() <= reserved:
        raise ConfigError("base", "its vocabulary does not begin with reserved tokens, as SmolLM2's does")
    spec |= {"added_tokens": [], "post_processor": None, "truncation": None, "padding": None}
    digits = {"type": "Digits", "individual_digits": True}
    spec["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [digits, spec["pre_tokenizer"]]}
    return json.dumps(spec, ensure_ascii=False, separators=(",", ":"))
