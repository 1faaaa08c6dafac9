"""Runs scorers over benchmarks and gathers the results: what `guardian eval` does.

The model under test runs its real flow (`Guardian.check_many` with views, windows and calibrated thresholds).
Each benchmark then gets its figures at the model's own default threshold, which was fixed on validation data
and never on a benchmark, and the threshold-free ones beside. Baselines always run along.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from guardian.errors import ConfigError, MissingExtra
from guardian.evaluate import baselines, depth
from guardian.evaluate.benchmarks import (
    POOLED,
    REGISTRY,
    Benchmark,
    Measure,
    Row,
    benchmark_of,
    find_file,
    load,
    mix_benchmarks,
)
from guardian.evaluate.figures import agreements, result_of
from guardian.evaluate.provenance import command_line, machine, versions
from guardian.evaluate.results import (
    DepthResult,
    Results,
    Skipped,
    TrickResult,
)
from guardian.evaluate.scored import Progress, Scored, decision, limited, pooled, score_all, score_rows, silent
from guardian.evaluate.scorers import GuardianLike, Scorer, guardian_scorer, scorer_of
from guardian.evaluate.targets import judge
from guardian.evaluate.tricks_eval import run_tricks, shipped_tricks
from guardian.scoring.backend import Backend, Piece

_TRICK_ROWS = 400  # positive and benign rows, each, that the tricks are tried on


@dataclass(frozen=True, slots=True)
class Options:
    """What a run does beyond the benchmarks.

    train: the mix's training rows for TF-IDF. heldout: the mix's held-out rows (adds the heldout_* benchmarks).
    injections: the sentences inserted in long documents. limit: at most so many rows of each benchmark, drawn by
    hash. heldout_limit: the same for the held-out rows and for attacks (default: limit), where calibration error, the
    difference between versions and recall at 1 % false positives only show noise in a few hundred rows. trials and
    documents: see `depth.run_depth`. backend: what the guardian scores with, for the long documents (default:
    `guardian.backend`). compare_on: the benchmarks that compared versions run on (default: all).
    """

    train: Path | None = None
    heldout: Path | None = None
    injections: Path | Sequence[str] | None = None
    tricks: bool = True
    long_documents: bool = True
    baselines: bool = True
    limit: int | None = None
    heldout_limit: int | None = None
    trials: int = 100
    documents: int | None = None
    lengths: Sequence[int] = depth.LENGTHS
    depths: Sequence[float] = depth.DEPTHS
    seed: int = 0
    backend: Backend | None = None
    command: str | None = None
    scorers: Sequence[Scorer] = ()
    compare_on: Sequence[str] | None = None


def run_evaluation(
    guardian: GuardianLike,
    *,
    data: Path,
    benchmarks: Sequence[str] | None,
    out: Path,
    compare: Sequence[str] = (),
    bootstrap: int = 1000,
    progress: Progress | None = None,
    options: Options | None = None,
) -> Results:
    """Evaluate `guardian` and write `out/results.json`.

    `data` is the folder of the evaluation files. `benchmarks` are names of the registry or paths to
    JSON-lines files (benchmarks.parse_benchmark); None runs every registered one whose file is there and
    lists the others as skipped.
    `compare` holds further model folders or `package.module:factory` callables, `name=` in front
    (scorers.scorer_of): by convention the fp32, fp16 and torch versions of the same model are named so. Use
    report.write_report on the results.

    Raises ConfigError for an unknown benchmark, a missing file that was asked for by name, or a bad
    `compare`.
    """
    opts, started = options or Options(), time.monotonic()
    tell = progress or silent
    skipped: list[Skipped] = []
    chosen = chosen_rows(benchmarks, data, opts, skipped)
    scorers = _scorers(guardian, compare, opts, skipped)
    main = scorers[0]
    scored = [run for scorer in scorers for run in score_all(scorer, _for(scorer, main, chosen, opts), tell)]
    for scorer in scorers:
        scored += pooled([run for run in scored if run.scorer is scorer])
    finished = [result_of(run, bootstrap, opts.seed, tell) for run in scored]
    tricks = _tricks(main, [run for run in scored if run.scorer is main], bootstrap, opts, skipped, tell)
    documents = _depth(guardian, data, opts, skipped, tell)
    results = Results(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=opts.command or command_line(),
        seconds=0.0,
        seed=opts.seed,
        bootstrap=bootstrap,
        limit=opts.limit,
        heldout_limit=opts.heldout_limit,
        machine=machine(),
        versions=versions(),
        model=None,
        policy=None,
        main=main.name,
        scorers={scorer.name: scorer.note for scorer in scorers},
        benchmarks=tuple(finished),
        agreement=agreements(scored, main, bootstrap, opts.seed),
        tricks=tricks,
        depth=documents,
        skipped=tuple(skipped),
    )
    probe = guardian.check_many(["Hello."])[0]
    update = {"model": probe.model, "policy": probe.policy, "seconds": round(time.monotonic() - started, 1)}
    results = results.model_copy(update=update)
    results = results.model_copy(update={"targets": judge(results)})
    results.save(out / "results.json")
    return results


# ---- what runs -----------------------------------------------------------------------------------


def chosen_rows(
    names: Sequence[str] | None, data: Path, opts: Options, skipped: list[Skipped]
) -> list[tuple[Benchmark, list[Row]]]:
    """The benchmarks of a run with their rows; what is not there and was not asked for by name is added to `skipped`.

    Raises ConfigError as `run_evaluation` does.
    """
    chosen = []
    many = opts.heldout_limit or opts.limit
    for benchmark in REGISTRY.values() if names is None else map(benchmark_of, names):
        try:
            find_file(data, benchmark.file)
        except ConfigError as error:
            if names is not None:
                raise
            skipped.append(Skipped(name=benchmark.name, reason=str(error)))
            continue
        limit = many if benchmark.measure is Measure.ATTACK else opts.limit
        chosen.append((benchmark, limited(load(benchmark, data), limit)))
    if opts.heldout is not None:
        held = [(b, limited(load(b, data), many)) for b in mix_benchmarks(opts.heldout.absolute())]
        chosen += [(b, rows) for b, rows in held if rows]
        if not any(rows for _, rows in held):
            raise ConfigError("heldout", f"{opts.heldout} has no row with a label that is known here")
    if not chosen:
        raise ConfigError(
            "data",
            f"{data} holds none of the benchmark files ({', '.join(b.file for b in REGISTRY.values())})",
        )
    return chosen


def _scorers(guardian: GuardianLike, compare: Sequence[str], opts: Options, skipped: list[Skipped]) -> list[Scorer]:
    found = [guardian_scorer(guardian), *map(scorer_of, compare), *opts.scorers]
    if opts.baselines:
        found += [*_tfidf(opts, skipped), baselines.keywords(), baselines.constant()]
    names = [scorer.name for scorer in found]
    if len(set(names)) < len(names):
        raise ConfigError("compare", f"two scorers have the same name ({', '.join(names)}); give one with name=target")
    return found


def _for(
    scorer: Scorer, main: Scorer, chosen: list[tuple[Benchmark, list[Row]]], opts: Options
) -> list[tuple[Benchmark, list[Row]]]:
    """What a scorer is run on: a further version of the model may be held to fewer benchmarks."""
    if scorer is main or scorer.kind == "baseline" or opts.compare_on is None:
        return chosen
    return [(benchmark, rows) for benchmark, rows in chosen if benchmark.name in opts.compare_on]


def _tfidf(opts: Options, skipped: list[Skipped]) -> list[Scorer]:
    if opts.train is None:
        skipped.append(Skipped(name="tfidf", reason="no training rows were given to train it on"))
        return []
    try:
        return [baselines.tfidf(opts.train, seed=opts.seed)]
    except MissingExtra as error:
        skipped.append(Skipped(name="tfidf", reason=str(error)))
        return []


# ---- tricks and long documents -------------------------------------------------------------------


def _tricks(
    main: Scorer,
    runs: Sequence[Scored],
    bootstrap: int,
    opts: Options,
    skipped: list[Skipped],
    tell: Progress,
) -> tuple[TrickResult, ...]:
    """The tricks on a sample of the harmful and benign prompts, and on the held-out injections where there
    are any.
    """
    if not opts.tricks:
        skipped.append(Skipped(name="character tricks", reason="switched off"))
        return ()
    out: list[TrickResult] = []
    tricks = shipped_tricks()
    for head, names in (("harm", POOLED), ("injection", ("heldout_injection",))):
        rows = _trick_rows([run for run in runs if run.benchmark.name in names])
        if not any(row.label for row in rows):
            skipped.append(Skipped(name=f"character tricks ({head})", reason=f"none of {', '.join(names)} was run"))
            continue
        out += run_tricks(
            _decider(main, head),
            rows,
            head=head,
            tricks=tricks,
            samples=bootstrap,
            seed=opts.seed,
            progress=lambda done, total, head=head: tell(f"character tricks ({head})", done, total),  # type: ignore[misc]
        )
    return tuple(out)


def _trick_rows(runs: Sequence[Scored]) -> list[Row]:
    rows = [row for run in runs for row in run.rows]
    by_label = ([row for row in rows if row.label == label] for label in (1, 0))
    return [row for part in by_label for row in limited(part, _TRICK_ROWS)]


def _decider(scorer: Scorer, head: str) -> Callable[[Sequence[Piece]], NDArray[np.bool_]]:
    def decide(pieces: Sequence[Piece]) -> NDArray[np.bool_]:
        rows = [Row(str(n), piece.text, piece.stage, 0, piece.context) for n, piece in enumerate(pieces)]
        found = score_rows(scorer, rows, {})
        decisions = [decision(scorer, row, scores, head) for row, scores in zip(rows, found, strict=True)]
        # No decision for a head is no detection: it must not pass as robust.
        return np.array([bool(decision) for decision in decisions], dtype=bool)

    return decide


def _depth(
    guardian: GuardianLike, data: Path, opts: Options, skipped: list[Skipped], tell: Progress
) -> DepthResult | None:
    backend = opts.backend or getattr(guardian, "backend", None)
    if not opts.long_documents or backend is None:
        reason = "switched off" if not opts.long_documents else "this guardian has no backend to look into"
        skipped.append(Skipped(name="long documents", reason=reason))
        return None
    from guardian.evaluate.flow import document_scorer

    try:
        sources = depth.source_documents(data)
        needles = [
            depth.injection_needles(data, opts.injections, sources),
            depth.harm_needles(data, sources, seed=opts.seed),
        ]
    except ConfigError as error:
        skipped.append(Skipped(name="long documents", reason=str(error)))
        return None
    return depth.run_depth(
        document_scorer(backend),
        sources,
        needles,
        depths=opts.depths,
        lengths=opts.lengths,
        trials=opts.trials,
        documents=opts.documents,
        seed=opts.seed,
        progress=lambda done, total: tell("long documents", done, total),
    )
