"""A streamed response of LlamaIndex under guard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic

from guardian.adapters._llama_index_answers import Judged, Parts, R, Shape, noted

from guardian import Action, Guardian, InputError, StreamGuard, Verdict
from guardian.stream import OnBlock


class ResponseFeed(Generic[R]):
    """The feed of a streamed response to `prompt`: text as `guard` clears it, all else with the last response.

    `reply` is what stands for what is stopped, and may raise.
    """

    def __init__(
        self, guardian: Guardian, shape: Shape[R], prompt: str, guard: StreamGuard, reply: Callable[[Verdict], str]
    ) -> None:
        self._guardian = guardian
        self._shape: Shape[R] = shape
        self._prompt = prompt
        self._guard = guard
        self._reply = reply
        self._received = ""
        self._text = ""  # what has left
        self._last: R | None = None
        self._stopped: Verdict | None = None

    @property
    def cut(self) -> bool:
        return self._guard.cut or self._stopped is not None

    @property
    def verdict(self) -> Verdict | None:
        return self._stopped or self._guard.verdict

    def feed(self, response: R) -> Sequence[R]:
        return self._grown(self._guard.feed(self._taken(response)))

    async def afeed(self, response: R) -> Sequence[R]:
        return self._grown(await self._guard.afeed(self._taken(response)))

    def finish(self) -> Sequence[R]:
        delta = self._guard.finish()
        if self.cut or self._last is None:
            return self._grown(delta)
        return self._ended(delta, self._last, Judged.by(self._guardian, self._fixed(self._last), self._prompt))

    async def afinish(self) -> Sequence[R]:
        delta = await self._guard.afinish()
        if self.cut or self._last is None:
            return self._grown(delta)
        judged = await Judged.aby(self._guardian, self._fixed(self._last), self._prompt)
        return self._ended(delta, self._last, judged)

    def ending(self, _: OnBlock, /) -> R:
        if (verdict := self.verdict) is None:
            raise InputError("this stream was not stopped")
        reply = self._reply(verdict)
        delta = f"\n\n{reply}" if self._text else reply
        return noted(self._shape.made(self._text + delta, delta), [verdict])

    def _taken(self, response: R) -> str:
        """What is new in this response; where it does not say, it has all the text so far."""
        self._last = response
        if response.delta is None:
            delta = "".join(self._shape.parts(response).texts).removeprefix(self._received)
        else:
            delta = response.delta
        self._received += delta
        return delta

    def _grown(self, delta: str) -> Sequence[R]:
        if not delta:
            return []
        self._text += delta
        return [self._shape.made(self._text, delta)]

    def _fixed(self, response: R) -> Parts:
        parts = self._shape.parts(response)
        return Parts((), parts.thoughts, parts.calls)

    def _ended(self, delta: str, last: R, judged: Judged) -> Sequence[R]:
        self._stopped = judged.stopped
        if self._stopped is not None:
            return self._grown(delta)
        self._text += delta
        of_text: Verdict | None = self._guard.verdict
        clear = of_text is None or of_text.action is not Action.REDACT
        verdicts = [*judged.all, *([of_text] if of_text else [])]
        return [noted(self._shape.last(last, self._text, delta, clear=clear), verdicts)]
