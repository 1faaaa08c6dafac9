"""From logits to calibrated probabilities: the scores every verdict speaks in.

Each score has a logit (a difference of two logits for the softmax heads), a temperature and a bias, fitted on held-out
data (Guo et al. 2017, with Platt's bias): p = sigmoid(logit / temperature + bias).

    harm           unsafe against safe, given that it is not controversial
    controversial  the softmax share of the third severity
    hazard         harm x P(hazard | harm): the hazard heads are learnt where there is harm
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Calibrator:
    """Turns logits [n, logits] into scores, by stage: an answer's harm is read from the response head."""

    heads: Mapping[str, slice]
    scalings: Mapping[str, Scaling]

    def scores(self, logits: Floats, stages: Sequence[Stage]) -> list[dict[str, float]]:
        """One mapping per row: harm, controversial, jailbreak, injection, refusal, the 13 hazards, each in [0, 1]."""
        answers = np.fromiter((stage is Stage.RESPONSE for stage in stages), bool, len(stages))
        prompt, response = logits[:, self.heads["severity"]], logits[:, self.heads["response_severity"]]
        harm = np.where(answers, self._harm(response, "response_harm"), self._harm(prompt, "harm"))
        middle = _share(np.where(answers[:, None], response, prompt))
        attack, refusal = logits[:, self.heads["attack"]], logits[:, self.heads["refusal"]]
        columns: dict[str, Floats] = {
            "harm": harm,
            "controversial": middle,
            "jailbreak": self._scaling("jailbreak")(attack[:, 0]),
            "injection": self._scaling("injection")(attack[:, 1]),
            "refusal": self._scaling("refusal")(refusal[:, 1] - refusal[:, 0]),
        }
        hazards = logits[:, self.heads["hazard"]]
        for index, hazard in enumerate(HAZARDS):
            columns[hazard.value] = harm * self._scaling(hazard.value)(hazards[:, index])
        names = list(columns)
        return [dict(zip(names, row, strict=True)) for row in np.stack(list(columns.values()), axis=1).tolist()]

    def _harm(self, severity: Floats, name: str) -> Floats:
        return self._scaling(name)(severity[:, 2] - severity[:, 0])

    def _scaling(self, name: str) -> Scaling:
        return self.scalings.get(name, _IDENTITY)


_IDENTITY = Scaling()


def _share(severity: Floats) -> Floats:
    shifted = np.exp(severity - severity.max(axis=1, keepdims=True))
    share: Floats = (shifted[:, 1] / shifted.sum(axis=1)).astype(np.float32)
    return share
