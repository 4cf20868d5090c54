"""Hard negatives from an index of a server or of a data directory."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds, Ids
from gleann.index.ids.held import take_ids
from gleann.selection.checks import IdMap
from gleann.service.cli.curate.served.files import Reader, SentVectors, sent_vectors
from gleann.service.cli.curate.served.options import refuse
from gleann.service.cli.curate.served.running import Served, curated
from gleann.service.cli.curate.training.negatives_inputs import (
    QUERY_COLUMN,
    NegativesJob,
    known_rows,
    require_queries,
    require_some,
)
from gleann.service.cli.curate.training.negatives_outputs import (
    require_outputs,
    say_negatives,
)
from gleann.service.cli.files import outputs
from gleann.service.cli.files.inputs import ID_COLUMN
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.files.outputs import Values
from gleann.service.cli.files.tables import read_table
from gleann.service.client.client import Client
from gleann.service.client.curation import Curation
from gleann.service.client.operation import Operation


def mine_served(job: NegativesJob) -> None:
    """Mine where the index is, and write the negatives here."""
    refuse(job, {})
    require_outputs(job)
    require_queries(job)
    record, index = JobRecord("curate negatives", job), str(job.source)
    sent = sent_vectors(job.queries, record)

    def start(client: Client) -> Operation[Curation]:
        return _started(job, client, sent, record)

    with curated(
        job,
        record,
        start,
        index=index,
        method="hard_negatives",
        progress=job.progress,
    ) as done:
        _write(job, done, sent.names, record)


def _started(
    job: NegativesJob, client: Client, sent: SentVectors, record: JobRecord
) -> Operation[Curation]:
    """The job, with the queries and their positives."""
    index = str(job.source)
    reader = sent.reader(client, index, record)
    query_ids, names = sent.or_ids(job.query_ids, reader)
    return client.curation.mine_negatives(
        index,
        sent.vectors,
        query_ids=query_ids,
        positives=_positives(job, record, names, reader),
        per_query=job.per_query,
        window=job.window,
        max_similarity=job.max_similarity,
        margin=job.margin,
        relative_margin=job.relative_margin,
        duplicate_radius=job.duplicate_radius,
        sampling=job.sampling,
        target_recall=job.target_recall,
        seed=job.seed,
        **job.filter,
    )


def _write(
    job: NegativesJob, done: Served, names: IdMap | None, record: JobRecord
) -> None:
    """Write the negatives and what queries lack, and say how many there are."""
    lines = _named(done, "negatives", names)
    with outputs.staged() as files:
        files.add_table(job.out, lines)
        if job.shortfall is not None:
            files.add_table(job.shortfall, _named(done, "queries", names))
        record.add_to(files, job.out, done.results)
    say_negatives(
        job,
        done.summary,
        np.asarray(lines["similarity"], np.float32),
        room=done.room("items"),
        seconds=record.seconds("serve"),
        metric=done.metric,
    )


def _positives(
    job: NegativesJob, record: JobRecord, queries: IdMap, reader: Reader
) -> list[Ids]:
    """The ids that answer each query (m,)."""
    require_some(queries)
    table = read_table(job.positives, columns=(QUERY_COLUMN, ID_COLUMN))
    if job.positives != job.query_ids:
        record.add_file(job.positives)
    of_query = known_rows(table, QUERY_COLUMN, queries, what="query")
    ids: HeldIds = reader.ids_in(table)
    order = np.argsort(of_query, kind="stable")
    ends = np.searchsorted(of_query[order], np.arange(len(queries) + 1))
    parts = (order[first:last] for first, last in pairwise(ends))
    return [_taken(ids, rows) for rows in parts]


def _taken(ids: HeldIds, rows: NDArray[np.int64]) -> Ids:
    held = take_ids(ids, rows)
    return held if isinstance(held, np.ndarray) else held.to_numpy()


def _named(done: Served, table: str, names: IdMap | None) -> dict[str, Values]:
    """A table with what the queries of a file are called, in place of numbers."""
    columns = done.columns(table)
    if names is not None:
        numbers = np.asarray(columns["query"], np.int64)
        columns["query"] = take_ids(names.held, numbers)
    if "rank" in columns:
        columns["rank"] = np.asarray(columns["rank"], np.int32)
    return columns
