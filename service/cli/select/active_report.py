"""The page of a batch of active learning."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gleann.index.arrays import Distances
from gleann.selection import ActiveSession, Coverage, Selection
from gleann.selection.active.questions import LabelArray
from gleann.selection.coreset import measure
from gleann.selection.uniform import uniform_rows
from gleann.service.cli.files import sources
from gleann.service.cli.reports import FileItems, command_with, in_python
from gleann.service.report.asked import Asked, Step
from gleann.service.report.pages.active import (
    AFTER,
    BEFORE,
    RANDOM,
    ActiveReport,
    active_page,
)

MOST_PRODUCTS = 2e12
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
)
"""Parameters that a resumed session still takes from the command line."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """A batch and its session.

    Attributes:
        session: after the batch was picked.
        picked: the batch.
        compared: with baselines, by concept.
    """

    session: ActiveSession
    picked: Selection
    compared: Mapping[str, Coverage]


def batch_page(
    source: sources.Source,
    batch: Batch,
    items: FileItems,
    asked: Asked,
    *,
    steps: Sequence[Step],
) -> str:
    """The page of one batch."""
    session = batch.session
    return active_page(
        ActiveReport(
            asked=asked,
            picked=batch.picked,
            strategy=session.params.strategy,
            n=len(source.ids),
            labels=count_labels(session),
            looked_at=session.looked_at,
            pool=f"{session.pool_choice.pool} ({session.pool_choice.reason})",
            advice=session.stop_advice(),
            compared=batch.compared,
            distances=_distances(source, batch),
            items=items,
            steps=steps,
        )
    )


def next_steps(out: Path, labels: Path, report: Path | None) -> list[Step]:
    """Label the batch, and ask for the next one."""
    again = command_with(
        {"resume": True, "out": numbered(out), "report": numbered(report)},
        keep=SESSION_OPTIONS,
    )
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


def count_labels(session: ActiveSession) -> dict[str, dict[str, int]]:
    """Numbers of labels by class, by concept; the concept is "" where there is none."""
    concepts = session.params.concepts
    if not concepts:
        return {"": _counts(session.labels, session.classes)}
    return {
        name: _counts(session.labels[:, column], (0, 1))
        for column, name in enumerate(concepts)
    }


def _counts(labels: LabelArray, classes: Sequence[int]) -> dict[str, int]:
    return {str(one): int((labels == one).sum()) for one in classes}


def _distances(source: sources.Source, batch: Batch) -> dict[str, Distances]:
    """Distances of all items to their nearest labelled one, by set of labels.

    Empty where there is no metric, nothing was picked or too much is to compute.
    """
    labelled, picked = batch.session.labelled_rows, batch.picked.rows
    n, dim = source.vectors.shape
    work = 2 * float(n) * dim * (len(labelled) + len(picked))
    if not source.has_metric or not len(picked) or work > MOST_PRODUCTS:
        return {}
    vectors = source.metric_vectors()
    drawn = uniform_rows(
        n, k=len(picked), seed=batch.session.params.seed, excluded=labelled
    )
    sets = {AFTER: (picked, labelled), RANDOM: (drawn, labelled)}
    before = {BEFORE: (labelled, np.empty(0, np.int64))} if len(labelled) else {}
    return {
        name: measure(vectors, rows, locked=locked).distances
        for name, (rows, locked) in (before | sets).items()
    }
