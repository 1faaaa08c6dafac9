"""Pydantic AI: an agent with the capability, whole and streamed, and one that calls a tool."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from guardian.adapters.pydantic_ai import GuardianCapability
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from overhead.bench import Bench, Row
from overhead.texts import ANSWER, FOUND, PROMPT, WORDS, look_up, new_prompt


def say(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """Calls the tool, where there is one, and then answers."""
    if info.function_tools and len(messages) == 1:
        return ModelResponse(parts=[ToolCallPart("look_up", {"query": "herbs"})])
    return ModelResponse(parts=[TextPart(ANSWER)])


async def stream(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str]:
    for word in WORDS:
        yield word


def rows(bench: Bench) -> list[Row]:
    return asyncio.run(_rows(bench))


async def _rows(bench: Bench) -> list[Row]:
    model = FunctionModel(say, stream_function=stream)
    guard = GuardianCapability(bench.guardian)
    plain, guarded = Agent(model), Agent(model, capabilities=[guard])
    plain_tool, with_tool = Agent(model, tools=[look_up]), Agent(model, tools=[look_up], capabilities=[guard])

    async def read(agent: Any) -> list[str]:
        async with agent.run_stream(new_prompt()) as streamed:
            return [text async for text in streamed.stream_text(delta=True, debounce_by=None)]

    return [
        await bench.arow("Pydantic AI, run", lambda: plain.run(new_prompt()), lambda: guarded.run(new_prompt())),
        await bench.arow(
            f"Pydantic AI, streamed run of {len(WORDS)} words", lambda: read(plain), lambda: read(guarded)
        ),
        await bench.arow(
            "Pydantic AI, run, a call of a tool",
            lambda: plain_tool.run(new_prompt()),
            lambda: with_tool.run(new_prompt()),
            (PROMPT, "herbs", FOUND, ANSWER),
        ),
    ]
