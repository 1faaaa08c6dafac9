"""A guardrail for LiteLLM, its proxy and its SDK: requests before they go out, answers and streams before they leave.

guardrails:
  - guardrail_name: guardian
    litellm_params:
      guardrail: guardian.adapters.litellm.GuardianGuardrail
      mode: [pre_call, post_call]
      default_on: true
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, cast

from guardian.adapters._wire import reply_of

from guardian import (
    Action,
    ConfigError,
    Guardian,
    GuardUnavailable,
    InputError,
    MissingExtra,
    Policy,
    StreamGuard,
    Verdict,
    checked_on_block,
    last_user_text,
    redact_messages,
)

try:
    from litellm.exceptions import GuardrailRaisedException, ModifyResponseException
    from litellm.integrations.custom_guardrail import CustomGuardrail
    from litellm.types.guardrails import GuardrailEventHooks
    from litellm.types.utils import Delta, ModelResponseStream, StreamingChoices
except ImportError as error:
    raise MissingExtra(
        "litellm", "guardian.adapters.litellm needs litellm: pip install 'slm-guardian[litellm]'"
    ) from error

if TYPE_CHECKING:
    from litellm.types.utils import GenericGuardrailAPIInputs

_TEXTS = ("content", "reasoning_content")
"""The texts of a streamed answer that may be rewritten."""

_ECHOES = ("thinking_blocks", "reasoning_items", "annotations", "provider_specific_fields")
"""What repeats a text of a chunk, or counts in it."""

Channel = tuple[int, str]


class GuardianGuardrail(CustomGuardrail):
    """LiteLLM's guardrail over a guardian, for the modes pre_call, post_call and logging_only.

    `guardian` is the guard, or `policy` the policy (or its file) of one that is made; the other options are LiteLLM's.
    What is stopped raises GuardrailRaisedException with `blocked_content`, status 400, because that is how LiteLLM's
    clients learn of a block; with `on_block="reply"` (and under a policy whose action is `reply`) it raises
    ModifyResponseException, which the proxy turns into an answer with the safeguard reply. An outage under a policy
    that fails closed is a GuardrailRaisedException without `blocked_content`, status 503.

    A chat stream is rewritten in flight, with at most `stream_holdback_chars` held back; one that is stopped ends with
    finish_reason `content_filter`, or before anything has left as above. The verdict on each text is in LiteLLM's own
    record of guardrails, without the text.

    Raises ConfigError for a wrong option.
    """

    def __init__(
        self,
        guardian: Guardian | None = None,
        *,
        policy: Policy | str | None = None,
        on_block: Literal["raise", "reply"] = "raise",
        stream_holdback_chars: int | None = None,
        guardrail_name: str = "guardian",
        **options: Any,
    ) -> None:
        checked_on_block(on_block)
        if guardian is not None and policy is not None:
            raise ConfigError("policy", "give a guardian or a policy, not both")
        if options.get("mask_response_content"):  # LiteLLM would then send streams of other APIs on unread
            raise ConfigError("mask_response_content", "is decided by the policy: give its rules the action redact")
        self._guardian = guardian or Guardian(policy=Policy.from_file(policy) if isinstance(policy, str) else policy)
        self._on_block = on_block
        self._holdback: dict[str, Any] = (
            {} if stream_holdback_chars is None else {"holdback_chars": stream_holdback_chars}
        )
        self._guardian.stream_guard("", **self._holdback)  # raises where it is too small
        options.setdefault("supported_event_hooks", self.get_supported_event_hooks())
        super().__init__(guardrail_name=guardrail_name, **options)

    @classmethod
    def get_supported_event_hooks(cls) -> list[GuardrailEventHooks]:
        return [GuardrailEventHooks.pre_call, GuardrailEventHooks.post_call, GuardrailEventHooks.logging_only]

    async def apply_guardrail(
        self,
        inputs: GenericGuardrailAPIInputs,
        request_data: dict[str, Any],
        input_type: Literal["request", "response"],
        logging_obj: Any = None,  # noqa: ARG002  (LiteLLM's signature)
    ) -> GenericGuardrailAPIInputs:
        """The inputs as they may go on, for every API that LiteLLM translates. Raises what the class says."""
        try:
            if input_type == "request":
                return await self._request(inputs, request_data)
            return await self._response(inputs, request_data)
        except GuardUnavailable as outage:
            raise self._failed(str(outage), 503) from None
        except InputError as error:
            raise self._failed(error.message, 400) from None

    async def async_post_call_streaming_iterator_hook(
        self,
        user_api_key_dict: Any,  # noqa: ARG002  (LiteLLM's signature)
        response: AsyncIterable[Any],
        request_data: dict[str, Any],
    ) -> AsyncGenerator[Any, None]:
        """The chunks of a streamed chat that may leave. Streams of other APIs LiteLLM holds until they were checked."""
        stream = _Chat(self._guardian, partial(self._guardian.stream_guard, _asked(request_data), **self._holdback))
        delivered = False
        try:
            async for chunk in response:
                if not isinstance(chunk, ModelResponseStream):
                    raise self._failed("this kind of stream cannot be read", 500)
                for clear in await stream.feed(chunk):
                    delivered = True
                    yield clear
                if stream.stopped is not None:
                    break
            for clear in await stream.finish():
                delivered = True
                yield clear
        except GuardUnavailable as outage:
            raise self._failed(str(outage), 503) from None
        finally:
            if (close := getattr(response, "aclose", None)) is not None:
                await close()
        if (stopped := stream.stopped) is not None:
            self._note([stopped], request_data)
            reply = self._reply(stopped)
            if reply is None and not delivered:
                raise self._blocked(stopped, request_data)
            yield stream.ending(reply or "")

    async def _request(
        self, inputs: GenericGuardrailAPIInputs, request_data: dict[str, Any]
    ) -> GenericGuardrailAPIInputs:
        texts = inputs.get("texts") or []
        messages: list[Any] = list(inputs.get("structured_messages") or ())
        if not messages:
            verdicts = await self._guardian.acheck_many(texts) if texts else []
            self._stop(verdicts, request_data, inputs.get("model"))
            return {**inputs, "texts": [v.redact(text) for v, text in zip(verdicts, texts, strict=True)]}
        verdict = await self._guardian.acheck_messages(messages)
        self._stop([verdict], request_data, inputs.get("model"))
        if verdict.action is not Action.REDACT:
            return inputs
        changed: Any = redact_messages(messages, verdict)
        new = dict(_pairs(messages, changed))
        found: GenericGuardrailAPIInputs = {**inputs, "texts": [new.get(text, text) for text in texts]}
        # Messages that LiteLLM made of another API's would lose what they have no place for: there it is given texts.
        translated = not any(messages[0] is message for message in request_data.get("messages") or ())
        return found if translated and new.keys() <= set(texts) else {**found, "structured_messages": changed}

    async def _response(
        self, inputs: GenericGuardrailAPIInputs, request_data: dict[str, Any]
    ) -> GenericGuardrailAPIInputs:
        texts = inputs.get("texts") or []
        verdicts = await self._guardian.acheck_responses(_asked(request_data), texts) if texts else []
        calls: Sequence[Any] = inputs.get("tool_calls") or ()
        beside, old_calls = _beside(request_data.get("response"))
        fixed = await self._guardian.acheck_responses(_asked(request_data), beside) if beside else []
        fixed += [await self._guardian.acheck_tool_call(*call) for call in (*map(_tool_call, calls), *old_calls)]
        # A stream is sent on as it came once all of it was read, so there is no rewriting.
        streamed = request_data.get("stream") is True
        self._stop(verdicts, request_data, inputs.get("model"), fixed, rewrites=not streamed)
        found: GenericGuardrailAPIInputs = {
            **inputs,
            "texts": [v.redact(text) for v, text in zip(verdicts, texts, strict=True)],
        }
        if streamed:
            found["stream_holdback_chars"] = [len(text) for text in texts]
        return found

    def _stop(
        self,
        verdicts: Sequence[Verdict],
        request_data: dict[str, Any],
        model: str | None,
        fixed: Sequence[Verdict] = (),
        *,
        rewrites: bool = True,
    ) -> None:
        """Note the verdicts, and raise for what may not go on; `fixed` are those on what cannot be rewritten."""
        self._note([*verdicts, *fixed], request_data)
        stopped = [v for v in verdicts if v.blocked or (v.action is Action.REDACT and not rewrites)]
        stopped += [v for v in fixed if v.action >= Action.REDACT]
        if stopped:
            raise self._blocked(max(stopped, key=lambda v: v.action), request_data, model)

    def _blocked(self, verdict: Verdict, request_data: dict[str, Any], model: str | None = None) -> Exception:
        """What says that something was stopped."""
        reply = self._reply(verdict)
        if reply is None:
            return GuardrailRaisedException(
                guardrail_name=self.guardrail_name,
                message=verdict.reason,
                should_wrap_with_default_message=False,
                blocked_content=True,
            )
        return ModifyResponseException(
            message=reply,
            model=model or str(request_data.get("model") or ""),
            request_data=request_data,
            guardrail_name=self.guardrail_name,
            detection_info=_told(verdict),
        )

    def _failed(self, message: str, status: int) -> GuardrailRaisedException:
        """What says that no verdict could be given."""
        return GuardrailRaisedException(
            guardrail_name=self.guardrail_name,
            message=message,
            should_wrap_with_default_message=False,
            status_code=status,
        )

    def _reply(self, verdict: Verdict) -> str | None:
        """The safeguard reply; None where the block is to be raised."""
        if verdict.action is not Action.REPLY and self._on_block == "raise":
            return None
        return reply_of(verdict)

    def _note(self, verdicts: Sequence[Verdict], request_data: dict[str, Any]) -> None:
        """Tell LiteLLM's own record of guardrails; without this it keeps a copy of the texts."""
        if verdicts:
            gravest = max(verdicts, key=lambda v: v.action)
            self.add_standard_logging_guardrail_information_to_request_data(
                guardrail_json_response=_told(gravest),
                request_data=request_data,
                guardrail_status="guardrail_intervened" if gravest.action >= Action.REDACT else "success",
                guardrail_provider="guardian",
            )


class _Chat:
    """The chunks of one streamed chat: each text of each choice has a guard of its own, and chunks leave in order.

    A chunk leaves when all its text is clear, with what was cleared in its place; one with a piece of a tool call at
    the end, when the calls were checked whole.
    """

    def __init__(self, guardian: Guardian, open_guard: Callable[..., StreamGuard]) -> None:
        self._guardian = guardian
        self._open = open_guard
        self._guards: dict[Channel, StreamGuard] = {}
        self._received: dict[Channel, int] = {}
        self._cleared: dict[Channel, str] = {}
        self._calls: dict[tuple[int, int], list[tuple[str, str]]] = {}
        self._held: deque[tuple[ModelResponseStream, dict[Channel, int]]] = deque()
        self._last: ModelResponseStream | None = None
        self._finished = False
        self._rewritten = False
        self._stopped: Verdict | None = None

    @property
    def stopped(self) -> Verdict | None:
        """The verdict that cut the stream, if one did."""
        cut = (guard.verdict for guard in self._guards.values() if guard.cut)
        return self._stopped or next((verdict for verdict in cut if verdict is not None), None)

    async def feed(self, chunk: ModelResponseStream) -> list[ModelResponseStream]:
        """Take in a chunk; returns those that may leave now."""
        ends: dict[Channel, int] = {}
        for channel, text in _texts(chunk):
            if (guard := self._guards.get(channel)) is None:
                guard = self._guards.setdefault(channel, self._open(rewrites=channel[1] in _TEXTS))
            self._cleared[channel] = self._cleared.get(channel, "") + await guard.afeed(text)
            ends[channel] = self._received[channel] = self._received.get(channel, 0) + len(text)
        for choice in chunk.choices:
            for call in choice.delta.tool_calls or ():
                self._calls.setdefault((choice.index, call.index), []).append(_tool_call(call))
            if (old := _old_call(choice.delta)) is not None:
                self._calls.setdefault((choice.index, -1), []).append(old)
        self._held.append((chunk, ends))
        self._last = chunk
        return self._leave()

    async def finish(self) -> list[ModelResponseStream]:
        """The stream has ended: returns what may leave of what is held."""
        for channel, guard in self._guards.items():
            self._cleared[channel] += await guard.afinish()
        for pieces in self._calls.values():
            if self.stopped is None:
                name = "".join(dict.fromkeys(name for name, _ in pieces))
                verdict = await self._guardian.acheck_tool_call(name, "".join(arguments for _, arguments in pieces))
                self._stopped = verdict if verdict.action >= Action.REDACT else None
        self._finished = True
        return self._leave()

    def ending(self, reply: str) -> ModelResponseStream:
        """The chunk that ends a stream that was cut."""
        reply = f"\n\n{reply}" if reply and any(guard.delivered for guard in self._guards.values()) else reply
        indices = sorted({index for index, _ in (*self._guards, *self._calls)})
        choices = [
            StreamingChoices(index=index, delta=Delta(content=reply), finish_reason="content_filter")
            for index in indices
        ]
        last = self._last
        return ModelResponseStream(id=getattr(last, "id", None), model=getattr(last, "model", None), choices=choices)

    def _leave(self) -> list[ModelResponseStream]:
        """The chunks at the head of the queue of which nothing is held any more."""
        leaving: list[tuple[ModelResponseStream, dict[Channel, int]]] = []
        while self._held and self._may_leave(*self._held[0]):
            leaving.append(self._held.popleft())
        last = {channel: chunk for chunk, ends in leaving for channel in ends} if self._finished else {}
        return [self._written(chunk, last) for chunk, _ in leaving]

    def _may_leave(self, chunk: ModelResponseStream, ends: Mapping[Channel, int]) -> bool:
        calls = any(choice.delta.tool_calls or _old_call(choice.delta) for choice in chunk.choices)
        if calls and (not self._finished or self.stopped is not None):
            return False
        return all(self._guards[channel].delivered >= end for channel, end in ends.items())

    def _written(self, chunk: ModelResponseStream, last: Mapping[Channel, ModelResponseStream]) -> ModelResponseStream:
        """A chunk with what was cleared of its texts; the last one of a channel has all that is left."""
        changes: dict[Channel, str] = {}
        for channel, text in _texts(chunk):
            clear = self._cleared[channel]
            length = len(clear) if last.get(channel) is chunk else len(text)
            self._cleared[channel] = clear[length:]
            if clear[:length] != text:
                changes[channel] = clear[:length]
        self._rewritten = self._rewritten or bool(changes)
        if not self._rewritten:
            return chunk
        chunk = chunk.model_copy(deep=True)
        for choice in chunk.choices:
            choice.logprobs = cast("Any", None)
            for name in _ECHOES:
                if getattr(choice.delta, name, None) is not None:
                    setattr(choice.delta, name, None)
            for name in _TEXTS:
                if (choice.index, name) in changes:
                    setattr(choice.delta, name, changes[choice.index, name])
        return chunk


def _texts(chunk: ModelResponseStream) -> Iterator[tuple[Channel, str]]:
    for choice in chunk.choices:
        for name in _TEXTS:
            if isinstance(text := _get(choice.delta, name), str) and text:
                yield (choice.index, name), text
        for name, text in _fixed_texts(choice.delta):
            yield (choice.index, name), text


def _fixed_texts(said: Any) -> Iterator[tuple[str, str]]:
    """What a message or a piece of one says in places that are not rewritten."""
    if isinstance(refusal := _get(said, "refusal"), str) and refusal:
        yield "refusal", refusal
    if isinstance(spoken := _get(_get(said, "audio"), "transcript"), str) and spoken:
        yield "audio", spoken
    if not _get(said, "reasoning_content"):  # which says the same
        blocks = _get(said, "thinking_blocks") or ()
        if thought := "".join(text for block in blocks if isinstance(text := _get(block, "thinking"), str)):
            yield "thinking_blocks", thought


def _beside(response: Any) -> tuple[list[str], list[tuple[str, str]]]:
    """What the messages of a whole answer say besides what LiteLLM hands to guardrails, and the calls of old."""
    messages = [message for choice in _get(response, "choices") or () if (message := _get(choice, "message"))]
    thoughts = [text for message in messages if isinstance(text := _get(message, "reasoning_content"), str) and text]
    texts = [text for message in messages for _, text in _fixed_texts(message)]
    return thoughts + texts, [call for message in messages if (call := _old_call(message)) is not None]


def _old_call(said: Any) -> tuple[str, str] | None:
    """The call of a function as it was before there were tools, or a piece of one."""
    call = _get(said, "function_call")
    return (_get(call, "name") or "", _get(call, "arguments") or "") if call else None


def _asked(request_data: Mapping[str, Any]) -> str:
    """What the answer answers, as far as the request says it in a known shape."""
    messages = request_data.get("messages")
    if isinstance(messages, list) and all(isinstance(message, Mapping) for message in messages):
        return last_user_text(messages)
    given = request_data.get("prompt", request_data.get("input"))
    return given if isinstance(given, str) else ""


def _tool_call(call: Any) -> tuple[str, str]:
    """Name and arguments of a tool call or a piece of one, which LiteLLM has as a mapping or as an object."""
    inner = _get(call, "function") or _get(call, "custom")
    return _get(inner, "name") or "", _get(inner, "arguments") or _get(inner, "input") or ""


def _get(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, Mapping) else getattr(value, key, None)


def _pairs(old: Any, new: Any) -> Iterator[tuple[str, str]]:
    """The texts of some messages, and what became of them."""
    if isinstance(old, str):
        if old != new:
            yield old, new
    elif isinstance(old, Mapping):
        for key in old:
            yield from _pairs(old[key], new[key])
    elif isinstance(old, list | tuple):
        for one, other in zip(old, new, strict=True):
            yield from _pairs(one, other)


def _told(verdict: Verdict) -> dict[str, Any]:
    return {"stage": verdict.stage.value, "action": verdict.action.value, "findings": list(verdict.triggered)}
