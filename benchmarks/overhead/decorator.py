"""`@guard` around functions of every kind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

from guardian import guard
from overhead.bench import Bench, Row
from overhead.texts import ANSWER, CHAT, PROMPT, WORDS, new_messages


def rows(bench: Bench) -> list[Row]:
    return [*_rows(bench), *asyncio.run(_arows(bench))]


def _rows(bench: Bench) -> list[Row]:
    guarded = guard(guardian=bench.guardian)

    def text(prompt: str) -> str:
        return ANSWER

    def chat(messages: list[dict[str, str]]) -> dict[str, Any]:
        return CHAT

    def stream(prompt: str) -> Iterator[str]:
        yield from WORDS

    guarded_text, guarded_chat, guarded_stream = guarded(text), guarded(chat), guarded(stream)
    return [
        bench.row("str to str", lambda: text(PROMPT), lambda: guarded_text(PROMPT)),
        bench.row("messages to a chat completion", lambda: chat(new_messages()), lambda: guarded_chat(new_messages())),
        bench.row(f"stream of {len(WORDS)} words", lambda: list(stream(PROMPT)), lambda: list(guarded_stream(PROMPT))),
    ]


async def _arows(bench: Bench) -> list[Row]:
    guarded = guard(guardian=bench.guardian)

    async def text(prompt: str) -> str:
        return ANSWER

    async def stream(prompt: str) -> AsyncIterator[str]:
        for word in WORDS:
            yield word

    async def read(chunks: AsyncIterator[str]) -> list[str]:
        return [chunk async for chunk in chunks]

    guarded_text, guarded_stream = guarded(text), guarded(stream)
    return [
        await bench.arow("async, str to str", lambda: text(PROMPT), lambda: guarded_text(PROMPT)),
        await bench.arow(
            f"async stream of {len(WORDS)} words", lambda: read(stream(PROMPT)), lambda: read(guarded_stream(PROMPT))
        ),
    ]
