"""Results of tools under guard, in messages, commands and event streams."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from threading import Lock
from typing import Any, ClassVar

from guardian.adapters._langchain_messages import as_mappings, mark, redacted
from langchain_core.messages import ToolMessage
from langgraph.stream import StreamTransformer
from langgraph.types import Command

from guardian import Conversation, Guardian, Verdict

THREADS = 1024
"""Threads of an agent whose stopped tool results are remembered; the least recently used go first."""


class Threads:
    """What was stopped in each thread of an agent; nothing is remembered where a run has no thread."""

    def __init__(self, guardian: Guardian) -> None:
        self._guardian = guardian
        self._lock = Lock()
        self._known: OrderedDict[str, Conversation] = OrderedDict()

    def of(self, runtime: Any) -> AbstractContextManager[object]:
        """Check within the conversation of the thread this run belongs to."""
        info = getattr(runtime, "execution_info", None)
        if info is None or info.thread_id is None:
            return nullcontext()
        with self._lock:
            conversation = self._known.setdefault(info.thread_id, Conversation())
            self._known.move_to_end(info.thread_id)
            if len(self._known) > THREADS:
                self._known.popitem(last=False)
        return self._guardian.using(conversation=conversation)


def tool_messages(result: Any) -> list[ToolMessage]:
    """The tool messages in what a tool gave: itself one, or a command or list with some."""
    if isinstance(result, ToolMessage):
        return [result]
    if isinstance(result, Command):
        update = result.update
        return tool_messages(update.get("messages") if isinstance(update, Mapping) else update)
    return [m for item in result for m in tool_messages(item)] if isinstance(result, list | tuple) else []


def with_tool_messages(result: Any, verdicts: Sequence[Verdict]) -> Any:
    """`result` with what `verdicts`, which are on `tool_messages` of it, say of each; all else as it is."""
    left = iter(verdicts)

    def changed(value: Any) -> Any:
        if isinstance(value, ToolMessage):
            return _tool_result(value, next(left))
        if isinstance(value, Command) and isinstance(value.update, Mapping) and "messages" in value.update:
            return replace(value, update={**value.update, "messages": changed(value.update["messages"])})
        if isinstance(value, Command) and isinstance(value.update, list | tuple):
            return replace(value, update=changed(value.update))
        return type(value)(changed(item) for item in value) if isinstance(value, list | tuple) else value

    return changed(result)


def _tool_result(message: ToolMessage, verdict: Verdict) -> ToolMessage:
    """The result of a tool as the model may have it: where it is stopped, the reason in its place."""
    if not verdict.flagged:
        return message
    marked = {**message.response_metadata, "guardian": mark(verdict)}
    if verdict.blocked:
        return message.model_copy(
            update={"content": verdict.reason, "status": "error", "response_metadata": marked, "artifact": None}
        )
    (changed,) = redacted([message], verdict)
    return changed.model_copy(update={"response_metadata": marked})


class ToolOutputs(StreamTransformer):
    """What `stream_events` shows of tools: results as the model gets them, partial ones not at all.

    A tool's own callbacks show its result before the agent has it; verdicts are remembered, so it is read once.
    """

    before_builtins: ClassVar[bool] = True
    supports_sync: ClassVar[bool] = True

    def __init__(self, scope: tuple[str, ...] = (), *, guardian: Guardian) -> None:
        super().__init__(scope)
        self._guardian = guardian

    def init(self) -> dict[str, Any]:
        return {}

    def process(self, event: Any) -> bool:
        data = _of_tool(event)
        if data.get("event") == "tool-finished":
            found = tool_messages(data.get("output"))
            verdicts = [self._guardian.check_messages(as_mappings([message])) for message in found]
            data["output"] = with_tool_messages(data.get("output"), verdicts)
        return data.get("event") != "tool-output-delta"

    async def aprocess(self, event: Any) -> bool:
        data = _of_tool(event)
        if data.get("event") == "tool-finished":
            found = tool_messages(data.get("output"))
            verdicts = [await self._guardian.acheck_messages(as_mappings([message])) for message in found]
            data["output"] = with_tool_messages(data.get("output"), verdicts)
        return data.get("event") != "tool-output-delta"


def _of_tool(event: Any) -> dict[str, Any]:
    """The data of an event about a tool; empty for any other event."""
    data = event["params"].get("data") if event["method"] == "tools" else None
    return data if isinstance(data, dict) else {}
