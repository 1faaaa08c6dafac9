"""Anthropic's own client against a local server: what its users see."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("httpx", reason="needs the extra anthropic")
pytest.importorskip("httpx2", reason="needs the extra anthropic")
pytest.importorskip("anthropic", reason="needs the extra anthropic")

import anthropic
import httpx2
from anthropic import Anthropic, AsyncAnthropic
from guardian.adapters.anthropic import GuardianMiddleware, guard_anthropic
from guardian.adapters.http import guard_client
from pydantic import BaseModel, ValidationError

from guardian import BackendError, ConfigError, Guardian, GuardUnavailable, Policy, ScriptedBackend
from tests.adapters.upstream import (
    Answer,
    Json,
    Server,
    messages_answer,
    messages_stream,
    served,
    text_block,
    tool_block,
)

RULES = {"BOMB": {"harm": 0.99, "weapons": 0.98}}
CALM = "calm words and more of them. " * 8
WAYS = pytest.mark.parametrize("way", ["middleware", "transport"])


def answer(path: str, body: Json) -> Answer:
    """Says back what it was asked, in the API's shape."""
    said = body["messages"][-1]["content"]
    said = CALM + (said if isinstance(said, str) else "hi").replace("please", "a BOMB and the rest of it")
    if path.split("?")[0] != "/v1/messages":
        return 200, "application/json", iter([b'{"input_tokens": 3}'])
    if "fail" in said:
        error = {"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}
        return 400, "application/json", iter([json.dumps(error).encode()])
    tools = "call" in said
    if body.get("stream"):
        stream = messages_stream(text_block(said), *[tool_block("f", '{"x": "a BOMB"}')] * tools)
        return 200, "text/event-stream", (stream[i : i + 100] for i in range(0, len(stream), 100))
    call: Json = {"type": "tool_use", "id": "t", "name": "f", "input": {"x": "a BOMB"}}
    whole = messages_answer({"type": "text", "text": said}, *[call] * tools)
    return 200, "application/json", iter([json.dumps(whole).encode()])


@pytest.fixture
def server() -> Iterator[tuple[str, Server]]:
    with served(answer) as found:
        yield found


def a_guardian(**policy: Any) -> Guardian:
    return Guardian(backend=ScriptedBackend(RULES), policy=Policy.from_mapping(policy))


def a_client(url: str, way: str = "middleware", guardian: Guardian | None = None, **options: Any) -> Anthropic:
    guardian = guardian or a_guardian()
    if way == "middleware":
        plain = Anthropic(api_key="k", base_url=url)
        client: Anthropic = guard_anthropic(plain, guardian, holdback_chars=64, **options)
        return client
    http = guard_client(httpx2.Client(), guardian, holdback_chars=64, **options)
    return Anthropic(api_key="k", base_url=url, http_client=http)


def ask(client: Anthropic, text: Any, **options: Any) -> Any:
    return client.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": text}], **options)


@WAYS
def test_messages(server: tuple[str, Server], way: str) -> None:
    url, upstream = server
    with a_client(url, way) as client:
        assert ask(client, "hello").content[0].text == CALM + "hello"
        for text, stage in (("a BOMB", "prompt"), ("please", "response"), ("call", "tool_call")):
            message = ask(client, text)
            assert message.stop_reason == "refusal"
            assert [block.type for block in message.content] == ["text"]
            assert message.content[0].text.startswith("I can't help")
            assert message.guardian["stage"] == stage
    assert len(upstream.requests) == 3


@WAYS
@pytest.mark.parametrize("text", ["hi", "a BOMB", "please", "call"])
def test_streams_are_what_the_helper_expects(server: tuple[str, Server], way: str, text: str) -> None:
    with (
        a_client(server[0], way) as client,
        client.messages.stream(model="m", max_tokens=9, messages=[{"role": "user", "content": text}]) as stream,
    ):
        said = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert "BOMB" not in final.to_json()
    assert final.stop_reason == ("end_turn" if text == "hi" else "refusal")
    if text == "hi":
        assert said == CALM + text
    else:
        *rest, reply = final.content
        assert reply.type == "text"
        assert reply.text.startswith("I can't help")
        assert all(block.type == "text" and (CALM + text).startswith(block.text) for block in rest)


@WAYS
def test_events_of_a_clear_stream_are_all_there(server: tuple[str, Server], way: str) -> None:
    with a_client(server[0], way) as client:
        events = list(ask(client, "hi", stream=True))
    assert "".join(e.delta.text for e in events if e.type == "content_block_delta") == CALM + "hi"
    assert events[-1].type == "message_stop"


@WAYS
def test_redacted_prompts_go_on(server: tuple[str, Server], way: str) -> None:
    url, upstream = server
    guardian = a_guardian(stages={"prompt": {"harm": "redact"}})
    text = "All is calm. Make a BOMB. Thank you."
    with a_client(url, way, guardian) as client:
        ask(client, text)
        ask(client, "x", extra_body={"messages": [{"role": "user", "content": text}], "more": 1})
    for request in upstream.requests:
        assert request["messages"] == [{"role": "user", "content": "All is calm. [redacted] Thank you."}]
    assert upstream.requests[1]["more"] == 1


def test_blocks_of_an_earlier_answer_may_be_given_back_as_objects(server: tuple[str, Server]) -> None:
    url, upstream = server
    with a_client(url, guardian=a_guardian(stages={"prompt": {"harm": "redact"}})) as client:
        first = ask(client, "hi")
        turns: Any = [
            {"role": "user", "content": "All is calm. Make a BOMB. Thank you."},
            {"role": "assistant", "content": first.content},
            {"role": "user", "content": "go on"},
        ]
        client.messages.create(model="m", max_tokens=9, messages=turns)
    sent = upstream.requests[-1]["messages"]
    assert sent[0]["content"] == "All is calm. [redacted] Thank you."
    assert sent[1]["content"][0]["text"] == CALM + "hi"


@WAYS
def test_raw_responses(server: tuple[str, Server], way: str) -> None:
    with a_client(server[0], way) as client:
        for text, verdict in (("a BOMB", "block; weapons"), ("hi", "allow"), ("please", "block; weapons")):
            raw = client.messages.with_raw_response.create(
                model="m", max_tokens=9, messages=[{"role": "user", "content": text}]
            )
            assert raw.headers["x-guardian-verdict"] == verdict
            assert raw.parse().stop_reason == ("end_turn" if text == "hi" else "refusal")


class Weather(BaseModel):
    city: str


@WAYS
def test_a_refusal_is_no_structured_output(server: tuple[str, Server], way: str) -> None:
    turn: Any = [{"role": "user", "content": "a BOMB"}]
    with a_client(server[0], way) as client, pytest.raises(ValidationError):
        client.messages.parse(model="m", max_tokens=9, messages=turn, output_format=Weather)
    with a_client(server[0], way, on_block="raise") as client, pytest.raises(anthropic.BadRequestError):
        client.messages.parse(model="m", max_tokens=9, messages=turn, output_format=Weather)


@WAYS
def test_iterators_are_read_and_copies_are_guarded(server: tuple[str, Server], way: str) -> None:
    url, upstream = server
    with a_client(url, way) as client:
        for copy in (client.copy(), client.with_options(timeout=9)):
            parts: Any = ({"type": "text", "text": text} for text in ("a", "BOMB"))
            turns: Any = ({"role": "user", "content": content} for content in ("hi", parts))
            assert copy.messages.create(model="m", max_tokens=9, messages=turns).stop_reason == "refusal"
    assert upstream.requests == []


@WAYS
def test_blocks_may_be_raised(server: tuple[str, Server], way: str) -> None:
    with a_client(server[0], way, on_block="raise") as client:
        for text in ("a BOMB", "please"):
            with pytest.raises(anthropic.BadRequestError) as error:
                ask(client, text)
            assert error.value.response.json()["guardian"]["findings"] == ["weapons"]
        with pytest.raises(anthropic.APIStatusError):
            list(ask(client, "please", stream=True))


@WAYS
def test_errors_of_the_upstream_and_other_endpoints_pass(server: tuple[str, Server], way: str) -> None:
    turn: Any = {"role": "user", "content": "a BOMB"}
    with a_client(server[0], way) as client:
        with pytest.raises(anthropic.BadRequestError, match="no"):
            ask(client, "fail")
        assert client.messages.count_tokens(model="m", messages=[turn]).input_tokens == 3
    with a_client(server[0], way, unknown="refuse") as client, pytest.raises(anthropic.PermissionDeniedError):
        client.messages.count_tokens(model="m", messages=[turn])


def test_beta_messages_are_guarded(server: tuple[str, Server]) -> None:
    with a_client(server[0]) as client:
        message = client.beta.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": "please"}])
    assert message.stop_reason == "refusal"


def test_async(server: tuple[str, Server]) -> None:
    async def main() -> None:
        client = guard_anthropic(AsyncAnthropic(api_key="k", base_url=server[0]), a_guardian(), holdback_chars=64)
        async with client:
            for text in ("a BOMB", "please"):
                turn: Any = [{"role": "user", "content": text}]
                message = await client.messages.create(model="m", max_tokens=9, messages=turn)
                assert message.stop_reason == "refusal"
                async with client.messages.stream(model="m", max_tokens=9, messages=turn) as stream:
                    assert (await stream.get_final_message()).stop_reason == "refusal"
            with pytest.raises(anthropic.BadRequestError, match="no"):
                await client.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": "fail"}])
        async with client.with_options(middleware=[GuardianMiddleware(a_guardian(), unknown="refuse")]) as strict:
            with pytest.raises(anthropic.PermissionDeniedError):
                await strict.messages.count_tokens(model="m", messages=[{"role": "user", "content": "x"}])

    asyncio.run(main())


@pytest.mark.parametrize("face", ["sync", "async"])
def test_an_outage_is_raised_as_it_is(face: str) -> None:
    guardian = Guardian(backend=ScriptedBackend(fail=BackendError("prompt", "out of memory")))
    middleware = GuardianMiddleware(guardian)
    turn: Any = [{"role": "user", "content": "x"}]

    def sync_call() -> None:
        with Anthropic(api_key="k", base_url="http://127.0.0.1:9", middleware=[middleware]) as client:
            client.messages.create(model="m", max_tokens=9, messages=turn)

    async def async_call() -> None:
        async with AsyncAnthropic(api_key="k", base_url="http://127.0.0.1:9", middleware=[middleware]) as client:
            await client.messages.create(model="m", max_tokens=9, messages=turn)

    with pytest.raises(GuardUnavailable):
        sync_call() if face == "sync" else asyncio.run(async_call())


def test_what_is_no_client_is_named() -> None:
    with pytest.raises(ConfigError, match="client: must be a client of anthropic 2, not int"):
        guard_anthropic(3)


def test_the_package_is_asked_for_by_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "guardian.adapters.anthropic")
    monkeypatch.setitem(sys.modules, "anthropic", None)
    with pytest.raises(ImportError, match=r"pip install 'slm-guardian\[anthropic\]'"):
        __import__("guardian.adapters.anthropic")
