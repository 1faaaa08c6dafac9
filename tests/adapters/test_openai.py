"""OpenAI's own client against a local server: what its users see."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest

pytest.importorskip("httpx", reason="needs the extra openai")
pytest.importorskip("httpx2", reason="needs the extra openai")
pytest.importorskip("openai", reason="needs the extra openai")

import httpx
import openai
from guardian.adapters.openai import guard_openai
from openai import AsyncOpenAI, AzureOpenAI, OpenAI
from pydantic import BaseModel

from guardian import BackendError, ConfigError, Guardian, GuardUnavailable, ScriptedBackend
from tests.adapters.upstream import (
    Answer,
    Json,
    call_item,
    chat_answer,
    chat_stream,
    message_item,
    response_object,
    response_stream,
    served,
)
from tests.chunks import chunked

RULES = {"BOMB": {"harm": 0.99, "weapons": 0.98}}
CALM = "calm words and more of them. " * 8


def answer(path: str, body: Json) -> Answer:
    """Says back what it was asked, in the API's shape."""
    said = body.get("input") or body.get("messages", [{}])[-1].get("content") or ""
    said = said if isinstance(said, str) else "hi"
    said = CALM + said.replace("please", "a BOMB and the rest of it")
    if path.endswith("/responses"):
        items = [message_item(said)] + [call_item("f", '{"x": "a BOMB"}')] * ("call" in said)
        whole, stream = response_object(*items), response_stream(*items)
    else:
        whole, stream = chat_answer(said), chat_stream(said)
    if body.get("stream"):
        return 200, "text/event-stream", (stream[i : i + 100] for i in range(0, len(stream), 100))
    return 200, "application/json", iter([json.dumps(whole).encode()])


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served(answer) as (base, _):
        yield f"{base}/v1"


def a_guardian() -> Guardian:
    return Guardian(backend=ScriptedBackend(RULES))


def a_client(url: str, **options: Any) -> OpenAI:
    client: OpenAI = guard_openai(OpenAI(api_key="k", base_url=url), a_guardian(), holdback_chars=64, **options)
    return client


def chat(text: str) -> Any:
    return [{"role": "user", "content": text}]


def test_chat(url: str) -> None:
    with a_client(url) as client:
        completion = client.chat.completions.create(model="m", messages=chat("hello"))
        assert completion.choices[0].message.content == CALM + "hello"
        for text, stage in (("a BOMB", "prompt"), ("please", "response")):
            completion = client.chat.completions.create(model="m", messages=chat(text))
            assert completion.choices[0].finish_reason == "content_filter"
            assert completion.choices[0].message.content is None
            assert (completion.choices[0].message.refusal or "").startswith("I can't help")
            assert completion.guardian["stage"] == stage  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "finish", "said"),
    [("hi", "stop", CALM + "hi"), ("a BOMB", "content_filter", ""), ("please", "content_filter", CALM)],
)
def test_chat_stream(url: str, text: str, finish: str, said: str) -> None:
    with a_client(url) as client, client.chat.completions.create(model="m", messages=chat(text), stream=True) as stream:
        chunks = [chunk for chunk in stream if chunk.choices]
    content = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == finish
    assert content == said if finish == "stop" else said.startswith(content)
    refusal = "".join(chunk.choices[0].delta.refusal or "" for chunk in chunks)
    assert refusal.startswith("I can't help") == (finish == "content_filter")


def test_the_header_says_what_was_decided(url: str) -> None:
    with a_client(url) as client:
        raw = client.chat.completions.with_raw_response.create(model="m", messages=chat("a BOMB"))
        assert raw.headers["x-guardian-verdict"] == "block; weapons"
        assert raw.parse().choices[0].finish_reason == "content_filter"


def test_responses(url: str) -> None:
    with a_client(url) as client:
        assert client.responses.create(model="m", input="hello").output_text == CALM + "hello"
        for text in ("a BOMB", "please", "call"):
            response = client.responses.create(model="m", input=text)
            assert response.status == "incomplete"
            assert response.incomplete_details is not None
            assert response.incomplete_details.reason == "content_filter"
            assert response.output_text == ""
            assert "I can't help" in response.to_json()


@pytest.mark.parametrize(
    ("text", "said"), [("hi", CALM + "hi"), ("a BOMB", ""), ("please", CALM), ("call", CALM + "call")]
)
def test_response_streams_are_what_the_helper_expects(url: str, text: str, said: str) -> None:
    with a_client(url) as client, client.responses.stream(model="m", input=text) as stream:
        kinds = [event.type for event in stream]
        events = list(kinds)
    assert events[0] == "response.created"
    assert events[-1] == ("response.completed" if text == "hi" else "response.incomplete")
    assert ("response.refusal.done" in kinds) == (text != "hi")
    with a_client(url) as client:
        deltas = [
            e.delta
            for e in client.responses.create(model="m", input=text, stream=True)
            if e.type == "response.output_text.delta"
        ]
    assert said.startswith("".join(deltas))
    assert text not in ("hi", "call") or "".join(deltas) == said


class Weather(BaseModel):
    city: str


def test_structured_outputs_and_helpers_end_as_for_a_refusal_of_openai(url: str) -> None:
    with a_client(url) as client:
        with pytest.raises(openai.ContentFilterFinishReasonError):
            client.chat.completions.parse(model="m", messages=chat("a BOMB"), response_format=Weather)
        with (
            pytest.raises(openai.ContentFilterFinishReasonError),
            client.chat.completions.stream(model="m", messages=chat("please")) as events,
        ):
            events.get_final_completion()
        with client.chat.completions.stream(model="m", messages=chat("hi")) as events:
            assert events.get_final_completion().choices[0].message.content == CALM + "hi"
        assert client.responses.parse(model="m", input="a BOMB", text_format=Weather).output_parsed is None


def test_a_copy_of_a_guarded_client_is_guarded(url: str) -> None:
    with a_client(url) as client:
        for copy in (client.copy(), client.with_options(timeout=9), guard_openai(client, a_guardian())):
            completion = copy.chat.completions.create(model="m", messages=chat("please"))
            assert completion.choices[0].finish_reason == "content_filter"


def test_a_block_is_not_tried_again() -> None:
    with served(answer) as (base, server), a_client(f"{base}/v1", on_block="raise") as client:
        with pytest.raises(openai.BadRequestError):
            client.with_options(max_retries=3).chat.completions.create(model="m", messages=chat("please"))
        assert len(server.requests) == 1


def test_blocks_may_be_raised(url: str) -> None:
    with a_client(url, on_block="raise") as client:
        for text in ("a BOMB", "please"):
            with pytest.raises(openai.BadRequestError) as error:
                client.chat.completions.create(model="m", messages=chat(text))
            assert error.value.code == "content_filter"
            assert error.value.response.json()["guardian"]["findings"] == ["weapons"]
        with pytest.raises(openai.APIError) as cut:
            list(client.chat.completions.create(model="m", messages=chat("please"), stream=True))
        assert cut.value.code == "content_filter"
        with pytest.raises(openai.APIError):
            list(client.responses.create(model="m", input="please", stream=True))


def test_async(url: str) -> None:
    async def main() -> None:
        async with guard_openai(AsyncOpenAI(api_key="k", base_url=url), a_guardian(), holdback_chars=64) as client:
            completion = await client.chat.completions.create(model="m", messages=chat("please"))
            assert completion.choices[0].finish_reason == "content_filter"
            stream = await client.chat.completions.create(model="m", messages=chat("please"), stream=True)
            chunks = [chunk async for chunk in stream if chunk.choices]
            assert chunks[-1].choices[0].finish_reason == "content_filter"
            async with client.responses.stream(model="m", input="please") as events:
                assert [event.type async for event in events][-1] == "response.incomplete"

    asyncio.run(main())


def test_a_legacy_http_client_is_kept(url: str) -> None:
    inner: Any = httpx.Client(headers={"x-mine": "1"})
    with guard_openai(OpenAI(api_key="k", base_url=url, http_client=inner), a_guardian()) as client:
        completion = client.chat.completions.create(model="m", messages=chat("a BOMB"))
        assert completion.choices[0].finish_reason == "content_filter"
    assert inner.is_closed


def test_azure(url: str) -> None:
    azure = AzureOpenAI(api_key="k", api_version="2025-01-01", azure_endpoint=url.removesuffix("/v1"))
    with guard_openai(azure, a_guardian()) as client:
        assert isinstance(client, AzureOpenAI)
        assert (
            client.chat.completions.create(model="m", messages=chat("please")).choices[0].finish_reason
            == "content_filter"
        )


def test_an_outage_is_raised_or_the_cause_of_what_is() -> None:
    guardian = Guardian(backend=ScriptedBackend(fail=BackendError("prompt", "out of memory")))
    client = guard_openai(OpenAI(api_key="k", base_url="http://127.0.0.1:9/v1", max_retries=0), guardian)
    with client, pytest.raises((GuardUnavailable, openai.APIConnectionError)) as error:
        client.chat.completions.create(model="m", messages=chat("hi"))
    # openai 2 wraps whatever a transport raises, openai 3 does not
    old = openai.__version__.startswith("2.")
    assert isinstance(error.value.__cause__ if old else error.value, BackendError)


def test_leaving_a_stream_hangs_up_on_the_upstream() -> None:
    going_on = threading.Event()

    def endless(_path: str, _body: Json) -> Answer:
        def chunks() -> Iterator[bytes]:
            for part in chunked(chat_stream("calm words. " * 200).decode(), [400]):
                yield part.encode()
            while not going_on.wait(0.01):
                yield b": ping\n\n"

        return 200, "text/event-stream", chunks()

    with served(endless) as (base, server):
        try:
            with a_client(f"{base}/v1") as client:
                stream = client.chat.completions.create(model="m", messages=chat("hi"), stream=True)
                assert next(iter(stream)).choices
                stream.close()
                assert server.hung_up.wait(20)
        finally:
            going_on.set()


def test_what_is_no_client_is_named() -> None:
    with pytest.raises(ConfigError, match="client: must be a client of openai, not int"):
        guard_openai(cast("Any", 3))


def test_the_package_is_asked_for_by_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "guardian.adapters.openai")
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(ImportError, match=r"pip install 'slm-guardian\[openai\]'"):
        __import__("guardian.adapters.openai")
