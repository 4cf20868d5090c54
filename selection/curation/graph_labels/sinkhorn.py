"""Sinkhorn's iteration in the log domain, with the entries of a block in memory once.

Tai, Bailis and Valiant 2021, Sinkhorn Label Allocation, https://arxiv.org/abs/2102.08622.
The plan Q = exp(log p * gamma + u + v) has a row for each item and one slack row, a
column for each class and one slack column. u and v are logarithms; what is kept are the
entries exp(gamma log p + v - row maximum) of a reference v, in which a sweep is two
matrix-vector products, made anew before the factors between could overflow (Schmitzer
2019, Stabilized sparse scaling algorithms for entropy regularized transport problems).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index import Progress
from gleann.index.parallel.blas import one_blas_thread
from gleann.selection.progress import ProgressCallback

FARTHEST = 50.0
"""How far v may be from its reference: factors of exp(50) are no risk in float64."""

CHECK_EVERY = 10
"""Sweeps between two progress reports."""

Logs = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Totals:
    """The totals that the plan must have.

    Attributes:
        columns: float64 (c + 1,), of the classes and the slack column; above 0.
        slack_row: of the slack row; the total of each item is 1.
    """

    columns: NDArray[np.float64]
    slack_row: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """A plan that meets its totals.

    Attributes:
        potentials: float64 (c + 1,), v.
        masses: float64 (n, c), of each item on each class; a row sums to one less its
            slack.
        error: largest relative error of a column's total.
        sweeps: that were made.
    """

    potentials: Logs
    masses: NDArray[np.float64]
    error: float
    sweeps: int


def sinkhorn(
    logs: Logs,
    totals: Totals,
    *,
    tolerance: float,
    max_sweeps: int,
    progress: ProgressCallback | None = None,
) -> Plan:
    """Scale rows and columns in turn until the columns have their totals.

    Args:
        logs: (n, c), gamma times the log-probabilities, minus infinity for none.
        totals: sum of the columns equals n + slack_row.
        tolerance: largest relative error of a column.
        max_sweeps: sweeps at most; the plan says how far it came.
        progress: called with the phase "allocate".
    """
    potentials = np.zeros(len(totals.columns))
    entries, scale = _entries(logs, potentials), np.ones_like(potentials)
    error = np.inf
    with one_blas_thread():
        for sweep in range(1, max_sweeps + 1):
            sums = _column_sums(entries, scale, potentials, totals)
            error = float(np.abs(sums / totals.columns - 1).max())
            if error <= tolerance:
                break
            scale *= totals.columns / sums
            if np.abs(np.log(scale)).max() > FARTHEST:
                potentials = potentials + np.log(scale)
                entries, scale = _entries(logs, potentials), np.ones_like(scale)
            if progress is not None and sweep % CHECK_EVERY == 0:
                progress(Progress(phase="allocate", done=sweep, total=max_sweeps))
    potentials = potentials + np.log(scale)
    return Plan(
        potentials=potentials,
        masses=soft_labels(logs, potentials),
        error=error,
        sweeps=sweep,
    )


def soft_labels(logs: Logs, potentials: Logs) -> NDArray[np.float64]:
    """Masses (m, c) of items by the potentials of a plan, which they need not be of."""
    entries = _entries(logs, potentials)
    entries /= entries.sum(axis=1, keepdims=True)
    return entries[:, :-1]


def _entries(logs: Logs, potentials: Logs) -> NDArray[np.float64]:
    """exp(logs + v) (n, c + 1), over the largest of each row; the last is the slack."""
    entries = np.empty((len(logs), len(potentials)))
    entries[:, :-1] = logs
    entries[:, -1] = 0.0
    entries += potentials
    entries -= entries.max(axis=1, keepdims=True)
    return np.exp(entries, out=entries)


def _column_sums(
    entries: NDArray[np.float64],
    scale: NDArray[np.float64],
    potentials: Logs,
    totals: Totals,
) -> NDArray[np.float64]:
    """Sums of the columns (c + 1,) once all rows have their totals."""
    rows = entries @ scale
    slack = np.exp(potentials - potentials.max()) * scale
    sums: NDArray[np.float64] = (1 / rows) @ entries * scale
    sums += slack * (totals.slack_row / slack.sum())
    return sums
