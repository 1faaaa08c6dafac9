"""`guardian.json`, the manifest of a model folder: what the files are and how to read the model's output."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, JsonValue, model_validator

from guardian.errors import ModelError
from guardian.scoring.model_file import Part, read_model_file
from guardian.thresholds import Levels, Thresholds
from guardian.verdict import ModelRef

MANIFEST = "guardian.json"


def _plain_name(name: str) -> str:
    """A file inside the model folder: a manifest must not be able to point anywhere else."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or not path.parts:
        raise ValueError("must name a file inside the model folder")
    return name


FileName = Annotated[str, AfterValidator(_plain_name)]
Precision = Literal["fp32", "fp16", "int8"]
TokenId = Annotated[int, Field(ge=0)]


class FileEntry(Part):
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    bytes: Annotated[int, Field(ge=0)]


class Controls(Part):
    """Ids of the control tokens; user text can never produce them. The last three are a decoder's."""

    cls: TokenId
    sep: TokenId
    pad: TokenId
    query: TokenId
    task: TokenId
    doc: TokenId
    resp: TokenId
    pred: TokenId | None = None
    expl: TokenId | None = None
    harm: TokenId | None = None


class Head(Part):
    """One head: the slice [start, stop) of the logits vector, with a label for each logit."""

    start: Annotated[int, Field(ge=0)]
    stop: Annotated[int, Field(ge=1)]
    labels: Annotated[tuple[str, ...], Field(min_length=1)]
    kind: Literal["softmax", "sigmoid"]

    @model_validator(mode="after")
    def _one_label_a_logit(self) -> Self:
        if self.stop - self.start != len(self.labels):
            raise ValueError(f"{len(self.labels)} labels for logits {self.start} to {self.stop}")
        return self


class Calibration(Part):
    """Of one score: probability = sigmoid(logit / temperature + bias)."""

    temperature: Annotated[float, Field(gt=0.0)] = 1.0
    bias: float = 0.0


class Window(Part):
    """Lengths in tokens: of a window's text, of the step between two, of a context, and of the whole input."""

    size: Annotated[int, Field(ge=1)]
    stride: Annotated[int, Field(ge=1)]
    context_tokens: Annotated[int, Field(ge=0)]
    max_tokens: Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def _overlapping(self) -> Self:
        if self.stride > self.size:
            raise ValueError("stride is larger than size: windows would leave gaps")
        if self.size > self.max_tokens:
            raise ValueError("size is larger than max_tokens: windows would be cut")
        return self


class DecoderSpec(Part):
    """What of a model runs with a cache: its sizes, its graphs by precision, and how the token head is read.

    A cache is [1, kv_heads, capacity, head_size], key and value for each of `blocks` (of `read_blocks` for a stream),
    and no capacity is above `positions`. The token head gives severity (safe, controversial, unsafe) and hazards of the
    answer up to a token; its probability is that of unsafe against safe, calibrated. `token_thresholds` are on the
    lesser probability of two tokens in a row: share of safe answers stopped -> threshold.
    """

    blocks: Annotated[int, Field(ge=1)]
    read_blocks: Annotated[int, Field(ge=1)]
    kv_heads: Annotated[int, Field(ge=1)]
    head_size: Annotated[int, Field(ge=1)]
    positions: Annotated[int, Field(ge=1)]
    stream: Annotated[Mapping[Precision, FileName], Field(min_length=1)]
    reply: Annotated[Mapping[Precision, FileName], Field(min_length=1)]
    token_calibration: Calibration = Calibration()
    token_thresholds: Levels

    @model_validator(mode="after")
    def _reads_within(self) -> Self:
        if self.read_blocks > self.blocks:
            raise ValueError(f"read_blocks is {self.read_blocks}, there are {self.blocks} blocks")
        return self


class DataSource(Part):
    source: str
    licence: str
    rows: Annotated[int, Field(ge=0)]


class Manifest(Part):
    """The manifest of one model. Unknown keys are an error, except under `notes`."""

    format: Literal[1] = 1
    name: str
    version: str
    base: str
    license: str
    created: str
    files: Mapping[FileName, FileEntry]
    graphs: Annotated[Mapping[Precision, FileName], Field(min_length=1)]
    weights: tuple[FileName, ...] = ()
    """Files that the graphs keep their tensors in, where those are not their own."""
    tokenizer: FileName
    controls: Controls
    heads: Annotated[Mapping[str, Head], Field(min_length=1)]
    calibration: Mapping[str, Calibration] = {}
    thresholds: Thresholds
    window: Window
    decoder: DecoderSpec | None = None
    data: tuple[DataSource, ...] = ()
    reproduce: str = ""
    notes: Mapping[str, JsonValue] = {}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name in [*self._all_graphs, *self.weights, self.tokenizer]:
            if name not in self.files:
                raise ValueError(f"{name} is not listed under files")
        if self.decoder is not None and None in (self.controls.expl, self.controls.harm):
            raise ValueError("a decoder needs the controls expl and harm")
        return self

    @property
    def _all_graphs(self) -> tuple[FileName, ...]:
        cached = (*self.decoder.stream.values(), *self.decoder.reply.values()) if self.decoder else ()
        return (*self.graphs.values(), *cached)

    @property
    def ref(self) -> ModelRef:
        """Name, version, and one hash that changes with any file of the model."""
        lines = "".join(f"{entry.sha256}  {name}\n" for name, entry in sorted(self.files.items()))
        return ModelRef(name=self.name, version=self.version, hash=hashlib.sha256(lines.encode()).hexdigest())

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read the manifest of a model folder. ModelError says what is wrong with it; the other files are not read."""
        return read_model_file(cls, folder, MANIFEST, "a model folder")

    def verify(self, folder: str | Path, names: Iterable[str] | None = None) -> None:
        """Compare files, those named or all, with the sizes and hashes stated here. ModelError names a wrong one.

        With a graph go the weights it is nothing without.
        """
        wanted = dict.fromkeys(self.files if names is None else names)
        if not wanted.keys().isdisjoint(self._all_graphs):
            wanted |= dict.fromkeys(self.weights)
        for name in wanted:
            if name not in self.files:
                raise ModelError(name, f"not listed in {MANIFEST}")
            _verify(Path(folder) / name, name, self.files[name])


def _verify(path: Path, name: str, entry: FileEntry) -> None:
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            if size != entry.bytes:
                raise ModelError(name, f"has {size:,} bytes instead of {entry.bytes:,}: truncated or not the same file")
            if hashlib.file_digest(file, "sha256").hexdigest() != entry.sha256:
                raise ModelError(name, "its SHA-256 is not the one in the manifest: changed or damaged")
    except FileNotFoundError:
        raise ModelError(name, "missing") from None
    except OSError as error:
        raise ModelError(name, f"cannot be read: {error.strerror}") from error
