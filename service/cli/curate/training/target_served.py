"""Items for a target from an index of a server or of a data directory."""

from typing import Any

import numpy as np

from gleann.selection.checks import IdMap
from gleann.service.cli.curate.served.files import Reader, require_dim, vectors_of
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
    group_column = payload_column(job.groups, "--groups")
    vectors = names = None
    if job.targets is not None:
        vectors, names = vectors_of(job.targets, record)

    def start(client: Client) -> Operation[Curation]:
        require_dim(client, index, vectors, job.targets)
        reader = Reader(client, index, record)
        return client.curation.for_target(
            index,
            vectors,
            budget=job.budget,
            mode=job.mode.replace("-", "_"),
            allow_targets=job.allow_targets,
            excluded_ids=None if job.exclude is None else reader.ids(job.exclude),
            group_column=group_column,
            caps=job.caps,
            target_recall=job.target_recall,
            shares=job.shares,
            smoothing=job.smoothing,
            sample_size=job.sample_size,
            positive_fraction=job.positive_fraction,
            seed=job.seed,
            **_targets(job, record, reader, names),
            **job.filter,
        )

    with curated(
        job,
        record,
        start,
        index=index,
        method=METHODS[job.mode],
        progress=job.progress,
    ) as done:
        told = done.results | {"distances": UNITS.get(done.metric, "")}
        told |= {"chosen": done.curation.info.tables["chosen"].rows}
        with outputs.staged() as files:
            files.add_table(job.out, _chosen(done, names))
            if job.scores is not None:
                files.add_table(
                    job.scores, renamed(done.columns("scores"), score="proxy")
                )
            record.add_to(files, job.out, told)
        scores = done.curation.info.tables.get("scores")
        say_target(
            job,
            told,
            targets=done.summary["targets"],
            tasks=_count_tasks(job.tasks),
            scores=None if scores is None else scores.rows,
            room=done.room("items"),
            seconds=record.seconds("serve"),
            metric=done.metric,
        )


def _targets(
    job: TargetJob, record: JobRecord, reader: Reader, names: IdMap | None
) -> dict[str, Any]:
    """Ids of the targets, and the task of each."""
    own, given = job.targets, {}
    if job.target_ids is not None:
        own, ids = job.target_ids, reader.ids(job.target_ids)
        names, given = IdMap(ids, n=len(ids)), {"target_ids": ids}
    assert names is not None, "one kind of targets is there"
    assert own is not None, "one kind of targets is there"
    tasks = tasks_of(job, record, names, own)
    words = () if tasks is None else tuple(map(str, tasks.tolist()))
    return {**given, "tasks": words}


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
