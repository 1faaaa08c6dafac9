"""The trained weights in torch as a backend: what the exported graphs are compared with in `guardian eval`.

    GUARDIAN_RUN=build/run GUARDIAN_MODEL=build/guardian-mini \\
        guardian eval --compare torch=guardian.train.torch_backend:scorer ...
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from guardian.errors import ConfigError
from guardian.evaluate.scorers import Scorer, guardian_scorer
from guardian.guard import Guardian
from guardian.scoring.models import find_model
from guardian.scoring.onnx import BATCH_TOKENS, OnnxBackend, pad
from guardian.train.bases import load_start


class TorchBackend(OnnxBackend):
    """Tokenizer, windows, calibration and thresholds of a model folder, logits of torch weights in float32."""

    def __init__(self, folder: Path, weights: Path) -> None:
        super().__init__(folder, device="cpu")
        self._model = load_start(weights)
        self._model.train(mode=False)
        self._batch_tokens = BATCH_TOKENS["cpu"]

    def _run(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        ids, mask = pad(rows, self.encoder.controls.pad)
        with torch.inference_mode():
            logits: NDArray[np.float32] = self._model(torch.from_numpy(ids), torch.from_numpy(mask)).logits.numpy()
        return logits


def scorer() -> Scorer:
    """The factory for `guardian eval --compare`: the run folder from GUARDIAN_RUN, the model from GUARDIAN_MODEL."""
    run = os.environ.get("GUARDIAN_RUN")
    if not run:
        raise ConfigError("GUARDIAN_RUN", "name the folder that `guardian train run` wrote")
    model = find_model(os.environ.get("GUARDIAN_MODEL"))
    return guardian_scorer(Guardian(backend=TorchBackend(model, Path(run) / "weights")), "torch")
