"""The policy: which scores matter at which stage, at what false-positive rate, and what is done then.

Everything here is a pure function over immutable values: no model, no clock, no text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

from guardian._validation import first_problem
from guardian.errors import ConfigError
from guardian.presets import PRESETS
from guardian.rules import Allowed, CustomRule
from guardian.taxonomy import SUBJECTS, Hazard
from guardian.thresholds import Rate, Threshold
from guardian.verdict import Action, PolicyRef, Stage

FailMode = Literal["closed", "open"]
Seconds = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
StageSeconds = Mapping[Stage, Seconds | None]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Rule(_Model):
    """What is done when a score is over its threshold.

    The threshold is that of a false-positive rate (`fpr`), which the model's calibration translates, or a bare
    probability (`threshold`); without either the policy's `fpr` counts. In a file a bare action will do: `harm: block`.
    """

    action: Action
    fpr: Rate | None = None
    threshold: Threshold | None = None

    @model_validator(mode="before")
    @classmethod
    def _bare_action(cls, value: object) -> object:
        if isinstance(value, str):
            return {"action": value}
        if not isinstance(value, Mapping | Rule):  # such as `off`, which YAML takes for false
            raise ValueError("must be an action, such as block, or a table with one")
        return value

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if self.fpr is not None and self.threshold is not None:
            raise ValueError("give fpr or threshold, not both")
        return self

    @property
    def sets_threshold(self) -> bool:
        return self.fpr is not None or self.threshold is not None


class StageRules(_Model):
    """The rules of one stage. None: this score is not looked at."""

    harm: Rule | None = None
    jailbreak: Rule | None = None
    injection: Rule | None = None

    def items(self) -> Iterator[tuple[str, Rule]]:
        """Head and rule of every head that is looked at."""
        rules = (("harm", self.harm), ("jailbreak", self.jailbreak), ("injection", self.injection))
        return ((head, rule) for head, rule in rules if rule is not None)


def _known(subject: str) -> str:
    if subject not in SUBJECTS:
        raise ValueError(f"no reply is about this; there are {', '.join(SUBJECTS)}")
    return subject


Subject = Annotated[str, AfterValidator(_known)]


class Replies(_Model):
    """What is said to the user in the place of the model."""

    templates: Mapping[Subject, Annotated[str, Field(min_length=1)]] = Field(
        default={}, description="replies of your own, by what they are about; these are always said as they stand"
    )
    tone: Literal["warm", "plain"] = Field(
        default="warm", description="plain: one neutral sentence, but for self-harm; no model writes that way"
    )
    contacts: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        default=(), description="phone numbers, addresses and names that a written reply may give"
    )
    writer: Literal["auto", "template"] = Field(
        default="auto", description="auto: the model writes where it can; template: it never does"
    )


_PROMPT = {"harm": "block", "jailbreak": "block", "injection": "flag"}
_DOCUMENT = {"harm": "block", "jailbreak": None, "injection": "block"}
_RESPONSE = {"harm": "block", "jailbreak": None, "injection": None}
_STAGES: Mapping[str, Any] = {
    Stage.PROMPT: _PROMPT,
    Stage.DOCUMENT: _DOCUMENT,
    Stage.RESPONSE: _RESPONSE,
    Stage.TOOL_CALL: _PROMPT,
    Stage.TOOL_RESULT: _DOCUMENT,
}
_HAZARDS: Mapping[str, Any] = {Hazard.ADVICE: "allow"}
_FAIL_MODES: Mapping[str, Any] = dict.fromkeys(Stage, "closed")
# By hand, because pydantic tells of a union what is wrong with each of its members.
_SECONDS: TypeAdapter[Any] = TypeAdapter(Seconds | None)
_STAGE_SECONDS: TypeAdapter[Any] = TypeAdapter(StageSeconds)


class Policy(_Model):
    """What guardian does about what it finds. Immutable; what is not given keeps its default, key by key.

    A rule under `hazards` stands in for the stage's `harm` rule wherever that hazard explains the harm. Its own `fpr`
    or `threshold`, if any, triggers the hazard whatever `harm` says; it never holds `harm` back.
    """

    name: str = "default"
    version: Annotated[str, Field(coerce_numbers_to_str=True)] = "1"
    fpr: Rate | None = Field(
        default=None, description="false-positive budget of every rule without its own; None: the model's default"
    )
    stages: Mapping[Stage, StageRules] = Field(default={}, validate_default=True)
    hazards: Mapping[Hazard, Rule] = Field(default={}, validate_default=True)
    on_incomplete: Action = Field(default=Action.FLAG, description="least action where not all of the text was read")
    fail_mode: Mapping[Stage, FailMode] = Field(default={}, validate_default=True)
    timeout_s: Seconds | StageSeconds | None = Field(
        default=None, description="how long a check may take, everywhere or by stage; None: as long as it takes"
    )
    max_chars: Annotated[int, Field(ge=1)] | None = Field(default=None, description="characters scanned of one text")
    shadow: bool = Field(default=False, description="decide and report, but always allow")
    refine_spans: bool = Field(default=True, description="narrow offending windows down to sentences")
    allow: tuple[Allowed, ...] = Field(default=(), description="texts and passages that trigger nothing")
    rules: tuple[CustomRule, ...] = Field(default=(), description="findings of your own")
    replies: Replies = Field(default=Replies(), description="what is said where a text is stopped")

    @field_validator("stages", mode="before")
    @classmethod
    def _default_stages(cls, value: object) -> object:
        return _laid_over(_STAGES, value)

    @field_validator("hazards", mode="before")
    @classmethod
    def _default_hazards(cls, value: object) -> object:
        return _laid_over(_HAZARDS, value)

    @field_validator("fail_mode", mode="before")
    @classmethod
    def _default_fail_modes(cls, value: object) -> object:
        if isinstance(value, str):
            raise ValueError("must be given by stage, as in {prompt: open}")
        return _laid_over(_FAIL_MODES, value)

    @field_validator("timeout_s", mode="wrap")
    @classmethod
    def _timeouts(cls, value: object, _: ValidatorFunctionWrapHandler) -> object:
        return (_STAGE_SECONDS if isinstance(value, Mapping) else _SECONDS).validate_python(value)

    @field_validator("rules")
    @classmethod
    def _distinct(cls, rules: tuple[CustomRule, ...]) -> tuple[CustomRule, ...]:
        if len({rule.name for rule in rules}) < len(rules):
            raise ValueError("two rules have the same name")
        return rules

    @cached_property
    def ref(self) -> PolicyRef:
        return PolicyRef(name=self.name, version=self.version)

    def timeout_of(self, stage: Stage) -> float | None:
        """Seconds a check at this stage may take; None: as long as it takes."""
        return self.timeout_s.get(stage) if isinstance(self.timeout_s, Mapping) else self.timeout_s

    @classmethod
    def preset(cls, name: str) -> Policy:
        """The ready-made policy of this name; see `guardian.presets`. ConfigError says which there are."""
        return cls.from_mapping({"preset": name})

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Policy:
        """A policy from plain values, as a parsed file gives them. ConfigError names the dotted key that is wrong.

        Under `preset` may stand the name of a ready-made policy, which the other keys are laid over.
        """
        try:
            return cls.model_validate(_expanded(values))
        except ValidationError as error:
            key, message = first_problem(error)
            raise ConfigError(key or "policy", message) from None

    @classmethod
    def from_file(cls, path: str | Path) -> Policy:
        """A policy from a .yaml, .yml, .toml or .json file. ConfigError names the file or the dotted key."""
        from guardian import _configfile  # here, because most policies come from code

        values = _configfile.read(Path(path))
        return cls.from_mapping({} if values is None else values)

    def with_overrides(self, values: Mapping[str, Any]) -> Policy:
        """This policy with `values`, the keys of a file, laid over it key by key: a tenant's own over the house's.

        Entries of `allow` and `rules` are added to those there are. ConfigError names the dotted key that is wrong, in
        `values`.
        """
        given = _expanded(values)
        lists: dict[str, Any] = {key: given.pop(key) for key in ("allow", "rules") if key in given}
        added = self.from_mapping(lists)  # on their own, so that an error counts from the first of them
        base = self.model_dump(exclude={"allow", "rules"})
        if isinstance(given.get("timeout_s"), Mapping):
            base["timeout_s"] = {stage: self.timeout_of(stage) for stage in Stage}
        own = {"allow": (*self.allow, *added.allow), "rules": (*self.rules, *added.rules)}
        return self.from_mapping(_merged(base, given) | own)


def _expanded(values: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values with those of the preset they name beneath them."""
    if not isinstance(values, Mapping):
        raise ConfigError("policy", f"must be a table of keys and values, not {type(values).__name__}")
    own = dict(values)
    if "preset" not in own:
        return own
    name = own.pop("preset")
    if not isinstance(name, str) or name not in PRESETS:
        raise ConfigError("preset", f"must be one of {', '.join(PRESETS)}")
    return _merged({"name": name, **PRESETS[name]}, own)


def _merged(defaults: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """`given` laid over `defaults`, mapping by mapping. A budget and a threshold take each other's place."""
    merged = dict(defaults)
    for one, other in (("fpr", "threshold"), ("threshold", "fpr")):
        if given.get(one) is not None:
            merged.pop(other, None)
    for key, value in given.items():
        merged[key] = _laid_over(merged.get(key), value)
    return merged


def _laid_over(default: object, given: object) -> object:
    """Anything that is no mapping replaces what was there, and is left for pydantic to judge."""
    if isinstance(given, BaseModel):
        given = {name: getattr(given, name) for name in given.model_fields_set}
    if not isinstance(given, Mapping):
        return given
    if isinstance(default, str):
        default = {"action": default}
    return _merged(default if isinstance(default, Mapping) else {}, given)
