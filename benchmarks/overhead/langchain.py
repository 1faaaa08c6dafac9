"""LangChain: a chain, whole and streamed, and an agent with and without a tool, over its own fake model."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import Any

from guardian.adapters.langchain import GuardianMiddleware, GuardianRunnable
from langchain.agents import create_agent
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.prompts import ChatPromptTemplate

from overhead.bench import Bench, Row
from overhead.texts import ANSWER, FOUND, LONG_ANSWER, PROMPT, WORDS, look_up, new_prompt

CALL = AIMessage("", tool_calls=[{"name": "look_up", "args": {"query": "herbs"}, "id": "1"}])


class Model(GenericFakeChatModel):
    def bind_tools(self, *_: Any, **__: Any) -> Any:
        return self


def rows(bench: Bench) -> list[Row]:
    return [
        _chain(bench),
        _stream(bench),
        _agent(bench, "LangChain, agent", [], [AIMessage(ANSWER)], (PROMPT, ANSWER)),
        _agent(
            bench,
            "LangChain, agent, a call of a tool",
            [look_up],
            [CALL, AIMessage(ANSWER)],
            (PROMPT, "herbs", FOUND, ANSWER),
        ),
    ]


def _chains(bench: Bench, answer: str) -> tuple[Any, Any]:
    template = ChatPromptTemplate([("system", "Be brief."), ("user", "{prompt}")])
    model, guard = Model(messages=cycle([AIMessage(answer)])), GuardianRunnable(bench.guardian)
    return template | model, template | guard | model | guard


def _chain(bench: Bench) -> Row:
    plain, guarded = _chains(bench, ANSWER)
    return bench.row(
        "LangChain, chain",
        lambda: plain.invoke({"prompt": new_prompt()}),
        lambda: guarded.invoke({"prompt": new_prompt()}),
    )


def _stream(bench: Bench) -> Row:
    plain, guarded = _chains(bench, LONG_ANSWER)
    return bench.row(
        f"LangChain, streamed chain of {len(WORDS)} words",
        lambda: list(plain.stream({"prompt": new_prompt()})),
        lambda: list(guarded.stream({"prompt": new_prompt()})),
    )


def _agent(bench: Bench, name: str, tools: list[Any], said: Sequence[AIMessage], read: tuple[str, ...]) -> Row:
    plain = create_agent(Model(messages=cycle(said)), tools)
    guard = GuardianMiddleware(bench.guardian)
    guarded = create_agent(Model(messages=cycle(said)), tools, middleware=[guard])

    def ask(agent: Any) -> object:
        return agent.invoke({"messages": [("user", new_prompt())]})

    return bench.row(name, lambda: ask(plain), lambda: ask(guarded), read)
