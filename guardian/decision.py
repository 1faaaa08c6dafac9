"""From scores to an action: what a policy makes of them under a model's thresholds.

Pure functions over immutable values: no model, no clock, no text.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypedDict, TypeVar

from pydantic import TypeAdapter

from guardian.errors import ConfigError
from guardian.policy import Policy, Rule
from guardian.taxonomy import HAZARDS, Hazard, Severity
from guardian.text.windows import bucket_of
from guardian.thresholds import Thresholds
from guardian.verdict import ALLOW_LIST, Action, Finding, Stage

# A hazard explains harm from this share of its score on, and may explain it from that.
_EXPLAINS = 0.5
_DOUBTFUL = 0.25
_HARM = frozenset(("harm", *HAZARDS))
# From this probability on the third severity is the model's own opinion.
_CONTROVERSIAL = 0.5


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
    limits = _limits(policy, stage, thresholds, n_windows)
    harm_action, harmful = limits.harm_action, _harmful(limits, scores, passages or (scores,))
    if harmful:
        harm_action = max(action_of_harm(policy, stage, passage) for passage in harmful)
    found = [*_heads(limits, scores, harm_action), *_hazards(limits, scores, harmful)]
    findings = (*_FINDINGS.validate_python(found), *custom)
    if excused is not None:
        kept = (f.model_copy(update={"triggered": f.triggered and f.name not in excused}) for f in findings)
        findings = (*kept, Finding(name=ALLOW_LIST, score=1.0, threshold=1.0, triggered=True, action=Action.ALLOW))
    triggered = [finding for finding in findings if finding.triggered]
    action = max((finding.action for finding in triggered), default=Action.ALLOW)
    if not complete:
        action = max(action, policy.on_incomplete)
    return Decision(action, action is not Action.ALLOW, _severity(scores, triggered, limits.loosest), findings)


class _Found(TypedDict):
    """A finding in the making: pydantic checks all of a decision at once, which takes half the time."""

    name: str
    score: float
    threshold: float
    triggered: bool
    action: Action


_FINDINGS = TypeAdapter(list[Finding])


def _harmful(
    limits: _Limits, scores: Mapping[str, float], passages: Sequence[Mapping[str, float]]
) -> list[Mapping[str, float]]:
    """The passages whose harm triggers, where that of the text does."""
    limit = limits.harm
    if limit is None or scores["harm"] < limit:
        return []
    return [passage for passage in passages if passage["harm"] >= limit]


def _heads(limits: _Limits, scores: Mapping[str, float], harm_action: Action) -> Iterator[_Found]:
    for name, threshold, action in limits.heads:
        score, owed = scores[name], harm_action if name == "harm" else action
        yield {"name": name, "score": score, "threshold": threshold, "triggered": score >= threshold, "action": owed}


def _hazards(limits: _Limits, scores: Mapping[str, float], harmful: Sequence[Mapping[str, float]]) -> Iterator[_Found]:
    """What is found of the hazards that are looked for; `harmful` are the passages whose harm triggered."""
    likeliest = max(HAZARDS, key=scores.__getitem__) if harmful else None
    for hazard, threshold, action in limits.hazards:
        score = scores[hazard]
        explains = bool(harmful) and any(_share(hazard, passage) >= _EXPLAINS for passage in harmful)
        sure = explains or (hazard in limits.own and score >= threshold)
        guess = hazard is likeliest and score > 0.0 and not sure
        owed = limits.harm_action if guess else action
        yield {"name": hazard, "score": score, "threshold": threshold, "triggered": sure or guess, "action": owed}


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


def _severity(scores: Mapping[str, float], triggered: Iterable[Finding], loosest: float | None) -> Severity:
    """Unsafe where harm or a hazard triggered; controversial where harm would under the loosest budget there is."""
    if any(finding.name in _HARM for finding in triggered):
        return Severity.UNSAFE
    doubtful = loosest is not None and scores["harm"] >= loosest
    return Severity.CONTROVERSIAL if doubtful or scores["controversial"] > _CONTROVERSIAL else Severity.SAFE


def subject(name: str) -> str:
    """What a finding, or the span of one, is about: harm and its hazards are explained by the same passages."""
    return "harm" if name in _HARM else name


# -- what is in force


def threshold_of(policy: Policy, stage: Stage, name: str, thresholds: Thresholds, n_windows: int | None) -> float:
    """The threshold in force for a head or hazard that has a rule; over all lengths where `n_windows` is None."""
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


Worked = TypeVar("Worked")
_MOST_KNOWN = 1024


def _kept(
    work: Callable[[Policy, Stage, Thresholds, int], Worked],
) -> Callable[[Policy, Stage, Thresholds, int], Worked]:
    """Every check asks for the same few: `work` is done once for all texts of a bucket.

    Policies and thresholds cannot be hashed, but neither do they change: they are told apart by identity, and kept, so
    that no other can come to have it.
    """
    known: dict[tuple[int, int, Stage, int], tuple[Policy, Thresholds, Worked]] = {}

    def recalled(policy: Policy, stage: Stage, thresholds: Thresholds, n_windows: int) -> Worked:
        key = (id(policy), id(thresholds), stage, bucket_of(max(1, n_windows)))
        found = known.get(key)
        if found is None:
            if len(known) >= _MOST_KNOWN:
                known.clear()
            found = known[key] = (policy, thresholds, work(policy, stage, thresholds, n_windows))
        return found[2]

    return recalled


@dataclass(frozen=True, slots=True)
class _Limits:
    """What is in force at a stage for texts of one length: name, threshold and action of all that is looked for."""

    heads: tuple[tuple[str, float, Action], ...]
    hazards: tuple[tuple[Hazard, float, Action], ...]
    """All hazards where harm is looked at, else those with a threshold of their own."""
    own: frozenset[Hazard]
    """Hazards with a threshold of their own."""
    harm: float | None
    harm_action: Action
    loosest: float | None
    """The threshold of harm under the largest budget."""


@_kept
def _limits(policy: Policy, stage: Stage, thresholds: Thresholds, n_windows: int) -> _Limits:
    rules = dict(policy.stages[stage].items())
    heads = {name: threshold_of(policy, stage, name, thresholds, n_windows) for name in rules}
    own = {
        h: threshold_of(policy, stage, h, thresholds, n_windows) for h, r in policy.hazards.items() if r.sets_threshold
    }
    harm_action = rules["harm"].action if "harm" in rules else Action.ALLOW
    looked_for = dict.fromkeys(HAZARDS, heads["harm"]) | own if "harm" in rules else own
    actions = {hazard: rule.action for hazard, rule in policy.hazards.items()}
    return _Limits(
        heads=tuple((name, heads[name], rule.action) for name, rule in rules.items()),
        hazards=tuple((hazard, limit, actions.get(hazard, harm_action)) for hazard, limit in looked_for.items()),
        own=frozenset(own),
        harm=heads.get("harm"),
        harm_action=harm_action,
        loosest=thresholds.loosest(stage, "harm", n_windows),
    )


@_kept
def _floors(policy: Policy, stage: Stage, thresholds: Thresholds, _: int) -> Mapping[str, float]:
    own = [hazard for hazard, rule in policy.hazards.items() if rule.sets_threshold]
    names = [head for head, _ in policy.stages[stage].items()] + own
    return MappingProxyType({name: threshold_of(policy, stage, name, thresholds, None) for name in names})


def floors(policy: Policy, stage: Stage, thresholds: Thresholds) -> Mapping[str, float]:
    """Of every score that can trigger at a stage, the value below which it never does, however long the text is.

    Raises ConfigError, naming the key, where the policy asks for what the model cannot give.
    """
    return _floors(policy, stage, thresholds, 1)
