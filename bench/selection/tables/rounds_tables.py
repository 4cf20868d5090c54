"""Tables and figures of coresets in rounds."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.selection.coreset_accuracy import T_975
from bench.selection.tables.drawing import draw
from bench.tables import markdown

BASELINE = "random"


def summarise(curves: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One entry a picker: mean accuracy, and its gain over random after every round.

    Gains are paired by seed; each has the half width of its 95 % interval. The last
    number of a gain is of the mean over all rounds, the start left out.
    """
    base = _accuracies(curves, BASELINE)
    lines = []
    for name in dict.fromkeys(curve["picker"] for curve in curves):
        mine = _accuracies(curves, name)
        gains = _with_mean(mine - base)
        half = T_975[len(gains)] * gains.std(axis=0, ddof=1) / np.sqrt(len(gains))
        own = [curve for curve in curves if curve["picker"] == name]
        lines.append(
            {
                "picker": name,
                "labelled": own[0]["labelled"],
                "accuracy": _with_mean(mine).mean(axis=0).round(5).tolist(),
                "gain": gains.mean(axis=0).round(5).tolist(),
                "gain_half": half.round(5).tolist(),
                "cpu_seconds_a_round": round(
                    float(np.mean([curve["cpu_seconds_a_round"] for curve in own])), 3
                ),
            }
        )
    return lines


def rounds_tables(result: dict[str, Any]) -> str:
    """One table a set: accuracy and gain over random, at four sizes and on average."""
    parts = []
    for one in result["sets"]:
        labelled = one["summary"][0]["labelled"]
        places = shown_places(len(labelled))
        head = ["picker"]
        head += [f"{labelled[at] / one['n']:.0%}" for at in places]
        head += ["mean of all rounds", "CPU s a round"]
        rows = [_line(line, [*places, -1]) for line in one["summary"]]
        title = (
            f"{one['name']}: {one['n']:,} rows, {one['classes']} classes,"
            f" {one['test_rows']:,} held out; {labelled[0]} labels to begin with and a"
            f" round; accuracy in per cent, gain over random +- 95 %"
        )
        parts.append(f"{title}\n\n{markdown(head, rows)}")
    return "\n\n".join(parts)


def shown_places(count: int) -> list[int]:
    """Places of a curve of `count` points that a table shows: four, the last too."""
    return sorted({min(count - 1, at) for at in (1, 2, 4, count - 1)})


def plot_rounds(result: dict[str, Any], path: Path) -> bool:
    """Draw every picker's gain over random by labels; False: no matplotlib."""

    def fill(panels: list[Any]) -> None:
        for axes, one in zip(panels, result["sets"], strict=True):
            for line in one["summary"]:
                shares = [100 * size / one["n"] for size in line["labelled"]]
                gains = [100 * gain for gain in line["gain"][:-1]]
                halves = [100 * half for half in line["gain_half"][:-1]]
                axes.errorbar(
                    shares, gains, yerr=halves, capsize=2, label=line["picker"]
                )
            axes.set_title(f"{one['name']}: {one['n']:,} rows")
            axes.set_xlabel("labelled, per cent")
            axes.grid(visible=True, alpha=0.25)
        panels[0].set_ylabel("accuracy over random, points (95 %, paired)")
        panels[0].legend(fontsize=7)

    count = len(result["sets"])
    return draw(path, fill, panels=count, size=(5 * count + 1, 4.5))


def _line(line: dict[str, Any], places: list[int]) -> list[str]:
    cells = []
    for at in places:
        cell = f"{100 * line['accuracy'][at]:.1f}"
        if line["picker"] != BASELINE:
            gain, half = 100 * line["gain"][at], 100 * line["gain_half"][at]
            cell += f", {gain:+.1f} +- {half:.1f}"
        cells.append(cell)
    return [line["picker"], *cells, f"{line['cpu_seconds_a_round']:.2f}"]


def _accuracies(curves: list[dict[str, Any]], name: str) -> NDArray[np.float64]:
    """Accuracy (seeds, rounds + 1), in the order of seeds."""
    mine = [curve for curve in curves if curve["picker"] == name]
    ordered = sorted(mine, key=lambda curve: curve["seed"])
    return np.array([curve["accuracy"] for curve in ordered])


def _with_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Append the mean over all rounds but the start."""
    return np.hstack([values, values[:, 1:].mean(axis=1, keepdims=True)])
