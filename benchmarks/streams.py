"""Streams under guard, with the shipped model on real answers: what leaks, how much is read, how often the decision is
that on the whole text.

    python benchmarks/streams.py --data DIR [--chunkings 50] [--json FILE]

The answers are those of the evaluation files. A score is worked out once for each window: chunks change neither windows
nor scores, which is what the runs show.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from guardian import Guardian, Verdict
from guardian.evaluate.benchmarks import find_file, read_jsonl
from guardian.evaluate.metrics import wilson
from guardian.scoring.models import load_backend
from guardian.scoring.wrapped import RememberingBackend
from guardian.text.holdback import HOLDBACK

FILES = ("beavertails_test.jsonl.gz", "saferlhf_test.jsonl.gz")
SIZES = (128, 256, 384, HOLDBACK, 768, 1024)


@dataclass(frozen=True, slots=True)
class Answer:
    prompt: str
    text: str
    whole: Verdict


def answers(data: Path, guardian: Guardian, harmful: int, mixed: int) -> tuple[list[Answer], list[Answer]]:
    """Answers that the verdict on the whole text stops, and answers as they come; both drawn by seed."""
    rows = [raw for name in FILES for raw in read_jsonl(find_file(data / "eval", name)) if len(raw["response"]) > 40]
    random.Random(11).shuffle(rows)
    stopped: list[Answer] = []
    taken: list[Answer] = []
    for raw in rows:
        answer = Answer(raw["text"], raw["response"], guardian.check_response(raw["text"], raw["response"]))
        if len(taken) < mixed:
            taken.append(answer)
        if answer.whole.blocked:
            stopped.append(answer)
        if len(stopped) >= harmful and len(taken) >= mixed:
            break
    return stopped[:harmful], taken


def chunked(text: str, rng: random.Random) -> list[str]:
    most = rng.choice((1, 7, 32, 200))
    chunks, position = [], 0
    while position < len(text):
        length = rng.randint(1, most)
        chunks.append(text[position : position + length])
        position += length
    return chunks


def leaks(guardian: Guardian, stopped: Sequence[Answer], chunkings: int) -> dict[str, float]:
    """Streams of answers that are stopped, in random chunks."""
    rng = random.Random(5)
    found = {"streams": 0, "cut": 0, "leaked_chars": 0, "leaked_chars_whole": 0, "differ": 0}
    shares: list[float] = []
    for answer in stopped:
        outcomes = set()
        for _ in range(chunkings):
            guard = guardian.stream_guard(answer.prompt)
            sent = "".join(guard.feed(chunk) for chunk in chunked(answer.text, rng)) + guard.finish()
            verdict = guard.verdict
            assert verdict is not None
            found["streams"] += 1
            found["cut"] += guard.cut
            spans = verdict.spans if guard.cut else ()
            found["leaked_chars"] += sum(max(0, min(span.end, len(sent)) - span.start) for span in spans)
            found["leaked_chars_whole"] += sum(max(0, min(s.end, len(sent)) - s.start) for s in answer.whole.spans)
            outcomes.add((guard.cut, sent, verdict.spans, verdict.findings))
            if guard.cut:
                shares.append(len(sent) / len(answer.text))
        found["differ"] += len(outcomes) > 1
    return {**found, "delivered_before_cut_median": statistics.median(shares)}


def by_size(guardian: Guardian, mixed: Sequence[Answer]) -> list[dict[str, float]]:
    rows: list[dict[str, float]] = []
    for size in SIZES:
        agree = stopped = missed = scanned = produced = 0
        for answer in mixed:
            guard = guardian.stream_guard(answer.prompt, holdback_chars=size)
            guard.feed(answer.text)
            guard.finish()
            agree += guard.cut == answer.whole.blocked
            stopped += guard.cut and not answer.whole.blocked
            missed += answer.whole.blocked and not guard.cut
            scanned += guard.scanned
            produced += len(answer.text)
        interval = wilson(agree, len(mixed))
        rows.append(
            {
                "holdback_chars": size,
                "agree": agree / len(mixed),
                "agree_low": interval.low,
                "agree_high": interval.high,
                "stopped_besides": stopped / len(mixed),
                "missed": missed / len(mixed),
                "scanned_per_char": scanned / produced,
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--harmful", type=int, default=200)
    parser.add_argument("--mixed", type=int, default=1500)
    parser.add_argument("--chunkings", type=int, default=50)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    guardian = Guardian(backend=RememberingBackend(load_backend(device="cpu")))
    stopped, mixed = answers(given.data, guardian, given.harmful, given.mixed)
    result = {
        "answers_stopped": len(stopped),
        "answers_mixed": len(mixed),
        "leaks": leaks(guardian, stopped, given.chunkings),
        "by_size": by_size(guardian, mixed),
    }
    print(f"{len(stopped)} answers that are stopped, in {result['leaks']['streams']} streams of random chunks:")  # type: ignore[index]
    for name, value in result["leaks"].items():  # type: ignore[attr-defined]
        print(f"  {name}: {value:g}")
    print(f"\n{len(mixed)} answers as they come, against the verdict on the whole text:\n")
    print("| held back | agree | stopped besides | missed | scanned / char |\n| --- | --- | --- | --- | --- |")
    for row in result["by_size"]:  # type: ignore[attr-defined]
        print(
            f"| {row['holdback_chars']} | {row['agree']:.3f} ({row['agree_low']:.3f}-{row['agree_high']:.3f}) "
            f"| {row['stopped_besides']:.3f} | {row['missed']:.3f} | {row['scanned_per_char']:.2f} |"
        )
    if given.json:
        given.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
