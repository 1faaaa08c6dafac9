"""Many prompts at once: `check_many` fills the model's batches across texts."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from guardian import Guardian

rows = [json.loads(line) for line in (Path(__file__).parent / "demo" / "prompts.jsonl").open(encoding="utf-8")]
verdicts = Guardian().check_many(row["text"] for row in rows)

for row, verdict in zip(rows, verdicts, strict=True):
    print(f"{verdict.action:6} {row['kind']:20} {', '.join(verdict.triggered)}")
print(dict(Counter(verdict.action.value for verdict in verdicts)))
