"""Recorded traffic, judged again under one policy or two: what they would have done. Nothing is printed here."""

from __future__ import annotations

import gzip
import json
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from guardian.cli.inputs import Failure
from guardian.errors import GuardUnavailable, InputError
from guardian.evaluate.metrics import Estimate, wilson
from guardian.flow import Job, judge
from guardian.policy import Policy
from guardian.scoring.backend import Backend
from guardian.scoring.wrapped import RememberingBackend
from guardian.verdict import Action, Stage, Verdict

BATCH_ROWS = 64
BATCH_CHARS = 1 << 18
EXAMPLES = 20
"""Lines that are named of those two policies disagree about."""

_WITH_CONTEXT = (Stage.DOCUMENT, Stage.RESPONSE)


@dataclass(frozen=True, slots=True)
class Row:
    """One text of the traffic; `label` says whether it ought to be flagged, where somebody knows."""

    line: int
    job: Job
    label: bool | None


def read_rows(path: Path, stage: Stage) -> Iterator[Row | Failure]:
    """The rows of a JSON-lines file (plain or .gz): `text` and, if they like, `stage`, `context` and `label`.

    `stage` is that of rows without one. A line that is wrong is a Failure, never its text; InputError where the file
    cannot be read to its end.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield _row(path, number, line, stage)
    except OSError as error:  # gzip's own complaint among them
        raise InputError(f"{path}: {(error.strerror or 'broken gzip data').lower()}") from error
    except (EOFError, zlib.error) as error:
        raise InputError(f"{path}: broken or truncated gzip data") from error


def _row(path: Path, number: int, line: bytes, stage: Stage) -> Row | Failure:
    where = f"{path}:{number}"
    try:
        values = json.loads(line.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):
        return Failure(f"{where}: not JSON that can be read")
    if not isinstance(values, dict) or not isinstance(values.get("text"), str):
        return Failure(f"{where}: needs a text that is a string")
    named, context, label = (values.get(key) for key in ("stage", "context", "label"))
    if named is not None and named not in tuple(Stage):
        return Failure(f"{where}: stage must be one of {', '.join(Stage)}")
    if context is not None and not isinstance(context, str):
        return Failure(f"{where}: context must be a string")
    if label is not None and label not in (0, 1):
        return Failure(f"{where}: label must be true or false, 1 or 0")
    at = stage if named is None else Stage(named)
    if context and at not in _WITH_CONTEXT:
        return Failure(f"{where}: context counts for documents and responses, not at the stage {at}")
    return Row(number, Job(values["text"], at, context or None), None if label is None else bool(label))


@dataclass(slots=True)
class Counts:
    """What one policy would have done, shadow mode aside."""

    actions: Counter[tuple[Stage, Action]] = field(default_factory=Counter)
    findings: Counter[str] = field(default_factory=Counter)
    labels: Counter[tuple[bool, bool]] = field(default_factory=Counter)
    """By label and whether it was flagged."""

    def add(self, row: Row, verdict: Verdict) -> None:
        flagged = verdict.would is not Action.ALLOW
        self.actions[verdict.stage, verdict.would] += 1
        self.findings.update(finding.name for finding in verdict.findings if finding.triggered)
        if row.label is not None:
            self.labels[row.label, flagged] += 1

    def flagged(self, stage: Stage | None = None) -> Estimate:
        """Share of the texts with any action but allow."""
        of_stage = {key: n for key, n in self.actions.items() if stage in (None, key[0])}
        return wilson(
            sum(n for (_, action), n in of_stage.items() if action is not Action.ALLOW), sum(of_stage.values())
        )

    @property
    def false_positives(self) -> Estimate:
        """Share of the texts labelled harmless that are flagged."""
        return wilson(self.labels[False, True], self.labels[False, True] + self.labels[False, False])

    @property
    def misses(self) -> Estimate:
        """Share of the texts labelled harmful that are not flagged."""
        return wilson(self.labels[True, False], self.labels[True, True] + self.labels[True, False])

    def as_dict(self) -> dict[str, Any]:
        """Plain values for machines."""
        stages = sorted({stage for stage, _ in self.actions})
        return {
            "texts": self.actions.total(),
            "flagged": _plain(self.flagged()),
            "stages": {
                stage: {action.value: self.actions[stage, action] for action in Action}
                | {"flagged": _plain(self.flagged(stage))}
                for stage in stages
            },
            "findings": dict(self.findings.most_common()),
            "false_positives": _plain(self.false_positives),
            "misses": _plain(self.misses),
        }


def _plain(estimate: Estimate) -> dict[str, float] | None:
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return None
    return {"rate": estimate.value, "low": estimate.low, "high": estimate.high}


@dataclass(slots=True)
class Replay:
    """What the policies would have done, one count a policy, and where two of them disagree."""

    counts: tuple[Counts, ...]
    changes: Counter[tuple[Action, Action]] = field(default_factory=Counter)
    """By what the second policy does and what the first does instead."""
    changed: list[int] = field(default_factory=list)
    """The first lines they disagree about."""
    failures: list[Failure] = field(default_factory=list)

    def add(self, row: Row, verdicts: Sequence[Verdict]) -> None:
        for counts, verdict in zip(self.counts, verdicts, strict=True):
            counts.add(row, verdict)
        new, old = verdicts[0].would, verdicts[-1].would
        if new is not old:
            self.changes[old, new] += 1
            if len(self.changed) < EXAMPLES:
                self.changed.append(row.line)


def replay(rows: Iterable[Row | Failure], policies: Sequence[Policy], backend: Backend, name: str) -> Replay:
    """Judge all rows under one policy, or under two with the scores made once. `name` stands in failures."""
    result = Replay(tuple(Counts() for _ in policies))
    for batch in _batches(rows, result.failures):
        once = RememberingBackend(backend)
        for row, verdicts in _judged(batch, policies, once):
            if isinstance(verdicts, str):
                result.failures.append(Failure(f"{name}:{row.line}: {verdicts}"))
            else:
                result.add(row, verdicts)
    return result


def _batches(rows: Iterable[Row | Failure], failures: list[Failure]) -> Iterator[list[Row]]:
    batch: list[Row] = []
    chars = 0
    for row in rows:
        if isinstance(row, Failure):
            failures.append(row)
            continue
        batch.append(row)
        chars += len(row.job.text)
        if len(batch) >= BATCH_ROWS or chars >= BATCH_CHARS:
            yield batch
            batch, chars = [], 0
    yield batch


def _judged(
    batch: Sequence[Row], policies: Sequence[Policy], backend: Backend
) -> Iterator[tuple[Row, tuple[Verdict, ...] | str]]:
    """The verdicts of every policy on every row or, where there are none, the reason."""
    try:
        by_policy = [judge([row.job for row in batch], policy, backend) for policy in policies]
    except GuardUnavailable as outage:
        if len(batch) == 1:
            yield batch[0], str(outage)
            return
        for row in batch:
            yield from _judged([row], policies, backend)
        return
    yield from zip(batch, zip(*by_policy, strict=True), strict=True)
