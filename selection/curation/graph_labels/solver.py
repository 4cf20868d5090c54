"""Propagation as a linear system, solved by Chebyshev's semi-iterative method.

The class masses x (n, c) solve x = alpha T x + b, where T has the steps of a walk and b
the given labels. T is similar to a symmetric matrix with its spectrum in -1..1, so the
method (Golub and Varga 1961) gains a factor of alpha / (1 + sqrt(1 - alpha^2)) in every
sweep, and plain iteration only alpha.

**How exact.** Let r be the residual of x, and m its sum over the classes. T has no
negative entry and rows that sum to at most one, so

- the error of every row is at most max(r) / (1 - alpha), and
- alpha T sqrt(m) <= sqrt(alpha) sqrt(m) (Jensen), so that of row i is at most
  sqrt(m_i) max_j(r_j / sqrt(m_j)) / (1 - sqrt(alpha)): far rows, whose mass is small,
  have small errors.

Of both, divided by m_i, the smaller one bounds the error of row i's class
probabilities.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gleann.index import Progress
from gleann.index.arrays import Mask, Rows
from gleann.index.parallel.cores import usable_cores
from gleann.selection.curation.graph_labels.params import PropagationParams
from gleann.selection.curation.graph_labels.walk import Walk
from gleann.selection.progress import ProgressCallback

if TYPE_CHECKING:
    from scipy.sparse import csr_array

CHECK_EVERY = 4
"""Sweeps between two measurements of the residual."""

Masses = NDArray[np.float64]
"""Class masses (n, c), at least 0 but for rounding errors."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """The labels that spread.

    Attributes:
        rows: int64 (m,), ascending.
        values: float64 (m, c), at least 0, a positive one in every row.
    """

    rows: Rows
    values: NDArray[np.float64]

    def at(self, positions: Rows) -> "Evidence":
        """The same, with rows numbered by their positions (n,)."""
        moved = positions[self.rows]
        order = np.argsort(moved)
        return Evidence(rows=moved[order], values=self.values[order])

    def within(self, block: slice) -> "Evidence":
        """That of a block of rows, counted from its start."""
        first, last = np.searchsorted(self.rows, [block.start, block.stop])
        return Evidence(
            rows=self.rows[first:last] - block.start, values=self.values[first:last]
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Solution:
    """The masses of all classes, and how exact they are.

    Attributes:
        masses: float64 (n, c).
        reached: bool (n,), True where a path leads to a given label.
        errors: float64 (n,), bounds on the error of each class probability; infinite
            where no path leads to a given label.
        sweeps: that were made.
    """

    masses: Masses
    reached: Mask
    errors: NDArray[np.float64]
    sweeps: int

    def known(self, tolerance: float) -> Mask:
        """The rows (n,) whose probabilities are off by at most `tolerance`."""
        return self.reached & (self.errors <= tolerance)


def solve(
    walk: Walk,
    evidence: Evidence,
    params: PropagationParams,
    *,
    progress: ProgressCallback | None = None,
) -> Solution:
    """Spread labels over a walk until `params.tolerance` is met.

    "soft": with F the matrix of Zhou, Bousquet, Lal, Weston and Scholkopf 2004,
    F = alpha D^-1/2 W D^-1/2 F + (1 - alpha) Y, the masses are D^-1/2 F: the same
    numbers but for a factor of each row. "clamped": given rows keep their labels, and
    every other row has alpha times the mean of its neighbours. The nearer alpha is to
    1, the nearer that is to the harmonic function of Zhu, Ghahramani and Lafferty 2003.

    Args:
        walk: over n rows.
        evidence: of at least one row.
        params: how.
        progress: called during the sweeps, with the phase "propagate".
    """
    pieces = np.unique(walk.pieces[evidence.rows])
    reached = np.isin(walk.pieces, pieces)
    if params.hold == "clamped":
        walk, start = walk.without_steps_from(evidence.rows), evidence
    else:
        degrees = walk.degrees[evidence.rows]
        scale = (1 - params.alpha) / np.sqrt(np.where(degrees > 0, degrees, 1.0))
        start = Evidence(rows=evidence.rows, values=evidence.values * scale[:, None])
    positions = walk.positions
    ordered = _solved(walk, start.at(positions), params, reached[walk.order], progress)
    return Solution(
        masses=ordered.masses[positions],
        reached=reached,
        errors=ordered.errors[positions],
        sweeps=ordered.sweeps,
    )


def _solved(
    walk: Walk,
    evidence: Evidence,
    params: PropagationParams,
    reached: Mask,
    progress: ProgressCallback | None,
) -> Solution:
    """The solution with rows in the walk's order, as all arguments have them."""
    now = np.zeros((len(walk), evidence.values.shape[1]))
    now[evidence.rows] = evidence.values
    sweeps = _Sweeps(walk, evidence, alpha=params.alpha)
    before, step = np.zeros_like(now), 1.0
    errors = np.full(len(walk), np.inf)
    for sweep in range(1, params.max_sweeps + 1):
        sweeps.replace(before, now, step=step)
        if sweep % CHECK_EVERY == 0 or sweep == params.max_sweeps:
            errors[reached] = _error_bounds(
                sweeps.residuals[reached], now[reached].sum(axis=1), alpha=params.alpha
            )
            if progress is not None:
                progress(
                    Progress(phase="propagate", done=sweep, total=params.max_sweeps)
                )
            if errors[reached].max() <= params.tolerance:
                break
        if sweep < params.max_sweeps:
            before, now = now, before
            step = _next_step(step, params.alpha, first=sweep == 1)
    return Solution(masses=now, reached=reached, errors=errors, sweeps=sweep)


class _Sweeps:
    """One sweep after another over the same system.

    Args:
        walk: T.
        evidence: b.
        alpha: that weighs T.
    """

    __slots__ = ("_alpha", "_blocks", "_evidence", "residuals")

    def __init__(self, walk: Walk, evidence: Evidence, *, alpha: float) -> None:
        self._blocks = walk.blocks(evidence.values.shape[1])
        self._evidence = evidence
        self._alpha = alpha
        self.residuals = np.zeros(len(walk))
        """(n,), summed over the classes, of the last sweep's input."""

    def replace(self, before: Masses, now: Masses, *, step: float) -> None:
        """Replace `before` by the masses that follow `now`, in place.

        Args:
            before: (n, c), of the sweep before the last.
            now: (n, c), of the last sweep.
            step: weight of the new masses against those before.
        """

        def work(block: slice, steps: "csr_array") -> None:
            given = self._evidence.within(block)
            new = steps @ now
            new *= self._alpha
            new[given.rows] += given.values
            np.abs(new - now[block]).sum(axis=1, out=self.residuals[block])
            new -= before[block]
            new *= step
            before[block] += new

        with ThreadPoolExecutor(usable_cores()) as threads:
            for _ in threads.map(lambda one: work(*one), self._blocks):
                pass


def _next_step(step: float, alpha: float, *, first: bool) -> float:
    """The weight of the next sweep by Chebyshev's recurrence."""
    return 1 / (1 - alpha**2 * step / (2 if first else 4))


def _error_bounds(
    residuals: NDArray[np.float64], masses: NDArray[np.float64], *, alpha: float
) -> NDArray[np.float64]:
    """Bounds (m,) on the errors of the class probabilities of reached rows."""
    positive = masses > 0
    plain = np.divide(
        residuals.max() / (1 - alpha),
        masses,
        out=np.full(len(masses), np.inf),
        where=positive,
    )
    if not positive.all():
        return plain
    # Masses that are not exact may grow by a step: by their largest relative residual.
    grown = np.sqrt(alpha * (1 + (residuals / masses).max()))
    if grown >= 1:
        return plain
    roots = np.sqrt(masses)
    return np.minimum(plain, (residuals / roots).max() / (1 - grown) / roots)
