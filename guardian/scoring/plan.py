"""`cascade.json`, the manifest of a cascade: which two models, and where the first asks the second."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, model_validator

from guardian.errors import ModelError
from guardian.scoring.model_file import Part, read_model_file
from guardian.thresholds import STAND_IN, Thresholds
from guardian.verdict import ModelRef, Stage

PLAN = "cascade.json"

Head = Literal["harm", "jailbreak", "injection"]
Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Weight = Annotated[float, Field(ge=0.0)]


class ModelPart(Part):
    """One of the two models: the `ModelRef` that its manifest has."""

    name: Annotated[str, Field(pattern=r"^[\w.-]+$")]
    version: str
    hash: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]

    def check(self, ref: ModelRef) -> None:
        """ModelError where `ref` is not this model."""
        if ref.hash != self.hash:
            raise ModelError(
                self.name,
                f"the cascade was fitted for version {self.version} with hash {self.hash[:12]}, and this is {ref.name} "
                f"{ref.version} with hash {ref.hash[:12]}: get the one, or fit anew by guardian train cascade",
            )


class Blend(Part):
    """The score where both models were asked: sigmoid(first * logit(p1) + second * logit(p2) + bias).

    No weight is negative: what either model is surer of never counts for less.
    """

    first: Weight
    second: Weight
    bias: float


class Band(Part):
    """Scores of the first model, `low` to `high` with both, at which it is unsure and the second is asked."""

    low: Probability
    high: Probability
    blend: Blend

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.low > self.high:
            raise ValueError("low is larger than high")
        return self

    def holds(self, score: float) -> bool:
        return self.low <= score <= self.high


Bands = Mapping[Head, Band]


class CascadePlan(Part):
    """The manifest of a cascade. Unknown keys are an error, except under `notes`.

    `bands` is stage -> head -> band; a head without a band is the first model's alone. Tool calls are read as prompts
    and tool results as documents where they have no bands of their own.
    """

    format: Literal[1] = 1
    name: str = "guardian-cascade"
    version: str
    created: str = ""
    first: ModelPart
    second: ModelPart
    bands: Mapping[Stage, Bands]
    thresholds: Thresholds
    notes: Mapping[str, JsonValue] = {}

    def bands_of(self, stage: Stage) -> Bands:
        """The bands in force at a stage."""
        return self.bands.get(stage) or self.bands.get(STAND_IN.get(stage, stage), {})

    def asks(self, stage: Stage, scores: Mapping[str, float]) -> bool:
        """Whether the second model is asked about a piece with these scores of the first."""
        return any(band.holds(scores[head]) for head, band in self.bands_of(stage).items())

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read the plan of a cascade's folder; ModelError says what is wrong with it."""
        return read_model_file(cls, folder, PLAN, "a cascade")

    def save(self, folder: str | Path) -> None:
        """Write the plan into a folder, which is made where it is not there."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / PLAN).write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")
