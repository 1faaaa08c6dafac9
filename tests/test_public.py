"""The public names, and what importing them costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import guardian

HEAVY = ("torch", "onnxruntime", "numpy", "tokenizers", "transformers", "yaml", "pypdf", "docx", "bs4", "typer", "rich")
FRAMEWORKS = ("langchain", "langchain_core", "openai", "anthropic", "litellm", "fastapi", "starlette", "httpx", "mcp")

BLOCK = f"""
import sys
for name in {HEAVY + FRAMEWORKS!r}:
    sys.modules[name] = None  # importing it raises ImportError
"""


def run(code: str) -> str:
    root = Path(guardian.__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_names_are_sorted_and_there() -> None:
    assert guardian.__all__ == sorted(guardian.__all__)
    assert len(set(guardian.__all__)) == len(guardian.__all__)
    for name in guardian.__all__:
        assert getattr(guardian, name).__module__.startswith("guardian."), name
    assert set(guardian.__all__) <= set(dir(guardian))


def test_every_error_is_public() -> None:
    errors = {name for name, value in vars(guardian.errors).items() if isinstance(value, type)}
    assert errors <= set(guardian.__all__)


def test_names_that_do_not_exist_are_errors() -> None:
    assert not hasattr(guardian, "Gaurdian")


def test_types_are_shipped() -> None:
    assert (Path(guardian.__file__).parent / "py.typed").is_file()


def test_import_and_a_check_need_nothing_heavy() -> None:
    code = (
        "from guardian import *\n"
        "from guardian import Guardian, ScriptedBackend, guard\n"
        "assert Guardian(backend=ScriptedBackend({'bomb': {'harm': 0.9}})).check('a bomb').blocked\n"
    )
    run(BLOCK + code)


def test_import_loads_only_pydantic() -> None:
    code = (
        "import sys, pydantic\nbefore = set(sys.modules)\nimport guardian\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before} - sys.stdlib_module_names\n"
        "print(*sorted(name for name in new if not name.startswith('_')))"
    )
    loaded = set(run(code).split())
    assert loaded <= {"guardian", "pydantic", "pydantic_core", "annotated_types", "typing_extensions"}


def test_the_decorator_is_not_hidden_by_the_module_of_its_name() -> None:
    for first in ("guardian", "guardian.guard", "guardian.decorator", "guardian.verdict"):
        run(f"import {first}\nfrom guardian import guard\nassert callable(guard)\nfrom guardian.guard import Guardian")


def test_the_backend_is_not_looked_for_before_it_is_needed() -> None:
    run("import guardian, sys\nguardian.Guardian()\nassert 'guardian.scoring.onnx' not in sys.modules")
