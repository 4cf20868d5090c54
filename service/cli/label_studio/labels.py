"""`gleann label-studio labels`: the labels of an export, for other commands."""

from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Ids
from gleann.index.errors import DuplicateIdError, InvalidInputError
from gleann.index.ids.checks import hold_id_array, hold_ids
from gleann.index.ids.held import shown_id, to_numpy
from gleann.service.adapters.label_studio import CONTROL, labels_of, require_distinct
from gleann.service.cli import options
from gleann.service.cli.files import columns, outputs
from gleann.service.cli.files.inputs import ID_COLUMN
from gleann.service.cli.files.output_paths import require_writable, table
from gleann.service.cli.files.tables import Table, read_table
from gleann.service.cli.say import result, say, warn


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelsJob:
    """The parameters of the command.

    Attributes:
        export: of Label Studio, in the format JSON or JSON-MIN.
        control: name of the tag whose choices are labels.
        positive: the class that is 1, where all others are 0; None for none.
        classes: those that are 0, 1 and so on; None for their names.
        column: of the labels in `out`.
        after: labels so far, which come first, or None.
        out: file for the labels.
        overwrite: whether it may be replaced.
    """

    export: Path
    control: str
    positive: str | None
    classes: str | None
    column: str
    after: Path | None
    out: Path
    overwrite: bool


@click.command(
    "labels",
    short_help="Read the labels of an export of Label Studio.",
    epilog=options.examples(
        "gleann label-studio labels export.json --out studio.csv",
        "gleann label-studio labels export.json --positive cat --after seed.csv --out"
        " all.csv",
        "gleann label-studio labels export.json --positive cat --column positive --out"
        " oracle.csv",
    ),
)
@click.argument("export", type=options.PATH)
@click.option(
    "--control",
    default=CONTROL,
    show_default=True,
    help="Name of the control tag whose choices are the labels.",
)
@click.option(
    "--positive", metavar="CLASS", help="Write 1 for this class, 0 for others."
)
@click.option("--classes", metavar="A,B,...", help="Write 0, 1, ... for these classes.")
@click.option(
    "--column", default="label", show_default=True, help="Name of the column of labels."
)
@click.option(
    "--after",
    type=options.PATH,
    help="Labels so far, with the columns id and --column: they come first.",
)
@options.out_option("labels.csv")
@options.overwrite_option
@options.takes(LabelsJob)
def command(job: LabelsJob) -> None:
    """Read the labels of EXPORT, a file that a project of Label Studio exported.

    An item has the class that most of its annotations give. Items with as many votes
    for two classes, and those that were skipped, get no label: they are counted, and
    --json lists them.

    Writes id and label, which `gleann select active --labels` and others read.
    """
    require_writable(
        table("--out", job.out),
        inputs=(job.export, job.after),
        overwrite=job.overwrite,
    )
    if job.positive is not None and job.classes is not None:
        raise InvalidInputError("give --positive or --classes, not both")
    if job.column == ID_COLUMN:
        raise InvalidInputError(f"--column {ID_COLUMN} is the column of the ids")
    found = labels_of(job.export, control=job.control)
    labels = _labels(job, found.labels)
    ids, labels = _with_earlier(job, found.ids, labels)
    outputs.write_table(job.out, {ID_COLUMN: ids, job.column: labels})
    new = len(found.ids)
    say(f"{len(ids):,} labels in {job.out}, {new:,} of them from {job.export}")
    if left := len(found.unclear) + len(found.skipped):
        warn(
            f"{left:,} items have no label: {len(found.unclear):,} with as many votes"
            f" for two classes, {len(found.skipped):,} that were skipped"
        )
    result(
        labels=len(ids),
        unclear=found.unclear.tolist(),
        skipped=found.skipped.tolist(),
        out=str(job.out),
    )


def _labels(job: LabelsJob, names: NDArray[np.str_]) -> NDArray[np.generic]:
    """The labels as they are written: names, or numbers of classes."""
    if job.positive is not None:
        if len(names) and job.positive not in names:
            others = np.unique(names)
            warn(
                f"none of the {len(names):,} labels is --positive {job.positive!r:.60},"
                f" but one of {len(others):,} others, such as {str(others[0])!r:.60}"
            )
        return (names == job.positive).astype(np.int64)
    if job.classes is None:
        return names
    known = job.classes.split(",")
    require_distinct(known)
    if strange := sorted(set(names.tolist()) - set(known)):
        raise InvalidInputError(
            f"{job.export} has {len(strange)} classes that --classes lacks, such as"
            f" {strange[0]!r:.60}; it names {len(known)}"
        )
    return np.array([known.index(name) for name in names.tolist()], np.int64)


def _with_earlier(
    job: LabelsJob, ids: Ids, labels: NDArray[np.generic]
) -> tuple[Ids, NDArray[np.generic]]:
    """These labels behind those of --after.

    Raises:
        InvalidInputError: ids or labels of another kind than there.
        DuplicateIdError: an item that is labelled there.
    """
    if job.after is None:
        return ids, labels
    before = read_table(job.after, columns=[ID_COLUMN, job.column])
    theirs = _earlier_ids(before, ids)
    if len(ids) and len(theirs) and theirs.dtype.kind != ids.dtype.kind:
        raise InvalidInputError(
            f"{job.after} has the id {shown_id(theirs[0].item())}, and {job.export} has"
            f" {shown_id(ids[0].item())}: one is an integer and one a text"
        )
    if twice := np.intersect1d(theirs, ids).tolist():
        raise DuplicateIdError(
            f"{job.export} labels {len(twice):,} items that {job.after} has labels of,"
            f" such as {shown_id(twice[0])}"
        )
    return (
        np.concatenate([theirs, ids]) if len(ids) else theirs,
        np.concatenate([_earlier_labels(job, before, labels), labels]),
    )


def _earlier_ids(before: Table, ids: Ids) -> Ids:
    """The ids of --after; a csv file does not tell the text "7" from the integer."""
    if before.is_csv and any(
        isinstance(x, str) and x.isdecimal() for x in ids.tolist()
    ):
        held = columns.ids_like(before, ID_COLUMN, hold_id_array(ids))
        name = f"{before.path}: {ID_COLUMN}"
        return to_numpy(hold_ids(held, n=len(held), name=name))
    return to_numpy(columns.own_ids(before, ID_COLUMN))


def _earlier_labels(
    job: LabelsJob, before: Table, labels: NDArray[np.generic]
) -> NDArray[np.generic]:
    """The labels of --after, of the kind of those of the export.

    Raises:
        InvalidInputError: numbers there, and names in the export.
    """
    if labels.dtype.kind == "i":
        return columns.labels(before, job.column)
    words = columns.words(before, job.column)
    are_numbers = len(words) > 0 and all(map(_is_number, words.tolist()))
    strange = [one for one in labels.tolist() if not _is_number(one)]
    if are_numbers and strange:
        raise InvalidInputError(
            f"{job.after} has numbers as labels, such as {words[0]}, and {job.export}"
            f" names, such as {strange[0]!r:.60}: give --positive or --classes"
        )
    return words


def _is_number(text: str) -> bool:
    return text.removeprefix("-").isdecimal()
