"""Anthropic's client: Messages, whole and streamed."""

from __future__ import annotations

import asyncio

import httpx2
from anthropic import Anthropic, AsyncAnthropic
from guardian.adapters.anthropic import guard_anthropic

from overhead.bench import Bench, Row
from overhead.texts import WORDS, new_turn
from overhead.wire import MESSAGE, message_events, upstream


def rows(bench: Bench) -> list[Row]:
    return [_whole(bench), _streamed(bench), asyncio.run(_awhole(bench))]


def _whole(bench: Bench) -> Row:
    plain = Anthropic(api_key="none", http_client=httpx2.Client(transport=upstream(httpx2, MESSAGE)))
    guarded = guard_anthropic(plain, bench.guardian)

    def ask(client: Anthropic) -> object:
        return client.messages.create(model="m", max_tokens=500, messages=[new_turn()])

    return bench.row("Anthropic, message", lambda: ask(plain), lambda: ask(guarded))


def _streamed(bench: Bench) -> Row:
    plain = Anthropic(api_key="none", http_client=httpx2.Client(transport=upstream(httpx2, message_events())))
    guarded = guard_anthropic(plain, bench.guardian)

    def ask(client: Anthropic) -> object:
        return list(client.messages.create(model="m", max_tokens=500, messages=[new_turn()], stream=True))

    return bench.row(f"Anthropic, stream of {len(WORDS)} words", lambda: ask(plain), lambda: ask(guarded))


async def _awhole(bench: Bench) -> Row:
    plain = AsyncAnthropic(api_key="none", http_client=httpx2.AsyncClient(transport=upstream(httpx2, MESSAGE)))
    guarded = guard_anthropic(plain, bench.guardian)

    async def ask(client: AsyncAnthropic) -> object:
        return await client.messages.create(model="m", max_tokens=500, messages=[new_turn()])

    return await bench.arow("Anthropic, async, message", lambda: ask(plain), lambda: ask(guarded))
