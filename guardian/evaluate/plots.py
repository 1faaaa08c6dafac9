"""The figures of the report, as SVG text. matplotlib comes with the extra `train` and is imported on use.

Colours are from Okabe and Ito's palette, which readers with colour-blindness can tell apart. The SVG is
deterministic: the same results give the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from guardian.errors import MissingExtra
from guardian.evaluate.metrics import Estimate
from guardian.evaluate.results import BenchmarkResult, DepthCell, DepthResult, Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from guardian.evaluate.cascade import CostCurve

POSITIVE, NEGATIVE = "#D55E00", "#0072B2"
_LINES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_GREY, _DARK = "#8A8F98", "#20242B"
_BOX: dict[str, Any] = {"facecolor": "white", "edgecolor": "none", "framealpha": 0.8, "borderpad": 0.2}
_COLUMNS = 3

_STYLE: dict[str, Any] = {
    "svg.hashsalt": "guardian",
    "svg.fonttype": "none",  # text stays text: small, and in the reader's own font
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _GREY,
    "axes.labelcolor": _DARK,
    "text.color": _DARK,
    "xtick.color": _DARK,
    "ytick.color": _DARK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E6E8EB",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "figure.facecolor": "white",
}


def draw(results: Results) -> dict[str, str]:
    """All figures that the results can fill: name -> SVG. Raises MissingExtra without matplotlib."""
    mine = [r for r in results.benchmarks if r.scorer == results.main]
    both = [r for r in mine if r.curve is not None]
    figures: dict[str, Callable[[], str | None]] = {
        "overview": lambda: _overview(results) if mine else None,
        "histograms": lambda: _grid([r for r in mine if any(map(sum, r.histogram))], _histogram),
        "precision_recall": lambda: _grid(both, lambda axes, r: _precision_recall(axes, r, results)),
        "reliability": lambda: _grid(both, _reliability),
        "depth": lambda: _depth(results.depth) if results.depth and results.depth.cells else None,
        "tricks": lambda: _tricks(results) if results.tricks else None,
    }
    made = ((name, make()) for name, make in figures.items())
    return {name: svg for name, svg in made if svg is not None}


def _canvas(rows: int, columns: int, width: float, height: float) -> tuple[Any, list[Axes]]:
    from matplotlib.figure import Figure  # no pyplot: no global state, no display, nothing to close

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, list(figure.subplots(rows, columns, squeeze=False).ravel())


def _svg(make: Callable[[], Any]) -> str:
    try:
        from matplotlib import rc_context
    except ImportError as error:
        raise MissingExtra("train", "the plots need matplotlib: pip install 'slm-guardian[train]'") from error
    style: Any = _STYLE  # the stubs list every key by name
    with rc_context(style):
        figure = make()
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    # matplotlib ends some lines of paths with a blank.
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def _grid(results: Sequence[BenchmarkResult], paint: Callable[[Axes, BenchmarkResult], None]) -> str | None:
    """Small multiples, one benchmark each."""
    if not results:
        return None
    rows = -(-len(results) // _COLUMNS)

    def make() -> Any:
        figure, axes = _canvas(rows, _COLUMNS, 10.5, 2.5 * rows + 0.3)
        for place, result in zip(axes, results, strict=False):
            place.set_title(result.title, fontsize=9)
            paint(place, result)
        for spare in axes[len(results) :]:
            spare.set_axis_off()
        return figure

    return _svg(make)


def _histogram(axes: Axes, result: BenchmarkResult) -> None:
    for counts, colour, name in zip(result.histogram, (POSITIVE, NEGATIVE), ("positive", "benign"), strict=True):
        total = sum(counts)
        if total:
            edges = [n / len(counts) for n in range(len(counts) + 1)]
            axes.stairs(
                [c / total for c in counts],
                edges,
                fill=True,
                alpha=0.55,
                color=colour,
                label=f"{name} ({total:,})",
            )
    if result.threshold is not None:
        axes.axvline(result.threshold, color=_DARK, linewidth=1, linestyle=(0, (4, 2)))
    axes.set(xlim=(0, 1), xlabel=f"{result.head} score", ylabel="share of rows")
    axes.margins(y=0.35)  # room for the legend
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=7, loc="upper right")


def _precision_recall(axes: Axes, result: BenchmarkResult, results: Results) -> None:
    shown = [
        r
        for r in results.benchmarks
        if r.benchmark == result.benchmark and r.curve is not None and r.scorer != "constant"
    ]
    for n, other in enumerate(shown):
        if other.curve is not None:
            style = ":" if other.kind == "baseline" else "-"
            area = other.figure("auprc").value
            label = f"{other.scorer} {area:.2f}" if area is not None else other.scorer
            axes.plot(other.curve.x, other.curve.y, style, color=_LINES[n % len(_LINES)], linewidth=1.5, label=label)
    axes.axhline(result.positives / result.rows, color=_GREY, linewidth=0.8)
    axes.set(xlim=(0, 1.01), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
    axes.legend(fontsize=7, loc="lower left", title="average precision", title_fontsize=7, frameon=True, **_BOX)


def _reliability(axes: Axes, result: BenchmarkResult) -> None:
    axes.plot([0, 1], [0, 1], color=_GREY, linewidth=0.8)
    bins, largest = result.reliability, max((b.count for b in result.reliability), default=1)
    axes.plot([b.mean_score for b in bins], [b.positive_share for b in bins], color=NEGATIVE, linewidth=1)
    sizes = [8 + 70 * b.count / largest for b in bins]
    axes.scatter(
        [b.mean_score for b in bins],
        [b.positive_share for b in bins],
        s=sizes,
        color=NEGATIVE,
        alpha=0.75,
        linewidths=0,
    )
    error = result.figure("ece").value
    if error is not None:
        axes.text(0.04, 0.9, f"ECE {error:.3f}", transform=axes.transAxes, fontsize=8)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel="mean score", ylabel="share positive")


def _overview(results: Results) -> str:
    """One row a benchmark: recall on the positive rows and false positives on the benign ones, with
    intervals.
    """
    mine = [r for r in results.benchmarks if r.scorer == results.main and r.rows]

    def make() -> Any:
        figure, (axes,) = _canvas(1, 1, 9.5, 0.34 * len(mine) + 1.1)
        for y, result in enumerate(reversed(mine)):
            _dot(axes, y + 0.12, result.figure("recall"), POSITIVE, "o")
            _dot(axes, y - 0.12, result.figure("fpr"), NEGATIVE, "s")
        axes.set_yticks(range(len(mine)), [f"{r.title} ({r.rows:,})" for r in reversed(mine)])
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.6, len(mine) - 0.4))
        axes.xaxis.set_major_formatter(lambda x, _: f"{x:.0%}")
        axes.grid(visible=False, axis="y")
        axes.plot([], [], "o", color=POSITIVE, label="of the positive rows, flagged (recall)")
        axes.plot([], [], "s", color=NEGATIVE, label="of the benign rows, flagged (false positives)")
        figure.legend(loc="outside upper left", ncols=2, fontsize=8)
        return figure

    return _svg(make)


def _dot(axes: Axes, y: float, estimate: Estimate, colour: str, marker: str) -> None:
    if estimate.value is None:
        return
    if estimate.low is not None and estimate.high is not None:
        axes.plot(
            [estimate.low, estimate.high],
            [y, y],
            color=colour,
            linewidth=2,
            alpha=0.45,
            solid_capstyle="round",
        )
    axes.plot([estimate.value], [y], marker, color=colour, markersize=5)


def _depth(depth: DepthResult) -> str:
    longest = max(cell.words for cell in depth.cells)

    def make() -> Any:
        figure, (left, right) = _canvas(1, 2, 10.5, 3.4)
        for n, kind in enumerate(dict.fromkeys(cell.kind for cell in depth.cells)):
            mine = [cell for cell in depth.cells if cell.kind == kind]
            colour = _LINES[(1, 0)[n] if n < 2 else n]
            at_length = sorted((c for c in mine if c.words == longest), key=lambda c: c.depth)
            _band(left, [100 * c.depth for c in at_length], at_length, colour, kind)
            in_middle = sorted((c for c in mine if c.depth == 0.5), key=lambda c: c.words)
            _band(right, [c.words for c in in_middle], in_middle, colour, kind)
        left.set(
            title=f"By depth, {longest:,} words",
            xlabel="depth of the insertion, %",
            ylabel="recall",
            ylim=(-0.03, 1.03),
        )
        right.set(title="By length, in the middle", xlabel="words in the document", ylim=(-0.03, 1.03), xscale="log")
        ticks = sorted({cell.words for cell in depth.cells})
        right.set_xticks(ticks, [f"{t:,}" for t in ticks])
        right.minorticks_off()
        left.legend(fontsize=8, loc="best")
        return figure

    return _svg(make)


def _band(axes: Axes, x: Sequence[float], cells: Sequence[DepthCell], colour: str, name: str) -> None:
    recall = [c.recall.value or 0.0 for c in cells]
    low = [c.recall.low if c.recall.low is not None else c.recall.value or 0.0 for c in cells]
    high = [c.recall.high if c.recall.high is not None else c.recall.value or 0.0 for c in cells]
    axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.plot(x, recall, "o-", color=colour, linewidth=1.6, markersize=4, label=f"{name}, inserted")
    control = [(at, c.control.value) for at, c in zip(x, cells, strict=True) if c.control.value is not None]
    if control:
        axes.plot(
            [at for at, _ in control],
            [v for _, v in control],
            ":",
            color=colour,
            linewidth=1.4,
            label=f"{name}, neutral control",
        )


def _tricks(results: Results) -> str:
    heads = list(dict.fromkeys(trick.head for trick in results.tricks))

    def make() -> Any:
        most = max(sum(trick.head == head for trick in results.tricks) for head in heads)
        figure, axes = _canvas(1, len(heads), 10.5, 0.28 * most + 1.2)
        for place, head in zip(axes, heads, strict=True):
            mine = sorted((t for t in results.tricks if t.head == head), key=lambda t: t.lost.value or 0.0)
            for y, trick in enumerate(mine):
                _dot(place, y, trick.lost, POSITIVE, "o")
            place.axvline(0, color=_GREY, linewidth=0.8)
            place.set_yticks(range(len(mine)), [trick.trick.replace("_", " ") for trick in mine])
            place.set(title=head, xlabel="recall lost")
        return figure

    return _svg(make)


def draw_cascade(curve: CostCurve) -> str:
    """Mean recall and F1 of a cascade against its cost, as SVG. Raises MissingExtra without matplotlib."""
    costs = [point.cost for point in curve.points]
    named = [point for point in curve.points if point.name in ("first alone", "chosen", "second alone")]

    def make() -> Any:
        figure, axes = _canvas(1, 2, 10.5, 3.6)
        for place, (figure_name, title) in zip(axes, (("recall", "Recall"), ("f1", "F1")), strict=True):
            mean = [getattr(point, figure_name) for point in curve.points]
            for n, one in enumerate(curve.points[0].sets):
                own = [getattr(point.sets[n], figure_name) for point in curve.points]
                place.plot(costs, own, color=_GREY, linewidth=0.7, alpha=0.5, gid=one.benchmark)
            place.plot(costs, mean, "o-", color=NEGATIVE, linewidth=1.8, markersize=4, label="mean of the benchmarks")
            for point in named:
                at = (point.cost, getattr(point, figure_name))
                marker = "*" if point.name == "chosen" else "s"
                place.plot(*at, marker, color=POSITIVE, markersize=9 if marker == "*" else 6)
                place.annotate(point.name, at, xytext=(5, -12), textcoords="offset points", fontsize=8)
            place.plot([], [], color=_GREY, linewidth=0.7, label="each benchmark")
            place.set(title=f"{title} at {curve.fpr:.0%} false positives", xlabel=f"cost, {curve.unit}")
            place.margins(x=0.12)
        axes[0].legend(fontsize=7, loc="lower right")
        return figure

    return _svg(make)
