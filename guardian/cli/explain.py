"""A policy in words: what is looked at, from which score on, and what happens then. Nothing is printed here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from guardian.decision import threshold_of
from guardian.policy import Policy, Rule
from guardian.rules import Allowed, CustomRule
from guardian.taxonomy import TITLES
from guardian.thresholds import Thresholds
from guardian.verdict import Action, Stage

_LONGEST = 1 << 20  # windows: more than the last bucket of thresholds begins with

DOES = {
    Action.ALLOW: "reported, and nothing is done",
    Action.FLAG: "the text goes on and is flagged",
    Action.REDACT: "the offending passages are cut out",
    Action.REPLY: "stopped, and a safeguard reply is given",
    Action.BLOCK: "stopped",
}


@dataclass(frozen=True, slots=True)
class Watched:
    """A score that a policy looks at: at which budget (None: a bare threshold, or a model nobody knows), from where.

    `short` and `long` are the thresholds for a text of one window and for the longest; None without a model.
    """

    stage: Stage
    name: str
    action: Action
    fpr: float | None
    short: float | None
    long: float | None


def watched(policy: Policy, thresholds: Thresholds | None) -> Iterator[Watched]:
    """Everything that can trigger, stage by stage. ConfigError where the model cannot give what the policy asks."""
    own = [(hazard.value, rule) for hazard, rule in policy.hazards.items() if rule.sets_threshold]
    for stage in Stage:
        for name, rule in (*policy.stages[stage].items(), *own):
            yield _watched(policy, stage, name, rule, thresholds)


def _watched(policy: Policy, stage: Stage, name: str, rule: Rule, thresholds: Thresholds | None) -> Watched:
    fpr = None if rule.threshold is not None else rule.fpr or policy.fpr
    short = long = rule.threshold
    if thresholds is not None:
        if rule.threshold is None:
            fpr = fpr or thresholds.default(stage, name)
        short, long = (threshold_of(policy, stage, name, thresholds, count) for count in (1, _LONGEST))
    return Watched(stage, name, rule.action, fpr, short, long)


def explained(policy: Policy, thresholds: Thresholds | None) -> Iterator[str]:
    """The policy in lines for people. `thresholds` are those of a model, None where there is none to be asked."""
    mode = "; it only watches: every text is allowed (shadow)" if policy.shadow else ""
    yield f"Policy {policy.name}, version {policy.version}{mode}"
    everything = list(watched(policy, thresholds))
    for stage in Stage:
        yield ""
        yield stage.replace("_", " ")
        for item in everything:
            if item.stage is stage:
                yield f"  {TITLES[item.name]}: {_where(item)}: {item.action} ({DOES[item.action]})"
        for own in policy.rules:
            if own.at(stage):
                yield f"  Rule {own.name}, wherever {_how(own)} finds something: {own.action} ({DOES[own.action]})"
        yield f"  {_outage(policy, stage)}"
    yield ""
    for hazard, rule in policy.hazards.items():
        yield f"Harm that is explained by {TITLES[hazard].lower()}: {rule.action} ({DOES[rule.action]})"
    yield f"A text that was not read to its end: at least {policy.on_incomplete} ({DOES[policy.on_incomplete]})"
    limit = "to its end" if policy.max_chars is None else f"up to {policy.max_chars:,} characters"
    yield f"A text is read {limit}"
    yield f"Allow-list: {_entries(policy.allow)}"


def percent(rate: float) -> str:
    """A rate for people: 0.01 is 1 %."""
    return f"{100 * rate:.3g} %"


def _where(item: Watched) -> str:
    if item.short is None or item.long is None:
        return "at the model's own budget" if item.fpr is None else f"at {percent(item.fpr)} false positives"
    scores = f"from a score of {item.short:.3f}"
    if item.long != item.short:
        scores += f" (short texts) to {item.long:.3f} (the longest)"
    return scores if item.fpr is None else f"at {percent(item.fpr)} false positives, {scores}"


def _how(rule: CustomRule) -> str:
    return "a callable" if rule.pattern is None else "its pattern"


def _outage(policy: Policy, stage: Stage) -> str:
    seconds = policy.timeout_of(stage)
    closed = policy.fail_mode[stage] == "closed"
    limit = "with no limit of time" if seconds is None else f"within {seconds:g} s"
    return f"Judged {limit}; in an outage {'nothing passes (closed)' if closed else 'everything passes (open)'}"


def _entries(entries: tuple[Allowed, ...]) -> str:
    if not entries:
        return "empty"
    texts = sum(entry.text is not None for entry in entries)
    return f"{_count(texts, 'text')}, {_count(len(entries) - texts, 'pattern')}; what is on it triggers nothing"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
