"""Results of active learning: means, losses against the global pool, tables."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.selection.gaps import paired_gap
from bench.tables import markdown

AP_GAP, RECALL_GAP = 0.02, 0.02
METRICS = ("ap_pool", "ap_held_out", "recall", "looked_at", "seconds")
SIMPLE = ("global", "nearest")
"""What is simple, but for a random draw: the plain rule over the whole pool, and the
rows nearest to the positives that were found."""

Runs = list[list[dict[str, float]]]
"""(concepts, seeds) endings of one method."""


def column(runs: Runs, metric: str) -> NDArray[np.float64]:
    """(concepts, seeds) of one metric."""
    return np.array([[ending[metric] for ending in row] for row in runs])


def _mean_measured(runs: Runs) -> float | None:
    shares = [
        one["in_pool"] for row in runs for one in row if one["in_pool"] is not None
    ]
    return float(np.mean(shares)) if shares else None


def summaries(
    runs: dict[str, Runs], strategies: Iterable[str]
) -> Iterator[dict[str, Any]]:
    """One summary per strategy and method, and the global pool of that strategy.

    Methods that follow no strategy ("any") stand beside that of each.

    Args:
        runs: by "strategy/method".
        strategies: that were run.
    """
    for strategy in strategies:
        mine = {
            name.partition("/")[2]: found
            for name, found in runs.items()
            if name.partition("/")[0] in (strategy, "any")
        }
        yield from _beside_global(strategy, mine)


def strongest_simple(summary: list[dict[str, Any]], strategy: str) -> str:
    """The strongest of the simple methods at the same budget.

    It is the one of `SIMPLE` with the higher mean average precision over the pool, the
    first quality of the tables; of equals the first.
    """
    means = {
        one["method"]: one["mean"]["ap_pool"]
        for one in summary
        if one["strategy"] == strategy and one["method"] in SIMPLE
    }
    return max(SIMPLE, key=lambda name: means.get(name, -np.inf))


def _beside_global(strategy: str, runs: dict[str, Runs]) -> Iterator[dict[str, Any]]:
    for method, ours in runs.items():
        best = runs["global"]
        gaps = {
            metric: asdict(paired_gap(column(ours, metric), column(best, metric)))
            for metric in METRICS[:3]
        }
        yield {
            "strategy": strategy,
            "method": method,
            "mean": {metric: float(column(ours, metric).mean()) for metric in METRICS},
            "in_pool": _mean_measured(ours),
            "below_global": gaps,
            "reached": all(
                gaps[metric]["mean"] <= limit
                for metric, limit in zip(
                    METRICS[:3], (AP_GAP, AP_GAP, RECALL_GAP), strict=True
                )
            ),
        }


def tables(result: dict[str, Any]) -> str:
    """One table per data set: means, and losses against the global method."""
    parts = []
    for one in result["sets"]:
        rows = [_row(summary) for summary in one["summary"]]
        head = (
            "strategy", "pool", "AP pool", "AP held out", "recall", "looked at",
            "global top in pool", "AP pool gap", "AP held out gap", "recall gap",
            "reached", "s a run",
        )  # fmt: skip
        parts += [f"### {one['name']}", "", markdown(head, rows), ""]
        for strategy in dict.fromkeys(x["strategy"] for x in one["summary"]):
            best = strongest_simple(one["summary"], strategy)
            parts += [f"Strongest simple method, {strategy}: {best}.", ""]
    return "\n".join(parts)


def _row(summary: dict[str, Any]) -> list[str]:
    mean, gaps = summary["mean"], summary["below_global"]
    shown = [
        f"{gap['mean']:+.3f} ({gap['low']:+.3f} to {gap['high']:+.3f})"
        for gap in gaps.values()
    ]
    return [
        summary["strategy"],
        summary["method"],
        f"{mean['ap_pool']:.3f}",
        f"{mean['ap_held_out']:.3f}",
        f"{mean['recall']:.3f}",
        f"{mean['looked_at']:.1%}",
        "-" if summary["in_pool"] is None else f"{summary['in_pool']:.2f}",
        *shown,
        "yes" if summary["reached"] else "no",
        f"{mean['seconds']:.2f}",
    ]
