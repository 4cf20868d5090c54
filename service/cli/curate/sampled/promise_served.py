"""Promised sets of an index of a server or of a data directory."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Ids
from gleann.selection.checks import IdMap
from gleann.service.cli.curate.sampled.jobs import PromiseJob
from gleann.service.cli.curate.sampled.session import (
    KEPT_THERE,
    Labelling,
    index_of,
    labelled,
)
from gleann.service.cli.curate.sampled.words import say_promised
from gleann.service.cli.curate.served.files import Reader
from gleann.service.cli.curate.served.options import payload_column, refuse
from gleann.service.cli.curate.served.running import among_words
from gleann.service.cli.files import output_paths, outputs
from gleann.service.cli.files.answers import read_answers
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.labelling import require_outputs
from gleann.service.cli.place import opened
from gleann.service.client.client import Client
from gleann.service.values import SessionInfo


def promise_served(job: PromiseJob) -> None:
    """Label a session where the index is, and write the set here."""
    refuse(job, {"state": KEPT_THERE, "resume": KEPT_THERE})
    index = index_of(job, job.index)
    require_outputs(
        output_paths.table("--out", job.out),
        job.todo,
        None,
        pages=(),
        inputs=(None if job.columns else job.proxy, job.oracle_csv),
        overwrite=job.overwrite,
    )
    record = JobRecord("curate promise", job)
    with opened(job.place) as client, record.timed("promise"):
        labelling = _labelling(job, client, index, record)
        session = labelled(job, client, labelling, record)
        made = client.promises.get(session)
    results = made.summary | {"provenance": made.provenance, "session": session.name}
    with outputs.staged() as files:
        files.add_table(job.out, made.table().columns)
        record.add_to(files, job.out, results)
    facts: dict[str, Any] = dict(made.summary)
    room = among_words(made.provenance, facts["out_of"], "items")
    say_promised(facts, room=room)


def _labelling(
    job: PromiseJob, client: Client, index: str, record: JobRecord
) -> Labelling:
    """Labels of the items that the promise needs."""
    proxy, names = _proxy(job, Reader(client, index, record))
    answers = read_answers(job.oracle_csv, names, with_values=False)

    def start(request_id: str) -> SessionInfo:
        return client.promises.start(
            index, params=job.params, proxy=proxy, request_id=request_id, **job.filter
        )

    return Labelling(
        index=index,
        kind="promise",
        params=job.params,
        start=start,
        next_batch=client.promises.next_batch,
        submit=client.promises.submit_labels,
        ask=lambda ids: answers.ask(ids)[0],
        names=names,
    )


def _proxy(
    job: PromiseJob, reader: Reader
) -> tuple[tuple[Ids, NDArray[np.float64]] | str, IdMap]:
    """The proxy of a file, or the name of a column; and ids that may have answers."""
    if job.columns:
        column = payload_column(str(job.proxy), "--proxy")
        return column, reader.answered(job.oracle_csv)
    ids, numbers = reader.scores(job.proxy, "proxy")
    return (ids, numbers), IdMap(ids, n=len(ids))
