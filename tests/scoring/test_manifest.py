"""The manifest: what it accepts, what it refuses and by which name, and the hashes of the files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from guardian.errors import ModelError
from guardian.scoring.manifest import Manifest

FILES = {"model.int8.onnx": b"graph", "tokenizer.json": b"{}"}


def fields() -> dict[str, Any]:
    return {
        "format": 1,
        "name": "guardian-test",
        "version": "0.1.0",
        "base": "none",
        "license": "Apache-2.0",
        "created": "2026-11-22",
        "files": {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in FILES.items()
        },
        "graphs": {"int8": "model.int8.onnx"},
        "tokenizer": "tokenizer.json",
        "controls": {"cls": 101, "sep": 102, "pad": 0, "query": 1, "task": 2, "doc": 3, "resp": 4},
        "heads": {"severity": {"start": 0, "stop": 2, "labels": ["safe", "unsafe"], "kind": "softmax"}},
        "calibration": {"harm": {"temperature": 1.5, "bias": -0.2}},
        "thresholds": {"default_fpr": 0.02, "table": {"prompt": {"harm": {"0": {"0.01": 0.9, "0.02": 0.8}}}}},
        "window": {"size": 448, "stride": 224, "context_tokens": 48, "max_tokens": 512},
        "data": [{"source": "made up", "licence": "CC0-1.0", "rows": 10}],
        "reproduce": "guardian train run",
        "notes": {"anything": ["goes", 1]},
    }


def decoder() -> dict[str, Any]:
    """What a decoder's manifest has besides."""
    names = ("blocks.bin", "stream.onnx", "reply.onnx")
    entry = {"sha256": hashlib.sha256(b"").hexdigest(), "bytes": 0}
    return fields() | {
        "files": fields()["files"] | dict.fromkeys(names, entry),
        "weights": ["blocks.bin"],
        "controls": fields()["controls"] | {"pred": 7, "expl": 8, "harm": 9},
        "decoder": {
            "blocks": 30,
            "read_blocks": 20,
            "kv_heads": 3,
            "head_size": 64,
            "positions": 4096,
            "stream": {"int8": "stream.onnx"},
            "reply": {"int8": "reply.onnx"},
            "token_calibration": {"temperature": 1.2, "bias": 0.1},
            "token_thresholds": {"0.01": 0.9, "0.02": 0.8},
        },
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "guardian.json").write_text(json.dumps(fields()))
    return tmp_path


def refused(folder: Path, content: str | bytes) -> str:
    data = content if isinstance(content, bytes) else content.encode()
    (folder / "guardian.json").write_bytes(data)
    with pytest.raises(ModelError) as caught:
        Manifest.load(folder)
    assert caught.value.file == "guardian.json"
    return caught.value.message


def test_a_sound_folder(folder: Path) -> None:
    manifest = Manifest.load(str(folder))
    manifest.verify(folder)
    assert manifest.thresholds.lookup("prompt", "harm", 0.01, 1) == 0.9  # type: ignore[arg-type]
    assert manifest.controls.cls == 101
    assert Manifest.model_validate_json(manifest.model_dump_json()) == manifest


def test_the_hash_changes_with_any_file(folder: Path) -> None:
    before = Manifest.load(folder).ref
    values = fields()
    values["files"]["tokenizer.json"]["sha256"] = "0" * 64
    after = Manifest.model_validate(values).ref
    assert (before.name, before.version) == ("guardian-test", "0.1.0")
    assert before.hash != after.hash


def test_what_is_no_manifest(folder: Path, tmp_path: Path) -> None:
    whole = json.dumps(fields())
    assert "JSON" in refused(folder, whole[: len(whole) // 2])
    assert "JSON" in refused(folder, b"\xff\xfe\x00")
    assert "JSON" in refused(folder, "")
    with pytest.raises(ModelError, match="missing"):
        Manifest.load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("format", 2, "format"),
        ("surprise", 1, "surprise: unknown key"),
        ("name", None, "name"),
        ("graphs", {}, "graphs"),
        ("graphs.int4", "model.int4.onnx", "graphs.int4"),
        ("graphs.fp16", "model.fp16.onnx", "model.fp16.onnx is not listed under files"),
        ("tokenizer", "../tokenizer.json", "tokenizer"),
        ("tokenizer", "/etc/passwd", "tokenizer"),
        ("tokenizer", "C:\\tokenizer.json", "tokenizer"),
        ("files.model.int8.onnx", None, "files"),
        ("heads.severity.stop", 3, "heads.severity: 2 labels for logits 0 to 3"),
        ("heads.severity.kind", "relu", "heads.severity.kind"),
        ("calibration.harm.temperature", 0, "calibration.harm.temperature"),
        ("calibration.harm.temperature", float("nan"), "calibration.harm.temperature"),
        ("thresholds.table.prompt.harm.0.0.01", 0.1, "thresholds.table.prompt.harm.0"),
        ("window.stride", 500, "window: stride is larger than size"),
        ("window.size", 600, "window: size is larger than max_tokens"),
        ("controls.cls", -1, "controls.cls"),
        ("data", [{"source": "x"}], "data.0.licence"),
    ],
)
def test_wrong_fields_are_named(folder: Path, path: str, value: object, said: str) -> None:
    values = fields()
    place: Any = values
    keys = path.split(".") if not path.endswith(("0.01", "onnx")) else _keys(path)
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    assert said in refused(folder, json.dumps(values))


def _keys(path: str) -> list[str]:
    return ["files", "model.int8.onnx"] if path.startswith("files") else [*path.split(".")[:5], "0.01"]


def test_files_are_compared_with_their_hashes(folder: Path) -> None:
    manifest = Manifest.load(folder)
    (folder / "model.int8.onnx").write_bytes(b"grape")
    manifest.verify(folder, ["tokenizer.json"])
    for data, said in ((b"grape", "SHA-256"), (b"gra", "truncated"), (b"graph" * 2, "bytes")):
        (folder / "model.int8.onnx").write_bytes(data)
        with pytest.raises(ModelError, match=said) as caught:
            manifest.verify(folder)
        assert caught.value.file == "model.int8.onnx"
    (folder / "model.int8.onnx").unlink()
    with pytest.raises(ModelError, match="missing"):
        manifest.verify(folder)
    with pytest.raises(ModelError, match="not listed"):
        manifest.verify(folder, ["README.md"])
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.json").mkdir()
    with pytest.raises(ModelError, match="cannot be read"):
        manifest.verify(folder, ["tokenizer.json"])


def test_a_decoder(folder: Path) -> None:
    (folder / "guardian.json").write_text(json.dumps(decoder()))
    manifest = Manifest.load(folder)
    assert manifest.decoder is not None
    assert manifest.decoder.token_thresholds == {0.01: 0.9, 0.02: 0.8}
    assert Manifest.model_validate_json(manifest.model_dump_json()) == manifest
    assert Manifest.model_validate(fields()).decoder is None


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("weights", ["words.bin"], "words.bin is not listed under files"),
        ("weights", ["../words.bin"], "weights.0: must name a file inside"),
        ("decoder.stream", {}, "decoder.stream"),
        ("decoder.reply.fp16", "reply.fp16.onnx", "reply.fp16.onnx is not listed under files"),
        ("decoder.read_blocks", 31, "decoder: read_blocks is 31, there are 30 blocks"),
        ("decoder.positions", 0, "decoder.positions"),
        ("decoder.token_thresholds", {}, "decoder.token_thresholds"),
        ("decoder.token_thresholds", {"0.01": 0.8, "0.02": 0.9}, "larger false-positive rate"),
        ("decoder.token_calibration.temperature", 0, "decoder.token_calibration.temperature"),
        ("decoder.surprise", 1, "decoder.surprise: unknown key"),
        ("controls.expl", None, "a decoder needs the controls expl and harm"),
    ],
)
def test_wrong_fields_of_a_decoder_are_named(folder: Path, path: str, value: object, said: str) -> None:
    values = decoder()
    place: Any = values
    *keys, last = path.split(".")
    for key in keys:
        place = place[key]
    place[last] = value
    assert said in refused(folder, json.dumps(values))


@pytest.mark.parametrize("graph", ["model.int8.onnx", "stream.onnx", "reply.onnx"])
def test_a_graph_is_verified_with_the_weights_it_is_nothing_without(folder: Path, graph: str) -> None:
    manifest = Manifest.model_validate(decoder())
    for name in ("blocks.bin", "stream.onnx", "reply.onnx"):
        (folder / name).write_bytes(b"")
    manifest.verify(folder, [graph])
    (folder / "blocks.bin").write_bytes(b"other")
    manifest.verify(folder, ["tokenizer.json"])
    with pytest.raises(ModelError, match=r"blocks\.bin"):
        manifest.verify(folder, [graph])
