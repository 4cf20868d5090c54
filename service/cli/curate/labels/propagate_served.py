"""Labels over the graph of an index of a server or of a data directory."""

from typing import Any

from gleann.index.ids.checks import hold_distinct
from gleann.index.ids.held import to_numpy
from gleann.service.cli.curate.labels.jobs import PropagateJob
from gleann.service.cli.curate.labels.propagate_outputs import (
    classes_named,
    label_file,
    require_outputs,
    say_propagation,
)
from gleann.service.cli.curate.served.files import Reader
from gleann.service.cli.curate.served.options import refuse
from gleann.service.cli.curate.served.running import Served, curated, renamed
from gleann.service.cli.files import columns, outputs
from gleann.service.cli.files.class_tables import read_class_table
from gleann.service.cli.files.inputs import ID_COLUMN
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.files.outputs import Values
from gleann.service.cli.files.tables import read_table
from gleann.service.client.client import Client
from gleann.service.client.curation import Curation
from gleann.service.client.operation import Operation


def propagate_served(job: PropagateJob) -> None:
    """Spread labels where the index is, and write them here."""
    refuse(job, {})
    require_outputs(job)
    job.params()
    record, index = JobRecord("curate propagate", job), str(job.source)

    def start(client: Client) -> Operation[Curation]:
        known = _known(job, record, Reader(client, index, record))
        return client.curation.propagate(
            index,
            **known,
            k=job.k,
            kernel=job.kernel,
            power=job.power,
            alpha=job.alpha,
            hold=job.hold,
            tolerance=job.tolerance,
            max_sweeps=job.max_sweeps,
            uncertain=0 if job.uncertain_out is None else job.uncertain,
            **job.filter,
        )

    with curated(
        job, record, start, index=index, method="propagation", progress=job.progress
    ) as done:
        counts = done.curation.table("classes").to_pylist()
        told = {
            **done.results,
            "classes": {one["class"]: one["labels"] for one in counts},
        }
        with outputs.staged() as files:
            files.add_table(job.out, _as_stored(done, "rows"))
            if job.probabilities_out is not None:
                files.add_table(job.probabilities_out, done.columns("probabilities"))
            if job.uncertain_out is not None:
                uncertain = renamed(done.columns("uncertain"), label="likeliest")
                files.add_table(job.uncertain_out, uncertain)
            record.add_to(files, job.out, told)
        say_propagation(
            job, told, room=done.room("items"), seconds=record.seconds("serve")
        )


def _known(job: PropagateJob, record: JobRecord, reader: Reader) -> dict[str, Any]:
    """Ids and what is known of them, as the client takes it."""
    named = job.classes.split(",") if job.classes else []
    if job.soft_labels is not None:
        soft = read_class_table(job.soft_labels, classes=named)
        ids = reader.ids(job.soft_labels)
        return {"ids": ids, "probabilities": soft.values, "classes": soft.classes}
    assert job.labels is not None, "one of both is there"
    path, column = label_file(job.labels)
    record.add_file(path)
    more = [job.weight_column] if job.weight_column else []
    table = read_table(path, columns=(ID_COLUMN, column, *more))
    labels = columns.categories(table, column)
    weights = columns.numbers(table, job.weight_column) if job.weight_column else None
    return {
        "ids": to_numpy(hold_distinct(reader.ids_in(table))),
        "labels": labels,
        "weights": weights,
        "classes": classes_named(named, labels),
    }


def _as_stored(done: Served, name: str) -> dict[str, Values]:
    """The columns of a table with its nulls, as a command here writes them."""
    table = done.curation.table(name)
    return dict(zip(table.column_names, table.columns, strict=True))
