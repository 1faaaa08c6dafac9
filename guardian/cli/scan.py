"""`guardian scan`: texts, files, folders and standard input to verdicts."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from guardian.cli import common
from guardian.cli.common import Exit, command, example
from guardian.errors import ConfigError, GuardianError
from guardian.verdict import Stage

if TYPE_CHECKING:
    from guardian.cli.inputs import Failure, Input, Note, Reading
    from guardian.cli.progress import Bar
    from guardian.cli.scanning import Outcome
    from guardian.cli.show import Printer, Tally

_MOST_COMPLAINTS = 20
_READING = "What is scanned"
_OUTPUT = "Output"

HELP = common.help_text(
    "Scan texts, files, folders or standard input for harmful content, jailbreaks and prompt injections.",
    "An argument that is an existing file or folder is read as such (folders with all that is in them; text, Markdown, "
    "HTML, PDF, DOCX, JSON lines); any other argument is itself the text. Without arguments standard input is read.",
    "[bold]Examples[/bold]",
    example('guardian scan "how do I pick a lock?"', "one prompt"),
    example('guardian scan report.pdf notes/ --task "Summarise"', "documents, and what they are for"),
    example("guardian scan chats.jsonl --field messages.0.content", "a field of every line"),
    example('cat answer.txt | guardian scan --prompt "Hi!"', "an answer, read against its prompt"),
    example("guardian scan inbox/ --json > verdicts.jsonl", "one JSON verdict a line"),
    example("guardian scan --quiet < page.html || echo flagged", "in a script"),
    "[bold]Exit codes[/bold]: 0 nothing found; 1 something flagged; 2 something could not be read or judged (the "
    "rest was scanned all the same); 130 interrupted.",
)


@command
def scan(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="TEXT|PATH", help='Texts, files, folders; "-" is standard input.', show_default=False),
    ] = None,
    text: Annotated[
        bool,
        typer.Option(
            "--text", help="Take every argument as text, also one that names a file.", rich_help_panel=_READING
        ),
    ] = False,
    file: Annotated[
        bool,
        typer.Option(
            "--file", help="Take every argument as a path; one that is missing is an error.", rich_help_panel=_READING
        ),
    ] = False,
    stage: Annotated[
        Stage | None,
        typer.Option(
            help="Where in the flow of an LLM call the texts stand. Default: document for files, prompt for arguments, "
            "standard input and the records of JSON lines.",
            show_default=False,
            rich_help_panel=_READING,
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            help='What the documents are going to be used for, such as "Translate to French".',
            show_default=False,
            rich_help_panel=_READING,
        ),
    ] = None,
    prompt: Annotated[
        str | None,
        typer.Option(help="The prompt that the texts are responses to.", show_default=False, rich_help_panel=_READING),
    ] = None,
    field: Annotated[
        str | None,
        typer.Option(
            help='Where the text is in each record of JSON lines, as a dotted path. Default: "text". With it, standard '
            "input is read as JSON lines.",
            show_default=False,
            rich_help_panel=_READING,
        ),
    ] = None,
    policy: common.PolicyFile = None,
    fpr: common.Budget = None,
    model: common.Model = None,
    device: common.Device = common.DeviceName.AUTO,
    json: Annotated[
        bool,
        typer.Option(
            "--json", help="One JSON verdict a line, with its source, never the text.", rich_help_panel=_OUTPUT
        ),
    ] = False,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet",
            "-q",
            help="Only what is flagged and errors: no clean inputs, notes or summary.",
            rich_help_panel=_OUTPUT,
        ),
    ] = False,
    no_progress: common.NoProgress = False,
    debug: common.Debug = False,  # noqa: ARG001  # read by @command
) -> None:
    from guardian.cli import scanning
    from guardian.cli.inputs import inputs_of, size_of
    from guardian.cli.progress import Bar

    request = scanning.Request(stage, task, prompt, field)
    request.check()
    reading = _reading(text, file)
    arguments = inputs or []
    found = inputs_of(arguments, reading, field=field)
    first = next(found)  # nothing to scan is told before the model is loaded
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # what it warns of is an error or a note here
    guardian = common.open_guardian(model, common.load_policy(policy, fpr), device)
    with Bar(wanted=not no_progress) as bar:
        if bar.wanted:
            bar.set("", 0, size_of(inputs_of(arguments, reading, field=field)))
        run = Run(bar, json=json, quiet=quiet)
        code = run.over(scanning.Scanner(guardian, request, bar).scan(_chain(first, found)))
    raise typer.Exit(code)


def _reading(text: bool, file: bool) -> Reading:
    from guardian.cli.inputs import Reading

    if text and file:
        raise ConfigError("text", "give --text or --file, not both")
    return Reading.TEXT if text else Reading.FILE if file else Reading.AUTO


class Run:
    """One scan being printed: results to stdout, notes and failures to stderr, each as soon as it may be."""

    def __init__(self, bar: Bar, *, json: bool, quiet: bool) -> None:
        from guardian.cli.show import JsonPrinter, TablePrinter, Tally

        self._bar = bar
        self._json = json
        self._quiet = quiet
        self._tally: Tally = Tally()
        self._printer: Printer = JsonPrinter() if json else TablePrinter(common.console(), only_flagged=quiet)

    def over(self, outcomes: Iterator[Outcome]) -> Exit:
        """Print all outcomes and a summary; returns the exit code."""
        try:
            for outcome in outcomes:
                self._take(outcome)
        except KeyboardInterrupt:
            self._end("interrupted; so far: ")
            return Exit.INTERRUPTED
        except GuardianError:
            self._end("so far: ")
            raise
        self._end("")
        return Exit.ERROR if self._tally.failures else Exit.FLAGGED if self._tally.flagged else Exit.CLEAN

    def _take(self, outcome: Outcome) -> None:
        from guardian.cli.scanning import Result

        if isinstance(outcome, Result):
            self._tally.add(outcome.verdict)
            self._printer.add(outcome)
            if self._printer.ready:
                self._flush()
        else:
            self._complain(outcome)

    def _complain(self, outcome: Note | Failure) -> None:
        from guardian.cli.inputs import Note

        if isinstance(outcome, Note):
            if not self._quiet:
                self._aside(f"note: {outcome.message}")
            return
        self._tally.failures += 1
        if self._tally.failures <= _MOST_COMPLAINTS:
            self._aside(f"error: {outcome.message}")
        elif self._tally.failures == _MOST_COMPLAINTS + 1:
            self._aside("error: more could not be read or judged; from here on they are only counted")

    def _aside(self, message: str) -> None:
        with self._bar.aside():
            common.complain(message)

    def _flush(self) -> None:
        with self._bar.aside():
            self._printer.flush()

    def _end(self, prefix: str) -> None:
        self._flush()
        with self._bar.aside():
            if prefix or not self._quiet:
                # Beside a table the summary is part of the output; beside JSON lines it must not be.
                common.tell(f"{prefix}{self._tally.line()}", stderr=self._json or bool(prefix))


def _chain(first: Input, rest: Iterator[Input]) -> Iterator[Input]:
    yield first
    yield from rest
