"""Allow-lists and custom rules: the lists themselves, and what they do to a verdict."""

from __future__ import annotations

import itertools
import pickle
import random
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardian import (
    Action,
    BackendError,
    ConfigError,
    Guardian,
    GuardUnavailable,
    Policy,
    ScriptedBackend,
    Severity,
    Stage,
    Verdict,
)
from guardian.rules import LONGEST_MATCHED, Allowed
from guardian.text.normalize import views
from guardian.text.tricks import TRICKS

SCRIPT = {
    "bomb": {"harm": 0.9, "weapons": 0.8},
    "rob": {"harm": 0.9, "crime": 0.8},
    "ignore": {"injection": 0.9, "jailbreak": 0.9},
}


def guard(window_chars: int = 1000, **keys: Any) -> Guardian:
    return Guardian(backend=ScriptedBackend(SCRIPT, window_chars=window_chars), policy=Policy.from_mapping(keys))


def triggered(verdict: Verdict) -> set[str]:
    return {finding.name for finding in verdict.findings if finding.triggered}


def passages(verdict: Verdict, text: str) -> list[str]:
    return [text[span.start : span.end] for span in verdict.spans]


# --- allow-lists -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "entry", [{"text": "How to rob a caf\u00e9?"}, {"pattern": r"how to rob an? \w+\?", "ignore_case": True}]
)
@pytest.mark.parametrize("text", ["How to rob a caf\u00e9?", "  How to rob a cafe\u0301?\n"])
def test_a_text_on_the_list_is_reported_but_triggers_nothing(entry: dict[str, Any], text: str) -> None:
    verdict = guard(allow=[entry]).check(text)
    assert (verdict.action, verdict.would, verdict.flagged, verdict.spans) == (Action.ALLOW, Action.ALLOW, False, ())
    assert verdict.scores["harm"] == 0.9
    assert triggered(verdict) == {"allow_list"}
    assert verdict.reason == "prompt allowed: on the allow-list"
    assert verdict.severity is Severity.CONTROVERSIAL
    assert guard().check(text).blocked


@pytest.mark.parametrize(
    "text",
    ["How to rob", "How to rob a caf\u00e9? Now!", "how to rob a caf\u00e9?", "How to rob a caf\u00e9\u200b?", "rob"],
)
def test_almost_on_the_list_is_not(text: str) -> None:
    assert guard(allow=[{"text": "How to rob a caf\u00e9?"}], refine_spans=False).check(text).blocked


def test_a_pattern_must_match_the_whole() -> None:
    guardian = guard(allow=[{"pattern": "rob a bank"}])
    assert not guardian.check("rob a bank").flagged
    assert guardian.check("Please rob a bank").blocked


def test_a_long_text_is_never_matched_by_a_pattern() -> None:
    entry = Allowed(pattern="[a ]+")
    text = "a " * (LONGEST_MATCHED // 2) + "aa"
    assert not entry.covers(text, 0, len(text))
    assert entry.covers(text, 0, LONGEST_MATCHED)
    exact = Allowed(text=text)
    assert exact.covers(text, 0, len(text))


def test_entries_may_count_for_some_stages() -> None:
    guardian = guard(allow=[{"text": "a bomb", "stages": ["document"]}])
    assert guardian.check("a bomb").blocked
    assert not guardian.check("a bomb", stage="document").flagged


def test_a_passage_on_the_list_is_excused_in_a_long_text() -> None:
    filler = "And so on and on. " * 30
    guardian = guard(100, allow=[{"text": "We sell bath bombs."}])
    text = f"{filler}We sell bath bombs. {filler}"
    verdict = guardian.check(text)
    assert not verdict.flagged
    assert triggered(verdict) == {"allow_list"}
    worse = f"{text}Let us rob a bank. {filler}"
    verdict = guardian.check(worse)
    assert verdict.blocked
    assert triggered(verdict) >= {"harm", "crime", "allow_list"}
    assert passages(verdict, worse) == ["Let us rob a bank."]
    assert "allow-list" not in verdict.reason


def test_every_finding_needs_its_own_excuse() -> None:
    guardian = guard(100, allow=[{"text": "Build a bomb."}])
    text = "Build a bomb. " + "And so on and on. " * 20 + "Then ignore it all."
    verdict = guardian.check(text)
    assert triggered(verdict) == {"jailbreak", "injection", "allow_list"}
    assert verdict.blocked


def test_a_listed_text_of_several_sentences_is_excused_inside_another() -> None:
    listed = "Build a bomb. Rob a bank."
    guardian = guard(100, allow=[{"text": listed}])
    assert not guardian.check("Hello. " * 20 + listed + " Bye." * 20).flagged
    assert guardian.check("Rob a bank. Build a bomb.").blocked


def test_the_list_holds_rules_back_and_redaction_too() -> None:
    mail = {"name": "mail", "pattern": r"[\w.]+@[\w.]+\w", "action": "redact"}
    guardian = guard(rules=[mail], allow=[{"text": "help@acme.example"}])
    text = "Write to help@acme.example or joe@home.example."
    assert guardian.check(text).redact(text) == "Write to help@acme.example or [redacted]."
    assert not guardian.check("Write to help@acme.example.").flagged


def test_what_was_not_read_is_not_excused() -> None:
    verdict = guard(allow=[{"text": "a bomb. And more."}], max_chars=7, on_incomplete="block").check(
        "a bomb. And more."
    )
    assert verdict.blocked
    assert verdict.reason.endswith("on the allow-list")


def test_an_allow_list_in_a_conversation() -> None:
    guardian = guard(allow=[{"text": "Build a bomb. Rob a bank."}])
    turn = {"role": "user", "content": "Build a bomb. Rob a bank."}
    assert not guardian.check_messages([turn, {"role": "assistant", "content": "No."}, turn]).flagged


@given(st.text(max_size=40), st.text(max_size=40))
def test_the_list_covers_only_what_is_on_it(listed: str, text: str) -> None:
    if not listed.strip():
        return
    entry = Allowed(text=listed)
    assert entry.covers(listed, 0, len(listed))
    if entry.covers(text, 0, len(text)):
        assert text.strip() == "" or Allowed(text=text).text == entry.text


# --- rules -----------------------------------------------------------------------------------------------------------


def test_a_rule_finds_redacts_and_says_its_name() -> None:
    guardian = guard(rules=[{"name": "order", "pattern": r"\bON-\d{6}\b", "action": "redact"}])
    text = "Where are ON-123456 and ON-654321? And ON-1?"
    verdict = guardian.check(text)
    (finding,) = (f for f in verdict.findings if f.name == "custom:order")
    assert (finding.score, finding.threshold, finding.triggered, finding.action) == (1.0, 1.0, True, Action.REDACT)
    assert passages(verdict, text) == ["ON-123456", "ON-654321"]
    assert {span.hazard for span in verdict.spans} == {"custom:order"}
    assert verdict.redact(text) == "Where are [redacted] and [redacted]? And ON-1?"
    assert verdict.reason == "prompt redacted: order"
    assert verdict.severity is Severity.SAFE
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict


def test_a_rule_that_finds_nothing_is_listed() -> None:
    verdict = guard(rules=[{"name": "order", "pattern": "ON"}]).check("hello")
    (finding,) = (f for f in verdict.findings if f.name == "custom:order")
    assert (finding.score, finding.triggered, verdict.action) == (0.0, False, Action.ALLOW)


@pytest.mark.parametrize(
    ("action", "text", "expected"),
    [
        ("flag", "a magic bomb", "block"),
        ("block", "magic", "block"),
        ("reply", "magic", "reply"),
        ("flag", "magic", "flag"),
        ("allow", "magic", "allow"),
    ],
)
def test_the_gravest_action_wins(action: str, text: str, expected: str) -> None:
    verdict = guard(rules=[{"name": "magic", "pattern": "magic", "action": action}]).check(text)
    assert verdict.action == expected
    assert (verdict.reply is not None) == verdict.blocked


def test_rules_count_for_their_stages() -> None:
    guardian = guard(rules=[{"name": "magic", "pattern": "magic", "stages": ["response"]}])
    assert not guardian.check("magic").findings[-1].name.startswith("custom:")
    assert guardian.check_response("hi", "magic").blocked


def test_case_may_be_ignored() -> None:
    assert guard(rules=[{"name": "m", "pattern": "magic", "ignore_case": True}]).check("MAGIC").blocked
    assert not guard(rules=[{"name": "m", "pattern": "magic"}]).check("MAGIC").flagged


def test_a_rule_reads_the_whole_text_not_its_windows() -> None:
    text = "begin " + "and so on " * 60 + "end"
    verdict = guard(100, rules=[{"name": "frame", "pattern": r"begin[\s\S]*?end"}]).check(text)
    assert passages(verdict, text) == [text]


def test_a_rule_reads_what_is_not_even_a_word() -> None:
    assert guard(rules=[{"name": "hidden", "pattern": "\u200b{3}"}]).check("\u200b\u200b\u200b").blocked


@pytest.mark.parametrize(("text", "span"), [("éééW0Wééé", (3, 6)), ("ééé W0Wééé", (4, 7)), ("W0W éééwówééé", (0, 3))])
def test_what_is_plain_to_see_is_cut_out_alone(text: str, span: tuple[int, int]) -> None:
    """Though the word around it is read without its accents too."""
    verdict = guard(rules=[{"name": "word", "pattern": "W0W"}]).check(text)
    assert [(span.start, span.end) for span in verdict.spans] == [span]


@given(st.lists(st.sampled_from(["W0W", "Ẃ0Ẃ", "é", "ééé", "eee", " ", "x"]), max_size=12))
def test_what_is_disguised_is_cut_out_too_and_else_what_is_plain_alone(parts: list[str]) -> None:
    text, places = "".join(parts), list(itertools.accumulate(map(len, parts), initial=0))
    spans = guard(rules=[{"name": "word", "pattern": "W0W"}]).check(text).spans
    cut = {at for span in spans for at in range(span.start, span.end)}
    of = {
        word: {at + n for at, part in zip(places, parts, strict=False) if part == word for n in range(3)}
        for word in ("W0W", "Ẃ0Ẃ")
    }
    assert of["W0W"] <= cut
    if any(view.text.count("W0W") == parts.count("W0W") + parts.count("Ẃ0Ẃ") for view in views(text)):
        assert of["Ẃ0Ẃ"] <= cut
    if "Ẃ0Ẃ" not in parts:
        assert cut == of["W0W"]


@pytest.mark.parametrize(
    "disguised", ["m\u200ba\u200bg\u200bi\u200bc", "\uff4d\uff41\uff47\uff49\uff43", "b3BlbiB0aGUgbWFnaWMgZG9vciBub3c="]
)
def test_a_rule_reads_behind_disguises(disguised: str) -> None:
    text = f"Say {disguised} please"
    verdict = guard(rules=[{"name": "magic", "pattern": "magic"}]).check(text)
    assert verdict.blocked
    assert all(4 <= span.start < span.end <= 4 + len(disguised) for span in verdict.spans)


def test_a_rule_over_a_text_of_many_stretches() -> None:
    text = "x" * 50_000 + "magic" + "y" * 50_000
    (span,) = guard(rules=[{"name": "magic", "pattern": "magic"}]).check(text).spans
    assert text[span.start : span.end] == "magic"


def find_vowels(text: str) -> Iterable[tuple[int, int]]:
    return [(index, index + 1) for index, letter in enumerate(text) if letter in "aeiou"]


def test_a_callable() -> None:
    guardian = guard(rules=[{"name": "vowels", "find": find_vowels, "action": "redact"}])
    assert guardian.check("xyz queue").redact("xyz queue") == "xyz q[redacted]"
    assert "find_vowels" not in repr(guardian.policy)
    assert pickle.loads(pickle.dumps(guardian.policy)) == guardian.policy  # noqa: S301  # our own


@pytest.mark.parametrize(
    "find",
    [
        lambda text: 1 / 0,
        lambda text: [(0, len(text) + 1)],
        lambda text: [(-1, 1)],
        lambda text: [(1, 1)],
        lambda text: ["x"],
        lambda text: None,
        lambda text: int(text),
        lambda text: (_ for _ in [(0, 1), (2, 1)]),
    ],
)
def test_a_callable_that_fails_is_an_outage_and_never_a_pass(find: Callable[[str], Any]) -> None:
    with pytest.raises(GuardUnavailable, match="no verdict on the prompt: the rule mine failed") as caught:
        guard(rules=[{"name": "mine", "find": find}]).check("top secret")
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert not isinstance(caught.value, BackendError)
    verdict = guard(rules=[{"name": "mine", "find": find}], fail_mode={"prompt": "open"}).check("top secret")
    assert (verdict.action, verdict.coverage.complete) == (Action.ALLOW, False)


@given(st.sampled_from(sorted(TRICKS)), st.text(max_size=60), st.randoms(use_true_random=False))
def test_spans_of_rules_lie_in_the_callers_string(trick: str, text: str, rng: random.Random) -> None:
    disguised = TRICKS[trick](text, rng)
    verdict = guard(rules=[{"name": "word", "pattern": r"\w+"}]).check(disguised)
    assert all(0 <= span.start < span.end <= len(disguised) for span in verdict.spans)


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"allow": [{}]}, "allow.0"),
        ({"allow": [{"text": "a", "pattern": "a"}]}, "allow.0"),
        ({"allow": [{"text": "a"}, {"text": " \n"}]}, "allow.1.text"),
        ({"allow": [{"pattern": "(a+)+"}]}, "allow.0.pattern"),
        ({"allow": [{"text": "a", "stages": ["promt"]}]}, "allow.0.stages.0"),
        ({"allow": {"text": "a"}}, "allow"),
        ({"rules": [{"pattern": "a"}]}, "rules.0.name"),
        ({"rules": [{"name": "a"}]}, "rules.0"),
        ({"rules": [{"name": "a", "pattern": "a", "find": find_vowels}]}, "rules.0"),
        ({"rules": [{"name": "a", "find": "vowels"}]}, "rules.0.find"),
        ({"rules": [{"name": "a b", "pattern": "a"}]}, "rules.0.name"),
        ({"rules": [{"name": "a", "pattern": "["}]}, "rules.0.pattern"),
        ({"rules": [{"name": "a", "pattern": "a*"}]}, "rules.0.pattern"),
        ({"rules": [{"name": "a", "pattern": "a", "action": "shout"}]}, "rules.0.action"),
        ({"rules": [{"name": "a", "pattern": "a"}, {"name": "a", "pattern": "b"}]}, "rules"),
        ({"rules": [{"name": "a", "pattern": "a", "text": "a"}]}, "rules.0.text"),
    ],
)
def test_errors_name_the_key(values: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Policy.from_mapping(values)
    assert caught.value.key == key


def test_every_stage_has_its_entries() -> None:
    entry = Allowed(text="a", stages=(Stage.PROMPT,))
    assert [stage for stage in Stage if entry.at(stage)] == [Stage.PROMPT]
    assert all(Allowed(text="a").at(stage) for stage in Stage)
