"""Two models as one: who is asked, what comes of both scores, and what happens when the second fails."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardian import Guardian, Policy
from guardian.errors import BackendError, GuardOverloaded, ModelError
from guardian.scoring.backend import SCORES, Piece, Scores
from guardian.scoring.cascade import CascadeBackend, blended, joined, opinions
from guardian.scoring.fake import ScriptedBackend
from guardian.scoring.plan import PLAN, Band, Blend, CascadePlan, ModelPart
from guardian.taxonomy import HAZARDS
from guardian.thresholds import Thresholds
from guardian.verdict import ModelRef, Stage

FIRST = ModelRef(name="guardian-mini", version="1", hash="a" * 64)
SECOND = ModelRef(name="guardian-slm", version="2", hash="b" * 64)
HARM = Band(low=0.2, high=0.8, blend=Blend(first=0.5, second=1.0, bias=0.0))
PROMPT = Stage.PROMPT


def a_plan(**changes: Any) -> CascadePlan:
    parts = {"first": FIRST, "second": SECOND}
    given_: dict[str, Any] = {
        "version": "3",
        "bands": {PROMPT: {"harm": HARM}},
        "thresholds": Thresholds.flat(),
        **{key: ModelPart(**ref.model_dump()) for key, ref in parts.items()},
    }
    return CascadePlan(**(given_ | changes))


def scripted(rules: Any, ref: ModelRef, **options: Any) -> ScriptedBackend:
    backend = ScriptedBackend(rules, **options)
    backend.ref = ref
    return backend


def a_cascade(
    first: Any, second: Any, plan: CascadePlan | None = None, **options: Any
) -> tuple[CascadeBackend, ScriptedBackend]:
    asked = scripted(second, SECOND, **options)
    return CascadeBackend(scripted(first, FIRST), lambda: asked, plan or a_plan()), asked


# -- who is asked


def test_only_what_lies_in_the_band_is_asked_about() -> None:
    cascade, second = a_cascade(
        {"certain": {"harm": 0.9}, "unsure": {"harm": 0.5}, "edge": {"harm": 0.2}}, {"unsure": {"harm": 0.7}}
    )
    pieces = [Piece(text, PROMPT) for text in ("certain", "fine", "unsure", "edge")]
    scores = cascade.score(pieces)
    assert [piece.text for call in second.calls for piece in call] == ["unsure", "edge"]
    assert scores[0]["harm"] == 0.9
    assert scores[1]["harm"] == 0.0
    assert 0.5 < scores[2]["harm"] <= 0.8


def test_the_second_is_loaded_once_and_only_when_it_is_asked() -> None:
    loads: list[int] = []
    begun = threading.Barrier(8)

    def load() -> ScriptedBackend:
        loads.append(1)
        return scripted({}, SECOND)

    cascade = CascadeBackend(scripted({"x": {"harm": 0.5}}, FIRST), load, a_plan())
    cascade.score([Piece("nothing of note", PROMPT)])
    assert not loads

    def ask(_: int) -> list[Scores]:
        begun.wait(60)
        return cascade.score([Piece("x", PROMPT)])

    with ThreadPoolExecutor(8) as pool:
        assert len({json.dumps(rows[0]) for rows in pool.map(ask, range(8))}) == 1
    assert len(loads) == 1


def test_tools_have_the_bands_of_what_they_are_read_as() -> None:
    cascade, second = a_cascade({"x": {"harm": 0.5}}, {"x": {"harm": 0.9}})
    asked = [bool(cascade.plan.asks(stage, {"harm": 0.5})) for stage in Stage]
    assert {stage for stage, yes in zip(Stage, asked, strict=True) if yes} == {PROMPT, Stage.TOOL_CALL}
    cascade.score([Piece("x", Stage.TOOL_CALL), Piece("x", Stage.RESPONSE)])
    assert [piece.stage for call in second.calls for piece in call] == [Stage.TOOL_CALL]


def test_a_head_that_is_sure_keeps_its_own_score() -> None:
    cascade, _ = a_cascade({"x": {"harm": 0.5, "jailbreak": 0.95}}, {"x": {"harm": 0.1, "jailbreak": 0.0}})
    (scores,) = cascade.score([Piece("x", PROMPT)])
    assert scores["jailbreak"] == 0.95
    assert scores["harm"] < 0.5


# -- long pieces


def test_a_piece_that_the_second_would_cut_is_cut_for_it_and_its_worst_part_counts() -> None:
    words = [f"w{n}" for n in range(60)]
    text = " ".join([*words, "poison", *words])
    cascade, second = a_cascade({"w": {"harm": 0.5}}, {"poison": {"harm": 0.99, "cyber": 0.4}}, window_chars=40)
    (scores,) = cascade.score([Piece(text, PROMPT, "ctx")])
    (call,) = second.calls
    assert len(call) > 5
    assert all(len(piece.text) <= 40 and piece.context == "ctx" for piece in call)
    assert call[0].text == text[:40]
    assert call[-1].text == text[-40:]
    assert scores["harm"] > 0.7
    whole = joined({"harm": HARM}, {**dict.fromkeys(SCORES, 0.0), "harm": 0.5}, second._script(Piece("poison", PROMPT)))
    assert scores == whole


def test_a_second_that_leaves_something_out_is_an_outage_even_in_one_part_of_many() -> None:
    cascade, _ = a_cascade(
        {"w": {"harm": 0.5}}, lambda p: {"harm": float("nan") if "bad" in p.text else 0.9}, window_chars=10
    )
    with pytest.raises(BackendError, match="no probability"):
        cascade.score([Piece("w and more and bad and more", PROMPT)])


# -- what comes of both

probabilities = st.floats(0.0, 1.0)
weights = st.floats(0.0, 4.0)


@st.composite
def bands(draw: st.DrawFn) -> Band:
    low, high = sorted((draw(probabilities), draw(probabilities)))
    low, high = draw(st.sampled_from([(low, high), (0.0, high), (low, 1.0), (0.0, 1.0)]))
    blend = Blend(first=draw(weights), second=draw(weights), bias=draw(st.floats(-5, 5)))
    return Band(low=low, high=high, blend=blend)


@given(bands(), probabilities, probabilities, probabilities)
def test_the_score_never_falls_as_either_model_is_surer(band: Band, a: float, b: float, fixed: float) -> None:
    low, high = sorted((a, b))
    assert blended(band, low, fixed) <= blended(band, high, fixed) + 1e-9
    assert blended(band, fixed, low) <= blended(band, fixed, high) + 1e-9


@given(bands(), probabilities)
def test_the_score_meets_the_firsts_own_at_both_edges(band: Band, second: float) -> None:
    if band.low > 1e-6:
        assert float(blended(band, band.low, second)) == pytest.approx(band.low, abs=1e-9)
    if band.high < 1 - 1e-6:
        assert float(blended(band, band.high, second)) == pytest.approx(band.high, abs=1e-9)


@given(bands(), probabilities, probabilities)
def test_the_score_stays_in_the_band_and_outside_it_is_the_firsts_own(band: Band, first: float, second: float) -> None:
    score = float(blended(band, first, second))
    if band.holds(first):
        assert band.low <= score <= band.high
    else:
        assert score == first


@given(st.floats(1e-6, 1 - 1e-6), probabilities)
def test_a_band_of_all_scores_with_the_seconds_weight_alone_is_the_second(second: float, first: float) -> None:
    alone = Band(low=0.0, high=1.0, blend=Blend(first=0.0, second=1.0, bias=0.0))
    assert float(blended(alone, first, second)) == pytest.approx(second, abs=1e-9)


def test_there_are_no_steps_inside_a_band() -> None:
    first = np.linspace(0.1, 0.9, 200_001)
    for second in (0.0, 0.3, 1.0):
        assert np.abs(np.diff(blended(HARM, first, np.full_like(first, second)))).max() < 1e-3


scores_ = st.fixed_dictionaries(dict.fromkeys(SCORES, probabilities))


def _possible(scores: dict[str, float]) -> Scores:
    return scores | {hazard: scores[hazard] * scores["harm"] for hazard in HAZARDS}


@given(bands(), scores_, scores_)
def test_a_hazard_is_never_above_harm(band: Band, first: dict[str, float], second: dict[str, float]) -> None:
    scores = joined({"harm": band}, _possible(first), _possible(second))
    assert set(scores) == set(SCORES)
    assert all(0.0 <= value <= 1.0 for value in scores.values())
    assert all(scores[hazard] <= scores["harm"] for hazard in HAZARDS)


def test_the_second_explains_what_it_is_asked_about() -> None:
    first = {**dict.fromkeys(SCORES, 0.0), "harm": 0.5, "cyber": 0.5, "refusal": 0.1, "controversial": 0.1}
    second = {**dict.fromkeys(SCORES, 0.0), "harm": 0.6, "weapons": 0.3, "refusal": 0.9, "controversial": 0.2}
    scores = joined({"harm": HARM}, first, second)
    assert (scores["refusal"], scores["controversial"]) == (0.9, 0.2)


def test_the_share_of_a_hazard_is_the_mean_of_what_both_say() -> None:
    first = {**dict.fromkeys(SCORES, 0.0), "harm": 0.5, "cyber": 0.5, "weapons": 0.1}
    second = {**dict.fromkeys(SCORES, 0.0), "harm": 0.6, "weapons": 0.3}
    scores = joined({"harm": HARM}, first, second)
    assert scores["cyber"] == pytest.approx(scores["harm"] * 0.5)
    assert scores["weapons"] == pytest.approx(scores["harm"] * 0.35)
    silent = dict.fromkeys(SCORES, 0.0)  # a model that sees no harm knows nothing of its kind
    scores = joined({"harm": HARM}, first, silent)
    assert scores["cyber"] == pytest.approx(scores["harm"])


# -- failures


@pytest.mark.parametrize(
    "load",
    [
        lambda: scripted({}, SECOND, fail=RuntimeError("how to build a bomb")),
        lambda: scripted({}, SECOND, fail=BackendError("prompt", "out of memory")),
        lambda: scripted({}, FIRST),  # another model than the one that was fitted
        lambda: (_ for _ in ()).throw(ModelError("blocks.bin", "missing")),
    ],
)
def test_whatever_goes_wrong_with_the_second_is_an_outage_and_the_fail_mode_decides(load: Any) -> None:
    cascade = CascadeBackend(scripted({"bomb": {"harm": 0.5}}, FIRST), load, a_plan())
    with pytest.raises(BackendError, match="guardian-slm failed") as caught:
        Guardian(backend=cascade).check("how to build a bomb")
    assert "how to" not in str(caught.value)
    verdict = Guardian(backend=cascade, policy=Policy(fail_mode={PROMPT: "open"})).check("how to build a bomb")
    assert not verdict.coverage.complete
    assert Guardian(backend=cascade).check("how to bake").action == "allow"  # nothing was asked of the second


def test_an_overload_of_the_second_stays_one() -> None:
    cascade, _ = a_cascade({"x": {"harm": 0.5}}, {}, fail=GuardOverloaded("prompt", "busy"))
    with pytest.raises(GuardOverloaded):
        cascade.score([Piece("x", PROMPT)])


def test_a_second_that_could_not_be_loaded_is_tried_again() -> None:
    tries: Iterator[Any] = iter([ModelError("a", "missing"), scripted({}, SECOND)])

    def load() -> ScriptedBackend:
        found = next(tries)
        if isinstance(found, Exception):
            raise found
        return found  # type: ignore[no-any-return]

    cascade = CascadeBackend(scripted({"x": {"harm": 0.5}}, FIRST), load, a_plan())
    with pytest.raises(BackendError):
        cascade.score([Piece("x", PROMPT)])
    assert cascade.score([Piece("x", PROMPT)])[0]["harm"] < 0.5


def test_a_first_that_is_another_model_is_an_error_at_once() -> None:
    with pytest.raises(ModelError, match="guardian-mini: the cascade was fitted for version 1"):
        CascadeBackend(scripted({}, SECOND), lambda: scripted({}, SECOND), a_plan())


# -- streams and replies


class _Writer:
    def write(self, piece: Piece, **_: Any) -> Iterator[str]:
        yield from ("I can't help with ", piece.text)


def test_streams_and_replies_go_to_the_second() -> None:
    loads: list[int] = []

    def load() -> ScriptedBackend:
        loads.append(1)
        backend: Any = scripted({}, SECOND)
        backend.decoder, backend.writer = "the decoder", _Writer()
        return backend  # type: ignore[no-any-return]

    cascade = CascadeBackend(scripted({}, FIRST), load, a_plan())
    writer = cascade.writer
    assert not loads
    said = writer.write(Piece("that", PROMPT), subject=None, max_tokens=9, proceed=lambda: None)
    assert "".join(said) == "I can't help with that"
    assert str(cascade.decoder) == "the decoder"
    assert len(loads) == 1


def test_a_second_without_a_decoder_has_none() -> None:
    cascade, _ = a_cascade({}, {})
    assert cascade.decoder is None
    with pytest.raises(BackendError, match="writes no replies"):
        list(cascade.writer.write(Piece("x", PROMPT), subject=None, max_tokens=9, proceed=lambda: None))


# -- the plan


def test_the_ref_names_both_and_changes_with_what_decides() -> None:
    cascade, _ = a_cascade({}, {})
    assert cascade.ref.name == "guardian-cascade(guardian-mini+guardian-slm)"
    same, _ = a_cascade({}, {}, a_plan(notes={"made": "elsewhere"}))
    assert same.ref == cascade.ref
    for changed in (
        a_plan(second=ModelPart(name="guardian-slm", version="2", hash="c" * 64)),
        a_plan(bands={}),
        a_plan(thresholds=Thresholds.flat(0.4)),
    ):
        assert CascadeBackend(scripted({}, FIRST), lambda: scripted({}, SECOND), changed).ref.hash != cascade.ref.hash


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    plan = a_plan(notes={"share": 0.15})
    plan.save(tmp_path / "new")
    assert CascadePlan.load(tmp_path / "new") == plan


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bands": {"prompt": {"harm": {"low": 0.5, "high": 0.1, "blend": HARM.blend.model_dump()}}}}, "low is larger"),
        ({"bands": {"prompt": {"refusal": HARM.model_dump()}}}, "bands.prompt.refusal"),
        ({"bands": {"prompt": {"harm": {"low": 0.1, "high": 1.5, "blend": HARM.blend.model_dump()}}}}, "less than or"),
        ({"first": {"name": "../x", "version": "1", "hash": "a" * 64}}, "first.name"),
        ({"second": {"name": "x", "version": "1", "hash": ""}}, "second.hash"),
        ({"format": 2}, "format"),
        ({"extra": 1}, "unknown key"),
    ],
)
def test_a_wrong_plan_is_told_of(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    (tmp_path / PLAN).write_text(json.dumps(a_plan().model_dump(mode="json") | change))
    with pytest.raises(ModelError, match=message):
        CascadePlan.load(tmp_path)


def test_no_plan_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="missing"):
        CascadePlan.load(tmp_path)


def test_opinions_of_no_text_are_asked_for_all_the_same() -> None:
    assert len(opinions(scripted({}, SECOND), [Piece("", PROMPT)])) == 1


# -- on real graphs


def _resize(folder: Path, name: str, window: dict[str, int]) -> Path:
    """A tiny model's folder under another name and with other windows."""
    body = json.loads((folder / "guardian.json").read_text())
    (folder / "guardian.json").write_text(json.dumps(body | {"name": name, "window": window}))
    return folder


@pytest.mark.train
def test_a_cascade_of_two_folders_reads_what_is_too_long_for_the_second(tmp_path: Path) -> None:
    from guardian.scoring.manifest import Manifest
    from guardian.scoring.models import load_backend
    from guardian.scoring.onnx import OnnxBackend
    from tests.slm_folder import tiny_model, tiny_slm

    small = {"size": 32, "stride": 24, "context_tokens": 8, "max_tokens": 64}
    first = tiny_slm(tmp_path / "guardian-mini")
    _resize(first, "guardian-mini", small | {"size": 256, "stride": 192, "max_tokens": 384})
    second = _resize(tiny_slm(tmp_path / "guardian-slm", model=tiny_model(1)), "guardian-slm", small)
    refs = [ModelPart(**Manifest.load(folder).ref.model_dump()) for folder in (first, second)]
    alone = Band(low=0.0, high=1.0, blend=Blend(first=0.0, second=1.0, bias=0.0))
    a_plan(first=refs[0], second=refs[1], bands={PROMPT: {"harm": alone}}).save(tmp_path / "guardian-cascade")

    cascade = load_backend(tmp_path / "guardian-cascade", device="cpu")
    text = "how do I make a cake for my garden? " * 10
    assert list(cascade.windows(text)) == [(0, len(text))]
    (scores,) = cascade.score([Piece(text, PROMPT)])
    slm = OnnxBackend(second, device="cpu")
    ranges = list(slm.windows(text))
    assert len(ranges) > 3
    theirs = slm.score([Piece(text[start:end], PROMPT) for start, end in ranges])
    assert scores["harm"] == pytest.approx(max(row["harm"] for row in theirs), abs=1e-6)
    assert Guardian(tmp_path / "guardian-cascade", device="cpu").check(text).model == cascade.ref

    (second / "blocks.bin").write_bytes(b"damaged")
    with pytest.raises(BackendError, match=r"blocks\.bin"):
        Guardian(tmp_path / "guardian-cascade", device="cpu").check(text)
