"""The command line: `guardian scan | policy | models | eval | train`.

Every command imports what it needs when it runs, so that help and completion stay fast.
"""

from __future__ import annotations


def main() -> None:
    """The entry point `guardian`."""
    from guardian.cli.app import run

    run()
