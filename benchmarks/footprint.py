"""What the wheel with extra `cpu` adds to an empty environment, in MB, bytecode included.

    python benchmarks/footprint.py dist/slm_guardian-0.1.0-py3-none-any.whl [--constraint constraints.txt]

Makes two virtual environments in a temporary folder, one empty and one with the wheel, and compares them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import venv
from collections import Counter
from pathlib import Path


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def by_package(site: Path) -> Counter[str]:
    return Counter({entry.name: size(entry) for entry in site.iterdir() if entry.is_dir()})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--constraint", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        empty, full = Path(folder, "empty"), Path(folder, "full")
        for place in (empty, full):
            venv.create(place, with_pip=True)
        limit = ["-c", str(arguments.constraint.absolute())] if arguments.constraint else []
        subprocess.run(
            [full / "bin" / "python", "-m", "pip", "install", "-q", *limit, f"{arguments.wheel.absolute()}[cpu]"],
            check=True,
        )
        subprocess.run([full / "bin" / "python", "-m", "compileall", "-q", full / "lib"], check=False)
        subprocess.run([empty / "bin" / "python", "-m", "compileall", "-q", empty / "lib"], check=False)
        print(f"added: {(size(full) - size(empty)) / 1e6:.0f} MB (Python {sys.version.split()[0]})")
        site = next((full / "lib").glob("python*/site-packages"))
        for name, amount in by_package(site).most_common(12):
            print(f"  {amount / 1e6:6.1f} MB  {name}")


if __name__ == "__main__":
    main()
