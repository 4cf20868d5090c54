"""Error of a count against the budget, and coverage of every method."""

from pathlib import Path
from typing import Any

from bench.selection.trials.populations import NAMES


def plot_estimates(result: dict[str, Any], path: Path) -> bool:
    """Draw a result to `path` (.svg or .png); False without matplotlib."""
    try:
        from matplotlib import rc_context
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return False
    # Fixed hash salt and no date: the same result draws the same file.
    with rc_context({"svg.hashsalt": "gleann", "svg.fonttype": "none"}):
        figure = Figure(figsize=(13, 4), layout="constrained")
        FigureCanvasAgg(figure)
        *curves, coverage = figure.subplots(1, len(NAMES) + 1)
        for axes, name in zip(curves, NAMES, strict=True):
            _curve(axes, [row for row in result["budgets"] if row["data"] == name])
            axes.set_title(f"{name}, count")
        _coverage(coverage, result["table"])
        date = {"Date": None} if path.suffix == ".svg" else {}
        figure.savefig(path, metadata=date, dpi=150)
    return True


def _curve(axes: Any, rows: list[dict[str, Any]]) -> None:
    for method in dict.fromkeys(row["method"] for row in rows):
        if method.endswith("bootstrap"):
            continue  # another interval around the same estimates
        mine = [row for row in rows if row["method"] == method]
        axes.plot(
            [row["budget"] for row in mine],
            [row["rmse"] for row in mine],
            marker="o",
            label=method,
        )
    axes.set(xscale="log", yscale="log", xlabel="labels", ylabel="RMSE / truth")
    budgets = sorted({row["budget"] for row in rows})
    axes.set_xticks(budgets, [f"{budget:,}" for budget in budgets])
    axes.set_xticks([], minor=True)
    axes.grid(visible=True, which="both", alpha=0.25)
    axes.legend(fontsize=7)


def _coverage(axes: Any, rows: list[dict[str, Any]]) -> None:
    methods = list(dict.fromkeys(row["method"] for row in rows))
    for place, method in enumerate(methods):
        mine = [row["coverage"] for row in rows if row["method"] == method]
        known = [value for value in mine if value is not None]
        axes.plot(known, [place] * len(known), "o", alpha=0.5)
    axes.axvline(0.95, linewidth=1)
    axes.set_yticks(range(len(methods)), methods, fontsize=7)
    axes.set(xlabel="coverage of the 95 % interval", title="all sets and targets")
    axes.grid(visible=True, axis="x", alpha=0.25)
