"""Parameters, input files and answer of `gleann curate target`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Ids, Rows
from gleann.index.errors import InvalidInputError
from gleann.index.params import Metric
from gleann.selection import Selection
from gleann.selection.among import Among
from gleann.selection.checks import IdMap
from gleann.selection.curation.target import (
    Comparison,
    Distilled,
    Limits,
    Targets,
)
from gleann.service.cli import reports
from gleann.service.cli.curate.served.options import ServedOptions
from gleann.service.cli.curate.training.by_name import by_label
from gleann.service.cli.files import inputs, sources
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.reports import FileItems

TASK_COLUMN = "task"

OPTIONS_OF: Mapping[str, tuple[str, ...]] = {
    "round-robin": ("target_recall",),
    "best-rank": ("target_recall",),
    "resample": ("shares", "smoothing"),
    "distil": ("target_recall", "sample_size", "positive_fraction", "scores"),
}
"""The options of each mode, besides those of all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetJob(ServedOptions):
    """Parameters of `gleann curate target`."""

    source: Path
    out: Path
    budget: int
    mode: str
    vectors_column: str | None
    id_column: str | None
    metric: Metric | None
    targets: Path | None
    target_ids: Path | None
    tasks: str | None
    allow_targets: bool
    exclude: Path | None
    groups: str | None
    caps: int | Mapping[str, int] | None
    target_recall: float | None
    shares: Mapping[str, float] | None
    smoothing: float | None
    sample_size: int | None
    positive_fraction: float | None
    scores: Path | None
    seed: int
    overwrite: bool
    progress: bool

    def require_options(self) -> None:
        """Refuse options of another mode, and options that lack another.

        Raises:
            InvalidInputError: with the option, and the mode or the other option.
        """
        self._require_mode()
        if (self.targets is None) == (self.target_ids is None):
            given = "neither" if self.targets is None else "both"
            raise InvalidInputError(f"give --targets or --target-ids, got {given}")
        if self.targets is not None and self.allow_targets:
            raise InvalidInputError(
                "--allow-targets is for --target-ids: rows that equal one of --targets"
                " may always be chosen"
            )
        if (self.groups is None) != (self.caps is None):
            raise InvalidInputError("--groups and --caps need each other")
        if self.shares is not None and self.tasks is None:
            raise InvalidInputError("--shares needs --tasks")

    def _require_mode(self) -> None:
        known = OPTIONS_OF[self.mode]
        for name in sorted({one for some in OPTIONS_OF.values() for one in some}):
            if name not in known and getattr(self, name) is not None:
                modes = [mode for mode, has in OPTIONS_OF.items() if name in has]
                raise InvalidInputError(
                    f"--{name.replace('_', '-')} is for --mode {' or '.join(modes)},"
                    f" the mode is {self.mode}"
                )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TargetInputs:
    """Contents of a job's input files.

    Attributes:
        source: the items.
        targets: examples of what is wanted.
        names: (m,) what the targets are called: their ids, or numbers.
        rows: int64 (m,), the row of each target; None where they are vectors only.
        limits: which items may be chosen.
        among: the items to choose among; None for all.
        items: what the report shows of the items; None without a report.
    """

    source: sources.Source
    targets: Targets
    names: Ids
    rows: Rows | None
    limits: Limits
    among: Among | None
    items: FileItems | None

    @property
    def tasks(self) -> NDArray[Any] | None:
        """The task (m,) of each target; None where there is one task."""
        tasks = self.targets.tasks
        return None if tasks is None else np.asarray(tasks)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TargetAnswer:
    """What a job chose, and how near that is.

    Attributes:
        chosen: the rows.
        distilled: the probe and its scores; None for other modes.
        compared: with draws of the same size; None where nothing was chosen.
    """

    chosen: Selection
    distilled: Distilled | None
    compared: Comparison | None


def read(job: TargetJob, record: JobRecord) -> TargetInputs:
    """Read all files of a job and record them.

    Raises:
        InvalidInputError: inconsistent files.
        UnknownIdError: an id of no item.
        DuplicateIdError: one id twice.
    """
    source = sources.open_source(job, record)
    targets, names, rows = _targets(job, record, source)
    among = source.among(job, record)
    return TargetInputs(
        source=source,
        targets=targets,
        names=names,
        rows=rows,
        limits=_limits(job, record, source.names, among),
        among=among,
        items=reports.open_items(job, source.names, own=job.source),
    )


def _targets(
    job: TargetJob, record: JobRecord, source: sources.Source
) -> tuple[Targets, Ids, Rows | None]:
    """The targets, what they are called, and their rows."""
    items = source.names
    if job.target_ids is not None:
        record.add_file(job.target_ids)
        rows = inputs.read_id_rows(job.target_ids, items)
        ids = items.ids_of(rows)
        targets = Targets(
            ids=ids,
            tasks=tasks_of(job, record, IdMap(ids, n=len(ids)), job.target_ids),
            own_rows="allow" if job.allow_targets else "exclude",
        )
        return targets, ids, rows
    assert job.targets is not None
    read = inputs.read_vectors(job.targets)
    record.add_file(job.targets)
    names = IdMap(read.ids, n=len(read.vectors))
    targets = Targets(
        vectors=source.as_queries(np.asarray(read.vectors), job.targets),
        tasks=tasks_of(job, record, names, job.targets),
    )
    return targets, names.ids_of(np.arange(len(names))), None


def tasks_of(
    job: TargetJob, record: JobRecord, names: IdMap, own: Path
) -> NDArray[np.generic] | None:
    """The task (m,) of each target; None where there is one task."""
    if job.tasks is None:
        return None
    path, _ = inputs.split_column(job.tasks, TASK_COLUMN)
    if path.resolve() != own.resolve():
        record.add_file(path)
    return inputs.read_groups(job.tasks, names, own=own, column=TASK_COLUMN)


def _limits(
    job: TargetJob, record: JobRecord, items: IdMap, among: Among | None
) -> Limits:
    excluded = None
    if job.exclude is not None:
        record.add_file(job.exclude)
        excluded = items.ids_of(inputs.read_id_rows(job.exclude, items))
    if job.groups is None or job.caps is None:
        return Limits(among=among, excluded=excluded)
    path, _ = inputs.split_column(job.groups, inputs.GROUP_COLUMN)
    record.add_file(path)
    groups = inputs.read_groups(job.groups, items, own=job.source)
    caps = job.caps if isinstance(job.caps, int) else by_label(job.caps, groups)
    return Limits(among=among, excluded=excluded, groups=groups, caps=caps)
