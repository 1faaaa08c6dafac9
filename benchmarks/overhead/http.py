"""The guarded transports of httpx and httpx2."""

from __future__ import annotations

import asyncio
from types import ModuleType

import httpx
import httpx2
from guardian.adapters.http import guard_client

from overhead.bench import Bench, Row
from overhead.texts import CHAT, WORDS, new_messages
from overhead.wire import Json, chat_events, upstream

URL = "http://upstream/v1/chat/completions"
LIBRARIES = (httpx, httpx2)
ANSWERS: dict[str, Json | list[bytes]] = {"JSON": CHAT, f"event stream of {len(WORDS)} words": chat_events()}


def rows(bench: Bench) -> list[Row]:
    return [
        *(_row(bench, library, kind) for library in LIBRARIES for kind in ANSWERS),
        *(asyncio.run(_arow(bench, library, kind)) for library in LIBRARIES for kind in ANSWERS),
    ]


def _body() -> Json:
    return {"model": "m", "messages": new_messages()}


def _row(bench: Bench, library: ModuleType, kind: str) -> Row:
    with library.Client(transport=upstream(library, ANSWERS[kind])) as plain:
        guarded = guard_client(plain, bench.guardian)
        return bench.row(
            f"{library.__name__}, {kind}",
            lambda: plain.post(URL, json=_body()),
            lambda: guarded.post(URL, json=_body()),
        )


async def _arow(bench: Bench, library: ModuleType, kind: str) -> Row:
    async with library.AsyncClient(transport=upstream(library, ANSWERS[kind])) as plain:
        guarded = guard_client(plain, bench.guardian)
        return await bench.arow(
            f"{library.__name__}, async, {kind}",
            lambda: plain.post(URL, json=_body()),
            lambda: guarded.post(URL, json=_body()),
        )
