"""`guardian models`: which models there are, whether their files are whole, and how more are added."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from guardian.cli import common
from guardian.cli.common import Exit, command, printable
from guardian.errors import ModelError

if TYPE_CHECKING:
    from guardian.scoring.manifest import Manifest

app = typer.Typer(help="List models, verify their files, or add one.", no_args_is_help=True)


@app.command("list")
@command
def list_models(debug: common.Debug = False) -> None:  # noqa: ARG001  # read by @command
    """List the models that come with guardian and those that were added."""
    from rich.table import Table

    table = Table("Model", "Version", "Graphs", "Size", "Licence", "Hash", header_style="bold")
    for folder in _folders():
        table.add_row(*_row(folder))
    common.console().print(table)


@app.command()
@command
def add(
    source: Annotated[
        str,
        typer.Argument(metavar="SOURCE", help="A model folder, a .zip or .tar.gz file, or the https address of one."),
    ],
    sha256: Annotated[
        str | None,
        typer.Option(metavar="HEX", help="SHA-256 of the archive; needed for an address.", show_default=False),
    ] = None,
    debug: common.Debug = False,  # noqa: ARG001  # read by @command
) -> None:
    """Add a model to your own model folder, once every file of it is verified.

    GUARDIAN_MODELS names that folder; without it, it is where the system keeps the data of applications.

    Example: guardian models add guardian-slm.tar.gz
    """
    from guardian.scoring.install import install

    added = install(source, sha256=sha256)
    common.tell(f"{added.name} {added.version} in {added.folder}")


@app.command()
@command
def verify(
    model: Annotated[
        str | None,
        typer.Argument(metavar="[NAME|DIR]", help="A model by name or folder. Default: all there are."),
    ] = None,
    debug: common.Debug = False,  # noqa: ARG001  # read by @command
) -> None:
    """Compare every file of a model with the size and the SHA-256 in its manifest, and a cascade with its models.

    Exit code 0: all files are whole; 2: at least one is not.
    """
    from guardian.scoring.models import find_model

    whole = [_verify(folder) for folder in (_folders() if model is None else [find_model(model)])]
    if not all(whole):
        raise typer.Exit(Exit.ERROR)


def _folders() -> list[Path]:
    """Of all models there are; ModelError if there is none."""
    from guardian.scoring.models import bundled_models, known_models

    folders = list(known_models().values())
    if not folders:
        raise ModelError(str(bundled_models()), "holds no model")
    return folders


def _row(folder: Path) -> tuple[str, ...]:
    """A line of the table of models."""
    from guardian.scoring.manifest import Manifest
    from guardian.scoring.models import DEFAULT_MODEL
    from guardian.scoring.plan import PLAN, CascadePlan

    name = f"{folder.name} (default)" if folder.name == DEFAULT_MODEL else folder.name
    if (folder / PLAN).is_file():
        plan = CascadePlan.load(folder)
        return name, plan.version, f"{plan.first.name}, {plan.second.name}", "", "", ""
    manifest = Manifest.load(folder)
    size = _megabytes(sum(entry.bytes for entry in manifest.files.values()))
    return name, manifest.version, ", ".join(manifest.graphs), size, manifest.license, manifest.ref.hash[:12]


def _verify(folder: Path) -> bool:
    """Tell about every file of one model; False if one is wrong."""
    from guardian.scoring.manifest import Manifest
    from guardian.scoring.plan import PLAN

    if (folder / PLAN).is_file():
        return _verify_cascade(folder)
    manifest = Manifest.load(folder)
    common.tell(f"{manifest.name} {manifest.version} in {folder}")
    wrong = [name for name in manifest.files if not _verify_file(manifest, folder, name)]
    return not wrong


def _verify_cascade(folder: Path) -> bool:
    """Tell whether both models of a cascade are there, and are those it was fitted for."""
    from guardian.scoring.models import find_part, part_folders
    from guardian.scoring.plan import CascadePlan

    plan = CascadePlan.load(folder)
    common.tell(f"{plan.name} {plan.version} in {folder}")
    whole = True
    for part in (plan.first, plan.second):
        if not part_folders(part, folder):
            _absent(f"{part.name} (to get it: guardian models add SOURCE)")
            continue
        try:
            place = find_part(part, folder)
        except ModelError as error:
            whole = _wrong(error)
        else:
            _whole(f"{part.name} {part.version} in {place}")
    return whole


def _wrong(error: ModelError) -> bool:
    from rich.text import Text

    line = Text("  wrong ", style="bold red").append(printable(str(error)), style="not bold default")
    common.console().print(line)
    return False


def _whole(what: str) -> bool:
    from rich.text import Text

    common.console().print(Text("  whole ", style="green").append(printable(what), style="default"))
    return True


def _absent(what: str) -> bool:
    from rich.text import Text

    common.console().print(Text("  absent ").append(printable(what)))
    return True


def _verify_file(manifest: Manifest, folder: Path, name: str) -> bool:
    if name == manifest.graphs.get("fp16") and not (folder / name).exists():
        # The wheel leaves it out for its size; a GPU user takes it from the repository (docs/model.md).
        return _absent(f"{name} (for GPUs; not part of this install)")
    try:
        manifest.verify(folder, [name])
    except ModelError as error:
        return _wrong(error)
    return _whole(f"{name} ({_megabytes(manifest.files[name].bytes)})")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
