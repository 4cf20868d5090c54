"""Figures of selection results: the same result draws the same file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

GAPS = {"ap_pool": "AP, pool", "ap_held_out": "AP, held out", "recall": "recall"}
"""Metrics compared with the global method, and their names in the legend."""


def draw(
    path: Path,
    fill: Callable[[list[Any]], None],
    *,
    panels: int = 1,
    size: tuple[float, float],
    sharey: bool = False,
) -> bool:
    """Let `fill` draw on panels side by side, and write them to `path`.

    Args:
        path: .svg or .png.
        fill: takes the axes of the panels.
        panels: how many.
        size: of the whole, in inches.
        sharey: whether the panels have one vertical axis.

    Returns:
        False without matplotlib.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return False
    # Fixed hash salt and no date.
    with rc_context({"svg.hashsalt": "gleann", "svg.fonttype": "none"}):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(1, panels, sharey=sharey, squeeze=False)[0]
        fill(list(axes))
        date = {"Date": None} if path.suffix == ".svg" else {}
        figure.savefig(path, metadata=date, dpi=150)
    return True


def plot_active(result: dict[str, Any], path: Path) -> bool:
    """Plot the losses of every pool against the global one, one panel per data set."""

    def fill(panels: list[Any]) -> None:
        for axes, one in zip(panels, result["sets"], strict=True):
            _gaps(axes, [x for x in one["summary"] if x["method"] != "global"])
            axes.set_title(f"{one['name']}: {one['n']:,} rows")
        panels[0].legend(fontsize=7)

    count = len(result["sets"])
    return draw(path, fill, panels=count, size=(5 * count + 1, 4), sharey=True)


def _gaps(axes: Any, summaries: list[dict[str, Any]]) -> None:
    names = [f"{one['method']}, {one['strategy']}" for one in summaries]
    for place, (metric, label) in enumerate(GAPS.items()):
        gaps = [one["below_global"][metric] for one in summaries]
        means = [gap["mean"] for gap in gaps]
        reach = [
            [max(0.0, gap["mean"] - gap["low"]) for gap in gaps],
            [max(0.0, gap["high"] - gap["mean"]) for gap in gaps],
        ]
        heights = [at + 0.2 * (place - 1) for at in range(len(names))]
        axes.errorbar(means, heights, xerr=reach, fmt="o", capsize=2, label=label)
    axes.axvline(0, color="grey", linewidth=1)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_xlabel("below the global pool (95 % over concepts)")
    axes.grid(visible=True, axis="x", alpha=0.25)


def plot_growth(result: dict[str, Any], path: Path) -> bool:
    """Plot the cost of a batch against the size of the pool, one line per pool."""

    def fill(panels: list[Any]) -> None:
        (axes,) = panels
        for pool in dict.fromkeys(row["pool"] for row in result["rows"]):
            rows = [row for row in result["rows"] if row["pool"] == pool]
            sizes = [row["n"] for row in rows]
            spent = [1e3 * row["median_seconds"] for row in rows]
            axes.plot(sizes, spent, marker="o", label=pool)
        every = sorted({row["n"] for row in result["rows"]})
        axes.set(xscale="log", yscale="log", xlabel="rows", ylabel="ms a batch")
        axes.set_xticks(every, [f"{n:,}" for n in every])
        axes.set_xticks([], minor=True)
        axes.set_title(f"{result['data']}, training not counted")
        axes.grid(visible=True, which="both", alpha=0.25)
        axes.legend(fontsize=8)

    return draw(path, fill, size=(6, 4))


def plot_recall_curve(result: dict[str, Any], path: Path) -> bool:
    """Draw average precision and positives found against the neighbours' recall."""
    searched = [row for row in result["rows"] if row["nprobe"] is not None]
    (whole,) = [row for row in result["rows"] if row["nprobe"] is None]

    def fill(panels: list[Any]) -> None:
        for axes, (metric, label) in zip(panels, GAPS.items(), strict=True):
            for pool in dict.fromkeys(row["pool"] for row in searched):
                mine = [row for row in searched if row["pool"] == pool]
                axes.plot(
                    [row["neighbour_recall"] for row in mine],
                    [row["mean"][metric] for row in mine],
                    marker="o",
                    label=pool,
                )
            axes.axhline(whole["mean"][metric], color="grey", label=whole["pool"])
            axes.set(xlabel="recall of neighbours", ylabel=label)
            axes.grid(visible=True, alpha=0.25)
        panels[0].set_title(f"{result['data']}: {result['n']:,} rows")
        panels[0].legend(fontsize=8)

    return draw(path, fill, panels=len(GAPS), size=(12, 4))
