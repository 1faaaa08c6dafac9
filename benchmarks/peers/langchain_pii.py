"""langchain: `PIIMiddleware` over a streamed answer, read as its documentation says (`stream_events`, version 3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from inputs import A_LONG_URL, A_URL, AN_EMAIL, emit, go_offline, linked, pieces, row, shortened, shown

go_offline()

from langchain.agents import create_agent  # noqa: E402
from langchain.agents.middleware import PIIMiddleware  # noqa: E402
from langchain_core.language_models import BaseChatModel  # noqa: E402
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage  # noqa: E402
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult  # noqa: E402


class Scripted(BaseChatModel):
    """A chat model that streams one answer."""

    answer: str

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:  # noqa: ARG002
        return ChatResult(generations=[ChatGeneration(message=AIMessage(self.answer))])

    def _stream(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:  # noqa: ARG002
        for piece in pieces(self.answer):
            yield ChatGenerationChunk(message=AIMessageChunk(content=piece))


def streamed(kind: str, secret: str) -> str:
    agent = create_agent(
        model=Scripted(answer=linked(secret)),
        middleware=[PIIMiddleware(kind, strategy="redact", apply_to_output=True)],
    )
    run = agent.stream_events({"messages": [{"role": "user", "content": "Where is it?"}]}, version="v3")
    return "".join(delta for message in run.messages for delta in message.text)


def released(experiment: str, kind: str, secret: str) -> dict[str, object]:
    sent = shown(streamed(kind, secret))
    return row(experiment, f"sent {shortened(sent)}", defect=sent != f"[REDACTED_{kind.upper()}]")


emit(
    released("stream_url", "url", A_URL),
    released("stream_url_long", "url", A_LONG_URL),
    released("stream_email", "email", AN_EMAIL),
)
