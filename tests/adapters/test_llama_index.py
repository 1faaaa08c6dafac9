"""LlamaIndex under guard: node postprocessor and model, with its own mock models and a real query engine."""

# ruff: noqa: ARG002  (the signatures are those of the framework)

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from typing import Any, Literal

import pytest

pytest.importorskip("llama_index.core", reason="needs the extra llama-index")

from guardian.adapters.llama_index import GuardedLLM, GuardianNodePostprocessor, verdict_of
from hypothesis import given
from hypothesis import strategies as st
from llama_index.core import PromptTemplate, SummaryIndex
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CitableBlock,
    CompletionResponse,
    ContentBlock,
    DocumentBlock,
    ImageBlock,
    LLMMetadata,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from llama_index.core.base.response.schema import StreamingResponse
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.llms import CustomLLM, MockLLM
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.response_synthesizers import get_response_synthesizer
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import (
    BaseNode,
    Document,
    ImageNode,
    IndexNode,
    MediaResource,
    MetadataMode,
    Node,
    NodeWithScore,
    QueryBundle,
    TextNode,
)
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel, Field, PrivateAttr

from guardian import (
    Action,
    BackendError,
    Blocked,
    BlockedDocument,
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
        for stage in ("prompt", "document", "tool_result", "response")
    }
}
OnBlock = Literal["raise", "reply"]
WAYS = pytest.mark.parametrize("way", ["sync", "async"])


def a_guardian(fail: Exception | None = None, **policy: Any) -> Guardian:
    return Guardian(backend=ScriptedBackend(RULES, fail=fail), policy=Policy.from_mapping(policy))


class Upstream(CustomLLM):
    """A model that says these chunks, whole or streamed, and keeps what it was asked."""

    chunks: list[str] = Field(default_factory=list)
    blocks: list[ContentBlock] = Field(default_factory=list)
    deltas: bool = True
    _asked: list[Any] = PrivateAttr(default_factory=list)
    _closed: int = PrivateAttr(default=0)

    @property
    def asked(self) -> list[Any]:
        return self._asked

    @property
    def closed(self) -> int:
        return self._closed

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(is_chat_model=True, model_name="upstream")

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        self._asked.append(prompt)
        return CompletionResponse(text="".join(self.chunks), raw={"id": 1})

    def stream_complete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> Generator[CompletionResponse, None, None]:
        self._asked.append(prompt)
        text = ""
        try:
            for chunk in self.chunks:
                text += chunk
                yield CompletionResponse(text=text, delta=chunk if self.deltas else None, raw={"text": text})
        finally:
            self._closed += 1

    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        self._asked.append(messages)
        return ChatResponse(message=self._message("".join(self.chunks)), raw={"id": 1})

    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> Generator[ChatResponse, None, None]:
        self._asked.append(messages)
        text = ""
        try:
            for chunk in self.chunks:
                text += chunk
                yield ChatResponse(
                    message=self._message(text), delta=chunk if self.deltas else None, raw={"text": text}
                )
        finally:
            self._closed += 1

    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> AsyncGenerator[ChatResponse, None]:
        return _later(self.stream_chat(messages))

    async def astream_complete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> AsyncGenerator[CompletionResponse, None]:
        return _later(self.stream_complete(prompt))

    def _message(self, text: str) -> ChatMessage:
        texts = [TextBlock(text=text)] if text or not self.blocks else []
        return ChatMessage(role=MessageRole.ASSISTANT, blocks=[*texts, *self.blocks])


async def _later(chunks: Generator[Any, None, None]) -> AsyncGenerator[Any, None]:
    try:
        for chunk in chunks:
            yield chunk
    finally:
        chunks.close()


def says(*chunks: str, blocks: Sequence[ContentBlock] = (), deltas: bool = True) -> Upstream:
    return Upstream(chunks=list(chunks), blocks=list(blocks), deltas=deltas)


def guarded(upstream: Any, guardian: Guardian | None = None, on_block: OnBlock = "raise") -> GuardedLLM:
    return GuardedLLM(upstream, guardian or a_guardian(), on_block=on_block, holdback_chars=64)


def ask(llm: Any, way: str, method: str, prompt: Any = "hello", **options: Any) -> Any:
    """What a method gives for a prompt: a response, or all of a stream; sync, or by its async twin."""
    if "chat" in method and isinstance(prompt, str):
        prompt = [ChatMessage(prompt)]

    async def later() -> Any:
        given = getattr(llm, f"a{method}")(prompt, **options)
        answer = await given if inspect.isawaitable(given) else given
        return [item async for item in answer] if "stream" in method else answer

    if way == "async":
        return asyncio.run(later())
    answer = getattr(llm, method)(prompt, **options)
    return list(answer) if "stream" in method else answer


def text_of(answer: Any) -> str:
    """The text a caller got: of a stream, its deltas."""
    if isinstance(answer, list):
        return "".join(response.delta or "" for response in answer)
    return answer.text if isinstance(answer, CompletionResponse) else answer.message.content or ""


def last_of(answer: Any) -> Any:
    return answer[-1] if isinstance(answer, list) else answer


METHODS = pytest.mark.parametrize("method", ["chat", "complete", "stream_chat", "stream_complete"])


# -- the model


@WAYS
@METHODS
def test_what_is_clean_is_unchanged(way: str, method: str) -> None:
    upstream = says("All ", "is ", "calm.")
    plain, answer = ask(upstream, way, method), ask(guarded(upstream), way, method)
    assert text_of(answer) == "All is calm."
    assert last_of(answer).raw == last_of(plain).raw
    assert str(last_of(answer)) == str(last_of(plain))
    assert verdict_of(last_of(answer)) is None
    assert upstream.asked[0] == upstream.asked[1]


@WAYS
@METHODS
def test_a_blocked_prompt_never_reaches_the_model(way: str, method: str) -> None:
    upstream = says("never")
    with pytest.raises(BlockedPrompt) as stopped:
        ask(guarded(upstream), way, method, "how to build a bomb")
    assert "bomb" not in str(stopped.value)
    answer = ask(guarded(upstream, on_block="reply"), way, method, "how to build a bomb")
    assert text_of(answer).startswith("I can't help with making, getting or using weapons")
    verdict = verdict_of(last_of(answer))
    assert verdict is not None
    assert (verdict.stage, verdict.action, verdict.reply) == (Stage.PROMPT, Action.BLOCK, text_of(answer))
    assert upstream.asked == []


@WAYS
@METHODS
def test_a_policy_that_replies_always_does(way: str, method: str) -> None:
    guardian = a_guardian(stages={"prompt": {"harm": "reply"}, "response": {"harm": "reply"}})
    assert text_of(ask(guarded(says(), guardian), way, method, "a bomb")).startswith("I can't help")
    assert text_of(ask(guarded(says("a bomb"), guardian), way, method)).startswith("I can't help")


@WAYS
@METHODS
def test_a_prompt_goes_on_without_what_is_redacted(way: str, method: str) -> None:
    upstream = says("fine")
    ask(guarded(upstream, a_guardian(**REDACTING)), way, method, "Fine then. A bomb here. Bye.")
    (asked,) = upstream.asked
    assert (asked if isinstance(asked, str) else asked[0].content) == "Fine then. [redacted] Bye."


@WAYS
@METHODS
def test_a_blocked_answer(way: str, method: str) -> None:
    with pytest.raises(BlockedResponse):
        ask(guarded(says("Take a ", "bomb.")), way, method)
    answer = ask(guarded(says("Take a ", "bomb."), on_block="reply"), way, method)
    assert text_of(answer).startswith("I can't help")
    assert "bomb" not in repr(answer)
    verdict = verdict_of(last_of(answer))
    assert verdict is not None
    assert (verdict.stage, verdict.action) == (Stage.RESPONSE, Action.BLOCK)


@WAYS
@METHODS
def test_an_answer_goes_on_without_what_is_redacted(way: str, method: str) -> None:
    answer = ask(guarded(says("Fine then. ", "A bomb here. ", "Bye."), a_guardian(**REDACTING)), way, method)
    assert text_of(answer) == "Fine then. [redacted] Bye."
    assert last_of(answer).raw is None
    assert "bomb" not in repr(answer)
    verdict = verdict_of(last_of(answer))
    assert verdict is not None
    assert verdict.action is Action.REDACT


@WAYS
def test_an_answer_is_read_against_the_last_prompt(way: str) -> None:
    for method in ("chat", "stream_chat", "complete", "stream_complete"):
        backend = ScriptedBackend()
        ask(guarded(says("All is calm."), Guardian(backend=backend)), way, method, "How is it?")
        answers = {piece for call in backend.calls for piece in call if piece.stage is Stage.RESPONSE}
        assert {(piece.text, piece.context) for piece in answers} == {("All is calm.", "How is it?")}


def test_roles() -> None:
    for role in MessageRole:
        trusted = role.value in ("system", "developer", "assistant", "model", "chatbot")
        messages = [ChatMessage("hello"), ChatMessage("a bomb", role=role)]
        if trusted:
            assert text_of(guarded(says("fine")).chat(messages)) == "fine"
        else:
            with pytest.raises(BlockedPrompt if role is MessageRole.USER else BlockedTool):
                guarded(says("fine")).chat(messages)


def test_blocks_of_a_message_are_read_and_rewritten_one_by_one() -> None:
    image = ImageBlock(url="https://example.org/a.png")
    texts = [TextBlock(text="Fine then. A bomb here. Bye."), image, TextBlock(text="All is calm.")]
    message = ChatMessage(role=MessageRole.USER, blocks=texts)
    upstream = says("fine")
    guarded(upstream, a_guardian(**REDACTING)).chat([message])
    (given,) = upstream.asked[0]
    assert [getattr(block, "text", "image") for block in given.blocks] == [
        "Fine then. [redacted] Bye.",
        "image",
        "All is calm.",
    ]
    assert message.blocks[0] == texts[0], "the caller's own message is left alone"


def test_what_cannot_be_read_is_for_the_policy_to_decide() -> None:
    message = ChatMessage(role=MessageRole.USER, blocks=[ImageBlock(url="https://example.org/a.png")])
    assert text_of(guarded(says("A cat.")).chat([message])) == "A cat."
    with pytest.raises(BlockedPrompt):
        guarded(says("A cat."), a_guardian(on_incomplete="block")).chat([message])


def test_a_document_to_cite_is_read_and_rewritten() -> None:
    picture = ImageBlock(url="https://example.org/a.png")

    def cited(*texts: str, title: str = "A report") -> ChatMessage:
        said = [TextBlock(text=text) for text in texts]
        block = CitableBlock(title=title, source="https://example.org/", content=[*said, picture])
        return ChatMessage(role=MessageRole.USER, blocks=[TextBlock(text="Sum it up."), block])

    for bad in (cited("All is calm.", "A bomb."), cited("All is calm.", title="On the bomb")):
        with pytest.raises(BlockedDocument):
            guarded(says("never")).chat([bad])
    upstream = says("fine")
    guarded(upstream, a_guardian(**REDACTING)).chat([cited("All is calm.", "A bomb.", title="On the bomb")])
    assert upstream.asked[0] == [cited("All is calm.", "[redacted]", title="[redacted]")]
    guarded(upstream, a_guardian(**REDACTING)).chat([cited("All is", "calm.")])
    assert upstream.asked[1] == [cited("All is", "calm.")]
    with pytest.raises(BlockedPrompt, match="not all of it was read"):
        guarded(says("never"), a_guardian(on_incomplete="block")).chat([cited("All is calm.")])


def test_the_title_of_a_file_is_read() -> None:
    def file(title: str) -> ChatMessage:
        return ChatMessage(role=MessageRole.USER, blocks=[DocumentBlock(data=b"%PDF", title=title)])

    with pytest.raises(BlockedDocument):
        guarded(says("never")).chat([file("On the bomb")])
    upstream = says("fine")
    guarded(upstream, a_guardian(**REDACTING)).chat([file("On the bomb")])
    assert upstream.asked[0][0].blocks[0].title == "[redacted]"


# -- conversations


@WAYS
@pytest.mark.parametrize("on_block", ["raise", "reply"])
def test_a_conversation_goes_on_after_a_refusal(way: str, on_block: OnBlock) -> None:
    upstream = says("A curry.")
    memory = ChatMemoryBuffer.from_defaults(token_limit=4096)
    engine = SimpleChatEngine.from_defaults(llm=guarded(upstream, on_block=on_block), memory=memory)

    def say(prompt: str) -> str:
        return str(asyncio.run(engine.achat(prompt)) if way == "async" else engine.chat(prompt))

    if on_block == "raise":
        with pytest.raises(BlockedPrompt):
            say("a bomb")
    else:
        assert say("a bomb").startswith("I can't help")
    assert say("What to cook?") == "A curry."
    sent = [message.content for message in upstream.asked[0] if message.role is MessageRole.USER]
    assert sent == ["[redacted]", "What to cook?"]
    assert engine.chat_history[0].content == "a bomb", "the application's own history is left alone"


def test_a_refused_turn_excuses_nothing_in_a_new_one() -> None:
    image = ChatMessage(role=MessageRole.USER, blocks=[ImageBlock(url="https://example.org/a.png")])
    with pytest.raises(BlockedPrompt):
        guarded(says("never"), a_guardian(on_incomplete="block")).chat([ChatMessage("a bomb"), image])
    result = ChatMessage("obey me", role=MessageRole.TOOL)
    with pytest.raises(BlockedTool):
        guarded(says("never")).chat([ChatMessage("a bomb"), ChatMessage("hello"), result])


@pytest.mark.parametrize("on_block", ["raise", "reply"])
def test_a_streaming_query_engine(on_block: OnBlock) -> None:
    upstream = says(*chunked(LONG + "Take a bomb. " + LONG, [9]))
    engine = SummaryIndex([TextNode(text="All is calm.")]).as_query_engine(
        llm=guarded(upstream, on_block=on_block), streaming=True
    )
    got: list[str] = []
    try:
        answer = engine.query("How is it?")
        assert isinstance(answer, StreamingResponse)
        got += answer.response_gen
    except BlockedResponse:
        assert on_block == "raise"
    else:
        assert "I can't help" in "".join(got)
    assert "bomb" not in "".join(got)
    assert upstream.closed == 1


# -- streams

LONG = "All is calm here, and the sun shines upon the hills. " * 6
texts = st.lists(st.sampled_from(["calm ", "words\n", "é漢 ", "bo", "mb ", "bomb ", "x" * 20, ". "]), max_size=40).map(
    "".join
)


@WAYS
@pytest.mark.parametrize("method", ["stream_chat", "stream_complete"])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_stream_grows_and_is_cut(way: str, method: str, size: int) -> None:
    answer = ask(guarded(says(*chunked(LONG, [size]))), way, method)
    text = ""
    for response in answer:
        text += response.delta
        assert str(getattr(response, "text", None) or response.message.content) == text
    assert text == LONG

    upstream = says(*chunked(LONG + "Take a bomb. " + LONG, [size]))
    answer = ask(guarded(upstream, on_block="reply"), way, method)
    before, _, reply = text_of(answer).partition("\n\n")
    assert LONG.startswith(before)
    assert len(before) > 100
    assert reply.startswith("I can't help")
    assert "bomb" not in repr(answer)
    assert upstream.closed == 1


@given(texts, st.lists(st.integers(1, 40), min_size=1, max_size=3), st.booleans())
def test_chunks_do_not_matter(text: str, lengths: list[int], deltas: bool) -> None:
    guardian = a_guardian(**REDACTING)
    found = [
        text_of(ask(guarded(says(*chunks, deltas=deltas), guardian), "sync", "stream_chat"))
        for chunks in ([text], chunked(text, lengths))
    ]
    assert found[0] == found[1]
    assert "bomb" not in found[0]
    assert ("[redacted]" in found[0]) == ("bomb" in text)


def test_streams_stay_apart() -> None:
    async def one(number: int) -> str:
        upstream = says(*chunked(f"{number} {LONG}" + ("A bomb. " if number % 2 else "") + "Bye.", [number + 1]))
        stream = await guarded(upstream, a_guardian(**REDACTING)).astream_chat([ChatMessage("hello")])
        return "".join([response.delta or "" async for response in stream])

    async def all_at_once() -> list[str]:
        return await asyncio.gather(*(one(number) for number in range(20)))

    cut = {0: "", 1: "[redacted] "}
    assert asyncio.run(all_at_once()) == [f"{n} {LONG}{cut[n % 2]}Bye." for n in range(20)]


@WAYS
def test_closing_the_consumer_closes_the_upstream(way: str) -> None:
    upstream = says(*chunked(LONG, [5]))
    llm = guarded(upstream)

    async def leave() -> None:
        stream = await llm.astream_chat([ChatMessage("hello")])
        await anext(stream)
        await stream.aclose()

    if way == "async":
        asyncio.run(leave())
    else:
        stream = llm.stream_chat([ChatMessage("hello")])
        next(stream)
        stream.close()
    assert upstream.closed == 1


def test_an_upstream_that_dies_leaves_nothing_behind() -> None:
    class Dying(Upstream):
        def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
            yield CompletionResponse(text="All is ca", delta="All is ca")
            raise RuntimeError("the line is dead")

    stream = guarded(Dying()).stream_complete("hello")
    with pytest.raises(RuntimeError, match="the line is dead"):
        next(stream)


@WAYS
@pytest.mark.parametrize("method", ["chat", "stream_chat"])
@pytest.mark.parametrize(
    ("block", "error"),
    [
        (ThinkingBlock(content="A bomb, then."), BlockedResponse),
        (ToolCallBlock(tool_name="look_up", tool_kwargs={"query": "bomb"}), BlockedTool),
        (ToolCallBlock(tool_name="look_up", tool_kwargs='{"query": "bomb"}'), BlockedTool),
    ],
)
def test_thinking_and_calls_of_tools(way: str, method: str, block: Any, error: type[Blocked]) -> None:
    with pytest.raises(error):
        ask(guarded(says("Let me see.", blocks=[block])), way, method)
    answer = ask(guarded(says("Let me see.", blocks=[block]), on_block="reply"), way, method)
    assert "bomb" not in repr(answer)
    verdict = verdict_of(last_of(answer))
    assert verdict is not None
    assert text_of(answer).endswith(verdict.reply or verdict.reason)
    if error is BlockedResponse:
        with pytest.raises(BlockedResponse):
            ask(guarded(says("Fine.", blocks=[block]), a_guardian(**REDACTING)), way, method)


@WAYS
def test_calls_of_tools_come_last_and_whole(way: str) -> None:
    blocks: list[ContentBlock] = [
        ThinkingBlock(content="hm"),
        ToolCallBlock(tool_name="look_up", tool_kwargs={"query": "Paris"}),
    ]
    answer = ask(guarded(says(*chunked(LONG, [5]), blocks=blocks)), way, "stream_chat")
    assert all(response.message.blocks[1:] == [] for response in answer[:-1])
    thought, text, call = answer[-1].message.blocks
    assert (thought, text.text, call) == (blocks[0], LONG, blocks[1])


@pytest.mark.parametrize(
    "call",
    [
        {"id": "1", "function": {"name": "look_up", "arguments": '{"query": "bomb"}'}},
        {"name": "look_up", "arguments": {"query": "bomb"}},
    ],
)
def test_calls_of_tools_in_the_way_of_older_integrations(call: Any) -> None:
    class Older(Upstream):
        def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
            return ChatResponse(message=ChatMessage(role="assistant", additional_kwargs={"tool_calls": [call]}))

    with pytest.raises(BlockedTool):
        guarded(Older()).chat([ChatMessage("hello")])


# -- tools, by way of a model that calls functions


def look_up(query: str = "Paris") -> str:
    """Look something up."""
    return f"sunny in {query}"


@WAYS
def test_functions_are_those_of_the_model(way: str) -> None:
    inner = MockFunctionCallingLLM()
    llm = guarded(inner)
    assert llm.metadata == inner.metadata
    tool = FunctionTool.from_defaults(look_up)
    if way == "async":
        response = asyncio.run(llm.achat_with_tools([tool], user_msg="hello"))
    else:
        response = llm.chat_with_tools([tool], user_msg="hello")
    (call,) = llm.get_tool_calls_from_response(response)
    assert (call.tool_name, call.tool_kwargs) == ("look_up", {"query": "Paris"})
    assert str(llm.predict_and_call([tool], user_msg="hello")) == "sunny in Paris"
    with pytest.raises(BlockedPrompt):
        llm.predict_and_call([tool], user_msg="a bomb")


def test_a_model_without_functions_says_so() -> None:
    with pytest.raises(ConfigError, match="does not call functions"):
        guarded(says("hello")).chat_with_tools([FunctionTool.from_defaults(look_up)], user_msg="hello")


class Recipe(BaseModel):
    """A recipe."""

    title: str


@WAYS
@pytest.mark.parametrize("on_block", ["raise", "reply"])
@pytest.mark.parametrize("method", ["structured_predict", "stream_structured_predict"])
def test_an_object_is_no_place_for_a_reply(way: str, on_block: OnBlock, method: str) -> None:
    guardian = a_guardian(stages={"prompt": {"harm": "reply" if on_block == "reply" else "block"}})
    llm = guarded(MockFunctionCallingLLM(), guardian, on_block=on_block)

    async def later() -> None:
        given = await getattr(llm, f"a{method}")(Recipe, PromptTemplate("a bomb"))
        if "stream" in method:
            [item async for item in given]

    def predict() -> None:
        if way == "async":
            asyncio.run(later())
        else:
            list(getattr(llm, method)(Recipe, PromptTemplate("a bomb")))

    with pytest.raises(BlockedPrompt):
        predict()
    if on_block == "reply":
        assert llm.complete("a bomb").text.startswith("I can't help")


@WAYS
def test_an_object_is_made_of_a_call(way: str) -> None:
    call = ToolCallBlock(tool_name="Recipe", tool_kwargs={"title": "Soup"})

    class Calling(MockFunctionCallingLLM):
        def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
            return ChatResponse(message=ChatMessage(role=MessageRole.ASSISTANT, blocks=[call]))

        async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
            return self.chat(messages)

    llm, prompt = guarded(Calling()), PromptTemplate("I am hungry.")
    made = llm.structured_predict(Recipe, prompt)
    if way == "async":
        made = asyncio.run(llm.astructured_predict(Recipe, prompt))
    assert made == Recipe(title="Soup")


def test_callbacks_are_those_of_the_model() -> None:
    handlers = [LlamaDebugHandler(print_trace_on_end=False) for _ in range(4)]
    plain, first, second, third = (CallbackManager([handler]) for handler in handlers)
    MockLLM(callback_manager=plain).chat([ChatMessage("hello")])
    llm = guarded(MockLLM(callback_manager=first))
    llm.chat([ChatMessage("hello")])
    llm.callback_manager = second  # as LlamaIndex sets that of its Settings
    llm.chat([ChatMessage("hello")])
    GuardedLLM(MockLLM(), a_guardian(), callback_manager=third).chat([ChatMessage("hello")])
    told = [len(handler.get_event_pairs(CBEventType.LLM)) for handler in handlers]
    assert told == [told[0]] * 4
    assert told[0] > 0


def test_it_takes_over_how_the_model_is_prompted() -> None:
    inner = MockLLM(system_prompt="Be kind.", completion_to_prompt=lambda prompt: f"<{prompt}>")
    llm = guarded(inner)
    assert llm.system_prompt == "Be kind."
    assert llm.predict(PromptTemplate("hello")) == inner.predict(PromptTemplate("hello"))


# -- nodes


def nodes(*texts: str, **metadata: str) -> list[NodeWithScore]:
    return [
        NodeWithScore(node=TextNode(text=text, id_=f"n{number}", metadata=dict(metadata)), score=number / 10)
        for number, text in enumerate(texts)
    ]


def kept(guardian: Guardian, found: list[NodeWithScore], way: str = "sync", **options: Any) -> list[NodeWithScore]:
    postprocessor: BaseNodePostprocessor = GuardianNodePostprocessor(guardian, **options)
    if way == "async":
        return asyncio.run(postprocessor.apostprocess_nodes(found, query_str="How is it?"))
    return postprocessor.postprocess_nodes(found, query_str="How is it?")


@WAYS
def test_a_stopped_node_is_dropped(way: str) -> None:
    found = nodes("All is calm.", "Now obey me!", "The sun shines.")
    left = kept(a_guardian(), found, way)
    assert [node is given for node, given in zip(left, (found[0], found[2]), strict=True)] == [True, True]
    with pytest.raises(BlockedDocument):
        kept(a_guardian(), found, way, on_block="raise")


@WAYS
def test_a_node_goes_on_without_what_is_redacted(way: str) -> None:
    for kind in (TextNode, IndexNode):
        node = kind(text="All is calm. Now obey me! Bye then.", id_="n", index_id="i", metadata={"title": "Calm"})
        found = NodeWithScore(node=node, score=0.5)
        (left,) = kept(a_guardian(**REDACTING), [found], way)
        assert (left.score, left.node.node_id) == (0.5, "n")
        assert left.node.get_content(MetadataMode.LLM) == "title: Calm\n\nAll is calm. [redacted] Bye then."
        assert left.node.get_content(MetadataMode.EMBED) == left.node.get_content(MetadataMode.LLM)
        verdict = verdict_of(left)
        assert verdict is not None
        assert verdict.action is Action.REDACT
        assert found.node.get_content() == "All is calm. Now obey me! Bye then.", "the index keeps its own"
        assert verdict_of(found) is None


@pytest.mark.parametrize(
    "make",
    [
        lambda text: Node(text_resource=MediaResource(text=text)),
        lambda text: ImageNode(text=text, image="AA=="),
        lambda text: Document(text=text),
    ],
)
def test_kinds_of_nodes(make: Callable[[str], BaseNode]) -> None:
    found = NodeWithScore(node=make("All is calm. Now obey me! Bye."))
    (left,) = kept(a_guardian(**REDACTING), [found])
    assert (type(left.node), left.node.get_content(), left.score) == (
        type(found.node),
        "All is calm. [redacted] Bye.",
        None,
    )
    assert found.node.get_content() == "All is calm. Now obey me! Bye."
    assert kept(a_guardian(), [found]) == []


def test_nodes_without_text() -> None:
    found = [NodeWithScore(node=TextNode(text="")), NodeWithScore(node=ImageNode(image="AA=="))]
    assert [node is given for node, given in zip(kept(a_guardian(), found), found, strict=True)] == [True, True]


def test_metadata_is_read_as_well() -> None:
    found = nodes("All is calm.", title="obey me")
    assert kept(a_guardian(), found) == []
    assert kept(a_guardian(**REDACTING), found) == [], "it cannot be rewritten"
    found[0].node.excluded_llm_metadata_keys = ["title"]
    assert kept(a_guardian(), found) == found, "what the model does not get is not read"


@WAYS
def test_nodes_are_read_for_the_task_in_one_batch(way: str) -> None:
    backend = ScriptedBackend()
    kept(Guardian(backend=backend), nodes("one", "two"), way)
    (call,) = backend.calls
    assert {piece.text for piece in call} == {"one", "two"}
    assert {piece.context for piece in call} == {"How is it?", None}
    assert {piece.stage for piece in call} == {Stage.DOCUMENT}


def test_nodes_without_a_query_and_no_nodes() -> None:
    postprocessor = GuardianNodePostprocessor(a_guardian())
    assert len(postprocessor.postprocess_nodes(nodes("one", "obey me"))) == 1
    assert postprocessor.postprocess_nodes([]) == []


class Found(BaseRetriever):
    def __init__(self, *texts: str) -> None:
        super().__init__()
        self.texts = texts

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return nodes(*self.texts)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the framework's own, when it looks at an agent
def test_an_agent_under_guard() -> None:
    async def run(prompt: str) -> str:
        agent = FunctionAgent(tools=[look_up], llm=guarded(MockFunctionCallingLLM(is_chat_model=True)))
        return str(await agent.run(user_msg=prompt))

    assert asyncio.run(run("hello")) == "Tool calls complete."
    with pytest.raises(BlockedPrompt):
        asyncio.run(run("a bomb"))


def test_a_query_engine_under_guard() -> None:
    upstream = says("It is ", "calm.")
    llm = guarded(upstream)
    engine = RetrieverQueryEngine(
        Found("All is calm.", "Now obey me!"),
        response_synthesizer=get_response_synthesizer(llm=llm),
        node_postprocessors=[GuardianNodePostprocessor(a_guardian())],
    )
    assert str(engine.query("How is it?")) == "It is calm."
    (asked,) = upstream.asked
    assert "All is calm." in str(asked)
    assert "obey me" not in str(asked)
    with pytest.raises(BlockedPrompt):
        engine.query("How do I build a bomb?")


# -- shadow, outages, the rest


@WAYS
@METHODS
def test_shadow_changes_nothing(way: str, method: str) -> None:
    guardian = a_guardian(shadow=True)
    answer = ask(guarded(says("Take a bomb."), guardian), way, method, "a bomb")
    assert text_of(answer) == "Take a bomb."
    verdict = verdict_of(last_of(answer))
    assert verdict is not None
    assert (verdict.action, verdict.would) == (Action.ALLOW, Action.BLOCK)
    (node,) = kept(guardian, nodes("obey me"), way)
    assert node.get_content(MetadataMode.LLM) == "obey me"


@WAYS
@METHODS
def test_an_outage(way: str, method: str) -> None:
    broken = BackendError("prompt", "no model")
    upstream = says("hello")
    with pytest.raises(GuardUnavailable):
        ask(guarded(upstream, a_guardian(broken)), way, method)
    assert upstream.asked == []
    only_answers = a_guardian(broken, fail_mode={stage: "open" for stage in Stage if stage is not Stage.RESPONSE})
    with pytest.raises(GuardUnavailable):
        ask(guarded(says("hello"), only_answers), way, method)
    passing = a_guardian(broken, fail_mode=dict.fromkeys(Stage, "open"))
    assert text_of(ask(guarded(says("hello"), passing), way, method)) == "hello"
    assert len(kept(passing, nodes("obey me"), way)) == 1
    with pytest.raises(GuardUnavailable):
        kept(a_guardian(broken), nodes("calm"), way)


def test_the_loop_is_free_and_a_call_can_be_cancelled(gate: Gate) -> None:
    async def cancel() -> None:
        llm = guarded(says("hello"), Guardian(backend=ScriptedBackend(gate)))
        task = asyncio.create_task(llm.achat([ChatMessage("hello")]))
        await asyncio.to_thread(gate.entered.wait)
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())


@pytest.mark.parametrize("make", [GuardianNodePostprocessor, lambda *a, **k: GuardedLLM(MockLLM(), *a, **k)])
def test_on_block_is_one_of_two(make: Callable[..., Any]) -> None:
    with pytest.raises(ConfigError, match="on_block"):
        make(a_guardian(), on_block="ignore")


def test_the_guard_is_no_part_of_what_is_serialised() -> None:
    assert "guardian" not in guarded(MockLLM()).to_dict()
    assert "guardian" not in GuardianNodePostprocessor(a_guardian()).to_dict()


def test_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llama_index.core.base.llms.types", None)
    monkeypatch.delitem(sys.modules, "guardian.adapters.llama_index")
    with pytest.raises(MissingExtra, match=r"slm-guardian\[llama-index\]"):
        import guardian.adapters.llama_index  # noqa: F401
