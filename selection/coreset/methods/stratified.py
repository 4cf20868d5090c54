"""A random subset in proportion to cells: an epoch of a stratified plan."""

from fractions import Fraction

import numpy as np

from gleann.index.arrays import Rows
from gleann.selection.among import Among
from gleann.selection.coreset.problem import Problem
from gleann.selection.coreset.result import Coreset
from gleann.selection.curation.plans import EpochPlan, Strata, epoch_rows
from gleann.selection.seeds import stream_seed
from gleann.selection.uniform import uniform_rows

CELLS = 64
"""Cells that rows are drawn from in proportion, at most: as many as rows to choose."""


def stratified(problem: Problem, *, seed: int = 0) -> Coreset:
    """Draw k unlocked rows, of each cell its share, rounded up or down.

    A cell has the rows whose nearest of some random rows is the same. The draw is the
    first epoch of a plan (RS2, `curation.plans`) whose strata are the cells; every row
    is drawn with the same chance. O(n * d * (k + 64)).

    Args:
        problem: its costs are only added up.
        seed: the only source of randomness.
    """
    n = len(problem.vectors)
    open_rows = np.delete(np.arange(n), problem.locked)
    cells = _cells(problem, open_rows, seed=stream_seed(seed, 0))
    plan = EpochPlan(
        n=n,
        fraction=Fraction(problem.k, len(open_rows)),
        seed=seed,
        epochs_a_pass=1,
        strata=Strata.of(cells[open_rows], open_rows),
        among=Among(rows=open_rows, n=n),
    )
    rows = epoch_rows(plan, 0)
    return problem.finished(problem.measure(rows, method="stratified"), seed=seed)


def _cells(problem: Problem, open_rows: Rows, *, seed: int) -> Rows:
    """The cell (n,) of each row: its nearest of some random rows."""
    count = min(CELLS, problem.k)
    places = uniform_rows(len(open_rows), k=count, seed=seed)
    covering = problem.points.covering()
    covering.cover(np.sort(open_rows[places]))
    return covering.nearest
