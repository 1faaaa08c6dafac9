"""One call of a guarded function: where its prompt, its documents and its answer are, and what becomes of them.

All but the checks themselves: the sync and the async face of the decorator share it.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import typing
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field
from functools import cached_property
from types import SimpleNamespace, UnionType
from typing import Any, Union

from pydantic import BaseModel

from guardian import messages as chat
from guardian.chunks import AnyFeed
from guardian.documents import read_document
from guardian.errors import ConfigError, InputError
from guardian.extract import FILE, Key, Slot, answer_slots, document_slots, refused, replaced
from guardian.guard import Guardian
from guardian.stream import OnBlock, safeguard_reply
from guardian.verdict import Action, Stage, Verdict

Messages = list[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Plan:
    """How calls of one function are guarded."""

    name: str
    signature: inspect.Signature
    keywords: str | None
    """The parameter that takes all other keywords, as in `**options`."""
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
        name = getattr(function, "__qualname__", type(function).__name__)
        signature = inspect.signature(function)
        if not signature.parameters:
            raise ConfigError(name, "takes no argument, so there is no prompt to guard")
        keywords = next((p.name for p in signature.parameters.values() if p.kind is p.VAR_KEYWORD), None)
        named = [("prompt", options["prompt"]), *(("documents", document) for document in options["documents"])]
        for key, parameter in named:
            if parameter is not None and parameter not in signature.parameters and keywords is None:
                raise ConfigError(key, f"{name} has no parameter {parameter!r}")
        return cls(name=name, signature=signature, keywords=keywords, function=function, **options)

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        """The call with these arguments; InputError where it has no prompt."""
        call = Call(self, self.signature.bind(*args, **kwargs))
        given = [name for name in call.arguments if name not in self.documents]
        own = [name for name in call.bound.arguments if name not in self.documents]
        call.bound.apply_defaults()
        call.parameter = self._prompt_of(call.arguments, given, own)
        return call

    def _prompt_of(self, arguments: Mapping[str, Any], given: Sequence[str], own: Sequence[str]) -> str:
        """The name of the argument that is the prompt: as `prompt=` says, by its name, or the first that may be one."""
        named = [name for name in _PROMPTS if name in given and not _is_none(arguments[name])]
        asked = [name for name in given if name in _ASKED and _is_prompt(arguments[name])]
        if self.prompt is None and len(asked) > 1:
            raise InputError(
                f"{self.name} was given {' and '.join(asked)}, and any may be the prompt: "
                "name it by prompt=, and what else is to be read by context="
            )
        for name in [self.prompt] if self.prompt is not None else named or own:
            if _is_prompt(arguments.get(name)):
                return name
        raise InputError(f"{self.name} was called without a str or a list of messages for its prompt")


_PROMPTS = ("messages", "prompt")
"""Names that say of an argument that it is the prompt, wherever it stands."""

_ASKED = frozenset((*_PROMPTS, "question", "query", "message", "user_message", "user_input"))
"""Names of what a user says: of two such arguments one would go unread."""


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
    parameter: str = ""
    guardian: Guardian = field(init=False)

    def __post_init__(self) -> None:
        self.guardian = self.plan.guardian()

    @property
    def arguments(self) -> Mapping[str, Any]:
        """The arguments by name, those in `**options` by their own names after the others."""
        own, rest = self.bound.arguments, self.plan.keywords
        if rest is None:
            return own
        return {**own, **{name: value for name, value in own.get(rest, {}).items() if name not in own}}

    def _put(self, name: str, value: Any) -> None:
        own, rest = self.bound.arguments, self.plan.keywords
        if rest is None or name in own:
            own[name] = value
        else:
            own[rest] = {**own[rest], name: value}

    @cached_property
    def prompt(self) -> str | Messages:
        """The prompt as it came: a text, or messages as mappings."""
        value = self.arguments[self.parameter]
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
            if (value := self.arguments.get(name)) is not None
            for slot in _documents(name, value)
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
            self._put(self.parameter, self._redacted(verdict))
        return None

    def admitted_documents(self, verdicts: Sequence[Verdict], *, sent: bool = False) -> Verdict | None:
        """The same for the documents, whose verdicts come in their order."""
        for (name, slot), verdict in zip(self.documents, verdicts, strict=True):
            if verdict.blocked or (verdict.action is Action.REDACT and (sent or slot.name == FILE)):
                return verdict
            if verdict.action is Action.REDACT:
                self._put(name, replaced(self.arguments[name], {slot.path: verdict.redact(slot.text)}))
        return None

    def _redacted(self, verdict: Verdict) -> Any:
        if isinstance(self.prompt, str):
            return verdict.redact(self.prompt)
        changed = chat.redact_messages(self.prompt, verdict)
        originals = self.arguments[self.parameter]
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
        if not slots and answer is not None:
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
            reply = safeguard_reply(gravest, self.plan.on_block, self.guardian.policy.replies)
            if self.plan.respond is not None:
                return self.plan.respond(reply)
            if self.plan.extract is not None:
                raise gravest.error()
            return reply if isinstance(value, str) else refused(value, reply)
        pairs = zip(answer.paths, answer.texts, texts, strict=True)
        return replaced(value, {path: v.redact(text) for path, text, v in pairs if v.action is Action.REDACT})

    def replied(self, verdict: Verdict) -> Any:
        """The reply to what was stopped before the call, in the function's own return type; raises where it must."""
        reply, origin = self.replied_once(verdict), typing.get_origin(_hint(self.plan.function))
        if origin in _ASYNC_STREAMS:
            return _astream_of(reply)
        if origin in _STREAMS:
            return _stream_of(reply)
        return _soon(reply) if origin in _AWAITABLES else reply

    def replied_once(self, verdict: Verdict) -> Any:
        """The same as one chunk of what the function streams, or as what it returns where it does not."""
        reply = safeguard_reply(verdict, self.plan.on_block, self.guardian.policy.replies)
        if self.plan.respond is not None:
            return self.plan.respond(reply)
        return _made(reply, _returned(self.plan.function), verdict)


def _documents(name: str, value: object) -> list[Slot]:
    slots = document_slots(value, lambda path: read_document(path).text)
    if not slots and value:
        raise InputError(f"no text was found in the argument {name!r} ({type(value).__name__})")
    return slots


def _is_none(value: object) -> bool:
    return value is None or (isinstance(value, list | tuple) and not value)


def _is_prompt(value: object) -> bool:
    return isinstance(value, str) or _is_chat(value)


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


_ASYNC_STREAMS = (AsyncGenerator, AsyncIterable, AsyncIterator)
_STREAMS = (*_ASYNC_STREAMS, Generator, Iterable, Iterator)
_AWAITABLES = (Awaitable, Coroutine)
_UNKNOWN = object()


def _stream_of(reply: Any) -> Iterator[Any]:
    yield reply


async def _astream_of(reply: Any) -> AsyncIterator[Any]:
    yield reply


async def _soon(reply: Any) -> Any:
    return reply


def _returned(function: Callable[..., Any]) -> Any:
    """What a function is annotated to give: to return, to yield, or to be awaited for; None where it does not say."""
    hint = _hint(function)
    origin, of = typing.get_origin(hint), typing.get_args(hint)
    if origin in _STREAMS:
        return of[0] if of else None
    if origin in _AWAITABLES:
        return of[-1] if of else None
    return hint


def _hint(function: Callable[..., Any]) -> Any:
    """The annotation of what a function returns; _UNKNOWN where it is a name that only type checkers can follow."""
    while isinstance(function, functools.partial):
        function = function.func
    if not inspect.isroutine(function):
        function = type(function).__call__
    annotations = getattr(function, "__annotations__", {})
    if "return" not in annotations:
        return None
    alone = SimpleNamespace(__annotations__={"return": annotations["return"]})  # the others may not be there at runtime
    try:
        return typing.get_type_hints(alone, getattr(inspect.unwrap(function), "__globals__", {}))["return"]
    except (NameError, TypeError, AttributeError):
        return _UNKNOWN


def _made(reply: str, kind: Any, verdict: Verdict) -> Any:
    """`reply` as a `kind`: a str, or a model or dataclass that takes one str; else the block is raised."""
    kinds = typing.get_args(kind) if typing.get_origin(kind) in (Union, UnionType) else (kind,)
    if any(kind in (None, Any, str) for kind in kinds):
        return reply
    for model in kinds:
        if (field := _only_str(model)) is not None:
            return model(**{field: reply})
    raise verdict.error()


def _only_str(kind: Any) -> str | None:
    """The one field that a model or dataclass cannot be made without, where that is a str."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        needed = {name: info.annotation for name, info in kind.model_fields.items() if info.is_required()}
    elif isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        no_default = [f for f in dataclasses.fields(kind) if f.default is f.default_factory is dataclasses.MISSING]
        needed = {f.name: hints[f.name] for f in no_default}
    else:
        return None
    return next(iter(needed)) if list(needed.values()) == [str] else None
