"""Weights between those of two runs, one of which went on from the other (WiSE-FT, Wortsman et al. 2021,
arXiv:2109.01903).

What a further pass learns and what it forgets do not lie at the same place on the way: a point between can keep most of
both, for nothing at inference.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from torch import Tensor

from guardian.errors import ConfigError
from guardian.train.bases import load_start, weights_of
from guardian.train.model import GuardianMiniConfig


def interpolate(first: Path, second: Path, out: Path, *, share: float) -> Path:
    """Write the run folder `out` with the weights (1 - share) * first + share * second; returns its weights folder.

    Recipe and record are those of `second`, with the share beside them. Raises ConfigError where a folder holds no
    finished run of guardian-mini, where the two differ in shape or tokenizer, or where `share` is not between 0 and 1.
    """
    if not 0.0 <= share <= 1.0:
        raise ConfigError("share", f"{share:g} is not between 0 and 1")
    folders = [weights_of(run, GuardianMiniConfig.model_type) for run in (first, second)]
    if (folders[0] / "tokenizer.json").read_bytes() != (folders[1] / "tokenizer.json").read_bytes():
        raise ConfigError("towards", f"{second} has another tokenizer than {first}")
    one, model = load_start(folders[0]).state_dict(), load_start(folders[1])
    other = model.state_dict()
    if {k: v.shape for k, v in one.items()} != {k: v.shape for k, v in other.items()}:
        raise ConfigError("towards", f"{second} is a model of another shape than {first}")
    model.load_state_dict({name: _between(one[name], other[name], share) for name in one})
    weights = out / "weights"
    weights.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(weights)
    for place in (out, weights):
        shutil.copy(folders[1] / "tokenizer.json", place / "tokenizer.json")
    record = json.loads((folders[1] / "training.json").read_text(encoding="utf-8")) | {"share": share}
    (weights / "training.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return weights


def _between(one: Tensor, other: Tensor, share: float) -> Tensor:
    return torch.lerp(one, other, share) if one.is_floating_point() else other
