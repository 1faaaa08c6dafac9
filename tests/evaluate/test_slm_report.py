"""The report of guardian-slm in all its parts, on tiny models with random weights and made-up rows."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from guardian.evaluate.results import Part, Results
from guardian.scoring import onnx
from tests.evaluate.conftest import benchmark, row, write
from tests.slm_folder import tiny_model, tiny_slm


@pytest.fixture(scope="module")
def report() -> ModuleType:
    return benchmark("slm_report")


def words(n: int) -> str:
    """A document of words that the tiny vocabulary has, so that it is one short window."""
    return f"{n} " + "please help me write a story about the garden " * 5


def documents(first: int, count: int, severity: int, kind: str) -> list[dict[str, Any]]:
    return [
        row(
            n,
            words(n),
            severity // 2,
            id=f"{kind}/{n}",
            stage="document",
            severity=severity,
            source=kind.partition("/")[0],
        )
        for n in range(first, first + count)
    ]


def mixture(folder: Path) -> Path:
    """Calibration and test split of a small mixture."""
    prompts = [
        row(n, f"how do I make cake {n}", stage="prompt", severity=0, injection=0, source="s") for n in range(120)
    ]
    answers: list[dict[str, Any]] = [
        row(n, f"Take a cake {n}. Then make a bomb.", stage="response", response_severity=2, onset=15, context="how")
        for n in range(10, 14)
    ]
    answers += [
        row(n, f"I can help you with the garden {n}.", stage="response", response_severity=0) for n in range(20, 24)
    ]
    written = "guardian_corpus/task_documents.tsv"
    held = [*documents(500, 3, 2, written), *documents(600, 3, 0, written), *documents(700, 3, 0, "longdocs_t0/x")]
    write(folder / "calibration.jsonl", [*prompts, *documents(0, 100, 0, "longdocs_t0/x")])
    write(folder / "test.jsonl", [*prompts[:10], *held, *answers])
    return folder


def run(report: ModuleType, monkeypatch: pytest.MonkeyPatch, arguments: Sequence[object]) -> None:
    monkeypatch.setattr(sys, "argv", ["slm_report.py", *map(str, arguments)])
    report.main()


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Products of tiny models on several threads are mostly waiting."""
    import torch

    opened = onnx._session
    monkeypatch.setattr(onnx, "_session", lambda path, device, _: opened(path, device, 1))
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def options(data: Path, tmp_path: Path) -> list[object]:
    folder = tiny_slm(tmp_path / "slm")
    research = [
        {"id": f"r{n}", "text": words(n), "category": category}
        for n, category in enumerate(("beavertails-answer", "news", "sensitive-benign"))
    ]
    own = tmp_path / "data"
    own.mkdir()
    for path in data.iterdir():
        (own / path.name).symlink_to(path)
    write(own / "fyyfu_documents.jsonl.gz", research)
    mix = mixture(tmp_path / "mix")
    return [
        "--data",
        own,
        "--mix",
        mix,
        "--out",
        tmp_path / "out",
        "--slm",
        folder,
        "--mini",
        folder,
        "--limit",
        6,
        "--replies",
        4,
    ]


def test_parts_one_by_one_make_one_report(
    report: ModuleType, options: list[object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for part in ("benchmarks", "documents", "streams", "compare", "replies"):
        run(report, monkeypatch, [*options, "--cascade", "none", "--trials", 0, part])
    run(report, monkeypatch, [*options, "report"])
    out = tmp_path / "out"
    results = Results.load(out / "results.json")
    assert {part.name for part in results.parts} == {
        "cross_task", "cross_task_research", "paired", "replies", "streamed", "streamed_mini", "streamed_windows"
    }  # fmt: skip
    unknown = {target.title for target in results.targets if target.held is None}
    assert "Harmful documents, verdict flips across tasks" not in unknown
    assert "Score of a 128-token prompt, ms" in unknown
    text = (out / "report.md").read_text()
    assert "## Streamed answers" in text
    assert "Documents under tasks: our held-out split" in text
    pages = tuple(tmp_path / name for name in ("README.md", "slm.md"))
    for page in pages:
        page.write_text(f"Before.\n\n{report.HEAD}| Old | 1 | 2 | |\n\nAfter.\n")
    monkeypatch.setattr(report, "PAGES", pages)
    card = tmp_path / "slm" / "README.md"
    card.write_text("# Card\n\n## How to make it again\n\nSo.\n")
    run(report, monkeypatch, [*options, "figures"])
    run(report, monkeypatch, [*options, "figures"])  # the second time in the place of the first
    told = pages[0].read_text()
    assert told == pages[1].read_text()
    assert told.startswith(f"Before.\n\n{report.HEAD}| guardian-slm against mini, mean F1 or recall gained")
    assert told.endswith("|\n\nAfter.\n")
    assert "| Old" not in told
    table = told.removeprefix("Before.\n\n").removesuffix("\nAfter.\n")
    assert card.read_text() == f"# Card\n\n## Against its targets\n\n{table}\n## How to make it again\n\nSo.\n"
    assert "| Score of a 128-token prompt, ms | at most 50.00 | – | not measured |\n" in told
    pages[1].write_text("Nothing.")
    with pytest.raises(KeyError, match=r"slm\.md: 0 places"):
        run(report, monkeypatch, [*options, "figures"])
    # The same model on both sides: there can be no difference.
    assert Part.load(out / "paired.json").figure("slm/mean").value == 0.0
    # Random weights write no refusal: every reply is a template.
    assert Part.load(out / "replies.json").figure("fallback").value == 1.0
    # Two runs of a stream in other chunks are the same stream, whatever random weights make of it.
    for name in ("streamed", "streamed_windows"):
        assert Part.load(out / f"{name}.json").figure("same_in_chunks").value == 1.0


def test_transfer_reads_model_folders_and_weights_of_runs(
    report: ModuleType, options: list[object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:

    tiny_model(seed=1).save_pretrained(tmp_path / "run" / "weights")
    folder = options[options.index("--slm") + 1]
    defences = [f"none={folder}", f"single:summarise={tmp_path / 'run'}"]
    run(report, monkeypatch, ["transfer", *options, "--defence", *defences])
    part = Part.load(tmp_path / "out" / "transfer.json")
    assert [row[0] for row in part.tables[0].rows] == ["none", "single:summarise"]
    assert part.figure("none/gain").value == 0.0
    assert part.figure("single:summarise/translate").value is not None


def test_an_unknown_part_is_told(
    report: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run(report, monkeypatch, ["--data", "d", "--mix", "m", "--out", "o", "everything"])
    assert "no part 'everything'; there are benchmarks" in capsys.readouterr().err
