"""Assignment of rows to lists on a device: `spill.Spiller` in torch.

Where Triton is available, one kernel computes the scores and selects the best; else
torch does.
"""

import torch
from torch import Tensor

from gleann.index.engines.device.layout.columns import Columns, Pull, columns_of
from gleann.index.engines.device.precision import full_precision
from gleann.index.engines.triton import device_reason
from gleann.index.parallel.blocks import block_slices
from gleann.index.params import DEFAULT_LAMBDA, ZERO_RESIDUAL, BuildParams

BLOCK_SCORES = 1 << 23
"""Scores of rows against centroids kept in memory at once, three times as many under
SOAR: the cache size of a large device."""


class DeviceAssigner:
    """Assigns rows to lists.

    All lists compete, the primary too: if it is the best second list, the row is not
    spilled. Ties go to the lower list.

    Args:
        centroids: float32 (nlist, d), on the device.
        params: metric, spill and spill_lambda.
        scale: mean squared length of all rows; residuals far below it count as zero.
    """

    def __init__(self, centroids: Tensor, params: BuildParams, *, scale: float) -> None:
        self._centroids = centroids
        self._biases = -centroids.square().sum(dim=1) / 2
        self._zero = ZERO_RESIDUAL * scale
        weight = params.spill_lambda
        self._half_weight = (DEFAULT_LAMBDA if weight is None else weight) / 2
        self._rule = params.assumed_spill
        self._metric = params.metric
        by_kernel = not device_reason(str(centroids.device))
        self._columns = columns_of(centroids) if by_kernel else None

    def nearest(self, rows: Tensor) -> Tensor:
        """The nearest centroid int32 (m,) of each row (m, d)."""
        if self._columns is not None:
            return self._assigned_by_kernel(rows, self._columns, spilled=False)[0]
        out = torch.empty(len(rows), dtype=torch.int32, device=rows.device)
        with full_precision():
            for block in self._blocks(rows):
                out[block] = self._scores(rows[block]).argmax(dim=1)
        return out

    def assign(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """First and second list int32 (m,) of each row (m, d); -1 where not spilled."""
        spilled = self._rule != "none" and len(self._centroids) > 1
        if self._columns is not None:
            return self._assigned_by_kernel(rows, self._columns, spilled=spilled)
        primary = torch.empty(len(rows), dtype=torch.int32, device=rows.device)
        secondary = _none(primary)
        with full_precision():
            for block in self._blocks(rows):
                scores = self._scores(rows[block])
                first = scores.argmax(dim=1)
                primary[block] = first
                if spilled:
                    secondary[block] = self._find(rows[block], scores, first)
        return primary, secondary

    def _assigned_by_kernel(
        self, rows: Tensor, lists: Columns, *, spilled: bool
    ) -> tuple[Tensor, Tensor]:
        """`assign` for all rows at once; the kernel keeps no scores in memory."""
        from gleann.index.engines.triton_kernels.build.launch_assign import best_lists

        columns = columns_of(rows)
        first = best_lists(columns, lists, self._biases)
        if not spilled:
            return first, _none(first)
        if self._rule == "naive":
            return first, best_lists(columns, lists, self._biases, barred=first)
        residuals = rows - self._centroids[first]
        if self._metric == "l2":
            shifted = columns_of(self._shifted(rows, residuals))
            second = best_lists(shifted, lists, self._biases)
        else:
            pull = self._pull(rows, residuals)
            second = best_lists(columns, lists, self._biases, pull=pull)
        return first, self._gated(second, first, residuals)

    def _blocks(self, rows: Tensor) -> list[slice]:
        return block_slices(len(rows), BLOCK_SCORES // len(self._centroids))

    def _scores(self, rows: Tensor) -> Tensor:
        """x.c' - |c'|^2 / 2 of every row and list, largest for the nearest list."""
        return torch.addmm(self._biases, rows, self._centroids.T)

    def _find(self, rows: Tensor, scores: Tensor, first: Tensor) -> Tensor:
        # Not stored as an attribute: a bound method would be a reference cycle, which
        # keeps device memory until the garbage collector runs.
        if self._rule == "naive":
            return self._naive(rows, scores, first)
        if self._metric == "l2":
            return self._air(rows, scores, first)
        return self._soar(rows, scores, first)

    def _naive(self, rows: Tensor, scores: Tensor, first: Tensor) -> Tensor:
        del rows
        return scores.scatter_(1, first[:, None], -torch.inf).argmax(dim=1)

    def _air(self, rows: Tensor, scores: Tensor, first: Tensor) -> Tensor:
        """The nearest centroid to x + (lambda / 2) r."""
        del scores
        residuals = rows - self._centroids[first]
        second = self._scores(self._shifted(rows, residuals)).argmax(dim=1)
        return self._gated(second, first, residuals)

    def _shifted(self, rows: Tensor, residuals: Tensor) -> Tensor:
        return rows + self._half_weight * residuals

    def _soar(self, rows: Tensor, scores: Tensor, first: Tensor) -> Tensor:
        """The largest x.c' - |c'|^2 / 2 - lambda / 2 * (r_hat.x - r_hat.c')^2."""
        residuals = rows - self._centroids[first]
        pull = self._pull(rows, residuals)
        losses = torch.addmm(-pull.along[:, None], residuals, self._centroids.T)
        # Multiply by the weight first: a long row's square can overflow float32.
        losses.mul_(losses * pull.weights[:, None])
        second = scores.sub_(losses).argmax(dim=1)
        return self._gated(second, first, residuals)

    def _pull(self, rows: Tensor, residuals: Tensor) -> Pull:
        squares = residuals.square().sum(dim=1)
        return Pull(
            residuals=residuals,
            along=(residuals * rows).sum(dim=1),
            weights=self._half_weight / torch.where(squares > 0, squares, 1),
        )

    def _gated(self, second: Tensor, first: Tensor, residuals: Tensor) -> Tensor:
        """-1 where the primary is the best second list, or the residual is zero."""
        zero = residuals.square().sum(dim=1) <= self._zero
        return torch.where(zero | (second == first), -1, second)


def _none(like: Tensor) -> Tensor:
    return torch.full_like(like, -1)
