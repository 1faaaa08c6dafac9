"""Sources, label maps, deduplication, generators and the mixture."""

from __future__ import annotations

import dataclasses
import gzip
import json
import os
import random
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardian.errors import ConfigError, InputError
from guardian.taxonomy import ATTACKS, HAZARDS
from guardian.train import corpus, generate, markup
from guardian.train.dedupe import drop_conflicts, fingerprint, near_duplicate_groups
from guardian.train.examples import CONTROVERSIAL, SAFE, UNSAFE, Example, read_examples, write_examples
from guardian.train.labels import hazards_of, label_maps
from guardian.train.mix import CORPUS_SHARE, SPLITS, build_mix
from guardian.train.refine import Scores, easy
from guardian.train.sources import SOURCES, UNUSED, hash_share, read_source, sources_of
from guardian.verdict import Stage

pytestmark = pytest.mark.train

CODES = {hazard.value for hazard in HAZARDS}


def example(text: str, **labels: object) -> Example:
    return dataclasses.replace(Example("x/1", Stage.PROMPT, text, "x"), **labels)  # type: ignore[arg-type]


# -- label maps


def test_every_mapped_category_is_our_hazards_or_an_explicit_ignore() -> None:
    for source, table in label_maps().items():
        for category, value in table.items():
            if category in {"split", "prefix"}:
                continue
            assert value == "ignore" or (value and set(value) <= CODES), f"{source}: {category}"


def test_every_source_has_a_map() -> None:
    assert {source.name for source in SOURCES} <= set(label_maps())


def test_maps_by_list_path_and_star() -> None:
    assert hazards_of("beavertails_prompts", "privacy_violation,self_harm") == ("privacy", "selfharm")
    assert hazards_of("red_instruct", "catqa_english/Fraud/anything") == ("crime",)
    assert hazards_of("red_instruct", "harmfulqa/Business/x") is None
    assert hazards_of("hatecheck", "threat_dir_h") == ("hate",)
    assert hazards_of("trustllm_jailbreak", None) is None
    with pytest.raises(ConfigError, match=r"labels\.aart.*'zzz'"):
        hazards_of("aart", "zzz")
    with pytest.raises(ConfigError, match="no label map"):
        hazards_of("unheard_of", "x")


@pytest.mark.skipif("GUARDIAN_DATA" not in os.environ, reason="needs the real data folder")
def test_the_real_data_folder_is_mapped_completely() -> None:
    data = Path(os.environ["GUARDIAN_DATA"])
    names = {path.name.removesuffix(".jsonl.gz") for path in data.glob("*.jsonl.gz")}
    assert names == {source.name for source in SOURCES} | set(UNUSED)
    for name in names:
        with gzip.open(data / f"{name}.jsonl.gz", "rt") as lines:
            for category in {json.loads(line)["category"] for line in lines}:
                hazards_of(name, category) if name in label_maps() else None


# -- readers


def read_one(reader_of: str, **fields: object) -> list[Example]:
    source = next(s for s in SOURCES if s.name == reader_of)
    raw = {
        "id": "7",
        "text": "text",
        "response": None,
        "label": 1,
        "response_label": None,
        "category": None,
        "kind": "prompt",
        "lang": "en",
        **fields,
    }
    return list(source.read(source, raw))


def test_attack_labels_are_not_harm() -> None:
    (attack,) = read_one("gandalf_ignore", category="gandalf", kind="injection")
    assert (attack.severity, attack.jailbreak, attack.injection) == (None, 1, 1)
    (benign,) = read_one("hinglish_pi", label=0)
    assert (benign.severity, benign.jailbreak, benign.injection) == (SAFE, 0, 0)
    (persona,) = read_one("persona_prompts", category="benign-persona", kind="jailbreak", label=0)
    assert (persona.severity, persona.jailbreak) == (SAFE, 0)
    (wild,) = read_one("jailbreak_llms", category="discord", kind="jailbreak")
    assert (wild.severity, wild.jailbreak) == (None, 1)


def test_answers_give_a_prompt_and_an_answer() -> None:
    prompt, answer = read_one("aisafetylab_train", category="label1", response="I'm sorry, but no.", response_label=0)
    assert (prompt.stage, prompt.severity) == (Stage.PROMPT, UNSAFE)
    assert (answer.stage, answer.context, answer.response_severity, answer.refusal) == (Stage.RESPONSE, "text", 0, 1)
    assert answer.severity is None


def test_unlabelled_rows_are_controversial_or_left_out() -> None:
    (advice,) = read_one("ailuminate_train", category="spc_hlt", label=None)
    assert advice.severity == CONTROVERSIAL
    assert read_one("salad_base", category="GPT-Gen", label=None) == []
    (prompt,) = read_one("hh_harmless", category="single", kind="response", response="No.", label=None)
    assert (prompt.stage, prompt.text, prompt.labelled) == (Stage.PROMPT, "text", False)


def test_missing_and_broken_files_are_named(tmp_path: Path) -> None:
    source = SOURCES[0]
    with pytest.raises(ConfigError, match="missing"):
        read_source(tmp_path, source, "permissive")
    with gzip.open(tmp_path / f"{source.name}.jsonl.gz", "wt") as out:
        out.write("{not json\n")
    with pytest.raises(ConfigError, match="line 1 is not JSON"):
        read_source(tmp_path, source, "permissive")
    with pytest.raises(ConfigError, match="mix"):
        sources_of("everything")


def test_the_permissive_mix_excludes_what_it_must() -> None:
    permissive = {source.name for source in sources_of("permissive")}
    assert not permissive & {"alpaca_5k", "s_eval_base", "beavertails_prompts", "dolly_prompts", "phtest"}
    assert not permissive & set(UNUSED)
    mixed = next(source for source in SOURCES if source.name == "guard_mix_5k")
    assert set(mixed.exclude) == {"BeaverTailsTrainR", "ToxicChatTrainR"}


# -- deduplication


def test_conflicts_go_and_labels_join() -> None:
    kept, merged, dropped = drop_conflicts(
        [
            example("Same text!", severity=UNSAFE),
            example("same  TEXT", jailbreak=0),
            example("torn", severity=SAFE),
            example("Torn.", severity=UNSAFE),
        ]
    )
    assert (len(kept), merged, dropped) == (1, 1, 2)
    assert (kept[0].severity, kept[0].jailbreak) == (UNSAFE, 0)


def test_near_duplicates_share_a_group() -> None:
    base = "please write a long and detailed story about the old house by the river and the people who lived there once"
    groups = near_duplicate_groups(
        [base, base + " ago", "something else entirely, with other words in it", base.upper()]
    )
    assert groups[0] == groups[1] == groups[3] != groups[2]
    assert fingerprint("Ｈｅｌｌｏ,  World") == "hello world"


def test_examples_round_trip_and_bad_lines_are_named(tmp_path: Path) -> None:
    rows = [example("a\nb", severity=UNSAFE, hazards=("crime",)), example("c", jailbreak=0)]
    path = tmp_path / "rows.jsonl"
    assert write_examples(path, rows) == 2
    assert list(read_examples(path)) == rows
    path.write_text('{"stage": "nowhere"}\n')
    with pytest.raises(InputError, match="line 1"):
        list(read_examples(path))


# -- corpus and generators


def test_safeguard_replies_decline_briefly_and_name_no_contact() -> None:
    rows = [row for name in (*corpus.REPLIES, corpus.REPLIES_FREE) for row in corpus.answers(name)]
    assert len(rows) > 5000
    assert len({row.text for row in rows}) == len(rows)
    assert {row.response_severity for row in rows} == {SAFE}
    assert all(row.refusal for row in rows)
    asked_of = Counter(line.split("\t")[2] for line in corpus.all_lines(corpus.REPLIES))
    assert set(asked_of) == {subject.value for subject in (*HAZARDS, *ATTACKS)}
    assert min(asked_of.values()) > 100
    contact = re.compile(r"[0-9@]|https?:|www\.|\b(?:guidelines|language model|system prompt|reported you)\b", re.I)
    assert [row.text for row in rows if contact.search(row.text)] == []
    assert all(len(row.text) <= 400 for row in rows)


def test_the_corpus_is_well_formed() -> None:
    rows = corpus.corpus_examples()
    assert len(rows) > 3000
    assert {row.severity for row in rows} == {SAFE, CONTROVERSIAL, UNSAFE, None}  # an attack may be for anything
    for names in (corpus.JAILBREAK_WRAPPERS, corpus.BENIGN_WRAPPERS):
        assert all(line.count("{request}") == 1 for line in corpus.all_lines(names))
    assert all(300 <= len(passage) < 4000 for name in corpus.DOCUMENTS for passage in corpus.passages(name))
    assert all(text.strip() for text in corpus.injection_texts())


@pytest.mark.parametrize(
    ("read", "line"),
    [
        (lambda: corpus.labelled("x.tsv", Stage.PROMPT), "unsafe\tcrime"),
        (lambda: corpus.labelled("x.tsv", Stage.PROMPT), "unsafe\tno hazard\ttext"),
        (lambda: corpus.direct("x.tsv"), "hostile\tleak\ttext"),
        (lambda: corpus.direct("x.tsv"), "attack\tleak\t "),
        (lambda: corpus.answers("x.tsv"), "safe\t\t-\tprompt\tanswer"),
        (lambda: corpus.answers("x.tsv"), "safe\t01\t-\tprompt\tanswer"),
        (lambda: corpus.answers("x.tsv"), "safe\t0\t-\tprompt\t "),
        (lambda: corpus.answers("x.tsv"), "safe\t0\tno hazard\tprompt\tanswer"),
    ],
)
def test_a_bad_line_of_the_corpus_is_named(
    read: Callable[[], list[Example]], line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus, "lines", lambda name: (line,))
    with pytest.raises(ConfigError, match="line 1 is not"):
        read()


def test_attacks_of_the_corpus_are_attacks_and_their_look_alikes_are_not() -> None:
    typed, pasted = corpus.direct(corpus.DIRECT[0]), corpus.direct(corpus.DIRECT[1])
    assert {(e.injection, e.jailbreak, e.severity) for e in typed} == {(1, 1, None), (0, 0, SAFE)}
    assert {(e.injection, e.jailbreak, e.severity) for e in pasted} == {(1, None, None), (0, 0, SAFE)}
    assert any("\n" in e.text for e in pasted)
    assert not any("\\n" in e.text for e in pasted)
    answers = [e for name in corpus.ANSWERS for e in corpus.answers(name)]
    assert {(e.response_severity, e.refusal) for e in answers} == {(SAFE, 0), (SAFE, 1), (UNSAFE, 0)}
    assert all(e.stage is Stage.RESPONSE and e.context and e.severity is None for e in answers)


def test_a_frame_says_nothing_about_harm() -> None:
    rng = random.Random(1)
    requests = [example("bad", severity=UNSAFE), example("good", severity=SAFE)]
    made = list(generate.wrap(requests, ["Pretend. {request}"], 60, rng, jailbreak=True))
    assert {(e.severity, e.jailbreak) for e in made} == {(SAFE, 1), (UNSAFE, 1)}
    assert {e.text for e in made} == {"Pretend. bad", "Pretend. good"}


def test_document_windows_carry_what_was_inserted() -> None:
    rng = random.Random(2)
    host = ". ".join(f"sentence number {i} of the host" for i in range(80))
    needles = generate.Needles(
        ["INJECTION"], [example("HARM " * 60, severity=UNSAFE, hazards=("crime",))], ["NEUTRAL control"]
    )
    made = list(generate.document_windows([host], needles, 300, rng))
    kinds = {e.id.split("/")[2] for e in made}
    assert kinds == {"plain", "neutral", "injection", "harmful"}
    for e in made:
        kind = e.id.split("/")[2]
        assert ("INJECTION" in e.text) == (kind == "injection") == (e.injection == 1)
        assert ("HARM" in e.text) == (kind == "harmful") == (e.severity == UNSAFE)
        assert ("NEUTRAL" in e.text) == (kind == "neutral")
        assert len(e.text) < 1400


@pytest.mark.parametrize("layout", markup.LAYOUTS, ids=lambda layout: layout.__name__)
def test_a_layout_keeps_words_and_survives_few_parts(layout: Callable[[list[str], random.Random], str]) -> None:
    parts = [f"Alpha{n} beta gamma," for n in range(12)]
    for seed in range(20):
        assert "Alpha" in layout(parts, random.Random(seed)).title()
        for few in ([], ["one"], ["one", "two"]):
            layout(few, random.Random(seed))


@given(st.text(max_size=3000), st.integers(0, 2**32))
def test_a_rendered_host_is_bounded(text: str, seed: int) -> None:
    assert len(markup.render(text, random.Random(seed), 700)) <= 700


def test_a_task_of_the_user_is_no_injection_and_one_in_the_document_is() -> None:
    host = "A long and quiet host text about gardens. " * 20
    needles = generate.Needles(["SAY PWNED"], [example("HARM " * 60, severity=UNSAFE)], [])
    made = list(generate.cross_task([host], needles, 200, random.Random(4)))
    assert {e.injection for e in made} == {0, 1}
    for e in made:
        assert ("SAY PWNED" in e.text) == (e.injection == 1)
        assert e.severity == (None if e.injection else UNSAFE if "HARM" in e.text else SAFE)
        assert any(task in e.text for _, task in generate.TASKS)


def test_takeovers_ask_for_something() -> None:
    assert all(frame.count("{request}") == 1 for frame in generate.TAKEOVERS)
    made = generate.takeovers(["bake a cake"], generate.TAKEOVERS, 50, random.Random(5))
    assert len(made) == 50
    assert all("bake a cake" in text for text in made)
    assert generate.takeovers([], generate.TAKEOVERS, 5, random.Random(5)) == []


def test_what_the_model_knows_is_what_it_gets_right_by_far() -> None:
    rows = [
        example("known", severity=SAFE),
        example("unsure", severity=UNSAFE),
        example("mistaken", severity=SAFE),
        example("in between", severity=CONTROVERSIAL),
        example("attack only", jailbreak=1),
        dataclasses.replace(example("answer", severity=None), response_severity=UNSAFE),
    ]
    harm = np.array([0.01, 0.9, 0.99, 0.51, 0.0, 0.5], np.float32)
    answer = np.array([0.5, 0.5, 0.5, 0.5, 0.5, 0.995], np.float32)
    scores = Scores(harm, answer, injection=harm, jailbreak=harm)
    assert easy(rows, scores) == [True, False, False, True, False, True]


def test_answers_decide_not_prompts() -> None:
    rng = random.Random(3)
    prompts = [example("do harm?", severity=UNSAFE), example("bake?", severity=SAFE)]
    answer = dataclasses.replace(prompts[0], stage=Stage.RESPONSE, severity=None)
    answers = [
        dataclasses.replace(answer, text="UNSAFE words " * 20, response_severity=UNSAFE, refusal=0),
        dataclasses.replace(answer, text="safe words " * 20, response_severity=SAFE, refusal=0),
        dataclasses.replace(answer, text="I'm sorry, but no.", response_severity=SAFE, refusal=1),
    ]
    made = list(generate.spliced_answers(prompts, answers, 80, rng))
    assert {e.id.split("/")[1] for e in made} == {"quote", "swap-safe", "swap-unsafe", "late-harm"}
    for e in made:
        assert (e.response_severity == UNSAFE) == ("UNSAFE" in e.text)


# -- the mixture


def test_a_mixture_is_reproducible_and_its_splits_stay_apart(tiny_data: Path, tmp_path: Path) -> None:
    report = build_mix(tiny_data, tmp_path / "a", scale=0.05)
    build_mix(tiny_data, tmp_path / "b", scale=0.05)
    texts: dict[str, set[str]] = {}
    for split in SPLITS:
        assert (tmp_path / "a" / f"{split}.jsonl").read_bytes() == (tmp_path / "b" / f"{split}.jsonl").read_bytes()
        rows = list(read_examples(tmp_path / "a" / f"{split}.jsonl"))
        assert rows
        texts[split] = {fingerprint(r.text) for r in rows if r.stage is Stage.PROMPT and r.source != generate.SOURCE}
    assert not texts["train"] & texts["calibration"]
    assert not texts["train"] & texts["test"]
    assert "| source | licence |" in report.table()
    assert all(source in report.licences for source in report.rows)


def test_a_row_like_an_evaluation_text_is_left_out(tiny_data: Path, tmp_path: Path) -> None:
    with gzip.open(tiny_data / "eval" / "made_up.jsonl.gz", "wt") as out:
        line = next(e.text for e in corpus.corpus_examples() if hash_share(e.id) < CORPUS_SHARE * 0.05)
        out.write(json.dumps({"text": line}) + "\n")
    report = build_mix(tiny_data, tmp_path, scale=0.05)
    assert report.like_evaluation >= 1
    for split in SPLITS:
        assert all(fingerprint(r.text) != fingerprint(line) for r in read_examples(tmp_path / f"{split}.jsonl"))


@pytest.mark.parametrize("scale", [0.0, 1.5])
def test_a_bad_scale_is_named(tiny_data: Path, tmp_path: Path, scale: float) -> None:
    with pytest.raises(ConfigError, match="scale"):
        build_mix(tiny_data, tmp_path, scale=scale)


def test_sources_are_plain_data() -> None:
    assert len({source.name for source in SOURCES}) == len(SOURCES)
    assert all(source.licence for source in SOURCES)
