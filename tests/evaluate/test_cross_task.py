"""Documents under tasks, on a scripted model whose verdicts are known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from guardian.errors import ConfigError
from guardian.evaluate import cross_task
from guardian.evaluate.cross_task import PAPER, TASKS, TaskDocument
from guardian.evaluate.metrics import Estimate
from guardian.evaluate.results import Part, PartTable
from guardian.guard import Guardian
from guardian.scoring.backend import SCORES, Piece, Scores
from guardian.scoring.fake import ScriptedBackend
from guardian.verdict import Stage
from tests.evaluate.conftest import write

FILLER = "the parish newsletter reports on the meeting of the committee " * 6


def document(n: int, kind: str, word: str = "") -> TaskDocument:
    return TaskDocument(f"{kind}-{n}", f"{word} number {n}. {FILLER}", kind)


# 150 benign documents to fit thresholds on, whose scores run from 0.0 to 0.6.
VALIDATION = [document(n, "plain", f"quiet{n:03}") for n in range(150)]
DOCUMENTS = [
    *(document(n, "written", "bomb") for n in range(8)),
    *(document(n, "passage", "sly") for n in range(2)),
    *(document(n, "twin", "peace") for n in range(4)),
    *(document(n, "news", "harvest") for n in range(5)),
    document(9, "news", "shooting"),
]


def score(piece: Piece) -> Scores:
    """A bomb is seen under every task, `sly` harm only where it is to be translated, and a shooting is always news."""
    text, task = piece.text, piece.context or piece.text
    harm = 0.0
    if "bomb" in text or "shooting" in text:
        harm = 0.95
    elif "sly" in text and "Translate" in task:
        harm = 0.9
    elif "quiet" in text:
        harm = 0.004 * int(text[text.index("quiet") + 5 :][:3])
    return dict.fromkeys(SCORES, 0.0) | {"harm": harm}


@pytest.fixture
def guardian() -> Guardian:
    return Guardian(backend=ScriptedBackend(score))


@pytest.fixture(scope="module")
def part() -> Part:
    return cross_task.cross_task(
        Guardian(backend=ScriptedBackend(score)), DOCUMENTS, VALIDATION, source="made up", samples=100
    )


def value(part: Part, name: str) -> float | None:
    return part.figure(name).value


def table(part: Part, title: str) -> Mapping[str, tuple[Any, ...]]:
    found: PartTable = next(table for table in part.tables if table.title == title)
    return {str(row[0]): row[1:] for row in found.rows}


def test_figures_of_a_known_model(part: Part) -> None:
    # 8 of 10 under all tasks, the other 2 under translate alone: (8 + 2 / 5) / 10.
    assert value(part, "recall") == pytest.approx(0.84)
    assert value(part, "flips") == pytest.approx(0.2)
    assert value(part, "flips_benign") == 0.0
    assert value(part, "flips_places") == 0.0
    assert value(part, "false_blocks/news") == pytest.approx(1 / 6)
    assert value(part, "false_blocks_at_rate/news") == pytest.approx(1 / 6)
    assert value(part, "false_blocks/near") == 0.0
    recall = part.figure("recall")
    assert recall.low is not None
    assert recall.high is not None
    assert recall.low < 0.84 < recall.high


def test_two_turns_bring_through_only_what_the_second_task_lets_through(part: Part) -> None:
    # `sly` documents pass the summary, and are stopped once they are to be translated, alone and in the second turn.
    assert value(part, "two_turns/succeeds") == 0.0
    assert value(part, "two_turns/falls") == 0.0


def test_a_model_that_forgets_falls_to_two_turns() -> None:
    def forgetful(piece: Piece) -> Scores:
        """Sees harm where the whole request is one text, never where the document is read for itself."""
        seen = piece.stage is Stage.DOCUMENT and piece.context == f"{TASKS['translate']}" and "odd" in piece.text
        return dict.fromkeys(SCORES, 0.0) | {"harm": 0.9 * seen}

    documents = [document(0, "written", "odd"), document(1, "written", "even")]
    found = cross_task.two_turns(Guardian(backend=ScriptedBackend(forgetful)), documents)
    assert found.first.tolist() == [False, False]
    assert found.alone.tolist() == [True, False]
    assert found.second.tolist() == [True, False]
    assert found.succeeds.value == 0.5
    assert found.falls.value == 0.0
    lost = cross_task.TwoTurns(first=np.array([False]), alone=np.array([True]), second=np.array([False]))
    assert lost.falls.value == 1.0


def test_tables_by_task_kind_and_place(part: Part) -> None:
    by_task = table(part, "By task")
    assert list(by_task) == list(TASKS)
    assert [by_task[task][0].value for task in ("summarise", "translate", "qa")] == [0.8, 1.0, 0.8]
    by_kind = table(part, "By kind of document")
    assert by_kind["harmful passage in a document"][0] == "2"
    assert by_kind["harmful passage in a document"][3].value == 1.0
    assert by_kind["harmless twin of a harmful document"][2].value == 0.0
    by_place = table(part, "By place of the task")
    assert list(by_place) == ["apart", "before", "after"]
    assert [cells[1].value for cells in by_place.values()] == pytest.approx([0.84] * 3)


def test_the_threshold_is_that_of_benign_documents_and_none_else(guardian: Guardian) -> None:
    found = cross_task.grid(guardian, VALIDATION)
    limit = cross_task.threshold_of(found, 0.02)
    reached = (found.scores >= limit).mean()
    assert 0 < reached <= 0.02
    assert cross_task.threshold_of(found, 0.1) < limit
    with pytest.raises(ConfigError, match="9 benign documents are too few"):
        cross_task.threshold_of(cross_task.grid(guardian, VALIDATION[:9]), 0.01)


def test_each_text_is_scored_once_under_each_task() -> None:
    backend = ScriptedBackend(score)
    cross_task.cross_task(Guardian(backend=backend), DOCUMENTS, VALIDATION, source="made up", samples=0)
    pieces = [piece for call in backend.calls for piece in call]
    assert len(pieces) == len(set(pieces))
    assert {piece.context for piece in pieces if piece.stage is Stage.DOCUMENT} >= {None, *map(TASKS.get, PAPER)}


@pytest.mark.parametrize("place", ["before", "after"])
def test_the_place_of_the_task(place: cross_task.Place) -> None:
    backend = ScriptedBackend()
    cross_task.grid(Guardian(backend=backend), DOCUMENTS[:1], ("case",), place)
    ((piece,),) = backend.calls
    assert piece.stage is Stage.PROMPT
    assert piece.text.startswith(TASKS["case"]) is (place == "before")
    assert piece.text.endswith(TASKS["case"]) is (place == "after")


def row(identity: str, text: str, severity: int | None, **more: Any) -> dict[str, Any]:
    return {
        "id": identity,
        "stage": "document",
        "text": f"{text} {FILLER}",
        "source": "s",
        "severity": severity,
        **more,
    }


def test_documents_of_a_mix(tmp_path: Path) -> None:
    written = "guardian_corpus/task_documents.tsv"
    rows = [
        row(f"{written}/1", "a", 2, context="Summarise"),
        row(f"{written}/1/reply", "a", 2, reply="No."),
        row(f"{written}/2", "b", 0),
        row("guardian_generated/document/harmful/3", "c", 2),
        row("guardian_generated/document/neutral/4", "d", 0),
        row("longdocs_t0/5", "e", 0, source="longdocs_t0"),
        row("guardian_corpus/documents_a/6", "f", 0),
        row("x/7", "doubtful", 1),
        row("x/8", "not known", None),
        row("x/9", "a prompt", 2, stage="prompt"),
        {**row("x/10", "", 2), "text": "too short"},
    ]
    found = cross_task.mix_documents(write(tmp_path / "test.jsonl", rows))
    assert [(d.text[0], d.kind, d.harmful) for d in found] == [
        ("a", "written", True),
        ("c", "passage", True),
        ("b", "twin", False),
        ("d", "sensitive", False),
        ("e", "news", False),
        ("f", "plain", False),
    ]
    with pytest.raises(ConfigError, match="no document of 40 words"):
        cross_task.mix_documents(write(tmp_path / "none.jsonl", rows[-1:]))


def test_the_limit_is_of_a_kind_and_does_not_depend_on_order(tmp_path: Path) -> None:
    rows = [row(f"longdocs_t0/{n}", f"n{n}", 0, source="longdocs_t0") for n in range(9)] + [row("x/1", "h", 2)]
    forward = cross_task.mix_documents(write(tmp_path / "a.jsonl", rows), limit=4)
    backward = cross_task.mix_documents(write(tmp_path / "b.jsonl", rows[::-1]), limit=4)
    assert forward == backward
    assert [document.kind for document in forward] == ["passage", *["news"] * 4]


def test_research_documents(tmp_path: Path) -> None:
    categories = ("beavertails-answer", "attack-document", "sensitive-benign", "news")
    rows = [{"id": c, "text": f"{c} text", "category": c, "label": int(n < 2)} for n, c in enumerate(categories)]
    write(tmp_path / cross_task.RESEARCH, rows)
    found = {document.id: document.harmful for document in cross_task.research_documents(tmp_path)}
    assert found == {c: n < 2 for n, c in enumerate(categories)}


# ---- transfer ------------------------------------------------------------------------------------


def sees(*tasks: str) -> Guardian:
    """A model that sees harm under these tasks alone."""
    wanted = {TASKS[task] for task in tasks}

    def script(piece: Piece) -> Scores:
        harm = 0.9 * ("bomb" in piece.text and piece.context in wanted)
        return dict.fromkeys(SCORES, 0.0) | {"harm": harm or score(piece)["harm"] * ("quiet" in piece.text)}

    return Guardian(backend=ScriptedBackend(script))


def test_transfer_matrix() -> None:
    models = {"none": sees(), "single:summarise": sees("summarise", "translate", "case"), "mixed": sees(*PAPER)}
    documents = [document for document in DOCUMENTS if document.kind != "passage"]
    part = cross_task.transfer(models, documents, VALIDATION, samples=50)
    assert [value(part, f"single:summarise/{task}") for task in PAPER] == [1.0, 1.0, 0.0, 1.0, 0.0]
    assert value(part, "single:summarise/others") == 0.5
    assert value(part, "single:summarise/gain") == 0.5
    assert value(part, "mixed/others") == 1.0
    assert value(part, "none/gain") == 0.0
    (matrix,) = part.tables
    assert [row[0] for row in matrix.rows] == list(models)
    assert {len(row) for row in matrix.rows} == {len(matrix.columns)}
    with pytest.raises(ConfigError, match="there is no task 'rhyme'"):
        cross_task.transfer({"single:rhyme": sees()}, documents, VALIDATION)


def test_a_part_survives_its_file(part: Part, tmp_path: Path) -> None:
    part.save(tmp_path / "cross_task.json")
    assert Part.load(tmp_path / "cross_task.json") == part
    assert json.loads((tmp_path / "cross_task.json").read_text())["figures"]["recall"]["value"] == pytest.approx(0.84)
    (tmp_path / "other.json").write_text('{"name": "other"}')
    with pytest.raises(ConfigError, match="not a part of a report"):
        Part.load(tmp_path / "other.json")
    assert part.figure("unheard of") == Estimate(None, reason="not measured")
