"""Files of `gleann curate propagate`, and what it prints."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.errors import InvalidInputError
from gleann.index.nouns import counted
from gleann.service.cli.curate.labels.jobs import PropagateJob
from gleann.service.cli.curate.labels.unlabelled import unlabelled_words
from gleann.service.cli.files import inputs, output_paths
from gleann.service.cli.files.class_tables import LABEL_COLUMN, as_classes
from gleann.service.cli.files.output_paths import OutputPath
from gleann.service.cli.say import say


def require_outputs(job: PropagateJob, *, pages: Iterable[OutputPath] = ()) -> None:
    """Refuse labels of no kind or of two, and paths that cannot be written.

    Raises:
        InvalidInputError: with what is given.
        and those of `output_paths.require_writable`.
    """
    if (job.labels is None) == (job.soft_labels is None):
        both = "neither" if job.labels is None else "both"
        raise InvalidInputError(f"give --labels or --soft-labels, got {both}")
    if job.soft_labels is not None and job.weight_column is not None:
        raise InvalidInputError(
            "--weight-column is a column of --labels: it does not go with --soft-labels"
        )
    out = output_paths.table("--out", job.out)
    more = {
        "--probabilities-out": job.probabilities_out,
        "--uncertain-out": job.uncertain_out,
    }
    labels = None if job.labels is None else label_file(job.labels)[0]
    source = None if job.is_served else job.source
    output_paths.require_writable(
        out,
        output_paths.manifest(out),
        *(output_paths.table(flag, path) for flag, path in more.items() if path),
        *pages,
        inputs=(source, labels, job.soft_labels, job.payload),
        overwrite=job.overwrite,
    )


def label_file(given: str) -> tuple[Path, str]:
    """The file of the labels, and the column that has them."""
    return inputs.split_column(given, LABEL_COLUMN)


def classes_named(
    named: Sequence[str], labels: NDArray[np.generic]
) -> Sequence[Hashable] | None:
    """The named classes as the labels have them: integers or texts."""
    if not named:
        return None
    return as_classes(named) if labels.dtype.kind == "i" else tuple(named)


def say_propagation(
    job: PropagateJob, facts: Mapping[str, Any], *, room: str, seconds: float
) -> None:
    """Print how many items have a label, and why others have none.

    Args:
        job: of the command.
        facts: the summary of the answer.
        room: the items that take part, in words.
        seconds: that it took.
    """
    say(
        f"{job.out}: {facts['labelled']:,} of {room} have a label, from"
        f" {facts['given']:,} given ones, in {seconds:.2f} s"
    )
    for line in unlabelled_words(facts):
        say(line)
    if facts["outvoted"]:
        say(
            f"{facts['outvoted']:,} of {counted(facts['given'], 'given labels')} are"
            " outvoted by"
            " their neighbours: see whether they are right (--hold clamped keeps them)"
        )
    if job.uncertain_out is not None:
        say(f"{job.uncertain_out}: {counted(job.uncertain, 'items')} to label next")
