"""The coarse step: the best lists of each query, by `metric.ListRanking`."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gleann.index.arrays import Vectors
from gleann.index.codes import CODE_MAX, Encoding
from gleann.index.engines.device.plan.kinds import TILE, padded_dim
from gleann.index.engines.device.steps.keys import key_numbers, make_keys, smallest
from gleann.index.engines.device.steps.queries import quantise
from gleann.index.metric import ListRanking
from gleann.index.parallel.blocks import block_slices

BLOCK_SCORES = 1 << 25
"""Scores kept in memory at once."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PaddedLists:
    """Codes of the lists, padded by one tile.

    Attributes:
        codes: int8 (nlist + TILE, padded d).
        scales: float32 (nlist + TILE,).
        norms: float32 (nlist + TILE,), their biases, or zero; infinite in the padding.
        shifted: whether scores are doubled and biases subtracted.
    """

    codes: Tensor
    scales: Tensor
    norms: Tensor
    shifted: bool


class DeviceRanking:
    """Ranks lists on a device by codes on both sides; see `metric.ListRanking`.

    Integer sums are exact, float sums add one dimension after another, and every
    further step is one rounded operation in the order of `ListRanking`, so every engine
    probes the same lists.

    Args:
        centroids: float32 (nlist, d).
        encoding: encoding of the index.
        device: device of the tensors.

    """

    def __init__(
        self, centroids: Vectors, encoding: Encoding, device: torch.device
    ) -> None:
        directions = ListRanking(centroids, encoding).directions
        dim = directions.values.shape[1]
        self._metric = encoding.metric
        self._center = _sent(encoding.center, device)
        self._whole = encoding.kind == "float32"
        # Float products of integers are exact while the sums fit the mantissa.
        self._exact = torch.float32 if dim * CODE_MAX**2 < 1 << 24 else torch.float64
        self._codes = _sent(np.asarray(directions.values), device).to(self._exact)
        if self._whole:
            self._codes = _sent(np.asarray(directions.values), device) - self._center
        self._scales = _sent(directions.scales, device)
        self._norms = None
        if directions.biases is not None:
            self._norms = _sent(directions.biases, device)

    @property
    def nlist(self) -> int:
        """Number of lists."""
        return len(self._scales)

    def best(self, queries: Tensor, *, nprobe: int) -> Tensor:
        """The best lists (int64) of prepared queries (nq, d), best first.

        Returns:
            (nq, min(nprobe, nlist)); ties go to the lower list.
        """
        nlist = len(self._scales)
        nprobe = min(nprobe, nlist)
        shape = (len(queries), nprobe)
        out = torch.empty(shape, dtype=torch.int64, device=queries.device)
        numbers = torch.arange(nlist, device=queries.device)
        for block in block_slices(len(queries), BLOCK_SCORES // nlist):
            keys = make_keys(-self.scores(queries[block]), numbers)
            out[block] = key_numbers(smallest(keys, nprobe))
        return out

    def likely(self, queries: Tensor, *, nprobe: int) -> tuple[Tensor, Tensor]:
        """The best lists of prepared queries (nq, d), unless scores tie at the cut.

        Cheaper than `best`: it selects floats, half the bytes of keys. It does not wait
        for the device.

        Returns:
            int64 (nq, min(nprobe, nlist)), lists of equal scores in any order; and bool
            (nq), the queries in doubt, whose last list ties with an excluded one.
        """
        nlist = len(self._scales)
        nprobe = min(nprobe, nlist)
        shape = (len(queries), nprobe)
        out = torch.empty(shape, dtype=torch.int64, device=queries.device)
        doubted = torch.zeros(len(queries), dtype=torch.bool, device=queries.device)
        for block in block_slices(len(queries), BLOCK_SCORES // nlist):
            top = torch.topk(self.scores(queries[block]), min(nprobe + 1, nlist))
            out[block] = top.indices[:, :nprobe]
            if nprobe < nlist:
                doubted[block] = top.values[:, -2] == top.values[:, -1]
        return out, doubted

    @property
    def center(self) -> Tensor:
        """The centre subtracted from queries: float32 (d,)."""
        return self._center

    @property
    def whole(self) -> bool:
        """Whether lists are ranked in float32, not by int8 codes."""
        return self._whole

    def coded(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """int8 codes (nq, d) of prepared queries, and their scales (nq,)."""
        return quantise(queries - self._center)

    def scores(self, queries: Tensor) -> Tensor:
        """Scores (nq, nlist), higher is better."""
        if self._whole:
            return self._float_scores(queries - self._center)
        codes, scales = self.coded(queries)
        dots = (codes.to(self._exact) @ self._codes.T).float()
        scores = dots * self._scales
        if self._norms is None:
            return scores
        return scores * (2 * scales)[:, None] - self._norms

    def _float_scores(self, queries: Tensor) -> Tensor:
        """The steps of `Encoding.scan_scores` one by one: a product could fuse them."""
        scores = queries.new_zeros((len(queries), self.nlist))
        for query, values in zip(queries.T, self._codes.T, strict=True):
            if self._metric == "ip":
                scores = scores + query[:, None] * values
            else:
                apart = query[:, None] - values
                scores = scores - apart * apart
        return scores if self._norms is None else scores - self._norms

    @cached_property
    def padded(self) -> PaddedLists:
        """The lists in the layout of the coarse kernel, created on first use."""
        nlist, dim = self._codes.shape
        device = self._codes.device
        shape = (nlist + TILE, padded_dim(dim, "int8"))
        codes = torch.zeros(shape, dtype=torch.int8, device=device)
        codes[:nlist, :dim] = self._codes
        scales = torch.zeros(nlist + TILE, dtype=torch.float32, device=device)
        norms = torch.full_like(scales, torch.inf)
        scales[:nlist] = self._scales
        norms[:nlist] = 0 if self._norms is None else self._norms
        shifted = self._norms is not None
        return PaddedLists(codes=codes, scales=scales, norms=norms, shifted=shifted)


def _sent(values: NDArray[Any], device: torch.device) -> Tensor:
    return torch.from_numpy(np.array(values)).to(device)
