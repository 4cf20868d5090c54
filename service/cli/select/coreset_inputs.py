"""Parameters and input files of the coreset commands."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows, Vectors
from gleann.index.errors import InvalidInputError
from gleann.index.params import Metric
from gleann.selection import entropy_costs, margin_costs
from gleann.selection.among import Among
from gleann.selection.checks import IdMap
from gleann.selection.coreset import CostOn
from gleann.selection.coreset.methods import defaults
from gleann.service.cli import reports
from gleann.service.cli.files import inputs, sources
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.options import AmongOptions
from gleann.service.cli.reports import FileItems
from gleann.service.cli.select.quota_option import Quotas
from gleann.service.values import DeviceChoice

COSTS_OF = {"margin": margin_costs, "entropy": entropy_costs}
"""How class probabilities become costs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoresetJob(AmongOptions):
    """Parameters of a coreset command."""

    source: Path
    out: Path
    k: int
    vectors_column: str | None
    id_column: str | None
    metric: Metric | None
    locked: Path | None
    coverage: Path | None
    groups: str | None
    quotas: Quotas
    device: DeviceChoice
    overwrite: bool
    progress: bool
    costs: Path | None = None
    probabilities: Path | None = None
    uncertainty: str = "margin"
    cost_weight: float = 0.0
    cost_on: CostOn = "sum"
    eps: float = defaults.RADIUS_STEP
    shards: int = 1
    diversity: float = defaults.DIVERSITY
    hardest_share: float = defaults.HARDEST_SHARE
    strata: int = defaults.STRATA
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Inputs:
    """Contents of a job's input files.

    Attributes:
        source: the items.
        vectors: float32 (n, d), whose L2 distance is the metric; None where there is no
            metric and the method needs none.
        costs: float64 (n,), or None.
        locked: int64 (m,), rows that count as already chosen.
        groups: (n,), or None.
        among: the items to choose from and to cover; None for all.
        items: what the report shows of the items; None without a report.
    """

    source: sources.Source
    vectors: Vectors | None
    costs: NDArray[np.float64] | None
    locked: Rows
    groups: NDArray[np.generic] | None
    among: Among | None
    items: FileItems | None


def read(job: CoresetJob, record: JobRecord, *, measured: bool) -> Inputs:
    """Read all files of a job and record them.

    Args:
        job: has their paths.
        record: stores their hashes.
        measured: whether the method needs distances; False accepts the metric "ip".

    Raises:
        InvalidInputError: inconsistent files.
        InvalidParamsError: the method needs distances, and the metric is "ip".
    """
    source = sources.open_source(job, record)
    locked = np.empty(0, np.int64)
    if job.locked:
        locked = inputs.read_id_rows(job.locked, source.names)
        record.add_file(job.locked)
    return Inputs(
        source=source,
        vectors=source.metric_vectors() if measured or source.has_metric else None,
        costs=_read_costs(job, record, source.names),
        locked=locked,
        groups=_read_groups(job, record, source.names),
        among=source.among(job, record),
        items=reports.open_items(job, source.names, own=job.source),
    )


def _read_costs(
    job: CoresetJob, record: JobRecord, names: IdMap
) -> NDArray[np.float64] | None:
    if job.costs and job.probabilities:
        raise InvalidInputError("give --costs or --probabilities, not both")
    if job.costs:
        record.add_file(job.costs)
        return inputs.read_scores(job.costs, names, name="cost", own=job.source)
    if job.probabilities:
        record.add_file(job.probabilities)
        costs = COSTS_OF[job.uncertainty](inputs.read_array(job.probabilities))
        if len(costs) != len(names):
            raise InvalidInputError(
                f"{job.probabilities} has {len(costs)} rows for {len(names)} items"
            )
        return costs
    return None


def _read_groups(
    job: CoresetJob, record: JobRecord, names: IdMap
) -> NDArray[np.generic] | None:
    if job.groups is None:
        return None
    path, _ = inputs.split_column(job.groups, inputs.GROUP_COLUMN)
    record.add_file(path)
    return inputs.read_groups(job.groups, names, own=job.source)
