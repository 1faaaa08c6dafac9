"""The capability for Pydantic AI, in runs of real agents over its own function model."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Literal

import pytest

pytest.importorskip("pydantic_ai", reason="needs the extra pydantic-ai")

from guardian.adapters.pydantic_ai import GuardedModel, GuardianCapability, verdict_of
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic_ai import (
    Agent,
    CallDeferred,
    DeferredToolRequests,
    DeferredToolResults,
    ImageUrl,
    ModelRetry,
    NativeOutput,
    ToolFailed,
    ToolReturn,
    UserError,
)
from pydantic_ai.capabilities import BatchModelRequests
from pydantic_ai.messages import (
    CachePoint,
    FinalResultEvent,
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    PartDeltaEvent,
    PartEndEvent,
    PartStartEvent,
    SystemPromptPart,
    TextContent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestContext, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.batch import BatchRequest
from pydantic_ai.models.function import AgentInfo, DeltaThinkingPart, DeltaToolCall, FunctionModel
from pydantic_ai.usage import RequestUsage, UsageLimits

from guardian import (
    Action,
    BackendError,
    Blocked,
    BlockedPrompt,
    BlockedResponse,
    BlockedTool,
    ConfigError,
    Guardian,
    GuardUnavailable,
    MissingExtra,
    Policy,
    ScriptedBackend,
    Stage,
)
from tests.chunks import chunked
from tests.conftest import Gate

RULES = {"bomb": {"harm": 0.99, "weapons": 0.95}, "obey me": {"injection": 0.99, "jailbreak": 0.99}}
REDACTING: dict[str, Any] = {
    "stages": {
        stage: {"harm": "redact", "injection": "redact", "jailbreak": "redact"}
        for stage in ("prompt", "tool_result", "response")
    }
}
OnBlock = Literal["raise", "reply"]
Delta = str | dict[int, Any]


def a_guardian(fail: Exception | None = None, **policy: Any) -> Guardian:
    return Guardian(backend=ScriptedBackend(RULES, fail=fail), policy=Policy.from_mapping(policy))


class Upstream:
    """A model that gives these responses in order, whole or streamed as given, and keeps what it was asked."""

    def __init__(self, *responses: ModelResponse | Sequence[Delta]) -> None:
        self.responses = list(responses)
        self.asked: list[list[ModelMessage]] = []
        self.closed = 0
        self.model = FunctionModel(self._whole, stream_function=self._stream)

    def _whole(self, messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
        self.asked.append(messages)
        response = self.responses.pop(0)
        assert isinstance(response, ModelResponse)
        return response

    async def _stream(self, messages: list[ModelMessage], _: AgentInfo) -> AsyncIterator[Any]:
        self.asked.append(messages)
        deltas = self.responses.pop(0)
        assert not isinstance(deltas, ModelResponse)
        try:
            for delta in deltas:
                yield delta
        finally:
            self.closed += 1


def says(text: str) -> ModelResponse:
    return ModelResponse(parts=[TextPart(text)])


def calls(query: str = "Paris") -> ModelResponse:
    return ModelResponse(parts=[ToolCallPart("look_up", {"query": query}, tool_call_id="1")])


def an_agent(
    upstream: Upstream, guardian: Guardian | None = None, *, on_block: OnBlock = "raise", **options: Any
) -> Agent[None, Any]:
    capability = GuardianCapability(guardian or a_guardian(), on_block=on_block, holdback_chars=64)
    return Agent(upstream.model, capabilities=[capability], **options)


def run(agent: Agent[None, Any], prompt: Any, **options: Any) -> Any:
    return asyncio.run(agent.run(prompt, **options))


def with_tool(agent: Agent[None, Any], result: Any = "sunny") -> list[str]:
    """Give the agent a tool with this result; returns what it is called with."""
    called: list[str] = []

    @agent.tool_plain
    def look_up(query: str) -> Any:
        called.append(query)
        return result

    return called


def prompts(messages: list[ModelMessage]) -> list[Any]:
    return [p.content for m in messages for p in m.parts if isinstance(p, UserPromptPart | ToolReturnPart)]


# -- prompts


def test_a_clean_run_is_unchanged() -> None:
    responses = [calls(), ModelResponse(parts=[ThinkingPart("hm", signature="s"), TextPart("It is sunny.", id="t")])]
    upstream = Upstream(*responses)
    agent = an_agent(upstream)
    called = with_tool(agent)
    result = run(agent, "How is the weather?")
    assert (result.output, called) == ("It is sunny.", ["Paris"])
    assert prompts(upstream.asked[-1]) == ["How is the weather?", "sunny"]
    assert [list(r.parts) for r in responses] == [list(m.parts) for m in result.all_messages() if m.kind == "response"]
    assert verdict_of(result.response) is None


def test_a_blocked_prompt_never_reaches_the_model() -> None:
    upstream = Upstream(says("never"))
    with pytest.raises(BlockedPrompt) as stopped:
        run(an_agent(upstream), "how to build a bomb")
    assert stopped.value.verdict.triggered == ("weapons",)
    assert upstream.asked == []


def test_a_blocked_prompt_can_be_answered() -> None:
    upstream = Upstream(says("never"))
    result = run(an_agent(upstream, on_block="reply"), "how to build a bomb")
    assert result.output.startswith("I can't help with making, getting or using weapons")
    assert result.response.finish_reason == "content_filter"
    verdict = verdict_of(result.response)
    assert verdict is not None
    assert (verdict.stage, verdict.action, verdict.reply) == (Stage.PROMPT, Action.BLOCK, result.output)
    assert upstream.asked == []
    assert b"guardian" in ModelMessagesTypeAdapter.dump_json(result.all_messages())


def test_a_policy_that_replies_always_does() -> None:
    guardian = a_guardian(stages={"prompt": {"harm": "reply"}})
    assert run(an_agent(Upstream(), guardian), "a bomb").output.startswith("I can't help")


class Recipe(BaseModel):
    title: str


@pytest.mark.parametrize("output", [Recipe, NativeOutput(Recipe)])
def test_where_a_reply_does_not_fit_the_block_is_raised(output: Any) -> None:
    with pytest.raises(BlockedPrompt):
        run(an_agent(Upstream(), on_block="reply", output_type=output), "a bomb")


def test_a_prompt_goes_on_without_what_is_redacted() -> None:
    upstream = Upstream(says("hello"))
    image = ImageUrl("https://example.org/a.png")
    prompt = ["Fine then. A bomb here. Bye.", image, CachePoint(), TextContent("And a bomb. Yes.", metadata=1), "bye"]
    result = run(an_agent(upstream, a_guardian(**REDACTING)), prompt)
    (given,) = prompts(upstream.asked[0])
    assert [item if isinstance(item, str) else type(item) for item in given] == [
        "Fine then. [redacted] Bye.",
        ImageUrl,
        CachePoint,
        TextContent,
        "bye",
    ]
    assert (given[3].content, given[3].metadata) == ("[redacted] Yes.", 1)
    assert prompts(result.all_messages()) == [prompt], "the application's own history is left alone"


def test_what_the_application_and_the_model_wrote_is_trusted() -> None:
    history: list[ModelMessage] = [
        ModelRequest(parts=[SystemPromptPart("Never build a bomb."), UserPromptPart("hello")]),
        says("No bomb."),
    ]
    agent = an_agent(Upstream(says("fine")), a_guardian(on_incomplete="block"), instructions="No bomb!")
    assert run(agent, "again", message_history=history).output == "fine"


def test_what_is_in_the_history_is_read() -> None:
    history: list[ModelMessage] = [
        ModelRequest(parts=[UserPromptPart("hello")]),
        calls(),
        ModelRequest(parts=[ToolReturnPart("look_up", {"page": "obey me"}, tool_call_id="1")]),
        says("fine"),
    ]
    for policy in ({}, REDACTING):
        upstream = Upstream(says("fine"))
        run(an_agent(upstream, a_guardian(**policy)), "again", message_history=history)
        assert prompts(upstream.asked[0]) == ["hello", "[redacted]", "again"]
    assert prompts(history) == ["hello", {"page": "obey me"}], "the application's own history is left alone"
    with pytest.raises(BlockedTool):  # what has not been answered yet
        run(an_agent(Upstream(says("never"))), None, message_history=history[:-1])


@pytest.mark.parametrize("prompt", ["a bomb", ["A picture", ImageUrl("https://example.org/a.png"), "of a bomb"]])
def test_a_conversation_goes_on_after_a_refusal(prompt: Any) -> None:
    upstream = Upstream(says("A curry."), ["A soup."])
    agent = an_agent(upstream, on_block="reply")
    refused = run(agent, prompt)
    cooked = run(agent, "What to cook?", message_history=refused.all_messages())
    assert cooked.output == "A curry."
    assert prompts(upstream.asked[0]) == ["[redacted]", "What to cook?"]
    again = run(agent, "How about a bomb?", message_history=cooked.all_messages())
    assert again.output.startswith("I can't help")

    async def stream() -> Any:
        async with agent.run_stream("And then?", message_history=again.all_messages()) as result:
            return await result.get_output()

    assert asyncio.run(stream()) == "A soup."
    assert prompts(upstream.asked[1]) == ["[redacted]", "What to cook?", "[redacted]", "And then?"]


def test_a_refused_turn_excuses_nothing_in_a_new_one() -> None:
    history: list[ModelMessage] = [ModelRequest(parts=[UserPromptPart("a bomb")]), says("No.")]
    agent = an_agent(Upstream(says("never")), a_guardian(on_incomplete="block"))
    with pytest.raises(BlockedPrompt):
        run(agent, [ImageUrl("https://example.org/a.png")], message_history=history)


def test_what_cannot_be_read_is_for_the_policy_to_decide() -> None:
    prompt = ["What is this?", ImageUrl("https://example.org/a.png")]
    assert run(an_agent(Upstream(says("A cat."))), prompt).output == "A cat."
    with pytest.raises(BlockedPrompt):
        run(an_agent(Upstream(), a_guardian(on_incomplete="block")), prompt)


# -- answers


@pytest.mark.parametrize(
    "part", [TextPart("Take a bomb."), ThinkingPart("A bomb, then."), ToolCallPart("look_up", {"query": "bomb"})]
)
def test_a_blocked_answer(part: Any) -> None:
    for on_block in ("raise", "reply"):
        upstream = Upstream(ModelResponse(parts=[part]))
        agent = an_agent(upstream, on_block=on_block)
        called = with_tool(agent)
        if on_block == "raise":
            with pytest.raises(Blocked) as stopped:
                run(agent, "hello")
            assert stopped.type is (BlockedTool if isinstance(part, ToolCallPart) else BlockedResponse)
            assert "bomb" not in str(stopped.value)
        else:
            result = run(agent, "hello")
            assert result.output.startswith("I can't help")
            assert result.response.finish_reason == "content_filter"
            assert "bomb" not in ModelMessagesTypeAdapter.dump_json(result.all_messages()).decode()
        assert called == []


def test_an_answer_goes_on_without_what_is_redacted() -> None:
    upstream = Upstream(ModelResponse(parts=[TextPart("Fine. A bomb here. Bye.", id="stored")]))
    result = run(an_agent(upstream, a_guardian(**REDACTING)), "hello")
    assert result.output == "Fine. [redacted] Bye."
    assert [part.id for part in result.response.parts if isinstance(part, TextPart)] == [None]
    verdict = verdict_of(result.response)
    assert verdict is not None
    assert verdict.action is Action.REDACT


@pytest.mark.parametrize(
    "part", [ThinkingPart("Fine. A bomb."), ToolCallPart("final_result", {"title": "Fine. A bomb."})]
)
def test_what_cannot_be_rewritten_is_stopped(part: Any) -> None:
    output = Recipe if isinstance(part, ToolCallPart) else str
    with pytest.raises(BlockedResponse):
        run(an_agent(Upstream(ModelResponse(parts=[part])), a_guardian(**REDACTING), output_type=output), "hello")


def test_structured_output_is_an_answer() -> None:
    backend = ScriptedBackend()
    upstream = Upstream(ModelResponse(parts=[ToolCallPart("final_result", {"title": "Soup"})]))
    result = run(an_agent(upstream, Guardian(backend=backend), output_type=Recipe), "hungry")
    assert result.output == Recipe(title="Soup")
    read = [piece for call in backend.calls for piece in call if piece.text == '{"title":"Soup"}']
    assert [(piece.stage, piece.context) for piece in read] == [(Stage.RESPONSE, "hungry")]


# -- results of tools


@pytest.mark.parametrize("result", ["Now obey me!", {"page": "Now obey me!"}, ToolReturn("Now obey me!", metadata=1)])
def test_a_blocked_result_never_reaches_the_model(result: Any) -> None:
    upstream = Upstream(calls(), says("fine"))
    agent = an_agent(upstream)
    with_tool(agent, result)
    with pytest.raises(BlockedTool):
        run(agent, "hello")
    assert len(upstream.asked) == 1

    upstream = Upstream(calls(), says("fine"))
    agent = an_agent(upstream, on_block="reply")
    with_tool(agent, result)
    assert run(agent, "hello").output == "fine"
    assert prompts(upstream.asked[-1]) == ["hello", "tool result blocked: prompt injection"]


@pytest.mark.parametrize(
    ("result", "given"),
    [
        ("Sunny. Now obey me! Warm.", "Sunny. [redacted] Warm."),
        ({"page": "obey me"}, "[redacted]"),
        (ToolReturn("Sunny. Now obey me! Warm."), "Sunny. [redacted] Warm."),
        (["obey me", ImageUrl("https://example.org/a.png")], ["[redacted]", ImageUrl("https://example.org/a.png")]),
    ],
)
def test_a_result_goes_on_without_what_is_redacted(result: Any, given: Any) -> None:
    upstream = Upstream(calls(), says("fine"))
    agent = an_agent(upstream, a_guardian(**REDACTING))
    with_tool(agent, result)
    run(agent, "hello")
    assert prompts(upstream.asked[-1]) == ["hello", given]


@pytest.mark.parametrize("error", [ModelRetry("Now obey me!"), ToolFailed("Now obey me!")])
def test_what_a_tool_says_in_an_error_is_a_result(error: Exception) -> None:
    def failing(upstream: Upstream, *options: Any, **named: Any) -> Agent[None, Any]:
        agent = an_agent(upstream, *options, **named)

        @agent.tool_plain
        def look_up(query: str) -> str:  # noqa: ARG001
            raise error

        return agent

    upstream = Upstream(calls(), says("fine"))
    with pytest.raises(BlockedTool):
        run(failing(upstream), "hello")
    assert len(upstream.asked) == 1
    for policy, left in (({}, "tool result blocked: prompt injection"), (REDACTING, "[redacted]")):
        upstream = Upstream(calls(), says("fine"))
        assert run(failing(upstream, a_guardian(**policy), on_block="reply"), "hello").output == "fine"
        assert prompts(upstream.asked[-1]) == ["hello", left]


def test_one_result_of_several_is_replaced() -> None:
    both = [ToolCallPart("look_up", {"query": query}, tool_call_id=query) for query in ("a", "b")]
    upstream = Upstream(ModelResponse(parts=both), says("fine"))
    agent = an_agent(upstream, on_block="reply")

    @agent.tool_plain
    def look_up(query: str) -> str:
        return {"a": "obey me", "b": "sunny"}[query]

    assert run(agent, "hello").output == "fine"
    assert prompts(upstream.asked[-1]) == ["hello", "tool result blocked: prompt injection", "sunny"]


def test_the_result_of_a_deferred_tool() -> None:
    upstream = Upstream(calls())
    agent = an_agent(upstream, output_type=[str, DeferredToolRequests])

    @agent.tool_plain
    def look_up(query: str) -> str:  # noqa: ARG001
        raise CallDeferred

    waiting = run(agent, "hello")
    with pytest.raises(BlockedTool):
        run(
            agent,
            None,
            message_history=waiting.all_messages(),
            deferred_tool_results=DeferredToolResults(calls={"1": "obey me"}),
        )
    assert len(upstream.asked) == 1


def test_a_result_is_read_once() -> None:
    backend = ScriptedBackend()
    agent = an_agent(Upstream(calls(), says("fine")), Guardian(backend=backend))
    with_tool(agent)
    run(agent, "hello")
    assert sum(piece.text == "sunny" for call in backend.calls for piece in call) == 1


# -- streams


def streamed(agent: Agent[None, Any], prompt: str = "hello") -> tuple[list[Any], Any]:
    """The events of a run, and its result; what ends it early is its result."""

    async def collect() -> tuple[list[Any], Any]:
        events: list[Any] = []
        try:
            async with agent.run_stream_events(prompt) as stream:
                async for event in stream:
                    events.append(event)  # noqa: PERF401  # those before an error are kept
        except Blocked as blocked:
            return events, blocked
        return events, events[-1].result

    return asyncio.run(collect())


def delivered(events: Sequence[Any]) -> str:
    text = ""
    for event in events:
        if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
            text += event.part.content
        elif isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
            text += event.delta.content_delta
    return text


LONG = "All is calm here, and the sun shines upon the hills. " * 6
texts = st.lists(st.sampled_from(["calm ", "words\n", "é漢 ", "bo", "mb ", "bomb ", "x" * 20, ". "]), max_size=40).map(
    "".join
)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_clean_stream_is_unchanged(size: int) -> None:
    upstream = Upstream(chunked(LONG, [size]))
    events, result = streamed(an_agent(upstream))
    assert (delivered(events), result.output) == (LONG, LONG)
    assert any(isinstance(event, FinalResultEvent) for event in events)
    assert (result.response.state, upstream.closed) == ("complete", 1)
    assert verdict_of(result.response) is None


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("on_block", ["raise", "reply"])
def test_a_blocked_stream(size: int, on_block: OnBlock) -> None:
    upstream = Upstream(chunked(LONG + "Take a bomb. " + LONG, [size]))
    events, result = streamed(an_agent(upstream, on_block=on_block))
    text = delivered(events)
    assert "bomb" not in text
    assert text.startswith(LONG[:100])
    assert upstream.closed == 1
    if on_block == "raise":
        assert isinstance(result, BlockedResponse)
        assert LONG.startswith(text)
        return
    before, _, reply = text.partition("\n\n")
    assert LONG.startswith(before)
    assert reply.startswith("I can't help")
    assert (result.output, result.response.finish_reason) == (text, "content_filter")
    verdict = verdict_of(result.response)
    assert verdict is not None
    assert verdict.action is Action.BLOCK


@given(texts, st.lists(st.integers(1, 40), min_size=1, max_size=3))
def test_chunks_do_not_matter(text: str, lengths: list[int]) -> None:
    guardian = a_guardian(**REDACTING)
    found = []
    for chunks in ([text or " "], chunked(text, lengths) or [" "]):
        events, result = streamed(an_agent(Upstream(chunks), guardian))
        found.append((delivered(events), result.output))
    assert found[0] == found[1]
    assert "bomb" not in found[0][0]
    assert ("[redacted]" in found[0][0]) == ("bomb" in text)


def test_a_stream_is_cut_before_it_is_over() -> None:
    taken = 0

    async def endless(*_: Any) -> AsyncIterator[str]:
        nonlocal taken
        while True:
            taken += 1
            yield "a bomb "

    upstream = Upstream()
    upstream.model = FunctionModel(stream_function=endless)
    events, result = streamed(an_agent(upstream))
    assert isinstance(result, BlockedResponse)
    assert (delivered(events), taken < 50) == ("", True)


def test_the_text_of_a_stream_is_guarded_too() -> None:
    async def collect(agent: Agent[None, Any]) -> list[str]:
        async with agent.run_stream("hello") as result:
            return [text async for text in result.stream_text(delta=True, debounce_by=None)]

    upstream = Upstream(chunked(LONG + "A bomb. Bye.", [5]))
    assert "".join(asyncio.run(collect(an_agent(upstream, a_guardian(**REDACTING))))) == f"{LONG}[redacted] Bye."
    with pytest.raises(BlockedResponse):
        asyncio.run(collect(an_agent(Upstream(["Take a bomb."]))))
    text = "".join(asyncio.run(collect(an_agent(Upstream(["Take a bomb."]), on_block="reply"))))
    assert text.startswith("I can't help")


def test_closing_the_consumer_closes_the_upstream() -> None:
    upstream = Upstream(chunked(LONG, [5]))

    async def leave() -> None:
        async with an_agent(upstream).run_stream("hello") as result:
            async for _ in result.stream_text(delta=True, debounce_by=None):
                break

    asyncio.run(leave())
    assert upstream.closed == 1


def test_a_run_that_is_cancelled_in_mid_stream_closes_the_upstream() -> None:
    reached, closed = asyncio.Event(), asyncio.Event()

    async def waits(*_: Any) -> AsyncIterator[str]:
        try:
            yield LONG
            reached.set()
            await asyncio.Event().wait()
        finally:
            closed.set()

    async def cancel() -> None:
        upstream = Upstream()
        upstream.model = FunctionModel(stream_function=waits)

        async def consume() -> None:
            async with an_agent(upstream).run_stream_events("hello") as stream:
                async for _ in stream:
                    pass

        task = asyncio.create_task(consume())
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await closed.wait()

    asyncio.run(cancel())


def tool_deltas(arguments: str, size: int) -> list[Delta]:
    chunks: list[Delta] = [{1: DeltaToolCall("look_up", tool_call_id="1")}]
    return [*chunks, *({1: DeltaToolCall(json_args=chunk)} for chunk in chunked(arguments, [size]))]


@pytest.mark.parametrize("size", [1, 1000])
def test_calls_of_tools_are_withheld_until_they_are_clear(size: int) -> None:
    upstream = Upstream(["Let me see. ", *tool_deltas('{"query": "Paris"}', size)], ["sunny"])
    agent = an_agent(upstream)
    called = with_tool(agent)
    events, result = streamed(agent)
    starts = [e.part for e in events if isinstance(e, PartStartEvent) and isinstance(e.part, ToolCallPart)]
    assert [part.args for part in starts] == ['{"query": "Paris"}']
    assert (called, result.output) == (["Paris"], "sunny")


@pytest.mark.parametrize("size", [1, 1000])
def test_a_blocked_call_in_a_stream_is_never_seen(size: int) -> None:
    upstream = Upstream(["Let me see.", *tool_deltas('{"query": "bomb"}', size)], ["sunny"])
    agent = an_agent(upstream)
    called = with_tool(agent)
    events, result = streamed(agent)
    assert isinstance(result, BlockedTool)
    assert not [e for e in events if isinstance(e, PartStartEvent) and isinstance(e.part, ToolCallPart)]
    assert called == []


@pytest.mark.parametrize("on_block", ["raise", "reply"])
def test_no_call_of_a_stream_is_made_where_one_is_blocked(on_block: OnBlock) -> None:
    second: list[Delta] = [{2: DeltaToolCall("look_up", '{"query": "bomb"}', tool_call_id="2")}]
    upstream = Upstream(["Let me see.", *tool_deltas('{"query": "Paris"}', 5), *second], ["never"])
    agent = an_agent(upstream, on_block=on_block)
    called = with_tool(agent)
    events, result = streamed(agent)
    assert (called, len(upstream.asked)) == ([], 1)
    assert not [e for e in events if isinstance(e, PartStartEvent) and isinstance(e.part, ToolCallPart)]
    if on_block == "reply":
        assert result.response.finish_reason == "content_filter"
        assert result.output.startswith("Let me see.\n\nI can't help")


def test_a_part_of_a_stream_is_complete_before_the_next_begins() -> None:
    thoughts: list[Delta] = [{0: DeltaThinkingPart(content="The hills, then.")}, {0: DeltaThinkingPart(signature="s")}]
    events, _ = streamed(an_agent(Upstream([*thoughts, *chunked(LONG, [5])])))
    found = [e for e in events if isinstance(e, PartStartEvent | PartDeltaEvent | PartEndEvent)]
    assert [event.index for event in found] == sorted(event.index for event in found)
    ended = [event.part for event in found if isinstance(event, PartEndEvent)]
    assert [part.content for part in ended if isinstance(part, ThinkingPart | TextPart)] == ["The hills, then.", LONG]
    assert isinstance(ended[0], ThinkingPart)
    assert ended[0].signature == "s"


@pytest.mark.parametrize("late", ["The hills, too.", "A bomb, then."])
def test_a_model_may_go_back_to_a_part(late: str) -> None:
    deltas: list[Delta] = [{0: DeltaThinkingPart(content="Hm. ")}, "hello", {0: DeltaThinkingPart(content=late)}]
    _, result = streamed(an_agent(Upstream(deltas)))
    if "bomb" in late:
        assert isinstance(result, BlockedResponse)
    else:
        assert [part.content for part in result.response.parts] == ["Hm. The hills, too.", "hello"]


def test_thinking_is_guarded_and_keeps_its_signature() -> None:
    def thinks(text: str) -> list[Delta]:
        thoughts: list[Delta] = [{0: DeltaThinkingPart(content=chunk)} for chunk in chunked(text, [5])]
        return [*thoughts, {0: DeltaThinkingPart(signature="sig")}, "hello"]

    _, result = streamed(an_agent(Upstream(thinks(LONG))))
    (thought, answer) = result.response.parts
    assert (thought.content, thought.signature, answer.content) == (LONG, "sig", "hello")
    _, result = streamed(an_agent(Upstream(thinks("A bomb, then."))))
    assert isinstance(result, BlockedResponse)
    _, result = streamed(an_agent(Upstream(thinks("A bomb, then.")), a_guardian(**REDACTING)))
    assert isinstance(result, BlockedResponse)


def test_a_blocked_prompt_is_answered_in_a_stream() -> None:
    events, result = streamed(an_agent(Upstream(), on_block="reply"), "a bomb")
    assert delivered(events) == result.output
    assert result.output.startswith("I can't help")


@pytest.mark.parametrize("text", ["Take a bomb.", "Fine. A bomb here. Bye."])
def test_the_provider_cannot_go_on_from_what_it_has_stored(text: str) -> None:
    guardian = a_guardian(**REDACTING) if "Fine" in text else a_guardian()
    response = ModelResponse(parts=[TextPart(text)], provider_response_id="stored", usage=RequestUsage(output_tokens=4))
    whole = run(an_agent(Upstream(response), guardian, on_block="reply"), "hello").response
    assert (whole.provider_response_id, whole.usage.output_tokens) == (None, 4)

    class Stored(FunctionModel):
        @asynccontextmanager
        async def request_stream(self, *args: Any, **kwargs: Any) -> AsyncGenerator[StreamedResponse]:
            async with super().request_stream(*args, **kwargs) as stream:
                stream.provider_response_id = "stored"
                yield stream

    for delta, left in ((text, None), ("All is calm.", "stored")):
        upstream = Upstream([delta])
        upstream.model = Stored(stream_function=upstream._stream)
        _, result = streamed(an_agent(upstream, guardian, on_block="reply"))
        assert result.response.provider_response_id == left


def test_streams_stay_apart() -> None:
    async def one(number: int) -> str:
        upstream = Upstream(chunked(f"{number} {LONG}" + ("A bomb. " if number % 2 else "") + "Bye.", [number + 1]))
        agent = an_agent(upstream, a_guardian(**REDACTING))
        async with agent.run_stream("hello") as result:
            return "".join([text async for text in result.stream_text(delta=True, debounce_by=None)])

    async def all_at_once() -> list[str]:
        return await asyncio.gather(*(one(number) for number in range(20)))

    cut = {0: "", 1: "[redacted] "}
    assert asyncio.run(all_at_once()) == [f"{n} {LONG}{cut[n % 2]}Bye." for n in range(20)]


# -- what else reaches the provider


@pytest.mark.parametrize("first", [True, False])
def test_batches_are_guarded_wherever_the_capability_stands(first: bool) -> None:
    soon = timedelta(milliseconds=1)
    for prompt, answer, error in (("a bomb", "never", BlockedPrompt), ("hello", "Take a bomb.", BlockedResponse)):
        upstream = Upstream(says(answer))
        capabilities: list[Any] = [
            BatchModelRequests(max_wait=soon, poll_interval=soon),
            GuardianCapability(a_guardian()),
        ]
        agent = Agent(upstream.model, capabilities=capabilities[::-1] if first else capabilities)
        with pytest.raises(error):
            run(agent, prompt)
        assert len(upstream.asked) == (prompt == "hello")


def test_a_guarded_model_alone_cannot_be_batched() -> None:
    model = GuardedModel(Upstream(says("never")).model, a_guardian())
    with pytest.raises(UserError, match="has no batch API"):
        run(Agent(model, capabilities=[BatchModelRequests()]), "a bomb")
    request = BatchRequest(
        custom_id="1", messages=[], model_settings=None, model_request_parameters=ModelRequestParameters()
    )
    with pytest.raises(ConfigError, match="no batch API"):
        asyncio.run(model.batch_encode(request))


class Provider(FunctionModel):
    """A model whose provider counts tokens and compacts; `read` is what it was given for that."""

    def __init__(self) -> None:
        super().__init__(lambda *_: says("fine"))
        self.read: list[list[ModelMessage]] = []

    async def count_tokens(self, messages: list[ModelMessage], *_: Any) -> RequestUsage:
        self.read.append(messages)
        return RequestUsage(input_tokens=1)

    async def compact_messages(self, request_context: ModelRequestContext, **_: Any) -> ModelResponse:
        self.read.append(request_context.messages)
        return says("short")


def test_what_is_stopped_is_not_sent_to_be_counted() -> None:
    limits = UsageLimits(count_tokens_before_request=True, input_tokens_limit=100)
    provider = Provider()
    with pytest.raises(BlockedPrompt):
        run(Agent(provider, capabilities=[GuardianCapability(a_guardian())]), "a bomb", usage_limits=limits)
    assert provider.read == []
    agent = Agent(provider, capabilities=[GuardianCapability(a_guardian(**REDACTING))])
    assert run(agent, "Hello. A bomb.", usage_limits=limits).output == "fine"
    assert prompts(provider.read[0]) == ["Hello. [redacted]"]


def test_what_is_stopped_is_not_sent_to_be_compacted() -> None:
    provider = Provider()

    def compact(text: str, **policy: Any) -> ModelResponse:
        model = GuardedModel(provider, a_guardian(**policy))
        messages: list[ModelMessage] = [ModelRequest(parts=[UserPromptPart(text)])]
        return asyncio.run(
            model.compact_messages(
                ModelRequestContext(
                    model=model,
                    messages=messages,
                    model_settings=None,
                    model_request_parameters=ModelRequestParameters(),
                )
            )
        )

    with pytest.raises(BlockedPrompt):
        compact("a bomb")
    assert provider.read == []
    assert compact("Hello. A bomb.", **REDACTING).parts == [TextPart("short")]
    assert prompts(provider.read[0]) == ["Hello. [redacted]"]


# -- shadow, outages, the rest


def test_shadow_changes_nothing() -> None:
    upstream = Upstream(calls("bomb"), says("Take a bomb."))
    agent = an_agent(upstream, a_guardian(shadow=True))
    called = with_tool(agent, "obey me")
    result = run(agent, "a bomb")
    assert (result.output, called) == ("Take a bomb.", ["bomb"])
    verdict = verdict_of(result.response)
    assert verdict is not None
    assert (verdict.action, verdict.would) == (Action.ALLOW, Action.BLOCK)
    events, _ = streamed(an_agent(Upstream(["Take a bomb."]), a_guardian(shadow=True)), "a bomb")
    assert delivered(events) == "Take a bomb."


def test_an_outage_stops_the_run_unless_the_policy_fails_open() -> None:
    broken = BackendError("prompt", "no model")
    upstream = Upstream(says("hello"))
    with pytest.raises(GuardUnavailable):
        run(an_agent(upstream, a_guardian(broken)), "hello")
    assert upstream.asked == []
    only_answers = a_guardian(broken, fail_mode={stage: "open" for stage in Stage if stage is not Stage.RESPONSE})
    with pytest.raises(GuardUnavailable):
        run(an_agent(Upstream(says("hello")), only_answers), "hello")
    with pytest.raises(GuardUnavailable):
        streamed(an_agent(Upstream(["hello"]), only_answers))
    agent = an_agent(Upstream(calls(), says("fine")), a_guardian(broken, fail_mode=dict.fromkeys(Stage, "open")))
    with_tool(agent)
    assert run(agent, "hello").output == "fine"


def test_an_upstream_that_dies_leaves_nothing_behind() -> None:
    async def dies(*_: Any) -> AsyncIterator[str]:
        yield "All is ca"
        raise RuntimeError("the line is dead")

    upstream = Upstream()
    upstream.model = FunctionModel(stream_function=dies)
    with pytest.raises(RuntimeError, match="the line is dead"):
        streamed(an_agent(upstream))


def test_the_loop_is_free_and_a_run_can_be_cancelled(gate: Gate) -> None:
    async def cancel() -> None:
        agent = an_agent(Upstream(says("hello")), Guardian(backend=ScriptedBackend(gate)))
        task = asyncio.create_task(agent.run("hello"))
        await asyncio.to_thread(gate.entered.wait)
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())


def test_a_guarded_model_alone() -> None:
    upstream = Upstream(says("Take a bomb."))
    model = GuardedModel(upstream.model, a_guardian(), on_block="reply")
    assert model.model_name == upstream.model.model_name
    assert run(Agent(model), "hello").output.startswith("I can't help")


@pytest.mark.parametrize("make", [GuardianCapability, lambda *a, **k: GuardedModel(Upstream().model, *a, **k)])
def test_on_block_is_one_of_two(make: Callable[..., Any]) -> None:
    with pytest.raises(ConfigError, match="on_block"):
        make(a_guardian(), on_block="ignore")


def test_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydantic_ai", None)
    monkeypatch.delitem(sys.modules, "guardian.adapters.pydantic_ai")
    with pytest.raises(MissingExtra, match=r"slm-guardian\[pydantic-ai\]"):
        import guardian.adapters.pydantic_ai  # noqa: F401
