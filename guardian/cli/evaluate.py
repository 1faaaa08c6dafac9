"""`guardian eval`: the figures of a model on benchmarks or on one's own labelled texts, and a report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from guardian.cli import common
from guardian.cli.common import command, example
from guardian.errors import ConfigError, MissingExtra
from guardian.policy import Policy
from guardian.verdict import Stage

if TYPE_CHECKING:
    from rich.table import Table

    from guardian.evaluate.results import Results
    from guardian.evaluate.runner import Options
    from guardian.evaluate.scored import Progress
    from guardian.evaluate.scorers import Scorer

_OWN = "Your own data"
_MORE = "More"
_CASCADE = "A cascade"
_PRECISIONS = ("fp32", "fp16", "int8")

HELP = common.help_text(
    "Measure a model: on public benchmarks, or on a JSON-lines file of your own with texts and labels.",
    "Writes results.json, report.md and report.html to --out. A keyword list and a constant are measured beside,"
    " TF-IDF with --mix or --train.",
    "[bold]Examples[/bold]",
    example("guardian eval --jsonl mine.jsonl --text-field prompt --label-field harmful"),
    example("guardian eval --data data/ --benchmark notinject --benchmark orbench_hard"),
    example("guardian eval --data data/ --compare fp16,fp32=build/run/onnx", "other graphs beside"),
    example("guardian eval --cascade build/guardian-cascade --data data/", "accuracy against cost"),
    example("guardian eval --list"),
)


@command
def evaluate(
    data: Annotated[
        Path | None,
        typer.Option(
            envvar="GUARDIAN_DATA",
            metavar="DIR",
            help="Folder of the benchmark files (or its eval/).",
            show_default=False,
        ),
    ] = None,
    benchmark: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="A benchmark; may be repeated. Default: all whose file is there.", show_default=False
        ),
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the benchmarks and stop.")] = False,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where results and report go.")] = Path("guardian-eval"),
    compare: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WHAT,...",
            help="Measured beside: fp32, fp16 or int8 (graphs of the same model), NAME=DIR (another model folder), or "
            "NAME=package.module:factory (anything that scores, such as torch weights).",
            show_default=False,
        ),
    ] = None,
    bootstrap: Annotated[int, typer.Option(metavar="N", min=0, help="Samples for the 95 % intervals.")] = 1000,
    jsonl: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Labelled texts, one JSON object a line.", show_default=False, rich_help_panel=_OWN
        ),
    ] = None,
    text_field: Annotated[str, typer.Option(help="Field of the text.", rich_help_panel=_OWN)] = "text",
    label_field: Annotated[
        str, typer.Option(help="Field of the label, 1 or 0, true or false.", rich_help_panel=_OWN)
    ] = "label",
    stage: Annotated[
        Stage, typer.Option(help="Where the texts stand in the flow.", rich_help_panel=_OWN)
    ] = Stage.PROMPT,
    head: Annotated[
        str,
        typer.Option(metavar="harm|jailbreak|injection|refusal", help="What the label is about.", rich_help_panel=_OWN),
    ] = "harm",
    mix: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="The mixture the model was trained on; stands for the three options that follow.",
            show_default=False,
            rich_help_panel=_MORE,
        ),
    ] = None,
    heldout: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Its test.jsonl: adds the held-out benchmarks.",
            show_default=False,
            rich_help_panel=_MORE,
        ),
    ] = None,
    train: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Its train.jsonl: adds the TF-IDF baseline.", show_default=False, rich_help_panel=_MORE
        ),
    ] = None,
    injections: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Its injections.jsonl: unseen ones for long documents.",
            show_default=False,
            rich_help_panel=_MORE,
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="At most N rows of each, for a quick look.",
            show_default=False,
            rich_help_panel=_MORE,
        ),
    ] = None,
    trials: Annotated[
        int, typer.Option(metavar="N", min=1, help="Insertions at each depth and length.", rich_help_panel=_MORE)
    ] = 100,
    tricks: Annotated[bool, typer.Option(help="Try the character tricks too.", rich_help_panel=_MORE)] = True,
    documents: Annotated[
        bool, typer.Option(help="Measure recall by depth in long documents too.", rich_help_panel=_MORE)
    ] = True,
    cascade: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="A cascade: measure its accuracy against its cost instead, for bands from none to all.",
            show_default=False,
            rich_help_panel=_CASCADE,
        ),
    ] = None,
    cost_ratio: Annotated[
        float | None,
        typer.Option(
            metavar="N",
            help="What the second model costs, in units of the first. Default: measured here, in milliseconds.",
            show_default=False,
            rich_help_panel=_CASCADE,
        ),
    ] = None,
    policy: common.PolicyFile = None,
    fpr: common.Budget = None,
    model: common.Model = None,
    device: common.Device = common.DeviceName.AUTO,
    no_progress: common.NoProgress = False,
    debug: common.Debug = False,  # noqa: ARG001  # read by @command
) -> None:
    with common.train_extra():
        from guardian.cli.progress import Bar
        from guardian.evaluate.runner import Options, run_evaluation

    if list_:
        common.console().print(_benchmarks())
        return
    names, folder = _wanted(data, benchmark, _own(jsonl, text_field, label_field, stage, head))
    if cascade is not None:
        held = _of_mix(mix, {"heldout": heldout, "train": None, "injections": None}).get("heldout")
        with Bar(wanted=not no_progress) as bar:
            _cascade(cascade, names, folder, Options(heldout=held, limit=limit), out, fpr, cost_ratio, device, bar.set)
        return
    chosen = common.load_policy(policy, fpr)
    guardian = common.open_guardian(model, chosen, device)
    scorers, others = _compared(compare or [], model, chosen, device)
    own = names is not None and data is None  # tricks and long documents need the benchmark files
    files = _of_mix(mix, {"heldout": heldout, "train": train, "injections": injections})
    options = Options(
        trials=trials,
        train=files.get("train"), heldout=files.get("heldout"), injections=files.get("injections"), limit=limit,
        scorers=scorers, tricks=tricks and not own, long_documents=documents and not own,
    )  # fmt: skip
    with Bar(wanted=not no_progress) as bar:
        results = run_evaluation(
            guardian, data=folder, benchmarks=names, out=out, compare=others, bootstrap=bootstrap, progress=bar.set,
            options=options,
        )  # fmt: skip
    _report(results, out)


def _cascade(
    folder: Path,
    names: list[str] | None,
    data: Path,
    options: Options,
    out: Path,
    fpr: float | None,
    ratio: float | None,
    device: common.DeviceName,
    progress: Progress,
) -> None:
    """The curve of accuracy against cost, into `out`."""
    from guardian.evaluate.cascade import RATE, cost_curve, write_curve
    from guardian.evaluate.runner import chosen_rows
    from guardian.scoring.models import find_part
    from guardian.scoring.onnx import OnnxBackend
    from guardian.scoring.plan import CascadePlan

    if ratio is not None and not ratio > 0:
        raise ConfigError("cost-ratio", f"{ratio:g} is not above 0")
    plan = CascadePlan.load(folder)
    first, second = (OnnxBackend(find_part(p, folder), device=device.value) for p in (plan.first, plan.second))
    rows = chosen_rows(names, data, options, [])
    curve = cost_curve(first, second, plan, rows, fpr=fpr or RATE, ratio=ratio, progress=progress)
    try:
        paths = write_curve(curve, out)
    except MissingExtra as error:
        common.complain(f"note: {error}; there is no plot")
        paths = write_curve(curve, out, with_plot=False)
    for point in curve.points:
        common.tell(
            f"{point.name}: {point.sent_on:.1%} sent on, cost {point.cost:.2f}, recall {point.recall:.3f}, "
            f"F1 {point.f1:.3f}"
        )
    common.tell(f"curve: {', '.join(str(path) for path in paths)}")


def _own(jsonl: Path | None, text: str, label: str, stage: Stage, head: str) -> str | None:
    """The caller's file as a benchmark specification of guardian.evaluate.benchmarks."""
    if jsonl is None:
        return None
    if not jsonl.is_file():
        raise ConfigError("jsonl", f"{jsonl} is not a file")
    if "," in f"{jsonl.absolute()}{text}{label}":
        raise ConfigError("jsonl", "neither the path nor the names of the fields may hold a comma")
    return f"{jsonl.absolute()},text={text},label={label},stage={stage},head={head}"


def _wanted(data: Path | None, names: list[str] | None, own: str | None) -> tuple[list[str] | None, Path]:
    """Which benchmarks, None for all that are there, and the folder of their files."""
    chosen = [*(names or ()), *([own] if own else ())]
    if data is None and (names or not own):
        raise ConfigError(
            "data", "give the folder of the benchmark files by --data or GUARDIAN_DATA, or a file by --jsonl"
        )
    if data is not None and not data.is_dir():
        raise ConfigError("data", f"{data} is not a folder")
    return chosen or None, data or Path.cwd()


def _of_mix(mix: Path | None, given: dict[str, Path | None]) -> dict[str, Path]:
    """The files of a mixture that the evaluation uses: those given, and the others from its folder."""
    names = {"heldout": "test.jsonl", "train": "train.jsonl", "injections": "injections.jsonl"}
    places = {key: given[key] or (mix / name if mix else None) for key, name in names.items()}
    files = {key: file for key, file in places.items() if file is not None}
    for key, file in files.items():
        if not file.is_file():
            raise ConfigError(key if given[key] else "mix", f"{file} is missing: `guardian train mix` writes it")
    return files


def _compared(
    specs: list[str], model: str | None, policy: Policy, device: common.DeviceName
) -> tuple[tuple[Scorer, ...], tuple[str, ...]]:
    """Scorers for other graphs of the same model, and what is left for the evaluation to resolve."""
    from guardian.evaluate.scorers import guardian_scorer
    from guardian.guard import Guardian
    from guardian.scoring.models import load_backend

    every = [spec for given in specs for spec in given.split(",") if spec]
    scorers = [
        guardian_scorer(Guardian(policy=policy, backend=load_backend(model, device=device.value, precision=spec)), spec)
        for spec in every
        if spec in _PRECISIONS
    ]
    return tuple(scorers), tuple(spec for spec in every if spec not in _PRECISIONS)


def _benchmarks() -> Table:
    from rich.table import Table

    from guardian.evaluate.benchmarks import REGISTRY, describe

    table = Table("Name", "Title", "Measures", "Head", "Note", header_style="bold")
    for row in describe(tuple(REGISTRY.values())):
        table.add_row(row["name"], row["title"], row["measure"], row["head"], row["note"])
    return table


def _report(results: Results, out: Path) -> None:
    from rich.table import Table

    from guardian.evaluate.report import write_report

    table = Table("Benchmark", "Rows", "Recall", "FPR", "F1", "AUPRC", "ECE", header_style="bold")
    for result in results.benchmarks:
        if result.scorer == results.main:
            figures = (result.figure(name).value for name in ("recall", "fpr", "f1", "auprc", "ece"))
            cells = ("\u2013" if value is None else f"{value:.3f}" for value in figures)
            table.add_row(result.title, f"{result.rows:,}", *cells)
    common.console().print(table)
    for skipped in results.skipped:
        common.complain(f"note: {skipped.name} left out: {skipped.reason}")
    try:
        paths = write_report(results, out)
    except MissingExtra as error:
        common.complain(f"note: {error}; the report is without plots")
        paths = write_report(results, out, with_plots=False)
    common.tell(f"results and report: {', '.join(str(path) for path in (out / 'results.json', *paths))}")
