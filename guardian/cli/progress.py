"""A progress bar on stderr: only on a terminal, only for work that takes a while, and out of the way of the output."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from guardian.cli.common import console, printable

PATIENCE_S = 1.0
"""Work that is over by then shows no bar."""

_LONGEST = 40


class Bar:
    """A bar for one task of `total` units; None: it is not known how many. Used as a context manager."""

    def __init__(self, total: int | None = None, *, wanted: bool = True) -> None:
        self._wanted = wanted and sys.stderr is not None and sys.stderr.isatty()
        self._began = time.monotonic()
        self._total = total
        self._done = 0
        self._progress: Progress | None = None

    @property
    def wanted(self) -> bool:
        """Whether there is somebody to look at it."""
        return self._wanted

    def advance(self, label: str, count: int) -> None:
        """`count` more units are done; `label` says what is being worked on."""
        self._show(label, self._done + count, self._total)

    def settle(self, total: int) -> None:
        """Exactly `total` units are done."""
        self._show(None, total, self._total)

    def set(self, label: str, done: int, total: int | None) -> None:
        """`done` of `total` units of `label` are done: for work in several stages."""
        self._total = total
        self._show(label, done, total)

    def _show(self, label: str | None, done: int, total: int | None) -> None:
        self._done = done
        if not self._wanted or (self._progress is None and time.monotonic() - self._began < PATIENCE_S):
            return
        progress = self._progress or self._start()
        shown = None if label is None else printable(label if len(label) <= _LONGEST else f"\u2026{label[-_LONGEST:]}")
        task = progress.task_ids[0]
        progress.update(task, completed=done if total is None else min(done, total), total=total)
        if shown is not None:
            progress.update(task, description=shown)

    def _start(self) -> Progress:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console(stderr=True),
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._progress.add_task("", total=self._total)
        self._progress.start()
        return self._progress

    @contextmanager
    def aside(self) -> Iterator[None]:
        """The bar is taken away while something is printed."""
        if self._progress is None:
            yield
            return
        self._progress.stop()
        try:
            yield
        finally:
            self._progress.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
