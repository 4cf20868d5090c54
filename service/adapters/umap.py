"""UMAP whose neighbours gleann finds.

from gleann.service.adapters.umap import GleannUMAP

places = GleannUMAP(metric="cosine").fit_transform(vectors)
"""

import warnings
from typing import Any, Self

from numpy.typing import ArrayLike
from umap import UMAP

from gleann.index.errors import InvalidParamsError
from gleann.selection.sklearn import GleannNeighbors

_NO_SEARCH = r"precomputed_knn\[2\]"
"""How UMAP's warning begins, of a graph that new rows are not searched in."""


class GleannUMAP(UMAP):
    """`umap.UMAP` with the neighbour graph of `GleannNeighbors`.

    Its arguments are those of `UMAP`; `metric` is one of `GleannNeighbors`, and
    `n_neighbors` counts a row itself, as there. `transform` of new rows and `unique`
    are refused, as UMAP refuses them for every `precomputed_knn`.
    """

    precomputed_knn: Any  # of UMAP, which has no types

    def fit(
        self,
        X: ArrayLike,  # noqa: N803
        y: Any = None,
        *others: Any,
        **named: Any,
    ) -> Self:
        """Find the neighbours of rows (n, d), and fit UMAP to them.

        Raises:
            InvalidParamsError: a metric that `GleannNeighbors` has not, `metric_kwds`,
                a `precomputed_knn`, or fewer rows than `n_neighbors`, which UMAP cuts.
        """
        if self.metric_kwds or self.precomputed_knn[0] is not None:
            wrong = "metric_kwds" if self.metric_kwds else "precomputed_knn"
            raise InvalidParamsError(f"{wrong} is given, which umap.UMAP takes")
        seed = 0 if self.random_state is None else self.random_state
        graph = GleannNeighbors(
            n_neighbors=self.n_neighbors, metric=self.metric, random_state=seed
        ).fit(X)
        given = self.precomputed_knn
        self.precomputed_knn = (*graph.precomputed_knn(), None)
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=_NO_SEARCH)
                super().fit(X, y, *others, **named)
        finally:
            self.precomputed_knn = given  # a parameter, which a fit leaves alone
        return self
