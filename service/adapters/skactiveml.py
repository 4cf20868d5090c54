"""Pickers of gleann as query strategies of scikit-activeml."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from skactiveml.base import SingleAnnotatorPoolQueryStrategy
from skactiveml.utils import MISSING_LABEL, is_labeled
from sklearn.base import clone

from gleann.index.arrays import Rows
from gleann.selection.rounds import PickerName, RoundsParams, pick_batch
from gleann.selection.sklearn.base import seed_of


class GleannStrategy(SingleAnnotatorPoolQueryStrategy):
    """A pool strategy whose batches are those of a picker of gleann.

    Rows must be vectors, whose plain L2 distance is the intended metric. Candidates are
    rows of X: vectors outside X are refused.

    Args:
        picker: as in `RoundsParams`.
        missing_label: what stands for no label.
        random_state: seed, generator of scikit-learn, or None.
    """

    def __init__(
        self,
        picker: PickerName = "cluster_margin",
        *,
        missing_label: Any = MISSING_LABEL,
        random_state: Any = None,
    ) -> None:
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.picker = picker

    def query(  # noqa: PLR0913 (as scikit-activeml has it)
        self,
        X: ArrayLike,  # noqa: N803
        y: ArrayLike,
        clf: Any = None,
        *,
        fit_clf: bool = True,
        candidates: ArrayLike | None = None,
        batch_size: int = 1,
        return_utilities: bool = False,
    ) -> Rows | tuple[Rows, NDArray[np.float64]]:
        """Rows of X to label next.

        Args:
            X: rows (n, d), labelled and not.
            y: labels (n,), `missing_label` where there is none.
            clf: a classifier with `predict_proba`. Without one, or with labels of one
                class, pickers that need a model draw at random.
            fit_clf: whether to fit a copy of it to X and y first.
            candidates: rows of X that may be picked, by number; None for all without a
                label.
            batch_size: rows to pick.
            return_utilities: also return utilities.

        Returns:
            Rows (batch_size,), and with `return_utilities` an array (batch_size, n).
            Its line i has batch_size - j for the row picked j-th, 0 for candidates
            that are not picked, and NaN for rows that are none, or picked before.

        Raises:
            ValueError: rows, labels or candidates that cannot be used.
        """
        checked = self._validate_data(
            X, y, candidates, batch_size, return_utilities, reset=True
        )
        vectors, labels, among, count, wanted = checked
        _, mapping = self._transform_candidates(
            among, vectors, labels, enforce_mapping=True, allow_only_unlabeled=True
        )
        labelled = is_labeled(labels, missing_label=self.missing_label_)
        known, free = np.flatnonzero(labelled), np.sort(mapping)
        probabilities = None
        if clf is not None and len(np.unique(labels[known])) > 1:
            trained = clone(clf).fit(vectors, labels) if fit_clf else clf
            probabilities = trained.predict_proba(vectors[free])
        rows = np.concatenate([known, free])
        picked = pick_batch(
            vectors[rows],
            k=count,
            labelled=np.arange(len(known)),
            labels=labels[known],
            probabilities=probabilities,
            params=RoundsParams(picker=self.picker, seed=seed_of(self.random_state_)),
        )
        chosen = rows[picked.rows]
        if not wanted:
            return chosen
        return chosen, _utilities(chosen, free, n=len(vectors))


def _utilities(chosen: Rows, free: Rows, *, n: int) -> NDArray[np.float64]:
    """The table that `query` describes."""
    k = len(chosen)
    table = np.full((k, n), np.nan)
    table[:, free] = 0
    table[:, chosen] = np.arange(k, 0, -1)
    for turn in range(1, k):
        table[turn, chosen[:turn]] = np.nan
    return table
