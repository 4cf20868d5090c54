"""Pickers of gleann as query strategies of small-text."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import issparse
from small_text.query_strategies import QueryStrategy

from gleann.index import as_vectors
from gleann.index.arrays import Rows
from gleann.index.errors import InvalidInputError
from gleann.selection.rounds import RoundsParams, pick_batch


class GleannStrategy(QueryStrategy):
    """A query strategy for `PoolBasedActiveLearner`, of one label an item.

    Args:
        vectors: (n, d), embeddings of the items of the data set, in their order; plain
            L2 between them must be the intended metric.
        params: the picker and its settings; None takes "cluster_margin". `batch` is
            not read: small-text says how many.

    Raises:
        InvalidInputError: vectors that cannot be used.
    """

    def __init__(self, vectors: ArrayLike, params: RoundsParams | None = None) -> None:
        self.vectors = as_vectors(vectors)
        self.params = params or RoundsParams(picker="cluster_margin")

    def query(
        self,
        clf: Any,
        dataset: Any,
        indices_unlabeled: Rows,
        indices_labeled: Rows,
        y: Any,
        n: int = 10,
    ) -> Rows:
        """Rows (n,) of the data set to label next.

        Raises:
            InvalidInputError: labels of several classes an item, or other vectors than
                the data set has items.
        """
        self._validate_query_input(indices_unlabeled, n)
        self._check(dataset, y)
        free = np.sort(np.asarray(indices_unlabeled))
        rows = np.concatenate([indices_labeled, free]).astype(np.int64)
        several = len(np.unique(y)) > 1
        picked = pick_batch(
            self.vectors[rows],
            k=n,
            labelled=np.arange(len(indices_labeled)),
            labels=np.asarray(y),
            probabilities=clf.predict_proba(dataset[free]) if several else None,
            params=self.params,
        )
        return rows[picked.rows]

    def _check(self, dataset: Any, y: Any) -> None:
        if issparse(y):
            raise InvalidInputError(
                "y has several labels an item: this strategy takes one label an item"
            )
        if len(dataset) != len(self.vectors):
            raise InvalidInputError(
                f"the data set has {len(dataset)} items, and the strategy"
                f" {len(self.vectors)} vectors"
            )

    def __str__(self) -> str:
        return f"GleannStrategy(picker={self.params.picker!r})"
