"""Conversion of queries to the number kind of the lists."""

from dataclasses import dataclass

import torch
from torch import Tensor

from gleann.index.codes import CODE_MAX
from gleann.index.engines.device.layout.layout import DeviceLists
from gleann.index.engines.device.layout.scaling import exponents_above, power_of_two

RATIO_RANGE = (2.0**-24, 2.0**40)
"""Beyond it, float32 rounding loses the smaller of the two terms of a score."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CodedQueries:
    """A batch of queries in the number kind of `DeviceLists`.

    Attributes:
        values: (nq, padded d), in the kind of the lists.
        ratios: float32 (nq,), factors of the biases, or of the rows if these are
            compared by differences; see `layout`.
    """

    values: Tensor
    ratios: Tensor

    def take(self, numbers: Tensor) -> "CodedQueries":
        """The queries `numbers`, in that order."""
        return CodedQueries(values=self.values[numbers], ratios=self.ratios[numbers])


def code_queries(queries: Tensor, lists: DeviceLists) -> CodedQueries:
    """Convert prepared float32 queries (nq, d) to the number kind of `lists`."""
    width = lists.vectors.shape[1]
    values = torch.zeros(
        (len(queries), width), dtype=lists.vectors.dtype, device=lists.device
    )
    if len(queries) == 0:
        return CodedQueries(values=values, ratios=queries.new_zeros(0))
    queries = queries - lists.center
    if lists.differences:
        return _beside_rows(queries, lists, values)
    if lists.kind == "int8":
        codes, scales = quantise(queries)
        units = scales.double()
        values[:, : lists.dim] = codes
    else:
        units = power_of_two(exponents_above(queries.abs().amax(dim=1)))
        values[:, : lists.dim] = (queries.double() / units[:, None]).to(values.dtype)
    ratios = 2.0**lists.exponent / units
    return CodedQueries(values=values, ratios=ratios.clamp(*RATIO_RANGE).float())


def _beside_rows(queries: Tensor, lists: DeviceLists, values: Tensor) -> CodedQueries:
    """Scale queries and rows to one unit, the larger, for subtraction."""
    own = exponents_above(queries.abs().amax(dim=1))
    units = power_of_two(own.clamp(min=lists.exponent))
    values[:, : lists.dim] = (queries.double() / units[:, None]).to(values.dtype)
    ratios = 2.0**lists.exponent / units
    return CodedQueries(values=values, ratios=ratios.float())


def quantise(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """The torch twin of `codes.quantise`, bit-identical.

    Args:
        vectors: float32 (n, d).

    Returns:
        Codes int8 (n, d), and scales float32 (n,).
    """
    peaks = vectors.abs().amax(dim=1)
    # A tensor, not a scalar: CUDA divides by a scalar through its reciprocal.
    scales = peaks / torch.full_like(peaks, CODE_MAX)
    scales = torch.where(scales == 0, 1.0, scales)
    codes = torch.round(vectors / scales[:, None]).clamp(-CODE_MAX, CODE_MAX)
    return codes.to(torch.int8), scales
