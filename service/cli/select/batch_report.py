"""What the pages of batches to label have in common."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Distances, Rows
from gleann.selection import Selection
from gleann.selection.among import Among
from gleann.selection.coreset import measure
from gleann.selection.uniform import uniform_rows
from gleann.service.cli.files import sources
from gleann.service.cli.reports import command_with, in_python
from gleann.service.report.asked import Step
from gleann.service.report.pages.batch import AFTER, BEFORE, RANDOM

MOST_PRODUCTS = 1e12
"""Products of coordinates for the curves; a job with more has none."""
SESSION_OPTIONS = (
    "source",
    "labels",
    "state",
    "ignore",
    "probabilities",
    "vectors_column",
    "id_column",
    "metric",
    "show_column",
    "image_column",
    "class_column",
    "show_from",
    "workers",
    "address",
)
"""Parameters that a resumed session still takes from the command line."""


def next_steps(out: Path, labels: Path | None, report: Path | None) -> list[Step]:
    """Label the batch, and ask for the next one.

    Args:
        out: file with the batch.
        labels: file with the labels so far, or None before the first ones.
        report: the page.
    """
    labels = labels or Path("labels.csv")
    changed = {"resume": True, "out": numbered(out), "report": numbered(report)}
    again = command_with({**changed, "labels": labels}, keep=SESSION_OPTIONS)
    show = f"import pyarrow.parquet as pq; print(pq.read_table({str(out)!r}))"
    return [
        Step(
            what="Read the ids to label:",
            command=in_python(show),
        ),
        Step(
            what=f"Add their labels to {labels}, then ask for the next batch:",
            command=again,
        ),
    ]


def numbered(path: Path | None) -> Path | None:
    """The path of the next batch: batch-1.parquet -> batch-2.parquet."""
    if path is None:
        return None
    found = re.fullmatch(r"(.*?)(\d+)", path.stem)
    if found is None:
        return path.with_name(f"{path.stem}-2{path.suffix}")
    return path.with_name(f"{found[1]}{int(found[2]) + 1}{path.suffix}")


def count_labels(labels: NDArray[Any], classes: Sequence[Any]) -> dict[str, int]:
    """Number of labels (m,) of each class."""
    return {str(one): int((labels == one).sum()) for one in classes}


def about(among: Among | None, labelled: Rows) -> Among | None:
    """The items that a page is about: those to pick from, and the labelled ones."""
    return None if among is None else among.besides(labelled)


def numbered_within(picked: Selection, within: Among | None) -> Selection:
    """A batch with its rows counted among the items of the page."""
    if within is None:
        return picked
    return replace(picked, rows=np.searchsorted(within.rows, picked.rows))


def batch_distances(
    source: sources.Source,
    *,
    labelled: Rows,
    picked: Rows,
    seed: int,
    among: Among | None = None,
) -> dict[str, Distances]:
    """Distances of all items to their nearest labelled one, by set of labels.

    With `among`, of the items of `about`.

    Empty where there is no metric, nothing was picked or too much is to compute.

    Args:
        source: the items.
        labelled: rows with a label.
        picked: rows of the batch.
        seed: of the random batch beside it.
        among: the items to pick from; None for all.
    """
    n, dim = source.vectors.shape
    work = float(n) * dim * (len(labelled) + len(picked))
    if not source.has_metric or not len(picked) or work > MOST_PRODUCTS:
        return {}
    vectors = source.metric_vectors()
    within, closed = about(among, labelled), labelled
    if among is not None:
        closed = np.union1d(labelled, np.flatnonzero(~among.mask))
    drawn = uniform_rows(n, k=len(picked), seed=seed, excluded=closed)
    sets = {AFTER: (picked, labelled), RANDOM: (drawn, labelled)}
    before = {BEFORE: (labelled, np.empty(0, np.int64))} if len(labelled) else {}
    return {
        name: _looked_at(
            measure(vectors, rows, locked=locked, among=within).distances, within
        )
        for name, (rows, locked) in (before | sets).items()
    }


def _looked_at(distances: Distances, within: Among | None) -> Distances:
    return distances if within is None else distances[within.rows]
