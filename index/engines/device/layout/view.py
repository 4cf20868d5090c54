"""View of the lists for one search: its segments and its allowed rows."""

from dataclasses import dataclass

import torch
from torch import Tensor

from gleann.index.engines.contract import ScanRequest
from gleann.index.engines.device.layout.layout import EMPTY_BIAS, DeviceLists


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ListView:
    """The part of `lists` that a request covers.

    Attributes:
        lists: all lists.
        starts: int64 (nlist), the first entry of each list.
        ends: int64 (nlist), the end of the scanned entries of each list, exclusive.
        biases: float32 (entries + TILE), `EMPTY_BIAS` for rows that are not allowed.
        longest: the most entries scanned of any list.
    """

    lists: DeviceLists
    starts: Tensor
    ends: Tensor
    biases: Tensor
    longest: int

    @property
    def lengths(self) -> Tensor:
        """Entries scanned of each list, int64 (nlist)."""
        return self.ends - self.starts


def view_for(lists: DeviceLists, request: ScanRequest) -> ListView:
    """Restrict `lists` to the segments and allowed rows of `request`.

    A filter costs one pass over the biases of all entries; the scan is not slower.
    """
    biases = lists.biases
    if request.allowed is not None:
        allowed = torch.tensor(request.allowed, dtype=torch.bool, device=lists.device)
        biases = torch.where(allowed[lists.rows.long()], biases, EMPTY_BIAS)
    return ListView(
        lists=lists,
        starts=lists.offsets[:-1],
        ends=lists.offsets[1:] if request.segments == "both" else lists.mids,
        biases=biases,
        longest=lists.longest[request.segments],
    )
