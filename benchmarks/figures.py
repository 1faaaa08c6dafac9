"""Write the measured figures into the tables of README.md and docs/evaluation.md.

    python benchmarks/figures.py --report docs/report --speed build/speed.json --footprint-mb 247

Every row is found by its first cell and filled from the report's results.json, the model's manifest and the output of
`benchmarks/speed.py --json`; a row that is not found is an error, so that none goes stale unseen. So is README's
paragraph of the targets that were missed, and the share of plainly harmful prompts missed among its limits.
"""

from __future__ import annotations

import argparse
import json
import re
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from guardian.evaluate.metrics import Estimate
from guardian.evaluate.results import Results
from guardian.scoring.manifest import Manifest

ROOT = Path(__file__).parent.parent
DEPTHS = (0.1, 0.5, 0.99)
# benchmark, figure, row in the README, row in docs/evaluation.md
BENCHMARKS = (
    ("simplesafetytests", "recall", "SimpleSafetyTests: harmful prompts found", "SimpleSafetyTests recall"),
    (
        "jailbreakbench",
        "f1",
        "JailbreakBench behaviours: F1, harmful against benign twins",
        "JailbreakBench behaviours F1",
    ),
    ("orbench_toxic", "recall", "OR-Bench-Toxic: harmful prompts found", "OR-Bench-Toxic recall"),
    (
        "orbench_hard",
        "accuracy",
        "OR-Bench-Hard: safe prompts that sound unsafe, let pass",
        "OR-Bench-Hard safe accuracy",
    ),
    (
        "coconot_contrast",
        "block_rate",
        "CoCoNot contrast: safe look-alikes stopped",
        "CoCoNot contrast block rate",
    ),
    ("notinject", "accuracy", "NotInject: safe prompts with trigger words, let pass", "NotInject accuracy"),
)


def shown(estimate: Estimate, *, interval: bool = True) -> str:
    """`0.876 (0.796–0.928)`, or a dash where there is no value."""
    if estimate.value is None:
        return "–"
    around = interval and estimate.low is not None and estimate.high is not None
    return f"{estimate.value:.3f}" + (f" ({estimate.low:.3f}–{estimate.high:.3f})" if around else "")


def figure(results: Results, benchmark: str, name: str, scorer: str | None = None, *, interval: bool = True) -> str:
    found = results.of(benchmark, scorer or results.main)
    return "–" if found is None else shown(found.figure(name), interval=interval)


def at_depths(results: Results, kind: str) -> str:
    """Recall at the three depths of the longest documents."""
    cells = [] if results.depth is None else [cell for cell in results.depth.cells if cell.kind == kind]
    longest = max((cell.words for cell in cells), default=0)
    of_depth = {cell.depth: cell.recall.value for cell in cells if cell.words == longest}
    return " / ".join("–" if of_depth.get(d) is None else f"{of_depth[d]:.2f}" for d in DEPTHS)


def worst_trick(results: Results) -> str:
    lost = {t.trick: t.lost.value for t in results.tricks if t.head == "harm" and t.lost.value is not None}
    worst = max(lost, key=lost.__getitem__)
    return f"{lost[worst]:.3f} ({worst.replace('_', ' ')}; mean {sum(lost.values()) / len(lost):.3f})"


def rows(
    results: Results, notes: Mapping[str, Any], speed: Mapping[str, Any], footprint: float
) -> tuple[dict[str, str], dict[str, str]]:
    """First cell -> the rest of the row, for the README and for docs/evaluation.md."""
    readme, manual = {}, {}
    for benchmark, name, short, long in BENCHMARKS:
        readme[short] = figure(results, benchmark, name)
        others = [figure(results, benchmark, name, scorer, interval=False) for scorer in ("keywords", "tfidf")]
        manual[long] = " | ".join([readme[short], *others])
    ece = notes["ece"]
    worst = max(ece, key=ece.__getitem__)
    int8, fp32 = notes["gate"]["int8"], notes["gate"]["fp32"]
    (prompt,) = (row for row in speed["latency"] if row["tokens"] == 32)
    cold = {key: value["p50"] for key, value in speed["cold"].items()}
    own, unseen = (figure(results, name, "recall_at_fpr_0.01") for name in ("heldout_injection", "promptshield"))
    injection, passage = at_depths(results, "injection"), at_depths(results, "harm")
    readme |= {
        "Injections of our held-out split found, at 1 % false positives": own,
        "Injections of a source it never saw (PromptShield), at 1 % false positives": unseen,
        "Injection in a 20,000-word document, at a budget of 1 % of documents, at 10 / 50 / 99 % depth": injection,
        "Harmful passage of 150 words in the same, at 10 / 50 / 99 % depth": passage,
        "Recall lost to the worst of 12 character tricks": worst_trick(results),
        "Calibration error (ECE) of the worst head": f"{ece[worst]:.3f} ({worst})",
        "One 32-token prompt, 2 cores, median of `check` with everything on": f"{prompt['check']['p50']:.1f} ms, "
        f"{prompt['overhead']['p50']:.1f} ms of it around the model",
        "`import guardian` / first verdict from cold / resident memory": f"{cold['import_s']:.2f} s / "
        f"{cold['first_verdict_s']:.2f} s / {cold['rss_mb']:.0f} MB",
        "What `pip install slm-guardian[cpu]` adds to an empty environment": f"{footprint:.0f} MB",
    }
    manual |= {
        "injection recall at 1 % false positives, our held-out split": own,
        "injection recall at 1 % false positives, a source it never saw (PromptShield)": unseen,
        "injection in a 20,000-word document at a budget of 1 % of documents, depth 10 / 50 / 99 %": injection,
        "harmful passage of 150 words, same": passage,
        "expected calibration error, worst head": f"{ece[worst]:.3f} ({worst})",
        "recall at 1 % false positives, int8 minus fp32": ", ".join(
            f"{head} {int8[head] - fp32[head]:+.3f}" for head in sorted(fp32)
        ),
        "recall lost to the worst of 12 character tricks": worst_trick(results),
        "one 32-token prompt, median of `check` with everything on": f"{prompt['check']['p50']:.1f} ms",
        "the bare ONNX call of it": f"{prompt['bare']['p50']:.1f} ms",
        "median of what `check` adds to it": f"{prompt['overhead']['p50']:.1f} ms",
        "document of 20,000 words": f"{speed['document']['seconds']:.1f} s",
        "`import guardian`": f"{cold['import_s']:.2f} s",
        "first verdict from cold, process start included": f"{cold['first_verdict_s']:.2f} s",
        "resident memory after it": f"{cold['rss_mb']:.0f} MB",
        "added by `pip install slm-guardian[cpu]` to an empty environment, bytecode included": f"{footprint:.0f} MB",
    }
    return readme, manual


def fill(path: Path, table: Mapping[str, str]) -> None:
    """Replace what follows the first cell of every row in `table`. KeyError names a row that is not in the file."""
    lines = path.read_text(encoding="utf-8").split("\n")
    at = {line.split(" | ", 1)[0].removeprefix("| "): n for n, line in enumerate(lines) if line.startswith("| ")}
    for first, rest in table.items():
        lines[at[first]] = f"| {first} | {rest} |"
    path.write_text("\n".join(lines), encoding="utf-8")


_SHORT = "**Figures that fall short of what we set out to reach:**"


def fill_shortfalls(path: Path, results: Results) -> None:
    """Rewrite README's paragraph of missed targets, and its limit on plainly harmful prompts."""
    text = path.read_text(encoding="utf-8")
    missed = [
        f"{target.title} {target.measured.value:.3f} (wanted: {target.wanted})"
        for target in results.targets
        if target.held is False and target.measured.value is not None
    ]
    paragraph = textwrap.fill(f"{_SHORT} {'; '.join(missed) or 'none'}.", 120, break_on_hyphens=False)
    text, found = re.subn(re.escape(_SHORT) + r".*?(?=\n\n)", lambda _: paragraph, text, flags=re.DOTALL)
    recall = results.of("simplesafetytests", results.main)
    share = 0.0 if recall is None else 1 - (recall.figure("recall").value or 0.0)
    text, limits = re.subn(r"it misses \d+ ?%", f"it misses {share:.0%}", text)
    if (found, limits) != (1, 1):
        raise KeyError(f"{path}: {found} paragraphs of missed targets and {limits} limits, one each expected")
    path.write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", type=Path, default=ROOT / "docs" / "report")
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "guardian-mini")
    parser.add_argument("--speed", type=Path, required=True)
    parser.add_argument("--footprint-mb", type=float, required=True)
    arguments = parser.parse_args()
    results = Results.load(arguments.report / "results.json")
    speed = json.loads(arguments.speed.read_text(encoding="utf-8"))
    readme, manual = rows(results, Manifest.load(arguments.model).notes, speed, arguments.footprint_mb)
    fill(ROOT / "README.md", readme)
    fill(ROOT / "docs" / "evaluation.md", manual)
    fill_shortfalls(ROOT / "README.md", results)
    for target in results.targets:
        print(f"{target.title}: wanted {target.wanted}, measured {shown(target.measured)}, held: {target.held}")


if __name__ == "__main__":
    main()
