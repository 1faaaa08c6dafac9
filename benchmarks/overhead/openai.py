"""OpenAI's client: Chat Completions, whole and streamed."""

from __future__ import annotations

import asyncio

import httpx2
from guardian.adapters.openai import guard_openai
from openai import AsyncOpenAI, OpenAI

from overhead.bench import Bench, Row
from overhead.texts import CHAT, WORDS, new_messages
from overhead.wire import chat_events, upstream


def rows(bench: Bench) -> list[Row]:
    return [_whole(bench), _streamed(bench), asyncio.run(_awhole(bench))]


def _whole(bench: Bench) -> Row:
    plain = OpenAI(api_key="none", http_client=httpx2.Client(transport=upstream(httpx2, CHAT)))
    guarded = guard_openai(plain, bench.guardian)

    def ask(client: OpenAI) -> object:
        return client.chat.completions.create(model="m", messages=new_messages())

    return bench.row("OpenAI, chat completion", lambda: ask(plain), lambda: ask(guarded))


def _streamed(bench: Bench) -> Row:
    plain = OpenAI(api_key="none", http_client=httpx2.Client(transport=upstream(httpx2, chat_events())))
    guarded = guard_openai(plain, bench.guardian)

    def ask(client: OpenAI) -> object:
        return list(client.chat.completions.create(model="m", messages=new_messages(), stream=True))

    return bench.row(f"OpenAI, stream of {len(WORDS)} words", lambda: ask(plain), lambda: ask(guarded))


async def _awhole(bench: Bench) -> Row:
    plain = AsyncOpenAI(api_key="none", http_client=httpx2.AsyncClient(transport=upstream(httpx2, CHAT)))
    guarded = guard_openai(plain, bench.guardian)

    async def ask(client: AsyncOpenAI) -> object:
        return await client.chat.completions.create(model="m", messages=new_messages())

    return await bench.arow("OpenAI, async, chat completion", lambda: ask(plain), lambda: ask(guarded))
