"""How good the safeguard replies are: the rubric over held-out requests, and a list of them to read one by one.

    python benchmarks/replies.py --requests build/mix/test.jsonl [--model NAME|DIR] [--limit 200] [--list replies.md]

Prints the table in Markdown. With a model that writes none, all replies are templates, and so are theirs the figures.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from guardian.evaluate.replies import judged_replies, listing, read_requests, table
from guardian.guard import Guardian


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=Path, required=True, metavar="FILE", help="JSON lines with harmful texts")
    parser.add_argument("--model", metavar="NAME|DIR")
    parser.add_argument("--limit", type=int, default=200, metavar="N")
    parser.add_argument("--list", type=Path, metavar="FILE", help="where requests and replies go, to be read")
    arguments = parser.parse_args()
    guardian = Guardian(arguments.model)
    judged = list(judged_replies(guardian, read_requests(arguments.requests, arguments.limit)))
    print(f"{guardian.model.name} {guardian.model.version}, {len(judged)} requests\n")
    print("\n".join(table(judged)))
    if arguments.list is not None:
        arguments.list.write_text("\n".join(listing(judged)), encoding="utf-8")


if __name__ == "__main__":
    main()
