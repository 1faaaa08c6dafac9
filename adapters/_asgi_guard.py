"""What checks requests and answers for the ASGI middleware, and says what the policy makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

from guardian.adapters._asgi_forms import Form
from guardian.adapters._asgi_http import Send, problem, respond
from guardian.adapters._asgi_paths import Place
from guardian.adapters._asgi_routes import Request, Route, Text, ToolCall

from guardian import Action, Guardian, StreamGuard, Verdict, last_user_text, redact_messages

HEADER = b"x-guardian-verdict"
HOLDBACK = 512


@dataclass(frozen=True, slots=True)
class Guard:
    """A guardian, and how this middleware tells of blocks."""

    guardian: Guardian
    on_block: Literal["raise", "reply"]
    holdback_chars: int

    async def check(self, request: Request) -> tuple[Verdict, dict[Place, Any]]:
        """The gravest verdict on a request, and what is to be changed in its body."""
        verdicts: list[Verdict] = []
        changes: dict[Place, Any] = {}
        for place, chat in request.messages:
            verdicts.append(verdict := await self.guardian.acheck_messages(chat))
            if verdict.action is Action.REDACT:
                changes[place] = redact_messages(chat, verdict)
        prompts = [text.text for text in request.prompts]
        documents = [text.text for text in request.documents]
        found = await self.guardian.acheck_many(prompts) if prompts else []
        found += await self.guardian.acheck_documents(documents, task=task(request)) if documents else []
        changes |= _redacted((*request.prompts, *request.documents), found)
        return gravest(*verdicts, *found), changes

    async def check_answer(
        self, asked: str, parts: Sequence[Text], calls: Sequence[ToolCall]
    ) -> tuple[Verdict, dict[Place, Any], bool]:
        """The gravest verdict on an answer to `asked`, what is to be changed in it, and whether it may not leave."""
        verdicts = await self.guardian.acheck_responses(asked, [part.text for part in parts])
        tools = [await self.guardian.acheck_tool_call(call.name, call.arguments) for call in calls]
        if stopped := [v for v in verdicts if v.blocked] + [v for v in tools if v.action >= Action.REDACT]:
            return gravest(*stopped), {}, True
        return gravest(*verdicts, *tools), _redacted(parts, verdicts), False

    async def refuse(self, send: Send, verdict: Verdict, route: Route, form: Form) -> None:
        """Answer in the place of the application: with a reply in this form, or with the problem."""
        headers = [(HEADER, shown(verdict))]
        reply = self.reply(verdict)
        if reply is None:
            await problem(send, HTTPStatus.FORBIDDEN, verdict.reason, headers, **told(verdict))
        else:
            data = form.refusal(route, reply, told(verdict))
            await respond(send, HTTPStatus.OK, form.content_type, data, headers)

    def reply(self, verdict: Verdict) -> str | None:
        """The safeguard reply; None where the block is to be told as an error."""
        if verdict.action is not Action.REPLY and self.on_block == "raise":
            return None
        return verdict.reply or verdict.reason

    def stream_guard(self, prompt: str, *, rewrites: bool = True) -> StreamGuard:
        return self.guardian.stream_guard(prompt, holdback_chars=self.holdback_chars, rewrites=rewrites)


def gravest(*verdicts: Verdict) -> Verdict:
    return max(verdicts, key=lambda v: (v.action, v.would))


def task(request: Request) -> str:
    """What the user wants."""
    asked = [text.text for text in request.prompts] + [last_user_text(chat) for _, chat in request.messages]
    return "\n".join(text for text in asked if text)


def told(verdict: Verdict) -> dict[str, Any]:
    """What a client is told of a verdict: never scores or thresholds."""
    return {"stage": verdict.stage, "action": verdict.action, "findings": list(verdict.triggered)}


def shown(verdict: Verdict) -> bytes:
    """The value of the header: the action and what was found, such as `block; weapons`."""
    return "; ".join([str(verdict.action), *([", ".join(verdict.triggered)] if verdict.triggered else [])]).encode()


def _redacted(parts: Sequence[Text], verdicts: Sequence[Verdict]) -> dict[Place, Any]:
    pairs = zip(parts, verdicts, strict=True)
    return {part.place: verdict.redact(part.text) for part, verdict in pairs if verdict.action is Action.REDACT}
