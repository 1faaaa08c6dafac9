"""A cascade is fitted from data to `cascade.json`, on scripted models of which the truth is known."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from guardian import Guardian, Policy
from guardian.errors import ConfigError
from guardian.scoring.backend import Piece
from guardian.scoring.cascade import CascadeBackend
from guardian.scoring.fake import ScriptedBackend
from guardian.train.examples import Example
from guardian.verdict import ModelRef, Stage

pytestmark = pytest.mark.train

# The noise of each model is a function of the text: two runs agree, and the models do not.
Score = Callable[[Piece], Mapping[str, float]]


def noise(model: str, text: str) -> float:
    return random.Random(f"{model}{text}").gauss(0.0, 1.0)


def model(name: str, apart: float) -> ScriptedBackend:
    """Texts with "bad" in them are harmful; this model's logits of either kind are `2 * apart` deviations apart."""
    from math import exp

    def score(piece: Piece) -> Mapping[str, float]:
        truth = 1 if "bad" in piece.text else -1
        harm = 1 / (1 + exp(-(noise(name, piece.text) + apart * truth)))
        return {"harm": harm, "weapons": harm / 2}

    backend = ScriptedBackend(score, window_chars=400)
    backend.ref = ModelRef(name=name, version="1", hash=("a" if name == "first" else "b") * 64)
    return backend


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    rows = []
    for n in range(1600):
        bad = n % 2
        text = f"{'a bad' if bad else 'a fine'} request, number {n}"
        rows.append(Example(f"p/{n}", Stage.PROMPT, text, "made", severity=2 * bad, jailbreak=0, injection=0))
    for n in range(400):
        bad = n % 2
        text = f"{'a bad' if bad else 'a fine'} answer, number {n}"
        rows.append(Example(f"r/{n}", Stage.RESPONSE, text, "made", context="a request", response_severity=2 * bad))
    return rows


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    with gzip.open(folder / "longdocs_leval.jsonl.gz", "wt") as out:
        for n in range(40):
            text = ". ".join(f"sentence {n} {m}" for m in range(60))
            out.write(json.dumps({"id": f"doc{n}", "text": text}) + "\n")
    return folder


def test_a_better_second_gets_bands_within_the_share_and_thresholds_of_the_whole_flow(
    examples: list[Example], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from guardian.train import calibrate
    from guardian.train.cascade import fit_bands, with_thresholds

    fewer = partial(calibrate.bucket_levels, samples=100)  # of long documents: they have their own tests
    monkeypatch.setattr(calibrate, "bucket_levels", fewer)

    first, second = model("first", 1.5), model("second", 3.0)
    plan = fit_bands(first, second, examples, data, share=0.2, version="7")
    plan = with_thresholds(plan, first, second, examples, data)
    band = plan.bands[Stage.PROMPT]["harm"]
    assert band.blend.second > band.blend.first
    assert plan.version == "7"
    assert (plan.first.name, plan.second.name) == ("first", "second")
    assert plan.thresholds.table.keys() == {Stage.PROMPT, Stage.RESPONSE, Stage.DOCUMENT}
    notes: Any = plan.notes["fitted"]
    of_prompts = notes["prompt"]
    assert 0 < of_prompts["sent_on"]["ordinary benign"] <= 0.2
    assert of_prompts["heads"]["harm"]["recall_cascade"] > of_prompts["heads"]["harm"]["recall_first"] + 0.1

    cascade = CascadeBackend(model("first", 1.5), lambda: model("second", 3.0), plan)
    alone = model("first", 1.5)
    policy = Policy(refine_spans=False, fpr=0.02)
    fresh = [f"a bad request, new {n}" for n in range(400)]
    benign = [f"a fine request, new {n}" for n in range(400)]
    guard = Guardian(backend=cascade, policy=policy)
    caught = sum(v.blocked for v in guard.check_many(fresh)) / 400
    false = sum(v.blocked for v in guard.check_many(benign)) / 400
    assert caught > 0.6
    assert false < 0.06
    by_itself = CascadeBackend(alone, lambda: alone, plan.model_copy(update={"bands": {}}))
    assert sum(v.scores["harm"] > 0.9 for v in Guardian(backend=by_itself, policy=policy).check_many(fresh)) / 400 < 0.6


def test_a_second_that_knows_nothing_is_not_asked(examples: list[Example], data: Path) -> None:
    from guardian.train.cascade import fit_bands

    second = model("second", 0.0)
    plan = fit_bands(model("first", 1.5), second, examples, data, share=0.2, version="1")
    assert plan.bands == {}


def test_the_second_is_asked_about_no_more_than_could_lie_in_a_band(examples: list[Example], data: Path) -> None:
    from guardian.train.cascade import fit_bands

    second = model("second", 3.0)
    fit_bands(model("first", 1.5), second, examples, data, share=0.1, version="1")
    asked = {piece.text for call in second.calls for piece in call}
    fine = sum("fine request" in text for text in asked)
    assert 0 < fine < 0.2 * 800


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1])
def test_a_share_that_is_none_is_told_of(examples: list[Example], data: Path, share: float) -> None:
    from guardian.train.cascade import fit_bands

    with pytest.raises(ConfigError, match="share"):
        fit_bands(model("first", 1.5), model("second", 1.0), examples, data, share=share, version="1")


def test_a_mix_without_its_calibration_split_is_told_of(tmp_path: Path) -> None:
    from guardian.train.cascade import fit_cascade

    with pytest.raises(ConfigError, match="mix"):
        fit_cascade(tmp_path, tmp_path, tmp_path, tmp_path, data=tmp_path)
