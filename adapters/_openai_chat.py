"""The wire format of OpenAI's Chat Completions and of the older Completions, which compatible servers share."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from guardian.adapters._sse import encoded
from guardian.adapters._wire import (
    Asked,
    Hold,
    Json,
    Key,
    Path,
    Read,
    Text,
    Tool,
    Turn,
    arguments_of,
    chat_turns,
    listed,
    mapped,
    new_id,
    strings,
    summary,
    texted,
)

from guardian import InputError, Verdict

_CALLS = frozenset({"tool_calls", "function_call", "audio"})
"""What of a message is no text. All other strings are, such as the reasoning that some servers show."""

_ELSEWHERE = ("content", "text", "message", "delta", "response")
"""Where other protocols say what these have in `choices`."""

_MOST_CHOICES = 128


class Chat:
    """Chat Completions. Without `asks` a stored one that is fetched."""

    def __init__(self, *, asks: bool = True) -> None:
        self.asks = asks

    def ask(self, body: Json) -> Asked:
        return Asked(chat_turns(body), choices=_choices(body))

    def restored(self, original: Any, changed: Any) -> Any:  # noqa: ARG002  (other APIs need it)
        return changed

    def answer(self, body: Json) -> list[Text | Tool]:
        found: list[Text | Tool] = []
        for index, choice in enumerate(listed(body.get("choices"), "choices")):
            path = ("choices", index)
            found += [part for part in _parts(choice, path, index) if not isinstance(part, Hold)]
        return found

    def altered(self, body: Json) -> None:
        for choice in body.get("choices") or ():
            if choice.get("logprobs"):
                choice["logprobs"] = None  # the tokens of the text

    def refuse(self, body: Json, group: int, reply: str, verdict: Verdict) -> Json:
        body["choices"][group] = {"index": body["choices"][group].get("index", group), **self._said(reply)}
        return body | {"guardian": summary(verdict)}

    def refusal(self, model: str, reply: str, verdict: Verdict) -> Json:
        return {
            "id": new_id("chatcmpl"),
            "object": "chat.completion",
            "created": int(time.time()),
            "model": model,
            "choices": [{"index": 0, **self._said(reply)}],
            "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
            "guardian": summary(verdict),
        }

    def refusal_events(self, model: str, reply: str, verdict: Verdict) -> bytes:
        reader = self.reader()
        reader.left({"id": new_id("chatcmpl"), "created": int(time.time()), "model": model})
        events = reader.ending(0, reply, verdict)
        return b"".join(encoded(name, data) for name, data in events) + reader.closing

    def reader(self) -> ChatReader:
        return ChatReader()

    def _said(self, reply: str) -> Json:
        message = {"role": "assistant", "content": None, "refusal": reply}
        return {"message": message, "logprobs": None, "finish_reason": "content_filter"}


class ChatList(Chat):
    """A list of stored Chat Completions that is fetched."""

    def __init__(self) -> None:
        super().__init__(asks=False)

    def answer(self, body: Json) -> list[Text | Tool]:
        return [
            replace(part, group=number * _MOST_CHOICES + part.group, **_moved(part, ("data", number)))
            for number, stored in enumerate(listed(body.get("data"), "data"))
            for part in super(ChatList, self).answer(stored)
        ]

    def altered(self, body: Json) -> None:
        for stored in body["data"]:
            super().altered(stored)

    def refuse(self, body: Json, group: int, reply: str, verdict: Verdict) -> Json:
        number, choice = divmod(group, _MOST_CHOICES)
        body["data"][number] = super().refuse(body["data"][number], choice, reply, verdict)
        return body


def _moved(part: Text | Tool, path: Path) -> Json:
    return {"path": (*path, *part.path)} if isinstance(part, Text) else {}


class ChatReader:
    """One stream of Chat Completions. A choice ends with its finish_reason, and its tool calls with it."""

    closing = b"data: [DONE]\n\n"
    kind = "chat.completion.chunk"

    def __init__(self) -> None:
        self._head: Json = {}

    def read(self, data: Json) -> Read:
        if not data.get("choices"):  # usage, moderation, an error
            if "error" not in data and any(data.get(name) for name in _ELSEWHERE):
                raise InputError("an event of the stream says something, but not in its choices")
            return Read()
        parts: list[Text | Tool | Hold] = []
        done: list[Key] = []
        for index, choice in enumerate(listed(data["choices"], "choices")):
            group = _number(choice, index)
            parts += _parts(choice, ("choices", index), group)
            if choice.get("finish_reason"):
                done.append((group,))
        return Read(parts, done=done)

    def without(self, data: Json, group: int) -> Json | None:
        choices = data.get("choices")
        if not choices:
            return data
        mine = [_number(choice, index) == group for index, choice in enumerate(choices)]
        if all(mine):
            return None
        nothing = {"index": group, "delta": {}, "text": "", "finish_reason": None}
        return data | {"choices": [nothing if drop else choice for choice, drop in zip(choices, mine, strict=True)]}

    def truncate(self, data: Json, group: int) -> None:
        for index, choice in enumerate(data["choices"]):
            if _number(choice, index) == group:
                choice.update(finish_reason=None, logprobs=None)
                for where in ("message", "delta"):
                    message = choice.get(where) or {}
                    for name in ("tool_calls", "function_call"):
                        message.pop(name, None)
                    (message.get("audio") or {}).pop("data", None)

    def altered(self, data: Json) -> None:
        Chat().altered(data)

    def left(self, data: Json) -> None:
        self._head = {key: data[key] for key in ("id", "created", "model") if key in data}

    def ending(self, group: int, reply: str, verdict: Verdict) -> list[tuple[str | None, Json]]:
        chunk = {"id": new_id("chatcmpl"), "created": int(time.time()), "model": "", **self._head, "object": self.kind}
        return [
            (None, chunk | {"choices": [{"index": group, **choice}]} | extra)
            for choice, extra in self._said(reply, summary(verdict))
        ]

    def _said(self, reply: str, verdict: Json) -> list[tuple[Json, Json]]:
        delta = {"role": "assistant", "content": None, "refusal": reply}
        return [
            ({"delta": delta, "finish_reason": None}, {}),
            ({"delta": {}, "finish_reason": "content_filter"}, {"guardian": verdict}),
        ]


class Completions(Chat):
    """The older Completions: a prompt, or several, and texts."""

    def ask(self, body: Json) -> Asked:
        prompt = body.get("prompt")
        turns = [_user(prompt, ("prompt",))] if isinstance(prompt, str) else []
        if isinstance(prompt, list):
            turns = [_user(texted(text, f"prompt[{i}]"), ("prompt", i)) for i, text in enumerate(prompt)]
        if not turns:
            raise InputError("prompt must be a text or a list of texts: tokens cannot be read")
        if body.get("suffix") is not None:
            turns.append(_user(texted(body["suffix"], "suffix"), ("suffix",)))
        return Asked(turns, choices=_choices(body) * (len(prompt) if isinstance(prompt, list) else 1))

    def refusal(self, model: str, reply: str, verdict: Verdict) -> Json:
        return super().refusal(model, reply, verdict) | {"id": new_id("cmpl"), "object": "text_completion"}

    def reader(self) -> ChatReader:
        return _CompletionsReader()

    def _said(self, reply: str) -> Json:
        return {"text": reply, "logprobs": None, "finish_reason": "content_filter"}


class _CompletionsReader(ChatReader):
    kind = "text_completion"

    def _said(self, reply: str, verdict: Json) -> list[tuple[Json, Json]]:
        return [({"text": reply, "logprobs": None, "finish_reason": "content_filter"}, {"guardian": verdict})]


def _user(text: str, path: tuple[str | int, ...]) -> Turn:
    return Turn({"role": "user", "content": text}, path)


def _choices(body: Json) -> int:
    count = body.get("n")
    return count if isinstance(count, int) and 0 < count <= _MOST_CHOICES else 1


def _number(choice: Json, index: int) -> int:
    """The number of a choice: chunks of several come one by one, each at place 0."""
    number = choice.get("index")
    return number if isinstance(number, int) else index


def _parts(choice: Json, path: tuple[str | int, ...], group: int) -> Iterator[Text | Tool | Hold]:
    """What a choice says, whole or as a delta."""
    silent = True
    for part in _spoken(choice, path, group):
        silent = silent and not (isinstance(part, Text) and part.text)
        yield part
    if silent:  # tokens without the text that they are of
        yield from _tokens(choice, path, group)


def _spoken(choice: Json, path: tuple[str | int, ...], group: int) -> Iterator[Text | Tool | Hold]:
    if (text := choice.get("text")) is not None:
        yield Text((group, "text"), (*path, "text"), texted(text, "choices.text"), group)
    for where in ("message", "delta"):
        if (message := choice.get(where)) is not None:
            yield from _message(mapped(message, f"choices.{where}"), (*path, where), group)


def _tokens(choice: Json, path: tuple[str | int, ...], group: int) -> Iterator[Text]:
    known = mapped(choice.get("logprobs") or {}, "logprobs")
    for kind in ("content", "refusal"):
        for index, token in enumerate(listed(known.get(kind) or [], "logprobs")):
            where = (*path, "logprobs", kind, index, "token")
            text = texted(token.get("token"), "logprobs.token")
            yield Text((group, "logprobs", kind), where, text, group, rewrites=False)


def _message(message: Json, path: tuple[str | int, ...], group: int) -> Iterator[Text | Tool | Hold]:
    content = message.get("content")
    if content is not None and not isinstance(content, str):
        listed(content, "content")
    for where, text in strings({name: value for name, value in message.items() if name not in _CALLS}):
        yield Text((group, *_place(message, where)), (*path, *where), text, group)
    if (audio := message.get("audio")) is not None:
        yield Hold((group, "sound"), group)
        if mapped(audio, "audio").get("transcript") is not None:
            transcript = texted(audio["transcript"], "audio.transcript")
            yield Text((group, "audio"), (*path, "audio", "transcript"), transcript, group, rewrites=False)
    for index, call in enumerate(listed(message.get("tool_calls") or [], "tool_calls")):
        yield _tool(mapped(call.get("function") or call.get("custom") or {}, "tool_calls"), call, index, group)
    if (call := message.get("function_call")) is not None:
        yield _tool(mapped(call, "function_call"), {}, -1, group)


def _place(message: Json, path: Path) -> Path:
    """Where a text stands in its message, whatever delta it is in: a part of a list may say its number there."""
    name, rest = str(path[0]), list(path[1:])
    if rest and isinstance(message[name], list) and isinstance(part := message[name][rest[0]], dict):
        rest[0] = _number(part, int(rest[0]))
    return (name, *rest)


def _tool(called: Json, call: Json, index: int, group: int) -> Tool:
    arguments = called.get("arguments", called.get("input"))
    name = texted(called.get("name") or "", "tool_calls.name")
    return Tool((group, "tool", _number(call, index)), name, arguments_of(arguments), group)
