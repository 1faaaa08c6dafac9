"""Defects that other guardrail packages have shown, and guardian in the same experiments: one table.

    python benchmarks/peers.py [--only NAME ...] [--json FILE]

Each peer is installed from PyPI at a stated version in an environment of its own (.peers/NAME) and runs its script of
benchmarks/peers there, through its documented API with its defaults; guardian runs benchmarks/peers/ours.py. The texts
are the same (benchmarks/peers/inputs.py). Apart from the installation nothing uses a network.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import venv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from guardian import Guardian

HERE = Path(__file__).parent / "peers"
PEERS_HOME = Path(__file__).parents[1] / ".peers"
LONGEST = 1800
"""Seconds for an installation or a script."""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Peer:
    """A package on PyPI. No script has the name of an import package: it would be imported in its place."""

    name: str
    version: str
    script: str
    install: tuple[str, ...] = ()
    """The arguments of each `pip install`; none: this version."""

    @property
    def steps(self) -> list[str]:
        return list(self.install) or [f"{self.name}=={self.version}"]


TORCH = "torch==2.13.0"  # on its own and first, so that a CPU wheel is taken where the index has one

PEERS = (
    # langchain-core 1.8 asks for a certifi that PyPI did not have yet: it is laid over what an older one resolved to.
    Peer(
        "langchain",
        "1.5.0",
        "langchain_pii.py",
        ("langchain==1.4.7", "--no-deps langchain==1.5.0 langchain-core==1.8.2 langgraph==1.2.22"),
    ),
    Peer("nemoguardrails", "0.24.1", "nemo.py"),
    Peer("openai-guardrails", "0.3.6", "openai_guardrails.py"),
    Peer("guardrails-ai", "0.11.0", "guardrails_streams.py"),
    Peer("pydantic-ai-shields", "0.3.4", "shields.py"),
    Peer("stackone-defender", "0.9.4", "stackone.py", ("stackone-defender[onnx]==0.9.4",)),
    Peer("llm-guard", "0.3.16", "llm_guard_scanners.py", (TORCH, "llm-guard==0.3.16")),
    Peer("llamafirewall", "1.0.3", "llama_firewall.py", (TORCH, "llamafirewall==1.0.3")),
)


class NotRun(Exception):
    """Why a system could not be measured."""


def environment(peer: Peer) -> Path:
    """The Python of the peer's own environment, made and filled where it is not there yet."""
    home = PEERS_HOME / peer.name
    done = home / "installed.json"
    python = home / "bin" / "python"
    if done.exists() and json.loads(done.read_text(encoding="utf-8")) == peer.steps:
        return python
    print(f"installing {peer.name} {peer.version} ...", file=sys.stderr)
    venv.create(home, with_pip=True, clear=True)
    for step in peer.steps:
        run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *step.split()])
    done.write_text(json.dumps(peer.steps), encoding="utf-8")
    return python


def run(command: Sequence[str | Path]) -> str:
    """The output of a command; NotRun with its last words where it fails."""
    # PYTHONPATH and the like are of the environment this runs in, and would mix it with the peer's.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, env=inherited, check=False)
    except subprocess.TimeoutExpired:
        raise NotRun(f"took more than {LONGEST} s") from None
    if done.returncode:
        raise NotRun((done.stderr.strip().splitlines() or ["no message"])[-1])
    return done.stdout


def rows(python: Path | str, script: str) -> list[Row]:
    """What a script says: the last line it prints."""
    found: list[Row] = json.loads(run([python, HERE / script]).splitlines()[-1])
    return found


def about() -> dict[str, str]:
    """The machine, and the guardian."""
    model = Guardian().model
    return {
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} cores of {platform.machine()}, {platform.system()}",
        "python": platform.python_version(),
        "guardian": version("slm-guardian"),
        "model": f"{model.name} {model.version} ({model.hash[:12]})",
    }


def markdown(about: Mapping[str, str], results: Iterable[Mapping[str, Any]], not_run: Mapping[str, str]) -> str:
    lines = [
        "{date}, {machine}, Python {python}, guardian {guardian} with {model}.".format_map(about),
        "",
        "| system | experiment | what it does | defect | what guardian does | defect |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for result in results:
        cells = [result["system"], result["what"]]
        for side in (result["peer"], result["guardian"]):
            cells += [side["did"], "yes" if side["defect"] else "no"]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    lines += ["", *(f"Not run: {name} ({why})." for name, why in not_run.items())]
    return "\n".join(lines).rstrip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=[peer.name for peer in PEERS], metavar="NAME", help="these peers")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    ours = {row["experiment"]: row for row in rows(sys.executable, "ours.py")}
    results: list[dict[str, Any]] = []
    not_run: dict[str, str] = {}
    for peer in PEERS:
        if given.only and peer.name not in given.only:
            continue
        try:
            found = rows(environment(peer), peer.script)
        except NotRun as problem:
            not_run[peer.name] = str(problem)
            continue
        results += [
            {
                "system": f"{peer.name} {peer.version}",
                "what": row["what"],
                "peer": row,
                "guardian": ours[row["experiment"]],
            }
            for row in found
        ]
    report = {"about": about(), "results": results, "not_run": not_run}
    print(markdown(report["about"], results, not_run))  # type: ignore[arg-type]
    if given.json:
        given.json.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
