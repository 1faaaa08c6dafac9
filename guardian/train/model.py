"""guardian-mini: a 22M sentence encoder with five heads read in one pass (DESIGN.md 4; seeds 7.4).

The heads stand on [CLS] state, mean and maximum over the tokens: the mean carries the topic, the maximum a needle in
a long window, and the first token what attention gathers. One linear layer gives all logits of one vector.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertConfig, BertModel, BertPreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from guardian.scoring.encode import Controls
from guardian.taxonomy import HAZARDS

# name -> (labels, kind): order fixes the logits vector.
HEADS: dict[str, tuple[tuple[str, ...], str]] = {
    "severity": (("safe", "controversial", "unsafe"), "softmax"),
    "hazard": (tuple(hazard.value for hazard in HAZARDS), "sigmoid"),
    "attack": (("jailbreak", "injection"), "sigmoid"),
    "response_severity": (("safe", "controversial", "unsafe"), "softmax"),
    "refusal": (("answer", "refusal"), "softmax"),
}
# seeds 7.4; a teacher's opinion is richer than a 0/1 label and, as in Hinton et al. (section 2), weighs more.
LOSS_WEIGHTS = {
    "severity": 1.0,
    "hazard": 0.5,
    "attack": 0.5,
    "response_severity": 1.0,
    "refusal": 0.5,
    "taught": 2.0,
    "token": 0.5,
    "consistency": 0.1,
    "reply": 0.5,
}
IGNORED = -100  # what torch's cross entropy leaves out
# BERT's vocabulary keeps rows [unused0], [unused1], ... that no text tokenises to: the control tokens live there.
MINI_CONTROLS = Controls(cls=101, sep=102, pad=0, query=1, task=2, doc=3, resp=4)


def head_slices() -> dict[str, slice]:
    """Where each head lies in the logits vector."""
    slices: dict[str, slice] = {}
    start = 0
    for name, (labels, _) in HEADS.items():
        slices[name] = slice(start, start + len(labels))
        start += len(labels)
    return slices


N_LOGITS = sum(len(labels) for labels, _ in HEADS.values())


class GuardianMiniConfig(BertConfig):
    """BERT's configuration under our own type, so that exporters pick our class."""

    model_type = "guardian-mini"


class GuardianMini(BertPreTrainedModel):
    """BERT encoder with the guardian heads. forward: ids and mask [batch, tokens] -> logits [batch, 23]."""

    config_class = GuardianMiniConfig
    base_model_prefix = "bert"
    controls: ClassVar[Controls] = MINI_CONTROLS

    def __init__(self, config: GuardianMiniConfig) -> None:
        super().__init__(config)
        self.bert = BertModel(config, add_pooling_layer=False)
        self.dropout = nn.Dropout(0.1)
        self.heads = nn.Linear(3 * config.hidden_size, N_LOGITS)
        self.post_init()  # type: ignore[no-untyped-call]

    @property
    def backbone(self) -> nn.Module:
        """All but the heads."""
        return self.bert

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **_: object) -> SequenceClassifierOutput:
        hidden = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * mask).sum(1) / mask.sum(1)
        top = (hidden + (mask - 1.0) * 1e4).amax(1)
        pooled = torch.cat([hidden[:, 0], mean, top], dim=-1)
        return SequenceClassifierOutput(logits=self.heads(self.dropout(pooled)))

    def learn(self, ids: Tensor, mask: Tensor, targets: Targets, *, smoothing: float) -> dict[str, Tensor]:
        """The loss of every head on a batch."""
        return losses(self(ids, mask).logits.float(), targets, smoothing=smoothing)


@dataclass(frozen=True, slots=True)
class Targets:
    """Labels of a batch; -1 marks an unknown label. severity, response_severity, refusal: [batch] int64;
    hazard [batch, 13] and attack [batch, 2]: float32; taught [batch, 3]: harm, jailbreak and injection as a
    teacher sees them, float32.

    For guardian-slm: tokens [batch, width]: severity of an answer up to each token; twins [pairs, 2]: rows that hold
    the same document under two tasks; reply [batch, width]: the token to write next, IGNORED where none is to be."""

    severity: Tensor
    hazard: Tensor
    attack: Tensor
    response_severity: Tensor
    refusal: Tensor
    taught: Tensor
    tokens: Tensor
    twins: Tensor
    reply: Tensor

    def to(self, device: torch.device) -> Targets:
        return Targets(*(getattr(self, name).to(device) for name in self.__slots__))


def losses(logits: Tensor, targets: Targets, *, smoothing: float = 0.0) -> dict[str, Tensor]:
    """Loss per head, each averaged over its own labelled items; a head without any gets exactly zero, and no gradient.

    The hazard target of an item that is safe, or whose hazard is unknown, is -1: hazards are learnt only where there
    is harm (conditional category loss, Qwen3Guard).
    """
    at = head_slices()
    return {
        "severity": cross_entropy(logits[:, at["severity"]], targets.severity, smoothing),
        "hazard": binary(logits[:, at["hazard"]], targets.hazard),
        "attack": binary(logits[:, at["attack"]], targets.attack),
        "response_severity": cross_entropy(logits[:, at["response_severity"]], targets.response_severity, smoothing),
        "refusal": cross_entropy(logits[:, at["refusal"]], targets.refusal, smoothing),
        "taught": binary(_opinion_logits(logits), targets.taught),
    }


def _opinion_logits(logits: Tensor) -> Tensor:
    """The logits of what a teacher gives: harm, jailbreak, injection [batch, 3]."""
    at = head_slices()
    severity = logits[:, at["severity"]]
    return torch.cat([severity[:, 2:] - severity[:, :1], logits[:, at["attack"]]], dim=1)


def total_loss(parts: dict[str, Tensor], *, hazard_weight: float = LOSS_WEIGHTS["hazard"]) -> Tensor:
    """The weighted sum over the parts (LOSS_WEIGHTS)."""
    weights = LOSS_WEIGHTS | {"hazard": hazard_weight}
    return torch.stack([weights[name] * part for name, part in parts.items()]).sum()


def cross_entropy(logits: Tensor, target: Tensor, smoothing: float = 0.0) -> Tensor:
    """Over rows with a known label alone: logits [rows, labels], target [rows], -1 where unknown. Zero without any."""
    known = target >= 0
    if not bool(known.any()):
        return logits.new_zeros(())
    return functional.cross_entropy(logits[known], target[known], label_smoothing=smoothing)


def binary(logits: Tensor, target: Tensor) -> Tensor:
    """Over known labels alone: logits and target [rows, labels], -1 where unknown. Zero without any."""
    known = target >= 0
    if not bool(known.any()):
        return logits.new_zeros(())
    return functional.binary_cross_entropy_with_logits(logits[known], target[known])
