"""Presets: what they are, and how the keys of a file are laid over them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardian import Action, ConfigError, Policy, Stage, Thresholds
from guardian.decision import decide, floors
from guardian.presets import PRESETS
from guardian.scoring.backend import SCORES
from guardian.scoring.manifest import Manifest

LEVELS = {0: {0.001: 0.95, 0.01: 0.85, 0.02: 0.8, 0.05: 0.6}}
THRESHOLDS = Thresholds(
    table={stage: dict.fromkeys(("harm", "jailbreak", "injection"), LEVELS) for stage in Stage},
    default_fprs={stage: {"jailbreak": 0.01, "injection": 0.01} for stage in Stage},
)


def test_balanced_is_the_default() -> None:
    assert Policy.preset("balanced").model_copy(update={"name": "default"}) == Policy()


def test_shadow_only_watches() -> None:
    shadow = Policy.preset("shadow")
    assert shadow.model_copy(update={"name": "balanced", "shadow": False}) == Policy.preset("balanced")


def test_they_name_themselves_and_no_threshold() -> None:
    for name in PRESETS:
        policy = Policy.preset(name)
        assert policy.name == name
        rules = [rule for rules in policy.stages.values() for _, rule in rules.items()]
        assert all(rule.threshold is None for rule in (*rules, *policy.hazards.values()))
        assert set(policy.fail_mode.values()) == {"closed"}


def test_an_unknown_name_is_told_what_there_is() -> None:
    for wrong in ("lax", "", None, 3, ["strict"]):
        with pytest.raises(ConfigError, match="preset: must be one of strict, balanced, permissive, shadow"):
            Policy.from_mapping({"preset": wrong})


@given(
    st.fixed_dictionaries(dict.fromkeys(SCORES, st.floats(0.0, 1.0))),
    st.sampled_from(Stage),
    st.integers(0, 300),
    st.booleans(),
)
def test_stricter_means_stricter(found: dict[str, float], stage: Stage, windows: int, complete: bool) -> None:
    permissive, balanced, strict = (
        decide(Policy.preset(name), stage, found, THRESHOLDS, windows, complete).action
        for name in ("permissive", "balanced", "strict")
    )
    assert permissive <= balanced <= strict


def test_other_keys_go_over_a_preset(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(
        "preset: strict\nname: mine\nfpr: 0.02\nstages: {prompt: {injection: block}}\nhazards: {crime: flag}\n"
    )
    policy = Policy.from_file(tmp_path / "p.yaml")
    strict = Policy.preset("strict")
    assert (policy.name, policy.fpr, policy.on_incomplete) == ("mine", 0.02, Action.BLOCK)
    assert policy.stages[Stage.DOCUMENT] == strict.stages[Stage.DOCUMENT]
    assert policy.stages[Stage.PROMPT].harm == strict.stages[Stage.PROMPT].harm
    injection = policy.stages[Stage.PROMPT].injection
    assert injection is not None
    assert injection.action is Action.BLOCK
    assert {hazard: rule.action for hazard, rule in policy.hazards.items()} == {"advice": "flag", "crime": "flag"}


def test_a_rule_of_a_preset_is_changed_part_by_part() -> None:
    values = {"preset": "permissive", "stages": {"document": {"injection": {"fpr": 0.02}}}}
    rule = Policy.from_mapping(values).stages[Stage.DOCUMENT].injection
    assert rule is not None
    assert (rule.action, rule.fpr) == (Action.REDACT, 0.02)


@pytest.mark.model
@pytest.mark.parametrize("name", PRESETS)
def test_the_shipped_model_can_serve_them(name: str, model_folder: Path) -> None:
    thresholds = Manifest.load(model_folder).thresholds
    assert all(floors(Policy.preset(name), stage, thresholds) for stage in Stage)
