"""One request and its answer under guard, between the bytes that come and the bytes that go."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from guardian.adapters._anthropic_messages import Messages
from guardian.adapters._openai_chat import Chat, ChatList, Completions
from guardian.adapters._openai_responses import Responses
from guardian.adapters._sse import json_object
from guardian.adapters._stream import GuardedEvents
from guardian.adapters._wire import (
    HEADER,
    Api,
    Ask,
    Json,
    OnBlock,
    Path,
    Steps,
    Text,
    Tool,
    at,
    error_body,
    error_of,
    header,
    put,
    reply_of,
)

from guardian import (
    Action,
    ConfigError,
    Guardian,
    InputError,
    Verdict,
    checked_on_block,
    last_user_text,
    redact_messages,
)

Unknown = Literal["pass", "refuse"]

# Servers put these paths below prefixes of their own: only the end of a path is looked at.
_ROUTES: tuple[tuple[str, re.Pattern[str], Api], ...] = tuple(
    (method, re.compile(pattern, re.IGNORECASE), api)
    for method, pattern, api in (
        ("POST", r"/chat/completions$", Chat()),
        ("GET", r"/chat/completions$", ChatList()),
        ("GET", r"/chat/completions/[^/]+$", Chat(asks=False)),
        ("POST", r"/chat/completions/[^/]+$", Chat(asks=False)),
        ("POST", r"/completions$", Completions()),
        ("POST", r"/responses$", Responses()),
        ("GET", r"/responses/[^/]+$", Responses(asks=False)),
        ("POST", r"/responses/[^/]+/cancel$", Responses(asks=False)),
        ("POST", r"/v1/messages$", Messages()),
    )
)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the caller gets in place of what was sent or answered; `status` is None where it stays."""

    content: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int | None = None


class HttpGuard:
    """How the exchanges of a client are guarded; raises ConfigError for settings that are none."""

    def __init__(self, guardian: Guardian | None, *, on_block: OnBlock, unknown: Unknown, holdback_chars: int) -> None:
        checked_on_block(on_block)
        if unknown not in ("pass", "refuse"):
            raise ConfigError("unknown", "must be 'pass' or 'refuse'")
        self.guardian = guardian or Guardian()
        self.guardian.stream_guard(holdback_chars=holdback_chars)  # refuses what it cannot be
        self.on_block: OnBlock = on_block
        self.unknown = unknown
        self.holdback_chars = holdback_chars

    def exchange(self, method: str, path: str) -> Exchange | Reply | None:
        """The exchange at a known endpoint; at others None where they pass, else the refusal."""
        path = path.rstrip("/")
        for known, pattern, api in _ROUTES:
            if method == known and pattern.search(path):
                return Exchange(self, api)
        if self.unknown == "pass":
            return None
        return _error(403, "this endpoint is not guarded, and so it is refused", "guardian_unknown_endpoint")


class Exchange:
    """One request to a known endpoint, and its answer."""

    def __init__(self, guard: HttpGuard, api: Api) -> None:
        self.asks = api.asks
        self._guard = guard
        self._guardian = guard.guardian
        self._api = api
        self._prompt = ""
        self._choices = 1
        self._verdicts: list[Verdict] = []

    @property
    def headers(self) -> dict[str, str]:
        """The gravest verdict so far, for the answer."""
        gravest = max(self._verdicts, key=lambda v: (v.action, v.would), default=None)
        return {} if gravest is None else {HEADER: header(gravest)}

    # -- the request

    def admit(self, content: bytes) -> Steps[bytes | Reply]:
        """Check a request: the body that may be sent, redacted where the policy says so, or what is answered here."""
        try:
            body = json_object(content, "the request", strict=True)
            asked = self._api.ask(body)
            self._choices = asked.choices
            changed = False
            if asked.turns:
                messages = [turn.message for turn in asked.turns]
                verdict = yield Ask(self._guardian, "check_messages", (messages,))
                self._verdicts.append(verdict)
                self._prompt = last_user_text(messages)
                if verdict.blocked:
                    return self._refused(body, verdict)
                if verdict.action is Action.REDACT:
                    changed = self._redact(body, messages, [turn.path for turn in asked.turns], verdict)
        except InputError as error:
            return _unreadable(400, error)
        return json.dumps(body).encode() if changed else content

    def _redact(self, body: Json, messages: Sequence[Any], paths: Sequence[Path], verdict: Verdict) -> bool:
        """Put the redacted messages into the body; returns whether there was anything to change."""
        changed = False
        for old, new, path in zip(messages, redact_messages(messages, verdict), paths, strict=True):
            if new is not old:
                put(body, path, self._api.restored(at(body, path), new["content"]))
                changed = True
        return changed

    def _refused(self, body: Json, verdict: Verdict) -> Reply:
        if (error := error_of(verdict, self._guard.on_block)) is not None:
            return _json(error, 400, self.headers)
        model = body.get("model")
        model = model if isinstance(model, str) else ""
        if body.get("stream") is True:
            events = self._api.refusal_events(model, reply_of(verdict), verdict)
            return Reply(events, {"content-type": "text/event-stream; charset=utf-8", **self.headers}, 200)
        return _json(self._api.refusal(model, reply_of(verdict), verdict), 200, self.headers)

    # -- the answer

    def release(self, content: bytes) -> Steps[Reply]:
        """Check an answer: as it may be returned, or the refusal in its place."""
        try:
            body = json_object(content, "the answer")
            if body.get("error") and not any(body.get(key) for key in ("choices", "output", "content", "data")):
                return Reply(content, self.headers)
            parts = self._api.answer(body)
        except InputError as error:
            return _unreadable(502, error)
        texts = [part for part in parts if isinstance(part, Text) and part.text]
        stopped: dict[int, Verdict] = {}
        changed = yield from self._texts(body, texts, stopped)
        yield from self._tools([part for part in parts if isinstance(part, Tool)], stopped)
        for group, verdict in stopped.items():
            if (error_answer := error_of(verdict, self._guard.on_block)) is not None:
                return _json(error_answer, 400, self.headers)
            body = self._api.refuse(body, group, reply_of(verdict), verdict)
        if stopped or changed:
            return _json(body, None, self.headers)
        return Reply(content, self.headers)

    def _texts(self, body: Json, texts: Sequence[Text], stopped: dict[int, Verdict]) -> Steps[bool]:
        if not texts:
            return False
        verdicts = yield Ask(self._guardian, "check_responses", (self._prompt, [text.text for text in texts]))
        changed = False
        for text, verdict in zip(texts, verdicts, strict=True):
            self._verdicts.append(verdict)
            if verdict.blocked or (verdict.action is Action.REDACT and not text.rewrites):
                stopped.setdefault(text.group, verdict)
            elif verdict.action is Action.REDACT:
                put(body, text.path, verdict.redact(text.text))
                changed = True
        if changed:
            self._api.altered(body)
        return changed

    def _tools(self, tools: Sequence[Tool], stopped: dict[int, Verdict]) -> Steps[None]:
        for tool in tools:
            if tool.group not in stopped:
                verdict = yield Ask(self._guardian, "check_tool_call", (tool.name, tool.arguments))
                self._verdicts.append(verdict)
                if verdict.action >= Action.REDACT:  # arguments cannot be rewritten
                    stopped[tool.group] = verdict

    def events(self) -> GuardedEvents:
        """The guard of an answer that comes as a stream."""
        return GuardedEvents(
            self._guardian,
            self._api.reader(),
            self._prompt,
            choices=self._choices,
            on_block=self._guard.on_block,
            holdback_chars=self._guard.holdback_chars,
        )


def unreadable_answer() -> Reply:
    """For an answer that is neither JSON nor a stream of events."""
    return _unreadable(502, InputError("the answer is neither JSON nor a stream of events"))


def _unreadable(status: int, error: InputError) -> Reply:
    return _error(status, f"guardian cannot read this: {error}", "guardian_unreadable")


def _error(status: int, message: str, code: str) -> Reply:
    return _json(error_body(message, code), status, {HEADER: f"refused; {code.removeprefix('guardian_')}"})


def _json(body: Json, status: int | None, headers: Mapping[str, str]) -> Reply:
    """`x-should-retry` keeps the SDKs from asking again for what is refused again."""
    more = {"x-should-retry": "false"} if status not in (None, 200) else {}
    return Reply(json.dumps(body).encode(), {"content-type": "application/json", **more, **headers}, status)
