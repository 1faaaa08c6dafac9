"""What the scan prints: JSON lines for machines, a table and the offending passages for people."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from guardian.cli.common import printable
from guardian.cli.excerpts import Excerpt
from guardian.cli.scanning import Result
from guardian.taxonomy import HAZARDS, TITLES, Severity
from guardian.verdict import Action, Finding, Verdict

PAGE = 40
"""Results in one table: output begins before the last input is read, and memory stays bounded."""

_PAGE_S = 3.0  # nor do people wait longer than that for what is there already
_COLOURS = {
    Action.ALLOW: "green",
    Action.FLAG: "yellow",
    Action.REDACT: "magenta",
    Action.REPLY: "cyan",
    Action.BLOCK: "red",
}
_GRAVITY = {Severity.SAFE: "green", Severity.CONTROVERSIAL: "yellow", Severity.UNSAFE: "red"}
_FINDINGS = 3


@dataclass(slots=True)
class Tally:
    """What came of the scan."""

    actions: Counter[Action] = field(default_factory=Counter)
    flagged: int = 0
    failures: int = 0
    chars: int = 0
    began: float = field(default_factory=time.monotonic)

    def add(self, verdict: Verdict) -> None:
        self.actions[verdict.action] += 1
        self.flagged += verdict.flagged
        self.chars += verdict.coverage.chars

    def line(self) -> str:
        """One line for people."""
        count = self.actions.total()
        acted = ", ".join(f"{n:,} {action}" for action, n in sorted(self.actions.items()) if action is not Action.ALLOW)
        parts = [f"{count:,} scanned", f"{self.flagged:,} flagged" + (f" ({acted})" if acted else "")]
        parts.append(f"{count - self.flagged:,} clean")
        if self.failures:
            parts.append(f"{self.failures:,} {'error' if self.failures == 1 else 'errors'}")
        return f"{', '.join(parts)}; {self.chars:,} characters in {time.monotonic() - self.began:.1f} s"


class Printer(Protocol):
    """Takes results one by one; `flush` prints what is held back."""

    @property
    def ready(self) -> bool:
        """Whether something waits to be printed."""

    def add(self, result: Result) -> None: ...

    def flush(self) -> None: ...


class JsonPrinter:
    """One JSON object a line: `source` and the fields of the verdict. Never the text."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    @property
    def ready(self) -> bool:
        return bool(self._lines)

    def add(self, result: Result) -> None:
        source = result.source.encode("utf-8", "backslashreplace").decode()  # a file name need not be Unicode
        self._lines.append(json.dumps({"source": source, **result.verdict.model_dump(mode="json")}))

    def flush(self) -> None:
        lines, self._lines = self._lines, []
        sys.stdout.writelines(f"{line}\n" for line in lines)
        sys.stdout.flush()


class TablePrinter:
    """Tables of results, each followed by the offending passages. `only_flagged` leaves the clean ones out.

    Clean records of JSON-lines files are left out always: nobody reads a table of a million lines.
    """

    def __init__(self, console: Console, *, only_flagged: bool = False) -> None:
        self._console = console
        self._only_flagged = only_flagged
        self._page: list[Result] = []
        self._since = time.monotonic()

    @property
    def ready(self) -> bool:
        full = len(self._page) >= PAGE or time.monotonic() - self._since > _PAGE_S
        return bool(self._page) and full

    def add(self, result: Result) -> None:
        if not self._page:
            self._since = time.monotonic()
        if result.verdict.flagged or not (self._only_flagged or result.record):
            self._page.append(result)

    def flush(self) -> None:
        page, self._page = self._page, []
        if not page:
            return
        self._console.print(_table(page))
        for result in page:
            if result.verdict.flagged:
                self._print_passages(result)
        self._console.file.flush()

    def _print_passages(self, result: Result) -> None:
        verdict = result.verdict
        heading = Text(printable(result.source), style="bold")
        heading.append(f"  {verdict.reason}", style=_COLOURS[verdict.action])
        self._console.print(heading)
        marked = not self._console.is_terminal or self._console.no_color
        for excerpt in result.excerpts:
            self._console.print(Padding(_passage(excerpt, marked=marked), (0, 0, 0, 4), expand=False))
        if rest := len(verdict.spans) - len(result.excerpts):
            self._console.print(Text(f"    and {rest:,} more {'passage' if rest == 1 else 'passages'}", style="dim"))
        self._console.print()


def _table(page: list[Result]) -> Table:
    table = Table(header_style="bold")
    table.add_column("Source", overflow="fold", ratio=3, min_width=12)
    table.add_column("Action", no_wrap=True)
    table.add_column("Severity", no_wrap=True)
    table.add_column("Findings", ratio=4, min_width=20)
    table.add_column("Read", justify="right", no_wrap=True)
    for result in page:
        table.add_row(*_row(result))
    return table


def _row(result: Result) -> tuple[RenderableType, ...]:
    verdict = result.verdict
    action = Text(verdict.action, style=f"bold {_COLOURS[verdict.action]}" if verdict.flagged else "green")
    if verdict.would is not verdict.action:
        action.append(f" (shadow: {verdict.would})", style="dim")
    findings = Text("\n").join(_finding(finding) for finding in _top(verdict))
    return (
        Text(printable(result.source)),
        action,
        Text(verdict.severity, _GRAVITY[verdict.severity]),
        findings,
        _read(verdict),
    )


def _top(verdict: Verdict) -> list[Finding]:
    """The triggered findings, highest score first; where there are none, the one that came closest."""
    ordered = sorted(verdict.findings, key=lambda finding: -finding.score)
    return [finding for finding in ordered if finding.triggered][:_FINDINGS] or ordered[:1]


def _finding(finding: Finding) -> Text:
    sign = "\u2265" if finding.score >= finding.threshold else "<"
    line = Text(TITLES.get(finding.name, finding.name), style="" if finding.triggered else "dim")
    return line.append(f" {finding.score:.3f} {sign} {finding.threshold:.3f}", style="dim")


def _read(verdict: Verdict) -> Text:
    coverage = verdict.coverage
    windows = "window" if coverage.windows == 1 else "windows"
    text = Text(f"{coverage.chars:,} chars\n{coverage.windows:,} {windows}", style="dim")
    if not coverage.complete:
        total = f" of {coverage.total_chars:,}" if coverage.total_chars > coverage.chars else ""
        text.append(f"\nincomplete{total}", style="bold yellow")
    return text


def _passage(excerpt: Excerpt, *, marked: bool) -> Text:
    span = excerpt.span
    where = f"line {excerpt.line:,}, characters {span.start:,} to {span.end:,}"
    title = TITLES.get(span.hazard, span.hazard)
    # The score of a passage with a hazard is that of its harm: how surely it is harmful, not how surely this kind.
    name = f"Harm {span.score:.3f} ({title})" if span.hazard in HAZARDS else f"{title} {span.score:.3f}"
    text = Text(f"{where}  {name}\n", style="dim")
    text.append(printable(excerpt.before), style="not dim")
    text.append(">>>" if marked else "", style="not dim bold")
    text.append(printable(excerpt.text), style="not dim bold reverse red")
    text.append("<<<" if marked else "", style="not dim bold")
    return text.append(printable(excerpt.after), style="not dim")
