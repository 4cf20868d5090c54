"""Plot of recall against speed, one line per peer."""

from pathlib import Path
from typing import Any

from bench.comparison.curves import Point, front
from bench.peers import is_ours

LEAST_RECALL = 0.7
STYLES = ("o", "s", "^", "D", "v", "P", "X", "*")


def plot_recall(result: dict[str, Any], path: Path) -> bool:
    """Plot the tuning results to `path` (.svg or .png); False without matplotlib."""
    try:
        from matplotlib import rc_context
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return False
    single = result["mode"] == "single"
    # Fixed hash salt and no date: the same result draws the same file.
    with rc_context({"svg.hashsalt": "gleann", "svg.fonttype": "none"}):
        figure = Figure(figsize=(7, 4.5), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        for number, (name, report) in enumerate(result["peers"].items()):
            recalls, speeds = _line(report, single=single)
            axes.plot(
                recalls,
                speeds,
                marker=STYLES[number % len(STYLES)],
                markersize=4,
                linewidth=2.2 if is_ours(name) else 1.2,
                label=name,
            )
        _label(axes, result)
        date = {"Date": None} if path.suffix == ".svg" else {}
        figure.savefig(path, metadata=date, dpi=150)
    return True


def _line(report: dict[str, Any], *, single: bool) -> tuple[list[float], list[float]]:
    points = [Point(**point) for point in report.get("points", [])]
    shown = [point for point in front(points) if point.recall >= LEAST_RECALL]
    recalls = [point.recall for point in shown]
    if single:
        return recalls, [1e6 * point.cost for point in shown]
    return recalls, [1 / point.cost for point in shown]


def _label(axes: Any, result: dict[str, Any]) -> None:
    data = result["data"]
    axes.set_yscale("log")
    axes.set_xlabel(f"recall@{result['k']}")
    single = result["mode"] == "single"
    axes.set_ylabel("p50 latency, microseconds" if single else "queries a second")
    axes.set_title(
        f"{data['name']}: {data['n']:,} x {data['dim']}, {data['metric']},"
        f" {result['mode']}, {result['threads']} thread(s)"
    )
    axes.grid(visible=True, which="both", alpha=0.25)
    if axes.get_lines():
        axes.legend(fontsize=8)
