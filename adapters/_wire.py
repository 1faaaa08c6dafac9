"""What the wire formats have in common: what is asked, what is answered, how a body is changed, what a refusal says.

Nothing here or in the modules that use it does input or output: what needs a check is a generator that yields an `Ask`
and is sent the verdict, so one flow serves the sync and the async face.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar
from uuid import uuid4

from guardian import Action, Guardian, GuardianError, InputError, StreamGuard, Verdict

HEADER = "x-guardian-verdict"

Path = tuple[str | int, ...]
Key = tuple[Hashable, ...]
Json = dict[str, Any]
OnBlock = Literal["raise", "reply"]
T = TypeVar("T")


# -- checks


@dataclass(frozen=True, slots=True)
class Ask:
    """A check to be made: a method of a guard; its async twin has an `a` before its name."""

    guard: Guardian | StreamGuard
    method: str
    args: tuple[Any, ...]


Steps = Generator[Ask, Any, T]


def run(steps: Steps[T]) -> T:
    """Carry out every check that `steps` asks for; returns what they come to."""
    found: Any = None
    failed: GuardianError | None = None
    while True:
        try:
            ask = steps.send(found) if failed is None else steps.throw(failed)
        except StopIteration as end:
            result: T = end.value
            return result
        try:
            found, failed = getattr(ask.guard, ask.method)(*ask.args), None
        except GuardianError as error:  # for those who asked to deal with
            failed = error


async def arun(steps: Steps[T]) -> T:
    """Carry out every check that `steps` asks for; returns what they come to."""
    found: Any = None
    failed: GuardianError | None = None
    while True:
        try:
            ask = steps.send(found) if failed is None else steps.throw(failed)
        except StopIteration as end:
            result: T = end.value
            return result
        try:
            found, failed = await getattr(ask.guard, f"a{ask.method}")(*ask.args), None
        except GuardianError as error:  # for those who asked to deal with
            failed = error


# -- requests


@dataclass(frozen=True, slots=True)
class Turn:
    """A message as a guard reads it, and where its content stands in the body."""

    message: Mapping[str, Any]
    path: Path


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks. `choices` is how many answers it wants."""

    turns: Sequence[Turn]
    choices: int = 1


# -- answers


@dataclass(frozen=True, slots=True)
class Text:
    """A text of an answer, or the next part of one: those with one `key` are one text.

    `group` is the choice it is of. One that is not `rewrites` must not be changed: redacting it stops it.
    """

    key: Key
    path: Path
    text: str
    group: int = 0
    rewrites: bool = True


@dataclass(frozen=True, slots=True)
class Tool:
    """A call of a tool, or the next part of one."""

    key: Key
    name: str
    arguments: str
    group: int = 0


@dataclass(frozen=True, slots=True)
class Hold:
    """Something that is not read, such as sound, and waits for what is: it leaves when `key` is done."""

    key: Key
    group: int = 0


@dataclass(frozen=True, slots=True)
class Read:
    """What an event of a stream says: `parts` that go on, `wholes` that repeat or stand alone, keys that are `done`.

    A key is done with all that begin with it. `keepalive` events overtake what is held.
    """

    parts: Sequence[Text | Tool | Hold] = ()
    wholes: Sequence[Text | Tool] = ()
    done: Sequence[Key] = ()
    keepalive: bool = False


class Reader(Protocol):
    """Reads one stream of an API, and ends it."""

    def read(self, data: Json) -> Read:
        """What an event says. InputError where its shape is not the API's."""
        ...

    def without(self, data: Json, group: int) -> Json | None:
        """The event without what it says of a choice that was stopped, in the same places; None where that was all."""
        ...

    def truncate(self, data: Json, group: int) -> None:
        """Only texts of this choice are left in the event: drop what calls a tool in it, or ends it."""
        ...

    def altered(self, data: Json) -> None:
        """A text of this event was changed: drop what else would give it away."""
        ...

    def left(self, data: Json) -> None:
        """This event has left, in this form."""
        ...

    def ending(self, group: int, reply: str, verdict: Verdict) -> list[tuple[str | None, Json]]:
        """The events that end a stopped choice: name and data."""
        ...

    @property
    def closing(self) -> bytes:
        """What a stream ends with in any case."""
        ...


class Api(Protocol):
    """One wire format. `asks` is False where the request has no text, such as one that fetches a stored answer."""

    asks: bool

    def ask(self, body: Json) -> Asked:
        """What a request asks; InputError where its shape is not the API's."""
        ...

    def restored(self, original: Any, changed: Any) -> Any:
        """Content as it is sent, from that which was read and redacted."""
        ...

    def answer(self, body: Json) -> list[Text | Tool]:
        """The texts and tool calls of an answer; InputError where its shape is not the API's."""
        ...

    def altered(self, body: Json) -> None:
        """A text of this answer was changed: drop what else would give it away."""
        ...

    def refuse(self, body: Json, group: int, reply: str, verdict: Verdict) -> Json:
        """The answer with a choice of it refused."""
        ...

    def refusal(self, model: str, reply: str, verdict: Verdict) -> Json:
        """An answer that only refuses."""
        ...

    def refusal_events(self, model: str, reply: str, verdict: Verdict) -> bytes:
        """The same as a stream."""
        ...

    def reader(self) -> Reader: ...


# -- bodies


def at(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value


def has(value: Any, path: Path) -> bool:
    """Whether anything stands at `path`."""
    try:
        at(value, path)
    except (KeyError, IndexError, TypeError):
        return False
    return True


def put(body: Json, path: Path, value: Any) -> None:
    """Set what stands at `path`, in place: a body that was parsed here is nobody else's."""
    at(body, path[:-1])[path[-1]] = value


def listed(value: object, what: str) -> list[Any]:
    """A list of objects; InputError names what is none."""
    if not isinstance(value, list):
        raise InputError(f"{what} must be a list, not {type(value).__name__}")
    for index, item in enumerate(value):
        mapped(item, f"{what}[{index}]")
    return value


def chat_turns(body: Json) -> list[Turn]:
    """The messages of a request in `messages`; InputError where there are none."""
    messages = listed(body.get("messages"), "messages")
    if not messages:
        raise InputError("messages is empty: there is nothing to check")
    return [Turn(message, ("messages", index, "content")) for index, message in enumerate(messages)]


def mapped(value: object, what: str) -> Json:
    """An object; InputError names what is none."""
    if not isinstance(value, dict):
        raise InputError(f"{what} must be an object, not {type(value).__name__}")
    return value


def texted(value: object, what: str) -> str:
    """A text; InputError names what is none. Never says it."""
    if not isinstance(value, str):
        raise InputError(f"{what} must be a text, not {type(value).__name__}")
    return value


def numbered(value: object, what: str) -> int | None:
    """The number of a choice, an item or a block, None where there is none; InputError names what is neither."""
    if value is not None and not isinstance(value, int):
        raise InputError(f"{what} must be a number, not {type(value).__name__}")
    return value


_LABELS = frozenset(
    {
        *("type", "id", "index", "name", "object", "role", "status", "format", "model", "fingerprint", "signature"),
        *("url", "image_url", "data", "media_type", "mime_type", "encrypted_content", "encrypted_stdout"),
    }
)


def strings(value: object) -> Iterator[tuple[Path, str]]:
    """Every text in a value whose shape is not known, and its path in it; no names, encoded data or tools on offer."""
    waiting: list[tuple[Path, Any]] = [((), value)]
    while waiting:
        path, found = waiting.pop()
        if isinstance(found, str):
            yield path, found
        elif isinstance(found, list):
            waiting += [((*path, index), inner) for index, inner in enumerate(found)][::-1]
        elif isinstance(found, dict):
            waiting += [((*path, key), inner) for key, inner in found.items() if not _is_label(key, inner, found)][::-1]


def _is_label(key: str, value: object, holder: Json) -> bool:
    document = key == "data" and holder.get("type") == "text"  # where all else has its data encoded
    label = key in _LABELS or key.endswith(("_id", "_label"))
    return key == "tools" or (label and isinstance(value, str) and not document)


def arguments_of(value: object) -> str:
    """Arguments of a tool as text: most APIs have JSON in a string, some an object."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def new_id(prefix: str) -> str:
    return f"{prefix}_guardian_{uuid4().hex}"


# -- refusals


def summary(verdict: Verdict) -> Json:
    """What a body says of a verdict, for the application: enough that nobody needs to read the refusal."""
    return {
        "action": verdict.action,
        "stage": verdict.stage,
        "severity": verdict.severity,
        "findings": list(verdict.triggered),
    }


def header(verdict: Verdict) -> str:
    """What the header says of it: `block; weapons, jailbreak`."""
    return "; ".join(filter(None, (verdict.action, ", ".join(verdict.triggered))))


def error_body(message: str, code: str, verdict: Verdict | None = None) -> Json:
    """An error as the SDKs of OpenAI and Anthropic both read it."""
    error = {"type": "invalid_request_error", "message": message, "code": code, "param": None}
    return {"type": "error", "error": error} | ({"guardian": summary(verdict)} if verdict else {})


def reply_of(verdict: Verdict) -> str:
    """The safeguard reply; a tool call that was to be redacted has none of its own."""
    return verdict.reply or verdict.reason


def error_of(verdict: Verdict, on_block: OnBlock) -> Json | None:
    """The error that a stopped text is answered with; None where it gets a reply, as under the action `reply`."""
    if on_block == "reply" or verdict.action is Action.REPLY:
        return None
    return error_body(verdict.reason, "content_filter", verdict)
