"""Audits of a batch of an index of a server or of a data directory."""

from gleann.selection.checks import IdMap
from gleann.service.cli.curate.sampled.acceptance_columns import FAILED_COLUMNS
from gleann.service.cli.curate.sampled.jobs import AcceptanceJob
from gleann.service.cli.curate.sampled.session import Labelling, index_of, labelled
from gleann.service.cli.curate.sampled.words import bound_values, say_bound
from gleann.service.cli.curate.served.files import Reader
from gleann.service.cli.curate.served.options import refuse
from gleann.service.cli.files import outputs
from gleann.service.cli.files.answers import read_answers
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.labelling import json_file, require_outputs
from gleann.service.cli.place import opened
from gleann.service.client.client import Client
from gleann.service.values import SessionInfo


def acceptance_served(job: AcceptanceJob) -> None:
    """Check a part of a batch where the index is, and write the bound here."""
    refuse(job, {})
    job.require_one_draw()
    index = index_of(job, job.index)
    require_outputs(
        json_file(job.out),
        job.todo,
        None,
        pages=(),
        inputs=(job.batch, job.oracle_csv, job.drawn),
        overwrite=job.overwrite,
    )
    record = JobRecord("curate acceptance", job)
    with opened(job.place) as client, record.timed("audit"):
        labelling = _labelling(job, client, index, record)
        session = labelled(job, client, labelling, record)
        bound = client.promises.bound(session)
    results = bound_values(bound) | {"design": job.design}
    with outputs.staged() as files:
        files.add_json(job.out, results)
        record.add_to(files, job.out, results | {"session": session.name})
    say_bound(bound)


def _labelling(
    job: AcceptanceJob, client: Client, index: str, record: JobRecord
) -> Labelling:
    """Checks of the items of the batch that are drawn."""
    reader = Reader(client, index, record)
    batch = reader.ids(job.batch)
    drawn = None if job.drawn is None else reader.ids(job.drawn)
    params = job.params(drawn=None if drawn is None else len(drawn))
    names = IdMap(batch, n=len(batch))
    checks = read_answers(
        job.oracle_csv, names, with_values=False, yes_columns=FAILED_COLUMNS
    )

    def start(request_id: str) -> SessionInfo:
        return client.promises.start_audit(
            index, batch, params=params, drawn=drawn, request_id=request_id
        )

    return Labelling(
        index=index,
        kind="audit",
        params=params,
        start=start,
        next_batch=client.promises.next_batch,
        submit=client.promises.submit_labels,
        ask=lambda ids: checks.ask(ids)[0],
        names=names,
    )
