"""The fit and the tables of `python -m bench.selection.pools`, from its points."""

from typing import Any

import numpy as np
from scipy.optimize import nnls

from bench.tables import markdown
from gleann.selection.active.pools.cost import Round

SEED = 100
"""Labels that a session with one concept begins from."""


def size_of(point: dict[str, Any]) -> Round:
    """The round that a point was measured of."""
    concepts = point["concepts"]
    return Round(
        rows=point["rows"],
        dim=point["dim"],
        batch=point["batch"],
        neighbours=point["neighbours"],
        labelled=SEED * concepts,
        scores=concepts,
        searches=concepts if point["pool"] == "classifier" else 0,
    )


def fitted(points: list[dict[str, Any]]) -> dict[str, Any]:
    """Constants, none below 0, of least squared relative error, and that error."""
    return {
        "global": _fit([p for p in points if p["pool"] == "global"], "global_work"),
        "neighbours": _fit(
            [p for p in points if p["pool"] != "global"], "neighbour_work"
        ),
        "distinct": _distinct(points),
    }


def _distinct(points: list[dict[str, Any]]) -> float | None:
    """Median rows that enter for each neighbour searched, where rows abound."""
    shares = [
        p["looked_at"] / (p["neighbours"] * p["labelled"])
        for p in points
        if p["pool"] != "global" and p["looked_at"] < p["rows"] / 4
    ]
    return float(np.median(shares)) if shares else None


def _fit(points: list[dict[str, Any]], work: str) -> dict[str, Any]:
    measured = np.array([1e3 * point["cpu_ms_a_round"] for point in points])
    parts = np.array([getattr(size_of(point), work) for point in points])
    scaled = parts / measured[:, None]
    size = scaled.max(axis=0)
    constants = nnls(scaled / size, np.ones(len(points)))[0] / size
    off = np.abs(parts @ constants / measured - 1)
    return {
        "microseconds": [float(f"{value:.3g}") for value in constants],
        "median_error": float(np.median(off)),
        "largest_error": float(off.max()),
        "points": len(points),
    }


def pools_table(result: dict[str, Any]) -> str:
    """By size: milliseconds of both pools, measured and modelled, and the choice."""
    fit = result["fit"]
    said = [
        f"{kind}: median error {fit[kind]['median_error']:.0%}, largest"
        f" {fit[kind]['largest_error']:.0%} over {fit[kind]['points']} points"
        for kind in ("global", "neighbours")
    ]
    head = (
        "data", "rows", "dimensions", "global, ms", "classifier, ms", "modelled",
        "looked at", "auto takes", "its ms / global's",
    )  # fmt: skip
    rows = [_row(result["points"], size) for size in _sizes(result["points"])]
    return f"{'; '.join(said)}.\n\n{markdown(head, rows)}"


def _sizes(points: list[dict[str, Any]]) -> list[tuple[str, int, int]]:
    return list(dict.fromkeys((p["data"], p["dim"], p["rows"]) for p in points))


def _row(points: list[dict[str, Any]], size: tuple[str, int, int]) -> list[str]:
    data, dim, rows = size
    everything = _default(points, size, "global")
    near = _default(points, size, "classifier")
    modelled = size_of(near)
    taken = near if modelled.takes_neighbours else everything
    ratio = taken["cpu_ms_a_round"] / everything["cpu_ms_a_round"]
    return [
        data,
        f"{rows:,}",
        f"{dim}",
        f"{everything['cpu_ms_a_round']:.1f}",
        f"{near['cpu_ms_a_round']:.1f}",
        f"{modelled.global_ms:.1f} / {modelled.neighbours_ms:.1f}",
        f"{taken['looked_at'] / rows:.1%}",
        taken["pool"],
        f"{ratio:.2f}",
    ]


def _default(
    points: list[dict[str, Any]], size: tuple[str, int, int], pool: str
) -> dict[str, Any]:
    """The point of one pool at the default batch and neighbours."""
    for point in points:
        here = point["data"], point["dim"], point["rows"]
        if here == size and point["pool"] == pool and point["concepts"] == 1:
            return point
    raise ValueError(f"no point of {pool} at {size}")
