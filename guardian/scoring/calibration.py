"""From logits to calibrated probabilities: the scores every verdict speaks in.

Each score has a logit (a difference of two logits for the softmax heads), a temperature and a bias, fitted on held-out
data (Guo et al. 2017, with Platt's bias): p = sigmoid(logit / temperature + bias).

    harm           unsafe against safe, given that it is not controversial
    controversial  the softmax share of the third severity
    hazard         harm x P(hazard | harm): the hazard heads are learnt where there is harm
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from guardian.taxonomy import HAZARDS
from guardian.verdict import Stage

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Scaling:
    """Temperature (> 0) and bias of one score."""

    temperature: float = 1.0
    bias: float = 0.0

    def __call__(self, logit: Floats) -> Floats:
        scaled: Floats = sigmoid(logit / np.float32(self.temperature) + np.float32(self.bias))
        return scaled


def sigmoid(x: Floats) -> Floats:
    """Logistic function without overflow."""
    value: Floats = (0.5 * (1.0 + np.tanh(0.5 * x))).astype(np.float32)
    return value


_HAZARDS = tuple(hazard.value for hazard in HAZARDS)
_FITTED = ("harm", "response_harm", "jailbreak", "injection", "refusal", *_HAZARDS)  # what has a scaling, in order
_NAMES = ("harm", "controversial", "jailbreak", "injection", "refusal", *_HAZARDS)  # what a row of scores holds


@dataclass(frozen=True, slots=True)
class Calibrator:
    """Turns logits [n, logits] into scores, by stage: an answer's harm is read from the response head."""

    heads: Mapping[str, slice]
    scalings: Mapping[str, Scaling]
    _above: NDArray[np.intp] = field(init=False, repr=False, compare=False)  # logit of each fitted score ...
    _below: NDArray[np.intp] = field(init=False, repr=False, compare=False)  # ... and the one it is held against
    _softmax: NDArray[np.bool_] = field(init=False, repr=False, compare=False)  # whether there is such a one
    _temperature: Floats = field(init=False, repr=False, compare=False)
    _bias: Floats = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        at = {name: head.start for name, head in self.heads.items()}
        pairs = [
            (at["severity"] + 2, at["severity"]),
            (at["response_severity"] + 2, at["response_severity"]),
            (at["attack"], -1),
            (at["attack"] + 1, -1),
            (at["refusal"] + 1, at["refusal"]),
            *((at["hazard"] + index, -1) for index in range(len(_HAZARDS))),
        ]
        scalings = [self.scalings.get(name, _IDENTITY) for name in _FITTED]
        object.__setattr__(self, "_above", np.array([above for above, _ in pairs]))
        object.__setattr__(self, "_below", np.array([max(below, 0) for _, below in pairs]))
        object.__setattr__(self, "_softmax", np.array([below >= 0 for _, below in pairs]))
        object.__setattr__(self, "_temperature", np.array([s.temperature for s in scalings], np.float32))
        object.__setattr__(self, "_bias", np.array([s.bias for s in scalings], np.float32))

    def scores(self, logits: Floats, stages: Sequence[Stage]) -> list[dict[str, float]]:
        """One mapping per row: harm, controversial, jailbreak, injection, refusal, the 13 hazards, each in [0, 1].

        Element by element, without a matrix product: a row's scores must not depend on the rows beside it.
        """
        answers = np.fromiter((stage is Stage.RESPONSE for stage in stages), bool, len(stages))
        logit = logits[:, self._above] - np.where(self._softmax, logits[:, self._below], np.float32(0))
        p = sigmoid(logit / self._temperature + self._bias)
        harm = np.where(answers, p[:, 1], p[:, 0])
        severity = np.where(
            answers[:, None], logits[:, self.heads["response_severity"]], logits[:, self.heads["severity"]]
        )
        table = np.column_stack((harm, _share(severity), p[:, 2:5], harm[:, None] * p[:, 5:]))
        return [dict(zip(_NAMES, row, strict=True)) for row in table.tolist()]


_IDENTITY = Scaling()


def _share(severity: Floats) -> Floats:
    shifted = np.exp(severity - severity.max(axis=1, keepdims=True))
    share: Floats = (shifted[:, 1] / shifted.sum(axis=1)).astype(np.float32)
    return share
