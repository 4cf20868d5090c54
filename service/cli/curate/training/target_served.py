"""Items for a target from an index of a server or of a data directory."""

import numpy as np

from gleann.selection.checks import IdMap
from gleann.service.cli.curate.served.files import SentVectors, sent_vectors
from gleann.service.cli.curate.served.options import payload_column, refuse
from gleann.service.cli.curate.served.running import Served, curated, renamed
from gleann.service.cli.curate.training.target_inputs import (
    TASK_COLUMN,
    TargetJob,
    tasks_of,
)
from gleann.service.cli.curate.training.target_outputs import (
    require_outputs,
    say_target,
)
from gleann.service.cli.files import columns, inputs, outputs
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.files.outputs import Values
from gleann.service.client.client import Client
from gleann.service.client.curation import Curation
from gleann.service.client.operation import Operation
from gleann.service.report.pages.graph import UNITS

METHODS = {
    "round-robin": "round_robin",
    "best-rank": "best_rank",
    "resample": "resample",
    "distil": "distilled_best_rank",
}
"""The method of the answer of each mode."""


def target_served(job: TargetJob) -> None:
    """Choose where the index is, and write the chosen items here."""
    refuse(job, {})
    job.require_options()
    require_outputs(job)
    record, index = JobRecord("curate target", job), str(job.source)
    payload_column(job.groups, "--groups")  # refuses a file before any is read
    sent = sent_vectors(job.targets, record)

    def start(client: Client) -> Operation[Curation]:
        return _started(job, client, sent, record)

    with curated(
        job,
        record,
        start,
        index=index,
        method=METHODS[job.mode],
        progress=job.progress,
    ) as done:
        _write(job, done, sent.names, record)


def _started(
    job: TargetJob, client: Client, sent: SentVectors, record: JobRecord
) -> Operation[Curation]:
    """The job, with the targets and their tasks."""
    index = str(job.source)
    reader = sent.reader(client, index, record)
    excluded = None if job.exclude is None else reader.ids(job.exclude)
    target_ids, names = sent.or_ids(job.target_ids, reader)
    return client.curation.for_target(
        index,
        sent.vectors,
        budget=job.budget,
        target_ids=target_ids,
        tasks=_tasks(job, record, names),
        mode=job.mode.replace("-", "_"),
        allow_targets=job.allow_targets,
        excluded_ids=excluded,
        group_column=payload_column(job.groups, "--groups"),
        caps=job.caps,
        target_recall=job.target_recall,
        shares=job.shares,
        smoothing=job.smoothing,
        sample_size=job.sample_size,
        positive_fraction=job.positive_fraction,
        seed=job.seed,
        **job.filter,
    )


def _tasks(job: TargetJob, record: JobRecord, names: IdMap) -> tuple[str, ...]:
    """The task of each target (m,); none for one task."""
    own = job.targets if job.target_ids is None else job.target_ids
    assert own is not None, "one kind of targets is there"
    tasks = tasks_of(job, record, names, own)
    return () if tasks is None else tuple(map(str, tasks.tolist()))


def _write(
    job: TargetJob, done: Served, names: IdMap | None, record: JobRecord
) -> None:
    """Write the chosen items and the scores, and say how many there are."""
    tables = done.curation.info.tables
    told = done.results | {"distances": UNITS.get(done.metric, "")}
    told |= {"chosen": tables["chosen"].rows}
    with outputs.staged() as files:
        files.add_table(job.out, _chosen(done, names))
        if job.scores is not None:
            files.add_table(job.scores, renamed(done.columns("scores"), score="proxy"))
        record.add_to(files, job.out, told)
    say_target(
        job,
        told,
        targets=done.summary["targets"],
        tasks=_count_tasks(job.tasks),
        scores=tables["scores"].rows if "scores" in tables else None,
        room=done.room("items"),
        seconds=record.seconds("serve"),
        metric=done.metric,
    )


def _count_tasks(given: str | None) -> int | None:
    """How many tasks a file has; None without one."""
    if given is None:
        return None
    path, name = inputs.split_column(given, TASK_COLUMN)
    tasks = columns.categories(inputs.read_column(path, name), name)
    return len(set(tasks.tolist()))


def _chosen(done: Served, names: IdMap | None) -> dict[str, Values]:
    """One line per chosen item; targets of a file by what they are called there."""
    lines = done.columns("chosen")
    lines["rank"] = np.asarray(lines["rank"], np.int32)
    if names is not None and "target" in lines:
        lines["target"] = names.ids_of(np.asarray(lines["target"], np.int64))
    return lines
