"""The documentation is true: every snippet and every example runs, every link leads somewhere.

A comment before a code block says how it is treated:

    <!-- test: no model -->        Python that runs without the shipped model
    <!-- test: file NAME -->       saved as NAME for the blocks after it; a policy must also load
    <!-- test: exit N -->          the commands end with this status
    <!-- test: skip REASON -->     not run

The Python blocks of a page run in order as one program, with warnings as errors. Shell commands run one by one, in the
same folder: `guardian scan` may end with 0 or 1, everything else with 0. What installs, trains or takes minutes is
checked instead of run: extras and make targets have to exist, and so has every option of `guardian train` and
`guardian eval`.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from guardian.policy import Policy
from tests.adapters import upstream
from tests.conftest import MODEL, REPO

PAGES = sorted(
    path.relative_to(REPO).as_posix()
    for path in (
        REPO / "README.md",
        REPO / "CONTRIBUTING.md",
        REPO / "CHANGELOG.md",
        *(REPO / "docs").glob("*.md"),
        *(REPO / "docs" / "adapters").glob("*.md"),
    )
)
EXAMPLES = sorted(path.relative_to(REPO).as_posix() for path in (REPO / "examples").glob("*.py"))
NEEDS_NO_MODEL = {"examples/testing_your_app.py"}

_BLOCK = re.compile(r"^(?:<!-- test: (?P<how>[^>]*?) -->\n+)?```(?P<language>\w*)\n(?P<code>.*?)^```$", re.M | re.S)
_LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.M)
_SETUP = ("git clone", "cd ", "python3 -m venv", "source ", "export ")
_SLOW = (["guardian", "train"], ["guardian", "eval"])


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block of a page; `line` is that of its first line of code."""

    language: str
    how: str
    code: str
    line: int


def blocks(page: str) -> list[Block]:
    text = (REPO / page).read_text(encoding="utf-8")
    return [
        Block(m["language"], m["how"] or "", m["code"], text.count("\n", 0, m.start("code")) + 1)
        for m in _BLOCK.finditer(text)
    ]


def commands(block: Block) -> list[str]:
    """The commands of a shell block: lines without comments; in a console block only those after a `$`."""
    lines = block.code.replace("\\\n", " ").splitlines()
    if block.language == "console":
        lines = [line[2:] for line in lines if line.startswith("$ ")]
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def pages_with(*languages: str) -> list[str]:
    return [
        page for page in PAGES if any(b.language in languages and not b.how.startswith("skip") for b in blocks(page))
    ]


@pytest.fixture(scope="session", autouse=True)
def _upstream() -> Iterator[None]:
    """What the pages call in the place of OpenAI and Anthropic: a server on this machine with their wire formats."""

    def answer(path: str, body: dict[str, Any]) -> upstream.Answer:
        text = "Chickpeas are a legume. "
        if path.endswith("/messages"):
            found: Any = upstream.messages_answer({"type": "text", "text": text})
        elif body.get("stream"):
            return 200, "text/event-stream", iter([upstream.chat_stream(text)])
        else:
            found = upstream.chat_answer(text)
        return 200, "application/json", iter([json.dumps(found).encode()])

    with upstream.served(answer) as (url, _), pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_BASE_URL", f"{url}/v1")
        patch.setenv("OPENAI_API_KEY", "test")
        patch.setenv("ANTHROPIC_BASE_URL", url)
        patch.setenv("ANTHROPIC_API_KEY", "test")
        yield


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder with the examples in it, as the reader of a page has them."""
    shutil.copytree(REPO / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def execute(command: list[str | Path], cwd: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    programs = str(Path(sys.executable).parent)
    environ = os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "120"}
    return subprocess.run(
        command, cwd=cwd, env=environ, input=stdin, capture_output=True, text=True, timeout=300, check=False
    )


def save_files(page: str, folder: Path) -> None:
    for block in blocks(page):
        if block.how.startswith("file "):
            (folder / block.how.removeprefix("file ")).write_text(block.code, encoding="utf-8")


def run_python(page: str, folder: Path, *, model: bool) -> None:
    """Run the Python blocks of a page, with blank lines for the prose, so that errors give the page's own lines."""
    save_files(page, folder)
    program = ""
    for block in blocks(page):
        wanted = block.how == "no model" or (model and not block.how.startswith(("skip", "file")))
        if block.language == "python" and wanted:
            program += "\n" * (block.line - program.count("\n") - 1) + block.code
    script = folder / f"{Path(page).stem}.md.py"
    script.write_text(program, encoding="utf-8")
    result = execute([sys.executable, "-W", "error", script], folder)
    assert result.returncode == 0, f"{page}\n{result.stdout}\n{result.stderr}"


@pytest.mark.parametrize("page", [p for p in PAGES if any(b.how == "no model" for b in blocks(p))])
def test_python_without_a_model(page: str, folder: Path) -> None:
    run_python(page, folder, model=False)


@pytest.mark.model
@pytest.mark.parametrize("page", pages_with("python"))
def test_python(page: str, folder: Path) -> None:
    run_python(page, folder, model=True)


@pytest.mark.model
@pytest.mark.parametrize("page", pages_with("bash", "console"))
def test_shell(page: str, folder: Path) -> None:
    save_files(page, folder)
    for block in blocks(page):
        if block.language in ("bash", "console") and not block.how.startswith(("skip", "file")):
            expected = {int(block.how.removeprefix("exit "))} if block.how.startswith("exit ") else None
            for command in commands(block):
                check_command(command, folder, expected)


def check_command(command: str, folder: Path, expected: set[int] | None) -> None:
    words = shlex.split(command, comments=True)
    if command.startswith(_SETUP):
        return
    if words[0] == "make":
        assert execute(["make", "--dry-run", *words[1:]], REPO).returncode == 0, command
    elif "pip" in words[:3]:
        check_install(words)
    elif words[:2] in _SLOW:
        check_options(words, folder)
    else:
        allowed = expected or ({0, 1} if "guardian scan" in command else {0})
        if "| head" in command:
            allowed = {*allowed, 141}  # the scan's own, if it had more to say
        result = execute(["bash", "-o", "pipefail", "-c", command], folder)
        assert result.returncode in allowed, f"{command}\n{result.stdout}\n{result.stderr}"
        assert "Traceback" not in result.stderr, command


def check_install(words: list[str]) -> None:
    """What is installed is this distribution, with extras that it has, or just what `make model` installs by hand."""
    if "--no-deps" in words:
        assert f"--no-deps {words[-1]}\n" in (REPO / "Makefile").read_text(encoding="utf-8"), words
        return
    extras = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    targets = [m for word in words if (m := re.fullmatch(r"(slm-guardian|\.)(?:\[([\w,-]+)\])?", word))]
    assert targets, words
    for target in targets:
        assert set((target[2] or "cpu").split(",")) <= set(extras), words


def check_options(words: list[str], folder: Path) -> None:
    """Subcommand and options exist, according to the command's own help."""
    path = list(itertools.takewhile(lambda word: not word.startswith("-"), words))
    while len(path) > 2 and execute([*path, "--help"], folder).returncode:
        path.pop()
    shown = execute([*path, "--help"], folder)
    assert shown.returncode == 0, words
    for word in words:
        if word.startswith("--"):
            assert re.search(rf"(?<![\w-]){re.escape(word.split('=')[0])}(?![\w-])", shown.stdout), f"{words}: {word}"


@pytest.mark.parametrize("page", PAGES)
def test_policies_load(page: str, tmp_path: Path) -> None:
    save_files(page, tmp_path)
    for path in tmp_path.glob("*policy*"):
        Policy.from_file(path)


@pytest.mark.parametrize("page", PAGES)
def test_every_block_says_what_it_is(page: str) -> None:
    fences = re.findall(r"^```", (REPO / page).read_text(encoding="utf-8"), re.M)
    assert len(fences) == 2 * len(blocks(page)), "a block the tests do not see: indented, or its fence is odd"
    known = {"python", "bash", "console", "yaml", "toml", "json", "text"}
    assert {block.language for block in blocks(page)} <= known


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = (REPO / page).read_text(encoding="utf-8")
    for found in _LINK.finditer(re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)):
        target, _, anchor = (found[1] or found[2]).partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        path = ((REPO / page).parent / target).resolve() if target else REPO / page
        if path.is_relative_to(MODEL) and not MODEL.is_dir():
            continue
        assert path.exists(), f"{page} links to {target}, which does not exist"
        if anchor and path.suffix == ".md":
            assert anchor in anchors(path.read_text(encoding="utf-8")), f"{page} links to {target}#{anchor}"


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in _HEADING.findall(text)}


def test_every_page_is_reached_from_the_index() -> None:
    index = (REPO / "docs" / "index.md").read_text(encoding="utf-8")
    for path in (REPO / "docs").rglob("*.md"):
        name = path.relative_to(REPO / "docs").as_posix()
        assert name in ("index.md", "report/report.md") or f"({name})" in index, name


@pytest.mark.model
def test_every_figure_is_filled_in() -> None:
    """Figures are measured, never guessed: until they are, a mark stands in their place."""
    for page in PAGES:
        left = re.findall(r"@@NUMBER [\w.-]+@@", (REPO / page).read_text(encoding="utf-8"))
        assert not left, f"{page}: {left}"


@pytest.mark.parametrize(
    "example",
    [pytest.param(e, marks=[] if e in NEEDS_NO_MODEL else [pytest.mark.model]) for e in EXAMPLES],
)
def test_example(example: str, folder: Path) -> None:
    result = execute([sys.executable, "-W", "error", folder / example], folder)
    assert result.returncode == 0, f"{example}\n{result.stdout}\n{result.stderr}"
    assert result.stdout.strip(), "an example shows something"


@pytest.mark.parametrize("example", EXAMPLES)
def test_example_is_listed(example: str) -> None:
    assert f"({Path(example).name})" in (REPO / "examples" / "README.md").read_text(encoding="utf-8")
