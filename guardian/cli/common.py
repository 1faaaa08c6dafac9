"""What all commands share: exit codes, how errors are told, how a guard is opened, safe output."""

from __future__ import annotations

import functools
import os
import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, ParamSpec, TypeVar

import typer

from guardian.errors import ConfigError, GuardianError, MissingExtra

if TYPE_CHECKING:
    from rich.console import Console

    from guardian.guard import Guardian
    from guardian.policy import Policy

P = ParamSpec("P")
T = TypeVar("T")


class Exit(IntEnum):
    """Exit codes of every command. INTERRUPTED and PIPE are what shells expect after SIGINT and SIGPIPE."""

    CLEAN = 0
    FLAGGED = 1
    ERROR = 2
    INTERRUPTED = 130
    PIPE = 141


class DeviceName(StrEnum):
    """Where a model runs."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.", rich_help_panel="Output")]
Model = Annotated[
    str | None,
    typer.Option(
        "--model", metavar="NAME|DIR", help="A model by name (mini, slm, cascade) or folder.", show_default=False
    ),
]
Device = Annotated[DeviceName, typer.Option("--device", help="Where the model runs; auto takes a GPU if it can.")]
PolicyFile = Annotated[
    Path | None,
    typer.Option(
        "--policy",
        metavar="FILE|PRESET",
        help="A policy as .yaml, .toml or .json; or strict, balanced, permissive, shadow.",
        show_default=False,
    ),
]
Budget = Annotated[
    float | None,
    typer.Option(
        "--fpr",
        metavar="RATE",
        help="False-positive budget, such as 0.01: stricter is smaller. Rules with a budget of their own keep it.",
        show_default=False,
    ),
]
NoProgress = Annotated[bool, typer.Option("--no-progress", help="Never show a progress bar.", rich_help_panel="Output")]


def help_text(*paragraphs: str) -> str:
    """A help page in the markup of rich."""
    return "\n\n".join(paragraphs)


def example(line: str, meaning: str = "") -> str:
    """A command to try, and what it does."""
    return f"[cyan]{line}[/cyan]" + (f"  [dim]# {meaning}[/dim]" if meaning else "")


def command(function: Callable[P, None]) -> Callable[P, None]:
    """A command that tells errors in one line and ends quietly when its reader is gone or Ctrl-C is pressed."""

    @functools.wraps(function)
    def told(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
            sys.stdout.flush()
        except (GuardianError, OSError) as error:
            if isinstance(error, BrokenPipeError):
                end_quietly()
            if kwargs.get("debug"):
                raise
            fail(str(error) if isinstance(error, GuardianError) else _os_message(error))
        except ModuleNotFoundError as error:  # extras are told of by MissingExtra; this is an install gone wrong
            if kwargs.get("debug"):
                raise
            fail(f"{error.name} cannot be imported: guardian is not installed as a whole (pip install slm-guardian)")
        except KeyboardInterrupt:
            complain("interrupted")
            raise typer.Exit(Exit.INTERRUPTED) from None

    return told


def end_quietly() -> NoReturn:
    """The reader of our output is gone (`| head`): nobody is there to be told."""
    drop_output()
    raise typer.Exit(Exit.PIPE)


def drop_output() -> None:
    """What is still to be written to stdout goes nowhere, or the interpreter complains when it flushes at its end."""
    with suppress(OSError, ValueError):  # a stream without a file descriptor, in tests
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, sys.stdout.fileno())


def fail(message: str) -> NoReturn:
    """End with one line about what is wrong."""
    complain(f"error: {message}")
    raise typer.Exit(Exit.ERROR)


def complain(message: str) -> None:
    """One line to stderr, after what went to stdout so far. Either may have been closed by who started us."""
    if sys.stdout is not None:
        sys.stdout.flush()
    if sys.stderr is None:
        return
    with suppress(BrokenPipeError):
        sys.stderr.write(f"{printable(message)}\n")
        sys.stderr.flush()


def tell(message: str, *, stderr: bool = False) -> None:
    """One line of our own to stdout, or to stderr."""
    if stderr:
        complain(message)
    else:
        sys.stdout.write(f"{printable(message)}\n")
        sys.stdout.flush()


def _os_message(error: OSError) -> str:
    what = error.strerror.lower() if error.strerror else str(error) or type(error).__name__
    return f"{error.filename}: {what}" if error.filename else what


@contextmanager
def train_extra() -> Iterator[None]:
    """Around imports that need the extra `train`: a missing package becomes the line that installs it."""
    try:
        yield
    except ModuleNotFoundError as error:
        name = error.name or "a package"
        message = f'this needs {name}, which is not installed: pip install "slm-guardian[train]"'
        raise MissingExtra("train", message) from error


def open_guardian(model: str | None, policy: Policy, device: DeviceName) -> Guardian:
    """A guard with its model loaded. Tests put their own in the place of this function."""
    from guardian.guard import Guardian

    return Guardian(model, policy=policy, device=device.value).load()


def load_policy(file: Path | None, fpr: float | None) -> Policy:
    """The policy of a file, of a preset's name, or the default one, with the false-positive budget in its place."""
    from guardian.policy import Policy
    from guardian.presets import PRESETS

    # No file without a suffix is a policy, so that the name of a preset is never one.
    if file is not None and not file.suffix and not file.exists() and str(file) not in PRESETS:
        raise ConfigError("policy", f"{file} is no file, and no preset: those are {', '.join(PRESETS)}")
    policy = Policy() if file is None else Policy.preset(str(file)) if str(file) in PRESETS else Policy.from_file(file)
    if fpr is None:
        return policy
    if not 0 < fpr < 1:
        raise ConfigError("fpr", f"{fpr:g} is not between 0 and 1")
    return policy.model_copy(update={"fpr": fpr})


def console(*, stderr: bool = False) -> Console:
    """A console that lets a closed pipe through as BrokenPipeError, and is wide enough where it is no terminal."""
    from rich.console import Console

    class _Console(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    made = _Console(stderr=stderr, highlight=False, emoji=False, markup=False)
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made.width = 120
    return made


def forgiving_output() -> None:
    """Characters that the terminal's encoding lacks are printed as escapes rather than end the program."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure: Any = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


# Control, format (bidirectional, zero-width, tags), surrogate, private, unassigned, line and paragraph separators.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_SHOWN = {"\n": "\u23ce ", "\r": "", "\t": " "}


def printable(text: str) -> str:
    """Untrusted text made safe for a terminal: what does not show or steers the display is spelled out, as <U+202E>."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_SHOWN.get(c) or _spelled(c) if unicodedata.category(c) in _HIDDEN else c for c in text)


def _spelled(character: str) -> str:
    return "" if character == "\r" else f"<U+{ord(character):04X}>"
