"""`guardian models`: which models there are, and whether their files are whole."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from guardian.cli import common
from guardian.cli.common import Exit, command, printable
from guardian.errors import ModelError

if TYPE_CHECKING:
    from guardian.scoring.manifest import Manifest

app = typer.Typer(help="List the bundled models, or verify the files of a model.", no_args_is_help=True)


@app.command("list")
@command
def list_models(debug: common.Debug = False) -> None:  # noqa: ARG001  # read by @command
    """List the models that come with guardian."""
    from rich.table import Table

    from guardian.scoring.manifest import MANIFEST, Manifest
    from guardian.scoring.onnx import DEFAULT_MODEL, bundled_models

    folders = sorted(path.parent for path in bundled_models().glob(f"*/{MANIFEST}"))
    if not folders:
        raise ModelError(str(bundled_models()), "holds no model")
    table = Table("Model", "Version", "Graphs", "Size", "Licence", "Hash", header_style="bold")
    for folder in folders:
        manifest = Manifest.load(folder)
        size = sum(entry.bytes for entry in manifest.files.values())
        name = f"{manifest.name} (default)" if folder.name == DEFAULT_MODEL else manifest.name
        graphs = ", ".join(manifest.graphs)
        table.add_row(name, manifest.version, graphs, _megabytes(size), manifest.license, manifest.ref.hash[:12])
    common.console().print(table)


@app.command()
@command
def verify(
    model: Annotated[
        str | None,
        typer.Argument(metavar="[NAME|DIR]", help="A bundled model or a model folder. Default: all bundled ones."),
    ] = None,
    debug: common.Debug = False,  # noqa: ARG001  # read by @command
) -> None:
    """Compare every file of a model with the size and the SHA-256 in its manifest.

    Exit code 0: all files are whole; 2: at least one is not.
    """
    from guardian.scoring.manifest import MANIFEST
    from guardian.scoring.onnx import bundled_models, find_model

    if model is not None:
        folders = [find_model(model)]
    else:
        folders = sorted(path.parent for path in bundled_models().glob(f"*/{MANIFEST}"))
        if not folders:
            raise ModelError(str(bundled_models()), "holds no model")
    whole = [_verify(folder) for folder in folders]
    if not all(whole):
        raise typer.Exit(Exit.ERROR)


def _verify(folder: Path) -> bool:
    """Tell about every file of one model; False if one is wrong."""
    from guardian.scoring.manifest import Manifest

    manifest = Manifest.load(folder)
    common.tell(f"{manifest.name} {manifest.version} in {folder}")
    wrong = [name for name in manifest.files if not _verify_file(manifest, folder, name)]
    return not wrong


def _verify_file(manifest: Manifest, folder: Path, name: str) -> bool:
    from rich.text import Text

    if name == manifest.graphs.get("fp16") and not (folder / name).exists():
        # The wheel leaves it out for its size; a GPU user takes it from the repository (docs/model.md).
        common.console().print(Text("  absent ").append(f"{printable(name)} (for GPUs; not part of this install)"))
        return True
    try:
        manifest.verify(folder, [name])
    except ModelError as error:
        common.console().print(
            Text("  wrong ", style="bold red").append(printable(str(error)), style="not bold default")
        )
        return False
    size = _megabytes(manifest.files[name].bytes)
    common.console().print(Text("  whole ", style="green").append(f"{printable(name)} ({size})", style="default"))
    return True


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
