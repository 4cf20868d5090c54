"""Audits of a choice of an index of a server or of a data directory."""

from typing import Any

from gleann.index.errors import InvalidInputError
from gleann.index.ids.held import take_ids, to_numpy
from gleann.service.cli.curate.audit_inputs import AuditJob, chosen_file, numbers_in
from gleann.service.cli.curate.audit_outputs import require_outputs, say_audit
from gleann.service.cli.curate.served.files import Reader
from gleann.service.cli.curate.served.options import refuse
from gleann.service.cli.curate.served.running import CURATIONS, curated
from gleann.service.cli.files import columns, outputs
from gleann.service.cli.files.inputs import ID_COLUMN
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.files.tables import read_table
from gleann.service.client.client import Client
from gleann.service.client.curation import Curation
from gleann.service.client.operation import Operation

SELECTIONS = "selections/"
METHOD = "audit"


def audit_served(job: AuditJob) -> None:
    """Measure where the index is, and write the numbers here."""
    refuse(job, {"groups": "a server reads columns of the index: give --group-column"})
    require_outputs(job)
    orders = numbers_in(job.orders, "--orders")
    shares = numbers_in(job.shares, "--shares")
    record, index = JobRecord("curate audit", job), str(job.source)

    def start(client: Client) -> Operation[Curation]:
        return client.curation.audit(
            index,
            group_columns=job.group_column,
            orders=orders,
            shares=shares,
            seed=job.seed,
            **_chosen(job.chosen, Reader(client, index, record), record),
            **job.filter,
        )

    with curated(
        job, record, start, index=index, method=METHOD, progress=job.progress
    ) as done:
        with outputs.staged() as files:
            files.add_table(job.out, done.columns("sets"))
            for path, name in (
                (job.coverage_out, "coverage"),
                (job.groups_out, "groups"),
                (job.parts_out, "parts"),
            ):
                if path is not None:
                    files.add_table(path, done.columns(name))
            record.add_to(files, job.out, done.results)
        groups = done.curation.table("groups").to_pylist() if job.group_column else []
        say_audit(
            job,
            done.curation.table("sets").to_pylist(),
            groups,
            room=done.room("items"),
            seconds=record.seconds("serve"),
        )


def _chosen(given: str, reader: Reader, record: JobRecord) -> dict[str, Any]:
    """The choice, as the client takes it: a stored one by its name, or ids."""
    if given.startswith(SELECTIONS):
        return {"chosen": given}
    if given.startswith(CURATIONS):
        name, _, flag = given.partition(":")
        return {"chosen": name, "flag": flag}
    path, flag = chosen_file(given)
    if not flag:
        return {"chosen": reader.ids(path)}
    record.add_file(path)
    table = read_table(path, columns=(ID_COLUMN, flag))
    rows = columns.flags(table, flag).nonzero()[0]
    if not len(rows):
        raise InvalidInputError(f"{path} has 0 ids with {flag} 1: nothing is chosen")
    return {"chosen": to_numpy(take_ids(reader.ids_in(table), rows))}
