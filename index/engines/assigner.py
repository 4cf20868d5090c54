"""The compiled kernels that assign rows to lists; see `build/assign.py`."""

import numpy as np

from gleann.index.arrays import ListNos, Vectors
from gleann.index.extension import as_packed, compiled
from gleann.index.params import DEFAULT_LAMBDA, ZERO_RESIDUAL, BuildParams


class NativeAssigner:
    """Assigns rows to lists in float32; the native twin of `spill.Spiller`."""

    def __init__(
        self, centroids: Vectors, *, tier: str | None = None, threads: int = 0
    ) -> None:
        """Pack `centroids` (nlist, d); `tier` and `threads` as in `NativeEngine`."""
        biases = -np.einsum("ij,ij->i", centroids, centroids) / 2
        self._threads = threads
        self._assigner = compiled.Assigner(
            centroids=as_packed(centroids, np.float32),
            biases=as_packed(biases, np.float32),
            tier=tier or "",
        )

    def nearest(self, vectors: Vectors, among: ListNos | None = None) -> ListNos:
        """The nearest list of each row (m, d), ties to the lower number.

        Args:
            vectors: (m, d).
            among: int32 (m, p), the lists to choose from; None for all.
        """
        return self._assign(vectors, among, rule="none", spill_lambda=0.0, zero=0.0)[0]

    def assign(
        self,
        vectors: Vectors,
        *,
        params: BuildParams,
        scale: float,
        among: ListNos | None = None,
    ) -> tuple[ListNos, ListNos]:
        """First and second list of each row (m, d); see `Spiller.assign`."""
        rule: str = params.assumed_spill
        if rule == "soar" and params.metric == "l2":
            rule = "air"
        weight = params.spill_lambda
        if weight is None:
            weight = DEFAULT_LAMBDA
        zero = ZERO_RESIDUAL * scale
        return self._assign(vectors, among, rule=rule, spill_lambda=weight, zero=zero)

    def _assign(
        self,
        vectors: Vectors,
        among: ListNos | None,
        *,
        rule: str,
        spill_lambda: float,
        zero: float,
    ) -> tuple[ListNos, ListNos]:
        packed = as_packed(vectors, np.float32)
        if among is None:
            return self._assigner.assign(
                packed,
                rule=rule,
                spill_lambda=spill_lambda,
                zero=zero,
                threads=self._threads,
            )
        return self._assigner.assign_among(
            packed,
            as_packed(among, np.int32),
            rule=rule,
            spill_lambda=spill_lambda,
            zero=zero,
            threads=self._threads,
        )
