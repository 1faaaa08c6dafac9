"""A guard in an MCP server: arguments of tools before they run, and what tools, prompts and resources give back.

server = MCPServer("files", middleware=[GuardianMiddleware(guardian)])
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from guardian import Action, Guardian, GuardUnavailable, MissingExtra, Stage, Verdict, checked_on_block
from guardian.extract import replaced

try:
    from mcp import MCPError
    from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
    from mcp_types import (
        INTERNAL_ERROR,
        CallToolResult,
        GetPromptResult,
        PromptMessage,
        ReadResourceResult,
        TextContent,
        TextResourceContents,
    )
    from mcp_types.version import MODERN_PROTOCOL_VERSIONS
    from pydantic import BaseModel
except ImportError as error:
    raise MissingExtra("mcp", "guardian.adapters.mcp needs mcp 2: pip install 'slm-guardian[mcp]'") from error

BLOCKED = -32050
"""The code of the JSON-RPC error for a prompt or a resource that was stopped."""

META = "guardian/verdict"
"""Under this name a result, in `_meta`, and an error, in `data`, have the verdict: stage, action and findings."""

_CALLS = frozenset({"tools/call", "tasks/update"})
_TOOLS = _CALLS | {"tasks/result", "tasks/get"}
_DOCUMENTS = frozenset({"prompts/get", "resources/read"})
# Of the blocks of a result these are no text; a structured result may call anything so.
_NO_TEXT = frozenset({"type", "role", "data", "blob", "mimeType", "uri", "resultType", "requestState", "cacheScope"})
_UNSEEN = frozenset({"_meta", "annotations", "icons"})
_BLOCKS = frozenset({"content", "messages", "contents"})
_MODERN_ONLY = frozenset({"resultType", "ttlMs", "cacheScope"})  # no part of results before protocol 2026-07-28

Place = tuple[str | int, ...]


class GuardianMiddleware:
    """Checks tool calls, prompts and resources of an MCP server.

    Before: the arguments of a tool, and what the client answered in between, as a tool call, which does not run where
    the policy stops or would redact it; the arguments of a prompt as prompts. After: what tools give back as tool
    results (text, embedded resources, structured content), prompts and resources as documents; the text blocks of one
    result also together, as a model reads them. What the policy redacts goes on without the offending spans; what only
    shows in several blocks together is stopped.

    A tool call or result that is stopped comes back as a result with `isError`, so that the model can go on without
    it; it says why, or with `on_block="reply"` (and under a policy whose action is `reply`) the safeguard reply. A
    prompt or resource is a JSON-RPC error of code BLOCKED, or says the reply; the state of a task, and an answer to
    one, are such an error always. Where no verdict can be given and the policy fails closed, the answer is an internal
    error.

    Raises ConfigError for a wrong option.
    """

    def __init__(self, guardian: Guardian | None = None, *, on_block: Literal["raise", "reply"] = "raise") -> None:
        checked_on_block(on_block)
        self._guardian = guardian or Guardian()
        self._on_block = on_block

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        if ctx.request_id is None or ctx.method not in _TOOLS | _DOCUMENTS:
            return await call_next(ctx)
        try:
            changes, stopped = await self._admitted(ctx)
        except GuardUnavailable as outage:
            raise _outage(outage) from None
        if stopped is not None:
            return self._refusal(ctx, stopped)
        if changes:
            ctx = replace(ctx, params=replaced(ctx.params, changes))
        result = await call_next(ctx)
        if isinstance(result, BaseModel):
            result = _dumped(result)
        try:
            return await self._released(ctx, result or {})
        except GuardUnavailable as outage:
            raise _outage(outage) from None

    async def _admitted(self, ctx: ServerRequestContext[Any, Any]) -> tuple[dict[Place, str], Verdict | None]:
        """What is to be changed in a request, and the verdict that stops it. A malformed one is left to the server."""
        params = ctx.params or {}
        if ctx.method in _CALLS:
            name, arguments = params.get("name", ctx.method), params.get("arguments") or {}
            if not isinstance(name, str) or not isinstance(arguments, Mapping):
                return {}, None
            responses = params.get("inputResponses")
            given = {"arguments": arguments, "inputResponses": responses} if responses else arguments
            verdict = await self._guardian.acheck_tool_call(name, given)
            return {}, verdict if verdict.action >= Action.REDACT else None
        texts = dict(item for key in ("arguments", "inputResponses") for item in _strings(params.get(key), (key,)))
        return _judged(texts, await self._guardian.acheck_many(texts.values()) if texts else [])

    async def _released(self, ctx: ServerRequestContext[Any, Any], result: dict[str, Any]) -> HandlerResult:
        """A result as it may leave, or what stands in its place."""
        texts = dict(_result_strings(result))
        if not texts:
            return result
        verdicts = await self._verdicts(ctx, [*texts.values(), *_together(texts)])
        verdicts, whole = verdicts[: len(texts)], verdicts[len(texts) :]
        changes, stopped = _judged(texts, verdicts)
        if changes and whole:
            whole = await self._verdicts(ctx, _together({**texts, **changes}))
        stopped = stopped or next((verdict for verdict in whole if verdict.action >= Action.REDACT), None)
        if stopped is not None:
            return self._refusal(ctx, stopped)
        gravest = _gravest([*verdicts, *whole])
        if gravest.action is Action.ALLOW:
            return result
        meta = {**(result.get("_meta") or {}), META: _told(gravest)}
        return {**replaced(result, changes), "_meta": meta}

    async def _verdicts(self, ctx: ServerRequestContext[Any, Any], texts: Sequence[str]) -> list[Verdict]:
        if ctx.method in _TOOLS:
            return await self._guardian.acheck_many(texts, stage=Stage.TOOL_RESULT)
        return await self._guardian.acheck_documents(texts)

    def _refusal(self, ctx: ServerRequestContext[Any, Any], verdict: Verdict) -> HandlerResult:
        """What comes back instead. Raises MCPError where a result cannot say it, and where it is not to be a reply."""
        replies = verdict.action is Action.REPLY or self._on_block == "reply"
        said = (verdict.reply if replies else None) or verdict.reason
        meta: Any = {META: _told(verdict)}
        if ctx.method in ("tools/call", "tasks/result"):
            return _wired(ctx, CallToolResult(content=[TextContent(text=said)], is_error=True, meta=meta))
        if not replies or ctx.method not in _DOCUMENTS:
            raise MCPError(BLOCKED, verdict.reason, meta)
        if ctx.method == "prompts/get":
            message = PromptMessage(role="assistant", content=TextContent(text=said))
            return _wired(ctx, GetPromptResult(messages=[message], meta=meta))
        uri = str((ctx.params or {}).get("uri", ""))
        return _wired(ctx, ReadResourceResult(contents=[TextResourceContents(uri=uri, text=said)], meta=meta))


def _wired(ctx: ServerRequestContext[Any, Any], result: BaseModel) -> dict[str, Any]:
    """A result as it goes over the wire, where the server itself no longer sees to that."""
    dumped = _dumped(result)
    modern = ctx.protocol_version in MODERN_PROTOCOL_VERSIONS
    return dumped if modern else {key: value for key, value in dumped.items() if key not in _MODERN_ONLY}


def _dumped(result: BaseModel) -> dict[str, Any]:
    return result.model_dump(by_alias=True, mode="json", exclude_none=True)


def _judged(texts: Mapping[Place, str], verdicts: Sequence[Verdict]) -> tuple[dict[Place, str], Verdict | None]:
    """What the verdicts on these texts change in them, and the one that stops them all."""
    if stopped := [verdict for verdict in verdicts if verdict.blocked]:
        return {}, _gravest(stopped)
    pairs = zip(texts.items(), verdicts, strict=True)
    return {place: v.redact(text) for (place, text), v in pairs if v.action is Action.REDACT}, None


def _gravest(verdicts: Sequence[Verdict]) -> Verdict:
    return max(verdicts, key=lambda v: v.action)


def _told(verdict: Verdict) -> dict[str, Any]:
    return {"stage": verdict.stage.value, "action": verdict.action.value, "findings": list(verdict.triggered)}


def _outage(outage: GuardUnavailable) -> MCPError:
    return MCPError(INTERNAL_ERROR, str(outage), {META: {"stage": outage.stage, "action": "unavailable"}})


def _together(texts: Mapping[Place, str]) -> list[str]:
    """The text blocks of a result, one after the other as a model reads them; nothing where there is but one."""
    blocks = [text for place, text in texts.items() if place[0] in _BLOCKS and place[-1] == "text"]
    return ["\n".join(blocks)] if len(blocks) > 1 else []


def _result_strings(result: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    """Place and text of every string of a result that a model may come to read."""
    for key, value in result.items():
        whole = key in ("structuredContent", "inputRequests")
        if key not in _NO_TEXT | _UNSEEN:
            yield from _strings(value, (key,), frozenset() if whole else _NO_TEXT)


def _strings(value: object, place: Place = (), but: frozenset[str] = frozenset()) -> Iterator[tuple[Place, str]]:
    """Every string within a value, but for those under the keys `but`; results are no deeper than pydantic lets be."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if not (but and (key in _UNSEEN or (key in but and isinstance(inner, str)))):
                yield from _strings(inner, (*place, key), but)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _strings(inner, (*place, index), but)
