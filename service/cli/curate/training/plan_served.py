"""Epochs of training from an index of a server or of a data directory."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gleann.service.cli.curate.served.options import payload_column, refuse
from gleann.service.cli.curate.served.running import columns_of, curated
from gleann.service.cli.curate.training.plan_job import PlanJob, part_of, say_plan
from gleann.service.cli.files import output_paths, outputs
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.client.client import Client
from gleann.service.client.curation import Curation
from gleann.service.client.operation import Operation


def plan_served(job: PlanJob) -> None:
    """Plan where the index is, and write the epochs here."""
    refuse(job, {})
    out = output_paths.table("--out", job.out)
    output_paths.require_writable(
        out, output_paths.manifest(out), overwrite=job.overwrite
    )
    record, index = JobRecord("curate plan", job), str(job.source)
    strata = payload_column(job.strata, "--strata")

    def start(client: Client) -> Operation[Curation]:
        return client.curation.epoch_plan(
            index,
            fraction=job.fraction,
            first_epoch=job.epoch,
            epochs=job.epochs,
            mode=job.mode.replace("-", "_"),
            stratum_column=strata,
            by_lists=job.by_lists,
            seed=job.seed,
            **job.filter,
        )

    with curated(
        job, record, start, index=index, method="epoch_plan", progress=job.progress
    ) as done:
        table = _part(done.curation.table("epochs"), job.part)
        counts = _counts(table, done.curation.provenance["params"])
        with outputs.staged() as files:
            files.add_table(job.out, columns_of(table))
            told = {str(epoch): rows for epoch, rows in counts.items()}
            record.add_to(files, job.out, done.results | {"rows_of_epoch": told})
        say_plan(
            job,
            list(counts.values()),
            room=done.room("items"),
            seconds=record.seconds("serve"),
            epochs_a_pass=done.summary["epochs_a_pass"],
        )


def _counts(table: pa.Table, params: Mapping[str, Any]) -> dict[int, int]:
    """Rows of each epoch that was planned, of which small ones have none."""
    first, epochs = int(params["first_epoch"]), int(params["epochs"])
    rows = np.bincount(_numbers(table, "epoch") - first, minlength=epochs)
    return {first + number: count for number, count in enumerate(rows.tolist())}


def _numbers(table: pa.Table, name: str) -> NDArray[np.int64]:
    numbers: NDArray[np.int64] = table.column(name).to_numpy()
    return numbers


def _part(table: pa.Table, part: tuple[int, int]) -> pa.Table:
    """One of equal parts of each epoch, whose places begin at 0."""
    epochs = _numbers(table, "epoch")
    _, first, counts = np.unique(epochs, return_index=True, return_counts=True)
    kept, places = [], []
    for begin, count in zip(first.tolist(), counts.tolist(), strict=True):
        start, stop = part_of(part, count)
        kept.append(np.arange(begin + start, begin + stop))
        places.append(np.arange(stop - start))
    if not kept:
        return table
    taken = table.take(pa.array(np.concatenate(kept)))
    column = pa.array(np.concatenate(places))
    return taken.set_column(taken.column_names.index("place"), "place", column)
