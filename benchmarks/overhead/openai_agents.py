"""OpenAI Agents SDK: a run with guardrails of input and output, and one that calls a guarded tool."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import cycle
from typing import Any

from agents import Agent, Model, ModelResponse, Runner, Usage, function_tool, set_tracing_disabled
from agents.testing import assistant_message, function_call
from guardian.adapters.openai_agents import guardian_guardrails

from overhead.bench import Bench, Row
from overhead.texts import ANSWER, FOUND, PROMPT, look_up, new_prompt

SAID = [assistant_message(ANSWER)]
CALL = [function_call("look_up", {"query": "herbs"}, call_id="1")]


class Scripted(Model):
    """A model that says these in turn, for ever."""

    def __init__(self, said: Sequence[list[Any]]) -> None:
        self._said = cycle(said)

    async def get_response(self, *_: Any, **__: Any) -> ModelResponse:
        return ModelResponse(output=list(next(self._said)), usage=Usage(), response_id=None)

    def stream_response(self, *_: Any, **__: Any) -> AsyncIterator[Any]:
        raise NotImplementedError


def rows(bench: Bench) -> list[Row]:
    set_tracing_disabled(True)
    return asyncio.run(_rows(bench))


async def _rows(bench: Bench) -> list[Row]:
    guardrails = guardian_guardrails(bench.guardian)
    around: dict[str, Any] = {"input_guardrails": [guardrails.input], "output_guardrails": [guardrails.output]}
    tool = function_tool(look_up)
    guarded_tool = function_tool(
        tool_input_guardrails=[guardrails.tool_input], tool_output_guardrails=[guardrails.tool_output]
    )(look_up)

    def agent(said: Sequence[list[Any]], **options: Any) -> Agent:
        return Agent(name="helper", model=Scripted(said), **options)

    plain, guarded = agent([SAID]), agent([SAID], **around)
    plain_tool, with_tool = agent([CALL, SAID], tools=[tool]), agent([CALL, SAID], tools=[guarded_tool], **around)
    return [
        await bench.arow(
            "OpenAI Agents, run",
            lambda: Runner.run(plain, new_prompt()),
            lambda: Runner.run(guarded, new_prompt()),
        ),
        await bench.arow(
            "OpenAI Agents, run, a call of a tool",
            lambda: Runner.run(plain_tool, new_prompt()),
            lambda: Runner.run(with_tool, new_prompt()),
            (PROMPT, "herbs", FOUND, ANSWER),
        ),
    ]
