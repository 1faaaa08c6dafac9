"""The committed evaluation report of the shipped model, sized to run in some minutes on 2 cores.

    python benchmarks/report.py --data data/ --mix build/taught --out docs/report \\
        --compare fp32=build/second/onnx

Every benchmark is cut to `--limit` rows, drawn by hash, our own held-out ones to `--heldout-limit`; long documents are
tried at 2,000 and 20,000 words; the TF-IDF baseline learns from every sixth training row; further versions of the model
run on some benchmarks only (torch with `--compare torch=guardian.train.torch_backend:scorer`, GUARDIAN_RUN and
GUARDIAN_MODEL set). Without cuts: `guardian eval --data data/ --mix build/taught --compare ...`, which takes over an
hour.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from guardian import Guardian
from guardian.evaluate.report import write_report
from guardian.evaluate.runner import Options, run_evaluation
from guardian.evaluate.scorers import guardian_scorer
from guardian.scoring.models import load_backend


def thinned(path: Path, folder: Path, every: int = 6) -> Path:
    """Every sixth line of a file, as a file in `folder`."""
    lines = path.read_text(encoding="utf-8").split("\n")[::every]
    out = folder / path.name
    out.write_text("\n".join(line for line in lines if line) + "\n", encoding="utf-8")
    return out


# Where fp32, fp16 and torch stand beside int8: the sets with harmful and benign rows, and our own held-out split.
SIDE_BY_SIDE = (
    "simplesafetytests",
    "jailbreakbench",
    "notinject",
    "heldout_harm",
    "heldout_jailbreak",
    "heldout_injection",
    "heldout_response",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--mix", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--compare", nargs="*", default=[], help="[name=]model folder or package.module:factory")
    parser.add_argument("--limit", type=int, default=330)
    parser.add_argument("--heldout-limit", type=int, default=2000, help="like --limit, for the mixture's own rows")
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--documents", type=int, default=16)
    arguments = parser.parse_args()
    folder = tempfile.TemporaryDirectory()
    fp16 = Guardian(backend=load_backend(device="cpu", precision="fp16"))
    options = Options(
        scorers=(guardian_scorer(fp16, "fp16"),),
        train=thinned(arguments.mix / "train.jsonl", Path(folder.name)),
        heldout=arguments.mix / "test.jsonl",
        injections=arguments.mix / "injections.jsonl",
        limit=arguments.limit,
        heldout_limit=arguments.heldout_limit,
        trials=arguments.trials,
        documents=arguments.documents,
        lengths=(2_000, 20_000),
        depths=(0.1, 0.5, 0.99),
        compare_on=SIDE_BY_SIDE,
        command="python benchmarks/report.py --data data/ --mix build/taught --out docs/report --compare ...",
    )

    def progress(what: str, done: int, total: int) -> None:
        print(f"{what} {done}/{total}", file=sys.stderr)

    results = run_evaluation(
        Guardian(device="cpu"),
        data=arguments.data,
        benchmarks=None,
        out=arguments.out,
        compare=arguments.compare,
        progress=progress,
        options=options,
    )
    for path in write_report(results, arguments.out):
        print(path)


if __name__ == "__main__":
    main()
