"""The distribution, built and installed the way a user would, without a network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pytest

# What the build reads; everything else of the repository must not matter to it.
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "NOTICE", "guardian", "adapters", "models")

# Runs at the start of every Python of the environment: there is no network.
NO_NETWORK = """
import socket
def refuse(*args, **kwargs):
    raise RuntimeError("guardian tried to use the network")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = socket.create_connection = refuse
"""

# The same, and onnxruntime is not installed.
NO_RUNTIME = NO_NETWORK + "import sys; sys.modules['onnxruntime'] = None\n"


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment whose programs run from an empty folder, with no network."""

    folder: Path
    cwd: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def site_packages(self) -> Path:
        return next(self.folder.glob("lib/python3.*/site-packages"))

    def run(
        self,
        *command: str | Path,
        stdin: str = "",
        startup: str = NO_NETWORK,
        environ: Mapping[str, str] = MappingProxyType({}),
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment; the caller judges its exit status."""
        (self.cwd / "sitecustomize.py").write_text(startup)
        program, *arguments = command
        return subprocess.run(
            [self.folder / "bin" / program, *arguments],
            cwd=self.cwd,
            env={**bare_environ(), "PYTHONPATH": str(self.cwd), **environ},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def evaluate(self, code: str) -> str:
        """What a line of Python prints in this environment."""
        result = self.run("python", "-c", code)
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()


def bare_environ() -> dict[str, str]:
    """What every user has in the environment. Libraries behave differently where they see CI or a switch of ours."""
    return {key: os.environ[key] for key in ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL") if key in os.environ}


def clean_environ() -> dict[str, str]:
    """This process's environment for pip, less what changes where Python looks for modules and puts bytecode."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}


def run(*command: str | Path, cwd: Path | None = None) -> None:
    result = subprocess.run(command, cwd=cwd, env=clean_environ(), capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"


def environment(folder: Path, repo: Path, *requirements: str | Path) -> Environment:
    """A fresh environment with `requirements` installed from the fetched wheels alone."""
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    cwd = folder / "elsewhere"
    cwd.mkdir()
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "--quiet"]
    offline = ["--no-index", "--find-links", str(repo / ".wheels"), "-c", str(repo / "constraints.txt")]
    run(*pip, *offline, *requirements, cwd=cwd)
    return Environment(folder, cwd)


@pytest.fixture(scope="session")
def source(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the build reads, so that no earlier build can leak into it."""
    folder = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        if (repo / name).is_dir():
            shutil.copytree(repo / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(repo / name, folder / name)
    return folder


@pytest.fixture(scope="session")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the sdist as an index would have it."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, source)
    (built,) = folder.glob("*.whl")
    assert len(list(folder.glob("*.tar.gz"))) == 1
    return built


@pytest.fixture(scope="session")
def installed(wheel: Path, repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A fresh environment with the wheel and its extras cpu and documents: no torch, no compiler, no network."""
    return environment(
        tmp_path_factory.mktemp("user") / "venv", repo, f"slm-guardian[cpu,documents] @ {wheel.as_uri()}"
    )


@pytest.fixture(scope="session")
def editable(source: Path, repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A fresh environment with an editable install of the copied sources, with the extra cpu."""
    env = environment(tmp_path_factory.mktemp("developer") / "venv", repo, "setuptools", "wheel")
    pip = [sys.executable, "-m", "pip", "--python", str(env.python), "install", "--quiet"]
    offline = ["--no-index", "--find-links", str(repo / ".wheels"), "-c", str(repo / "constraints.txt")]
    run(*pip, *offline, "--no-build-isolation", "--no-compile", "-e", f"{source}[cpu]", cwd=env.cwd)
    return env
