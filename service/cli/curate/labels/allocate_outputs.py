"""Files of `gleann curate allocate`, and what it prints."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.errors import InvalidInputError
from gleann.index.nouns import counted, verb
from gleann.service.cli.curate.labels.jobs import AllocateJob
from gleann.service.cli.files import columns, inputs, output_paths
from gleann.service.cli.files.class_tables import LABEL_COLUMN, class_counts
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.files.output_paths import OutputPath
from gleann.service.cli.say import say

MOST_CLASSES = 20
"""Classes that are printed."""


def require_outputs(job: AllocateJob, *, pages: Iterable[OutputPath] = ()) -> None:
    """Refuse bounds of no kind or of several, and paths that cannot be written.

    Raises:
        InvalidInputError: with how many are given.
        and those of `output_paths.require_writable`.
    """
    given = [job.shares, job.upper_bounds, job.sample]
    if (count := sum(one is not None for one in given)) != 1:
        raise InvalidInputError(
            f"give one of --shares, --upper-bounds and --sample, got {count}"
        )
    out = output_paths.table("--out", job.out)
    sample = job.sample and inputs.split_column(job.sample, LABEL_COLUMN)[0]
    source = None if job.is_served else job.probabilities
    output_paths.require_writable(
        out,
        output_paths.manifest(out),
        *pages,
        inputs=(source, sample or None, job.payload),
        overwrite=job.overwrite,
    )


def sample_counts(
    job: AllocateJob, classes: Sequence[Hashable], record: JobRecord
) -> NDArray[np.int64]:
    """How many labels of a random sample each class (c,) has."""
    assert job.sample is not None, "one of three is there"
    path, column = inputs.split_column(job.sample, LABEL_COLUMN)
    record.add_file(path)
    labels = columns.categories(inputs.read_column(path, column), column)
    return class_counts(labels, classes, path=path)


def say_allocation(
    job: AllocateJob,
    facts: Mapping[str, Any],
    classes: Sequence[tuple[str, int, float, float]],
    *,
    room: str,
    seconds: float,
) -> None:
    """Print how many items have a label, and what each class got.

    Args:
        job: of the command.
        facts: the summary of the answer.
        classes: name, labels, mass and bound of each.
        room: the items that take part, in words.
        seconds: that it took.
    """
    say(
        f"{job.out}: {facts['labelled']:,} of {room} have a label, in {seconds:.2f} s"
        f" and {counted(facts['sweeps'], 'sweeps')}"
    )
    if bare := facts["without_evidence"]:
        none = f"{counted(bare, 'items')} {verb(bare, 'has', 'have')} none"
        say(f"{none}: all probabilities are 0")
    if above := facts["above_bounds"]:
        say(
            f"{counted(above, 'labels')} {verb(above, 'is', 'are')} above the bounds of"
            " their classes: masses keep the"
            " bounds, labels of items that are alike do not"
        )
    for name, labels, mass, bound in classes[:MOST_CLASSES]:
        say(
            f"{name}: {counted(labels, 'labels')}, mass {mass:,.1f}, at most"
            f" {bound:.4g} of the items"
        )
    if (left := len(classes) - MOST_CLASSES) > 0:
        say(f"and {counted(left, 'more classes')}, in the record")
