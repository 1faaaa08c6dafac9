"""A model's thresholds: what score a false-positive budget stands for, as calibration fitted it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from guardian.errors import ConfigError
from guardian.taxonomy import HAZARDS
from guardian.text.windows import bucket_of
from guardian.verdict import Stage

Rate = Annotated[float, Field(gt=0.0, lt=1.0, allow_inf_nan=False)]
Threshold = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]


def _falling(levels: Mapping[float, float]) -> Mapping[float, float]:
    if any(levels[strict] < levels[loose] for strict, loose in pairwise(sorted(levels))):
        raise ValueError("a larger false-positive rate has the higher threshold")
    return dict(sorted(levels.items()))


Levels = Annotated[Mapping[Rate, Threshold], Field(min_length=1), AfterValidator(_falling)]
Buckets = Annotated[Mapping[int, Levels], Field(min_length=1)]

# The model reads these stages with another stage's template, and so with its thresholds unless it has their own.
STAND_IN = {Stage.TOOL_CALL: Stage.PROMPT, Stage.TOOL_RESULT: Stage.DOCUMENT}


class Thresholds(BaseModel):
    """Thresholds at stated false-positive rates, per stage, head and number of windows. Part of a model's manifest.

    `table` is stage -> head -> bucket -> {false-positive rate: threshold}; the buckets are the indices of
    `guardian.text.windows.WINDOW_BUCKETS`: more windows are more chances of a false alarm, so each has its own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    default_fpr: Rate = 0.02
    default_fprs: Mapping[Stage, Mapping[str, Rate]] = {}
    """Where a stage and head has a default of its own: attacks and long documents bear fewer false alarms."""
    table: Mapping[Stage, Mapping[str, Buckets]]

    @classmethod
    def flat(cls, value: float = 0.5) -> Self:
        """One threshold for everything: for scripted backends and tests."""
        levels: Mapping[float, float] = dict.fromkeys((0.001, 0.01, 0.02, 0.05), value)
        heads = ("harm", "jailbreak", "injection", *HAZARDS)
        return cls(table={stage: {head: {0: levels} for head in heads} for stage in Stage})

    def lookup(self, stage: Stage, head: str, fpr: float, n_windows: int | None, *, key: str = "fpr") -> float:
        """The threshold of `head` for a false-positive budget `fpr` over a text of `n_windows` windows.

        A budget between two tabulated rates gets the stricter one. With `n_windows` None: the least threshold over all
        lengths, below which no window can ever trigger. ConfigError names `key`, the setting the budget comes from,
        where the budget is below the smallest rate or the model has no thresholds for this head.
        """
        buckets = self._find(stage, head)
        if buckets is None:
            raise ConfigError(key, f"the model has no thresholds for {head} at the {stage} stage; set a bare threshold")
        if n_windows is None:
            return min(_at(levels, fpr, key) for levels in buckets.values())
        return _at(_of_length(buckets, n_windows), fpr, key)

    def default(self, stage: Stage, head: str) -> float:
        """The false-positive rate that the model is meant to be used at, for this stage and head."""
        name = stage if stage in self.default_fprs else STAND_IN.get(stage, stage)
        return self.default_fprs.get(name, {}).get(head, self.default_fpr)

    def loosest(self, stage: Stage, head: str, n_windows: int) -> float | None:
        """The threshold at the largest tabulated false-positive rate; None where the model has none."""
        buckets = self._find(stage, head)
        return None if buckets is None else min(_of_length(buckets, n_windows).values())

    def _find(self, stage: Stage, head: str) -> Buckets | None:
        own = self.table.get(stage, {})
        return own.get(head) or self.table.get(STAND_IN.get(stage, stage), {}).get(head)


def _of_length(buckets: Mapping[int, Mapping[float, float]], n_windows: int) -> Mapping[float, float]:
    """The levels for this many windows. A bucket that was not fitted falls back on the next smaller one."""
    wanted = bucket_of(max(1, n_windows))
    return buckets[max((bucket for bucket in buckets if bucket <= wanted), default=min(buckets))]


def _at(levels: Mapping[float, float], fpr: float, key: str) -> float:
    within = [rate for rate in levels if rate <= fpr]
    if not within:
        raise ConfigError(key, f"{fpr:g} is below {min(levels):g}, the smallest rate the model has thresholds for")
    return levels[max(within)]
