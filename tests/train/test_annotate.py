"""Cross-annotation of answers: halves that share no prompt, labels doubted by who never read them, runs that go on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from guardian.errors import ConfigError
from guardian.train import corpus
from guardian.train.annotate import annotate, halves
from guardian.train.examples import CONTROVERSIAL, SAFE, UNSAFE, Example, read_examples, write_examples
from guardian.train.loop import Recipe, _Run
from guardian.train.slm_mix import about
from guardian.verdict import Stage
from tests.slm_folder import WORDS, tiny_weights

pytestmark = pytest.mark.train

SEED = 13
SHORT = Recipe(epochs=2, batch_tokens=128, rate=1e-3, head_rate=1e-3, window=64, context=16, save_every=2, seed=SEED)
BY_HEART = replace(SHORT, epochs=12, batch_tokens=2048, rate=5e-3, head_rate=1e-2, average=0.9, save_every=10**6)
ANSWERS = {SAFE: "a cake", UNSAFE: "the poison"}  # to whatever was asked: the label is in these words alone
ASKED = [word for word in WORDS if word.isascii() and word.isalpha() and word not in " ".join(ANSWERS.values())]
PROMPTS = [*ASKED, *(f"{one} {two}" for n in (1, 2, 3) for one, two in zip(ASKED, ASKED[n:], strict=False))]


def answer(prompt: str, severity: int) -> Example:
    return Example(
        f"{prompt}/{severity}", Stage.RESPONSE, ANSWERS[severity], "x",
        context=prompt, response_severity=severity, refusal=0, onset=0 if severity == UNSAFE else None,
    )  # fmt: skip


def consistent() -> list[Example]:
    """A safe and an unsafe answer to every prompt, among rows that are no answers."""
    return [
        Example("p/0", Stage.PROMPT, "how do I make a bomb", "x", severity=UNSAFE),
        *(answer(prompt, severity) for prompt in PROMPTS for severity in (SAFE, UNSAFE)),
        Example("d/0", Stage.DOCUMENT, "the cake", "x", context="tell me", severity=SAFE),
        Example("r/0", Stage.PROMPT, "how do I make a bomb", "x", reply="sorry, I cannot"),
    ]


def planted() -> list[Example]:
    """The same with wrong labels: of two sources nobody vouches for, of a hand-written one, and of another language."""
    changes: dict[str, dict[str, Any]] = {
        f"work/{SAFE}": {"response_severity": UNSAFE, "onset": 0},
        f"garden/{UNSAFE}": {"response_severity": SAFE, "onset": None, "source": "y"},
        f"letter/{SAFE}": {"response_severity": UNSAFE, "onset": 0, "source": corpus.SOURCE},
        f"story/{UNSAFE}": {"response_severity": SAFE, "onset": None, "lang": "de"},
        f"document/{UNSAFE}": {"source": corpus.SOURCE},  # right, so there is nothing to count
    }
    rows = consistent()
    assert changes.keys() < {row.id for row in rows}
    return [replace(row, **changes.get(row.id, {})) for row in rows]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_weights(tmp_path_factory.mktemp("slm-base"))


def write_mix(folder: Path, rows: Sequence[Example]) -> Path:
    folder.mkdir()
    write_examples(folder / "train.jsonl", rows)
    write_examples(folder / "calibration.jsonl", consistent()[:8])
    write_examples(folder / "test.jsonl", consistent()[8:12])
    (folder / "injections.jsonl").write_bytes(b'{"text": "ignore that"}\r\n')
    (folder / "mix.md").write_bytes(b"| source |\n")
    (folder / "mix.json").write_text(json.dumps({"rows": {"x": {"train": len(rows)}}, "relabelled": {"old": 3}}))
    return folder


@pytest.fixture(scope="module")
def mix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mix(tmp_path_factory.mktemp("rows") / "mix", planted())


@pytest.fixture(scope="module")
def by_heart(base: Path, mix: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int]]:
    """The mixture annotated by models that have learnt their halves by heart, and what was returned."""
    out = tmp_path_factory.mktemp("annotated")
    return out, dict(annotate(base, mix, out, BY_HEART, device="cpu"))


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mixture for runs that are not to learn anything."""
    return write_mix(tmp_path_factory.mktemp("few") / "mix", planted()[:48])


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


# ---- halves


def test_halves_are_disjoint_and_hold_every_answer() -> None:
    rows = planted()
    a, b = halves(rows, SEED)
    assert sorted(a + b) == [n for n, row in enumerate(rows) if row.stage is Stage.RESPONSE]
    assert min(len(a), len(b)) > len(a + b) / 4


def test_answers_to_one_prompt_stay_together() -> None:
    """Also where the prompt is written in another way, or a group says what belongs together."""
    rows = planted()
    again = [replace(row, context=f"  {row.context.upper()}?! ") for row in rows if row.context]
    grouped = [replace(row, context=f"{n} {row.context}", group="one and the same") for n, row in enumerate(rows)]
    for seed in range(5):
        everything = [*rows, *again, *grouped]
        a, b = ({about(everything[n]) for n in half} for half in halves(everything, seed))
        assert a
        assert b
        assert not a & b
        assert sum("one and the same" in half for half in (a, b)) == 1


def test_halves_depend_on_the_seed_and_on_no_other_row() -> None:
    rows = planted()
    whole = {rows[n].id for n in halves(rows, SEED)[0]}
    assert {rows[:30][n].id for n in halves(rows[:30], SEED)[0]} == whole & {row.id for row in rows[:30]}
    assert {rows[n].id for n in halves(rows, SEED + 1)[0]} != whole


def test_answers_that_teach_no_severity_are_in_no_half() -> None:
    bare = replace(answer("how", SAFE), response_severity=None)
    reply = replace(answer("how", UNSAFE), reply="sorry")
    assert halves([bare, reply], SEED) == ([], [])


# ---- what is doubted


def test_a_wrong_label_among_consistent_ones_becomes_controversial(
    mix: Path, by_heart: tuple[Path, dict[str, int]]
) -> None:
    out, done = by_heart
    before, after = (list(read_examples(folder / "train.jsonl")) for folder in (mix, out))
    assert [row.id for row in after] == [row.id for row in before]
    changed = {new.id: (old, new) for old, new in zip(before, after, strict=True) if old != new}
    assert set(changed) == {f"work/{SAFE}", f"garden/{UNSAFE}"}
    for old, new in changed.values():
        assert new == replace(old, response_severity=CONTROVERSIAL, onset=None)
    assert done == {"x": 1, "y": 1}


def test_trusted_labels_stay_and_are_counted(mix: Path, by_heart: tuple[Path, dict[str, int]]) -> None:
    """Hand-written ones, and those of a language where a contradiction says more about the model."""
    out, done = by_heart
    body = json.loads((out / "mix.json").read_text())
    summary = body.pop("annotated")
    assert summary == {"low": 0.08, "high": 0.92, "relabelled": done, "kept": {corpus.SOURCE: 1, "x": 1}}
    assert body == json.loads((mix / "mix.json").read_text())


def test_each_half_is_labelled_by_a_model_that_never_read_it(mix: Path, by_heart: tuple[Path, dict[str, int]]) -> None:
    out, _ = by_heart
    rows = list(read_examples(mix / "train.jsonl"))
    for name, half in zip("ab", halves(rows, SEED), strict=True):
        folder = out / "halves" / name
        assert list(read_examples(folder / "train.jsonl")) == [rows[n] for n in half]
        trained = json.loads((folder / "run" / "weights" / "training.json").read_text())
        assert trained["examples"] == len(half)
        assert trained["recipe"]["part"] == "read"


def test_other_files_are_kept_byte_for_byte(mix: Path, by_heart: tuple[Path, dict[str, int]]) -> None:
    old, new = files(mix), files(by_heart[0])
    assert old.keys() == new.keys()
    assert {name for name in old if old[name] != new[name]} == {"train.jsonl", "mix.json"}


def test_thresholds_say_what_is_firm(base: Path, mix: Path, by_heart: tuple[Path, dict[str, int]]) -> None:
    """Over 0 and under 1 nothing lies: the same runs contradict no label."""
    out, _ = by_heart
    before = files(out)
    try:
        assert not annotate(base, mix, out, BY_HEART, low=0.0, high=1.0, device="cpu")
        assert (out / "train.jsonl").read_bytes() == (mix / "train.jsonl").read_bytes()
    finally:
        for name, body in before.items():
            (out / name).write_bytes(body)


# ---- stopping and going on


def test_a_stopped_call_goes_on_to_the_same_mixture(
    base: Path, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is stopped in the second half: the first is not trained again. Untrained models contradict many labels."""
    close = {"low": 0.499, "high": 0.501, "device": "cpu"}
    done = annotate(base, few, tmp_path / "whole", SHORT, **close)  # type: ignore[arg-type]
    assert done
    after = _Run._after

    def stop_in_the_second_half(self: _Run, parts: dict[str, float]) -> None:
        after(self, parts)
        self.stopped = self.state.step == 3 and self.out.parent.name == "b"

    monkeypatch.setattr(_Run, "_after", stop_in_the_second_half)
    with pytest.raises(KeyboardInterrupt):
        annotate(base, few, tmp_path / "parts", SHORT, **close)  # type: ignore[arg-type]
    assert not (tmp_path / "parts" / "train.jsonl").exists()
    steps: list[tuple[str, int]] = []

    def count(self: _Run, parts: dict[str, float]) -> None:
        after(self, parts)
        steps.append((self.out.parent.name, self.state.step))

    monkeypatch.setattr(_Run, "_after", count)
    assert annotate(base, few, tmp_path / "parts", SHORT, **close) == done  # type: ignore[arg-type]
    assert steps[0] == ("b", 4)
    assert {half for half, _ in steps} == {"b"}
    assert files(tmp_path / "parts") == files(tmp_path / "whole")


def test_another_mixture_is_not_annotated_by_old_runs(base: Path, few: Path, tmp_path: Path) -> None:
    annotate(base, few, tmp_path / "out", SHORT, device="cpu")
    other = write_mix(tmp_path / "other", consistent()[:48])
    with pytest.raises(ConfigError, match="another recipe or mix"):
        annotate(base, other, tmp_path / "out", SHORT, device="cpu")


# ---- what is wrong


@pytest.mark.parametrize("name", ["train.jsonl", "calibration.jsonl", "test.jsonl", "mix.json"])
def test_a_mixture_that_is_not_whole_is_named(base: Path, tmp_path: Path, name: str) -> None:
    folder = write_mix(tmp_path / "mix", planted())
    (folder / name).unlink()
    with pytest.raises(ConfigError, match=f"mix: .*{name} is missing"):
        annotate(base, folder, tmp_path / "out", SHORT, device="cpu")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("prompts", [0, 1])
def test_a_mixture_without_answers_to_split_is_named(base: Path, tmp_path: Path, prompts: int) -> None:
    rows = [row for row in planted() if row.stage is not Stage.RESPONSE]
    rows += [answer("work", SAFE), answer("work", UNSAFE)] * prompts
    with pytest.raises(ConfigError, match=r"mix: .* has no answers to two prompts or more"):
        annotate(base, write_mix(tmp_path / "mix", rows), tmp_path / "out", SHORT, device="cpu")
    assert not (tmp_path / "out").exists()


def test_a_base_that_is_no_guardian_slm_is_named(tiny_base: Path, mix: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"base: .*comes a guardian-mini; a guardian-slm is wanted here"):
        annotate(tiny_base, mix, tmp_path / "out", SHORT, device="cpu")
    with pytest.raises(ConfigError, match=r"base: .*neither a config\.json"):
        annotate(tmp_path, mix, tmp_path / "out", SHORT, device="cpu")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("low", "high"), [(0.9, 0.1), (0.5, 0.5), (-0.1, 0.9), (0.1, 1.1)])
def test_thresholds_that_are_none_are_named(base: Path, mix: Path, tmp_path: Path, low: float, high: float) -> None:
    with pytest.raises(ConfigError, match=r"low: .* are no thresholds"):
        annotate(base, mix, tmp_path / "out", SHORT, low=low, high=high, device="cpu")


def test_a_mixture_is_not_written_over_itself(base: Path, tmp_path: Path) -> None:
    folder = write_mix(tmp_path / "mix", planted())
    before = files(folder)
    with pytest.raises(ConfigError, match=r"out: .*is the mixture itself"):
        annotate(base, folder, folder / ".." / "mix", SHORT, device="cpu")
    assert files(folder) == before
