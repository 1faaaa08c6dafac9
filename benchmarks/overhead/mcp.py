"""MCP: a call of a tool, from the SDK's own client to a server in the same process."""

from __future__ import annotations

import asyncio

from guardian.adapters.mcp import GuardianMiddleware
from mcp import Client
from mcp.server import MCPServer

from overhead.bench import Bench, Row
from overhead.texts import FOUND, PROMPT, look_up, new_prompt


def rows(bench: Bench) -> list[Row]:
    return [asyncio.run(_call(bench))]


async def _call(bench: Bench) -> Row:
    servers = MCPServer("plain"), MCPServer("guarded", middleware=[GuardianMiddleware(bench.guardian)])
    for server in servers:
        server.add_tool(look_up)

    async def call(client: Client) -> object:
        result = await client.call_tool("look_up", {"query": new_prompt()})
        assert not result.is_error
        return result

    async with Client(servers[0]) as plain, Client(servers[1]) as guarded:
        return await bench.arow("MCP, call of a tool", lambda: call(plain), lambda: call(guarded), (PROMPT, FOUND))
