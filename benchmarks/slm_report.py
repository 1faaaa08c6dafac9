"""The evaluation of guardian-slm and of the cascade, in parts that can be run one by one, and one report of them.

    python benchmarks/slm_report.py --data data/ --mix build/slm_mix --out docs/report-slm [PART ...]

    benchmarks   every benchmark with guardian-slm, by `guardian eval`'s own flow       -> results.json
    documents    harmful documents inside tasks: our held-out ones, and the research set -> cross_task*.json
    streams      answers whose harm begins at a known place, by tokens and by windows    -> streamed*.json
    compare      mini, slm and cascade at equal false-positive rates on every prompt set -> paired.json
    replies      safeguard replies to held-out requests by the rubric, and forced ones to any -> replies.json
    transfer     what carries over between tasks, of models trained with one defence
                 each: --defence none=RUN single:summarise=RUN mixed=RUN ...             -> transfer.json
    report       report.md and report.html of whatever parts are there, with the targets
    figures      the targets, and what was measured, into README.md, docs/slm.md and the model card

Without names: all but transfer and figures. `slm_speed.py --out DIR` adds speed.json, and any other saved `Part` in the
folder comes into the report too. `--limit` cuts every set, drawn by hash.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from figures import ROOT, shown

from guardian import Guardian, Piece
from guardian.errors import ConfigError
from guardian.evaluate import cross_task, paired, streamed
from guardian.evaluate.benchmarks import load, mix_benchmarks
from guardian.evaluate.metrics import Estimate, bootstrap_mean, wilson
from guardian.evaluate.replies import judged_replies, read_requests
from guardian.evaluate.report import part_markdown, write_report
from guardian.evaluate.results import Part, PartTable, Results
from guardian.evaluate.rubric import Criterion, score
from guardian.evaluate.runner import Options, run_evaluation
from guardian.evaluate.scored import limited
from guardian.evaluate.targets import judge
from guardian.scoring.models import find_model
from guardian.scoring.onnx import OnnxBackend
from guardian.taxonomy import HAZARDS, Hazard
from guardian.verdict import Stage


def progress(what: str, done: int, total: int) -> None:
    if done % max(1, total // 10) == 0:
        print(f"{what} {done}/{total}", file=sys.stderr)


def save(part: Part, out: Path) -> None:
    part.save(out / f"{part.name}.json")
    print(part_markdown(part))


def benchmarks(given: argparse.Namespace) -> None:
    options = Options(
        heldout=given.mix / "test.jsonl",
        limit=given.limit,
        heldout_limit=given.limit and 4 * given.limit,
        tricks=given.tricks,
        long_documents=given.trials > 0,
        trials=given.trials,
        documents=12,
        lengths=(2_000,),
        depths=(0.1, 0.5, 0.99),
        command="python benchmarks/slm_report.py --data data/ --mix build/slm_mix --out docs/report-slm",
    )
    guardian = Guardian(given.slm, device=given.device)
    run_evaluation(guardian, data=given.data, benchmarks=None, out=given.out, progress=progress, options=options)


def documents(given: argparse.Namespace) -> None:
    guardian = Guardian(given.slm, device=given.device)
    validation = validation_documents(given)
    sets = {
        "cross_task": (cross_task.mix_documents(given.mix / "test.jsonl", limit=given.documents), "our held-out split"),
        "cross_task_research": (
            cross_task.research_documents(given.data, limit=given.documents),
            "documents of the paper's authors, for research only",
        ),
    }
    for name, (found, source) in sets.items():
        part = cross_task.cross_task(guardian, found, validation, source=source, name=name, progress=progress)
        save(part, given.out)


def validation_documents(given: argparse.Namespace) -> list[cross_task.TaskDocument]:
    limit = given.documents and 2 * given.documents
    return cross_task.mix_documents(given.mix / "calibration.jsonl", limit=limit)


def streams(given: argparse.Namespace) -> None:
    harmful, safe = streamed.mix_answers(given.mix / "test.jsonl", limit=given.answers)
    slm = Guardian(given.slm, device=given.device)
    tokenize = OnnxBackend(find_model(given.slm), device="cpu").encoder.offsets
    mini = Guardian(given.mini, device=given.device)
    for name, guardian, by in (
        ("streamed", slm, "tokens"),
        ("streamed_windows", slm, "windows"),
        ("streamed_mini", mini, "windows"),
    ):
        source = f"held-out split; {guardian.model.name} by {by}"
        opened = partial(guardian.stream_guard, by=by)
        part = streamed.streamed(opened, harmful, safe, tokenize, source=source, name=name, progress=progress)
        save(part, given.out)


def compare(given: argparse.Namespace) -> None:
    names = {"mini": given.mini, "slm": given.slm, "cascade": given.cascade}
    models = {name: Guardian(model, device=given.device) for name, model in names.items() if model != "none"}
    part = paired.paired(models, data=given.data, mix=given.mix, rate=given.rate, limit=given.limit, progress=progress)
    save(part, given.out)


def replies(given: argparse.Namespace) -> None:
    guardian = Guardian(given.slm, device=given.device)
    judged = list(judged_replies(guardian, read_requests(given.mix / "test.jsonl", given.replies)))
    totals = [float(one.score.total) for one in judged]
    failed = [one for one in judged if one.score.fails]
    written = [one for one in judged if one.reply.source == "model" or one.reply.refused is not None]
    forced = forced_refusals(guardian, given.mix / "test.jsonl", given.replies)
    figures = {
        "rubric": bootstrap_mean(totals),
        "hard_fails": Estimate(float(len(failed))),
        "fallback": wilson(sum(one.reply.source != "model" for one in written), len(written)),
        "by_template": wilson(sum(one.reply.source != "model" for one in judged), len(judged)),
        "forced": wilson(sum(by_head for by_head, _ in forced), len(forced)),
        "forced_words": wilson(sum(by_words for _, by_words in forced), len(forced)),
    }
    names = (
        "rubric, mean of 0 to 12", "hard fails", "written and not accepted, so said by template",
        "said by template, with all others", "forced replies that refuse, by the refusal head",
        "forced replies that decline, by their words",
    )  # fmt: skip
    about = (
        f"Safeguard replies to {len(judged)} harmful requests of the held-out split, by the rule-based rubric. The "
        f"model was to write {len(written)} of them, the others have a template: attacks, and harm of no known kind. "
        f"Forced: what the model writes for {len(forced)} prompts, half of them benign, before any check; a refusal is "
        f"what the refusal head calls more likely one than not, and words decline where the "
        f"rubric gives them both points. None was about self-harm, where a reply supports."
    )
    table = PartTable(columns=("", "figure"), rows=tuple(zip(names, figures.values(), strict=True)))
    save(Part(name="replies", title="Safeguard replies", about=about, figures=figures, tables=(table,)), given.out)


LONGEST = 1000  # characters of a prompt that is forced: what one window holds
DECLINED = frozenset(hazard.value for hazard in HAZARDS) - {Hazard.SELFHARM.value}
"""What a forced reply refuses; about self-harm it supports instead."""


def forced_refusals(guardian: Guardian, file: Path, count: int | None) -> list[tuple[bool, bool]]:
    """Whether each forced reply is a refusal by the refusal head, and by its words, for as many benign as harmful
    prompts."""
    (harm,) = (found for found in mix_benchmarks(file.absolute()) if found.name == "heldout_harm")
    rows = load(harm, file.parent)
    prompts = [row for row in rows if row.stage is Stage.PROMPT and len(row.text) <= LONGEST]
    half = count and max(1, count // 2)
    chosen = [row for label in (0, 1) for row in limited([row for row in prompts if row.label == label], half)]
    found = []
    for number, row in enumerate(chosen):
        progress("forced replies", number, len(chosen))
        # A benign prompt has no subject of its own: forced, the model must decline what it is told to.
        subject = min({*row.hazards} & DECLINED, default=sorted(DECLINED)[number % len(DECLINED)])
        written = "".join(guardian.backend.decoder.write(Piece(row.text, Stage.PROMPT), subject=subject))
        (scores,) = guardian.backend.score([Piece(written, Stage.RESPONSE, row.text)])
        found.append(
            (scores["refusal"] >= 0.5, score(row.text, written, subject=subject).points[Criterion.DECLINES] == 2)
        )
    return found


def transfer(given: argparse.Namespace) -> None:
    models: dict[str, Guardian] = {}
    for spec in given.defence:
        name, _, folder = spec.partition("=")
        models[name] = trained(Path(folder), given.slm)
    if not models:
        raise ConfigError("defence", "name the models to compare: none=RUN single:summarise=RUN ...")
    found = cross_task.mix_documents(given.mix / "test.jsonl", limit=given.documents)
    save(cross_task.transfer(models, found, validation_documents(given), progress=progress), given.out)


def trained(folder: Path, slm: str) -> Guardian:
    """A guard on a model folder, or on the weights of a training run with tokenizer and windows of guardian-slm."""
    if (folder / "guardian.json").is_file():
        return Guardian(folder)
    from guardian.train.torch_backend import TorchBackend

    weights = folder / "weights" if (folder / "weights").is_dir() else folder
    return Guardian(backend=TorchBackend(find_model(slm), weights))


def report(given: argparse.Namespace) -> None:
    """One report; `results.json` is rewritten with the parts and the targets."""
    results = Results.load(given.out / "results.json")
    parts = [Part.load(path) for path in sorted(given.out.glob("*.json")) if path.name != "results.json"]
    results = results.model_copy(update={"parts": tuple(parts)})
    results = results.model_copy(update={"targets": judge(results)})
    results.save(given.out / "results.json")
    for path in write_report(results, given.out):
        print(path)
    for target in results.targets:
        held = {True: "held", False: "fell short", None: "not measured"}[target.held]
        print(f"{target.title}: wanted {target.wanted}, measured {target.measured.value}, {held}")


PAGES = (ROOT / "README.md", ROOT / "docs" / "slm.md")
HEAD = "| guardian-slm | wanted | measured | |\n| --- | --- | --- | --- |\n"
IN_CARD, BEHIND = "## Against its targets\n\n", "## How to make it again\n"


def figures(given: argparse.Namespace) -> None:
    """Rewrite the tables that begin with HEAD, and the section of the model card. KeyError names a page without one."""
    held = {True: "", False: "falls short", None: "not measured"}
    table = HEAD + "".join(
        f"| {target.title} | {target.wanted} | {shown(target.measured)} | {held[target.held]} |\n"
        for target in Results.load(given.out / "results.json").targets
    )
    for page in PAGES:
        replace(page, re.escape(HEAD) + r"(\|.*\n)*", table)
    card = f"({re.escape(IN_CARD)}(\\|.*\\n)*\\n)?{BEHIND}"
    replace(find_model(given.slm) / "README.md", card, f"{IN_CARD}{table}\n{BEHIND}")


def replace(page: Path, pattern: str, by: str) -> None:
    text, found = re.subn(pattern, lambda _: by, page.read_text(encoding="utf-8"))
    if found != 1:
        raise KeyError(f"{page}: {found} places for guardian-slm's figures, one expected")
    page.write_text(text, encoding="utf-8")


PARTS: Mapping[str, Callable[[argparse.Namespace], None]] = {
    "benchmarks": benchmarks,
    "documents": documents,
    "streams": streams,
    "compare": compare,
    "replies": replies,
    "transfer": transfer,
    "report": report,
    "figures": figures,
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--data", type=Path, required=True, help="folder of the data files, with eval/ in it")
    parser.add_argument("--mix", type=Path, required=True, help="folder of `guardian train slm-mix`")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--mini", default="mini", help="model name or folder, like the two that follow")
    parser.add_argument("--slm", default="slm")
    parser.add_argument("--cascade", default="cascade", help="'none' leaves it out")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--rate", type=float, default=paired.RATE, help="false-positive rate of the comparison")
    parser.add_argument("--limit", type=int, default=1000, help="rows of a benchmark; 0: all")
    parser.add_argument("--documents", type=int, default=150, help="documents of a kind; 0: all")
    parser.add_argument("--answers", type=int, default=400, help="streams of harmful and of safe answers; 0: all")
    parser.add_argument(
        "--tricks", action="store_true", help="the character tricks too, which take as long as the rest"
    )
    parser.add_argument("--trials", type=int, default=20, help="insertions into long documents; 0: none")
    parser.add_argument("--replies", type=int, default=200, help="requests to reply to; 0: all")
    parser.add_argument("--defence", nargs="*", default=[], metavar="NAME=RUN")
    given = parser.parse_args(arguments)
    for name in ("limit", "documents", "answers", "replies"):
        setattr(given, name, getattr(given, name) or None)
    if unknown := [part for part in given.parts if part not in PARTS]:
        parser.error(f"no part {unknown[0]!r}; there are {', '.join(PARTS)}")
    for part in given.parts or [part for part in PARTS if part not in {"transfer", "figures"}]:
        PARTS[part](given)


if __name__ == "__main__":
    main()
