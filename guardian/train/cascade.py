"""`guardian train cascade`: fit where a first model asks a second, on data that neither has seen.

scores of both -> bands and blends (guardian.train.bands) -> thresholds through the real flow -> cascade.json.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from guardian.errors import ConfigError
from guardian.scoring.backend import Backend, Device, Piece, Scores
from guardian.scoring.cascade import CascadeBackend, Floats, opinions
from guardian.scoring.onnx import OnnxBackend
from guardian.scoring.plan import Band, Bands, CascadePlan, Head, ModelPart
from guardian.text.normalize import canonical
from guardian.thresholds import Thresholds
from guardian.train import bands
from guardian.train.examples import SAFE, UNSAFE, Example, read_examples
from guardian.train.package import DEFAULT_FPRS, benign, calibration_documents, thresholds
from guardian.verdict import Stage

Progress = Callable[[str], None]

HEADS: Mapping[Stage, tuple[Head, ...]] = {
    Stage.PROMPT: ("harm", "jailbreak", "injection"),
    Stage.DOCUMENT: ("harm", "jailbreak", "injection"),
    Stage.RESPONSE: ("harm",),
}
_BATCH = 64
_DOCUMENT_WINDOWS = 3000  # of the long documents, drawn evenly
_LONGEST = 120_000  # characters read of a document


@dataclass(frozen=True, slots=True)
class Labelled:
    """A piece that is one window, with the labels known for it and whether it is ordinary benign traffic."""

    piece: Piece
    labels: Mapping[Head, int]
    benign: frozenset[Head]


def fit_cascade(
    first: Path,
    second: Path,
    mix: Path,
    out: Path,
    *,
    data: Path,
    share: float = 0.15,
    version: str = "0.1.0",
    device: Device = "auto",
    progress: Progress = lambda _: None,
) -> CascadePlan:
    """Fit a cascade of two model folders on the calibration split of a mix and write `out/cascade.json`.

    share: the most of ordinary benign traffic that may be sent on, per stage. data: as for `package`. Raises
    ConfigError for a share that is none, or a missing file.
    """
    rows = mix / "calibration.jsonl"
    if not rows.is_file():
        raise ConfigError("mix", f"{rows} is missing: `guardian train mix` writes it")
    mini, slm = (OnnxBackend(folder, device=device) for folder in (first, second))
    examples = list(read_examples(rows))
    plan = fit_bands(mini, slm, examples, data, share=share, version=version, progress=progress)
    plan = with_thresholds(plan, mini, slm, examples, data, progress)
    plan.save(out)
    return CascadePlan.load(out)


def fit_bands(
    first: Backend,
    second: Backend,
    examples: Sequence[Example],
    data: Path,
    *,
    share: float,
    version: str,
    progress: Progress = lambda _: None,
) -> CascadePlan:
    """The plan of a cascade of two backends, with thresholds that are still to be fitted; see `fit_cascade`."""
    if not 0 < share < 1:
        raise ConfigError("share", f"{share:g} is not between 0 and 1")
    found: dict[Stage, Bands] = {}
    notes: dict[str, Any] = {}
    for stage, heads in HEADS.items():
        progress(f"{stage}: scores of both models")
        rows = list(_labelled(first, examples, stage, heads))
        if stage is Stage.DOCUMENT:
            rows += _of_documents(first, data)
        if rows:
            found[stage], notes[stage] = fit_stage(first, second, rows, stage, share)
    return CascadePlan(
        version=version,
        created=datetime.now(UTC).date().isoformat(),
        first=_part(first),
        second=_part(second),
        bands={stage: by_head for stage, by_head in found.items() if by_head},
        thresholds=Thresholds.flat(),
        notes={"share": share, "fitted": notes},
    )


def with_thresholds(
    plan: CascadePlan,
    first: Backend,
    second: Backend,
    examples: Sequence[Example],
    data: Path,
    progress: Progress = lambda _: None,
) -> CascadePlan:
    """The plan with thresholds of the whole cascade at stated false-positive rates, as every model has them."""
    progress("thresholds")
    cascade = CascadeBackend(first, lambda: second, plan)
    fitted = thresholds(cascade, examples, data, first.thresholds.default_fpr, progress)
    return plan.model_copy(update={"thresholds": fitted})


def fit_stage(
    first: Backend, second: Backend, rows: Sequence[Labelled], stage: Stage, share: float
) -> tuple[dict[Head, Band], dict[str, Any]]:
    """The bands of one stage, and what is worth noting about them."""
    own = list(_scored(first.score, [row.piece for row in rows]))
    scores = {head: np.array([row[head] for row in own], np.float64) for head in HEADS[stage]}
    traffic = np.array(["harm" in row.benign for row in rows], np.bool_)
    ordinary = {head: values[traffic] for head, values in scores.items()}
    edges = {head: _edges(head, rows, scores[head], ordinary[head], stage, share) for head in HEADS[stage]}
    # What lies in none of the bands that are tried need not be asked about.
    floors = {head: min((low for low, _ in tried), default=np.inf) for head, tried in edges.items()}
    asked = np.flatnonzero(np.any([scores[head] >= floor for head, floor in floors.items()], axis=0)).tolist()
    answers = list(_scored(lambda p: opinions(second, p), [rows[n].piece for n in asked]))
    options: dict[Head, list[bands.Fitted]] = {}
    for head in HEADS[stage]:
        opinion = np.full(len(rows), np.nan)
        opinion[asked] = [answer[head] for answer in answers]
        labelled = _rows(head, rows, scores[head], opinion)
        options[head] = bands.best_bands(labelled, ordinary[head], edges[head], DEFAULT_FPRS[stage][head])
    chosen = bands.allocate(options, ordinary, share)
    by_head = {head: fitted.band for head, fitted in chosen.items()}
    return by_head, _notes(chosen, rows, scores, traffic, stage)


def _edges(
    head: Head, rows: Sequence[Labelled], scores: Floats, ordinary: Floats, stage: Stage, share: float
) -> list[bands.Edges]:
    """The bands that are tried around the first's threshold on these rows."""
    stated = scores[[head in row.benign for row in rows]]
    if len(stated) < bands.FEWEST or not len(ordinary):
        return []
    threshold = float(np.quantile(stated, 1 - DEFAULT_FPRS[stage][head], method="higher"))
    return bands.edges_around(threshold, ordinary, share)


def _rows(head: Head, rows: Sequence[Labelled], first: Floats, second: Floats) -> bands.Rows:
    known = [n for n, row in enumerate(rows) if head in row.labels]
    return bands.Rows(
        first[known],
        second[known],
        np.array([rows[n].labels[head] for n in known], np.int64),
        np.array([head in rows[n].benign for n in known], np.bool_),
    )


def _notes(
    chosen: Mapping[Head, bands.Fitted],
    rows: Sequence[Labelled],
    scores: Mapping[Head, Floats],
    traffic: bands.Bools,
    stage: Stage,
) -> dict[str, Any]:
    by_head = {head: fitted.band for head, fitted in chosen.items()}
    harmful = np.array([any(row.labels.values()) for row in rows], np.bool_)
    kinds = {"ordinary benign": traffic, "other benign": ~traffic & ~harmful, "harmful or attack": harmful}
    return {
        "sent_on": {
            kind: round(bands.sent_on(by_head, {head: values[which] for head, values in scores.items()}), 4)
            for kind, which in kinds.items()
            if which.any()
        },
        "heads": {
            head: {
                "fpr": DEFAULT_FPRS[stage][head],
                "recall_first": round(fitted.recall_first, 4),
                "recall_cascade": round(fitted.recall, 4),
                "rows_inside": fitted.rows,
            }
            for head, fitted in chosen.items()
        },
        "rows": len(rows),
    }


# -- rows


def _labelled(first: Backend, examples: Sequence[Example], stage: Stage, heads: Sequence[Head]) -> Iterator[Labelled]:
    """The examples of a stage that are read in one window: of longer ones nobody knows which window the label is of."""
    for example in examples:
        if example.stage is not stage:
            continue
        text = canonical(example.text).text
        labels = {head: label for head in heads if (label := _label(example, head)) is not None}
        if labels and len(list(first.windows(text))) == 1:
            stated = frozenset(head for head in heads if benign(example, head))
            yield Labelled(Piece(text, stage, example.context), labels, stated)


def _label(example: Example, head: Head) -> int | None:
    if head == "jailbreak":
        return example.jailbreak
    if head == "injection":
        return example.injection
    severity = example.response_severity if example.stage is Stage.RESPONSE else example.severity
    return {SAFE: 0, UNSAFE: 1}.get(-1 if severity is None else severity)


def _of_documents(first: Backend, data: Path) -> list[Labelled]:
    """Windows of the long benign documents that calibrate."""
    heads = HEADS[Stage.DOCUMENT]
    pieces = []
    for document in calibration_documents(data):
        text = canonical(document[:_LONGEST]).text
        pieces += [Piece(text[start:end], Stage.DOCUMENT) for start, end in first.windows(text)]
    step = max(1, -(-len(pieces) // _DOCUMENT_WINDOWS))
    return [Labelled(piece, dict.fromkeys(heads, 0), frozenset(heads)) for piece in pieces[::step]]


def _scored(score: Callable[[Sequence[Piece]], Sequence[Scores]], pieces: Sequence[Piece]) -> Iterator[Scores]:
    for start in range(0, len(pieces), _BATCH):
        yield from score(pieces[start : start + _BATCH])


def _part(backend: Backend) -> ModelPart:
    ref = backend.ref
    return ModelPart(name=ref.name, version=ref.version, hash=ref.hash)
