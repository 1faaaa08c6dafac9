"""A decoder at work on onnxruntime: it watches an answer token by token, and writes safeguard replies. No torch.

Keys and values of the tokens that were read stay in a cache, so that each token costs only itself. Past and present are
bound to one buffer, into which the graph writes in place. A cache belongs to one stream or one reply, never to the
session, which all threads share.

Products of int8 take other kernels for one row than for many, and give other last digits. So a stream always runs in
groups of `GROUP` tokens, counted from the start of the answer: how its text came in chunks then changes nothing.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from guardian.errors import BackendError, ConfigError, GuardTimeout, InputError, ModelError
from guardian.scoring.backend import Piece, Watched
from guardian.scoring.calibration import Scaling
from guardian.scoring.encode import Encoder
from guardian.scoring.manifest import DecoderSpec
from guardian.verdict import Stage

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

GROUP = 16
"""Tokens of one run of a stream."""

WINDOW = 1024
"""Tokens of an answer that one cache holds; then a new one begins, with the last `OVERLAP` tokens for context."""

OVERLAP = 128

LONGEST_HELD = 256
"""Characters; a stretch without a border that is longer is cut."""

_PREFILL = 256  # tokens of a prompt read in one run: bounds memory, and the wait until a cancellation is seen
_FIRST_CAPACITY = 256
_HALF = "\ufffd"

# Borders that no token crosses, whatever stands around them: before a blank, and between a letter and a mark. They are
# those of GPT-2's pattern, which neither looks back nor goes from the one to the other; of marks the plain ones do.
_BORDER = re.compile(r"(?<=\S)(?=[ \t\n\r])|(?<=[^\W\d_])(?=[,.!?;:，。、！？；：])")


@dataclass(frozen=True, slots=True)
class Runtime:
    """What graphs run on: `open_graph` gives the session of a file, `free` bounds how many runs there are at once."""

    open_graph: Callable[[str], InferenceSession]
    precision: str
    device: Literal["cpu", "cuda"]
    free: threading.Semaphore


class Decoder:
    """What a decoder does besides scoring. Made by a backend; thread safe. Each graph is loaded at its first use."""

    def __init__(self, spec: DecoderSpec, encoder: Encoder, runtime: Runtime) -> None:
        self._spec = spec
        self._encoder = encoder
        self._stream = _Graph(runtime, spec.stream, "token_logits", spec.read_blocks, (spec.kv_heads, spec.head_size))
        self._reply = _Graph(runtime, spec.reply, "next", spec.blocks, (spec.kv_heads, spec.head_size))
        self._scaling = Scaling(spec.token_calibration.temperature, spec.token_calibration.bias)

    @property
    def token_thresholds(self) -> Mapping[float, float]:
        """Thresholds on the lesser probability of two tokens in a row, by the share of safe answers they stop."""
        return self._spec.token_thresholds

    def watch(self, prompt: str) -> Watcher:
        """A watcher over one answer to `prompt`. The model is loaded, and the prompt read, with the first tokens.

        BackendError where the prompt leaves no positions for an answer.
        """
        prefix = self._encoder.answer_prefix(prompt)
        window = min(WINDOW, (self._spec.positions - len(prefix)) // GROUP * GROUP)
        if window < 2 * GROUP:
            raise BackendError(
                Stage.RESPONSE, f"the prompt has {len(prefix)} tokens of the {self._spec.positions} there are"
            )
        return Watcher(self._encoder, self._stream, self._scaling, prefix, window)

    def write(
        self,
        piece: Piece,
        subject: str | None = None,
        *,
        max_tokens: int = 96,
        seconds: float | None = None,
        proceed: Callable[[], None] = lambda: None,
    ) -> Iterator[str]:
        """The safeguard reply to a piece, greedily, in pieces of whole characters; with a `subject` it is forced.

        Ends with the end of the turn (or any control token, after which nothing can be said), or after `max_tokens`.
        `proceed` is called before every run and stops the writing by raising. Raises InputError for a piece that leaves
        no positions to reply in, GuardTimeout after `seconds`, BackendError where the runtime fails.
        """
        if max_tokens < 1:
            raise ConfigError("max_tokens", f"must be at least 1, not {max_tokens}")
        ids = self._encoder.reply_prefix(piece, subject)
        room = self._spec.positions - len(ids)
        if room < 1:
            raise InputError(
                f"the text has {len(ids):,} tokens, the model holds {self._spec.positions:,}: cut it first"
            )
        return self._written(ids, piece.stage, min(max_tokens, room), _deadline(piece.stage, seconds, proceed))

    def _written(self, ids: list[int], stage: Stage, count: int, proceed: Callable[[], None]) -> Iterator[str]:
        cache = Cache(self._reply, limit=len(ids) + count, stage=stage)
        for start in range(0, len(ids), _PREFILL):
            proceed()
            following = int(cache.run(ids[start : start + _PREFILL])[0])
        pending: list[int] = []
        reserved = self._encoder.controls.all()
        for left in range(count - 1, -1, -1):
            if following in reserved:
                break
            pending.append(following)
            text = self._encoder.text(pending)
            if not text.endswith(_HALF):
                pending.clear()
                yield text.replace(_HALF, "")
            if left:
                proceed()
                following = int(cache.run([following])[0])
        if rest := self._encoder.text(pending).replace(_HALF, ""):
            yield rest


def _deadline(stage: Stage, seconds: float | None, proceed: Callable[[], None]) -> Callable[[], None]:
    """`proceed`, and GuardTimeout once the time is up."""
    began = monotonic()

    def check() -> None:
        proceed()
        if seconds is not None and monotonic() - began > seconds:
            raise GuardTimeout(stage, f"the reply took longer than {seconds:g} s")

    return check


class Watcher:
    """The token head over one answer. For one stream, by one thread at a time; see `Decoder.watch`.

    A token is certain once what follows can no longer change it, and is read with its group. All that comes out is a
    function of the text alone, however it was cut into chunks.
    """

    def __init__(self, encoder: Encoder, graph: _Graph, scaling: Scaling, prefix: list[int], window: int) -> None:
        self._encoder = encoder
        self._graph = graph
        self._scaling = scaling
        self._prefix = prefix
        self._window = window
        self._overlap = min(OVERLAP, window // 2 // GROUP * GROUP)
        self._borders = Borders()
        self._tokenised = 0  # characters
        self._waiting: list[tuple[int, int, int]] = []  # tokens that are certain: id, start, end
        self._recent: list[int] = []  # the last tokens that were read
        self._cache: Cache | None = None
        self._cached = 0  # tokens of the answer in the cache

    def feed(self, text: str) -> list[Watched]:
        """Take in what the answer brings next; returns the tokens that were read now, in order."""
        for stretch in self._borders.feed(text):
            self._tokenise(stretch)
        return self._read(len(self._waiting) // GROUP * GROUP)

    def finish(self) -> list[Watched]:
        """The answer has ended; returns the rest of its tokens."""
        self._tokenise(self._borders.finish())
        return self._read(len(self._waiting))

    def _tokenise(self, stretch: str) -> None:
        ids, ranges = self._encoder.located(stretch)
        at = self._tokenised
        self._waiting += [(token, at + start, at + end) for token, (start, end) in zip(ids, ranges, strict=True)]
        self._tokenised += len(stretch)

    def _read(self, count: int) -> list[Watched]:
        found: list[Watched] = []
        for start in range(0, count, GROUP):
            group = self._waiting[start : min(start + GROUP, count)]
            probabilities = self._probabilities([token for token, _, _ in group])
            found += [Watched(low, high, p) for (_, low, high), p in zip(group, probabilities, strict=True)]
        del self._waiting[:count]
        return found

    def _probabilities(self, ids: list[int]) -> list[float]:
        logits = self._room_for(len(ids)).run(ids)[0]
        self._cached += len(ids)
        self._recent = [*self._recent, *ids][-self._overlap :]
        if not np.isfinite(logits).all():
            raise BackendError(Stage.RESPONSE, "the model gave a score that is not a number")
        probabilities: list[float] = self._scaling(logits[:, 2] - logits[:, 0]).tolist()
        return probabilities

    def _room_for(self, count: int) -> Cache:
        cache = self._cache
        if cache is not None and self._cached + count <= self._window:
            return cache
        cache = Cache(self._graph, limit=len(self._prefix) + self._window, stage=Stage.RESPONSE)
        cache.run([*self._prefix, *self._recent])
        self._cache, self._cached = cache, len(self._recent)
        return cache


class Borders:
    """Cuts a text that comes in chunks into stretches that can be tokenised each for itself.

    Their tokens are those of the whole text. Only where there is no border in `LONGEST_HELD` characters is one made,
    which depends on the text alone.
    """

    def __init__(self) -> None:
        self._held = ""  # since the last border

    def feed(self, text: str) -> list[str]:
        """Take in a chunk; returns the stretches that have ended."""
        held = self._held + text
        found: list[str] = []
        start = last = 0
        # Every border within what was held before has been used, but for that at its end, where it could not be told.
        for border in (*(match.start() for match in _BORDER.finditer(held, len(self._held))), None):
            end = len(held) if border is None else border
            while end - last > LONGEST_HELD:
                last += LONGEST_HELD
                found.append(held[start:last])
                start = last
            last = last if border is None else border
        if start < last:
            found.append(held[start:last])
        self._held = held[last:]
        return found

    def finish(self) -> str:
        """The stretch that the text ends with."""
        rest, self._held = self._held, ""
        return rest


class _Graph:
    """A graph with a cache: its session, made at the first use, and what its caches look like."""

    def __init__(
        self, runtime: Runtime, files: Mapping[Any, str], output: str, blocks: int, sizes: tuple[int, int]
    ) -> None:
        self.runtime = runtime
        self.output = output
        self.names = [f"{block}.{part}" for block in range(blocks) for part in ("key", "value")]
        self.sizes = sizes
        self._files = files
        self._opening = threading.Lock()
        self._session: InferenceSession | None = None

    def session(self) -> InferenceSession:
        """The session, loaded by whoever comes first. ModelError where there is none of this precision."""
        with self._opening:
            if self._session is None:
                precision = self.runtime.precision
                if precision not in self._files:
                    raise ModelError(precision, f"the decoder has no such graph ({', '.join(self._files)})")
                self._session = self.runtime.open_graph(self._files[precision])
            return self._session


class Cache:
    """Keys and values of the tokens that were read, at most `limit`, in buffers that double as they fill up.

    `stage` is named in errors.
    """

    def __init__(self, graph: _Graph, *, limit: int, stage: Stage) -> None:
        self._graph = graph
        self._limit = limit
        self._stage = stage
        self._session = graph.session()
        self._binding = self._session.io_binding()
        self._type = np.dtype(_NUMPY[next(i.type for i in self._session.get_inputs() if i.name.startswith("past."))])
        self._buffers: dict[str, Any] = {}
        self._capacity = 0
        self.length = 0

    def run(self, ids: Sequence[int]) -> NDArray[Any]:
        """Read the tokens that come next; returns the graph's output. BackendError where it fails."""
        length = self.length + len(ids)
        if length > self._limit:
            raise BackendError(self._stage, f"{length} tokens in a cache for {self._limit}")
        try:
            if length > self._capacity:
                self._grow(length)
            self._binding.bind_cpu_input("input_ids", np.array([ids], np.int64))
            self._binding.bind_cpu_input("length", np.array([length], np.int64))
            self._binding.bind_output(self._graph.output, "cpu")
            with self._graph.runtime.free:
                self._session.run_with_iobinding(self._binding)
            result: NDArray[Any] = self._binding.get_outputs()[0].numpy()
        except Exception as error:  # onnxruntime raises its own types, none with a common base but Exception
            raise BackendError(self._stage, f"onnxruntime failed: {type(error).__name__}") from error
        self.length = length
        return result

    def _grow(self, length: int) -> None:
        capacity = max(self._capacity, _FIRST_CAPACITY)
        while capacity < length:
            capacity *= 2
        self._capacity = min(capacity, self._limit)
        from onnxruntime import OrtValue

        self._binding.clear_binding_inputs()
        self._binding.clear_binding_outputs()
        self._binding.bind_output(self._graph.output, "cpu")  # first: where it is looked for
        heads, size = self._graph.sizes
        for name in self._graph.names:
            grown = np.zeros((1, heads, self._capacity, size), self._type)
            if self.length:
                grown[:, :, : self.length] = self._buffers[name].numpy()[:, :, : self.length]
            buffer = OrtValue.ortvalue_from_numpy(grown, self._graph.runtime.device, 0)
            self._buffers[name] = buffer
            self._binding.bind_ortvalue_input(f"past.{name}", buffer)
            self._binding.bind_ortvalue_output(f"present.{name}", buffer)


_NUMPY = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
