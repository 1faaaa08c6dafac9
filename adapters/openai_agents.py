"""Guardrails for the OpenAI Agents SDK: what goes into a run, what comes out, and every call and result of a tool.

    guardrails = guardian_guardrails(Guardian())

    @function_tool(
        tool_input_guardrails=[guardrails.tool_input], tool_output_guardrails=[guardrails.tool_output]
    )
    def search(query: str) -> str: ...

    agent = Agent(
        name="helper",
        tools=[search],
        input_guardrails=[guardrails.input],
        output_guardrails=[guardrails.output],
    )

A guardrail of this SDK says go or stop, it does not rewrite. So what the policy redacts is stopped too, except the
result of a tool, which goes on without the offending spans.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from guardian import Action, Guardian, MissingExtra, Verdict, checked_on_block, last_user_text, redact_messages

try:
    from agents import (
        Agent,
        GuardrailFunctionOutput,
        InputGuardrail,
        InputGuardrailTripwireTriggered,
        ItemHelpers,
        OutputGuardrail,
        OutputGuardrailTripwireTriggered,
        RunContextWrapper,
        ToolGuardrailFunctionOutput,
        ToolInputGuardrail,
        ToolInputGuardrailData,
        ToolInputGuardrailTripwireTriggered,
        ToolOutputGuardrail,
        ToolOutputGuardrailData,
        ToolOutputGuardrailTripwireTriggered,
    )
    from openai.types.responses import ResponseFunctionToolCall
except ImportError as error:
    raise MissingExtra(
        "openai-agents",
        "guardian.adapters.openai_agents needs openai-agents: pip install 'slm-guardian[openai-agents]'",
    ) from error
from pydantic_core import to_jsonable_python

OnBlock = Literal["raise", "reply"]
Message = Mapping[str, Any]
Tripwire = (
    InputGuardrailTripwireTriggered
    | OutputGuardrailTripwireTriggered
    | ToolInputGuardrailTripwireTriggered
    | ToolOutputGuardrailTripwireTriggered
)

# Items of a run that the model itself wrote, and that bring in nothing from outside.
_BY_THE_MODEL = frozenset(
    (
        "apply_patch_call",
        "computer_call",
        "custom_tool_call",
        "function_call",
        "image_generation_call",
        "local_shell_call",
        "mcp_approval_request",
        "reasoning",
        "shell_call",
        "tool_search_call",
        "web_search_call",
    )
)
_OUTPUTS_IN_PARTS = frozenset(("function_call_output", "custom_tool_call_output"))


@dataclass(frozen=True, slots=True)
class Guardrails:
    """The four guardrails of one guard: `input` and `output` are for agents or a RunConfig, the others for tools."""

    input: InputGuardrail[Any]
    output: OutputGuardrail[Any]
    tool_input: ToolInputGuardrail[Any]
    tool_output: ToolOutputGuardrail[Any]


def guardian_guardrails(
    guardian: Guardian, *, on_block: OnBlock = "reply", run_in_parallel: bool = False
) -> Guardrails:
    """All four guardrails; `on_block` is for those of tools (see `guardian_tool_input_guardrail`)."""
    return Guardrails(
        input=guardian_input_guardrail(guardian, run_in_parallel=run_in_parallel),
        output=guardian_output_guardrail(guardian),
        tool_input=guardian_tool_input_guardrail(guardian, on_block=on_block),
        tool_output=guardian_tool_output_guardrail(guardian, on_block=on_block),
    )


def guardian_input_guardrail(guardian: Guardian, *, run_in_parallel: bool = False) -> InputGuardrail[Any]:
    """Checks the input of a run: what users wrote as prompts, what tools gave as tool results.

    It is checked before the agent starts. With `run_in_parallel`, the SDK's own default, the model is asked at the same
    time, and tools may have run before the verdict is in. A stopped input raises InputGuardrailTripwireTriggered.
    """

    async def check(_: RunContextWrapper[Any], __: Agent[Any], given: str | list[Any]) -> GuardrailFunctionOutput:
        return _decided(await guardian.acheck_messages(_messages(given)))

    return InputGuardrail(check, name="guardian_input", run_in_parallel=run_in_parallel)


def guardian_output_guardrail(guardian: Guardian) -> OutputGuardrail[Any]:
    """Checks the final output of a run against its last user turn; structured output as its JSON.

    A stopped output raises OutputGuardrailTripwireTriggered. The SDK runs it when the output is complete: what
    `Runner.run_streamed` has shown of it by then is gone, so guard the client of the model for streams.
    """

    async def check(context: RunContextWrapper[Any], _: Agent[Any], output: Any) -> GuardrailFunctionOutput:
        prompt = last_user_text(_messages(context.turn_input))
        return _decided(await guardian.acheck_response(prompt, _text(output)))

    return OutputGuardrail(check, name="guardian_output")


def guardian_tool_input_guardrail(guardian: Guardian, *, on_block: OnBlock = "reply") -> ToolInputGuardrail[Any]:
    """Checks the call of a tool before it runs.

    With `on_block="reply"` a stopped call is not made, the model is told why and goes on: one call is refused, not the
    run, which is the SDK's own way with tools. With "raise" the run ends with ToolInputGuardrailTripwireTriggered,
    unless the policy's action is `reply`. ConfigError where `on_block` is neither.
    """
    checked_on_block(on_block)

    async def check(data: ToolInputGuardrailData) -> ToolGuardrailFunctionOutput:
        verdict = await guardian.acheck_tool_call(data.context.tool_name, data.context.tool_arguments)
        if verdict.action >= Action.REDACT:
            return _stopped(verdict, on_block)
        return ToolGuardrailFunctionOutput.allow(verdict)

    return ToolInputGuardrail(check, name="guardian_tool_input")


def guardian_tool_output_guardrail(guardian: Guardian, *, on_block: OnBlock = "reply") -> ToolOutputGuardrail[Any]:
    """Checks the result of a tool before the model sees it.

    It is read as the model would get it. A text goes on without the spans that the policy redacts; a result in parts is
    stopped then. Images and files are not read, and the policy's `on_incomplete` says what follows. `on_block` is that
    of `guardian_tool_input_guardrail`: the model gets the reason in place of the result, or the run ends with
    ToolOutputGuardrailTripwireTriggered.
    """
    checked_on_block(on_block)

    async def check(data: ToolOutputGuardrailData) -> ToolGuardrailFunctionOutput:
        message = {"role": "tool", "content": _content(data)}
        verdict = await guardian.acheck_messages([message])
        if verdict.action is Action.REDACT and isinstance(message["content"], str):
            (redacted,) = redact_messages([message], verdict)
            return ToolGuardrailFunctionOutput.reject_content(redacted["content"], verdict)
        if verdict.action >= Action.REDACT:
            return _stopped(verdict, on_block)
        return ToolGuardrailFunctionOutput.allow(verdict)

    return ToolOutputGuardrail(check, name="guardian_tool_output")


def verdict_of(tripwire: Tripwire) -> Verdict | None:
    """The verdict that made guardian stop a run.

    None where another guardrail did, and where the final output was a tool's own: of that the SDK keeps nothing.
    """
    output = tripwire.output if hasattr(tripwire, "output") else tripwire.guardrail_result.output
    return output.output_info if isinstance(output.output_info, Verdict) else None


def _decided(verdict: Verdict) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(output_info=verdict, tripwire_triggered=verdict.action >= Action.REDACT)


def _stopped(verdict: Verdict, on_block: OnBlock) -> ToolGuardrailFunctionOutput:
    if on_block == "raise" and verdict.action is not Action.REPLY:
        return ToolGuardrailFunctionOutput.raise_exception(verdict)
    return ToolGuardrailFunctionOutput.reject_content(verdict.reason, verdict)


def _messages(given: str | list[Any]) -> list[Message]:
    """The input of a run as messages; an empty one where there is nothing in it."""
    if isinstance(given, str) or not given:
        return [{"role": "user", "content": given or ""}]
    return [_message(item) for item in given]


def _message(item: Any) -> Message:
    """An item of the Responses API as a message. What cannot be read is a part without text, never left out."""
    if not isinstance(item, Mapping) or "role" in item:
        return item  # the guard names what is no message
    kind, output = item.get("type"), item.get("output")
    if kind in _BY_THE_MODEL:
        return {"role": "assistant", "content": ""}
    if isinstance(output, str) or (isinstance(output, list) and kind in _OUTPUTS_IN_PARTS):
        return {"role": "tool", "content": output}
    return {"role": "tool", "content": [{"type": f"{kind}"}]}


def _content(data: ToolOutputGuardrailData) -> Any:
    """The result of a tool as the model would get it: a text, or parts of which images and files have none."""
    context = data.context
    call = ResponseFunctionToolCall(
        call_id=context.tool_call_id, name=context.tool_name, arguments=context.tool_arguments, type="function_call"
    )
    return ItemHelpers.tool_call_output_item(call, data.output)["output"]


def _text(value: Any) -> str:
    """The final output of a run as a text to read: a str is one, all else is its JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(to_jsonable_python(value, fallback=str, bytes_mode="base64"), ensure_ascii=False)
