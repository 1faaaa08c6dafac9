"""The report: Markdown with its plots beside it, and one HTML page that needs nothing else.

Both are made of the same blocks (`Block`): headings, paragraphs, tables, plots. What fell short stands in the
first table, in the same size as what held.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from guardian.evaluate import plots, wording
from guardian.evaluate.benchmarks import Measure
from guardian.evaluate.metrics import Estimate
from guardian.evaluate.results import BenchmarkResult, Part, Results, TargetResult

NONE = "–"


@dataclass(frozen=True, slots=True)
class Heading:
    """A section or, at level 3, a subsection."""

    text: str
    level: int = 2


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Plain text."""

    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """Cells are plain text. `first` columns are left-aligned, the rest right. `folded`: hidden behind its
    title in HTML.

    `marks` gives rows a class: held, short, unknown (targets) or main (the model under test).
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    first: int = 1
    title: str = ""
    folded: bool = False
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plot:
    """A figure by name, and what it shows."""

    name: str
    caption: str


Block = Heading | Paragraph | Table | Plot


def write_report(results: Results, out: Path, *, name: str = "report", with_plots: bool = True) -> tuple[Path, Path]:
    """Write `<name>.md` with `<name>_plots/*.svg`, and the self-contained `<name>.html`. Returns both paths.

    Raises MissingExtra without matplotlib, unless `with_plots` is False.
    """
    drawn = plots.draw(results) if with_plots else {}
    blocks = tuple(block for block in report_blocks(results) if not isinstance(block, Plot) or block.name in drawn)
    out.mkdir(parents=True, exist_ok=True)
    folder = out / f"{name}_plots"
    if drawn:
        folder.mkdir(exist_ok=True)
    for plot, svg in drawn.items():
        (folder / f"{plot}.svg").write_text(svg, encoding="utf-8")
    markdown, page = out / f"{name}.md", out / f"{name}.html"
    markdown.write_text(to_markdown(results, blocks, folder.name), encoding="utf-8")
    page.write_text(to_html(results, blocks, drawn), encoding="utf-8")
    return markdown, page


# ---- what the report says ------------------------------------------------------------------------


def report_blocks(results: Results) -> Iterator[Block]:
    """The report from top to bottom. Plots that were not drawn are dropped by the caller."""
    yield from _targets(results)
    yield Heading("How to read this")
    yield from map(Paragraph, wording.GUIDE)
    yield Heading("At a glance")
    yield Plot("overview", wording.OVERVIEW)
    for measure, (title, about, figures) in wording.SECTIONS.items():
        yield from _section(results, measure, title, about, figures)
    yield from _curves(results)
    yield from _long(results)
    yield from _tricks(results)
    yield from _agreement(results)
    for part in results.parts:
        yield from part_blocks(part)
    yield from _provenance(results)


def _targets(results: Results) -> Iterator[Block]:
    if not results.targets:
        return
    yield Heading("Targets")
    yield Paragraph(verdict_line(results))
    if cuts := _cuts(results):
        yield Paragraph(f"A quick run: at most {' and '.join(cuts)}.")
    order = {False: 0, None: 1, True: 2}
    targets = sorted(results.targets, key=lambda target: order[target.held])
    yield Table(
        ("target", "wanted", "measured", "outcome"),
        tuple((t.title, t.wanted, show(t.measured), _outcome(t)) for t in targets),
        first=4,
        marks=tuple({True: "held", False: "short", None: "unknown"}[t.held] for t in targets),
    )


def verdict_line(results: Results) -> str:
    """How many targets held, fell short and were not measured, in a sentence."""
    held = sum(t.held is True for t in results.targets)
    short = [t.title for t in results.targets if t.held is False]
    unknown = sum(t.held is None for t in results.targets)
    line = f"{held} of {len(results.targets)} targets held."
    if short:
        line += f" {len(short)} fell short: {'; '.join(short)}."
    return line + (f" {unknown} could not be measured in this run." if unknown else "")


def _outcome(target: TargetResult) -> str:
    return {True: "held", False: "fell short", None: f"not measured: {target.measured.reason}"}[target.held]


def _section(results: Results, measure: Measure, title: str, about: str, figures: Mapping[str, str]) -> Iterator[Block]:
    mine = [r for r in results.benchmarks if r.measure is measure and r.rows]
    # The pool first: the one table where recall and false positives of all sets belong to one threshold.
    names = dict.fromkeys(r.benchmark for r in sorted(mine, key=lambda r: r.benchmark != "pooled"))
    if not names:
        return
    yield Heading(title)
    yield Paragraph(about)
    for name in names:
        rows = [r for r in results.benchmarks if r.benchmark == name]
        main = results.of(name) or rows[0]
        yield Heading(main.title, 3)
        yield Paragraph(_about(main))
        yield from _figures(rows, figures, results.main)
        yield from _groups(main)
        yield from _categories(main)


def _about(result: BenchmarkResult) -> str:
    benign = result.rows - result.positives
    share = f" ({result.prevalence:.2f})" if result.prevalence is not None else ""
    line = f"{result.rows:,} rows, {result.positives:,} positive{share} and {benign:,} benign; "
    line += f"{result.head} head, {result.stage} stage."
    if result.threshold is not None:
        line += f" Default threshold {result.threshold:.3f}."
    return f"{line} {result.note}".strip()


# Figures that most scorers or benchmarks do not have: their absence needs no explanation.
_OPTIONAL = frozenset({"flow_recall", "head_block_rate", "category_macro_f1", "hazard_ece"})


def _figures(rows: Sequence[BenchmarkResult], figures: Mapping[str, str], main: str) -> Iterator[Block]:
    """One row a scorer. A figure that no scorer has is not a column but a line that says why."""
    shown = {key: label for key, label in figures.items() if any(r.figure(key).value is not None for r in rows)}
    missing: dict[str, list[str]] = {}
    for key, label in figures.items():
        if key not in shown and key not in _OPTIONAL:
            missing.setdefault(rows[0].figure(key).reason or "not computed", []).append(label)
    notes = dict.fromkeys(
        f"{row.scorer}: no {figures[key]} ({row.figure(key).reason})"
        for row in rows
        for key in shown
        if row.figure(key).value is None and row.figure(key).reason and key not in _OPTIONAL
    )
    yield Table(
        ("", *shown.values()),
        tuple((r.scorer, *(show(r.figure(key)) for key in shown)) for r in rows),
        marks=tuple("main" if r.scorer == main else "" for r in rows),
    )
    lines = [f"No {', '.join(labels)}: {reason}." for reason, labels in missing.items()]
    if lines or notes:
        yield Paragraph(" ".join(lines + [f"{note}." for note in notes]))


def _groups(result: BenchmarkResult) -> Iterator[Block]:
    if len(result.groups) > 1:
        rows = tuple((g.name, f"{g.rows:,}", show(g.recall), show(g.fpr)) for g in result.groups)
        yield Table(("", "rows", "recall", "benign flagged"), rows, title=f"{result.title} in parts", folded=True)


def _categories(result: BenchmarkResult) -> Iterator[Block]:
    if result.categories:
        rows = tuple(
            (name, f"{value:.3f}") for name, value in sorted(result.categories.items(), key=lambda pair: -pair[1])
        )
        yield Table(("hazard", "F1"), rows, title=f"{result.title}, F1 by hazard", folded=True)


def _curves(results: Results) -> Iterator[Block]:
    if results.of(results.benchmarks[0].benchmark) is None if results.benchmarks else True:
        return
    yield Heading("Scores, trade-offs and calibration")
    yield Plot("histograms", wording.HISTOGRAMS)
    yield Plot("precision_recall", wording.PRECISION_RECALL)
    yield Plot("reliability", wording.RELIABILITY)


def _long(results: Results) -> Iterator[Block]:
    depth = results.depth
    if depth is None:
        return
    yield Heading("Long documents")
    yield Paragraph(f"{wording.LONG} {depth.method}")
    yield Plot("depth", wording.DEPTH)
    yield Table(
        ("insertion", "words", "depth", "trials", "recall", "neutral control flagged"),
        tuple(
            (c.kind, f"{c.words:,}", f"{c.depth:.0%}", str(c.trials), show(c.recall), show(c.control))
            for c in depth.cells
        ),
    )
    yield Table(
        ("untouched documents: head", "words", "documents", "budget", "flagged"),
        tuple((c.head, f"{c.words:,}", str(c.documents), f"{c.budget:.1%}", show(c.fpr)) for c in depth.clean),
    )
    longest = max((c.words for c in depth.cells), default=0)
    spreads = {kind: depth.spread(kind, longest) for kind in dict.fromkeys(c.kind for c in depth.cells)}
    told = [f"{kind} {value:.3f}" for kind, value in spreads.items() if value is not None]
    if told:
        yield Paragraph(f"Spread of recall over depths at {longest:,} words: {', '.join(told)}.")
    yield Paragraph("Sources. " + " ".join(f"{name}: {source}." for name, source in depth.sources.items()))


def _tricks(results: Results) -> Iterator[Block]:
    if not results.tricks:
        return
    yield Heading("Character tricks")
    yield Paragraph(wording.TRICKS)
    yield Plot("tricks", wording.TRICKS_PLOT)
    yield Table(
        ("trick", "head", "recall before", "after", "lost", "benign flagged before", "after"),
        tuple(
            (t.trick, t.head, *map(show, (t.before, t.after, t.lost, t.benign_before, t.benign_after)))
            for t in results.tricks
        ),
        first=2,
    )


def _agreement(results: Results) -> Iterator[Block]:
    if not results.agreement:
        return
    yield Heading("Versions of the model side by side")
    yield Paragraph(wording.AGREEMENT)
    yield Table(
        (
            "benchmark",
            "version",
            "rows",
            "same decision",
            "largest difference",
            "mean",
            "recall at 1 % FPR, difference",
        ),
        tuple(
            (
                a.benchmark,
                a.scorer,
                f"{a.rows:,}",
                show(a.same_decision),
                f"{a.largest:.3f}",
                f"{a.mean:.4f}",
                show(a.recall_difference),
            )
            for a in results.agreement
        ),
        first=2,
    )


def part_blocks(part: Part) -> Iterator[Block]:
    """A part under its own heading."""
    yield Heading(part.title)
    yield Paragraph(part.about)
    for table in part.tables:
        rows = tuple(tuple(cell if isinstance(cell, str) else show(cell) for cell in row) for row in table.rows)
        yield Table(table.columns, rows, title=table.title)


def part_markdown(part: Part) -> str:
    """A part alone, as Markdown."""
    return "\n\n".join(_markdown(block, "") for block in part_blocks(part)) + "\n"


def _cuts(results: Results) -> list[str]:
    cuts = [f"{results.limit:,} rows of each benchmark"] if results.limit else []
    return [*cuts, f"{results.heldout_limit:,} of each held-out or attack set"] if results.heldout_limit else cuts


def _provenance(results: Results) -> Iterator[Block]:
    yield Heading("How this was made")
    if results.model:
        yield Paragraph(f"Model {results.model.name} {results.model.version}, hash {results.model.hash[:16] or NONE}.")
    if results.policy:
        yield Paragraph(f"Policy {results.policy.name}, version {results.policy.version}.")
    facts = {
        "made": results.created,
        "command": results.command,
        "took": f"{results.seconds:,.0f} s",
        "seed": str(results.seed),
        "bootstrap": f"{results.bootstrap:,} samples",
        **({"limit": " and ".join(cuts)} if (cuts := _cuts(results)) else {}),
        **results.machine,
        **results.versions,
    }
    yield Table(("", ""), tuple(facts.items()), first=2)
    yield Table(("scorer", "what it is"), tuple(results.scorers.items()), first=2)
    if results.skipped:
        yield Table(("not measured", "why"), tuple((s.name, s.reason) for s in results.skipped), first=2)


def show(estimate: Estimate, digits: int = 3) -> str:
    """A figure with its interval, or an en dash."""
    if estimate.value is None:
        return NONE
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.{digits}f}"
    return f"{estimate.value:.{digits}f} [{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]"


# ---- Markdown ------------------------------------------------------------------------------------


def to_markdown(results: Results, blocks: Iterable[Block], folder: str) -> str:
    """The report as Markdown; plots are linked from `folder`."""
    parts = [f"# {title_of(results)}", *(_markdown(block, folder) for block in blocks)]
    return "\n\n".join(parts) + "\n"


def title_of(results: Results) -> str:
    """The heading of the report."""
    return f"Evaluation of {results.model.name} {results.model.version}" if results.model else "Evaluation"


def _markdown(block: Block, folder: str) -> str:
    match block:
        case Heading(text=title, level=level):
            return f"{'#' * level} {title}"
        case Paragraph(text=words):
            return words
        case Plot(name=name, caption=caption):
            return f"![{name.replace('_', ' ')}]({folder}/{name}.svg)\n\n*{caption}*"
        case Table():
            return _markdown_table(block)


def _markdown_table(table: Table) -> str:
    rule = tuple("---" if n < table.first else "---:" for n in range(len(table.columns)))
    rows = (table.columns, rule, *table.rows)
    lines = "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows
    )
    if table.folded:
        return f"<details><summary>{html.escape(table.title)}</summary>\n\n{lines}\n\n</details>"
    return f"**{table.title}**\n\n{lines}" if table.title else lines


# ---- HTML ----------------------------------------------------------------------------------------


def to_html(results: Results, blocks: Sequence[Block], drawn: Mapping[str, str]) -> str:
    """The report as one HTML page: style and plots inside, no script, nothing fetched."""
    sections = [block for block in blocks if isinstance(block, Heading) and block.level == 2]
    contents = "".join(f'<li><a href="#{_anchor(s.text)}">{html.escape(s.text)}</a></li>' for s in sections)
    body = "\n".join(_html(block, drawn) for block in blocks)
    title = html.escape(title_of(results))
    return wording.PAGE.format(
        title=title, style=wording.STYLE, contents=contents, body=body, made=html.escape(results.created)
    )


def _html(block: Block, drawn: Mapping[str, str]) -> str:
    match block:
        case Heading(text=title, level=level):
            return f'<h{level} id="{_anchor(title)}">{html.escape(title)}</h{level}>'
        case Paragraph(text=words):
            return f"<p>{html.escape(words)}</p>"
        case Plot(name=name, caption=caption):
            return _html_plot(caption, drawn[name])
        case Table():
            return _html_table(block)


def _html_plot(caption: str, svg: str) -> str:
    # As a data URI, because the ids inside one figure would collide with those of the next.
    source = base64.b64encode(svg.encode()).decode()
    alt = html.escape(caption, quote=True)
    image = f'<img alt="{alt}" src="data:image/svg+xml;base64,{source}">'
    return f"<figure>{image}<figcaption>{html.escape(caption)}</figcaption></figure>"


def _html_table(table: Table) -> str:
    head = "".join(f"<th{_side(n, table)}>{html.escape(c)}</th>" for n, c in enumerate(table.columns))
    marks = table.marks or ("",) * len(table.rows)
    rows = "".join(
        f"<tr{f' class={mark}' if mark else ''}>"
        + "".join(f"<td{_side(n, table)}>{_cell(c)}</td>" for n, c in enumerate(row))
        + "</tr>"
        for row, mark in zip(table.rows, marks, strict=True)
    )
    made = f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    if not table.title:
        return made
    opened = "" if table.folded else " open"
    return f"<details{opened}><summary>{html.escape(table.title)}</summary>{made}</details>"


def _side(column: int, table: Table) -> str:
    return "" if column < table.first else ' class="n"'


def _cell(cell: str) -> str:
    """The interval smaller and greyer than the figure."""
    value, bracket, rest = cell.partition(" [")
    if bracket and rest.endswith("]"):
        return f"{html.escape(value)} <small>[{html.escape(rest)}</small>"
    return html.escape(cell)


def _anchor(title: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in title.lower()).strip("-")
