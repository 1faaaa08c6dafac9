"""Policies: reading them, what they default to, and the decision as a pure function."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import guardian.policy
from guardian.decision import decide, floors
from guardian.errors import ConfigError
from guardian.policy import Policy, Rule, StageRules
from guardian.presets import PRESETS
from guardian.schema import policy_schema
from guardian.scoring.backend import SCORES
from guardian.taxonomy import HAZARDS, Hazard, Severity
from guardian.thresholds import Thresholds
from guardian.verdict import Action, Finding, Stage

SCHEMA = Path(guardian.policy.__file__).with_name("policy.schema.json")


def schema() -> str:
    return json.dumps(policy_schema(), indent=2) + "\n"


# Falls with the false-positive rate, rises with the number of windows.
LEVELS = {
    0: {0.001: 0.95, 0.01: 0.85, 0.02: 0.8, 0.05: 0.6},
    2: {0.001: 0.99, 0.01: 0.95, 0.02: 0.9, 0.05: 0.7},
}
THRESHOLDS = Thresholds(
    table={
        Stage.PROMPT: dict.fromkeys(("harm", "jailbreak", "injection", "violence"), LEVELS),
        Stage.DOCUMENT: dict.fromkeys(("harm", "injection"), LEVELS),
        Stage.RESPONSE: {"harm": LEVELS},
    }
)


def scores(**given_scores: float) -> dict[str, float]:
    return dict.fromkeys(SCORES, 0.0) | given_scores


def triggered(findings: tuple[Finding, ...]) -> dict[str, Action]:
    return {finding.name: finding.action for finding in findings if finding.triggered}


# --- reading ---------------------------------------------------------------------------------------------------------


def test_defaults() -> None:
    policy = Policy()
    actions = {
        stage: {head: rule.action.value for head, rule in rules.items()} for stage, rules in policy.stages.items()
    }
    prompt = {"harm": "block", "jailbreak": "block", "injection": "flag"}
    document = {"harm": "block", "injection": "block"}
    assert actions == {
        "prompt": prompt,
        "document": document,
        "response": {"harm": "block"},
        "tool_call": prompt,
        "tool_result": document,
    }
    assert policy.hazards == {Hazard.ADVICE: Rule(action=Action.ALLOW)}
    assert set(policy.fail_mode.values()) == {"closed"}
    assert set(policy.fail_mode) == set(Stage)
    assert policy.on_incomplete is Action.FLAG
    assert (policy.timeout_s, policy.max_chars, policy.shadow) == (None, None, False)


YAML = """
name: strict
version: 2
fpr: 0.01
stages:
  prompt:
    harm: {fpr: 0.05}
    injection: block
  document: {jailbreak: {action: flag, threshold: 0.7}, injection: null}
hazards: {violence: redact, advice: {threshold: 0.9}}
fail_mode: {prompt: open}
"""
TOML = """
name = "strict"
version = "2"
fpr = 0.01
[stages]
prompt = { harm = { fpr = 0.05 }, injection = "block" }
document = { jailbreak = { action = "flag", threshold = 0.7 } }
[hazards]
violence = "redact"
advice = { threshold = 0.9 }
[fail_mode]
prompt = "open"
"""


def test_files_change_what_they_name_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(YAML)
    (tmp_path / "p.toml").write_text(TOML)
    policy = Policy.from_file(tmp_path / "p.yaml")
    assert (policy.name, policy.version, policy.fpr) == ("strict", "2", 0.01)
    prompt, document = policy.stages[Stage.PROMPT], policy.stages[Stage.DOCUMENT]
    assert prompt.harm == Rule(action=Action.BLOCK, fpr=0.05)
    assert prompt.jailbreak == Rule(action=Action.BLOCK)
    assert prompt.injection == Rule(action=Action.BLOCK)
    assert document.jailbreak == Rule(action=Action.FLAG, threshold=0.7)
    assert document.injection is None
    assert policy.stages[Stage.RESPONSE] == Policy().stages[Stage.RESPONSE]
    assert policy.hazards[Hazard.VIOLENCE].action is Action.REDACT
    assert policy.hazards[Hazard.ADVICE] == Rule(action=Action.ALLOW, threshold=0.9)
    assert policy.fail_mode[Stage.PROMPT] == "open"
    assert policy.fail_mode[Stage.DOCUMENT] == "closed"
    # TOML has no null: the rest is the same.
    toml = Policy.from_file(str(tmp_path / "p.toml"))
    assert toml.stages[Stage.DOCUMENT].injection == Rule(action=Action.BLOCK)
    assert toml.model_dump(exclude={"stages"}) == policy.model_dump(exclude={"stages"})
    (tmp_path / "p.json").write_text(policy.model_dump_json())
    assert Policy.from_file(tmp_path / "p.json") == policy


def test_rules_from_code_change_what_they_name_and_nothing_else() -> None:
    policy = Policy(stages={Stage.PROMPT: StageRules(jailbreak=None, injection=Rule(action=Action.BLOCK))})
    rules = policy.stages[Stage.PROMPT]
    assert rules.harm == Rule(action=Action.BLOCK)
    assert rules.jailbreak is None
    assert rules.injection == Rule(action=Action.BLOCK)


@pytest.mark.parametrize("text", ["", "# nothing but a comment\n", "{}"])
def test_an_empty_file_is_the_default_policy(tmp_path: Path, text: str) -> None:
    (tmp_path / "p.yml").write_text(text)
    assert Policy.from_file(tmp_path / "p.yml") == Policy()


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"fprr": 0.1}, "fprr"),
        ({"fpr": "much"}, "fpr"),
        ({"fpr": 0}, "fpr"),
        ({"fpr": float("nan")}, "fpr"),
        ({"stages": {"promt": {}}}, "stages.promt"),
        ({"stages": {"prompt": {"harm": {"fpr": 2}}}}, "stages.prompt.harm.fpr"),
        ({"stages": {"prompt": {"harm": "explode"}}}, "stages.prompt.harm.action"),
        ({"stages": {"prompt": {"harm": {"fpr": 0.1, "threshold": 0.5}}}}, "stages.prompt.harm"),
        ({"stages": {"document": {"jailbreak": {"fpr": 0.1}}}}, "stages.document.jailbreak.action"),
        ({"stages": {"prompt": {"toxicity": "block"}}}, "stages.prompt.toxicity"),
        ({"stages": {"prompt": "block"}}, "stages.prompt"),
        ({"stages": ["prompt"]}, "stages"),
        ({"hazards": {"violense": "block"}}, "hazards.violense"),
        ({"hazards": {"violence": {"action": "flag", "threshold": 1.5}}}, "hazards.violence.threshold"),
        ({"fail_mode": {"prompt": "ajar"}}, "fail_mode.prompt"),
        ({"timeout_s": 0}, "timeout_s"),
        ({"timeout_s": "soon"}, "timeout_s"),
        ({"timeout_s": {"prompt": 0}}, "timeout_s.prompt"),
        ({"timeout_s": {"promt": 1}}, "timeout_s.promt"),
        ({"max_chars": 0}, "max_chars"),
        ({"on_incomplete": "shrug"}, "on_incomplete"),
        ([], "policy"),
    ],
)
def test_errors_name_the_key(values: Any, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Policy.from_mapping(values)
    assert caught.value.key == key
    assert str(caught.value).startswith(f"{key}: ")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.yaml", "stages: [unclosed"),
        ("p.yaml", "fpr: 0.1\nfpr: 0.2\n"),
        ("p.toml", "fpr = "),
        ("p.toml", "fpr = 0.1\nfpr = 0.2\n"),
        ("p.json", "{"),
        ("p.json", '{"fpr": 0.1, "fpr": 0.2}'),
        ("p.ini", "fpr = 1"),
        ("p", ""),
        ("missing.yaml", None),
    ],
)
def test_files_that_cannot_be_read_are_named(tmp_path: Path, name: str, text: str | None) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError) as caught:
        Policy.from_file(tmp_path / name)
    assert caught.value.key == name


def test_timeouts_everywhere_or_by_stage() -> None:
    assert {Policy().timeout_of(stage) for stage in Stage} == {None}
    assert {Policy(timeout_s=2).timeout_of(stage) for stage in Stage} == {2.0}
    policy = Policy.from_mapping({"timeout_s": {"document": 10, "prompt": 1, "response": None}})
    assert [policy.timeout_of(stage) for stage in Stage] == [1.0, 10.0, None, None, None]


# --- one policy over another -----------------------------------------------------------------------------------------

HOUSE = Policy.from_mapping(
    {
        "name": "house",
        "fpr": 0.02,
        "stages": {"prompt": {"harm": {"fpr": 0.05}}, "document": {"jailbreak": "flag"}},
        "hazards": {"violence": {"action": "redact", "threshold": 0.5}},
        "fail_mode": {"response": "open"},
        "timeout_s": 3,
        "allow": [{"text": "hello"}],
        "rules": [{"name": "house", "pattern": "acme", "action": "flag"}],
    }
)


def test_overrides_change_what_they_name_and_nothing_else() -> None:
    tenant = HOUSE.with_overrides(
        {
            "name": "tenant",
            "stages": {"prompt": {"harm": {"threshold": 0.7}}, "document": {"jailbreak": {"fpr": 0.01}, "harm": None}},
            "hazards": {"violence": {"fpr": 0.01}, "crime": "flag"},
            "timeout_s": {"document": 10},
        }
    )
    prompt, document = tenant.stages[Stage.PROMPT], tenant.stages[Stage.DOCUMENT]
    assert (tenant.name, tenant.fpr, tenant.fail_mode) == ("tenant", 0.02, HOUSE.fail_mode)
    assert prompt.harm == Rule(action=Action.BLOCK, threshold=0.7)
    assert prompt.jailbreak == HOUSE.stages[Stage.PROMPT].jailbreak
    assert (document.jailbreak, document.harm) == (Rule(action=Action.FLAG, fpr=0.01), None)
    assert tenant.hazards[Hazard.VIOLENCE] == Rule(action=Action.REDACT, fpr=0.01)
    assert tenant.hazards[Hazard.ADVICE] == Rule(action=Action.ALLOW)
    assert tenant.hazards[Hazard.CRIME] == Rule(action=Action.FLAG)
    assert [tenant.timeout_of(stage) for stage in Stage] == [3.0, 10.0, 3.0, 3.0, 3.0]
    assert (tenant.allow, tenant.rules) == (HOUSE.allow, HOUSE.rules)
    assert HOUSE.stages[Stage.PROMPT].harm == Rule(action=Action.BLOCK, fpr=0.05)


def test_overrides_add_to_lists() -> None:
    def find(text: str) -> list[tuple[int, int]]:
        return [(0, 1)] if text.startswith("x") else []

    house = HOUSE.with_overrides({"rules": [{"name": "code", "find": find}]})
    tenant = house.with_overrides({"allow": [{"pattern": "b+"}], "rules": [{"name": "mine", "pattern": "b"}]})
    assert [entry.text or entry.pattern for entry in tenant.allow] == ["hello", "b+"]
    assert [rule.name for rule in tenant.rules] == ["house", "code", "mine"]
    assert tenant.rules[1].find is find


def test_a_preset_may_be_laid_over() -> None:
    tenant = HOUSE.with_overrides({"preset": "strict", "name": "mine"})
    assert (tenant.name, tenant.fpr, tenant.on_incomplete) == ("mine", 0.05, Action.BLOCK)
    assert tenant.rules == HOUSE.rules


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"fprr": 1}, "fprr"),
        ({"stages": {"prompt": {"harm": {"fpr": 3}}}}, "stages.prompt.harm.fpr"),
        ({"stages": {"response": {"jailbreak": {"fpr": 0.1}}}}, "stages.response.jailbreak.action"),
        ({"stages": "prompt"}, "stages"),
        ({"timeout_s": {"prompt": -1}}, "timeout_s.prompt"),
        ({"allow": [{"text": ""}]}, "allow.0.text"),
        ({"allow": "hello"}, "allow"),
        ({"rules": [{"name": "b", "pattern": "("}]}, "rules.0.pattern"),
        ({"rules": [{"name": "house", "pattern": "b"}]}, "rules"),
        ({"preset": "lax"}, "preset"),
        ([], "policy"),
    ],
)
def test_errors_of_overrides_name_the_key(values: Any, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        HOUSE.with_overrides(values)
    assert caught.value.key == key


def test_no_override_changes_nothing() -> None:
    assert HOUSE.with_overrides({}) == HOUSE
    assert Policy().with_overrides({"preset": "balanced", "name": "default"}) == Policy()


def test_a_list_there_and_back_but_for_callables() -> None:
    assert Policy.from_mapping(json.loads(HOUSE.model_dump_json())) == HOUSE
    code = HOUSE.with_overrides({"rules": [{"name": "code", "find": lambda text: []}]})
    with pytest.raises(ConfigError, match=r"rules\.1: give pattern or"):
        Policy.from_mapping(json.loads(code.model_dump_json()))


# --- the schema for editors ------------------------------------------------------------------------------------------


def test_the_checked_in_schema_is_current() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == schema(), "write it anew with: python -m tests.test_policy"


def test_the_schema_knows_every_key_and_names_those_of_tables() -> None:
    values = policy_schema()
    assert set(values["properties"]) == {"preset", *Policy.model_fields}
    assert set(values["properties"]["stages"]["properties"]) == set(Stage)
    assert set(values["properties"]["hazards"]["properties"]) == set(Hazard)
    assert values["properties"]["preset"]["enum"] == list(PRESETS)
    assert "propertyNames" not in schema()
    assert "find" not in values["$defs"]["CustomRule"]["properties"]
    action, rule = values["$defs"]["Rule"]["anyOf"]
    assert action == {"$ref": "#/$defs/Action"}
    assert "required" not in rule


def test_a_policy_is_immutable() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Policy().shadow = True  # type: ignore[misc]


# --- thresholds ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fpr", "windows", "expected"),
    [
        (0.02, 1, 0.8),
        (0.019, 1, 0.85),  # between two rates: the stricter
        (0.5, 1, 0.6),
        (0.02, 2, 0.8),  # bucket 1 was not fitted: the next smaller one
        (0.02, 5, 0.9),
        (0.02, 10_000, 0.9),
        (0.02, 0, 0.8),
        (0.02, None, 0.8),
    ],
)
def test_lookup(fpr: float, windows: int | None, expected: float) -> None:
    assert THRESHOLDS.lookup(Stage.PROMPT, "harm", fpr, windows) == expected


def test_tool_stages_borrow_thresholds() -> None:
    assert THRESHOLDS.lookup(Stage.TOOL_CALL, "jailbreak", 0.02, 1) == 0.8
    assert THRESHOLDS.lookup(Stage.TOOL_RESULT, "injection", 0.02, 1) == 0.8


def test_a_budget_below_the_smallest_rate_names_its_key() -> None:
    with pytest.raises(ConfigError) as caught:
        floors(Policy.from_mapping({"stages": {"prompt": {"jailbreak": {"fpr": 0.0001}}}}), Stage.PROMPT, THRESHOLDS)
    assert caught.value.key == "stages.prompt.jailbreak.fpr"
    with pytest.raises(ConfigError) as caught:
        floors(Policy(fpr=0.0001), Stage.PROMPT, THRESHOLDS)
    assert caught.value.key == "fpr"
    with pytest.raises(ConfigError) as caught:
        floors(Policy.from_mapping({"hazards": {"crime": {"action": "flag", "fpr": 0.01}}}), Stage.PROMPT, THRESHOLDS)
    assert caught.value.key == "hazards.crime.fpr"


def test_a_budget_that_calibration_could_not_fit_is_an_error_and_not_a_guard_switched_off() -> None:
    few = {0: {0.001: 1.0, 0.01: 0.9}}
    thresholds = Thresholds(
        default_fpr=0.001, table={Stage.PROMPT: dict.fromkeys(("harm", "jailbreak", "injection"), few)}
    )
    with pytest.raises(ConfigError, match=r"cannot promise 0\.005 for harm at the prompt stage"):
        floors(Policy(fpr=0.005), Stage.PROMPT, thresholds)
    assert floors(Policy(fpr=0.01), Stage.PROMPT, thresholds)["harm"] == 0.9
    assert floors(Policy(), Stage.PROMPT, thresholds)["harm"] == 1.0  # the model's own default is its maker's word


def test_the_models_own_budget_is_the_default() -> None:
    strict = THRESHOLDS.model_copy(update={"default_fpr": 0.001})
    assert floors(Policy(), Stage.RESPONSE, strict) == {"harm": 0.95}
    assert floors(Policy(fpr=0.05), Stage.RESPONSE, strict) == {"harm": 0.6}


def test_a_bare_threshold_needs_no_table() -> None:
    policy = Policy(stages={Stage.RESPONSE: StageRules(harm=Rule(action=Action.BLOCK, threshold=0.3))})
    decision = decide(policy, Stage.RESPONSE, scores(harm=0.4), Thresholds(table={}))
    assert decision.action is Action.BLOCK


@pytest.mark.parametrize(
    "levels", [{}, {0: {}}, {0: {"much": 0.5}}, {0: {0.01: 0.5, 0.02: 0.6}}, {0: {0.01: 1.5}}, {0: {2.0: 0.5}}]
)
def test_tables_that_make_no_sense_are_refused(levels: Any) -> None:
    with pytest.raises(ValidationError):
        Thresholds.model_validate({"table": {"prompt": {"harm": levels}}})


def test_thresholds_there_and_back() -> None:
    assert Thresholds.model_validate_json(THRESHOLDS.model_dump_json()) == THRESHOLDS


# --- decisions -------------------------------------------------------------------------------------------------------


def test_a_clean_text_is_allowed() -> None:
    decision = decide(Policy(), Stage.PROMPT, scores(harm=0.1), THRESHOLDS)
    assert (decision.action, decision.flagged, decision.severity) == (Action.ALLOW, False, Severity.SAFE)
    assert triggered(decision.findings) == {}
    assert len(decision.findings) == 3 + len(HAZARDS)


def test_harm_names_its_hazards() -> None:
    decision = decide(Policy(), Stage.PROMPT, scores(harm=0.9, violence=0.8, crime=0.5, hate=0.4), THRESHOLDS)
    assert set(triggered(decision.findings)) == {"harm", "violence", "crime"}
    assert decision.severity is Severity.UNSAFE


def test_a_hazards_rule_replaces_that_for_harm() -> None:
    policy = Policy.from_mapping({"hazards": {"crime": "flag"}})
    for found, action in (
        ({"crime": 0.8}, Action.FLAG),
        ({"crime": 0.8, "advice": 0.7}, Action.FLAG),
        ({"advice": 0.8}, Action.ALLOW),
        ({"crime": 0.8, "violence": 0.7}, Action.BLOCK),
    ):
        decision = decide(policy, Stage.PROMPT, scores(harm=0.9, **found), THRESHOLDS)
        assert decision.action is action, found
        assert decision.flagged == (action is not Action.ALLOW)
        assert max(triggered(decision.findings).values()) is action
        assert decision.severity is Severity.UNSAFE


def test_a_mere_guess_at_the_hazard_excuses_nothing() -> None:
    decision = decide(Policy(), Stage.PROMPT, scores(harm=0.9, advice=0.3), THRESHOLDS)
    assert decision.action is Action.BLOCK
    assert triggered(decision.findings) == {"harm": Action.BLOCK, "advice": Action.BLOCK}


def test_doubt_counts_against_the_text() -> None:
    action = decide(Policy(), Stage.PROMPT, scores(harm=0.9, advice=0.6, weapons=0.3), THRESHOLDS).action
    assert action is Action.BLOCK
    action = decide(Policy(), Stage.PROMPT, scores(harm=0.9, advice=0.6, weapons=0.2), THRESHOLDS).action
    assert action is Action.ALLOW


def test_one_passage_does_not_excuse_another() -> None:
    dire, mild = scores(harm=0.99, weapons=0.2), scores(harm=0.9, advice=0.8)
    both = scores(harm=0.99, weapons=0.2, advice=0.8)
    assert decide(Policy(), Stage.DOCUMENT, both, THRESHOLDS).action is Action.ALLOW
    assert decide(Policy(), Stage.DOCUMENT, both, THRESHOLDS, passages=[dire, mild]).action is Action.BLOCK
    assert decide(Policy(), Stage.DOCUMENT, mild, THRESHOLDS, passages=[mild, mild]).action is Action.ALLOW


def test_unexplained_harm_names_no_hazard() -> None:
    assert set(triggered(decide(Policy(), Stage.PROMPT, scores(harm=0.9), THRESHOLDS).findings)) == {"harm"}


def test_a_hazard_with_its_own_threshold_triggers_alone() -> None:
    policy = Policy.from_mapping({"hazards": {"violence": {"action": "redact", "threshold": 0.2}}})
    decision = decide(policy, Stage.PROMPT, scores(harm=0.3, violence=0.25), THRESHOLDS)
    assert triggered(decision.findings) == {"violence": Action.REDACT}
    assert (decision.action, decision.severity) == (Action.REDACT, Severity.UNSAFE)


def test_a_hazard_with_its_own_threshold_needs_no_rule_for_harm() -> None:
    policy = Policy.from_mapping(
        {"stages": {"prompt": {"harm": None}}, "hazards": {"violence": {"action": "block", "threshold": 0.2}}}
    )
    decision = decide(policy, Stage.PROMPT, scores(harm=0.99, violence=0.3), THRESHOLDS)
    assert decision.action is Action.BLOCK
    assert [f.name for f in decision.findings] == ["jailbreak", "injection", "violence"]


def test_severity() -> None:
    def severity(**found: float) -> Severity:
        return decide(Policy(), Stage.PROMPT, scores(**found), THRESHOLDS).severity

    assert severity(harm=0.8) is Severity.UNSAFE
    assert severity(harm=0.6) is Severity.CONTROVERSIAL  # over the loosest threshold there is
    assert severity(harm=0.1, controversial=0.6) is Severity.CONTROVERSIAL
    assert severity(jailbreak=0.99) is Severity.SAFE  # an attack says nothing about harm


def test_more_windows_need_a_higher_score() -> None:
    assert decide(Policy(), Stage.PROMPT, scores(harm=0.85), THRESHOLDS, n_windows=1).action is Action.BLOCK
    assert decide(Policy(), Stage.PROMPT, scores(harm=0.85), THRESHOLDS, n_windows=10).action is Action.ALLOW


def test_what_was_not_read_has_its_own_action() -> None:
    assert decide(Policy(), Stage.PROMPT, scores(), THRESHOLDS, complete=False).action is Action.FLAG
    strict = Policy(on_incomplete=Action.BLOCK)
    assert decide(strict, Stage.PROMPT, scores(), THRESHOLDS, complete=False).action is Action.BLOCK
    assert decide(strict, Stage.PROMPT, scores(), THRESHOLDS).action is Action.ALLOW


PROBABILITY = st.floats(0.0, 1.0)
RULES = st.builds(Rule, action=st.sampled_from(Action))
ALL_SCORES = st.fixed_dictionaries(dict.fromkeys(SCORES, PROBABILITY))


@given(ALL_SCORES, st.sampled_from(SCORES), PROBABILITY, st.dictionaries(st.sampled_from(HAZARDS), RULES), RULES)
def test_a_higher_score_never_gives_a_lesser_action(
    before: dict[str, float], name: str, value: float, hazards: dict[Hazard, Rule], harm: Rule
) -> None:
    """But for hazards with a milder rule than harm, whose purpose it is; harm rises with the shares kept."""
    policy = Policy(hazards=hazards, stages={Stage.PROMPT: StageRules(harm=harm)})
    rule = policy.hazards.get(Hazard(name)) if name in HAZARDS else None
    if rule is not None and rule.action < harm.action:
        return
    raised = max(value, before[name])
    after = before | {name: raised}
    if name == "harm" and before["harm"]:
        after |= {hazard: min(1.0, before[hazard] * raised / before["harm"]) for hazard in HAZARDS}
        if any(after[hazard] == 1.0 for hazard in HAZARDS):
            return
    first, second = (decide(policy, Stage.PROMPT, s, Thresholds.flat()) for s in (before, after))
    assert second.action >= first.action
    assert second.severity >= first.severity


@given(ALL_SCORES, st.floats(0.001, 0.999), st.floats(0.001, 0.999), st.integers(0, 300))
def test_a_larger_budget_never_gives_a_lesser_action(
    found: dict[str, float], one: float, two: float, windows: int
) -> None:
    strict, loose = (decide(Policy(fpr=fpr), Stage.PROMPT, found, THRESHOLDS, windows) for fpr in sorted((one, two)))
    assert loose.action >= strict.action
    assert loose.severity >= strict.severity


@given(ALL_SCORES, st.booleans())
def test_shadow_decides_the_same(found: dict[str, float], complete: bool) -> None:
    plain, shadow = (
        decide(Policy(shadow=value), Stage.PROMPT, found, THRESHOLDS, 1, complete) for value in (False, True)
    )
    assert plain == shadow


@given(ALL_SCORES, st.sampled_from(Stage), st.integers(0, 300))
def test_the_action_is_that_of_the_gravest_finding(found: dict[str, float], stage: Stage, windows: int) -> None:
    decision = decide(Policy(), stage, found, THRESHOLDS, windows)
    assert decision.action is max(triggered(decision.findings).values(), default=Action.ALLOW)
    low = floors(Policy(), stage, THRESHOLDS)
    assert all(f.threshold >= low[f.name] for f in decision.findings if f.name in low)


@given(
    st.dictionaries(st.sampled_from([str(h) for h in Hazard]), st.sampled_from([str(a) for a in Action])),
    st.dictionaries(
        st.sampled_from([str(s) for s in Stage]),
        st.dictionaries(
            st.sampled_from(["harm", "jailbreak", "injection"]), st.none() | st.sampled_from([str(a) for a in Action])
        ),
    ),
)
def test_policies_there_and_back(hazards: dict[str, str], stages: dict[str, dict[str, str | None]]) -> None:
    policy = Policy.from_mapping({"hazards": hazards, "stages": stages})
    assert Policy.from_mapping(json.loads(policy.model_dump_json())) == policy


def test_rules_of_ones_own_and_what_is_excused() -> None:
    found = Finding(name="custom:acme", score=1.0, threshold=1.0, triggered=True, action=Action.REDACT)
    decision = decide(Policy(), Stage.PROMPT, scores(), THRESHOLDS, custom=[found])
    assert (decision.action, decision.flagged, decision.severity) == (Action.REDACT, True, Severity.SAFE)
    harmful = scores(harm=0.9, jailbreak=0.9)
    decision = decide(Policy(), Stage.PROMPT, harmful, THRESHOLDS, custom=[found], excused={"harm", "jailbreak"})
    assert triggered(decision.findings) == {"custom:acme": Action.REDACT, "allow_list": Action.ALLOW}
    assert (decision.action, decision.severity) == (Action.REDACT, Severity.CONTROVERSIAL)
    assert "allow_list" in triggered(decide(Policy(), Stage.PROMPT, harmful, THRESHOLDS, excused=()).findings)


if __name__ == "__main__":
    SCHEMA.write_text(schema(), encoding="utf-8")


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"stages": {"prompt": {"harm": False}}}, "stages.prompt.harm: must be an action, such as block"),
        ({"hazards": {"ip": None}}, "hazards.ip: must be an action, such as block"),
        ({"stages": {"prompt": "block"}}, "stages.prompt: must be a table of keys and values"),
        ({"fail_mode": "open"}, "fail_mode: must be given by stage, as in {prompt: open}"),
        ({"rules": {"name": "a", "pattern": "b"}}, "rules: must be a list"),
        ({"allow": ["hello"]}, "allow.0: must be a table of keys and values"),
    ],
)
def test_a_mistake_is_told_in_the_words_of_the_file(values: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(says)):
        Policy.from_mapping(values)
