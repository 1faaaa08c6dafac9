"""`guardian policy`: what a policy means, what it would have done, and its schema for editors."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from guardian.cli import common
from guardian.cli.common import Exit, command
from guardian.errors import ConfigError, ModelError
from guardian.verdict import Action, Stage

if TYPE_CHECKING:
    from rich.table import Table

    from guardian.cli.traffic import Counts, Replay
    from guardian.evaluate.metrics import Estimate
    from guardian.policy import Policy
    from guardian.thresholds import Thresholds

app = typer.Typer(help="Check and explain a policy, or print its JSON schema.", no_args_is_help=True)

_MOST_COMPLAINTS = 20


@app.command()
@command
def schema(debug: common.Debug = False) -> None:  # noqa: ARG001  # read by @command
    """Print the JSON schema of a policy file, for editors.

    Example: guardian policy schema > policy.schema.json
    """
    from guardian.schema import policy_schema

    typer.echo(jsonlib.dumps(policy_schema(), indent=2))


@app.command()
@command
def check(
    policy: Annotated[Path, typer.Argument(metavar="FILE|PRESET", help="A policy file, or the name of a preset.")],
    traffic: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Recorded texts as JSON lines: text and, if you like, stage, context (the task of a document, the "
            "prompt of a response) and label (1: ought to be flagged).",
            show_default=False,
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|PRESET", help="The policy that is replaced: what changes on the traffic.", show_default=False
        ),
    ] = None,
    stage: Annotated[Stage, typer.Option(help="Stage of the texts that name none.")] = Stage.PROMPT,
    model: common.Model = None,
    device: common.Device = common.DeviceName.AUTO,
    json: Annotated[bool, typer.Option("--json", help="One JSON object, without any text.")] = False,
    debug: common.Debug = False,  # noqa: ARG001  # read by @command
) -> None:
    """Check a policy, say in words what it does and, given recorded traffic, what it would have done.

    Exit code 0: the policy is sound; 2: it is not, or some of the traffic could not be read or judged.

    Example: guardian policy check policy.yaml --traffic chats.jsonl --against balanced
    """
    if against is not None and traffic is None:
        raise ConfigError("against", "compares two policies on recorded texts: give --traffic as well")
    policies = [common.load_policy(file, None) for file in (policy, against) if file is not None]
    if traffic is None:
        thresholds, replayed = _thresholds(model), None
    else:
        from guardian.cli.traffic import read_rows, replay

        guardian = common.open_guardian(model, policies[0], device)
        thresholds = guardian.backend.thresholds
        replayed = replay(read_rows(traffic, stage), policies, guardian.backend, str(traffic))
    if json:
        typer.echo(jsonlib.dumps(_plain(policies, thresholds, replayed)))
    else:
        _print(policies, thresholds, replayed)
    if replayed is not None and replayed.failures:
        _complain(replayed)
        raise typer.Exit(Exit.ERROR)


def _thresholds(model: str | None) -> Thresholds | None:
    """Those of the model named, or of the bundled one if it is installed."""
    from guardian.scoring.models import find_model, thresholds_of

    try:
        folder = find_model(model)
    except ModelError:
        if model is not None:
            raise
        return None
    return thresholds_of(folder)


def _complain(replayed: Replay) -> None:
    for failure in replayed.failures[:_MOST_COMPLAINTS]:
        common.complain(f"error: {failure.message}")
    if (more := len(replayed.failures) - _MOST_COMPLAINTS) > 0:
        common.complain(f"error: {more:,} more could not be read or judged")


# ---- for machines ---------------------------------------------------------------------------------------------------


def _plain(policies: list[Policy], thresholds: Thresholds | None, replayed: Replay | None) -> dict[str, object]:
    from guardian.cli.explain import watched

    looked_at = [
        {"stage": w.stage, "name": w.name, "action": w.action, "fpr": w.fpr, "short": w.short, "long": w.long}
        for w in watched(policies[0], thresholds)
    ]
    result: dict[str, object] = {"policy": policies[0].model_dump(mode="json"), "watched": looked_at}
    if replayed is not None:
        result["traffic"] = replayed.counts[0].as_dict()
        result["failures"] = len(replayed.failures)
        if len(policies) > 1:
            changes = [{"from": old, "to": new, "texts": n} for (old, new), n in replayed.changes.most_common()]
            result["against"] = replayed.counts[1].as_dict() | {"changes": changes, "lines": replayed.changed}
    return result


# ---- for people -----------------------------------------------------------------------------------------------------


def _print(policies: list[Policy], thresholds: Thresholds | None, replayed: Replay | None) -> None:
    from guardian.cli.explain import explained

    for line in explained(policies[0], thresholds):
        common.tell(line)
    if thresholds is None:
        common.tell("No model is installed, so that budgets stand without their thresholds")
    if replayed is None:
        return
    for policy, counts in zip(policies, replayed.counts, strict=True):
        common.tell("")
        common.tell(f"What {policy.name} would have done:")
        common.console().print(_table(counts))
        for line in _summary(counts):
            common.tell(line)
    if len(policies) > 1:
        common.tell("")
        _print_changes(replayed)


def _table(counts: Counts) -> Table:
    from rich.table import Table

    table = Table("Stage", *(action.value for action in Action), "flagged (95 % interval)", header_style="bold")
    for stage in Stage:
        numbers = [counts.actions[stage, action] for action in Action]
        if any(numbers):
            table.add_row(stage.replace("_", " "), *(f"{n:,}" for n in numbers), _rate(counts.flagged(stage)))
    return table


def _summary(counts: Counts) -> list[str]:
    found = ", ".join(f"{name} {n:,}" for name, n in counts.findings.most_common())
    lines = [f"Triggered: {common.printable(found) or 'nothing'}"]
    if counts.labels:
        lines.append(f"Harmless texts flagged: {_rate(counts.false_positives)}")
        lines.append(f"Harmful texts not flagged: {_rate(counts.misses)}")
    return lines


def _print_changes(replayed: Replay) -> None:
    if not replayed.changes:
        common.tell("Both would have done the same with every text")
        return
    for (old, new), number in replayed.changes.most_common():
        common.tell(f"{old} becomes {new}: {number:,}")
    more = "" if replayed.changes.total() == len(replayed.changed) else " and more"
    common.tell(f"Lines: {', '.join(map(str, replayed.changed))}{more}")


def _rate(estimate: Estimate) -> str:
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return "none to tell by"
    return f"{estimate.value:.1%} ({estimate.low:.1%} to {estimate.high:.1%})"
