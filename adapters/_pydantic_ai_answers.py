"""What a model of Pydantic AI answers: which of its parts are read, and what becomes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic_ai.messages import ModelResponse, ModelResponsePart, TextPart, ThinkingPart, ToolCallPart
from pydantic_ai.models import ModelRequestParameters

from guardian import Action, Guardian, Verdict

METADATA = "guardian"
"""The key of a response's metadata that holds the verdict, as JSON, where there is anything to say."""


def answer_of(part: ModelResponsePart, parameters: ModelRequestParameters) -> str | None:
    """The text of a part that is an answer: prose, thinking, or output by way of a tool; None for all else."""
    if isinstance(part, TextPart | ThinkingPart):
        return part.content
    if isinstance(part, ToolCallPart) and part.tool_name in {tool.name for tool in parameters.output_tools}:
        return part.args_as_json_str()
    return None


def is_rewritable(part: ModelResponsePart, parameters: ModelRequestParameters) -> bool:
    """Only prose: thinking is signed, and structured output would not fit its schema any more."""
    return isinstance(part, TextPart) and parameters.output_object is None


async def judged(
    guardian: Guardian, parts: Mapping[int, ModelResponsePart], prompt: str, parameters: ModelRequestParameters
) -> dict[int, Verdict]:
    """The verdicts on the parts of an answer to `prompt` that are read, by the keys of the parts."""
    texts = {key: text for key, part in parts.items() if (text := answer_of(part, parameters)) is not None}
    verdicts = dict(zip(texts, await guardian.acheck_responses(prompt, list(texts.values())), strict=True))
    for key, part in parts.items():
        if isinstance(part, ToolCallPart) and key not in texts:
            verdicts[key] = await guardian.acheck_tool_call(part.tool_name, part.args_as_json_str())
    return verdicts


def stopping(
    verdicts: Mapping[int, Verdict], parts: Mapping[int, ModelResponsePart], parameters: ModelRequestParameters
) -> Verdict | None:
    """The gravest verdict that stops the answer, if one does."""
    found = [
        verdict
        for key, verdict in verdicts.items()
        if verdict.blocked or (verdict.action is Action.REDACT and not is_rewritable(parts[key], parameters))
    ]
    return gravest(found) if found else None


# The id of a response lets the provider go on from what it has stored: that is the text as it was, so where the answer
# is not that any more the id is gone.


def rewritten(response: ModelResponse, verdicts: Mapping[int, Verdict]) -> ModelResponse:
    """The response without what is redacted in its prose, with the gravest verdict in its metadata."""
    cut = {key for key, verdict in verdicts.items() if verdict.action is Action.REDACT}
    parts = [
        bare(part, verdicts[index].redact(part.content)) if index in cut and isinstance(part, TextPart) else part
        for index, part in enumerate(response.parts)
    ]
    return replace(
        response,
        parts=parts,
        provider_response_id=None if cut else response.provider_response_id,
        metadata=noted(response.metadata, list(verdicts.values())),
    )


def refused(response: ModelResponse, reply: str, verdict: Verdict) -> ModelResponse:
    """The response with the reply in place of all it says; what it cost and where it came from stays."""
    return replace(
        response,
        parts=[TextPart(reply)],
        state="complete",
        provider_details=None,
        provider_response_id=None,
        finish_reason="content_filter",
        metadata=noted(None, [verdict]),
    )


def bare(part: TextPart, content: str) -> TextPart:
    """A text that is not what the provider has stored under its id."""
    return replace(part, content=content, id=None, provider_details=None, citations=None)


def noted(metadata: dict[str, Any] | None, verdicts: Sequence[Verdict]) -> dict[str, Any] | None:
    """The metadata with the gravest verdict, where one has anything to say."""
    found = [verdict for verdict in verdicts if verdict.would > Action.ALLOW]
    return {**(metadata or {}), METADATA: gravest(found).model_dump(mode="json")} if found else metadata


def gravest(verdicts: Sequence[Verdict]) -> Verdict:
    return max(verdicts, key=lambda verdict: verdict.would)
