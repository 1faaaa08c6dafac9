"""Conversations: what of them is checked, how verdicts are joined, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardian import (
    Action,
    Conversation,
    Guardian,
    InputError,
    Policy,
    ScriptedBackend,
    Stage,
    Verdict,
    redact_messages,
)
from guardian.messages import TURNS, jobs_of, last_user_text, message_text, parse
from guardian.parts import NESTED

RULES = {
    "bomb": {"harm": 0.97, "weapons": 0.9},
    "secret code": {"injection": 0.9},
    "part one\npart two": {"jailbreak": 0.95},
}


def check(messages: Any, policy: Policy | None = None) -> Verdict:
    return Guardian(backend=ScriptedBackend(RULES), policy=policy).check_messages(messages)


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def nested(levels: int) -> dict[str, Any]:
    """A user's message of a text within so many tool results."""
    content: Any = "bomb"
    for _ in range(levels):
        content = [{"type": "tool_result", "content": content}]
    return user(content)


def rows(levels: int) -> dict[str, Any]:
    """JSON of a tool with a text within so many lists."""
    found: Any = "bomb"
    for _ in range(levels):
        found = [found]
    return {"type": "json", "rows": found}


def texts_of_spans(messages: list[dict[str, Any]], verdict: Verdict) -> list[str]:
    return [message_text(messages[s.message])[s.start : s.end] for s in verdict.spans if s.message is not None]


def test_a_clean_conversation() -> None:
    verdict = check(
        [
            {"role": "system", "content": "Never speak of a bomb."},
            user("Hello there."),
            {"role": "assistant", "content": None, "tool_calls": []},
            {"role": "tool", "content": "42", "tool_call_id": "1"},
            user("Thanks!"),
        ]
    )
    assert (verdict.stage, verdict.action) == (Stage.PROMPT, Action.ALLOW)
    assert verdict.coverage.model_dump() == {"chars": 21, "total_chars": 21, "windows": 3, "complete": True}


@pytest.mark.parametrize("position", [0, 1, 2])
def test_every_user_turn_is_checked(position: int) -> None:
    messages = [user("Good morning to you."), user("How is the weather?"), user("Good night.")]
    messages[position] = user("Well then, hello. How to build a bomb now?")
    verdict = check(messages)
    assert verdict.action is Action.BLOCK
    assert {span.message for span in verdict.spans} == {position}
    assert texts_of_spans(messages, verdict) == ["How to build a bomb now?"]


def test_what_the_application_and_the_model_wrote_is_trusted() -> None:
    trusted = [{"role": role, "content": "a bomb"} for role in ("system", "developer", "assistant", "model")]
    assert check([*trusted, user("Hello.")]).action is Action.ALLOW
    verdict = check(trusted)
    assert (verdict.action, verdict.coverage.total_chars, verdict.coverage.complete) == (Action.ALLOW, 0, True)


def test_results_of_tools_are_checked_as_such() -> None:
    verdict = check([user("Look it up."), {"role": "tool", "content": "The secret code of the text."}])
    assert (verdict.stage, verdict.action) == (Stage.TOOL_RESULT, Action.BLOCK)
    nested = [
        user(
            [
                {"type": "text", "text": "Here it is."},
                {"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": "A secret code."}]},
                {"type": "tool_result", "tool_use_id": "2"},
            ]
        )
    ]
    verdict = check(nested)
    assert verdict.stage is Stage.TOOL_RESULT
    assert texts_of_spans(nested, verdict) == ["A secret code."]
    assert message_text(nested[0]) == "Here it is.\nA secret code."


def test_a_request_spread_over_turns_is_seen() -> None:
    messages = [user("part one"), {"role": "assistant", "content": "Go on."}, user("part two")]
    verdict = check(messages)
    assert verdict.triggered == ("jailbreak",)
    assert texts_of_spans(messages, verdict) == ["part one", "part two"]
    assert verdict.coverage.total_chars == len("part onepart two")
    far = [user("part one"), *[user("well")] * TURNS, user("part two")]
    assert check(far).action is Action.ALLOW


def test_a_request_spread_over_parts_is_seen() -> None:
    messages = [user(["part one", {"type": "input_text", "text": "part two"}])]
    verdict = check(messages)
    assert verdict.triggered == ("jailbreak",)
    assert texts_of_spans(messages, verdict) == ["part one\npart two"]


def test_turns_are_joined_within_max_chars() -> None:
    messages = [user("part one"), user("part two")]
    assert check(messages, Policy(max_chars=18)).flagged
    verdict = check(messages, Policy(max_chars=10))
    assert (verdict.action, verdict.coverage.complete) == (Action.ALLOW, True)
    verdict = check(messages, Policy(max_chars=5))
    assert (verdict.action, verdict.coverage.complete) == (Action.FLAG, False)


def test_a_part_that_is_no_text_is_not_passed_over_in_silence() -> None:
    messages = [user([{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": "..."}}])]
    verdict = check(messages)
    assert (verdict.action, verdict.coverage.complete) == (Action.FLAG, False)
    assert check(messages, Policy(on_incomplete=Action.ALLOW)).action is Action.ALLOW
    blocked = check(messages, Policy(on_incomplete=Action.BLOCK))
    assert blocked.blocked
    assert blocked.reply is not None
    shadow = check(messages, Policy(on_incomplete=Action.BLOCK, shadow=True))
    assert (shadow.action, shadow.would, shadow.reply) == (Action.ALLOW, Action.BLOCK, None)


def test_the_gravest_counts_and_nothing_is_lost() -> None:
    messages = [user("Build a bomb."), {"role": "tool", "content": "A secret code."}, user("Bye.")]
    verdict = check(messages)
    assert verdict.action is Action.BLOCK
    assert (verdict.scores["harm"], verdict.scores["injection"]) == (0.97, 0.9)
    assert set(verdict.triggered) == {"weapons", "injection"}
    assert {(span.message, span.hazard) for span in verdict.spans} == {(0, "weapons"), (1, "injection")}
    assert len({finding.name for finding in verdict.findings}) == len(verdict.findings)


def test_one_message_can_be_redacted() -> None:
    policy = Policy.from_mapping({"stages": {"prompt": {"harm": "redact"}}})
    messages = [user("Hello there, friend."), user("Good day. How to build a bomb here? Bye.")]
    verdict = check(messages, policy)
    redacted = [verdict.redact(message_text(message), message=i) for i, message in enumerate(messages)]
    assert redacted == ["Hello there, friend.", "Good day. [redacted] Bye."]


def test_what_was_not_read_of_a_message_cannot_be_redacted_and_blocks() -> None:
    long = "Good morning to you, and a bomb."
    rules: dict[str, Any] = {"max_chars": 20, "stages": {"prompt": {"harm": "redact"}}, "on_incomplete": "redact"}
    for messages in ([user(long)], [user("Hi."), user(long)], [user("a bomb"), user(long)]):
        verdict = check(messages, Policy.from_mapping(rules))
        assert (verdict.action, verdict.would, verdict.flagged, verdict.blocked) == (*[Action.BLOCK] * 2, True, True)
        assert verdict.reply is not None
        shadow = check(messages, Policy.from_mapping({**rules, "shadow": True}))
        assert (shadow.action, shadow.would, shadow.flagged) == (Action.ALLOW, Action.BLOCK, False)
        assert shadow.reply is None
    assert check([user(long)], Policy.from_mapping({**rules, "on_incomplete": "flag"})).action is Action.FLAG
    spread = [user("a bomb"), user(long)]  # one is to be redacted, the other was not read
    assert check(spread, Policy.from_mapping({**rules, "on_incomplete": "flag"})).action is Action.BLOCK
    assert check([user("a bomb"), user("Hi.")], Policy.from_mapping(rules)).action is Action.REDACT


def test_an_outage_that_fails_open_does_not_block_for_want_of_redaction() -> None:
    from guardian import BackendError

    policy = Policy(fail_mode={Stage.PROMPT: "open"}, on_incomplete=Action.REDACT)
    guardian = Guardian(backend=ScriptedBackend(fail=BackendError("prompt", "gone")), policy=policy)
    assert guardian.check_messages([user("a")]).action is Action.ALLOW
    assert not guardian.check_messages([user(["a", {"type": "image_url"}])]).blocked


def test_tool_results_may_be_nested_a_little() -> None:
    message = nested(NESTED)
    assert check([message]).coverage.chars == len("bomb")
    assert message_text(message) == "bomb"
    with pytest.raises(InputError, match="nested too deeply"):
        message_text(nested(NESTED + 1))


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([], "messages is empty"),
        ("hello", "messages must be a list of messages, not str"),
        ({"role": "user"}, "messages must be a list of messages, not dict"),
        (None, "messages must be a list of messages, not NoneType"),
        (["hello"], r"messages\[0\] must be a mapping with role and content, not str"),
        ([user("a"), {"content": "b"}], r"messages\[1\]\.role must be one of"),
        ([{"role": ["user"], "content": "b"}], r"messages\[0\]\.role must be one of"),
        ([{"role": "boss", "content": "b"}], r"messages\[0\]\.role must be one of"),
        ([{"role": "user"}], r"messages\[0\]\.content must be a str or a list of parts, not NoneType"),
        ([user(b"bomb")], r"messages\[0\]\.content must be a str or a list of parts, not bytes"),
        ([user({"text": "bomb"})], r"messages\[0\]\.content must be a str or a list of parts, not dict"),
        ([user(["a", 3])], r"messages\[0\]\.content\[1\] must be a str or a mapping, not int"),
        ([user([{"type": "text"}])], r"messages\[0\]\.content\[0\]\.text must be a str, not NoneType"),
        (
            [user([{"type": "tool_result", "content": 7}])],
            r"messages\[0\]\.content\[0\]\.content must be a str or a list of parts, not int",
        ),
        (
            [user([{"type": ["text"], "text": "bomb"}])],
            r"messages\[0\]\.content\[0\]\.type must be a str, not list",
        ),
        ([user(["a", {"type": {}, "text": "bomb"}])], r"messages\[0\]\.content\[1\]\.type must be a str, not dict"),
        ([nested(NESTED + 1)], r"messages\[0\]\.content\[0\]\.content\[0\]\..* is nested too deeply: at most 8"),
        ([nested(700)], "is nested too deeply"),
        ([user([{"type": "document", "title": 3}])], r"messages\[0\]\.content\[0\]\.title must be a str, not int"),
        (
            [user([{"type": "document", "source": {"type": "text"}}])],
            r"messages\[0\]\.content\[0\]\.source\.data must be a str or a list of parts, not NoneType",
        ),
        (
            [user([{"type": "search_result", "content": [{"type": "text", "text": 3}]}])],
            r"messages\[0\]\.content\[0\]\.content\[0\]\.text must be a str, not int",
        ),
        (
            [{"role": "tool", "content": [rows(66)]}],
            r"messages\[0\]\.content\[0\] is nested too deeply: at most 64 levels of JSON",
        ),
    ],
)
def test_wrong_shapes_are_named(messages: Any, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        check(messages)
    assert "bomb" not in str(caught.value)


def test_an_outage_of_a_conversation_can_fail_open() -> None:
    from guardian import BackendError

    backend = ScriptedBackend(fail=BackendError("prompt", "gone"))
    messages = [user("a"), {"role": "tool", "content": "b"}]
    half_open = Policy(fail_mode={Stage.PROMPT: "open"})
    with pytest.raises(BackendError):
        Guardian(backend=backend, policy=half_open).check_messages(messages)
    both = Policy(fail_mode={Stage.PROMPT: "open", Stage.TOOL_RESULT: "open"})
    verdict = Guardian(backend=backend, policy=both).check_messages(messages)
    assert (verdict.action, verdict.coverage.complete) == (Action.ALLOW, False)


def test_what_the_user_said_last() -> None:
    asked = {"role": "user", "content": "Sum this up."}
    result = {"type": "tool_result", "tool_use_id": "t", "content": "a page"}
    brought = {"role": "user", "content": [result]}
    both = {"role": "user", "content": [result, {"type": "text", "text": "And now in French."}]}
    answer = {"role": "assistant", "content": "Let me look."}
    assert last_user_text([asked]) == "Sum this up."
    assert last_user_text([asked, answer, brought]) == "Sum this up."
    assert last_user_text([asked, answer, both]) == "And now in French."
    assert last_user_text([answer, brought, {"role": "user", "content": None}]) == ""


# -- parts


PDF = {"type": "base64", "media_type": "application/pdf", "data": "Ym9tYg=="}
PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "Ym9tYg=="}}
DOCUMENT = {"type": "document", "title": "A title", "context": "A context"}
RESULT = {"type": "search_result", "title": "A title", "source": "https://example.org/"}


@pytest.mark.parametrize(
    ("part", "texts"),
    [
        ({**DOCUMENT, "source": {"type": "text", "data": "A page."}}, "A title\nA context\nA page."),
        (
            {"type": "document", "source": {"type": "content", "content": [{"text": "One."}, {"text": "Two."}]}},
            "One.\nTwo.",
        ),
        ({"type": "document", "title": None, "source": {"type": "content", "content": "A page."}}, "A page."),
        (
            {**RESULT, "content": [{"type": "text", "text": "A page."}]},
            "A title\nhttps://example.org/\nA page.",
        ),
        ({"type": "text-plain", "title": "A title", "text": "A page."}, "A title\nA page."),
    ],
)
def test_documents_of_a_user_are_read_as_documents_for_what_the_user_asks(part: dict[str, Any], texts: str) -> None:
    backend = ScriptedBackend(RULES)
    verdict = Guardian(backend=backend).check_messages([user([part, "Sum it up."])])
    read = {(piece.text, piece.stage, piece.context) for call in backend.calls for piece in call}
    assert read == {
        (texts, Stage.DOCUMENT, "Sum it up."),
        (texts, Stage.DOCUMENT, None),
        ("Sum it up.", Stage.PROMPT, None),
    }
    assert verdict.coverage.complete


@pytest.mark.parametrize(
    ("part", "texts"),
    [
        (PICTURE, ""),
        ({"type": "image_url", "image_url": {"url": "https://example.org/bomb"}}, ""),
        ({"type": "input_audio", "input_audio": {"data": "Ym9tYg==", "format": "wav"}}, ""),
        ({**DOCUMENT, "source": PDF}, "A title\nA context"),
        ({**DOCUMENT, "source": {"type": "url", "url": "https://example.org/bomb"}}, "A title\nA context"),
        ({**DOCUMENT, "source": {"type": "content", "content": ["A page.", PICTURE]}}, "A title\nA context\nA page."),
        ({**DOCUMENT, "source": {"type": ["text"], "data": "bomb"}}, "A title\nA context"),
        ({"type": "text-plain", "title": "A title", "base64": "Ym9tYg=="}, "A title"),
        ({"type": "file", "file": {"filename": "A title", "file_data": "Ym9tYg=="}}, "A title"),
        ({"type": "input_file", "filename": "A title", "file_url": "https://example.org/bomb"}, "A title"),
        ({"type": "tool_result", "content": ["A page.", {"type": "document", "source": PDF}]}, "A page."),
        (RESULT, "A title\nhttps://example.org/"),
        ({"type": "new", "text": "bomb"}, ""),
    ],
)
def test_what_is_no_text_leaves_a_conversation_incomplete(part: dict[str, Any], texts: str) -> None:
    for message in (user([part]), {"role": "tool", "content": [part]}):
        verdict = check([message])
        assert (verdict.action, verdict.coverage.complete) == (Action.FLAG, False)
        assert message_text(message) == texts


@pytest.mark.parametrize(
    "part",
    [
        {"type": "document", "title": "A secret code.", "source": {"type": "text", "data": "Fine."}},
        {**RESULT, "content": [{"type": "text", "text": "A secret code."}]},
        {"type": "text-plain", "text": "A secret code."},
        {"type": "json", "json": {"rows": [1, {"id": "A secret code."}]}},
        {"type": "custom_tool_call_output", "output": "A secret code."},
        {"type": "mcp_tool_result", "content": [{"type": "text", "text": "A secret code."}]},
    ],
    ids=lambda part: part["type"],
)
def test_what_a_tool_gives_is_its_result_documents_too(part: dict[str, Any]) -> None:
    for message in ({"role": "tool", "content": [part]}, user([{"type": "tool_result", "content": [part]}])):
        verdict = check([user("Sum it up."), message])
        assert (verdict.stage, verdict.action, verdict.coverage.complete) == (Stage.TOOL_RESULT, Action.BLOCK, True)


def test_each_document_is_read_for_itself_and_stays_stopped() -> None:
    def paper(text: str) -> dict[str, Any]:
        return {"type": "document", "source": {"type": "text", "data": text}}

    guardian, talk = Guardian(backend=ScriptedBackend(RULES)), Conversation()
    with guardian.using(conversation=talk):
        verdict = guardian.check_messages([user([paper("A bomb."), paper("A page."), "Sum it up."])])
        assert (verdict.stage, verdict.blocked) == (Stage.DOCUMENT, True)
    with guardian.using(Policy.from_mapping({"stages": {"document": {"harm": "flag"}}}), conversation=talk):
        assert guardian.check_messages([user([paper("A cake."), paper("A bomb."), "Translate it."])]).blocked
        assert not guardian.check_messages([user([paper("A cake, and a bomb."), "Translate it."])]).blocked


def test_a_document_is_read_again_for_another_task_and_only_then() -> None:
    backend = ScriptedBackend(RULES)
    guardian = Guardian(backend=backend)

    def scanned(messages: list[dict[str, Any]]) -> list[tuple[str, str | None]]:
        backend.calls.clear()
        guardian.check_messages(messages)
        return [(piece.text, piece.context) for call in backend.calls for piece in call]

    first = [user(["Sum it up.", {"type": "text-plain", "text": "A page."}])]
    result = {"role": "tool", "content": "A result."}
    assert scanned(first) == [("Sum it up.", None), ("A page.", "Sum it up."), ("A page.", None)]
    assert scanned([*first, result]) == [("A result.", None)]
    assert ("A page.", "Translate it.") in scanned([*first, result, user("Translate it.")])


def test_a_request_spread_over_texts_between_documents_is_seen() -> None:
    papers = [{"type": "text-plain", "text": f"Page {n}."} for n in range(TURNS + 1)]
    between = [part for paper in papers for part in (paper, "Well.")]
    message = user(["part one", papers[0], "part two"])
    verdict = check([message])
    assert texts_of_spans([message], verdict) == ["part one", "part two"]
    assert check([user("part one"), user(["part two", *between])]).triggered == ("jailbreak",)


Texts = Callable[[], str]


@st.composite
def part(draw: st.DrawFn, text: Texts, depth: int = 0) -> Any:
    """A part of any API. Every text in it comes from `text`; what is no text does not."""
    within = st.lists(part(text, depth + 1), max_size=3) if depth < 2 else st.just([])
    kinds: dict[str, Callable[[], Any]] = {
        "str": text,
        "text": lambda: {"type": "text", "text": text(), "cache_control": {"type": "ephemeral"}},
        "untyped": lambda: {"text": text()},
        "input_text": lambda: {"type": "input_text", "text": text()},
        "image": lambda: dict(PICTURE),
        "unknown": lambda: {"type": "new", "data": [1, None]},
        "pdf": lambda: {"type": "document", "title": text(), "context": None, "source": dict(PDF)},
        "paper": lambda: {"type": "document", "title": text(), "source": {"type": "text", "data": text()}},
        "page": lambda: {"type": "text-plain", "text": text(), "context": text(), "mime_type": "text/plain"},
        "file": lambda: {"type": "file", "file": {"filename": text(), "file_data": "Ym9tYg=="}},
        "input_file": lambda: {"type": "input_file", "filename": text(), "file_id": "file-1"},
        "json": lambda: {"type": "json", "json": {"a": [text(), 3, {"type": text(), "b": None}], "c": text()}},
        "result": lambda: {"type": "tool_result", "tool_use_id": "t", "content": draw(within)},
        "output": lambda: {"type": "custom_tool_call_output", "call_id": "c", "output": text()},
        "blocks": lambda: {
            "type": "document",
            "source": {"type": "content", "content": draw(within)},
            "context": text(),
        },
        "found": lambda: {"source": text(), "type": "search_result", "content": draw(within), "title": text()},
    }
    return kinds[draw(st.sampled_from(sorted(kinds)))]()


@st.composite
def conversations(draw: st.DrawFn) -> tuple[list[dict[str, Any]], int]:
    """Messages of users and tools in whose texts stand the words W0W, W1W and so on; and how many there are."""
    numbers = count()

    def text() -> str:
        around = st.text("ab é\n.", max_size=8)
        return f"{draw(around)}W{next(numbers)}W{draw(around)}"

    messages = []
    for role in draw(st.lists(st.sampled_from(["user", "tool"]), min_size=1, max_size=4)):
        parts = st.lists(part(text), max_size=4)
        messages.append({"role": role, "content": text() if draw(st.booleans()) else draw(parts)})
    return messages, next(numbers)


@given(conversations())
def test_every_text_is_in_one_job(drawn: tuple[list[dict[str, Any]], int]) -> None:
    messages, words = drawn
    conversation = parse(messages)
    jobs = jobs_of(conversation, Policy())[: len(conversation.segments)]
    read = [job.text for job in jobs]
    assert [sum(text.count(f"W{n}W") for text in read) for n in range(words)] == [1] * words
    for segment in conversation.segments:
        text = message_text(messages[segment.message])
        assert text[segment.start : segment.start + len(segment.text)] == segment.text


@given(conversations(), st.data())
def test_redaction_cuts_out_what_was_found_and_nothing_else(
    drawn: tuple[list[dict[str, Any]], int], data: st.DataObject
) -> None:
    messages, words = drawn
    word = f"W{data.draw(st.integers(0, max(0, words - 1)))}W"
    policy = Policy.from_mapping({"rules": [{"name": "word", "pattern": word, "action": "redact"}]})
    before = json.dumps(messages)
    verdict = Guardian(backend=ScriptedBackend(), policy=policy).check_messages(messages)
    after = json.dumps(redact_messages(messages, verdict))
    assert after == before.replace(word, "[redacted]")
    assert json.dumps(messages) == before
    assert (verdict.action is Action.REDACT) == (words > 0)
