"""From inputs to verdicts, one after the other, with little in memory at any time. Nothing is printed here."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from guardian.cli.excerpts import MOST, Excerpt, excerpts
from guardian.cli.inputs import Failure, FileInput, Input, Note, TextInput, size_of
from guardian.cli.parts import SIZE, Part, interrupted, joined, parts_of
from guardian.documents import (
    BadRecord,
    Record,
    UnsupportedInput,
    iter_records,
    open_document,
    read_records,
)
from guardian.errors import ConfigError, GuardUnavailable, InputError, MissingExtra
from guardian.verdict import Stage, Verdict

if TYPE_CHECKING:
    from guardian.guard import Guardian

BATCH_RECORDS = 64
BATCH_CHARS = 1 << 18
_SPOOLED = 1 << 24  # bytes of standard input kept in memory; beyond, they go to a temporary file


@dataclass(frozen=True, slots=True)
class Request:
    """How texts are read. Unless `stage` is given, a task makes them documents and a prompt makes them responses."""

    stage: Stage | None = None
    task: str | None = None
    prompt: str | None = None
    field: str | None = None

    def check(self) -> None:
        """Raises ConfigError where the options contradict each other."""
        if self.task is not None and self.prompt is not None:
            raise ConfigError("task", "is for documents and --prompt for responses: give one of them")
        if self.task is not None and self.stage not in (None, Stage.DOCUMENT):
            raise ConfigError("task", f"counts for documents, not at the stage {self.stage}")
        if self.prompt is not None and self.stage not in (None, Stage.RESPONSE):
            raise ConfigError("prompt", f"counts for responses, not at the stage {self.stage}")

    def stage_of(self, item: TextInput | FileInput) -> Stage:
        """Files are documents; arguments, standard input and the records of JSON lines are prompts."""
        if self.stage is not None:
            return self.stage
        if self.task is not None:
            return Stage.DOCUMENT
        if self.prompt is not None:
            return Stage.RESPONSE
        whole_file = isinstance(item, FileInput) and item.path is not None and not item.records
        return Stage.DOCUMENT if whole_file else Stage.PROMPT


@dataclass(frozen=True, slots=True)
class Result:
    """A verdict, what it is about, and its worst passages."""

    source: str
    verdict: Verdict
    excerpts: tuple[Excerpt, ...] = ()
    record: bool = False


Outcome = Result | Note | Failure


class Tracker(Protocol):
    """Whoever shows how far the scan is."""

    def advance(self, source: str, count: int) -> None:
        """`count` more bytes (about) of `source` have been dealt with."""

    def settle(self, total: int) -> None:
        """An input has ended: `total` bytes of all inputs have been dealt with."""


class Scanner:
    """Scans inputs with one guard. Failures of single inputs are outcomes; what concerns all of them is raised."""

    def __init__(self, guardian: Guardian, request: Request, tracker: Tracker) -> None:
        request.check()
        self._guardian = guardian
        self._request = request
        self._tracker = tracker

    def scan(self, inputs: Iterable[Input]) -> Iterator[Outcome]:
        """Outcomes in the order of the inputs. On Ctrl-C a text half read still comes, then KeyboardInterrupt."""
        total = 0
        for item in inputs:
            if isinstance(item, Note | Failure):
                yield item
                continue
            self._tracker.advance(item.source, 0)
            yield from self._guarded(item)
            total += size_of((item,)) or 0
            self._tracker.settle(total)

    def _guarded(self, item: TextInput | FileInput) -> Iterator[Outcome]:
        try:
            if isinstance(item, TextInput):
                yield from self._text(item.source, (item.text,), self._request.stage_of(item))
            else:
                yield from self._records(item) if item.records else self._file(item)
        except UnsupportedInput as error:
            found = isinstance(item, FileInput) and item.found
            yield Note(f"{item.source} left out: {error.what}") if found else Failure(str(error))
        except InputError as error:
            yield Failure(str(error))
        except (GuardUnavailable, MissingExtra) as error:
            yield Failure(f"{item.source}: {error}")
        except BrokenPipeError:
            raise
        except OSError as error:
            yield Failure(f"{item.source}: {(error.strerror or 'cannot be read').lower()}")

    # ---- one text ------------------------------------------------------------------------------------------------

    def _file(self, item: FileInput) -> Iterator[Outcome]:
        with _opened(item) as file:
            opened = open_document(file, item.source)
            yield from (Note(f"{item.source}: {note}") for note in opened.notes)
            yield from self._text(item.source, opened.blocks, self._request.stage_of(item))

    def _text(self, source: str, blocks: Iterable[str], stage: Stage) -> Iterator[Outcome]:
        limit = self._guardian.policy.max_chars
        if limit is not None:
            yield self._limited(source, iter(blocks), stage, limit)
            return
        verdict: Verdict | None = None
        best: list[Excerpt] = []
        try:
            for part in parts_of(blocks):
                found = self._check(part.text, stage)
                verdict = joined(verdict, part, found)
                best = _best(best, part, found)
                self._tracker.advance(source, part.fresh)
        except KeyboardInterrupt:
            if verdict is None:
                yield Note(f"{source}: interrupted before its first {SIZE:,} characters were judged")
            else:
                yield Result(source, interrupted(verdict, self._guardian.policy), tuple(best))
            raise
        assert verdict is not None  # noqa: S101  # there is always a part
        yield Result(source, verdict, tuple(best))

    def _limited(self, source: str, blocks: Iterator[str], stage: Stage, limit: int) -> Result:
        """Under a policy with `max_chars` no more than that is kept; what comes after is only counted."""
        kept, count = [], 0
        for block in blocks:
            if count <= limit:
                kept.append(block[: limit + 1 - count])
            count += len(block)
        text = "".join(kept)
        verdict = self._check(text, stage)
        coverage = verdict.coverage.model_copy(update={"total_chars": count})
        verdict = verdict.model_copy(update={"coverage": coverage})
        return Result(source, verdict, excerpts(text, verdict.spans))

    def _check(self, text: str, stage: Stage) -> Verdict:
        if self._request.prompt is not None:
            return self._guardian.check_response(self._request.prompt, text)
        if self._request.task is not None:
            return self._guardian.check_document(text, task=self._request.task)
        return self._guardian.check(text, stage=stage)

    # ---- records -------------------------------------------------------------------------------------------------

    def _records(self, item: FileInput) -> Iterator[Outcome]:
        field, stage = self._request.field or "text", self._request.stage_of(item)
        found = read_records(sys.stdin.buffer, field) if item.path is None else iter_records(item.path, field)
        batch: list[Record] = []
        chars = 0
        for record in found:
            whole = isinstance(record, Record) and len(record.text) <= SIZE
            if batch and (not whole or len(batch) >= BATCH_RECORDS or chars >= BATCH_CHARS):
                yield from self._batch(item.source, batch, stage)
                batch, chars = [], 0
            if isinstance(record, BadRecord):
                yield Failure(f"{item.source}:{record.line}: {record.problem}")
            elif whole:
                batch.append(record)
                chars += len(record.text)
            else:
                yield from self._text(f"{item.source}:{record.line}", (record.text,), stage)
        yield from self._batch(item.source, batch, stage)

    def _batch(self, source: str, batch: list[Record], stage: Stage) -> Iterator[Outcome]:
        verdicts = self._check_many([record.text for record in batch], stage)
        for record, verdict in zip(batch, verdicts, strict=True):
            name = f"{source}:{record.line}"
            if isinstance(verdict, Verdict):
                yield Result(name, verdict, excerpts(record.text, verdict.spans), record=True)
            else:
                yield Failure(f"{name}: {verdict}")
        self._tracker.advance(source, sum(record.size for record in batch))

    def _check_many(self, texts: list[str], stage: Stage) -> list[Verdict | str]:
        """A verdict for every text or, where there is none, the reason."""
        if self._request.prompt is None and self._request.task is None:
            try:
                return list(self._guardian.check_many(texts, stage=stage)) if texts else []
            except (InputError, GuardUnavailable):
                pass  # one by one then, so that only those that fail are without a verdict
        return [self._check_or_reason(text, stage) for text in texts]

    def _check_or_reason(self, text: str, stage: Stage) -> Verdict | str:
        try:
            return self._check(text, stage)
        except (InputError, GuardUnavailable) as error:
            return str(error)


def _best(best: list[Excerpt], part: Part, found: Verdict) -> list[Excerpt]:
    """The worst passages so far; those in what two parts share are taken from the first."""
    spans = [span.model_copy(update={"start": span.start + part.offset, "end": span.end + part.offset})
             for span in found.spans if span.end > part.shared]  # fmt: skip
    new = excerpts(part.text, spans, offset=part.offset, lines=part.lines)
    highest = sorted([*best, *new], key=lambda excerpt: -excerpt.span.score)[:MOST]
    return sorted(highest, key=lambda excerpt: excerpt.span.start)


@contextmanager
def _opened(item: FileInput) -> Iterator[BinaryIO]:
    """The bytes of an input."""
    if item.path is None:
        with _seekable(sys.stdin.buffer) as file:
            yield file
    else:
        with item.path.open("rb") as plain, _seekable(plain) as file:
            yield file


@contextmanager
def _seekable(stream: BinaryIO) -> Iterator[BinaryIO]:
    """The stream itself or, of a pipe, a copy of it: text is read twice, because its encoding must be known."""
    if stream.seekable():
        yield stream
        return
    with tempfile.SpooledTemporaryFile(max_size=_SPOOLED) as spool:
        shutil.copyfileobj(stream, spool, 1 << 18)
        yield cast("BinaryIO", spool)
