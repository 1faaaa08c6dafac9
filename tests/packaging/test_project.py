"""pyproject.toml and the files around it say what is true, checked without building anything."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

import guardian


@pytest.fixture(scope="module")
def project(repo: Path) -> dict[str, Any]:
    return tomllib.loads((repo / "pyproject.toml").read_text(encoding="utf-8"))


def test_every_package_is_listed(project: dict[str, Any], repo: Path) -> None:
    folders = {path.parent.relative_to(repo) for path in (repo / "guardian").rglob("*.py")}
    found = {".".join(folder.parts) for folder in folders} | {"guardian.adapters", "guardian.models"}
    assert sorted(found) == project["tool"]["setuptools"]["packages"]


def test_every_package_has_an_init(project: dict[str, Any], repo: Path) -> None:
    mapped = project["tool"]["setuptools"]["package-dir"]
    for package in project["tool"]["setuptools"]["packages"]:
        assert (repo / mapped.get(package, package.replace(".", "/")) / "__init__.py").is_file(), package


def test_base_and_extras_keep_to_their_weight(project: dict[str, Any]) -> None:
    def names(requirements: list[str]) -> set[str]:
        return {re.split(r"[\[<>=~! ;]", requirement)[0] for requirement in requirements}

    extras = project["project"]["optional-dependencies"]
    base = names(project["project"]["dependencies"])
    assert base == {"pydantic", "numpy", "tokenizers", "typer", "rich", "pyyaml"}
    assert names(extras["cpu"]) == {"onnxruntime"}
    assert names(extras["gpu"]) == {"onnxruntime-gpu"}
    assert names(extras["train"]) >= {"torch", "transformers", "optimum", "optimum-onnx"}


LOCKS = ("constraints.txt", "constraints-litellm.txt")


def test_every_dependency_is_locked(project: dict[str, Any], repo: Path) -> None:
    for lock in LOCKS:
        lines = (repo / lock).read_text(encoding="utf-8").splitlines()
        locked = {line.split("==")[0] for line in lines if line and not line.startswith("#")}
        extras = project["project"]["optional-dependencies"]
        held = ["cpu", "litellm", "dev"] if "litellm" in lock else [name for name in extras if name != "litellm"]
        for requirement in [*project["project"]["dependencies"], *(one for name in held for one in extras[name])]:
            assert re.split(r"[\[<>=~! ;]", requirement)[0].lower() in locked, requirement


@pytest.mark.parametrize("lock", LOCKS)
def test_every_line_of_the_lock_is_exact(repo: Path, lock: str) -> None:
    for line in (repo / lock).read_text(encoding="utf-8").splitlines():
        assert line.startswith("#") or re.match(r"^[a-z0-9.-]+==[0-9][a-z0-9.]*( ;.*| +#.*)?$", line), line


def test_the_licence_is_apache(project: dict[str, Any], repo: Path) -> None:
    assert project["project"]["license"] == "Apache-2.0"
    text = (repo / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_no_model_file_is_too_large(repo: Path) -> None:
    limits = {"model.int8.onnx": 29_000_000, "model.fp16.onnx": 46_000_000}
    for path in (repo / "models").rglob("*.onnx"):
        assert path.stat().st_size <= limits.get(path.name, 100_000_000), path.name


def test_the_changelog_knows_the_version(repo: Path) -> None:
    assert f"## [{guardian.__version__}]" in (repo / "CHANGELOG.md").read_text(encoding="utf-8")
