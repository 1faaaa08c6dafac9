"""Where models are, and how one is opened by name.

Three places, in this order: a folder that the caller names, the models that come with guardian, and the user's own
model folder, which `guardian models add` fills.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from guardian.errors import ModelError
from guardian.scoring.backend import Device
from guardian.scoring.manifest import MANIFEST, Manifest
from guardian.scoring.plan import PLAN, CascadePlan, ModelPart
from guardian.thresholds import Thresholds

if TYPE_CHECKING:
    from guardian.scoring.cascade import CascadeBackend
    from guardian.scoring.onnx import OnnxBackend

DEFAULT_MODEL = "guardian-mini"
SHORT_NAMES = {"mini": "guardian-mini", "slm": "guardian-slm", "cascade": "guardian-cascade"}
USER_MODELS = "GUARDIAN_MODELS"
"""The environment variable that names the user's model folder."""


def bundled_models() -> Path:
    """The folder of the models that come with guardian."""
    import guardian.models

    return Path(guardian.models.__path__[0])


def user_models() -> Path:
    """The folder of the models that the user has added; it need not exist.

    GUARDIAN_MODELS, or where the system keeps the data of applications: XDG_DATA_HOME or `~/.local/share`,
    `~/Library/Application Support` on macOS, LOCALAPPDATA on Windows.
    """
    if given := os.environ.get(USER_MODELS):
        return Path(given)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "slm-guardian" / "models"


def known_models() -> dict[str, Path]:
    """Name -> folder of every model there is. Of two with one name the bundled one counts: what is added never stands
    in the way of what comes with a newer guardian."""
    found: dict[str, Path] = {}
    for place in (bundled_models(), user_models()):
        for folder in sorted(place.glob("[!.]*")):
            if (folder / MANIFEST).is_file() or (folder / PLAN).is_file():
                found.setdefault(folder.name, folder)
    return found


def find_model(model: str | Path | None = None) -> Path:
    """The folder of a model: a path or a name; mini, slm and cascade are short for the names of guardian's own.

    ModelError says what there is, and how to get what does not come with guardian.
    """
    wanted = DEFAULT_MODEL if model is None else model
    if isinstance(wanted, str):
        wanted = SHORT_NAMES.get(wanted, wanted)
    path = Path(wanted)
    if path.is_dir():
        return path
    known = known_models()
    if str(wanted) in known:
        return known[str(wanted)]
    if wanted in SHORT_NAMES.values():
        raise _missing(str(wanted))
    names = ", ".join(sorted(known)) or "there is none"
    raise ModelError(str(wanted), f"is neither a model folder nor the name of a model ({names})")


def load_backend(
    model: str | Path | None = None,
    *,
    device: Device = "auto",
    precision: str | None = None,
    threads: int | None = None,
) -> OnnxBackend | CascadeBackend:
    """Load a model for serving, see `OnnxBackend`. Of a cascade the first is loaded here and the second when it is
    first asked; that its folder is there, and is the right one, is found out here."""
    from guardian.scoring.onnx import OnnxBackend

    def opened(place: Path) -> OnnxBackend:
        return OnnxBackend(place, device=device, precision=precision, threads=threads)

    folder = find_model(model)
    if not (folder / PLAN).is_file():
        return opened(folder)
    from guardian.scoring.cascade import CascadeBackend

    plan = CascadePlan.load(folder)
    first, second = (find_part(part, folder) for part in (plan.first, plan.second))
    return CascadeBackend(opened(first), lambda: opened(second), plan)


def thresholds_of(folder: Path) -> Thresholds:
    """The thresholds of a model or a cascade, from its manifest alone."""
    return CascadePlan.load(folder).thresholds if (folder / PLAN).is_file() else Manifest.load(folder).thresholds


def part_folders(part: ModelPart, cascade: Path) -> list[Path]:
    """The folders of models with the name of a cascade's part, beside the cascade and where models are."""
    places = (cascade.parent, bundled_models(), user_models())
    return [place / part.name for place in places if (place / part.name / MANIFEST).is_file()]


def find_part(part: ModelPart, cascade: Path) -> Path:
    """The folder of one model of a cascade: of those with its name the one with its hash. ModelError where there is
    none, or only others."""
    folders = part_folders(part, cascade)
    if not folders:
        raise _missing(part.name)
    refs = [Manifest.load(folder).ref for folder in folders]
    at = next((n for n, ref in enumerate(refs) if ref.hash == part.hash), 0)
    part.check(refs[at])
    return folders[at]


def _missing(name: str) -> ModelError:
    return ModelError(
        name, "is not installed; to get it: guardian models add SOURCE (its folder, archive or https address)"
    )
