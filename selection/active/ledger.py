"""Who is labelled, as what, and who is ignored."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import Mask, Rows
from gleann.index.errors import DimensionMismatchError, InvalidInputError
from gleann.selection.active.params import ActiveParams
from gleann.selection.checks import shown

Labels = NDArray[np.int64]
"""Class labels, int64."""


class Ledger:
    """Labels and ignored rows of a session over `n` rows."""

    __slots__ = ("_labelled", "_labels", "ignored")

    def __init__(self, n: int) -> None:
        self._labelled: Mask = np.zeros(n, np.bool_)
        self._labels: Labels = np.zeros(n, np.int64)
        self.ignored: Mask = np.zeros(n, np.bool_)

    @property
    def rows(self) -> Rows:
        """(m,) labelled rows, ascending."""
        return np.flatnonzero(self._labelled)

    @property
    def labels(self) -> Labels:
        """(m,) the labels of `rows`."""
        return self._labels[self._labelled]

    @property
    def closed(self) -> Mask:
        """(n,), True where a label is there or unwanted."""
        return self._labelled | self.ignored

    def has(self, rows: Rows) -> Mask:
        """Which of `rows` (m,) are labelled."""
        return self._labelled[rows]

    def labels_of(self, rows: Rows) -> Labels:
        """The labels (m,) of labelled `rows`."""
        return self._labels[rows]

    def contradicted(self, rows: Rows, given: Labels) -> Rows:
        """Those of `rows` that are labelled otherwise than `given`."""
        return rows[self._labelled[rows] & (self._labels[rows] != given)]

    def add(self, rows: Rows, labels: Labels) -> int:
        """Label `rows`; return how many had no label before."""
        new = int((~self._labelled[rows]).sum())
        self._labels[rows] = labels
        self._labelled[rows] = True
        self.ignored[rows] = False
        return new

    def ignore(self, rows: Rows) -> Rows:
        """Ignore those of `rows` that are not labelled, and return them."""
        unlabelled = rows[~self._labelled[rows]]
        self.ignored[unlabelled] = True
        return unlabelled

    def state(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "rows": self.rows.tolist(),
            "labels": self.labels.tolist(),
            "ignored": np.flatnonzero(self.ignored).tolist(),
        }

    @classmethod
    def of_state(cls, state: dict[str, Any], *, n: int) -> "Ledger":
        """The way back from `state`."""
        ledger = cls(n)
        ledger.add(np.asarray(state["rows"], np.int64), np.asarray(state["labels"]))
        ledger.ignored[np.asarray(state["ignored"], np.int64)] = True
        return ledger


def as_labels(values: ArrayLike, *, n: int) -> Labels:
    """Return `values` as integer labels (n,).

    Raises:
        InvalidInputError: not integers.
        DimensionMismatchError: not n of them.
    """
    labels = np.asarray(values)
    if labels.size and labels.dtype.kind not in "biu":
        raise InvalidInputError(f"labels must be integers, got dtype {labels.dtype}")
    if labels.shape != (n,):
        raise DimensionMismatchError(f"labels has shape {labels.shape} for {n} rows")
    return labels.astype(np.int64)


def require_classes(labels: Labels, classes: tuple[int, ...]) -> None:
    """Refuse labels that are not among `classes`."""
    strange = np.setdiff1d(labels, classes)
    if strange.size:
        raise InvalidInputError(
            f"labels {shown(strange)} are outside the classes {list(classes)}"
        )


def check_seed(labels: Labels, classes: tuple[int, ...], params: ActiveParams) -> None:
    """Refuse a seed from which the first model cannot be trained, or not usefully.

    Raises:
        InvalidInputError: one class only, a label outside the classes, or no positive
            where positives are sought.
    """
    require_classes(labels, classes)
    seen = np.unique(labels)
    if len(seen) < 2:
        raise InvalidInputError(
            f"the seed of {len(labels)} labels has {len(seen)} class"
            f" {shown(seen)}: a classifier needs two"
        )
    if params.strategy == "most_likely_positive" and seen[-1] != classes[-1]:
        raise InvalidInputError(
            f"the seed has no positive (label {classes[-1]}) to look for more like it"
        )
