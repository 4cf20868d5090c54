"""Sinkhorn's iteration in the log domain, ended by Newton's method.

Tai, Bailis and Valiant 2021, Sinkhorn Label Allocation,
https://arxiv.org/abs/2102.08622. The plan Q = exp(gamma log p + u + v) has a row for
each item and one slack row, a column for each class and one slack column; u and v are
logarithms. A sweep of Sinkhorn gives v what the columns lack. Near the end, and with
sharp probabilities long before, sweeps gain little: the potentials of c classes are
few, so Newton steps on the dual, which is convex, take over.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index import Progress
from gleann.index.parallel.blas import one_blas_thread
from gleann.selection.progress import ProgressCallback

SWEEPS_FIRST = 50
"""Sweeps of Sinkhorn before the first Newton step."""

HALVINGS = 20
"""Times that a Newton step is halved before a sweep of Sinkhorn replaces it."""

ENOUGH = 1e-4
"""Share of the expected decrease of the dual that a Newton step must reach."""

LONGEST_STEP = 30.0
"""Change of a potential in a Newton step at most."""

RIDGE = 1e-12
"""Added to the Hessian's diagonal, relative to it."""

REPORT_EVERY = 10
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
        max_sweeps: sweeps and Newton steps at most; the plan says how far it came.
        progress: called with the phase "allocate".
    """
    now = _dual_at(logs, np.zeros(len(totals.columns)), totals)
    with one_blas_thread():
        for sweep in range(1, max_sweeps + 1):
            if now.error(totals) <= tolerance:
                break
            stepped = _newton(logs, now, totals) if sweep > SWEEPS_FIRST else None
            if stepped is None:
                lacking = np.log(totals.columns / now.sums)
                stepped = _dual_at(logs, now.potentials + lacking, totals)
            now = stepped
            if progress is not None and sweep % REPORT_EVERY == 0:
                progress(Progress(phase="allocate", done=sweep, total=max_sweeps))
    return Plan(
        potentials=now.potentials,
        masses=now.masses[:, :-1],
        error=now.error(totals),
        sweeps=sweep,
    )


def soft_labels(logs: Logs, potentials: Logs) -> NDArray[np.float64]:
    """Masses (m, c) of items by the potentials of a plan, which they need not be of."""
    return _softmax(logs, potentials)[0][:, :-1]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Dual:
    """The dual problem at given potentials.

    Attributes:
        potentials: float64 (c + 1,), v.
        masses: float64 (n, c + 1), the items' rows of the plan, which sum to one.
        slack: float64 (c + 1,), the slack row.
        sums: float64 (c + 1,), of the columns.
        value: of the dual, convex in v; its gradient is `sums` less the totals.
    """

    potentials: Logs
    masses: NDArray[np.float64]
    slack: NDArray[np.float64]
    sums: NDArray[np.float64]
    value: float

    def error(self, totals: Totals) -> float:
        """Largest relative error of a column's total."""
        return float(np.abs(self.sums / totals.columns - 1).max())


def _dual_at(logs: Logs, potentials: Logs, totals: Totals) -> _Dual:
    masses, sizes = _softmax(logs, potentials)
    slack, size = _softmax(np.zeros((1, len(potentials) - 1)), potentials)
    slack = slack[0] * totals.slack_row
    value = sizes.sum() + totals.slack_row * size[0] - totals.columns @ potentials
    return _Dual(
        potentials=potentials,
        masses=masses,
        slack=slack,
        sums=masses.sum(axis=0) + slack,
        value=float(value),
    )


def _newton(logs: Logs, now: _Dual, totals: Totals) -> _Dual | None:
    """The dual after a Newton step, halved until it pays; None where none does."""
    gradient = now.sums - totals.columns
    hessian = np.diag(now.sums * (1 + RIDGE)) - now.masses.T @ now.masses
    hessian -= np.outer(now.slack, now.slack) / totals.slack_row
    # A shift of all potentials changes nothing: without this it has no curvature.
    hessian += now.sums.mean() / len(now.sums)
    step = -np.linalg.solve(hessian, gradient)
    step *= min(1.0, LONGEST_STEP / np.abs(step).max())
    expected = float(gradient @ step)
    for _ in range(HALVINGS):
        then = _dual_at(logs, now.potentials + step, totals)
        # Near the end the value's last digits are noise, and the error decides.
        pays = then.value <= now.value + ENOUGH * expected
        pays = pays or then.error(totals) < 0.5 * now.error(totals)
        if pays and then.sums.min() > 0:
            return then
        step, expected = step / 2, expected / 2
    return None


def _softmax(
    logs: Logs, potentials: Logs
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rows exp(logs + v) (n, c + 1) over their sums, and the logarithms of those (n,).

    The last column is the slack, whose log-probability is 0.
    """
    entries = np.empty((len(logs), len(potentials)))
    entries[:, :-1] = logs
    entries[:, -1] = 0.0
    entries += potentials
    largest = entries.max(axis=1, keepdims=True)
    entries -= largest
    np.exp(entries, out=entries)
    sums = entries.sum(axis=1, keepdims=True)
    entries /= sums
    return entries, (np.log(sums) + largest)[:, 0]
