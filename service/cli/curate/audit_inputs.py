"""Parameters and input files of `gleann curate audit`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from numpy.typing import ArrayLike

from gleann.index.arrays import Rows
from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.index.nouns import number_of
from gleann.index.params import Metric
from gleann.selection.among import Among
from gleann.selection.curation.audit import AuditRequest
from gleann.service.cli import reports
from gleann.service.cli.curate.served.options import ServedOptions
from gleann.service.cli.files import columns, inputs, sources
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.files.tables import read_table
from gleann.service.cli.reports import FileItems
from gleann.service.report.measures.groups import groups_of_column


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditJob(ServedOptions):
    """Parameters of `gleann curate audit`."""

    source: Path
    chosen: str
    out: Path
    groups: tuple[str, ...]
    group_column: tuple[str, ...]
    orders: str
    shares: str
    coverage_out: Path | None
    groups_out: Path | None
    parts_out: Path | None
    vectors_column: str | None
    id_column: str | None
    metric: Metric | None
    seed: int
    overwrite: bool
    progress: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AuditInputs:
    """Contents of a job's input files.

    Attributes:
        source: all items.
        among: the pool; None for all items.
        chosen: int64 (m,), rows of the choice, in the order they were picked.
        request: for the library.
        items: what the report shows of the items; None without a report.
    """

    source: sources.Source
    among: Among | None
    chosen: Rows
    request: AuditRequest
    items: FileItems | None


def read(job: AuditJob, record: JobRecord) -> AuditInputs:
    """Read all files of a job and record them.

    Raises:
        InvalidInputError: inconsistent files, or nothing is chosen.
        InvalidParamsError: the metric is "ip", or a number out of range.
    """
    source = sources.open_source(job, record)
    among = source.among(job, record)
    chosen = chosen_rows(job, source, record)
    labels = group_labels(job, source, record)
    return AuditInputs(
        source=source,
        among=among,
        chosen=chosen,
        request=request_of(job, source, chosen, labels),
        items=reports.open_items(job, source.names, own=job.source),
    )


def group_files(job: AuditJob) -> list[Path]:
    """Files of groups besides that of the items."""
    named = [inputs.split_column(one, inputs.GROUP_COLUMN)[0] for one in job.groups]
    return [path for path in named if path != job.source]


def numbers_in(text: str, flag: str) -> tuple[float, ...]:
    """Numbers that commas separate; inf is infinity.

    Raises:
        InvalidInputError: anything else.
    """
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise InvalidInputError(
            f"{flag}: {text!r} is no list of numbers, such as 0.5,1"
        ) from error


def chosen_file(given: str) -> tuple[Path, str]:
    """The file and the column of flags, "" for none."""
    return inputs.split_column(given, "")


def chosen_rows(job: AuditJob, source: sources.Source, record: JobRecord) -> Rows:
    """Rows (m,) of the choice, in the order they were picked.

    Raises:
        InvalidInputError: no id, or none that is flagged.
    """
    path, flag = chosen_file(job.chosen)
    record.add_file(path)
    if not flag:
        rows = inputs.read_id_rows(path, source.names)
    else:
        table = read_table(path, columns=(inputs.ID_COLUMN, flag))
        flagged = columns.flags(table, flag)
        rows = columns.rows_in(table, inputs.ID_COLUMN, source.names)[flagged]
    if not len(rows):
        which = f" with {flag} 1" if flag else ""
        raise InvalidInputError(
            f"{path} has 0 ids{which}: nothing of"
            f" {number_of(len(source.names), 'items')} is chosen"
        )
    return rows


def group_labels(
    job: AuditJob, source: sources.Source, record: JobRecord
) -> dict[str, ArrayLike]:
    """The labels (n,) of all items by the names of their columns.

    Raises:
        InvalidInputError: two columns of one name.
    """
    found: dict[str, ArrayLike] = {}
    for given in job.groups:
        path, name = inputs.split_column(given, inputs.GROUP_COLUMN)
        if path != job.source:
            record.add_file(path)
        values = inputs.read_groups(given, source.names, own=job.source)
        _add(found, name, values)
    for name in job.group_column:
        _add(found, name, _own_column(job, source, name))
    return found


def _add(found: dict[str, ArrayLike], name: str, values: ArrayLike) -> None:
    if name in found:
        raise InvalidInputError(
            f"2 columns of groups are called {name!r}: rename one of them"
        )
    found[name] = values


def _own_column(job: AuditJob, source: sources.Source, name: str) -> ArrayLike:
    if source.index is None:
        return inputs.read_groups(f"{job.source}:{name}", source.names, own=job.source)
    if source.index.payload is None:
        raise InvalidInputError(
            f"--group-column {name!r}: {job.source} has no payload; name a file with"
            " --groups"
        )
    return groups_of_column(source.index.payload.column(name).to_pylist())


def request_of(
    job: AuditJob,
    source: sources.Source,
    chosen: Rows,
    labels: Mapping[str, ArrayLike],
) -> AuditRequest:
    """What to audit.

    Raises:
        InvalidParamsError: the metric is "ip", or a number out of range.
    """
    if source.metric == "ip":
        raise InvalidParamsError(
            "radii need a true metric, cosine or l2, but the metric is ip"
        )
    return AuditRequest(
        chosen=source.names.ids_of(chosen),
        labels=labels,
        orders=numbers_in(job.orders, "--orders"),
        metric=source.metric,
        shares=numbers_in(job.shares, "--shares"),
        seed=job.seed,
    )
