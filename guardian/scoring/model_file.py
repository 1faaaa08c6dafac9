"""JSON files of a model folder: how they are read, and what their parts have in common."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from guardian._validation import first_problem
from guardian.errors import ModelError

_File = TypeVar("_File", bound=BaseModel)


class Part(BaseModel):
    """A part of a model's file: immutable, and unknown keys are an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def read_model_file(kind: type[_File], folder: str | Path, name: str, what: str) -> _File:
    """The JSON file `name` of a folder that should be `what`, validated; ModelError says what is wrong with it."""
    try:
        raw = (Path(folder) / name).read_bytes()
    except FileNotFoundError:
        raise ModelError(name, f"missing: {Path(folder).name or folder} is not {what}") from None
    except OSError as error:
        raise ModelError(name, f"cannot be read: {error.strerror}") from error
    try:
        return kind.model_validate_json(raw)
    except ValidationError as error:
        key, message = first_problem(error)
        raise ModelError(name, f"{key}: {message}" if key else message) from None
