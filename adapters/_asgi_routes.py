"""Where the texts of a JSON request and of its answer are, for the ASGI middleware: routes, and the paths they name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from guardian import ConfigError, InputError

Key = str | int
Place = tuple[Key, ...]
Paths = str | Sequence[str]
Refusal = Callable[[str], Mapping[str, Any]]

_EVERY = "*"
_STEP = re.compile(r"\.?(?P<name>[^.\[\]$]+)|\[(?P<index>\d+|\*)\]")
_DEEPEST = 64


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
    """Where the texts are, in requests whose URL path matches the shell pattern `path` and in their answers.

    All places are JSON paths such as `question`, `$.input.text`, `choices[*].message.content` or `$`, the whole body. A
    path that leads to a list or an object means every string in it.

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
        for key in ("prompt", "messages", "documents", "answer", "chunk", "tool_calls", "echoes", "stream"):
            for path in _tuple(getattr(self, key)):
                if _steps(path) is None:
                    raise ConfigError(f"routes.{key}", f"{path!r} is no JSON path such as $.messages[*].content")
        if not (_tuple(self.prompt) or _tuple(self.messages) or _tuple(self.documents)):
            raise ConfigError("routes", f"the route {self.path!r} names no prompt, messages or documents")
        if self.unknown not in ("pass", "refuse"):
            raise ConfigError("routes.unknown", "must be 'pass' or 'refuse'")

    def wants_stream(self, body: object) -> bool:
        return any(value is True for _, value in found(body, self.stream))

    def speaks(self, body: object, paths: Paths) -> bool:
        """Whether a body has the first key of one of these paths."""
        routes = [_steps(path) for path in _tuple(paths)]
        return any(not steps or (isinstance(body, Mapping) and steps[0] in body) for steps in routes)

    def refused(self, reply: str) -> dict[str, Any]:
        """A JSON body that says `reply`."""
        return dict(self.refusal(reply) if self.refusal else _built(_tuple(self.answer), reply))

    def refused_chunk(self, reply: str) -> dict[str, Any]:
        """The data of an event that says `reply`."""
        return dict(self.refusal_chunk(reply) if self.refusal_chunk else _built(_tuple(self.chunk), reply))


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

    All of them, because a body may have two shapes, and which one the application reads is not known.
    """
    prompts: dict[Place, Text] = {}
    documents: dict[Place, Text] = {}
    messages: dict[Place, list[Mapping[str, Any]]] = {}
    first: Route | None = None
    for route in routes:
        own = {text.place: text for text in texts(body, route.prompt)}
        papers = {text.place: text for text in texts(body, route.documents)}
        chats = {place: chat for path in _tuple(route.messages) for place, chat in found(body, path) if _is_chat(chat)}
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
        for path in _tuple(paths)
        for start, value in found(body, path)
        for place, string in _strings(value, start)
    }
    return [Text(place, _channel(body, place), string) for place, string in places.items()]


def tool_calls(body: object, route: Route) -> list[ToolCall]:
    calls: list[ToolCall] = []
    for path in _tuple(route.tool_calls):
        for place, value in found(body, path):
            if not isinstance(value, Mapping):
                continue
            name, arguments = value.get("name"), value.get("arguments")
            if isinstance(name, str) or isinstance(arguments, str | Mapping):
                given = arguments if isinstance(arguments, str | Mapping) else ""
                calls.append(ToolCall(place, _channel(body, place), name if isinstance(name, str) else "", given))
    return calls


def found(body: object, path: str) -> Iterator[tuple[Place, Any]]:
    """Place and value of everything that a path leads to."""
    values: list[tuple[Place, Any]] = [((), body)]
    for step in _steps(path) or ():
        values = [((*place, key), inner) for place, value in values for key, inner in _children(value, step)]
    return iter(values)


def replaced(body: Any, changes: Mapping[Place, Any]) -> Any:
    """A copy of a body with other values at these places."""
    for place, value in changes.items():
        body = _with(body, place, value)
    return body


def silenced(body: Any, route: Route) -> Any:
    """A copy of a body without what repeats its text."""
    return replaced(body, {place: None for path in _tuple(route.echoes) for place, _ in found(body, path)})


def _tuple(paths: Paths) -> tuple[str, ...]:
    return (paths,) if isinstance(paths, str) else tuple(paths)


@cache
def _steps(path: str) -> tuple[Key, ...] | None:
    """Keys, indices and `*` of a path; None where it is none."""
    position = 1 if path.startswith("$") else 0
    steps: list[Key] = []
    while position < len(path):
        step = _STEP.match(path, position)
        if step is None:
            return None
        index = step["index"]
        steps.append(step["name"] if index is None else index if index == _EVERY else int(index))
        position = step.end()
    return tuple(steps) if path else None


def _children(value: object, step: Key) -> Iterator[tuple[Key, Any]]:
    if isinstance(value, Mapping):
        yield from value.items() if step == _EVERY else ((k, value[k]) for k in value.keys() & {step})
    elif isinstance(value, list) and step == _EVERY:
        yield from enumerate(value)
    elif isinstance(value, list) and isinstance(step, int):
        yield from ((step, inner) for inner in value[step : step + 1])


def _strings(value: object, place: Place) -> Iterator[tuple[Place, str]]:
    """Every string in a value. InputError where it is nested deeper than any known API nests."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, Mapping | list):
        if len(place) >= _DEEPEST:
            raise InputError(f"the body is nested too deeply: at most {_DEEPEST} levels")
        for key, inner in _children(value, _EVERY):
            yield from _strings(inner, (*place, key))


def _channel(body: Any, place: Place) -> Place:
    channel: list[Key] = []
    for key in place:
        body = body[key]
        number = body.get("index") if isinstance(key, int) and isinstance(body, Mapping) else None
        channel.append(number if isinstance(number, int) else key)
    return tuple(channel)


def _with(value: Any, place: Place, new: Any) -> Any:
    if not place:
        return new
    key, *rest = place
    changed = value.copy()
    changed[key] = _with(value[key], tuple(rest), new)
    return changed


def _built(paths: Sequence[str], reply: str) -> dict[str, Any]:
    """The smallest body that has `reply` at the first path; under `response` where that is the whole body."""
    body: Any = reply
    for step in reversed((_steps(paths[0]) if paths else None) or ("response",)):
        body = [body] if isinstance(step, int) or step == _EVERY else {step: body}
    return body if isinstance(body, dict) else {"response": reply}


def _is_chat(value: object) -> bool:
    return isinstance(value, list) and any(isinstance(message, Mapping) and "role" in message for message in value)


def _openai_refusal(reply: str) -> Mapping[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": reply}, "finish_reason": "content_filter"}
    return {"id": "guardian", "object": "chat.completion", "created": 0, "model": "guardian", "choices": [choice]}


def _openai_refusal_chunk(reply: str) -> Mapping[str, Any]:
    choice = {"index": 0, "delta": {"content": reply}, "finish_reason": "content_filter"}
    return {"id": "guardian", "object": "chat.completion.chunk", "created": 0, "model": "guardian", "choices": [choice]}


_OPENAI_TEXTS = ("content", "reasoning_content", "reasoning", "refusal")

OPENAI = Route(
    messages="messages",
    answer=[*(f"choices[*].message.{key}" for key in _OPENAI_TEXTS), "choices[*].text"],
    chunk=[*(f"choices[*].delta.{key}" for key in _OPENAI_TEXTS), "choices[*].text"],
    tool_calls=["choices[*].message.tool_calls[*].function", "choices[*].delta.tool_calls[*].function"],
    echoes="choices[*].logprobs",
    refusal=_openai_refusal,
    refusal_chunk=_openai_refusal_chunk,
    done="[DONE]",
    unknown="pass",
)
"""Bodies like those of OpenAI's Chat Completions: `messages` in, `choices` out, those of completions too."""

PLAIN = Route(prompt="prompt", documents=["documents", "context"], unknown="pass")
"""`{"prompt": ...}` in, with or without documents; of the answer every string is checked."""
