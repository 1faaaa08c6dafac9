"""One call of a guarded function: where its prompt, its documents and its answer are, and what becomes of them.

All but the checks themselves: the sync and the async face of the decorator share it.
"""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from guardian import messages as chat
from guardian.chunks import AnyFeed
from guardian.documents import read_document
from guardian.errors import ConfigError, InputError
from guardian.extract import Key, Slot, answer_slots, document_slots, refused, replaced
from guardian.guard import Guardian
from guardian.stream import OnBlock, safeguard_reply
from guardian.verdict import Action, Stage, Verdict

Messages = list[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Plan:
    """How calls of one function are guarded."""

    name: str
    signature: inspect.Signature
    function: Callable[..., Any]
    guardian: Callable[[], Guardian]
    on_block: OnBlock
    prompt: str | None
    documents: tuple[str, ...]
    extract: Callable[[Any], str] | None
    respond: Callable[[str], Any] | None
    holdback_chars: int

    @classmethod
    def of(cls, function: Callable[..., Any], **options: Any) -> Plan:
        """The plan for a function; ConfigError where it cannot be guarded that way."""
        if not callable(function):
            raise ConfigError("guard", f"needs a function, not {type(function).__name__}")
        name = getattr(function, "__qualname__", type(function).__name__)
        signature = inspect.signature(function)
        if not signature.parameters:
            raise ConfigError(name, "takes no argument, so there is no prompt to guard")
        named = [("prompt", options["prompt"]), *(("documents", document) for document in options["documents"])]
        for key, parameter in named:
            if parameter is not None and parameter not in signature.parameters:
                raise ConfigError(key, f"{name} has no parameter {parameter!r}")
        return cls(name=name, signature=signature, function=function, **options)

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        """The call with these arguments; InputError where it has no prompt."""
        bound = self.signature.bind(*args, **kwargs)
        given = (
            [name for name in bound.arguments if name not in self.documents] if self.prompt is None else [self.prompt]
        )
        bound.apply_defaults()
        for name in given:
            if isinstance(bound.arguments[name], str) or _is_chat(bound.arguments[name]):
                return Call(self, bound, name)
        raise InputError(f"{self.name} was called without a str or a list of messages for its prompt")


@dataclass(frozen=True, slots=True)
class Answer:
    """The texts of an answer, and the tools it calls."""

    slots: Sequence[Slot]

    @property
    def texts(self) -> list[str]:
        return [slot.text for slot in self._of(Stage.RESPONSE)]

    @property
    def tools(self) -> list[Slot]:
        return self._of(Stage.TOOL_CALL)

    @property
    def paths(self) -> list[tuple[Key, ...]]:
        return [slot.path for slot in self._of(Stage.RESPONSE)]

    def _of(self, stage: Stage) -> list[Slot]:
        return [slot for slot in self.slots if slot.stage is stage]


@dataclass
class Call:
    """The arguments of one call, and the name of that which is the prompt."""

    plan: Plan
    bound: inspect.BoundArguments
    parameter: str
    guardian: Guardian = field(init=False)

    def __post_init__(self) -> None:
        self.guardian = self.plan.guardian()

    @cached_property
    def prompt(self) -> str | Messages:
        """The prompt as it came: a text, or messages as mappings."""
        value = self.bound.arguments[self.parameter]
        return value if isinstance(value, str) else [_as_mapping(message) for message in value]

    @cached_property
    def task(self) -> str:
        """What the user wants: the prompt, or the last turn of a conversation."""
        return self.prompt if isinstance(self.prompt, str) else chat.last_user_text(self.prompt)

    @cached_property
    def documents(self) -> list[tuple[str, Slot]]:
        """The documents among the arguments: name of the parameter, and where in its value the text is."""
        return [
            (name, slot)
            for name in self.plan.documents
            if self.bound.arguments[name] is not None
            for slot in _documents(name, self.bound.arguments[name])
        ]

    @property
    def document_texts(self) -> list[str]:
        return [slot.text for _, slot in self.documents]

    # -- before

    def admitted(self, verdict: Verdict, *, sent: bool = False) -> Verdict | None:
        """None where the prompt may go on, redacted where the policy says so; else the verdict that stops it."""
        if verdict.blocked or (sent and verdict.action is Action.REDACT):
            return verdict
        if verdict.action is Action.REDACT:
            self.bound.arguments[self.parameter] = self._redacted(verdict)
        return None

    def admitted_documents(self, verdicts: Sequence[Verdict], *, sent: bool = False) -> Verdict | None:
        """The same for the documents, whose verdicts come in their order."""
        for (name, slot), verdict in zip(self.documents, verdicts, strict=True):
            if verdict.blocked or (verdict.action is Action.REDACT and (sent or slot.name == _FILE)):
                return verdict
            if verdict.action is Action.REDACT:
                value = self.bound.arguments[name]
                self.bound.arguments[name] = replaced(value, {slot.path: verdict.redact(slot.text)})
        return None

    def _redacted(self, verdict: Verdict) -> Any:
        if isinstance(self.prompt, str):
            return verdict.redact(self.prompt)
        changed = chat.redact_messages(self.prompt, verdict)
        originals = self.bound.arguments[self.parameter]
        return [
            original if new is old else replaced(original, {("content",): new["content"]})
            for original, old, new in zip(originals, self.prompt, changed, strict=True)
        ]

    # -- after

    def is_stream(self, answer: object) -> bool:
        return hasattr(answer, "__next__") or (hasattr(answer, "__iter__") and _is_sdk_stream(answer))

    def is_async_stream(self, answer: object) -> bool:
        return hasattr(answer, "__anext__") or hasattr(answer, "__aiter__")

    def feed(self) -> AnyFeed:
        """The guard of a streamed answer."""
        plan = self.plan
        return AnyFeed(
            self.guardian,
            self.task,
            extract=plan.extract,
            respond=plan.respond,
            holdback_chars=plan.holdback_chars,
        )

    def answer_slots(self, answer: object) -> Answer:
        """Where the texts of the answer are; InputError where there are none to be found."""
        if self.plan.extract is not None:
            text = self.plan.extract(answer)
            if not isinstance(text, str):
                raise InputError(f"extract gave {type(text).__name__} for the answer of {self.plan.name}, not a str")
            return Answer([Slot((), text)])
        slots = answer_slots(answer)
        if not slots:
            kind = type(answer).__name__
            raise InputError(f"{self.plan.name} returned {kind}, and no text was found in it; say where with extract=")
        return Answer(slots)

    def released(self, value: Any, answer: Answer, texts: Sequence[Verdict], tools: Sequence[Verdict]) -> Any:
        """The answer as it may be returned, or the reply in its place; raises where a block is to be raised."""
        stopped = [v for v in texts if v.blocked] + [v for v in tools if v.action >= Action.REDACT]
        redacted = [v for v in texts if v.action is Action.REDACT]
        if redacted and self.plan.extract is not None:  # where the text came from is not known
            stopped += redacted
        if stopped:
            gravest = max(stopped, key=lambda v: v.action)
            reply = safeguard_reply(gravest, self.plan.on_block)
            if self.plan.respond is not None:
                return self.plan.respond(reply)
            if self.plan.extract is not None:
                raise gravest.error()
            return reply if isinstance(value, str) else refused(value, reply)
        pairs = zip(answer.paths, answer.texts, texts, strict=True)
        return replaced(value, {path: v.redact(text) for path, text, v in pairs if v.action is Action.REDACT})

    def replied(self, verdict: Verdict) -> Any:
        """The reply to what was stopped before the call, in the function's own return type; raises where it must."""
        reply = safeguard_reply(verdict, self.plan.on_block)
        if self.plan.respond is not None:
            return self.plan.respond(reply)
        return _made(reply, _returned(self.plan.function), verdict)


_FILE = "file"
"""The name of a slot whose text was read from a file: it cannot be rewritten."""


def _documents(name: str, value: object) -> list[Slot]:
    if isinstance(value, Path):
        return [Slot((), read_document(value).text, Stage.DOCUMENT, _FILE)]
    if isinstance(value, list | tuple) and any(isinstance(item, Path) for item in value):
        found = [(index, slot) for index, item in enumerate(value) for slot in _documents(name, item)]
        return [dataclasses.replace(slot, path=(index, *slot.path)) for index, slot in found]
    slots = document_slots(value)
    if not slots and value:
        raise InputError(f"no text was found in the argument {name!r} ({type(value).__name__})")
    return slots


def _is_chat(value: object) -> bool:
    """Whether this is a list of messages, as mappings or as objects."""
    return (
        isinstance(value, list | tuple)
        and bool(value)
        and all(isinstance(m, Mapping) or (hasattr(m, "role") and hasattr(m, "content")) for m in value)
    )


def _as_mapping(message: Any) -> Mapping[str, Any]:
    if isinstance(message, Mapping):
        return message
    content = message.content
    if isinstance(content, list | tuple):
        content = [part.model_dump() if isinstance(part, BaseModel) else part for part in content]
    return {"role": message.role, "content": content}


def _is_sdk_stream(answer: object) -> bool:
    """An SDK's stream is iterable without being an iterator, and unlike a container it can be closed."""
    return hasattr(answer, "close") and not isinstance(answer, str | bytes | Mapping | list | tuple)


_STREAMS = (AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable, Iterator)


def _returned(function: Callable[..., Any]) -> Any:
    """What a function is annotated to return, or to yield; None where that is not known."""
    try:
        hint = typing.get_type_hints(function).get("return")
    except (NameError, TypeError, AttributeError):  # a name that exists only for type checkers
        return None
    of_stream = typing.get_args(hint) if typing.get_origin(hint) in _STREAMS else ()
    return of_stream[0] if of_stream else hint


def _made(reply: str, kind: Any, verdict: Verdict) -> Any:
    """`reply` as a `kind`: a str, or a model or dataclass that takes one str; else the block is raised."""
    if kind in (None, Any, str) or str in typing.get_args(kind):
        return reply
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        needed = [name for name, info in kind.model_fields.items() if info.is_required()]
        if len(needed) == 1 and kind.model_fields[needed[0]].annotation is str:
            return kind(**{needed[0]: reply})
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        fields = [f for f in dataclasses.fields(kind) if f.default is f.default_factory is dataclasses.MISSING]
        if len(fields) == 1 and typing.get_type_hints(kind)[fields[0].name] is str:
            return kind(**{fields[0].name: reply})
    raise verdict.error()
