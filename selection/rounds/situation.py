"""The inputs of a picker in one round, and what it picked."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Mask, Rows, Vectors
from gleann.selection.coreset import Problem
from gleann.selection.progress import ProgressCallback
from gleann.selection.rounds.model import (
    Probabilities,
    TrainedModel,
    residuals_of,
)
from gleann.selection.rounds.params import RoundsParams
from gleann.selection.uncertainty import margin_costs

NO_MODEL = (
    "the labels have fewer than two classes: no model yet, the batch is drawn at random"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Situation:
    """The inputs of a picker.

    Attributes:
        params: of the session.
        vectors: float32 (n, d), the rows that are not ignored.
        labelled: (m,) rows that are labelled, ascending.
        labels: (m,) their classes.
        model: trained on them; None where they are of fewer than two classes.
        clusters: (n,) cluster of each row, for "cluster_margin"; None for others.
        k: rows to pick, fewer than there are without a label.
        seed: of this round's draws.
        progress: called during traversals; None for no calls.
        given: (n, c) class probabilities by a model of the caller's, which counts
            instead of `model`; None without one.
    """

    params: RoundsParams
    vectors: Vectors
    labelled: Rows
    labels: Rows
    model: TrainedModel | None
    clusters: Rows | None
    k: int
    seed: int
    progress: ProgressCallback | None = None
    given: Probabilities | None = None

    @property
    def predicted(self) -> bool:
        """Whether there are class probabilities."""
        return self.model is not None or self.given is not None

    @cached_property
    def margins(self) -> NDArray[np.float64]:
        """The model's gap (n,) between the two likeliest classes; 0 without a model."""
        if self.given is not None:
            return np.minimum(margin_costs(self.given), 1.0)
        if self.model is None:
            return np.zeros(len(self.vectors))
        return self.model.margins(self.vectors)

    def residuals(self, rows: Rows) -> NDArray[np.float32]:
        """Probabilities (m, c) of `rows` minus one-hot of the likeliest class."""
        if self.given is not None:
            return residuals_of(self.given[rows])
        assert self.model is not None, "`pick` draws without a model"
        return self.model.residuals(self.vectors[rows])

    @property
    def open_rows(self) -> Rows:
        """Rows without a label, ascending."""
        closed: Mask = np.zeros(len(self.vectors), np.bool_)
        closed[self.labelled] = True
        return np.flatnonzero(~closed)

    def problem(self, *, cost_weight: float = 0.0) -> Problem:
        """Choose k rows, the labelled ones locked, at the margins as costs.

        Args:
            cost_weight: of the mean margin.
        """
        return Problem.of(
            self.vectors,
            k=self.k,
            costs=self.margins,
            cost_weight=cost_weight,
            cost_on="mean",
            locked=self.labelled,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picked:
    """The rows of a batch, and how they were chosen.

    Attributes:
        rows: (k,) in the order of preference, none labelled.
        method: the algorithm whose rows they are: that of the picker, the one that won
            the comparison within "weighted_k_center", or "random" without a model.
        weight: of the mean margin, in mean distances; None for other pickers.
        note: remark on the round; "" for none.
    """

    rows: Rows
    method: str
    weight: float | None = None
    note: str = field(default="")
