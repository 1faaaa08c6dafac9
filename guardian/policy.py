"""The policy: which scores matter at which stage, at what false-positive rate, and what is done then.

Everything here is a pure function over immutable values: no model, no clock, no text.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
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
from guardian.taxonomy import HAZARDS, Hazard, Severity
from guardian.text.windows import bucket_of
from guardian.thresholds import Rate, Threshold, Thresholds
from guardian.verdict import ALLOW_LIST, Action, Finding, PolicyRef, Stage

FailMode = Literal["closed", "open"]
Seconds = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
StageSeconds = Mapping[Stage, Seconds | None]

# A hazard explains harm from this share of its score on, and may explain it from that.
_EXPLAINS = 0.5
_DOUBTFUL = 0.25
_HARM = frozenset(("harm", *HAZARDS))
# From this probability on the third severity is the model's own opinion.
_CONTROVERSIAL = 0.5


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
        return {"action": value} if isinstance(value, str) else value

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

    @property
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


@dataclass(frozen=True, slots=True)
class Decision:
    """What a policy makes of scores, before shadow mode."""

    action: Action
    flagged: bool
    severity: Severity
    findings: tuple[Finding, ...]


def decide(
    policy: Policy,
    stage: Stage,
    scores: Mapping[str, float],
    thresholds: Thresholds,
    n_windows: int = 1,
    complete: bool = True,
    passages: Sequence[Mapping[str, float]] = (),
    custom: Sequence[Finding] = (),
    excused: Collection[str] | None = None,
) -> Decision:
    """Turn the scores of a text of `n_windows` windows into an action.

    `scores` are the highest over the text. `passages` are the scores of its windows, at least of those that reach the
    `floors`; none: the text is one passage. A head triggers at its threshold. Harm that triggers is explained by the
    hazards with at least half its score in the same passage; their rules replace the stage's rule for harm, so harm
    that report-only hazards alone explain is allowed. The likeliest hazard of unexplained harm only names it.

    `custom` are the findings of the policy's own rules. `excused` names findings that the allow-list holds back; None:
    it was not used. Neither says anything about severity but that what is excused is not there.

    More budget never gives a lesser action. Nor does a higher score, except that of a hazard whose own rule is milder
    than the stage's rule for harm. Raises ConfigError where the model has no threshold for a rule.
    """
    passages = passages or (scores,)
    heads = {
        head: _finding(head, scores[head], threshold_of(policy, stage, head, thresholds, n_windows), rule.action)
        for head, rule in policy.stages[stage].items()
    }
    harm = heads.get("harm")
    hazards = tuple(_hazard_findings(policy, stage, scores, thresholds, n_windows, harm, passages))
    if harm is not None and harm.triggered:
        reasons = [action_of_harm(policy, stage, passage) for passage in passages if passage["harm"] >= harm.threshold]
        heads["harm"] = harm.model_copy(update={"action": max(reasons, default=harm.action)})
    findings = (*heads.values(), *hazards, *custom)
    if excused is not None:
        kept = (f.model_copy(update={"triggered": f.triggered and f.name not in excused}) for f in findings)
        findings = (*kept, _finding(ALLOW_LIST, 1.0, 1.0, Action.ALLOW))
    action = max((f.action for f in findings if f.triggered), default=Action.ALLOW)
    if not complete:
        action = max(action, policy.on_incomplete)
    severity = _severity(scores, findings, thresholds.loosest(stage, "harm", n_windows))
    return Decision(action, action is not Action.ALLOW, severity, findings)


def threshold_of(policy: Policy, stage: Stage, name: str, thresholds: Thresholds, n_windows: int | None) -> float:
    """The threshold in force for a head or hazard that has a rule; over all lengths where `n_windows` is None."""
    bucket = None if n_windows is None else bucket_of(max(1, n_windows))
    key = (id(policy), id(thresholds), stage, name, bucket)
    known = _THRESHOLDS.get(key)
    if known is None:
        if len(_THRESHOLDS) >= _MOST_THRESHOLDS:
            _THRESHOLDS.clear()
        known = _THRESHOLDS[key] = (policy, thresholds, _threshold_of(policy, stage, name, thresholds, n_windows))
    return known[2]


# Every check asks for the same few. Policies and thresholds cannot be hashed, but neither do they change: they are told
# apart by identity, and kept, so that no other can come to have it.
_THRESHOLDS: dict[tuple[int, int, Stage, str, int | None], tuple[Policy, Thresholds, float]] = {}
_MOST_THRESHOLDS = 4096


def _threshold_of(policy: Policy, stage: Stage, name: str, thresholds: Thresholds, n_windows: int | None) -> float:
    rule: Rule | None = getattr(policy.stages[stage], name, None)
    key = f"stages.{stage}.{name}.fpr"
    if rule is None:
        rule, key = policy.hazards[Hazard(name)], f"hazards.{name}.fpr"
    if rule.threshold is not None:
        return rule.threshold
    asked = rule.fpr or policy.fpr
    if asked is None:
        return thresholds.lookup(stage, name, thresholds.default(stage, name), n_windows)
    key = key if rule.fpr is not None else "fpr"
    threshold = thresholds.lookup(stage, name, asked, n_windows, key=key)
    if threshold >= 1:  # what calibration gives where it saw too few texts: the guard would be off without a word
        raise ConfigError(key, f"the model cannot promise {asked:g} for {name} at the {stage} stage; set a threshold")
    return threshold


def floors(policy: Policy, stage: Stage, thresholds: Thresholds) -> dict[str, float]:
    """Of every score that can trigger at a stage, the value below which it never does, however long the text is.

    Raises ConfigError, naming the key, where the policy asks for what the model cannot give.
    """
    own = [hazard for hazard, rule in policy.hazards.items() if rule.sets_threshold]
    names = [head for head, _ in policy.stages[stage].items()] + own
    return {name: threshold_of(policy, stage, name, thresholds, None) for name in names}


def subject(name: str) -> str:
    """What a finding, or the span of one, is about: harm and its hazards are explained by the same passages."""
    return "harm" if name in _HARM else name


def _finding(name: str, score: float, threshold: float, action: Action, triggered: bool | None = None) -> Finding:
    reached = score >= threshold if triggered is None else triggered
    return Finding(name=name, score=score, threshold=threshold, triggered=reached, action=action)


def _share(hazard: Hazard, passage: Mapping[str, float]) -> float:
    """The probability of a hazard in a passage, given that there is harm."""
    return passage[hazard] / passage["harm"] if passage["harm"] else 0.0


def action_of_harm(policy: Policy, stage: Stage, passage: Mapping[str, float]) -> Action:
    """The action for the harm of one passage. A milder rule excuses it only where nothing graver is in doubt."""
    of_stage = dict(policy.stages[stage].items())["harm"].action
    actions: list[Action] = []
    doubt = False
    for hazard in HAZARDS:
        rule, share = policy.hazards.get(hazard), _share(hazard, passage)
        action = of_stage if rule is None else rule.action
        if share >= _EXPLAINS:
            actions.append(action)
        doubt = doubt or (share >= _DOUBTFUL and action >= of_stage)
    return max([*actions, of_stage]) if doubt else max(actions, default=of_stage)


def _hazard_findings(
    policy: Policy,
    stage: Stage,
    scores: Mapping[str, float],
    thresholds: Thresholds,
    n_windows: int,
    harm: Finding | None,
    passages: Sequence[Mapping[str, float]],
) -> Iterator[Finding]:
    """A finding for every hazard that is looked at: all where `harm` is, else those with a threshold of their own."""
    own = {
        hazard: threshold_of(policy, stage, hazard, thresholds, n_windows)
        for hazard, rule in policy.hazards.items()
        if rule.sets_threshold
    }
    if harm is None:
        for hazard, threshold in own.items():
            yield _finding(hazard, scores[hazard], threshold, policy.hazards[hazard].action)
        return
    likeliest = max(HAZARDS, key=scores.__getitem__)
    harmful = [passage for passage in passages if passage["harm"] >= harm.threshold]
    for hazard in HAZARDS:
        score, threshold = scores[hazard], own.get(hazard, harm.threshold)
        explains = bool(harmful) and any(_share(hazard, passage) >= _EXPLAINS for passage in harmful)
        sure = explains or (hazard in own and score >= threshold)
        guess = harm.triggered and hazard is likeliest and score > 0.0 and not sure
        rule = policy.hazards.get(hazard)
        action = harm.action if rule is None or guess else rule.action
        yield _finding(hazard, score, threshold, action, sure or guess)


def _severity(scores: Mapping[str, float], findings: Iterable[Finding], loosest: float | None) -> Severity:
    """Unsafe where harm or a hazard triggered; controversial where harm would under the loosest budget there is."""
    if any(f.triggered and f.name in _HARM for f in findings):
        return Severity.UNSAFE
    doubtful = loosest is not None and scores["harm"] >= loosest
    return Severity.CONTROVERSIAL if doubtful or scores["controversial"] > _CONTROVERSIAL else Severity.SAFE
