"""Scores from an ONNX graph: int8 on a CPU, half precision on a GPU. No torch.

Pieces are tokenised together, sorted by length and run in batches of a token budget, so that little is padding and
memory stays flat. A session is shared by all threads (onnxruntime's `run` is thread safe).
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from guardian.errors import BackendError, ConfigError, MissingExtra, ModelError
from guardian.scoring.backend import Piece, Scores
from guardian.scoring.calibration import Calibrator, Scaling
from guardian.scoring.decoder import Decoder, Runtime
from guardian.scoring.encode import LONGEST_WORD, Controls, Encoder
from guardian.scoring.manifest import Manifest
from guardian.text.windows import windows_of
from guardian.thresholds import Thresholds
from guardian.verdict import ModelRef

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Device = Literal["auto", "cpu", "cuda"]
_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_GRAPHS = {"cpu": ("int8", "fp32", "fp16"), "cuda": ("fp16", "fp32")}  # in order of preference
# Padded tokens of one run: large enough to keep the device busy, small enough for flat memory. Dynamic int8 takes one
# range of activations for a whole batch, so a text's score would depend on its neighbours: it runs one text at a time.
BATCH_TOKENS = {"int8": 1, "cpu": 4096, "cuda": 65536}
_MOST_THREADS = 4
_STREAMS = 8
"""Inferences at once on a GPU, which overlaps their copies."""
_LONG_RUN = re.compile(r"\S{" + str(LONGEST_WORD) + "}")
_INSTALL = (
    "onnxruntime is not installed. For CPUs: pip install 'slm-guardian[cpu]'. "
    "For NVIDIA GPUs (CUDA 13): pip install 'slm-guardian[gpu]'. Never both: they are the same import package."
)


class _RunFailed(Exception):
    """One run failed; `score` says at which stage."""


class OnnxBackend:
    """A `Backend` over a model folder.

    device: `auto` takes CUDA where onnxruntime has it and the model a graph for it, else the CPU; `cuda` without CUDA
    is a ConfigError with the install line. precision: a graph of the manifest by name (fp32, fp16, int8).
    threads: of one inference; None: one a core, but at most four, so that a machine with many does several checks at
    once. On a CPU no more inferences run than there are cores for: two that share them take longer than one after the
    other, and starve an event loop.
    Raises MissingExtra without onnxruntime, ModelError for files that are missing, changed or no graph.
    """

    def __init__(
        self, folder: Path, *, device: Device = "auto", precision: str | None = None, threads: int | None = None
    ) -> None:
        manifest = Manifest.load(folder)
        self.device = _device(device, manifest, folder)
        self.precision = _precision(manifest, self.device, precision)
        graph = manifest.graphs[self.precision]  # type: ignore[index]  # checked by _precision
        manifest.verify(folder, [graph, manifest.tokenizer])
        self._manifest = manifest
        self._encoder = Encoder.load(
            folder / manifest.tokenizer,
            Controls(**manifest.controls.model_dump()),
            window=manifest.window.size,
            context=manifest.window.context_tokens,
        )
        self._calibrator = Calibrator(
            heads={name: slice(head.start, head.stop) for name, head in manifest.heads.items()},
            scalings={name: Scaling(c.temperature, c.bias) for name, c in manifest.calibration.items()},
        )
        cores = os.cpu_count() or 1
        if threads is None and self.device == "cpu" and cores > _MOST_THREADS:
            threads = _MOST_THREADS
        self._folder = folder
        self._threads = threads
        self._session = _session(folder / graph, self.device, threads)
        at_once = max(1, cores // (threads or cores)) if self.device == "cpu" else _STREAMS
        self._free = threading.BoundedSemaphore(at_once)
        runtime = Runtime(self._open, self.precision, self.device, self._free)
        self._decoder = Decoder(manifest.decoder, self._encoder, runtime) if manifest.decoder else None
        self._ref = manifest.ref
        self._batch_tokens = BATCH_TOKENS["int8" if self.precision == "int8" else self.device]

    @property
    def ref(self) -> ModelRef:
        return self._ref

    @property
    def thresholds(self) -> Thresholds:
        return self._manifest.thresholds

    @property
    def encoder(self) -> Encoder:
        """The templates, for what is fitted on the same tokens (calibration)."""
        return self._encoder

    @property
    def decoder(self) -> Decoder | None:
        """What watches streams token by token; None where the model is no decoder."""
        return self._decoder

    @property
    def writer(self) -> Decoder | None:
        """What writes safeguard replies; None where the model is no decoder."""
        return self._decoder

    @property
    def window_size(self) -> int:
        return self._manifest.window.size

    @property
    def window_stride(self) -> int:
        return self._manifest.window.stride

    def windows(self, text: str) -> Iterator[tuple[int, int]]:
        """Character ranges of windows of `window_size` tokens, `window_stride` apart."""
        if len(text) <= self.window_size and text.isascii():
            # An ASCII character is at most one token: not worth tokenising twice. No text has no window.
            return iter(((0, len(text)),) if text else ())
        found = windows_of(text, self._encoder.offsets, size=self.window_size, stride=self.window_stride)
        return (part for start, end in found for part in self._fitting(text, start, end))

    def _fitting(self, text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
        """The range, halved with an overlap until its own tokens fit: a run of over-long words that begins elsewhere is
        split elsewhere, and may then be many more tokens than it was in the whole text."""
        if (
            end - start > 4 * LONGEST_WORD
            and _LONG_RUN.search(text, start, end)
            and len(self._encoder.offsets(text[start:end])) > self.window_size + LONGEST_WORD
        ):
            middle = (start + end) // 2
            yield from self._fitting(text, start, middle + LONGEST_WORD)
            yield from self._fitting(text, middle - LONGEST_WORD, end)
        else:
            yield start, end

    def _open(self, graph: str) -> InferenceSession:
        self._manifest.verify(self._folder, [graph])
        return _session(self._folder / graph, self.device, self._threads)

    def score(self, pieces: Sequence[Piece]) -> list[Scores]:
        """Calibrated scores of every piece, in order."""
        logits = self.logits(pieces)
        return list(self._calibrator.scores(logits, [piece.stage for piece in pieces]))

    def logits(self, pieces: Sequence[Piece]) -> NDArray[np.float32]:
        """Raw logits [pieces, logits] in order: what calibration is fitted on."""
        ids = self._encoder.encode(pieces)
        limit = self._manifest.window.max_tokens
        if (longest := max(map(len, ids), default=0)) > limit:
            raise BackendError(
                pieces[0].stage, f"a piece has {longest} tokens, the model reads {limit}: cut it with windows()"
            )
        width = max(head.stop for head in self._manifest.heads.values())
        out = np.empty((len(ids), width), np.float32)
        for batch in _batches([len(row) for row in ids], self._batch_tokens):
            try:
                out[batch] = self._run([ids[index] for index in batch])
            except _RunFailed as error:
                raise BackendError(pieces[batch[0]].stage, str(error)) from error
        return out

    def _run(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        ids, mask = pad(rows, self._encoder.controls.pad)
        try:
            with self._free:
                logits = self._session.run(["logits"], {"input_ids": ids, "attention_mask": mask})[0]
        except Exception as error:  # onnxruntime raises its own types, none with a common base but Exception
            raise _RunFailed(f"onnxruntime failed: {type(error).__name__}") from error
        result: NDArray[np.float32] = np.asarray(logits, np.float32)
        if not np.isfinite(result).all():
            raise _RunFailed("the model gave a score that is not a number")
        return result


def pad(rows: Sequence[Sequence[int]], filler: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ids and mask [rows, longest row] of rows of token ids."""
    width = max(len(row) for row in rows)
    ids = np.full((len(rows), width), filler, np.int64)
    mask = np.zeros((len(rows), width), np.int64)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = row
        mask[index, : len(row)] = 1
    return ids, mask


def _batches(lengths: Sequence[int], tokens: int) -> Iterator[list[int]]:
    """Indices from long to short, as many at a time as fit the padded-token budget (at least one)."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True)
    start = 0
    while start < len(order):
        size = max(1, tokens // max(1, lengths[order[start]]))
        yield order[start : start + size]
        start += size


def _runtime() -> Any:
    # Official builds keep a device id in the user's cache folder and send telemetry, from the import on.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtra("cpu", _INSTALL) from error
    return onnxruntime


def _device(device: str, manifest: Manifest, folder: Path) -> Literal["cpu", "cuda"]:
    if device not in ("auto", "cpu", "cuda"):
        raise ConfigError("device", f"{device!r} is not one of: auto, cpu, cuda")
    cuda = _PROVIDERS["cuda"] in _runtime().get_available_providers()
    if device == "cuda" and not cuda:
        raise ConfigError(
            "device", "onnxruntime has no CUDA here: pip uninstall onnxruntime && pip install 'slm-guardian[gpu]'"
        )
    # A wheel holds no graph for GPUs: `auto` is then the CPU, `cuda` an error that names the file.
    fit = any((folder / file).is_file() for name, file in manifest.graphs.items() if name in _GRAPHS["cuda"])
    wants = device == "cuda" or (device == "auto" and cuda and fit)
    return "cuda" if wants else "cpu"


def _precision(manifest: Manifest, device: Literal["cpu", "cuda"], precision: str | None) -> str:
    if precision is not None:
        if precision not in manifest.graphs:
            raise ModelError(precision, f"the model has no such graph ({', '.join(manifest.graphs)})")
        return precision
    for name in _GRAPHS[device]:
        if name in manifest.graphs:
            return name
    raise ModelError(manifest.name, f"has no graph for {device} ({', '.join(manifest.graphs)})")


_CREATING = threading.Lock()  # onnxruntime registers providers globally on the first session


def _session(path: Path, device: Literal["cpu", "cuda"], threads: int | None) -> InferenceSession:
    runtime = _runtime()
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    if threads is not None:
        options.intra_op_num_threads = threads
    provider = _PROVIDERS[device]
    try:
        with _CREATING:
            session: InferenceSession = runtime.InferenceSession(str(path), options, providers=[provider])
    except Exception as error:  # a graph that is broken or too new raises one of onnxruntime's own types
        raise ModelError(path.name, f"onnxruntime cannot load it: {error}") from error
    if provider not in session.get_providers():
        raise ModelError(path.name, f"onnxruntime fell back from {provider} to {session.get_providers()}")
    return session
