"""Where the texts of a request and of its answer are, for the ASGI middleware: the routes of an application."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

from guardian.adapters._asgi_paths import Key, Paths, Place, built, found, listed, reaches, steps, strings

from guardian import ConfigError
from guardian.extract import replaced

Refusal = Callable[[str], Mapping[str, Any]]

_PARAMETER = re.compile(r"\{[^{}]*\}")


@dataclass(frozen=True, slots=True)
class Text:
    """A string in a body. `channel` is its place, with the number that an API gives a choice in `index`: chunks of
    several choices come one by one, each at position 0."""

    place: Place
    channel: Place
    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a tool in a body; in a chunk, a piece of one."""

    place: Place
    channel: Place
    name: str
    arguments: str | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Route:
    """Where the texts are, in requests whose URL path matches the pattern `path` and in their answers.

    The pattern is one of the shell, such as `/v1/*`; `{name}` stands for anything too. It is that of the whole path or
    of what is left of it behind the application's root path, and a slash at the end is no matter.

    All places are JSON paths such as `question`, `$.input.text`, `choices[*].message.content` or `$`, the whole body. A
    path that leads to a list or an object means every string in it. A body in plain text is one string: in a request
    `$` leads to it, in an answer it is read whatever `answer` says.

    Of the request: `prompt`, `messages` (a list of chat messages), `documents`, and `stream`, which is true where the
    client wants an event stream. Of the answer: `answer` in a JSON body, `chunk` in the data of an event, `tool_calls`
    (objects with `name` and `arguments`) in both, and `echoes`, which repeat the text (log probabilities) and are
    emptied where it is rewritten. `refusal` and `refusal_chunk` make the body and the event that say the reply, from
    nothing else; without them it stands at the first path of `answer` and `chunk`. `done` is the data of the event that
    ends a stream.

    What cannot be read, a request or an answer, is refused or passes unchecked, as `unknown` says. Raises ConfigError
    for a path that is none.
    """

    path: str = "*"
    prompt: Paths = ()
    messages: Paths = ()
    documents: Paths = ()
    answer: Paths = "$"
    chunk: Paths = "$"
    tool_calls: Paths = ()
    echoes: Paths = ()
    stream: str = "stream"
    refusal: Refusal | None = None
    refusal_chunk: Refusal | None = None
    done: str = ""
    unknown: Literal["pass", "refuse"] = "refuse"

    def __post_init__(self) -> None:
        if not self.path.startswith(("/", "*")):
            raise ConfigError("routes.path", f"{self.path!r} fits no URL: it has to begin with / or *")
        for key in ("prompt", "messages", "documents", "answer", "chunk", "tool_calls", "echoes", "stream"):
            for path in listed(getattr(self, key)):
                if steps(path) is None:
                    raise ConfigError(f"routes.{key}", f"{path!r} is no JSON path such as $.messages[*].content")
        if not (listed(self.prompt) or listed(self.messages) or listed(self.documents)):
            raise ConfigError("routes", f"the route {self.path!r} names no prompt, messages or documents")
        if self.unknown not in ("pass", "refuse"):
            raise ConfigError("routes.unknown", "must be 'pass' or 'refuse'")

    def fits(self, path: str, root: str = "") -> bool:
        """Whether this route is that of a URL path, or of what is left of it behind the root path."""
        pattern = _PARAMETER.sub("*", self.path)
        paths = {path, path.removeprefix(root) or "/"}
        return any(fnmatchcase(p, pattern) for p in paths | {p.rstrip("/") for p in paths})

    def wants_stream(self, body: object) -> bool:
        return any(value is True for _, value in found(body, self.stream))

    def speaks(self, event: object) -> bool:
        """Whether an event has the shape of this route."""
        return any(reaches(event, path) for path in listed(self.chunk))

    def refused(self, reply: str) -> dict[str, Any]:
        """A JSON body that says `reply`."""
        return dict(self.refusal(reply) if self.refusal else built(listed(self.answer), reply))

    def refused_chunk(self, reply: str) -> dict[str, Any]:
        """The data of an event that says `reply`."""
        return dict(self.refusal_chunk(reply) if self.refusal_chunk else built(listed(self.chunk), reply))

    @property
    def takes_text(self) -> bool:
        """Whether a request may be a text: one of its paths is `$`, the whole body."""
        return any(steps(path) == () for key in (self.prompt, self.messages, self.documents) for path in listed(key))


@dataclass(frozen=True, slots=True)
class Request:
    """What there is to check in the body of a request. `route` is the first whose shape it has."""

    body: Any
    route: Route
    prompts: Sequence[Text]
    messages: Sequence[tuple[Place, list[Mapping[str, Any]]]]
    documents: Sequence[Text]


def read(routes: Iterable[Route], body: object) -> Request | None:
    """What all these routes find in a body; None where none finds anything.

    All of them, because a body may have two shapes, and which one the application reads is not known. What stands for
    chat messages and is none, such as texts without a role, counts as prompts.
    """
    prompts: dict[Place, Text] = {}
    documents: dict[Place, Text] = {}
    messages: dict[Place, list[Mapping[str, Any]]] = {}
    first: Route | None = None
    for route in routes:
        chats = {place: chat for path in listed(route.messages) for place, chat in found(body, path) if _is_chat(chat)}
        loose = [text for text in texts(body, route.messages) if not any(text.place[: len(p)] == p for p in chats)]
        own = {text.place: text for text in (*texts(body, route.prompt), *loose)}
        papers = {text.place: text for text in texts(body, route.documents)}
        if own or papers or chats:
            first = first or route
        prompts, documents, messages = prompts | own, documents | papers, messages | chats
    if first is None:
        return None
    return Request(body, first, list(prompts.values()), list(messages.items()), list(documents.values()))


def texts(body: object, paths: Paths) -> list[Text]:
    """The strings at these paths, or within what is there. InputError where it is nested too deeply."""
    places = {
        place: string
        for path in listed(paths)
        for start, value in found(body, path)
        for place, string in strings(value, start)
    }
    return [Text(place, _channel(body, place), string) for place, string in places.items()]


def tool_calls(body: object, route: Route) -> list[ToolCall]:
    calls: list[ToolCall] = []
    for path in listed(route.tool_calls):
        for place, value in found(body, path):
            if not isinstance(value, Mapping):
                continue
            name, arguments = value.get("name"), value.get("arguments", value.get("input"))  # `input` of custom tools
            if isinstance(name, str) or arguments is not None:
                given = (
                    arguments if isinstance(arguments, str | Mapping) else json.dumps(arguments) if arguments else ""
                )
                calls.append(ToolCall(place, _channel(body, place), name if isinstance(name, str) else "", given))
    return calls


def refuses(routes: Iterable[Route]) -> bool:
    """Whether any of these routes refuses what cannot be read."""
    return any(route.unknown == "refuse" for route in routes)


def silenced(body: Any, route: Route) -> Any:
    """A copy of a body without what repeats its text."""
    return replaced(body, {place: None for path in listed(route.echoes) for place, _ in found(body, path)})


def _channel(body: Any, place: Place) -> Place:
    channel: list[Key] = []
    for key in place:
        body = body[key]
        number = body.get("index") if isinstance(key, int) and isinstance(body, Mapping) else None
        channel.append(number if isinstance(number, int) else key)
    return tuple(channel)


def _is_chat(value: object) -> bool:
    return isinstance(value, list) and any(isinstance(message, Mapping) and "role" in message for message in value)


def _openai_refusal(reply: str) -> Mapping[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": reply}, "finish_reason": "content_filter"}
    return {"id": "guardian", "object": "chat.completion", "created": 0, "model": "guardian", "choices": [choice]}


def _openai_refusal_chunk(reply: str) -> Mapping[str, Any]:
    choice = {"index": 0, "delta": {"content": reply}, "finish_reason": "content_filter"}
    return {"id": "guardian", "object": "chat.completion.chunk", "created": 0, "model": "guardian", "choices": [choice]}


_TEXTS = ("content", "reasoning_content", "reasoning", "refusal", "audio.transcript")
_CALLS = ("tool_calls[*].function", "tool_calls[*].custom", "function_call")

OPENAI = Route(
    messages="messages",
    answer=[*(f"choices[*].message.{key}" for key in _TEXTS), "choices[*].text"],
    chunk=[*(f"choices[*].delta.{key}" for key in _TEXTS), "choices[*].text"],
    tool_calls=[f"choices[*].{said}.{key}" for said in ("message", "delta") for key in _CALLS],
    echoes=["choices[*].logprobs", "choices[*].message.audio.data"],
    refusal=_openai_refusal,
    refusal_chunk=_openai_refusal_chunk,
    done="[DONE]",
    unknown="pass",
)
"""Bodies like those of OpenAI's Chat Completions: `messages` in, `choices` out, those of completions too."""

PLAIN = Route(prompt="prompt", documents=["documents", "context"], unknown="pass")
"""`{"prompt": ...}` in, with or without documents; of the answer every string is checked."""
