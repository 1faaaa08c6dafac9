"""What an evaluation found, as frozen values that go to and come from `results.json` unchanged."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from guardian.errors import ConfigError
from guardian.evaluate.benchmarks import Measure
from guardian.evaluate.metrics import Curve, Estimate, ReliabilityBin
from guardian.verdict import ModelRef, PolicyRef


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Group(_Value):
    """One slice of a benchmark (a language, a category, a source): rate is recall, or the share flagged if
    all are benign.
    """

    name: str
    rows: int
    positives: int
    recall: Estimate
    fpr: Estimate


class BenchmarkResult(_Value):
    """One scorer on one benchmark.

    `figures` are those of `metrics.evaluate_scores` for the benchmark's head, plus `flow_flagged` (share of
    all rows that the whole flow flagged for whatever reason) and `flow_fpr` (the same among the benign rows)
    and `category_macro_f1`.
    `histogram` holds counts per score bin: positives, negatives.
    """

    benchmark: str
    title: str
    measure: Measure
    head: str
    stage: str
    note: str
    scorer: str
    kind: str
    rows: int
    positives: int
    threshold: float | None
    figures: Mapping[str, Estimate]
    groups: tuple[Group, ...] = ()
    categories: Mapping[str, float] = {}
    histogram: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
    curve: Curve | None = None
    reliability: tuple[ReliabilityBin, ...] = ()

    @property
    def prevalence(self) -> float | None:
        """Share of positive rows: the AUPRC of guessing. None without rows."""
        return self.positives / self.rows if self.rows else None

    def figure(self, name: str) -> Estimate:
        """A figure by name; an Estimate without value where it was not computed."""
        return self.figures.get(name, Estimate(None, reason="not computed"))


class Agreement(_Value):
    """Another graph of the same model beside the main scorer, on the same rows: share of equal decisions,
    largest and mean difference of the score, and the difference in recall at 1 % FPR (other minus main) from
    a paired bootstrap.
    """

    benchmark: str
    scorer: str
    rows: int
    same_decision: Estimate
    largest: float
    mean: float
    recall_difference: Estimate


class TrickResult(_Value):
    """One character trick: recall before and after on the same rows, what was lost, and what it does to
    benign rows.
    """

    trick: str
    head: str
    rows: int
    before: Estimate
    after: Estimate
    lost: Estimate
    benign_rows: int
    benign_before: Estimate
    benign_after: Estimate


class DepthCell(_Value):
    """Insertions of one kind at one depth (share of the document's characters) into documents of about
    `words` words.
    """

    kind: str
    head: str
    words: int
    depth: float
    recall: Estimate
    trials: int
    control: Estimate
    """Share flagged with a neutral insertion of the same size in the same place."""


class CleanCell(_Value):
    """Share of untouched documents of about `words` words flagged by a head: the false-positive rate, which
    should be `budget`.
    """

    head: str
    words: int
    documents: int
    budget: float
    fpr: Estimate


class DepthResult(_Value):
    """Needle in a document. `method` says what was counted as detected; `sources` where documents and needles
    come from.
    """

    method: str
    sources: Mapping[str, str]
    documents: int
    cells: tuple[DepthCell, ...]
    clean: tuple[CleanCell, ...]

    def spread(self, kind: str, words: int) -> float | None:
        """Largest minus smallest recall over depths at a length; None with fewer than two depths."""
        values = [
            c.recall.value for c in self.cells if c.kind == kind and c.words == words and c.recall.value is not None
        ]
        return max(values) - min(values) if len(values) > 1 else None


class TargetResult(_Value):
    """A target and what was measured: held is None where the figure is missing, with the reason."""

    title: str
    wanted: str
    measured: Estimate
    held: bool | None


class PartTable(_Value):
    """A table of a part; cells are text, or figures with their intervals."""

    title: str = ""
    columns: tuple[str, ...]
    rows: tuple[tuple[str | Estimate, ...], ...]


class Part(_Value):
    """A measurement beside the benchmarks, ready for the report: tables, and figures by name for the targets."""

    name: str
    title: str
    about: str
    figures: Mapping[str, Estimate]
    tables: tuple[PartTable, ...] = ()

    def figure(self, name: str) -> Estimate:
        """A figure by name; an Estimate without value where it was not measured."""
        return self.figures.get(name, Estimate(None, reason="not measured"))

    def save(self, path: Path) -> None:
        """Write as JSON, readable and stable."""
        _save(self, path)

    @classmethod
    def load(cls, path: Path) -> Part:
        """Read what `save` wrote. ConfigError names the file where it is missing or not such a file."""
        return _load(cls, path, "a part of a report")


class Skipped(_Value):
    """Something that was not measured, and why."""

    name: str
    reason: str


class Results(_Value):
    """One run of the evaluation."""

    format: int = 1
    created: str
    command: str
    seconds: float
    seed: int
    bootstrap: int
    limit: int | None
    heldout_limit: int | None = None
    machine: Mapping[str, str]
    versions: Mapping[str, str]
    model: ModelRef | None
    policy: PolicyRef | None
    main: str
    scorers: Mapping[str, str]
    """Name of each scorer and a line about it, the main one first."""
    benchmarks: tuple[BenchmarkResult, ...]
    agreement: tuple[Agreement, ...] = ()
    tricks: tuple[TrickResult, ...] = ()
    depth: DepthResult | None = None
    parts: tuple[Part, ...] = ()
    targets: tuple[TargetResult, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    def of(self, benchmark: str, scorer: str | None = None) -> BenchmarkResult | None:
        """A result by benchmark and scorer (default: the main one)."""
        wanted = scorer or self.main
        return next((r for r in self.benchmarks if r.benchmark == benchmark and r.scorer == wanted), None)

    def save(self, path: Path) -> None:
        """Write as JSON, readable and stable."""
        _save(self, path)

    @classmethod
    def load(cls, path: Path) -> Results:
        """Read what `save` wrote. ConfigError names the file where it is missing or not a results file."""
        return _load(cls, path, "a results file of guardian eval")


def _save(value: _Value, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value.model_dump_json(indent=1) + "\n", encoding="utf-8")


_Read = TypeVar("_Read", bound=_Value)


def _load(kind: type[_Read], path: Path, what: str) -> _Read:
    try:
        return kind.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise ConfigError(str(path), f"not {what}: {error}") from error
