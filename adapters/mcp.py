"""A guard in an MCP server: arguments of tools before they run, and what tools, prompts and resources give back.

server = MCPServer("files", middleware=[GuardianMiddleware(guardian)])
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from guardian import Action, Guardian, GuardUnavailable, MissingExtra, Stage, Verdict, checked_on_block

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
    from pydantic import BaseModel
except ImportError as error:
    raise MissingExtra("mcp", "guardian.adapters.mcp needs mcp 2: pip install 'slm-guardian[mcp]'") from error

BLOCKED = -32050
"""The code of the JSON-RPC error for a prompt or a resource that was stopped."""

META = "guardian/verdict"
"""Under this name a result, in `_meta`, and an error, in `data`, have the verdict: stage, action and findings."""

_TOOLS = frozenset({"tools/call", "tasks/result"})
_DOCUMENTS = frozenset({"prompts/get", "resources/read"})
# Of the blocks of a result these are no text; a structured result may call anything so.
_NO_TEXT = frozenset({"type", "role", "data", "blob", "mimeType", "uri", "resultType", "requestState", "cacheScope"})
_UNSEEN = frozenset({"_meta", "annotations", "icons"})

Place = tuple[str | int, ...]


class GuardianMiddleware:
    """Checks tool calls, prompts and resources of an MCP server.

    Before: the arguments of a tool, and what the client answered in between, as a tool call, which does not run where
    the policy stops or would redact it; the arguments of a prompt as prompts. After: what tools give back as tool
    results (text, embedded resources, structured content), prompts and resources as documents. What the policy redacts
    goes on without the offending spans.

    A tool call or result that is stopped comes back as a result with `isError`, so that the model can go on without
    it; it says why, or with `on_block="reply"` (and under a policy whose action is `reply`) the safeguard reply. A
    prompt or resource is a JSON-RPC error of code BLOCKED, or says the reply. Where no verdict can be given and the
    policy fails closed, the answer is an internal error.

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
            ctx = replace(ctx, params=_replaced(ctx.params, changes))
        result = await call_next(ctx)
        if isinstance(result, BaseModel):
            result = result.model_dump(by_alias=True, mode="json", exclude_none=True)
        try:
            return await self._released(ctx, result or {})
        except GuardUnavailable as outage:
            raise _outage(outage) from None

    async def _admitted(self, ctx: ServerRequestContext[Any, Any]) -> tuple[dict[Place, str], Verdict | None]:
        """What is to be changed in a request, and the verdict that stops it. A malformed one is left to the server."""
        params = ctx.params or {}
        name, arguments = params.get("name"), params.get("arguments") or {}
        if not isinstance(name, str) or not isinstance(arguments, Mapping):
            return {}, None
        if ctx.method == "tools/call":
            responses = params.get("inputResponses")
            given = {**arguments, "inputResponses": responses} if responses else arguments
            verdict = await self._guardian.acheck_tool_call(name, given)
            return {}, verdict if verdict.action >= Action.REDACT else None
        texts = dict(_strings(arguments, ("arguments",)))
        verdicts = await self._guardian.acheck_many(texts.values()) if texts else []
        return _judged(texts, verdicts)

    async def _released(self, ctx: ServerRequestContext[Any, Any], result: dict[str, Any]) -> HandlerResult:
        """A result as it may leave, or what stands in its place."""
        texts = dict(_result_strings(result))
        if not texts:
            return result
        if ctx.method in _TOOLS:
            verdicts = await self._guardian.acheck_many(texts.values(), stage=Stage.TOOL_RESULT)
        else:
            verdicts = await self._guardian.acheck_documents(list(texts.values()))
        changes, stopped = _judged(texts, verdicts)
        if stopped is not None:
            return self._refusal(ctx, stopped)
        gravest = _gravest(verdicts)
        if gravest.action is Action.ALLOW:
            return result
        meta = {**(result.get("_meta") or {}), META: _told(gravest)}
        return {**_replaced(result, changes), "_meta": meta}

    def _refusal(self, ctx: ServerRequestContext[Any, Any], verdict: Verdict) -> HandlerResult:
        """What comes back instead. Raises MCPError for a prompt or a resource, unless there is to be a reply."""
        replies = verdict.action is Action.REPLY or self._on_block == "reply"
        said = (verdict.reply if replies else None) or verdict.reason
        meta: Any = {META: _told(verdict)}
        if ctx.method in _TOOLS:
            return CallToolResult(content=[TextContent(text=said)], is_error=True, meta=meta)
        if not replies:
            raise MCPError(BLOCKED, verdict.reason, meta)
        if ctx.method == "prompts/get":
            message = PromptMessage(role="assistant", content=TextContent(text=said))
            return GetPromptResult(messages=[message], meta=meta)
        uri = str((ctx.params or {}).get("uri", ""))
        return ReadResourceResult(contents=[TextResourceContents(uri=uri, text=said)], meta=meta)


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


def _replaced(value: Any, changes: Mapping[Place, str]) -> Any:
    """A copy of a value with other texts at these places."""
    for place, text in changes.items():
        value = _with(value, place, text)
    return value


def _with(value: Any, place: Place, text: str) -> Any:
    if not place:
        return text
    key, *rest = place
    changed = dict(value) if isinstance(value, Mapping) else list(value)
    changed[key] = _with(value[key], tuple(rest), text)  # type: ignore[index]
    return changed
