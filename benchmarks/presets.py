"""What the presets stop: of ordinary harmless texts, and of harmful ones, stage by stage, with 95 % intervals.

    python benchmarks/presets.py --mix build/mix [--model NAME|DIR] [--limit 2000]

Reads the mixture's test.jsonl, which no model was trained on. Ordinary is what traffic is made of; rows written to be
mistaken for harm are left out, as for the thresholds (`guardian.train.package.ordinary`). Prints Markdown.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from guardian.cli.traffic import Counts, Row, replay
from guardian.evaluate.metrics import wilson
from guardian.flow import Job
from guardian.policy import Policy
from guardian.presets import PRESETS
from guardian.scoring.backend import Backend
from guardian.scoring.models import load_backend
from guardian.train.examples import SAFE, UNSAFE, Example, read_examples
from guardian.verdict import Action, Stage

NAMES = tuple(name for name in PRESETS if name != "shadow")  # which decides as balanced does
_WITH_CONTEXT = (Stage.DOCUMENT, Stage.RESPONSE)


def harmful(example: Example) -> bool | None:
    """Whether there is something to be found; None where the labels do not say."""
    if example.stage is Stage.RESPONSE:
        return {SAFE: False, UNSAFE: True}.get(-1 if example.response_severity is None else example.response_severity)
    if example.severity == UNSAFE or example.jailbreak or example.injection:
        return True
    return False if example.severity == SAFE else None


def rows(examples: Iterable[Example], *, wanted: bool, limit: int | None) -> Iterator[Row]:
    """The harmful rows or the ordinary harmless ones, at most `limit` a stage."""
    from guardian.train.package import ordinary  # the extra `train`

    taken: Counter[Stage] = Counter()
    for number, example in enumerate(examples, 1):
        kept = harmful(example) is wanted and (wanted or ordinary(example))
        if kept and (limit is None or taken[example.stage] < limit):
            taken[example.stage] += 1
            context = example.context if example.stage in _WITH_CONTEXT else None
            yield Row(number, Job(example.text, example.stage, context or None), wanted)


def share(counts: Counts, stage: Stage, least: Action) -> str:
    """Share of the texts of a stage that get this action or a graver one."""
    of_stage = {action: counts.actions[stage, action] for action in Action}
    estimate = wilson(sum(n for action, n in of_stage.items() if action >= least), sum(of_stage.values()))
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return "no rows"
    return f"{estimate.value:.2%} ({estimate.low:.2%} to {estimate.high:.2%})"


def table(test: Path, backend: Backend, limit: int | None) -> Iterator[str]:
    """The lines of the table."""
    policies = [Policy.preset(name) for name in NAMES]
    harmless, bad = (
        replay(rows(read_examples(test), wanted=wanted, limit=limit), policies, backend, str(test))
        for wanted in (False, True)
    )
    for failure in (*harmless.failures, *bad.failures):
        yield f"error: {failure.message}"
    yield "| stage | preset | harmless: stopped | stopped or flagged | harmful: stopped | stopped or flagged |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for stage in sorted({stage for stage, _ in harmless.counts[0].actions}):
        for name, good, evil in zip(NAMES, harmless.counts, bad.counts, strict=True):
            cells = [share(counts, stage, least) for counts in (good, evil) for least in (Action.REDACT, Action.FLAG)]
            yield f"| {stage} | `{name}` | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mix", type=Path, required=True, metavar="DIR")
    parser.add_argument("--model", metavar="NAME|DIR")
    parser.add_argument("--limit", type=int, metavar="N", help="at most N rows of each stage and kind")
    arguments = parser.parse_args()
    backend = load_backend(arguments.model, device="cpu")
    print(f"{backend.ref.name} {backend.ref.version}; stopped: redacted, answered or blocked\n")
    for line in table(arguments.mix / "test.jsonl", backend, arguments.limit):
        print(line)


if __name__ == "__main__":
    main()
