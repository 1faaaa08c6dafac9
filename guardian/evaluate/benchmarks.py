"""From a file to labelled rows.

A benchmark is a registered name (registry.py), or any JSON-lines file, plain or gzip, with options:
`parse_benchmark("path.jsonl,stage=document,head=injection,label=attack")`. Rows become `Row`s, which carry
what the runner needs and nothing else.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from guardian.errors import ConfigError
from guardian.evaluate.hazards import hazards_of
from guardian.evaluate.registry import HEADS, POOLED, REGISTRY, Benchmark, Measure, Row, mix_benchmarks
from guardian.verdict import Stage

__all__ = [
    "POOLED",
    "REGISTRY",
    "Benchmark",
    "Measure",
    "Row",
    "benchmark_of",
    "describe",
    "find_file",
    "load",
    "mix_benchmarks",
    "parse_benchmark",
    "read_jsonl",
]


def benchmark_of(spec: str) -> Benchmark:
    """A registered name, or a path to a JSON-lines file with options (see `parse_benchmark`). ConfigError if
    neither.
    """
    if spec in REGISTRY:
        return REGISTRY[spec]
    if ".jsonl" in spec or Path(spec.partition(",")[0]).is_file():
        return parse_benchmark(spec)
    raise ConfigError("benchmarks", f"no benchmark {spec!r}; known: {', '.join(REGISTRY)}; or a path to a .jsonl file")


_OPTIONS = (
    "name",
    "title",
    "measure",
    "head",
    "stage",
    "text",
    "context",
    "label",
    "group",
    "category",
    "note",
    "positive",
)


def parse_benchmark(spec: str) -> Benchmark:
    """`path.jsonl[.gz][,option=value...]` as a benchmark.

    Options: name, title, measure, head, stage (or `row`: read from each row), text, context, label, group,
    category, note, and positive: the label value that counts as 1, every other value but null as 0.
    ConfigError names a bad option.
    """
    path, *options = spec.split(",")
    given = dict(option.partition("=")[::2] for option in options)
    for key, value in given.items():
        if key not in _OPTIONS or not value:
            raise ConfigError(f"benchmarks.{path}.{key}", f"unknown or empty option; known: {', '.join(_OPTIONS)}")
    name = given.pop("name", Path(path.removesuffix(".gz")).stem)
    stage, positive = given.pop("stage", "prompt"), given.pop("positive", None)
    head = given.pop("head", "harm")
    if head not in HEADS:
        raise ConfigError(f"benchmarks.{path}.head", f"{head!r} is not one of {', '.join(HEADS)}")
    try:
        measure = Measure(given.pop("measure", "attack" if head in ("jailbreak", "injection") else "harm"))
        of_stage = None if stage == "row" else Stage(stage)
    except ValueError as error:
        raise ConfigError(f"benchmarks.{path}", str(error)) from None
    made = Benchmark(name, given.pop("title", name), path, measure, head=head, stage=of_stage, **given)  # type: ignore[arg-type]
    return made if positive is None else replace(made, values={positive: 1, "*": 0})


def find_file(data: Path, file: str) -> Path:
    """The file of a benchmark: an absolute path, or under `data`, `data/eval`, or the folder above `data`.
    ConfigError if none.
    """
    name = Path(file)
    places = (name,) if name.is_absolute() else (data / name, data / "eval" / name, data.parent / name, name)
    for place in places:
        if place.is_file():
            return place
    raise ConfigError(
        "data",
        f"{places[0]} does not exist (--data or GUARDIAN_DATA names the folder of the .jsonl.gz files)",
    )


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """Rows of a JSON-lines file, gzip if the name ends in .gz. ConfigError names the file and the line that
    is wrong.
    """
    number = 0
    try:
        with _opened(path) as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    row = json.loads(line)
                    if not isinstance(row, dict):
                        raise ConfigError(str(path), f"line {number} is not a JSON object")
                    yield row
    except (json.JSONDecodeError, UnicodeDecodeError, gzip.BadGzipFile, EOFError) as error:
        raise ConfigError(str(path), f"after line {max(number - 1, 0)}: not JSON lines ({error})") from None


def _opened(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


def load(benchmark: Benchmark, data: Path) -> list[Row]:
    """The labelled rows of a benchmark, in file order. ConfigError names a missing file, field or stage."""
    path = find_file(data, benchmark.file)
    return [row for n, raw in enumerate(read_jsonl(path)) if (row := _row(benchmark, raw, path, n)) is not None]


def _row(benchmark: Benchmark, raw: Mapping[str, Any], path: Path, number: int) -> Row | None:
    if any(str(raw.get(key)) not in allowed for key, allowed in benchmark.where.items()):
        return None
    label = _label(benchmark, raw)
    if label is None:
        return None
    text = raw.get(benchmark.text)
    if not isinstance(text, str):
        raise ConfigError(str(path), f"row {number + 1} has no string field {benchmark.text!r}")
    context = raw.get(benchmark.context) if benchmark.context else None
    return Row(
        id=str(raw.get("id", f"{benchmark.name}-{number}")),
        text=text,
        stage=_stage(benchmark, raw, path, number),
        label=label,
        context=None if context is None else str(context),
        group=None if benchmark.group is None or raw.get(benchmark.group) is None else str(raw[benchmark.group]),
        hazards=_hazards(benchmark, raw) if label else frozenset(),
    )


def _hazards(benchmark: Benchmark, raw: Mapping[str, Any]) -> frozenset[str]:
    """Hazards of a positive row: its own `hazards` (the mix's files), or those that its category stands for."""
    if benchmark.head != "harm":
        return frozenset()
    if isinstance(raw.get("hazards"), list):
        return frozenset(str(hazard) for hazard in raw["hazards"])
    category = raw.get(benchmark.category) if benchmark.category else None
    return hazards_of(benchmark.name, category) or frozenset()


def _label(benchmark: Benchmark, raw: Mapping[str, Any]) -> int | None:
    value = raw.get(benchmark.label)
    if value is None:
        return None
    return benchmark.values.get(
        str(value).lower() if isinstance(value, bool) else str(value), benchmark.values.get("*")
    )


def _stage(benchmark: Benchmark, raw: Mapping[str, Any], path: Path, number: int) -> Stage:
    if benchmark.stage is not None:
        return benchmark.stage
    try:
        return Stage(raw.get("stage", "prompt"))
    except ValueError:
        raise ConfigError(str(path), f"row {number + 1}: {raw['stage']!r} is not a stage") from None


def describe(benchmarks: Sequence[Benchmark]) -> list[dict[str, str]]:
    """Name, title, what is measured and note of each, for `guardian eval --list`."""
    shown = ("name", "title", "measure", "head", "file", "note")
    return [{key: str(getattr(benchmark, key)) for key in shown} for benchmark in benchmarks]
