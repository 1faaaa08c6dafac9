"""guardian-slm's mixture: nothing held out is learnt, budgets are matched, onsets are right, length says nothing."""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from guardian.errors import ConfigError
from guardian.train import corpus, generate
from guardian.train.dedupe import fingerprint
from guardian.train.examples import SAFE, UNSAFE, Example, read_examples
from guardian.train.mix import SPLITS
from guardian.train.slm_mix import DEFENCES, FIVE, LONGEST, SOURCE, _short, build_slm_mix, documents, turns
from guardian.verdict import Stage

pytestmark = pytest.mark.train

KIND = {task: kind for kind, task in generate.TASKS}
Splits = dict[str, list[Example]]


def read(folder: Path) -> Splits:
    return {split: list(read_examples(folder / f"{split}.jsonl")) for split in SPLITS}


@pytest.fixture(scope="module")
def folder(tiny_mix: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("slm-mix")
    build_slm_mix(tiny_mix, out, scale=0.1)
    return out


@pytest.fixture(scope="module")
def splits(folder: Path) -> Splits:
    return read(folder)


def asked(row: Example) -> str:
    """What a row is an instance of, whatever the stage it comes in."""
    return fingerprint(row.group or (row.context if row.stage is Stage.RESPONSE else None) or row.text)


# ---- the whole


def test_equal_seeds_give_equal_bytes(folder: Path, tiny_mix: Path, tmp_path: Path) -> None:
    build_slm_mix(tiny_mix, tmp_path / "again", scale=0.1)
    for name in (*(f"{split}.jsonl" for split in SPLITS), "mix.json", "injections.jsonl"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes(), name
    build_slm_mix(tiny_mix, tmp_path / "other", scale=0.1, seed=14)
    assert (tmp_path / "other" / "train.jsonl").read_bytes() != (folder / "train.jsonl").read_bytes()
    for split in SPLITS[1:]:  # what is held out is so for all
        assert (tmp_path / "other" / f"{split}.jsonl").read_bytes() == (folder / f"{split}.jsonl").read_bytes()


def test_nothing_held_out_is_learnt(splits: Splits, tiny_mix: Path) -> None:
    held_out = {asked(row) for split in SPLITS[1:] for row in splits[split]}
    before = read(tiny_mix)
    assert {row.id for split in SPLITS[1:] for row in before[split]} <= {
        row.id for split in SPLITS[1:] for row in splits[split]
    }
    assert held_out.isdisjoint(asked(row) for row in splits["train"])
    texts = {
        split: {fingerprint(r.text) for r in rows if r.stage is Stage.PROMPT and r.source != generate.SOURCE}
        for split, rows in splits.items()
    }
    assert texts["train"].isdisjoint(texts["calibration"] | texts["test"])


def test_the_summary_counts_what_is_there(folder: Path, splits: Splits) -> None:
    summary = json.loads((folder / "mix.json").read_text(encoding="utf-8"))
    assert sum(summary["slm"]["rows"].values()) == len(splits["train"])
    for split in SPLITS:
        assert sum(row.get(split, 0) for row in summary["rows"].values()) == len(splits[split])
    assert summary["rows"].keys() <= summary["licences"].keys()


def test_what_guardian_mini_was_taught_is_not_said_of_the_other_model(tiny_mix: Path, tmp_path: Path) -> None:
    mix, out = tmp_path / "mix", tmp_path / "out"
    shutil.copytree(tiny_mix, mix)
    summary = json.loads((mix / "mix.json").read_text(encoding="utf-8"))
    (mix / "mix.json").write_text(json.dumps(summary | {"taught": {"rows": 3, "teacher": "x"}}), encoding="utf-8")
    build_slm_mix(mix, out)
    assert "taught" not in json.loads((out / "mix.json").read_text(encoding="utf-8"))


def test_every_part_is_there(splits: Splits) -> None:
    train = splits["train"]
    assert {row.taught for row in train} == {None}
    assert not any("/again" in row.id for row in train)
    replies = [row for row in train if row.reply]
    assert {row.stage for row in replies} == {Stage.PROMPT, Stage.DOCUMENT}
    for row in replies:
        assert (row.subject is None) == (not row.id.endswith("/forced") and corpus.REPLIES_FORCED not in row.id)
        assert row.twin is None
    assert any(corpus.REPLIES_FORCED in row.id for row in replies)
    twins = [row for row in train if row.twin]
    assert twins
    assert all(row.stage is Stage.DOCUMENT and row.twin != row.context and row.twin in KIND for row in twins)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"defence": "single:qa"}, "defence: must be one of own, mixed"),
        ({"scale": 0.0}, r"scale: 0.0 is not in \(0, 1\]"),
        ({"scale": 1.5}, "scale"),
        ({"budget": -1}, "budget: -1 is less than no document"),
    ],
)
def test_what_is_out_of_range_is_named(
    tiny_mix: Path, tmp_path: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        build_slm_mix(tiny_mix, tmp_path / "out", **options)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["train.jsonl", "test.jsonl", "mix.json", "injections.jsonl"])
def test_a_mixture_that_is_not_whole_is_named(tiny_mix: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(tiny_mix, tmp_path / "mix")
    (tmp_path / "mix" / name).unlink()
    with pytest.raises(ConfigError, match=f"{name} is missing"):
        build_slm_mix(tmp_path / "mix", tmp_path / "out")


# ---- matched budgets (Cross-Task Defense)


def learnt(defence: str, budget: int | None, seed: int = 13) -> list[Example]:
    """Harmful documents to detect, of the train split."""
    everywhere = {row.id for row in documents("none") if row.severity == UNSAFE}
    return [
        row
        for row in documents(defence, budget, seed)
        if row.severity == UNSAFE and row.reply is None and row.id not in everywhere
    ]


@pytest.mark.parametrize("budget", [10, 23, None])
def test_defences_have_the_same_documents(budget: int | None) -> None:
    of = {defence: learnt(defence, budget) for defence in DEFENCES}
    assert of.pop("none") == []
    texts = [sorted(row.text for row in rows) for rows in of.values()]
    assert all(one == texts[0] for one in texts)
    assert len(texts[0]) == (budget or len(texts[0])) > 9
    spread = Counter(KIND[row.context or ""] for row in of["mixed"])
    assert set(spread) == set(FIVE)
    assert max(spread.values()) - min(spread.values()) <= 1
    for kind in FIVE:
        assert {KIND[row.context or ""] for row in of[f"single:{kind}"]} == {kind}


def test_other_seeds_draw_other_documents_of_a_budget() -> None:
    assert {row.text for row in learnt("mixed", 10)} != {row.text for row in learnt("mixed", 10, seed=14)}


def test_a_document_is_detected_declined_and_forced() -> None:
    rows = {row.id: row for row in documents("mixed", 10)}
    subjects = []
    for row in learnt("mixed", 10):
        for suffix, subject in (("/reply", None), ("/forced", (row.hazards or ("",))[0])):
            if other := rows.get(row.id + suffix):
                assert (other.text, other.context, other.subject) == (row.text, row.context, subject)
                assert other.reply
                subjects.append(subject)
    assert len([subject for subject in subjects if subject]) == 10
    assert subjects.count(None) == 4  # every third


def test_a_measured_defence_shows_documents_in_its_task_alone(tiny_mix: Path, tmp_path: Path) -> None:
    """A second task beside it would teach what is to be seen to carry over."""
    build_slm_mix(tiny_mix, tmp_path, scale=0.02, defence="single:case", budget=15)
    rows = [row for row in read(tmp_path)["train"] if "/task_documents" in row.id and row.severity == UNSAFE]
    assert len({row.text for row in rows}) == 15
    assert {(KIND[row.context or ""], row.twin) for row in rows} == {("case", None)}


# ---- answers


def test_a_turn_begins_where_it_is_marked(splits: Splits) -> None:
    made = [row for row in splits["train"] if row.source == SOURCE]
    assert len(made) > 20
    openings = {row.text[:40] for row in splits["train"] if row.response_severity == SAFE}
    harmful = {row.text[:40] for row in splits["train"] if row.response_severity == UNSAFE and row.source != SOURCE}
    for row in made:
        assert row.onset
        assert row.response_severity == UNSAFE
        assert row.refusal is None  # it opens with one, perhaps, and answers all the same
        assert row.text[row.onset - 1] == " "
        assert not row.text[row.onset].isspace()
        assert any(start.startswith(row.text[: min(40, row.onset - 1)]) for start in openings)
        rest = row.text[row.onset :]
        assert any(start.startswith(rest[:40]) or rest.startswith(start) for start in harmful)


def test_a_turn_needs_both_halves() -> None:
    safe = Example("x/1", Stage.RESPONSE, "A cake is nice. " * 10, "x", response_severity=SAFE)
    assert list(turns([safe], 5, random.Random(0))) == []
    unsafe = replace(safe, id="x/2", text="Mix the poison.", response_severity=UNSAFE)
    marked = replace(unsafe, id="x/3", text="Fine. Mix it.", onset=6)  # it has an opening of its own
    made = list(turns([safe, unsafe, marked], 5, random.Random(0)))
    assert [row.text[row.onset or 0 :] for row in made] == ["Mix the poison."] * 5


def test_answers_of_every_class_are_cut_alike(splits: Splits, tiny_mix: Path) -> None:
    """Were only some cut, length would tell which. Prompts and documents are left as they are, all of them."""
    before = {row.id: row.text for row in read_examples(tiny_mix / "train.jsonl")}
    for row in splits["train"]:
        if row.stage is Stage.RESPONSE:
            assert len(row.text) <= LONGEST
        elif row.id in before:
            assert row.text == before[row.id]
    long = Example("x/1", Stage.RESPONSE, "word " * 300, "x", response_severity=SAFE)
    cut = [_short(replace(long, response_severity=severity)).text for severity in (SAFE, 1, UNSAFE, None)]
    assert set(cut) == {long.text[:799]}
    assert len(_short(replace(long, text="w" * 2000)).text) == LONGEST


@pytest.mark.parametrize("onset", [LONGEST - 99, LONGEST + 200])
def test_an_answer_is_safe_where_the_harm_begins_behind_the_cut(onset: int) -> None:
    row = Example(
        "x/1", Stage.RESPONSE, "word " * 300, "x", response_severity=UNSAFE, hazards=("crime",), onset=onset
    )  # fmt: skip
    found = _short(row)
    assert len(found.text) == min(onset, 799)
    assert (found.response_severity, found.hazards, found.onset) == (SAFE, None, None)
    early = _short(replace(row, onset=300))
    assert (early.response_severity, early.onset, len(early.text)) == (UNSAFE, 300, 799)
