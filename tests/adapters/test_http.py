"""The transports, for both libraries and both faces, against upstreams that speak the true wire formats."""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

pytest.importorskip("httpx", reason="needs the extra http")
pytest.importorskip("httpx2", reason="needs the extra http")

import httpx
import httpx2
from guardian.adapters.http import AsyncGuardedTransport, GuardedTransport, guard_client
from hypothesis import given
from hypothesis import strategies as st

from guardian import BackendError, ConfigError, Guardian, GuardUnavailable, Policy, ScriptedBackend, Stage
from tests.adapters.upstream import (
    Body,
    Json,
    call_item,
    chat_answer,
    chat_chunk,
    chat_stream,
    events_of,
    message_item,
    messages_answer,
    messages_stream,
    response_object,
    response_stream,
    sse,
    text_block,
    tool_block,
)

RULES = {"BOMB": {"harm": 0.99, "weapons": 0.98}, "OVERRIDE": {"injection": 0.99}}
CHAT, COMPLETIONS, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages"
HOLDBACK = 64
KINDS = pytest.mark.parametrize("kind", ["httpx", "httpx2", "httpx async", "httpx2 async"])


def a_guardian(rules: Any = RULES, **policy: Any) -> Guardian:
    return Guardian(backend=ScriptedBackend(rules), policy=Policy.from_mapping(policy))


@dataclass
class Upstream:
    """What a mock transport answers: `content` as JSON or as events, in chunks of `length` bytes."""

    content: Json | bytes
    status: int = 200
    length: int = 7
    headers: dict[str, str] = field(default_factory=dict)
    error: Exception | None = None
    requests: list[Any] = field(default_factory=list)
    body: Body = field(default_factory=lambda: Body([]))

    def __call__(self, request: Any) -> Any:
        self.requests.append(request)
        library = httpx2 if isinstance(request, httpx2.Request) else httpx
        is_json = isinstance(self.content, dict)
        content = json.dumps(self.content).encode() if isinstance(self.content, dict) else self.content
        media_type = "application/json" if is_json else "text/event-stream; charset=utf-8"
        self.body = Body([content[i : i + self.length] for i in range(0, len(content), self.length)], self.error)
        headers = {"content-type": media_type, "x-request-id": "r1"} | self.headers
        return library.Response(self.status, headers=headers, stream=self.body)

    @property
    def asked(self) -> Any:
        """The body of the only request."""
        (request,) = self.requests
        assert request.headers["content-length"] == str(len(request.content))
        return json.loads(request.content)


def send(
    upstream: Callable[[Any], Any],
    body: Json | bytes,
    guardian: Guardian,
    *,
    path: str = CHAT,
    method: str = "POST",
    kind: str = "httpx2",
    headers: Any = None,
    **options: Any,
) -> Any:
    """Send one request through a guarded transport, and read the whole response."""
    library: Any = httpx2 if "httpx2" in kind else httpx
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    options = {"holdback_chars": HOLDBACK} | options
    request = library.Request(method, f"http://upstream{path}", content=content, headers=headers)
    mock = library.MockTransport(upstream)

    async def asynchronous() -> Any:
        async with library.AsyncClient(transport=AsyncGuardedTransport(mock, guardian, **options)) as client:
            return await client.send(request)

    if "async" in kind:
        return asyncio.run(asynchronous())
    with library.Client(transport=GuardedTransport(mock, guardian, **options)) as client:
        return client.send(request)


def asked(text: str = "hello", **more: Any) -> Json:
    return {"model": "m", "messages": [{"role": "user", "content": text}], **more}


def streamed(content: bytes, field: str = "content") -> str:
    """The text that a chat stream delivers."""
    deltas = [c["delta"] for event in events_of(content) for c in event.get("choices", ())]
    return "".join(delta.get(field) or "" for delta in deltas)


# -- what is clear


@KINDS
def test_a_clear_exchange_is_what_it_would_have_been(kind: str) -> None:
    upstream = Upstream(chat_answer("hi there"))
    response = send(upstream, asked("hello", temperature=0.5), a_guardian(), kind=kind)
    assert response.json() == chat_answer("hi there")
    assert response.headers["x-guardian-verdict"] == "allow"
    assert response.headers["x-request-id"] == "r1"
    assert upstream.asked == asked("hello", temperature=0.5)
    assert upstream.body.closed


@KINDS
@pytest.mark.parametrize("length", [1, 5, 100_000])
def test_a_clear_stream_arrives_byte_for_byte(kind: str, length: int) -> None:
    content = chat_stream("Café 漢字 in the morning, " * 12, length=3)
    response = send(Upstream(content, length=length), asked(stream=True), a_guardian(), kind=kind)
    assert response.content == content
    assert response.headers["x-guardian-verdict"] == "allow"


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@KINDS
def test_compressed_answers_are_read(kind: str, coding: str) -> None:
    def pack(content: bytes) -> bytes:
        return gzip.compress(content) if coding == "gzip" else zlib.compress(content)

    headers = {"content-encoding": coding}
    content = chat_stream("calm words and more of them")
    response = send(Upstream(pack(content), headers=headers), asked(stream=True), a_guardian(), kind=kind)
    assert response.content == content
    assert "content-encoding" not in response.headers
    packed = pack(json.dumps(chat_answer("a BOMB")).encode())
    upstream = Upstream(packed, headers=headers | {"content-type": "application/json"})
    response = send(upstream, asked(), a_guardian(), kind=kind)
    assert response.json()["choices"][0]["finish_reason"] == "content_filter"
    assert int(response.headers["content-length"]) == len(response.content)


@KINDS
def test_a_compressed_request_is_read(kind: str) -> None:
    upstream = Upstream(chat_answer("hi"))
    headers = {"content-encoding": "gzip"}
    body = gzip.compress(json.dumps(asked("a BOMB")).encode())
    response = send(upstream, body, a_guardian(), kind=kind, headers=headers)
    assert response.json()["choices"][0]["finish_reason"] == "content_filter"
    assert upstream.requests == []
    body = gzip.compress(json.dumps(asked("hi")).encode())
    assert send(upstream, body, a_guardian(), kind=kind, headers=headers).json() == chat_answer("hi")
    assert upstream.requests[0].content == body
    assert send(upstream, b"\x1f\x8bnope", a_guardian(), kind=kind, headers=headers).status_code == 400


@pytest.mark.parametrize("status", [400, 429, 500, 302])
@KINDS
def test_errors_of_the_upstream_pass_as_they_are(kind: str, status: int) -> None:
    error = {"error": {"message": "a BOMB", "code": None}}
    response = send(Upstream(error, status=status), asked(), a_guardian(), kind=kind)
    assert (response.status_code, response.json()) == (status, error)


# -- prompts


def asked_of_document(document: Json, within: str | None = None) -> Json:
    part = {"type": "document", **document}
    content = [part if within is None else {"type": within, "content": [part]}]
    return {"messages": [{"role": "user", "content": content}]}


@KINDS
@pytest.mark.parametrize("stream", [False, True])
def test_a_blocked_prompt_never_leaves(kind: str, stream: bool) -> None:
    upstream = Upstream(chat_answer("hi"))
    response = send(upstream, asked("a BOMB", stream=stream), a_guardian(), kind=kind)
    assert upstream.requests == []
    assert response.status_code == 200
    assert response.headers["x-guardian-verdict"] == "block; weapons"
    if stream:
        assert response.content.endswith(b"data: [DONE]\n\n")
        events = events_of(response.content)
        assert streamed(response.content, "refusal").startswith("I can't help")
        assert events[-1]["choices"][0]["finish_reason"] == "content_filter"
        said = events[-1]["guardian"]
    else:
        (choice,) = response.json()["choices"]
        assert choice["finish_reason"] == "content_filter"
        assert choice["message"]["refusal"].startswith("I can't help")
        assert choice["message"]["content"] is None
        said = response.json()["guardian"]
    assert said == {"action": "block", "stage": "prompt", "severity": "unsafe", "findings": ["weapons"]}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, {"messages": [{"role": "user", "content": [{"type": "text", "text": "a BOMB"}]}]}),
        (CHAT, {"messages": [{"role": "user", "content": "hi"}, {"role": "tool", "content": "a BOMB"}]}),
        (COMPLETIONS, {"prompt": "a BOMB"}),
        (COMPLETIONS, {"prompt": ["hi", "a BOMB"]}),
        (COMPLETIONS, {"prompt": "hi", "suffix": "a BOMB"}),
        (RESPONSES, {"input": "a BOMB"}),
        (RESPONSES, {"input": [{"role": "user", "content": "a BOMB"}]}),
        (
            RESPONSES,
            {"input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "BOMB"}]}]},
        ),
        (RESPONSES, {"input": [{"type": "function_call_output", "call_id": "c", "output": "a BOMB"}]}),
        (
            RESPONSES,
            {"input": [{"type": "custom_tool_call_output", "output": [{"type": "input_text", "text": "BOMB"}]}]},
        ),
        (RESPONSES, {"input": [{"type": "shell_call_output", "output": [{"stdout": "", "stderr": "BOMB"}]}]}),
        (RESPONSES, {"input": [{"type": "program_output", "result": "BOMB"}]}),
        (RESPONSES, {"input": [{"type": "code_interpreter_call", "code": "x", "outputs": [{"logs": "BOMB"}]}]}),
        (RESPONSES, {"input": [{"type": "file_search_call", "queries": ["x"], "results": [{"text": "BOMB"}]}]}),
        (MESSAGES, asked_of_document({"title": "BOMB", "source": {"type": "text", "data": "x"}})),
        (MESSAGES, asked_of_document({"context": "BOMB", "source": {"type": "base64", "data": "x"}})),
        (MESSAGES, asked_of_document({"title": "BOMB", "source": {"type": "url", "url": "x"}}, "tool_result")),
        (RESPONSES, {"input": "hi", "prompt": {"id": "p", "variables": {"a": "BOMB"}}}),
        (RESPONSES, {"prompt": {"id": "p", "variables": {"a": {"type": "input_text", "text": "BOMB"}}}}),
        (MESSAGES, {"messages": [{"role": "user", "content": "a BOMB"}]}),
        (MESSAGES, {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": "a BOMB"}]}]}),
        (
            MESSAGES,
            {"messages": [{"role": "user", "content": [{"type": "search_result", "content": [{"text": "BOMB"}]}]}]},
        ),
        (
            MESSAGES,
            {
                "messages": [
                    {"role": "user", "content": [{"type": "document", "source": {"type": "text", "data": "BOMB"}}]}
                ]
            },
        ),
        (
            MESSAGES,
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {
                                "type": "tool_result",
                                "content": [{"type": "document", "source": {"type": "text", "data": "a BOMB"}}],
                            }
                        ],
                    }
                ]
            },
        ),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_every_place_of_a_request_is_read(path: str, body: Json, stream: bool) -> None:
    upstream = Upstream({})
    response = send(upstream, {"model": "m", "stream": stream, **body}, a_guardian(), path=f"/proxy{path}")
    assert upstream.requests == []
    assert response.status_code == 200
    assert "I can't help" in response.text
    assert "BOMB" not in response.text


def test_the_refusals_of_each_api() -> None:
    guardian = a_guardian()
    completion = send(Upstream({}), {"prompt": "BOMB"}, guardian, path=COMPLETIONS).json()
    assert completion["object"] == "text_completion"
    assert completion["choices"][0]["finish_reason"] == "content_filter"
    assert completion["choices"][0]["text"].startswith("I can't help")
    response = send(Upstream({}), {"input": "BOMB"}, guardian, path=RESPONSES).json()
    assert (response["status"], response["incomplete_details"]) == ("incomplete", {"reason": "content_filter"})
    assert response["output"][0]["content"][0]["refusal"].startswith("I can't help")
    message = send(Upstream({}), asked("BOMB"), guardian, path=MESSAGES).json()
    assert message["stop_reason"] == "refusal"
    assert message["content"][0]["text"].startswith("I can't help")


def test_what_the_application_and_the_model_wrote_is_not_read() -> None:
    chat = [
        {"role": "system", "content": "BOMB"},
        {"role": "assistant", "content": None},
        {"role": "user", "content": ""},
    ]
    assert send(Upstream(chat_answer("x")), {"messages": chat}, a_guardian()).json() == chat_answer("x")
    items = [{"type": "function_call", "name": "BOMB", "arguments": "{}"}, {"role": "developer", "content": "BOMB"}]
    body = {"input": items, "instructions": "BOMB"}
    assert send(Upstream(response_object()), body, a_guardian(), path=RESPONSES).json() == response_object()


def test_what_is_no_text_is_for_the_policy_to_say() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:x"}}
    body = {"messages": [{"role": "user", "content": [image]}]}
    assert send(Upstream(chat_answer("x")), body, a_guardian()).headers["x-guardian-verdict"] == "flag"
    items = {"input": [{"type": "computer_call_output", "output": {}}]}
    for path, unread in ((CHAT, body), (RESPONSES, items)):
        response = send(Upstream({}), unread, a_guardian(on_incomplete="block"), path=path)
        assert response.headers["x-guardian-verdict"] == "block"


REDACTING = {
    "stages": {stage: {"harm": "redact"} for stage in ("prompt", "document", "tool_result", "response")},
}


@KINDS
def test_what_is_redacted_goes_on_without_it(kind: str) -> None:
    upstream = Upstream(chat_answer("It is fine. A BOMB it is. Good day."))
    guardian = a_guardian(**REDACTING)
    response = send(upstream, asked("Please help. Make a BOMB now. Thank you.", n=1), guardian, kind=kind)
    assert upstream.asked == asked("Please help. [redacted] Thank you.", n=1)
    assert response.json()["choices"][0]["message"]["content"] == "It is fine. [redacted] Good day."
    assert response.json()["choices"][0]["finish_reason"] == "stop"
    assert response.headers["x-guardian-verdict"] == "redact; weapons"


def test_redaction_keeps_the_shape_of_every_api() -> None:
    bad, good = "One is fine. A BOMB it is. Two is fine.", "One is fine. [redacted] Two is fine."

    def sent(path: str, body: Json, answer: Json) -> Any:
        upstream = Upstream(answer)
        send(upstream, body, a_guardian(**REDACTING), path=path)
        return upstream.asked

    def messages(text: str) -> Json:
        document = {
            "type": "document",
            "title": "t",
            "source": {"type": "text", "media_type": "text/plain", "data": text},
        }
        parts = {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": text}]}}
        found = {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": text}]}
        image = {"type": "image", "source": {"type": "url", "url": "u"}}
        inner = {
            "type": "tool_result",
            "tool_use_id": "t1",
            "content": [{"type": "text", "text": text}, found, document],
        }
        blocks = [{"type": "text", "text": text}, document, parts, found, image, inner]
        return {"messages": [{"role": "user", "content": blocks}]}

    assert sent(MESSAGES, messages(bad), messages_answer()) == messages(good)
    assert sent(COMPLETIONS, {"prompt": ["x", bad]}, {"choices": []}) == {"prompt": ["x", good]}

    def items(text: str) -> Json:
        return {
            "input": [
                {"role": "user", "content": [{"type": "input_text", "text": text}]},
                {"type": "function_call_output", "call_id": "c", "output": text},
                {"type": "shell_call_output", "output": [{"stdout": text, "stderr": ""}]},
            ],
            "prompt": {"variables": {"a": text, "b": {"type": "input_text", "text": text}}},
        }

    assert sent(RESPONSES, items(bad), response_object()) == items(good)
    assert sent(RESPONSES, {"input": bad}, response_object()) == {"input": good}


def test_the_task_of_a_document_is_the_prompt() -> None:
    backend = ScriptedBackend()
    document = {"type": "document", "source": {"type": "text", "data": "a long report"}}
    body = {"messages": [{"role": "user", "content": [document, {"type": "text", "text": "Summarise it"}]}]}
    send(Upstream(messages_answer()), body, Guardian(backend=backend), path=MESSAGES)
    pieces = [piece for call in backend.calls for piece in call if piece.stage is Stage.DOCUMENT]
    assert {piece.text for piece in pieces} == {"a long report"}
    assert "Summarise it" in {piece.context for piece in pieces}


# -- answers


@pytest.mark.parametrize(
    ("path", "answer", "refused"),
    [
        (CHAT, chat_answer("a BOMB"), '"finish_reason": "content_filter"'),
        (CHAT, chat_answer("hi", reasoning_content="a BOMB"), '"finish_reason": "content_filter"'),
        (CHAT, chat_answer("hi", thoughts="a BOMB"), '"finish_reason": "content_filter"'),
        (
            CHAT,
            chat_answer("hi", reasoning_details=[{"type": "reasoning.summary", "summary": "BOMB"}]),
            "content_filter",
        ),
        (CHAT, chat_answer("hi", audio={"id": "a", "data": "x", "transcript": "BOMB"}), "content_filter"),
        (
            CHAT,
            chat_answer(
                "", tool_calls=[{"id": "1", "type": "function", "function": {"name": "f", "arguments": "BOMB"}}]
            ),
            "content_filter",
        ),
        (CHAT, chat_answer("", function_call={"name": "f", "arguments": "BOMB"}), "content_filter"),
        (CHAT, chat_answer("hi", thinking_blocks=[{"type": "thinking", "thinking": "BOMB"}]), "content_filter"),
        (CHAT, chat_answer("hi", provider_specific_fields={"a": {"b": ["BOMB"]}}), "content_filter"),
        (
            CHAT,
            {"choices": [{"message": {"content": [{"type": "thinking", "thinking": [{"text": "BOMB"}]}]}}]},
            "content_filter",
        ),
        (COMPLETIONS, {"choices": [{"text": "a BOMB", "index": 0}]}, '"finish_reason": "content_filter"'),
        (RESPONSES, response_object(message_item("a BOMB")), '"status": "incomplete"'),
        (RESPONSES, response_object(call_item("f", '{"x": "BOMB"}')), '"reason": "content_filter"'),
        (
            RESPONSES,
            response_object({"type": "reasoning", "summary": [{"type": "summary_text", "text": "BOMB"}]}),
            "refusal",
        ),
        (RESPONSES, response_object({"type": "shell_call", "action": {"commands": ["BOMB"]}}), "refusal"),
        (RESPONSES, response_object({"type": "program", "code": "BOMB"}), "refusal"),
        (RESPONSES, response_object({"type": "program_output", "result": "BOMB"}), "refusal"),
        (RESPONSES, response_object({"type": "shell_call_output", "output": [{"stdout": "BOMB"}]}), "refusal"),
        (RESPONSES, response_object({"type": "mcp_call", "arguments": "{}", "output": "BOMB"}), "refusal"),
        (RESPONSES, response_object({"type": "file_search_call", "results": [{"text": "BOMB"}]}), "refusal"),
        (RESPONSES, response_object({"type": "code_interpreter_call", "outputs": [{"logs": "BOMB"}]}), "refusal"),
        (RESPONSES, response_object({"type": "image_generation_call", "revised_prompt": "BOMB"}), "refusal"),
        (RESPONSES, response_object(message_item("a BOMB")) | {"output_text": "a BOMB"}, "refusal"),
        (MESSAGES, messages_answer({"type": "text", "text": "hi", "citations": [{"cited_text": "BOMB"}]}), "refusal"),
        (MESSAGES, messages_answer({"type": "mcp_tool_result", "content": [{"text": "BOMB"}]}), "refusal"),
        (
            MESSAGES,
            messages_answer({"type": "bash_code_execution_tool_result", "content": {"stdout": "BOMB"}}),
            "refusal",
        ),
        (
            MESSAGES,
            messages_answer({"type": "web_fetch_tool_result", "content": {"source": {"type": "text", "data": "BOMB"}}}),
            "refusal",
        ),
        (MESSAGES, messages_answer({"type": "compaction", "content": "BOMB"}), "refusal"),
        (MESSAGES, messages_answer({"type": "text", "text": "a BOMB"}), '"stop_reason": "refusal"'),
        (MESSAGES, messages_answer({"type": "thinking", "thinking": "BOMB", "signature": "s"}), '"refusal"'),
        (MESSAGES, messages_answer({"type": "tool_use", "id": "t", "name": "f", "input": {"a": "BOMB"}}), '"refusal"'),
    ],
)
def test_every_place_of_an_answer_is_read(path: str, answer: Json, refused: str) -> None:
    body = {"prompt": "hi"} if path == COMPLETIONS else {"input": "hi"} if path == RESPONSES else asked()
    response = send(Upstream(answer), body, a_guardian(), path=path)
    assert response.status_code == 200
    assert refused in response.text
    assert "BOMB" not in response.text
    assert "I can't help" in response.text
    assert response.headers["x-guardian-verdict"].startswith("block")


def test_an_answer_is_read_against_its_prompt() -> None:
    backend = ScriptedBackend()
    send(Upstream(chat_answer("one", "two")), asked("the prompt"), Guardian(backend=backend))
    pieces = [piece for call in backend.calls for piece in call if piece.stage is Stage.RESPONSE]
    assert [(piece.context, piece.text) for piece in pieces] == [("the prompt", "one"), ("the prompt", "two")]


def test_only_the_choice_that_is_stopped_is_refused() -> None:
    response = send(Upstream(chat_answer("fine", "a BOMB", "good")), asked(n=3), a_guardian())
    assert [c["finish_reason"] for c in response.json()["choices"]] == ["stop", "content_filter", "stop"]
    assert [c["message"]["content"] for c in response.json()["choices"]] == ["fine", None, "good"]


def test_tokens_do_not_give_away_what_was_redacted() -> None:
    answer = chat_answer("Fine. A BOMB it is. Good.")
    answer["choices"][0]["logprobs"] = {"content": [{"token": "BOMB"}]}
    assert "BOMB" not in send(Upstream(answer), asked(), a_guardian(**REDACTING)).text
    item = message_item("Fine. A BOMB it is. Good.")
    item["content"][0]["logprobs"] = [{"token": "BOMB"}]
    response = send(Upstream(response_object(item)), {"input": "x"}, a_guardian(**REDACTING), path=RESPONSES)
    assert "[redacted]" in response.text
    assert "BOMB" not in response.text


def test_names_ids_and_encoded_data_are_not_read_as_texts() -> None:
    block = {"type": "web_search_tool_result", "tool_use_id": "BOMB", "content": [{"encrypted_content": "BOMB"}]}
    for path, answer in (
        (MESSAGES, messages_answer(block, {"type": "redacted_thinking", "data": "BOMB"})),
        (RESPONSES, response_object({"type": "image_generation_call", "id": "BOMB", "result": "BOMB"})),
        (CHAT, chat_answer("hi", images=[{"type": "image_url", "image_url": {"url": "BOMB"}}])),
    ):
        body = {"input": "x"} if path == RESPONSES else asked()
        assert send(Upstream(answer), body, a_guardian(), path=path).json() == answer


def test_what_repeats_a_text_is_redacted_with_it() -> None:
    text = "Fine. A BOMB it is. Good."
    answer = chat_answer(text, parsed={"said": [text]})
    (choice,) = send(Upstream(answer), asked(), a_guardian(**REDACTING)).json()["choices"]
    assert choice["message"]["parsed"] == {"said": ["Fine. [redacted] Good."]}
    response = response_object(message_item(text)) | {"output_text": text}
    redacted = send(Upstream(response), {"input": "x"}, a_guardian(**REDACTING), path=RESPONSES).json()
    assert redacted["output_text"] == "Fine. [redacted] Good."


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/responses/resp_1"), ("GET", f"{CHAT}/c1"), ("POST", f"{CHAT}/c1"), ("GET", "/V1/Responses/resp_1")],
)
def test_stored_answers_are_guarded_too(method: str, path: str) -> None:
    answer = response_object(message_item("a BOMB")) if "esponses" in path else chat_answer("a BOMB")
    response = send(Upstream(answer), {"metadata": {}}, a_guardian(), path=path, method=method)
    assert "BOMB" not in response.text
    assert "content_filter" in response.text


def test_lists_of_stored_answers_are_guarded_too() -> None:
    stored = {
        "object": "list",
        "data": [chat_answer("fine"), chat_answer("fine", "a BOMB", "A BOMB."), chat_answer("x")],
    }
    response = send(Upstream(stored), b"", a_guardian(), path=CHAT, method="GET").json()
    said = [[c["finish_reason"] for c in one["choices"]] for one in response["data"]]
    assert said == [["stop"], ["stop", "content_filter", "content_filter"], ["stop"]]
    assert "BOMB" not in json.dumps(response)
    assert "guardian" in response["data"][1]
    redacted = send(Upstream(stored), b"", a_guardian(**REDACTING), path=CHAT, method="GET").json()
    assert redacted["data"][1]["choices"][2]["message"]["content"] == "[redacted]"


# -- streams


def delivered(path: str, content: bytes, length: int, guardian: Guardian, **options: Any) -> Any:
    body = {"input": "x"} if path == RESPONSES else asked()
    return send(Upstream(content, length=length), body | {"stream": True}, guardian, path=path, **options)


@KINDS
@pytest.mark.parametrize("length", [1, 40])
def test_a_chat_stream_is_cut_before_what_is_blocked(kind: str, length: int) -> None:
    text = "calm words and more of them. " * 8 + "a BOMB" + " and the rest of it" * 20
    upstream = Upstream(chat_stream(text, length), length=11)
    response = send(upstream, asked(stream=True), a_guardian(), kind=kind)
    sent = streamed(response.content)
    assert text.startswith(sent)
    assert 0 < len(sent) <= text.index("BOMB")
    assert streamed(response.content, "refusal").startswith("I can't help")
    events = events_of(response.content)
    assert events[-1]["choices"][0]["finish_reason"] == "content_filter"
    assert events[-1]["guardian"]["stage"] == "response"
    assert {event["id"] for event in events} == {"chatcmpl-1"}
    assert response.content.endswith(b"data: [DONE]\n\n")
    assert upstream.body.closed
    assert upstream.body.given < len(upstream.body.chunks)  # nothing more was asked for


@given(
    st.lists(st.sampled_from(["calm ", "words\n", "é漢 ", "BO", "MB", "a BOMB ", "x" * 30, ". "]), max_size=40).map(
        "".join
    ),
    st.integers(1, 80),
    st.integers(1, 200),
    st.booleans(),
    st.sampled_from([CHAT, RESPONSES, MESSAGES]),
)
def test_chunks_change_neither_what_is_delivered_nor_what_is_decided(
    text: str, length: int, size: int, redact: bool, path: str
) -> None:
    def content(length: int) -> bytes:
        if path == CHAT:
            return chat_stream(text, length)
        return (
            response_stream(message_item(text), length=length)
            if path == RESPONSES
            else messages_stream(text_block(text, length))
        )

    def read(content: bytes) -> tuple[str, bool]:
        events = events_of(content)
        if path == CHAT:
            return streamed(content), "content_filter" in content.decode()
        if path == RESPONSES:
            said = [e["delta"] for e in events if e["type"] == "response.output_text.delta"]
            if events[-1]["type"] == "response.completed":
                (item,) = events[-1]["response"]["output"]
                assert item["content"][0]["text"] == "".join(said)
            return "".join(said), events[-1]["type"] == "response.incomplete"
        deltas = [e["delta"] for e in events if e["type"] == "content_block_delta" and e["index"] == 0]
        cut = '"stop_reason": "refusal"' in content.decode()
        said = [d["text"] for d in deltas]
        return "".join(said[:-1] if cut and not first_block_left(events) else said), cut

    guardian = a_guardian(**(REDACTING if redact else {}))
    sent, cut = read(delivered(path, content(length), size, guardian).content)
    assert (sent, cut) == read(delivered(path, content(100_000), 100_000, guardian).content)
    assert "BOMB" not in sent
    assert cut == ("BOMB" in text and not redact)
    assert text.startswith(sent) or redact
    assert cut or redact or sent == text


def first_block_left(events: list[Json]) -> bool:
    """Whether block 0 is the answer's own and not the refusal."""
    return [e["type"] for e in events].count("content_block_start") > 1


@pytest.mark.parametrize("length", [1, 9, 500])
def test_redaction_within_a_chat_stream(length: int) -> None:
    text = "All is calm here. A BOMB it is. " * 6 + "The end."
    content = delivered(CHAT, chat_stream(text, length), 50, a_guardian(**REDACTING)).content
    assert streamed(content) == "All is calm here. [redacted] " * 6 + "The end."
    assert b"BOMB" not in content
    assert events_of(content)[-1]["usage"]["total_tokens"] == 2


def test_each_choice_is_guarded_for_itself() -> None:
    first, second = "calm words here. " * 12, "other words. " * 6 + "a BOMB " + "more " * 30
    chunks: list[Any] = []
    for position in range(max(len(first), len(second))):
        chunks += [chat_chunk(index=i, content=t[position]) for i, t in enumerate((first, second)) if position < len(t)]
    chunks += [chat_chunk("stop", 0), chat_chunk("stop", 1), "data: [DONE]\n\n"]
    body = asked(stream=True, n=2)
    events = events_of(send(Upstream(sse(*chunks)), body, a_guardian()).content)

    def said(index: int) -> str:
        return "".join(c["delta"].get("content") or "" for e in events for c in e["choices"] if c["index"] == index)

    assert said(0) == first
    assert second.startswith(said(1))
    assert "BOMB" not in said(1)
    finished = {c["index"]: c["finish_reason"] for e in events for c in e["choices"] if c["finish_reason"]}
    assert finished == {0: "stop", 1: "content_filter"}


def test_choices_that_share_an_event() -> None:
    def both(one: str, two: str, finish: str | None = None) -> Json:
        return chat_chunk() | {
            "choices": [
                {"index": i, "delta": {"content": text}, "finish_reason": finish} for i, text in enumerate((one, two))
            ]
        }

    content = sse(both("calm ", "a BOMB "), both("words", "more", "stop"), "data: [DONE]\n\n")
    response = send(Upstream(content), asked(stream=True, n=2), a_guardian())
    events = events_of(response.content)
    assert (
        "".join(c["delta"].get("content") or "" for e in events for c in e["choices"] if c["index"] == 0)
        == "calm words"
    )
    assert "BOMB" not in response.text
    assert "more" not in response.text
    assert response.content.count(b"content_filter") == 1


def chat_tool_stream(arguments: str) -> bytes:
    def call(**function: str) -> Json:
        return chat_chunk(tool_calls=[{"index": 0, "function": function}])

    parts = [call(arguments=part) for part in arguments]
    end = chat_chunk("tool_calls")
    return sse(
        chat_chunk(role="assistant", content=None), call(name="f", arguments=""), *parts, end, "data: [DONE]\n\n"
    )


TOOLS = pytest.mark.parametrize(
    ("path", "make"),
    [
        (CHAT, chat_tool_stream),
        (MESSAGES, lambda arguments: messages_stream(text_block("Let me see."), tool_block("f", arguments))),
        (RESPONSES, lambda arguments: response_stream(message_item("Let me see."), call_item("f", arguments))),
    ],
)


@TOOLS
def test_a_clear_tool_call_is_streamed_as_it_is(path: str, make: Any) -> None:
    content = make('{"city": "Paris"}')
    backend = ScriptedBackend(RULES)
    assert delivered(path, content, 9, Guardian(backend=backend)).content == content
    (piece,) = [piece for call in backend.calls for piece in call if piece.stage is Stage.TOOL_CALL]
    assert piece.text == 'f({"city": "Paris"})'


@TOOLS
def test_nothing_of_a_blocked_tool_call_is_streamed(path: str, make: Any) -> None:
    response = delivered(path, make('{"city": "a BOMB"}'), 9, a_guardian())
    assert "city" not in response.text
    assert '"name": "f"' not in response.text
    assert "I can't help" in response.text
    assert response.text.count("content_filter") + response.text.count('"stop_reason": "refusal"') == 1


def test_a_tool_call_that_would_be_redacted_is_stopped() -> None:
    guardian = a_guardian(stages={"tool_call": {"harm": "redact"}})
    assert "BOMB" not in delivered(CHAT, chat_tool_stream("a BOMB"), 9, guardian).text
    call = {"function": {"name": "f", "arguments": "BOMB"}}
    response = send(Upstream(chat_answer("", tool_calls=[call])), asked(), guardian)
    assert response.json()["choices"][0]["finish_reason"] == "content_filter"


def test_a_cut_response_stream_is_well_formed() -> None:
    text = "calm words and more. " * 8 + "a BOMB and so on"
    events = events_of(delivered(RESPONSES, response_stream(message_item(text)), 30, a_guardian()).content)
    numbers = [event["sequence_number"] for event in events]
    assert numbers == sorted(set(numbers))
    opened = [e["output_index"] for e in events if e["type"] == "response.output_item.added"]
    closed = [e["output_index"] for e in events if e["type"] == "response.output_item.done"]
    assert opened == closed == [0, 1]
    sent = "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta")
    (done,) = [e["text"] for e in events if e["type"] == "response.output_text.done"]
    assert done == sent != ""
    final = events[-1]["response"]
    assert final["id"] == "resp_1"
    assert final["incomplete_details"] == {"reason": "content_filter"}
    assert final["output"][0]["content"][0]["text"] == sent
    assert final["output"][1]["content"][0]["type"] == "refusal"


def test_a_cut_message_stream_is_well_formed() -> None:
    text = "calm words and more. " * 8 + "a BOMB and so on"
    events = events_of(delivered(MESSAGES, messages_stream(text_block(text)), 30, a_guardian()).content)
    shape = [(e["type"], e.get("index")) for e in events if e["type"] not in ("content_block_delta", "ping")]
    assert shape == [
        ("message_start", None),
        ("content_block_start", 0),
        ("content_block_stop", 0),
        ("content_block_start", 1),
        ("content_block_stop", 1),
        ("message_delta", None),
        ("message_stop", None),
    ]
    assert events[-2]["delta"]["stop_reason"] == "refusal"
    assert events[-2]["delta"]["stop_details"]["type"] == "refusal"


def test_a_text_that_comes_only_whole_is_read() -> None:
    item = message_item("a BOMB")
    done = {"type": "response.output_item.done", "output_index": 0, "item": item, "sequence_number": 0}
    whole = {"type": "response.completed", "response": response_object(item), "sequence_number": 1}
    for event in (done, whole):
        response = delivered(RESPONSES, sse(event, named=True), 30, a_guardian())
        assert "BOMB" not in response.text
        assert "response.incomplete" in response.text
        redacted = delivered(RESPONSES, sse(event, named=True), 30, a_guardian(**REDACTING))
        assert "[redacted]" in redacted.text
        assert "BOMB" not in redacted.text


def test_thinking_is_signed_and_so_it_is_not_rewritten() -> None:
    thinking = (
        {"type": "thinking", "thinking": "", "signature": ""},
        [{"type": "thinking_delta", "thinking": "A BOMB."}],
    )
    response = delivered(MESSAGES, messages_stream(thinking, text_block("hi")), 30, a_guardian(**REDACTING))
    assert "BOMB" not in response.text
    assert '"stop_reason": "refusal"' in response.text


def test_reasoning_does_not_hold_back_the_answer_behind_it() -> None:
    thoughts = [chat_chunk(reasoning_content="think. ") for _ in range(20)]
    words = [chat_chunk(content="word ") for _ in range(400)]
    upstream = Upstream(sse(*thoughts, *words, chat_chunk("stop"), "data: [DONE]\n\n"), length=200)
    transport = GuardedTransport(httpx2.MockTransport(upstream), a_guardian(), holdback_chars=HOLDBACK)
    read = b""
    with (
        httpx2.Client(transport=transport) as client,
        client.stream("POST", f"http://upstream{CHAT}", json=asked(stream=True)) as response,
    ):
        for part in response.iter_bytes():
            read += part
            if streamed(read[: read.rfind(b"\n\n") + 2]):
                break
    assert streamed(read, "reasoning_content") == "think. " * 20
    assert upstream.body.given < len(upstream.body.chunks) / 4


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["content", "reasoning"]),
            st.lists(st.sampled_from(["calm ", "BO", "MB", "x" * 30, ". ", "é漢 "]), min_size=1, max_size=9).map(
                "".join
            ),
        ),
        max_size=9,
    ),
    st.integers(1, 80),
    st.booleans(),
)
def test_texts_that_take_turns_are_read_whatever_their_chunks(
    turns: list[tuple[str, str]], length: int, redact: bool
) -> None:
    def content(length: int) -> bytes:
        parts = [(name, text[i : i + length]) for name, text in turns for i in range(0, len(text), length)]
        return sse(
            *(chat_chunk(None, 0, **{name: part}) for name, part in parts), chat_chunk("stop"), "data: [DONE]\n\n"
        )

    def read(length: int) -> tuple[str, str, bool]:
        sent = delivered(CHAT, content(length), 100_000, guardian).content
        return streamed(sent), streamed(sent, "reasoning"), b"content_filter" in sent

    guardian = a_guardian(**(REDACTING if redact else {}))
    said, thought, cut = read(length)
    assert (said, thought, cut) == read(100_000)
    assert "BOMB" not in said
    assert "BOMB" not in thought
    if not cut and not redact:
        assert said == "".join(text for name, text in turns if name == "content")
        assert thought == "".join(text for name, text in turns if name == "reasoning")


def test_a_text_that_goes_on_later_is_read_behind_what_left() -> None:
    pause = "calm words. " * 20
    content = sse(chat_chunk(content="a BO"), chat_chunk(reasoning=pause), chat_chunk(content="MB"), chat_chunk("stop"))
    sent = delivered(CHAT, content, 100, a_guardian()).content
    assert (streamed(sent), streamed(sent, "reasoning")) == ("a BO", pause)
    assert events_of(sent)[-1]["choices"][0]["finish_reason"] == "content_filter"


def test_tokens_that_come_without_their_text_are_read() -> None:
    tokens = {"content": [{"token": "BO", "top_logprobs": []}, {"token": "MB", "top_logprobs": []}]}
    event = chat_chunk() | {"choices": [{"index": 0, "delta": {}, "logprobs": tokens}]}
    content = delivered(CHAT, sse(event, chat_chunk(content="fine"), chat_chunk("stop")), 9, a_guardian()).content
    assert b"MB" not in content
    assert b"content_filter" in content


def test_what_stands_beside_a_text_is_cut_with_it() -> None:
    more: Json = {"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{}"}}], "audio": {"data": "QUJD"}}
    text = "calm words. " * 9 + "a BOMB"
    event = chat_chunk(content=text, thinking_blocks=[{"thinking": text}], **more)
    content = delivered(CHAT, sse(event, chat_chunk("stop")), 9, a_guardian()).content
    assert 0 < len(streamed(content)) < text.index("BOMB")
    for gone in (b"BOMB", b"tool_calls", b"QUJD"):
        assert gone not in content


@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.function_call_arguments.done", "output_index": 0, "arguments": "BOMB", "name": "f"},
        {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": "BOMB"},
        {"type": "response.reasoning_part.done", "output_index": 0, "part": {"text": "BOMB"}},
        {"type": "response.output_text.annotation.added", "output_index": 0, "annotation": {"title": "BOMB"}},
        {"type": "response.output_item.done", "output_index": 0, "item": {"type": "program_output", "result": "BOMB"}},
    ],
)
def test_what_a_response_says_in_other_events_is_read_or_held(event: Json) -> None:
    ends = {"type": "response.completed", "response": response_object()}
    for events in ([event], [event, ends]):
        response = delivered(RESPONSES, sse(*events, named=True), 30, a_guardian())
        assert "BOMB" not in response.text
        assert "guardian_unreadable" in response.text or "response.incomplete" in response.text


def test_sound_of_a_response_waits_for_what_it_says() -> None:
    def events(transcript: str) -> bytes:
        sound = {"type": "response.audio.delta", "delta": "QUJD"}
        said = {"type": "response.audio.transcript.delta", "delta": transcript}
        ended = ({"type": "response.audio.done"}, {"type": "response.audio.transcript.done"})
        return sse(sound, said, *ended, {"type": "response.completed", "response": response_object()}, named=True)

    assert delivered(RESPONSES, events("calm"), 30, a_guardian()).content == events("calm")
    assert "QUJD" not in delivered(RESPONSES, events("a BOMB"), 30, a_guardian()).text


@pytest.mark.parametrize(
    "delta",
    [
        {"type": "compaction_delta", "content": "BOMB"},
        {"type": "citations_delta", "citation": {"type": "char_location", "cited_text": "BOMB"}},
    ],
)
def test_every_delta_of_a_message_is_read(delta: Json) -> None:
    response = delivered(MESSAGES, messages_stream(({"type": "text", "text": ""}, [delta])), 30, a_guardian())
    assert "BOMB" not in response.text
    assert '"stop_reason": "refusal"' in response.text


def test_sound_waits_for_what_it_says() -> None:
    def sound(**audio: str) -> Json:
        return chat_chunk(audio={"id": "a", **audio})

    end = ("data: [DONE]\n\n",)
    clear = sse(sound(data="QUJD"), sound(transcript="calm"), sound(data="REVG"), chat_chunk("stop"), *end)
    assert delivered(CHAT, clear, 9, a_guardian()).content == clear
    bad = sse(sound(data="QUJD"), sound(transcript="a BOMB"), chat_chunk("stop"), *end)
    assert "QUJD" not in delivered(CHAT, bad, 9, a_guardian()).text


def test_comments_names_and_line_ends_are_kept() -> None:
    def event(text: str) -> str:
        return f": note\r\nid: 7\r\ndata: {json.dumps(chat_chunk(content=text))}\r\n\r\n"

    content = (": ping\r\n\r\n" + event("Fine. A BOMB it is. ") + event("Good.") + "data: [DONE]\r\n\r\n").encode()
    response = delivered(CHAT, content, 3, a_guardian(**REDACTING))
    assert streamed(response.content) == "Fine. [redacted] Good."
    assert response.content.startswith(b": ping\r\n\r\n: note\r\nid: 7\r\ndata: {")
    assert response.content.endswith(b"data: [DONE]\r\n\r\n")


def test_a_stream_without_an_end_is_read_to_its_last_byte() -> None:
    content = sse(chat_chunk(content="calm"), chat_chunk(content=" words")).rstrip()
    assert delivered(CHAT, content, 5, a_guardian()).content == content
    content = sse(chat_chunk(content="a BO"), chat_chunk(content="MB")).rstrip()
    assert streamed(delivered(CHAT, content, 5, a_guardian()).content) == ""


@KINDS
def test_an_upstream_that_dies_leaves_nothing_unread(kind: str) -> None:
    library: Any = httpx2 if "httpx2" in kind else httpx
    error = library.ReadError("gone")
    upstream = Upstream(sse(chat_chunk(content="calm"), chat_chunk(content=" BOMB")), error=error)
    with pytest.raises(library.ReadError):
        send(upstream, asked(stream=True), a_guardian(), kind=kind)
    assert upstream.body.closed


@pytest.mark.parametrize("kind", ["httpx", "httpx2"])
def test_closing_the_answer_closes_the_upstream(kind: str) -> None:
    library: Any = httpx2 if kind == "httpx2" else httpx
    upstream = Upstream(chat_stream("calm words. " * 100), length=50)
    transport = GuardedTransport(library.MockTransport(upstream), a_guardian(), holdback_chars=HOLDBACK)
    with (
        library.Client(transport=transport) as client,
        client.stream("POST", f"http://upstream{CHAT}", json=asked(stream=True)) as response,
    ):
        chunks = response.iter_bytes()
        assert next(chunks)
        open_until_then = not upstream.body.closed
    assert open_until_then
    assert upstream.body.closed
    assert upstream.body.given < len(upstream.body.chunks)


@pytest.mark.parametrize("kind", ["httpx", "httpx2"])
def test_cancelling_an_async_reader_closes_the_upstream(kind: str) -> None:
    library: Any = httpx2 if kind == "httpx2" else httpx
    upstream = Upstream(chat_stream("calm words. " * 100), length=50)
    started = asyncio.Event()

    async def read() -> None:
        transport = AsyncGuardedTransport(library.MockTransport(upstream), a_guardian(), holdback_chars=HOLDBACK)
        async with (
            library.AsyncClient(transport=transport) as client,
            client.stream("POST", f"http://upstream{CHAT}", json=asked(stream=True)) as response,
        ):
            async for _ in response.aiter_bytes():
                started.set()
                await asyncio.sleep(60)

    async def main() -> None:
        task = asyncio.create_task(read())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert upstream.body.closed


@pytest.mark.parametrize("kind", ["httpx2", "httpx2 async"])
def test_a_stream_keeps_the_policy_of_its_request(kind: str) -> None:
    guardian = a_guardian()
    lenient = guardian.policy.with_overrides({"shadow": True})
    content = chat_stream("a BOMB")
    upstream = Upstream(content)
    transport = httpx2.MockTransport(upstream)

    async def asynchronous() -> bytes:
        async with httpx2.AsyncClient(transport=AsyncGuardedTransport(transport, guardian)) as client:
            with guardian.using(lenient):
                request = client.build_request("POST", f"http://upstream{CHAT}", json=asked(stream=True))
                response = await client.send(request, stream=True)
            return await response.aread()

    if "async" in kind:
        assert asyncio.run(asynchronous()) == content
        return
    with httpx2.Client(transport=GuardedTransport(transport, guardian)) as client:
        with guardian.using(lenient):
            request = client.build_request("POST", f"http://upstream{CHAT}", json=asked(stream=True))
            response = client.send(request, stream=True)
        assert response.read() == content


# -- actions and outages


@KINDS
def test_blocks_may_be_errors(kind: str) -> None:
    response = send(Upstream({}), asked("a BOMB"), a_guardian(), kind=kind, on_block="raise")
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "content_filter"
    assert response.json()["guardian"]["findings"] == ["weapons"]
    assert response.headers["x-should-retry"] == "false"
    assert send(Upstream(chat_answer("a BOMB")), asked(), a_guardian(), kind=kind, on_block="raise").status_code == 400
    content = send(
        Upstream(chat_stream("a BOMB")), asked(stream=True), a_guardian(), kind=kind, on_block="raise"
    ).content
    assert events_of(content)[-1]["error"]["code"] == "content_filter"
    assert b"BOMB" not in content


def test_the_action_reply_always_replies() -> None:
    guardian = a_guardian(stages={"prompt": {"harm": "reply"}, "response": {"harm": "reply"}})
    for upstream, body in ((Upstream({}), asked("a BOMB")), (Upstream(chat_answer("a BOMB")), asked())):
        response = send(upstream, body, guardian, on_block="raise")
        assert response.json()["choices"][0]["message"]["refusal"].startswith("I can't help")
    content = send(Upstream(chat_stream("a BOMB")), asked(stream=True), guardian, on_block="raise").content
    assert streamed(content, "refusal").startswith("I can't help")


@KINDS
def test_shadow_mode_changes_nothing(kind: str) -> None:
    guardian = a_guardian(shadow=True)
    upstream = Upstream(chat_answer("a BOMB"))
    response = send(upstream, asked("a BOMB"), guardian, kind=kind)
    assert response.json() == chat_answer("a BOMB")
    assert upstream.asked == asked("a BOMB")
    assert response.headers["x-guardian-verdict"] == "allow; weapons"
    content = chat_stream("a BOMB " * 40)
    assert send(Upstream(content), asked(stream=True), guardian, kind=kind).content == content


@KINDS
def test_an_outage_is_for_the_fail_mode_to_say(kind: str) -> None:
    def guardian(mode: str) -> Guardian:
        policy = Policy.from_mapping({"fail_mode": {"prompt": mode, "response": mode}})
        return Guardian(backend=ScriptedBackend(fail=BackendError("prompt", "out of memory")), policy=policy)

    upstream = Upstream(chat_answer("hi"))
    with pytest.raises(GuardUnavailable):
        send(upstream, asked(), guardian("closed"), kind=kind)
    assert upstream.requests == []
    assert send(upstream, asked(), guardian("open"), kind=kind).json() == chat_answer("hi")
    content = chat_stream("calm words. " * 20)
    assert send(Upstream(content), asked(stream=True), guardian("open"), kind=kind).content == content


@KINDS
def test_an_outage_within_a_stream_lets_nothing_more_out(kind: str) -> None:
    policy = Policy.from_mapping({"fail_mode": {"prompt": "open"}})
    guardian = Guardian(backend=ScriptedBackend(fail=BackendError("response", "out of memory")), policy=policy)
    upstream = Upstream(chat_stream("calm words. " * 20))
    with pytest.raises(GuardUnavailable):
        send(upstream, asked(stream=True), guardian, kind=kind)
    assert upstream.body.closed


# -- what is not known


@KINDS
def test_unknown_endpoints_pass_or_are_refused(kind: str) -> None:
    upstream = Upstream({"data": "BOMB"})
    for path in (
        "/v1/embeddings",
        "/v1/messages/count_tokens",
        "/v1/threads/t/messages",
        "/v1/responses/r/input_items",
    ):
        assert send(upstream, b"\xffBOMB", a_guardian(), path=path, kind=kind).json() == {"data": "BOMB"}
        response = send(upstream, {}, a_guardian(), path=path, kind=kind, unknown="refuse")
        assert (response.status_code, response.headers["x-guardian-verdict"]) == (403, "refused; unknown_endpoint")
    assert len(upstream.requests) == 4


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, b""),
        (CHAT, b"{"),
        (CHAT, b"\xff\xfe"),
        (CHAT, b"[" * 100_000),
        (CHAT, b"[]"),
        (CHAT, b'{"messages": [{"role": "user", "content": "BOMB"}], "messages": [{"role": "user", "content": "x"}]}'),
        (CHAT, {}),
        (CHAT, {"messages": []}),
        (CHAT, {"messages": "BOMB"}),
        (CHAT, {"messages": ["BOMB"]}),
        (CHAT, {"messages": [{"role": "BOMB", "content": ""}]}),
        (CHAT, {"messages": [{"role": "user", "content": 3}]}),
        (CHAT, {"messages": [{"role": "user", "content": {"text": "BOMB"}}]}),
        (COMPLETIONS, {}),
        (COMPLETIONS, {"prompt": [1, 2]}),
        (COMPLETIONS, {"prompt": [[1, 2]]}),
        (RESPONSES, {"input": 3}),
        (RESPONSES, {"input": [{"role": "user", "content": 3}]}),
        (RESPONSES, {"input": [{"type": ["BOMB"]}]}),
        (RESPONSES, {"prompt": {"variables": ["BOMB"]}}),
        (MESSAGES, {"messages": [{"role": "user", "content": [{"type": "document", "source": {"type": "text"}}]}]}),
        (MESSAGES, {"messages": [{"role": "user", "content": [{"type": "search_result", "content": [3]}]}]}),
    ],
)
def test_a_request_that_cannot_be_read_is_refused(path: str, body: Json | bytes) -> None:
    upstream = Upstream({})
    response = send(upstream, body, a_guardian(), path=path)
    assert upstream.requests == []
    assert (response.status_code, response.headers["x-guardian-verdict"]) == (400, "refused; unreadable")
    assert "BOMB" not in response.text


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        (CHAT, {}),
        (CHAT, {"choices": "BOMB"}),
        (CHAT, {"choices": ["BOMB"]}),
        (CHAT, {"choices": [{"message": "BOMB"}]}),
        (CHAT, {"choices": [{"message": {"content": {"text": "BOMB"}}}]}),
        (CHAT, {"choices": [{"message": {"content": ["BOMB"]}}]}),
        (RESPONSES, {"output": None}),
        (RESPONSES, {"output": [{"content": "BOMB"}]}),
        (MESSAGES, {"content": "BOMB"}),
        (MESSAGES, {"content": [{"type": "text", "text": 3}]}),
    ],
)
@KINDS
def test_an_answer_that_cannot_be_read_is_refused(kind: str, path: str, answer: Json) -> None:
    body = {"input": "x"} if path == RESPONSES else asked()
    response = send(Upstream(answer), body, a_guardian(), path=path, kind=kind)
    assert (response.status_code, response.headers["x-guardian-verdict"]) == (502, "refused; unreadable")
    assert "BOMB" not in response.text


@KINDS
def test_a_body_of_another_kind_is_refused(kind: str) -> None:
    upstream = Upstream(b"BOMB", headers={"content-type": "text/plain"})
    assert send(upstream, asked(), a_guardian(), kind=kind).status_code == 502
    assert upstream.body.closed
    upstream = Upstream(b"{BOMB", headers={"content-type": "application/json"})
    assert send(upstream, asked(), a_guardian(), kind=kind).status_code == 502


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, child in inner for place in places(child, (*path, key)))]


def odd(value: Json, data: st.DataObject) -> Json:
    """The value with something in one of its places that is not meant to be there."""
    value = json.loads(json.dumps(value))
    *path, last = data.draw(st.sampled_from(places(value)[1:]))
    holder = value
    for key in path:
        holder = holder[key]
    holder[last] = data.draw(
        st.sampled_from([None, True, 3, -0.5, "x", [], {}, [1], ["x"], {"type": ["x"]}, {"text": {"text": "x"}}])
    )
    return value


CALL: Json = {"id": "1", "index": 0, "function": {"name": "f", "arguments": "{}"}}
TOKENS: Json = {"index": 0, "delta": {}, "logprobs": {"content": [{"token": "x"}]}}
DOCUMENT: Json = {"type": "document", "title": "t", "source": {"type": "content", "content": [{"text": "x"}]}}
SHAPES: dict[str, tuple[Json, Json, bytes]] = {
    CHAT: (
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}, {"role": "tool", "content": "x"}]},
        chat_answer("hi", tool_calls=[CALL], audio={"data": "x", "transcript": "a"}, reasoning_details=[{"text": "a"}]),
        sse(chat_chunk(content="hi"), chat_chunk(tool_calls=[CALL]), {"choices": [TOKENS]}, chat_chunk("stop")),
    ),
    RESPONSES: (
        {
            "input": [
                {"role": "user", "content": [{"type": "input_text", "text": "a"}]},
                {"type": "file_search_call", "results": [{"text": "a"}]},
            ],
            "prompt": {"variables": {"a": "b", "c": {"type": "input_text", "text": "x"}}},
        },
        response_object(message_item("hi"), call_item("f", "{}"), {"type": "reasoning", "summary": [{"text": "a"}]}),
        response_stream(message_item("hi there"), call_item("f", "{}"), length=4),
    ),
    MESSAGES: (
        {"messages": [{"role": "user", "content": [DOCUMENT, {"type": "tool_result", "content": [DOCUMENT]}]}]},
        messages_answer({"type": "text", "text": "hi", "citations": [{"cited_text": "a"}]}),
        messages_stream(text_block("hi there", 4), tool_block("f", "{}")),
    ),
}


@given(st.sampled_from(sorted(SHAPES)), st.sampled_from(["request", "answer", "stream"]), st.data())
def test_an_odd_shape_is_refused_or_read_and_never_an_error_of_ours(path: str, where: str, data: st.DataObject) -> None:
    request, answer, stream = SHAPES[path]
    content: Json | bytes = answer
    if where == "request":
        request = odd(request, data)
    elif where == "answer":
        content = odd(answer, data)
    else:
        events = events_of(stream)
        number = data.draw(st.integers(0, len(events) - 1))
        content = sse(*events[:number], odd(events[number], data), *events[number + 1 :])
    policy = data.draw(st.sampled_from([{}, REDACTING]))
    guardian = a_guardian({"x": {"harm": 0.99}} if data.draw(st.booleans()) else {}, **policy)
    response = send(Upstream(content, length=500), request, guardian, path=path)
    assert response.status_code in (200, 400, 502)


def test_an_error_in_place_of_an_answer_passes() -> None:
    error = {"error": {"message": "overloaded"}}
    assert send(Upstream(error), asked(), a_guardian()).json() == error
    content = sse(chat_chunk(content="calm"), error)
    assert delivered(CHAT, content, 9, a_guardian()).content == content


@KINDS
@pytest.mark.parametrize(
    "event",
    [
        "data: BOMB\n\n",
        'data: ["BOMB"]\n\n',
        'data: {"choices": ["BOMB"]}\n\n',
        'data: {"content": "BOMB", "stop": false}\n\n',
        '{"choices": [{"delta": {"content": "BOMB"}}]}\n\n',
        "\x28\xb5 BOMB\n\n",
    ],
)
def test_a_stream_that_cannot_be_read_ends_with_an_error(kind: str, event: str) -> None:
    upstream = Upstream(sse(chat_chunk(content="calm"), event, chat_chunk(content="more")))
    response = send(upstream, asked(stream=True), a_guardian(), kind=kind)
    assert events_of(response.content)[-1]["error"]["code"] == "guardian_unreadable"
    assert "BOMB" not in response.text
    assert "more" not in response.text
    assert upstream.body.closed


# -- clients


@KINDS
def test_a_client_is_guarded_with_its_settings(kind: str) -> None:
    library: Any = httpx2 if "httpx2" in kind else httpx
    upstream = Upstream(chat_answer("a BOMB"))
    settings: dict[str, Any] = {
        "transport": library.MockTransport(upstream),
        "base_url": "http://upstream/v1",
        "headers": {"x-one": "1"},
        "params": {"a": "b"},
        "timeout": 7.0,
        "auth": ("me", "secret"),
    }

    async def asynchronous() -> Any:
        inner = library.AsyncClient(**settings)
        async with guard_client(inner, a_guardian()) as client:
            response = await client.post("/chat/completions", json=asked())
        assert inner.is_closed
        return client, response

    if "async" in kind:
        client, response = asyncio.run(asynchronous())
        assert isinstance(client, library.AsyncClient)
    else:
        inner = library.Client(**settings)
        with guard_client(inner, a_guardian()) as client:
            response = client.post("/chat/completions", json=asked())
        assert inner.is_closed
        assert isinstance(client, library.Client)
    assert response.json()["choices"][0]["finish_reason"] == "content_filter"
    (request,) = upstream.requests
    assert str(request.url) == "http://upstream/v1/chat/completions?a=b"
    assert request.headers["x-one"] == "1"
    assert request.headers["authorization"].startswith("Basic ")
    assert request.extensions["timeout"]["read"] == 7.0


def test_a_redirect_leads_to_a_guarded_answer() -> None:
    def upstream(request: Any) -> Any:
        if request.url.path.startswith("/old"):
            return httpx2.Response(307, headers={"location": f"/new{CHAT}"})
        return httpx2.Response(200, json=chat_answer("a BOMB"))

    inner = httpx2.Client(transport=httpx2.MockTransport(upstream), follow_redirects=True)
    with guard_client(inner, a_guardian()) as client:
        response = client.post(f"http://upstream/old{CHAT}", json=asked())
    assert response.json()["choices"][0]["finish_reason"] == "content_filter"


@KINDS
@pytest.mark.parametrize("redact", [False, True])
def test_a_redirect_to_another_host_gets_no_credentials(kind: str, redact: bool) -> None:
    library: Any = httpx2 if "httpx2" in kind else httpx
    seen: list[tuple[str, bool]] = []

    def upstream(request: Any) -> Any:
        seen.append((request.url.host, "authorization" in request.headers))
        there = {"one": "/two", "/two": "http://two"}.get(request.url.path.split("/v1")[0] or request.url.host)
        if there is not None:
            return library.Response(307, headers={"location": f"{there}{CHAT}"})
        return library.Response(200, json=chat_answer("hi"))

    settings: dict[str, Any] = {"transport": library.MockTransport(upstream), "auth": ("me", "secret")}
    settings |= {"follow_redirects": True}
    body = asked("All is calm. A BOMB it is." if redact else "hi")
    guardian = a_guardian(**REDACTING)

    async def asynchronous() -> None:
        async with guard_client(library.AsyncClient(**settings), guardian) as client:
            await client.post(f"http://one{CHAT}", json=body)

    if "async" in kind:
        asyncio.run(asynchronous())
    else:
        with guard_client(library.Client(**settings), guardian) as client:
            client.post(f"http://one{CHAT}", json=body)
    assert seen == [("one", True), ("one", True), ("two", False)]


def test_wrong_settings_are_named() -> None:
    inner = httpx2.MockTransport(Upstream({}))
    wrong: list[tuple[str, Any]] = [("on_block", "no"), ("unknown", "no"), ("holdback_chars", 3)]
    for key, value in wrong:
        with pytest.raises(ConfigError, match=key):
            GuardedTransport(inner, a_guardian(), **{key: value})
    with pytest.raises(ConfigError, match="client: must be a client of httpx or httpx2, not int"):
        guard_client(cast("Any", 3), a_guardian())


def test_the_libraries_are_asked_for_by_their_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "guardian.adapters.http")
    monkeypatch.setitem(sys.modules, "httpx2", None)
    with pytest.raises(ImportError, match=r"pip install 'slm-guardian\[http\]'"):
        __import__("guardian.adapters.http")
