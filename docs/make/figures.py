"""Figures of the concepts, drawn from what the code does when the pages are made."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bench.records import RESULTS
from gleann.index import BuildParams, SearchParams, SoarIndex, exact_search, recall_at_k
from gleann.selection import EstimateParams, EstimateSession, run_estimate

SEED = 7
K = 10
REPEATS = 100

Values = NDArray[np.generic]


def clustered(rows: int, *, dim: int, seed: int) -> NDArray[np.float32]:
    """Rows (rows, dim) around 60 centres, so that lists are worth probing."""
    centres = np.random.default_rng(SEED).normal(size=(60, dim))
    rng = np.random.default_rng(seed)
    picked = centres[rng.integers(60, size=rows)]
    return (picked + 0.9 * rng.normal(size=(rows, dim))).astype(np.float32)


def spilling(axes: Any) -> None:
    """Entries that a query reads for a recall, by where the second copies are.

    From the recorded counts of `python -m bench reads` on 110,000 embeddings of text.
    """
    recorded = json.loads((RESULTS / "reads-wordnet-384.json").read_text("utf-8"))
    most = max(row["nlist"] for row in recorded["rows"])
    for spill, weight in (("none", 0.0), ("naive", 0.0), ("soar", 1.0)):
        points = [
            (row["recall"], row["entries"])
            for row in recorded["rows"]
            if (row["nlist"], row["spill"], row["lambda"]) == (most, spill, weight)
        ]
        axes.plot(*zip(*sorted(points), strict=True), marker="o", label=spill)
    axes.set_xlabel(f"recall@10 ({recorded['data']}, {most:,} lists)")
    axes.set_ylabel("entries that a query reads")
    axes.legend(title="spill")


def promised_recall(axes: Any) -> None:
    """Recall of held-out queries by the recall that was asked for."""
    rows, queries = clustered(20_000, dim=32, seed=1), clustered(1000, dim=32, seed=3)
    _, truth = exact_search(queries, rows, k=K, metric="cosine")
    index = SoarIndex.build(rows, BuildParams(metric="cosine"))
    wanted = np.array([0.8, 0.85, 0.9, 0.95, 0.98, 0.99])
    reached = []
    for recall in wanted:
        found = index.search(queries, SearchParams(k=K, target_recall=float(recall)))
        reached.append(recall_at_k(found.distances, truth))
    axes.plot(wanted, wanted, color="grey", linestyle=":", label="asked for")
    axes.plot(
        wanted, reached, marker="o", label="1,000 queries that the index never saw"
    )
    axes.set_xlabel("target_recall")
    axes.set_ylabel("recall@10 measured")
    axes.legend()


def many_intervals(axes: Any) -> None:
    """Intervals of the same count by 100 draws of the labels, and those that miss."""
    rng = np.random.default_rng(SEED)
    proxy = rng.beta(0.4, 4.0, size=20_000)
    positive = rng.random(20_000) < proxy
    missed = 0
    for seed in range(REPEATS):
        params = EstimateParams(budget=400, seed=seed)
        session = EstimateSession.start(proxy, params)
        made = run_estimate(session, lambda rows: (positive[rows], None))
        holds = made.low <= positive.sum() <= made.high
        missed += not holds
        colour = "tab:blue" if holds else "tab:red"
        axes.plot([seed, seed], [made.low, made.high], color=colour, linewidth=1.5)
    axes.axhline(positive.sum(), color="black", linewidth=1)
    axes.set_xlabel(
        f"draw of 400 labels ({missed} of {REPEATS} intervals miss, in red)"
    )
    axes.set_ylabel("count, with its 95 % interval")


FIGURES: dict[str, Callable[[Any], None]] = {
    "spilling": spilling,
    "promised_recall": promised_recall,
    "many_intervals": many_intervals,
}
"""By the name that pages link to."""


def draw(name: str, path: Path) -> None:
    """Draw a figure as SVG; the same figure gives the same file."""
    with mpl.rc_context({"svg.hashsalt": "gleann", "svg.fonttype": "none"}):
        figure = Figure(figsize=(7, 3.6), layout="constrained")
        FIGURES[name](figure.subplots())
        figure.savefig(path, metadata={"Date": None})
