"""Several means and shares of an index of a server or of a data directory."""

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Ids
from gleann.index.ids.checks import hold_distinct
from gleann.index.ids.held import to_numpy
from gleann.selection.checks import IdMap
from gleann.service.cli.curate.sampled.jobs import MeansJob
from gleann.service.cli.curate.sampled.means_inputs import read_values
from gleann.service.cli.curate.sampled.session import (
    KEPT_THERE,
    Labelling,
    index_of,
    labelled,
)
from gleann.service.cli.curate.sampled.words import means_values, say_means
from gleann.service.cli.curate.served.files import Reader
from gleann.service.cli.curate.served.options import refuse
from gleann.service.cli.curate.served.running import among_words
from gleann.service.cli.files import columns, output_paths, outputs
from gleann.service.cli.files.inputs import ID_COLUMN
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.files.tables import read_table
from gleann.service.cli.labelling import require_outputs
from gleann.service.cli.place import opened
from gleann.service.client.client import Client
from gleann.service.values import SessionInfo

Columns = dict[str, tuple[Ids, NDArray[np.generic]] | str]
"""Ids and values, or a column of payload, by name."""


def means_served(job: MeansJob) -> None:
    """Label a session where the index is, and write the estimates here."""
    refuse(job, {"state": KEPT_THERE, "resume": KEPT_THERE})
    index = index_of(job, job.index)
    require_outputs(
        output_paths.table("--out", job.out),
        job.todo,
        None,
        pages=(),
        inputs=(job.items, job.oracle_csv),
        overwrite=job.overwrite,
    )
    record = JobRecord("curate means", job)
    with opened(job.place) as client, record.timed("estimate"):
        labelling = _labelling(job, client, index, record)
        session = labelled(job, client, labelling, record)
        made = client.means.get(session)
        count = client.get_index(index).count
    with outputs.staged() as files:
        files.add_table(job.out, made.table().columns)
        record.add_to(files, job.out, means_values(made) | {"session": session.name})
    say_means(made, room=among_words(made.provenance, count, "items"))


def _labelling(
    job: MeansJob, client: Client, index: str, record: JobRecord
) -> Labelling:
    """Values of the items that are sampled."""
    names, controls, groups = _known(job, Reader(client, index, record), record)

    def start(request_id: str) -> SessionInfo:
        return client.means.start(
            index,
            params=job.params,
            controls=controls,
            groups=groups,
            by_list=True,
            request_id=request_id,
            **job.filter,
        )

    return Labelling(
        index=index,
        kind="means",
        params=job.params,
        start=start,
        next_batch=client.means.next_batch,
        submit=client.means.submit_values,
        ask=read_values(job.oracle_csv, names, job.statistics).ask,
        names=names,
    )


def _known(
    job: MeansJob, reader: Reader, record: JobRecord
) -> tuple[IdMap, Columns, Columns]:
    """Ids that may have answers, and the controls and groups of all items by name.

    Without a file of items they are columns of payload.
    """
    by = () if job.stratify_by is None else (job.stratify_by,)
    numbers = tuple(dict.fromkeys((*job.control, *by)))
    if job.items is None:
        named: Columns = {name: name for name in numbers}
        return reader.answered(job.oracle_csv), named, {one: one for one in job.group}
    record.add_file(job.items)
    table = read_table(job.items, columns=(ID_COLUMN, *numbers, *job.group))
    ids = to_numpy(hold_distinct(reader.ids_in(table)))
    controls: Columns = {name: (ids, columns.numbers(table, name)) for name in numbers}
    groups: Columns = {
        name: (ids, columns.categories(table, name)) for name in job.group
    }
    return IdMap(ids, n=len(ids)), controls, groups
