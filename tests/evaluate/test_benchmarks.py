from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from guardian.errors import ConfigError
from guardian.evaluate.benchmarks import (
    REGISTRY,
    Measure,
    benchmark_of,
    describe,
    find_file,
    load,
    mix_benchmarks,
    parse_benchmark,
    read_jsonl,
)
from guardian.evaluate.hazards import MAPS, hazards_of
from guardian.taxonomy import HAZARDS
from guardian.verdict import Stage
from tests.evaluate.conftest import row, write


def test_registry_names_are_their_keys_and_measures_have_a_section() -> None:
    from guardian.evaluate.wording import SECTIONS

    assert all(name == benchmark.name for name, benchmark in REGISTRY.items())
    assert set(SECTIONS) == set(Measure)
    assert {d["name"] for d in describe(list(REGISTRY.values()))} == set(REGISTRY)


def test_load_reads_labels_groups_and_hazards(data: Path) -> None:
    rows = load(REGISTRY["simplesafetytests"], data)
    assert [r.label for r in rows] == [1] * 10
    assert {r.group for r in rows} == frozenset({"Physical harm and Violence"})
    assert {r.hazards for r in rows} == {frozenset({"violence"})}
    assert {r.stage for r in rows} == {Stage.PROMPT}


def test_responses_carry_their_prompt(data: Path) -> None:
    rows = load(REGISTRY["beavertails"], data)
    assert {r.stage for r in rows} == {Stage.RESPONSE}
    assert {r.context for r in rows} == frozenset({"question"})
    assert sum(r.label for r in rows) == 8


def test_unlabelled_rows_and_filtered_kinds_are_left_out(tmp_path: Path) -> None:
    rows = [row(0, "a", 1), row(1, "b", None), row(2, "c", 1, kind="injection")]
    write(tmp_path / "xsafety_odd.jsonl.gz", rows)
    assert [r.text for r in load(REGISTRY["xsafety"], tmp_path)] == ["a"]
    assert [r.text for r in load(REGISTRY["xsafety_injection"], tmp_path)] == ["c"]


def test_refusal_reads_the_label_the_other_way_round(tmp_path: Path) -> None:
    rows = [row(0, "q", 1, response="sure", response_label=1), row(1, "q", 1, response="no", response_label=0)]
    write(tmp_path / "gptfuzz_responses_eval.jsonl.gz", rows)
    assert [r.label for r in load(REGISTRY["gptfuzz_refusal"], tmp_path)] == [0, 1]


def test_the_folder_may_be_the_data_or_its_eval_part(data: Path) -> None:
    assert find_file(data, "notinject.jsonl.gz") == find_file(data / "eval", "notinject.jsonl.gz")
    assert find_file(data / "eval", "longdocs_leval.jsonl.gz").is_file()


def test_any_existing_file_may_be_a_benchmark(tmp_path: Path) -> None:
    write(tmp_path / "own.ndjson", [row(0, "a", 1)])
    assert [r.label for r in load(benchmark_of(str(tmp_path / "own.ndjson")), tmp_path)] == [1]
    with pytest.raises(ConfigError, match=r"no benchmark .*nosuch"):
        benchmark_of("nosuch")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"notinject\.jsonl\.gz does not exist.*GUARDIAN_DATA"):
        load(REGISTRY["notinject"], tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"text": "x"}\nnot json\n', "after line 1"),
        ("a.jsonl", b"[1]\n", "line 1 is not a JSON object"),
        ("a.jsonl.gz", b"plain", "not JSON lines"),
        ("a.jsonl.gz", gzip.compress(b'{"text": "x"}\n')[:-6], "not JSON lines"),
        ("a.jsonl", b'{"text": "\xff"}', "not JSON lines"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=message) as caught:
        list(read_jsonl(tmp_path / name))
    assert caught.value.key == str(tmp_path / name)


def test_any_file_with_options(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.jsonl", [{"body": "x", "kind": "attack", "site": "a"}, {"body": "y", "kind": "fine"}])
    spec = f"{path},text=body,label=kind,positive=attack,head=injection,stage=document,group=site,name=ours"
    benchmark = benchmark_of(spec)
    rows = load(benchmark, tmp_path)
    assert benchmark.name == "ours"
    assert benchmark.measure is Measure.ATTACK
    assert [(r.text, r.label, r.stage, r.group) for r in rows] == [
        ("x", 1, Stage.DOCUMENT, "a"),
        ("y", 0, Stage.DOCUMENT, None),
    ]


def test_stage_from_the_row_and_boolean_labels(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.jsonl", [{"text": "x", "label": True, "stage": "document"}, {"text": "y", "label": False}]
    )
    rows = load(parse_benchmark(f"{path},stage=row"), tmp_path)
    assert [(r.label, r.stage) for r in rows] == [(1, Stage.DOCUMENT), (0, Stage.PROMPT)]
    write(path, [{"text": "x", "label": 1, "stage": "attic"}])
    with pytest.raises(ConfigError, match="'attic' is not a stage"):
        load(parse_benchmark(f"{path},stage=row"), tmp_path)
    write(path, [{"label": 1}])
    with pytest.raises(ConfigError, match="row 1 has no string field 'text'"):
        load(parse_benchmark(str(path)), tmp_path)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nothing", "no benchmark 'nothing'; known: simplesafetytests"),
        ("a.jsonl,colour=red", "unknown or empty option"),
        ("a.jsonl,head=shoulders", "'shoulders' is not one of harm"),
        ("a.jsonl,stage=attic", "'attic' is not a valid Stage"),
        ("a.jsonl,measure=weight", "'weight' is not a valid Measure"),
    ],
)
def test_bad_specs(spec: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        benchmark_of(spec)


def test_the_mix_file_gives_a_benchmark_a_head(tmp_path: Path) -> None:
    path = write(
        tmp_path / "heldout.jsonl",
        [
            {"text": "a", "stage": "prompt", "source": "s", "severity": 2, "jailbreak": 0},
            {"text": "b", "stage": "prompt", "source": "s", "severity": 1},
            {"text": "c", "stage": "document", "source": "t", "context": "Sum up", "injection": 1, "severity": 0},
            {"text": "d", "stage": "response", "source": "t", "context": "q", "response_severity": 2, "refusal": 0},
        ],
    )
    found = {b.name: [(r.text, r.label) for r in load(b, tmp_path)] for b in mix_benchmarks(path)}
    assert found == {
        "heldout_harm": [("a", 1), ("c", 0)],
        "heldout_harm_binary": [],
        "heldout_jailbreak": [("a", 0)],
        "heldout_injection": [("c", 1)],
        "heldout_response": [("d", 1)],
        "heldout_refusal": [("d", 0)],
    }


def test_hazard_maps() -> None:
    known = {str(hazard) for hazard in HAZARDS}
    assert all(value is None or value in known for table in MAPS.values() for value in table.values())
    assert set(MAPS) <= set(REGISTRY)
    assert hazards_of("ailuminate", "ssh") == frozenset({"selfharm"})
    joined = "hate_speech,offensive_language,violence,aiding_and_abetting,incitement,privacy_violation"
    assert hazards_of("beavertails", joined) == frozenset({"hate", "violence", "privacy"})
    assert hazards_of("multijail", "['Weapons', 'Violence & incitement']") == frozenset({"weapons", "violence"})


def test_what_covers_several_hazards_says_nothing() -> None:
    assert hazards_of("beavertails", "drug_abuse,weapons,banned_substance,self_harm") is None
    assert hazards_of("beavertails", "something new") is None
    assert hazards_of("ailuminate", None) is None
    assert hazards_of("notinject", "one") is None
