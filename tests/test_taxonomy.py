"""Names of hazards, attacks and severities, and the order of ranked enums."""

from __future__ import annotations

import pytest

from guardian.scoring.backend import SCORES
from guardian.taxonomy import ATTACKS, DESCRIPTIONS, HAZARDS, TITLES, Attack, Hazard, Severity
from guardian.verdict import Action


def test_the_hazards_keep_the_order_of_the_models_head() -> None:
    order = "violence weapons crime cyber child sexual selfharm hate privacy misinfo advice ip other"
    assert list(HAZARDS) == order.split()
    assert tuple(ATTACKS) == (Attack.JAILBREAK, Attack.INJECTION)


def test_everything_has_a_title_and_a_description() -> None:
    assert set(TITLES) == set(DESCRIPTIONS) == {*Hazard, *Attack, "harm"}
    assert len(set(TITLES.values())) == len(TITLES)


def test_hazards_and_attacks_are_separate_axes() -> None:
    assert not {*map(str, Hazard)} & {*map(str, Attack)}
    assert len(set(SCORES)) == len(SCORES) == 18


def test_ranked_enums_order_as_written() -> None:
    assert sorted(Action) == list(Action)
    assert [action.value for action in sorted(Action)] == ["allow", "flag", "redact", "reply", "block"]
    assert max(Action.FLAG, Action.BLOCK, Action.ALLOW) is Action.BLOCK
    assert Severity.SAFE < Severity.CONTROVERSIAL < Severity.UNSAFE
    assert Severity.UNSAFE >= "safe"
    assert Action.ALLOW <= Action.ALLOW
    assert Action.REPLY > "redact"
    assert {action: action.rank for action in Action} == {"allow": 0, "flag": 1, "redact": 2, "reply": 3, "block": 4}


def test_ranks_compare_within_one_enum_only() -> None:
    with pytest.raises(ValueError, match="maybe"):
        assert Action.ALLOW < "maybe"
