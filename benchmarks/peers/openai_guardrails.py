"""openai-guardrails: the wrapped OpenAI client, streaming from an upstream of our own, and `run_guardrails`."""

from __future__ import annotations

import json

from inputs import FORBIDDEN, chunks, emit, go_offline, row

go_offline()

import httpx2  # noqa: E402
from guardrails import (  # noqa: E402
    GuardrailResult,
    GuardrailsOpenAI,
    GuardrailTripwireTriggered,
    default_spec_registry,
)
from pydantic import BaseModel  # noqa: E402

_read: list[int] = []


class _Config(BaseModel):
    pass


def counting(ctx: object, data: str, config: _Config) -> GuardrailResult:
    """Counts what it is given, and triggers on the word."""
    _read.append(len(data))
    return GuardrailResult(tripwire_triggered=FORBIDDEN in data, info={})


def raising(ctx: object, data: str, config: _Config) -> GuardrailResult:
    raise RuntimeError("the model behind this check is down")


for check in (counting, raising):
    default_spec_registry.register(check.__name__, check, "ours", "text/plain")


def client(check: str, answer: list[str]) -> GuardrailsOpenAI:
    def upstream(request: httpx2.Request) -> httpx2.Response:
        events = [_event({"content": chunk}, None) for chunk in answer] + [_event({}, "stop"), "data: [DONE]\n\n"]
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, text="".join(events))

    return GuardrailsOpenAI(
        config={"version": 1, "output": {"version": 1, "guardrails": [{"name": check, "config": {}}]}},
        api_key="none",
        http_client=httpx2.Client(transport=httpx2.MockTransport(upstream)),
    )


def _event(delta: dict[str, str], finish: str | None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "none", "choices": [choice]}
    return f"data: {json.dumps(chunk)}\n\n"


def stream(check: str, answer: list[str]) -> tuple[list[str], bool]:
    """The chunks that were delivered, and whether the tripwire was raised after them."""
    _read.clear()
    delivered: list[str] = []
    asked = [{"role": "user", "content": "Tell me a story."}]
    try:
        for chunk in client(check, answer).chat.completions.create(model="none", messages=asked, stream=True):
            delivered += [text] if (text := chunk.choices[0].delta.content) else []
    except GuardrailTripwireTriggered:
        return delivered, True
    return delivered, False


def before_block(experiment: str, count: int) -> dict[str, object]:
    delivered, stopped = stream("counting", chunks(count, forbidden_at=5))
    leaked = FORBIDDEN in "".join(delivered)
    return row(
        experiment,
        f"delivered {len(delivered)} chunks, the word {'among them' if leaked else 'not'}, "
        f"then {'the tripwire' if stopped else 'no tripwire'}",
        defect=leaked,
    )


def rescans(experiment: str, count: int) -> dict[str, object]:
    answer = chunks(count)
    stream("counting", answer)
    share = sum(_read) / sum(map(len, answer))
    return row(experiment, f"{len(_read)} checks, {share:.1f} characters read per character", defect=share > 3)


def check_raises() -> dict[str, object]:
    delivered, stopped = stream("raising", chunks(80))
    said = "the tripwire was raised" if stopped else f"all {len(delivered)} chunks were delivered, no tripwire"
    return row("check_raises", f"by default {said} (`raise_guardrail_errors=True` would raise)", defect=not stopped)


emit(
    before_block("stream_before_block", 400),
    before_block("stream_before_block_short", 80),
    rescans("stream_rescans", 400),
    rescans("stream_rescans_5", 2000),
    check_raises(),
)
