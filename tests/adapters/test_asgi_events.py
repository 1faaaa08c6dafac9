"""Event streams under the ASGI middleware, and what becomes of their upstreams."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.sse import EventSourceResponse, ServerSentEvent
from guardian.adapters.asgi import GuardianMiddleware, Route
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import StreamingResponse

from guardian import BackendError, GuardUnavailable, InputError, Policy
from tests.adapters.asgi_site import (
    CALM,
    CHAT,
    PROMPT,
    REDACT,
    SIZE,
    Site,
    a_guardian,
    ask,
    drive,
    events,
    exchange,
    streaming,
    under_guard,
)
from tests.chunks import chunked


def chat_events(pieces: Iterable[str], index: int = 0, end: str = "\n") -> list[str]:
    chunks = [{"choices": [{"index": index, "delta": {"role": "assistant", "content": ""}}]}]
    chunks += [{"choices": [{"index": index, "delta": {"content": p}, "logprobs": {"content": [p]}}]} for p in pieces]
    chunks.append({"choices": [{"index": index, "delta": {}, "finish_reason": "stop"}]})
    return [f"id: {number}{end}data: {json.dumps(chunk)}{end}{end}" for number, chunk in enumerate(chunks)]


def said(text: str, index: int = 0) -> str:
    chunks = [json.loads(event) for event in events(text) if event != "[DONE]"]
    choices = [choice for chunk in chunks for choice in chunk["choices"] if choice["index"] == index]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


ASK = {**CHAT, "stream": True}


@pytest.mark.parametrize("sizes", [(1,), (7, 3), (10_000,)])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_clean_stream_passes_byte_for_byte(sizes: Sequence[int], end: str) -> None:
    whole = "".join([*chat_events(["Grüße, "] * 60, end=end), f"data: [DONE]{end}{end}"])
    response = Site(streaming(whole, sizes)).post(ASK)
    assert response.text == whole
    assert response.headers["x-guardian-verdict"] == "allow"


@pytest.mark.parametrize("sizes", [(1,), (11,), (10_000,)])
@pytest.mark.parametrize("on_block", ["raise", "reply"])
def test_a_blocked_stream_ends_as_the_api_does(sizes: Sequence[int], on_block: str) -> None:
    pieces = chunked(CALM * 20 + "Now take the bomb. " + CALM * 20, [6])
    whole = "".join([*chat_events(pieces), "data: [DONE]\n\n"])
    response = Site(streaming(whole, sizes), on_block=on_block).post(ASK)
    *_, last, done = events(response.text)
    assert done == "[DONE]"
    assert "bomb" not in response.text
    ending = json.loads(last)
    assert ending["guardian"] == {"stage": "response", "action": "block", "findings": ["weapons"]}
    assert ending["choices"][0]["finish_reason"] == "content_filter"
    delivered = said(response.text)
    reply = ending["choices"][0]["delta"]["content"]
    assert ("\n\nI can't help" in reply) == (on_block == "reply")
    assert (CALM * 20).startswith(delivered.removesuffix(reply))
    assert len(delivered.removesuffix(reply)) > 200


def test_a_stream_is_redacted_in_flight_and_what_repeats_it_goes() -> None:
    text = CALM * 10 + "Now take the bomb. " + CALM * 10
    whole = "".join([*chat_events(chunked(text, [5])), "data: [DONE]\n\n"])
    response = Site(streaming(whole), a_guardian(REDACT)).post(ASK)
    assert said(response.text) == text.replace("Now take the bomb.", "[redacted]")
    assert events(response.text)[-1] == "[DONE]"
    assert response.text.count("id: ") == whole.count("id: ")
    after = response.text[response.text.index("[red") :] if "[red" in response.text else response.text
    assert 'logprobs": {' not in after
    assert json.loads(events(response.text)[1])["choices"][0]["logprobs"] == {"content": ["calm "]}


def test_choices_are_told_apart() -> None:
    one, two = chunked(CALM * 8, [9]), chunked("a bo" + CALM * 7, [9])
    mixed = [event for pair in zip(chat_events(one, 0), chat_events(two, 1), strict=False) for event in pair]
    response = Site(streaming("".join(mixed))).post(ASK)
    assert "bo" in said(response.text, 1)
    assert said(response.text, 0).startswith("calm words")
    split = ["a bo", "mb"]  # a word that is whole only where both choices were one text
    parts = [
        f"data: {json.dumps({'choices': [{'index': i, 'delta': {'content': p}}]})}\n\n" for i, p in enumerate(split)
    ]
    assert Site(streaming("".join(parts))).post(ASK).text == "".join(parts)


def tool_events(arguments: str, size: int) -> list[str]:
    def event(call: dict[str, Any]) -> str:
        return f"data: {json.dumps({'choices': [{'index': 0, 'delta': {'tool_calls': [{'index': 0, **call}]}}]})}\n\n"

    pieces = [{"function": {"arguments": piece}} for piece in chunked(arguments, [size])]
    return [event({"id": "1", "function": {"name": "shell", "arguments": ""}}), *map(event, pieces), "data: [DONE]\n\n"]


@pytest.mark.parametrize("size", [1, 100])
def test_tool_calls_in_a_stream_are_held_until_they_were_checked(size: int) -> None:
    harmless = "".join([*chat_events(["Let me see."])[:-1], *tool_events('{"run": "ls"}', size)])
    assert Site(streaming(harmless)).post(ASK).text == harmless
    harmful = "".join([*chat_events(["Let me see."])[:-1], *tool_events('{"run": "rm -rf /"}', size)])
    response = Site(streaming(harmful)).post(ASK)
    assert "shell" not in response.text
    ending = json.loads(events(response.text)[-2])
    assert (ending["guardian"]["stage"], ending["choices"][0]["finish_reason"]) == ("tool_call", "content_filter")
    assert "Let me see." in said(response.text)


def test_plain_events_and_bare_text() -> None:
    route = Route("/ask", prompt="prompt", chunk="token")
    tokens = [f"event: token\ndata: {json.dumps({'token': t})}\n\n" for t in chunked(CALM * 9 + "a bomb", [4])]
    whole = "".join([*tokens, 'data: {"done": true}\n\n'])
    response = Site(streaming(whole), routes=[route], on_block="reply").post(PROMPT)
    ending = json.loads(events(response.text)[-1])
    assert ending["token"].startswith("\n\nI can't help")
    assert "bomb" not in "".join(json.loads(event).get("token", "") for event in events(response.text))
    bare = "".join(f"data: {t}\n\n" for t in chunked(CALM * 9 + "a bomb", [4]))
    for routes in (None, [route]):
        response = Site(streaming(bare), routes=routes).post(PROMPT)
        assert bare.startswith(response.text.partition("event: guardian\n")[0])
        assert json.loads(events(response.text)[-1])["findings"] == ["weapons"]
        assert "bomb" not in "".join(events(response.text))
    response = Site(streaming("data: Hello there.\ndata: Take a bomb.\n\n"), a_guardian(REDACT)).post(PROMPT)
    assert events(response.text) == ["Hello there.\n[redacted]"]


@given(st.lists(st.sampled_from(["bomb. ", "Grüße ", "calm. ", "\n", "[redacted]", "x"]), max_size=60), st.data())
def test_what_leaves_does_not_depend_on_how_it_came(words: list[str], data: st.DataObject) -> None:
    text = "".join(words)
    sizes = data.draw(st.lists(st.integers(1, 30), min_size=1, max_size=4))
    pieces = data.draw(st.lists(st.integers(1, 30), min_size=1, max_size=4))
    for policy in ({}, REDACT):
        guard = a_guardian(policy).stream_guard(holdback_chars=SIZE)
        expected = guard.feed(text) + guard.finish()
        whole = "".join(chat_events(chunked(text, pieces)))
        got = said(Site(streaming(whole, sizes), a_guardian(policy)).post(ASK).text)
        assert expected.startswith(got) if guard.cut else got == expected
        assert "bomb" not in got


def json_lines(values: Iterable[Any]) -> str:
    return "".join(f"{json.dumps(value)}\n" for value in values)


@pytest.mark.parametrize("sizes", [(1,), (7, 3), (10_000,)])
def test_json_lines_are_a_stream_like_any_other(sizes: Sequence[int]) -> None:
    def site(text: str, policy: Any = None, **options: Any) -> Site:
        lines = json_lines([{"token": piece, "n": 1} for piece in chunked(text, [4])])
        return Site(streaming(lines, sizes, "application/x-ndjson"), a_guardian(policy), **options)

    clean = site(CALM * 9).post(PROMPT)
    assert clean.text == json_lines([{"token": piece, "n": 1} for piece in chunked(CALM * 9, [4])])
    blocked = [json.loads(line) for line in site(CALM * 9 + "a bomb").post(PROMPT).text.splitlines()]
    assert blocked[-1]["guardian"] == {"stage": "response", "action": "block", "findings": ["weapons"]}
    assert len(blocked) > 20
    assert "bomb" not in "".join(line.get("token", "") for line in blocked)
    redacted = site(CALM * 9 + "Take a bomb. " + CALM, REDACT).post(PROMPT).text.splitlines()
    expected = (CALM * 9 + "Take a bomb. " + CALM).replace("Take a bomb.", "[redacted]")
    assert "".join(json.loads(line)["token"] for line in redacted) == expected
    refused = site("", on_block="reply").post({"prompt": "a bomb"}, headers={"accept": "application/jsonl"})
    assert refused.headers["content-type"].startswith("application/jsonl")
    assert json.loads(refused.text)["guardian"]["stage"] == "prompt"


@pytest.mark.parametrize("kind", ["text/event-stream", "application/jsonl"])
@pytest.mark.parametrize("pieces", [[CALM * 9, "a bo", "mb"], [[CALM * 9], ["a bo"], ["mb"]]])
def test_words_in_json_are_read_without_their_quotes(kind: str, pieces: list[Any]) -> None:
    start, end = ("data: ", "\n\n") if kind == "text/event-stream" else ("", "\n")
    whole = "".join(f"{start}{json.dumps(piece)}{end}" for piece in pieces)
    response = Site(streaming(whole, media=kind), on_block="reply").post(PROMPT)
    assert "mb" not in response.text
    assert '"findings": ["weapons"]' in response.text
    assert "I can't help with making" in response.text
    whole = whole.replace("a bo", "Well. A bo")
    redacted = Site(streaming(whole, media=kind), a_guardian(REDACT)).post(PROMPT).text
    values = [json.loads(line.removeprefix(start)) for line in redacted.splitlines() if line]
    assert "".join(v if isinstance(v, str) else v[0] for v in values) == f"{CALM * 9}Well. [redacted]"


def test_the_streams_that_fastapi_makes() -> None:
    app = FastAPI()
    app.add_middleware(GuardianMiddleware, guardian=a_guardian(), holdback_chars=SIZE)
    words = chunked(CALM * 9 + "a bomb. " + CALM * 9, [5])

    @app.post("/words", response_class=EventSourceResponse)
    async def as_events() -> AsyncIterator[str]:
        for word in words:
            yield word

    @app.post("/numbered", response_class=EventSourceResponse)
    async def as_numbered_events() -> AsyncIterator[ServerSentEvent]:
        for number, word in enumerate(words):
            yield ServerSentEvent(data={"token": word}, id=str(number), event="token", retry=5, comment="c")

    @app.post("/lines")
    async def as_lines() -> AsyncIterator[dict[str, str]]:
        for word in words:
            yield {"token": word}

    for path in ("/words", "/numbered", "/lines"):
        response = ask(app, PROMPT, path=path)
        assert "calm" in response.text
        assert '"weapons"' in response.text
        values = [json.loads(line) for line in events(response.text) or response.text.splitlines()]
        told = "".join(value if isinstance(value, str) else value.get("token", "") for value in values)
        assert (CALM * 9).startswith(told)


def test_an_event_without_choices_does_not_hold_back_the_rest() -> None:
    """The first event of Azure's has no choices, but an id that would never grow."""
    first = f"data: {json.dumps({'id': '', 'object': 'chat.completion.chunk', 'choices': []})}\n\n"
    whole = [first, *chat_events([CALM] * 20)]
    sent: list[bytes] = []

    async def app(_: Any, __: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        for event in whole:
            await send({"type": "http.response.body", "body": event.encode(), "more_body": True})
        assert len(b"".join(sent)) > 500
        await send({"type": "http.response.body"})

    asyncio.run(drive(under_guard(app), ASK, sent))
    assert b"".join(sent).decode() == "".join(whole)


def anthropic_events(*blocks: tuple[str, Iterable[str]]) -> list[str]:
    """The events of Anthropic's Messages: blocks of `text` or `thinking`, one after the other."""
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": []}
    chunks: list[dict[str, Any]] = [{"type": "message_start", "message": message}, {"type": "ping"}]
    for index, (kind, pieces) in enumerate(blocks):
        chunks.append({"type": "content_block_start", "index": index, "content_block": {"type": kind, kind: ""}})
        deltas = [{"type": f"{kind}_delta", kind: piece} for piece in pieces]
        chunks += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        chunks.append({"type": "content_block_stop", "index": index})
    chunks += [{"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, {"type": "message_stop"}]
    return [f"event: {chunk['type']}\ndata: {json.dumps(chunk)}\n\n" for chunk in chunks]


def reasoning_events(*pieces: tuple[str, str]) -> list[str]:
    return [f"data: {json.dumps({'choices': [{'index': 0, 'delta': {key: text}}]})}\n\n" for key, text in pieces]


@pytest.mark.parametrize(
    "whole",
    [
        anthropic_events(("text", [CALM] * 40)),
        anthropic_events(("thinking", [CALM] * 9), ("text", [CALM] * 40)),
        reasoning_events(*[("reasoning_content", CALM)] * 3, *[("content", CALM)] * 40),
    ],
)
def test_a_text_that_is_over_does_not_hold_back_the_rest(whole: list[str]) -> None:
    sent: list[bytes] = []

    async def app(_: Any, __: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        for event in whole:
            await send({"type": "http.response.body", "body": event.encode(), "more_body": True})
        assert b"".join(sent).decode().count(CALM) > 20
        await send({"type": "http.response.body"})

    asyncio.run(drive(under_guard(app), ASK, sent))
    assert b"".join(sent).decode() == "".join(whole)


def test_a_text_that_goes_on_after_all_is_read_behind_what_left() -> None:
    def answered(*pieces: tuple[str, str], policy: Any = None) -> str:
        return Site(streaming("".join(reasoning_events(*pieces))), a_guardian(policy)).post(ASK).text

    pause = [("content", CALM)] * 9
    clean = [("reasoning", "Well, a bo"), *pause, ("reasoning", "at. "), *pause, ("reasoning", "Yes. "), *pause]
    assert answered(*clean) == "".join(reasoning_events(*clean))
    for policy in ({}, REDACT):  # what has left cannot be cut out any more
        text = answered(("reasoning", "Well, a bo"), *pause, ("reasoning", "mb. "), *pause, policy=policy)
        assert '"findings": ["weapons"]' in text
        assert "mb." not in text
    text = answered(("reasoning", "Well. A bomb. "), *pause, ("reasoning", "Fine. "), *pause, policy=REDACT)
    chunks = [json.loads(event)["choices"][0]["delta"] for event in events(text)]
    assert "".join(chunk.get("reasoning", "") for chunk in chunks) == "Well. [redacted] Fine. "
    assert "".join(chunk.get("content", "") for chunk in chunks) == CALM * 18


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["content", "reasoning", "refusal"]),
            st.sampled_from([CALM, "Take a bomb. ", "Für Übung ging er fort. "]),
        ),
        max_size=40,
    ),
    st.integers(1, 40),
)
def test_texts_that_stop_and_go_on_stay_apart_and_whole(pieces: list[tuple[str, str]], size: int) -> None:
    whole = "".join(reasoning_events(*pieces))
    assert Site(streaming(whole, (size,)), a_guardian({"shadow": True})).post(ASK).text == whole
    for policy in ({}, REDACT):
        text = Site(streaming(whole, (size,)), a_guardian(policy)).post(ASK).text
        assert "bomb" not in text
        if '"guardian"' not in text:
            for key in ("content", "reasoning", "refusal"):
                deltas = [json.loads(event)["choices"][0]["delta"] for event in events(text)]
                said = "".join(delta.get(key, "") for delta in deltas)
                kept = ".*".join(map(re.escape, said.split("[redacted]")))
                assert re.fullmatch(kept, "".join(p for k, p in pieces if k == key))


@pytest.mark.parametrize("kind", ["text/event-stream", "application/jsonl"])
def test_an_event_that_cannot_be_read_breaks_the_stream_off(kind: str) -> None:
    start, end = ("data: ", "\n\n") if kind == "text/event-stream" else ("", "\n")
    deep = '{"a": ' * 80 + '"a bomb"' + "}" * 80
    with pytest.raises(InputError, match="nested too deeply"):
        Site(streaming(f'{start}{{"t": "{CALM}"}}{end}{start}{deep}{end}', media=kind)).post(PROMPT)


def test_an_application_that_fails_in_the_middle_loses_what_was_held() -> None:
    sent: list[bytes] = []

    async def app(_: Any, __: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        for event in [*chat_events([CALM] * 9), *chat_events(["a bo"])]:
            await send({"type": "http.response.body", "body": event.encode(), "more_body": True})
        raise ConnectionError("upstream")

    with pytest.raises(ConnectionError, match="upstream"):
        asyncio.run(drive(under_guard(app), ASK, sent))
    assert b"calm" in b"".join(sent)
    assert b"a bo" not in b"".join(sent)


def test_streams_at_once_stay_apart() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = json.loads((await receive())["body"])

        async def events() -> AsyncIterator[str]:
            for piece in chunked(body["say"], [3]):
                await asyncio.sleep(0)
                yield f"data: {json.dumps({'t': piece})}\n\n"

        await StreamingResponse(events(), media_type="text/event-stream")(scope, receive, send)

    async def main() -> None:
        guarded = under_guard(app, a_guardian(REDACT))
        texts = [f"Number {n}. " * 12 + ("A bomb. " if n % 3 else "A leaf. ") for n in range(40)]
        asked = [json.dumps({"prompt": "hi", "say": text}).encode() for text in texts]
        answers = await asyncio.gather(*(exchange(guarded, body) for body in asked))
        for text, messages in zip(texts, answers, strict=True):
            raw = b"".join(message.get("body", b"") for message in messages).decode()
            told = "".join(json.loads(event)["t"] for event in events(raw))
            assert told == text.replace("A bomb.", "[redacted]")

    asyncio.run(main())


def test_comments_leave_at_once() -> None:
    sent: list[bytes] = []

    async def app(_: Any, __: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        for data in (b'data: {"t": "held"}\n\n', b": ping\n\n"):
            await send({"type": "http.response.body", "body": data, "more_body": True})
        assert sent == [b": ping\n\n"]
        await send({"type": "http.response.body", "body": b""})

    asyncio.run(drive(GuardianMiddleware(app, guardian=a_guardian()), PROMPT, sent))
    assert b"".join(sent) == b': ping\n\ndata: {"t": "held"}\n\n'


def test_an_outage_within_a_stream_breaks_it_off() -> None:
    guardian = a_guardian(fail=BackendError("response", "gone"))
    guardian_open = {"fail_mode": {"prompt": "open"}}
    with (
        guardian.using(Policy.from_mapping(guardian_open)),
        pytest.raises(GuardUnavailable),
    ):
        Site(streaming("".join(chat_events([CALM] * 20))), guardian).post(ASK)
    everywhere = {"fail_mode": {"prompt": "open", "response": "open"}}
    whole = "".join(chat_events([CALM] * 20))
    assert Site(streaming(whole), a_guardian(everywhere, fail=BackendError("response", "gone"))).post(ASK).text == whole


def test_a_stream_without_text_where_it_is_expected_is_told(caplog: pytest.LogCaptureFixture) -> None:
    route = Route("/ask", prompt="prompt", chunk="delta.text")
    whole = 'data: {"token": "secret words"}\n\n'
    assert Site(streaming(whole), routes=[route]).post(PROMPT).text == whole
    assert "no text was found in an event stream under the route '/ask'" in caplog.text
    assert "secret" not in caplog.text


# -- the life of a stream


class Upstream:
    """A model that streams without end, and knows whether it was closed."""

    def __init__(self, *first: str) -> None:
        self.first = first
        self.busy = asyncio.Event()
        self.closed = asyncio.Event()
        self.given = 0

    async def events(self) -> AsyncGenerator[str, None]:
        try:
            for text in (*self.first, *[CALM] * 10_000):
                self.given += 1
                if self.given == 100:
                    self.busy.set()
                yield f"data: {json.dumps({'t': text})}\n\n"
                await asyncio.sleep(0)
        finally:
            self.closed.set()

    async def starlette(self, scope: Any, receive: Any, send: Any) -> None:
        """An application that looks out for the client going."""
        await StreamingResponse(self.events(), media_type="text/event-stream")(scope, receive, send)

    async def tidy(self, _: Any, __: Any, send: Any) -> None:
        """An application that leaves the closing of its streams to nobody else."""
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        async with aclosing(self.events()) as events:
            async for event in events:
                await send({"type": "http.response.body", "body": event.encode(), "more_body": True})


@pytest.mark.parametrize("kind", ["starlette", "tidy"])
def test_a_block_stops_the_application(kind: str) -> None:
    async def main() -> None:
        upstream = Upstream("a bomb. ")
        sent: list[bytes] = []
        app = GuardianMiddleware(getattr(upstream, kind), guardian=a_guardian())
        await drive(app, PROMPT, sent, then=asyncio.Event().wait)
        await asyncio.wait_for(upstream.closed.wait(), 10)
        assert upstream.given < 100
        assert b'"guardian"' in sent[-1]

    asyncio.run(main())


@pytest.mark.parametrize("first", [(), ("x",)])
def test_a_client_that_goes_closes_the_upstream(first: Sequence[str]) -> None:
    async def main() -> None:
        upstream = Upstream(*first)
        app = GuardianMiddleware(upstream.starlette, guardian=a_guardian())
        await drive(app, PROMPT, [], then=upstream.busy.wait)
        await asyncio.wait_for(upstream.closed.wait(), 10)
        assert upstream.given < 10_000

    asyncio.run(main())


def test_cancelling_the_request_closes_the_upstream() -> None:
    async def main() -> None:
        upstream = Upstream()
        app = GuardianMiddleware(upstream.tidy, guardian=a_guardian())
        task = asyncio.ensure_future(drive(app, PROMPT, [], then=asyncio.Event().wait))
        await upstream.busy.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert upstream.closed.is_set()
        assert upstream.given < 10_000

    asyncio.run(main())
