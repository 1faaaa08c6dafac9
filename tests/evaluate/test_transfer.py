"""benchmarks/transfer.py: what its runs learn from."""

from __future__ import annotations

from dataclasses import replace

from guardian.train.examples import SAFE, UNSAFE, Example
from guardian.verdict import Stage
from tests.evaluate.conftest import benchmark


def test_harm_in_documents_comes_from_the_defence_alone() -> None:
    transfer = benchmark("transfer")
    prompt = Example("s/1", Stage.PROMPT, "how", "s", severity=UNSAFE)
    document = replace(prompt, stage=Stage.DOCUMENT)
    kept = [
        prompt,
        replace(document, id="s/2", severity=SAFE),
        replace(document, id="guardian_corpus/task_documents.tsv/3"),
    ]
    left = [
        replace(document, id="guardian_generated/document/4"),
        replace(prompt, id="guardian_generated/cross_task/5"),
        replace(prompt, id="s/6", reply="I can't help with that."),
        replace(prompt, id="s/7", stage=Stage.RESPONSE, response_severity=UNSAFE),
    ]
    assert list(transfer.learnt([*left, *kept])) == kept


def test_every_defence_of_the_paper_is_compared_at_one_budget() -> None:
    budgets = benchmark("transfer").budgets(200)
    tasks = ("summarise", "translate", "sentiment", "case", "cloze")
    assert budgets["mixed, 50"] == ("mixed", 50)
    assert {name: budget for name, (_, budget) in budgets.items() if name != "mixed, 50"} == dict.fromkeys(
        ("mixed", *(f"single:{task}" for task in tasks), "none"), 200
    )
