"""Which lists to probe, by exactly the scores of `metric.ListRanking`."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from gleann.index.arrays import Vectors
from gleann.index.blocks import block_slices
from gleann.index.codes import CODE_MAX, decoded_norms
from gleann.index.engines.device.keys import key_numbers, make_keys, smallest
from gleann.index.engines.device.kinds import TILE, padded_dim
from gleann.index.engines.device.queries import quantise
from gleann.index.metric import ListRanking
from gleann.index.params import Metric

BLOCK_SCORES = 1 << 25
"""Scores held at once."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PaddedLists:
    """The lists with one tile of nothing after the last.

    Attributes:
        codes: int8 (nlist + TILE, padded d).
        scales: float32 (nlist + TILE,).
        norms: float32 (nlist + TILE,), of no meaning where nothing is shifted.
        shifted: whether scores are less by the norms.
    """

    codes: Tensor
    scales: Tensor
    norms: Tensor
    shifted: bool


class DeviceRanking:
    """Ranks lists on a device, in int8 on both sides; see `metric.ListRanking`.

    Sums of integers are exact and every further step is one rounded operation, done in
    the same order as there: so the same lists are probed on every engine.

    Args:
        centroids: float32 (nlist, d).
        metric: which distance.
        device: where.

    """

    def __init__(
        self, centroids: Vectors, metric: Metric, device: torch.device
    ) -> None:
        directions = ListRanking(centroids, metric).directions
        dim = directions.values.shape[1]
        # Floating-point products of integers are exact while the sums fit the mantissa.
        self._exact = torch.float32 if dim * CODE_MAX**2 < 1 << 24 else torch.float64
        self._codes = torch.from_numpy(directions.values).to(device).to(self._exact)
        self._scales = torch.from_numpy(directions.scales).to(device)
        self._norms = None
        if metric == "l2":
            self._norms = torch.from_numpy(decoded_norms(directions)).to(device)

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

        Cheaper than `best`: floats are selected, of half the bytes of keys. Nothing in
        it waits for the device.

        Returns:
            int64 (nq, min(nprobe, nlist)), lists of equal scores in any order, and bool
            (nq), whose lists are in doubt since the last one ties with one left out.
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

    def scores(self, queries: Tensor) -> Tensor:
        """(nq, nlist), higher is better."""
        codes, scales = quantise(queries)
        dots = (codes.to(self._exact) @ self._codes.T).float()
        scores = dots * self._scales
        if self._norms is None:
            return scores
        return scores * (2 * scales)[:, None] - self._norms

    @cached_property
    def padded(self) -> PaddedLists:
        """The lists as the kernel of the coarse step reads them, made for the first."""
        nlist, dim = self._codes.shape
        device = self._codes.device
        shape = (nlist + TILE, padded_dim(dim, "int8"))
        codes = torch.zeros(shape, dtype=torch.int8, device=device)
        codes[:nlist, :dim] = self._codes
        scales, norms = torch.zeros((2, nlist + TILE), device=device)
        scales[:nlist] = self._scales
        if self._norms is not None:
            norms[:nlist] = self._norms
        shifted = self._norms is not None
        return PaddedLists(codes=codes, scales=scales, norms=norms, shifted=shifted)
