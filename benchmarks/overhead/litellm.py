"""LiteLLM: a completion with and without the guardrail, its model mocked by LiteLLM itself."""

from __future__ import annotations

import asyncio
import os

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # or LiteLLM looks prices up on the network

import litellm
from guardian.adapters.litellm import GuardianGuardrail

from overhead.bench import Bench, Row
from overhead.texts import ANSWER, new_messages


def rows(bench: Bench) -> list[Row]:
    return [asyncio.run(_completion(bench))]


async def _completion(bench: Bench) -> Row:
    litellm.callbacks = [GuardianGuardrail(bench.guardian, event_hook=["pre_call", "post_call"])]

    async def ask(guardrails: list[str]) -> object:
        return await litellm.acompletion(
            model="openai/mocked",
            api_key="none",
            mock_response=ANSWER,
            messages=new_messages(),
            guardrails=guardrails,
        )

    return await bench.arow("LiteLLM, async, completion", lambda: ask([]), lambda: ask(["guardian"]))
