"""Labels under class shares, of an index of a server or of a data directory."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gleann.index.errors import InvalidInputError
from gleann.service.cli.curate.labels.allocate_outputs import (
    require_outputs,
    sample_counts,
    say_allocation,
)
from gleann.service.cli.curate.labels.jobs import AllocateJob
from gleann.service.cli.curate.served.options import refuse
from gleann.service.cli.curate.served.running import (
    CURATIONS,
    Served,
    curated,
    full_name,
)
from gleann.service.cli.files import outputs
from gleann.service.cli.files.class_tables import read_class_numbers
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.files.outputs import TABLE_SUFFIXES
from gleann.service.client.client import Client
from gleann.service.client.curation import Curation
from gleann.service.client.operation import Operation


def allocate_served(job: AllocateJob) -> None:
    """Allocate the probabilities of a stored propagation, and write labels here."""
    refuse(
        job, {"classes": "the curation of the propagation has the names of its classes"}
    )
    name = _curation(job.probabilities)
    require_outputs(job)
    job.params()
    record = JobRecord("curate allocate", job)

    def start(client: Client) -> Operation[Curation]:
        return _started(job, client, name, record)

    with curated(
        job, record, start, index=None, method="allocation", progress=job.progress
    ) as done:
        _write(job, done, record)


def _started(
    job: AllocateJob, client: Client, name: str, record: JobRecord
) -> Operation[Curation]:
    """The job, with bounds for the classes of a propagation.

    Raises:
        InvalidInputError: the curation is of another method.
    """
    source = client.curation.get(name)
    classes = source.provenance.get("classes")
    if classes is None:
        raise InvalidInputError(
            f"{name} is of {source.info.method}, not of propagation"
        )
    return client.curation.allocate_labels(
        source.info.index,
        name,
        confidence=job.confidence,
        share=job.share,
        gamma=job.gamma,
        tolerance=job.tolerance,
        max_sweeps=job.max_sweeps,
        **_bounds(job, classes, record),
        **job.filter,
    )


def _write(job: AllocateJob, done: Served, record: JobRecord) -> None:
    """Write the labels, and say how many each class has."""
    classes = done.curation.table("classes").to_pylist()
    told = {
        **done.results,
        "classes": {
            one["class"]: {key: one[key] for key in ("bound", "mass", "labels")}
            for one in classes
        },
    }
    with outputs.staged() as files:
        files.add_table(job.out, done.columns("rows"))
        record.add_to(files, job.out, told)
    say_allocation(
        job,
        told,
        [(one["class"], one["labels"], one["mass"], one["bound"]) for one in classes],
        room=done.room("items"),
        seconds=record.seconds("serve"),
    )


def _curation(given: Path) -> str:
    """The name of a stored propagation.

    Raises:
        InvalidInputError: a file of probabilities.
    """
    if given.suffix.lower() in (*TABLE_SUFFIXES, ".npy"):
        raise InvalidInputError(
            f"{given} is a file here, whose items need no server: leave --server and"
            " --data out, or give the name of a curation, such as curations/3f2a"
        )
    return full_name(str(given), CURATIONS)


def _bounds(
    job: AllocateJob, classes: Sequence[Any], record: JobRecord
) -> dict[str, Any]:
    """Shares, upper bounds or counts of a sample, by class."""
    for kind, given in (("shares", job.shares), ("upper_bounds", job.upper_bounds)):
        if given is not None:
            flag = f"--{kind.replace('_', '-')}"
            numbers = read_class_numbers(given, classes, flag=flag)
            return {kind: dict(zip(classes, numbers.tolist(), strict=True))}
    counts = sample_counts(job, classes, record)
    return {"counts": dict(zip(classes, counts.tolist(), strict=True))}
