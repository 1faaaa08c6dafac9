"""A long document before it goes to a model: all of it is read, and the verdict says where the trouble is."""

from __future__ import annotations

from pathlib import Path

from guardian import Guardian, Policy

DOCUMENT = Path(__file__).parent / "demo" / "third-party-notices.txt"

# Redact rather than block: the document goes on without the passages that were found.
guardian = Guardian(policy=Policy.from_mapping({"stages": {"document": {"injection": "redact", "harm": "redact"}}}))
text = DOCUMENT.read_text(encoding="utf-8")
verdict = guardian.check_document(text, task="Summarise this document.")

coverage = verdict.coverage
print(f"{len(text.split()):,} words: {verdict.reason}")
print(f"read {coverage.chars:,} of {coverage.total_chars:,} characters in {coverage.windows} windows")
for span in verdict.spans:
    line = text.count("\n", 0, span.start) + 1
    print(f"line {line}, {span.start / len(text):.0%} of the way, {span.hazard}: {text[span.start : span.end]!r}")

clean = verdict.redact(text)
print(f"{len(text) - len(clean):,} characters shorter without them")
