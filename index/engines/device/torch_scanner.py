"""The scanner of the torch engine."""

from torch import Tensor

from gleann.index.engines.device import merge, packed, scan
from gleann.index.engines.device.bucketing import Bucketing
from gleann.index.engines.device.coarse import DeviceRanking
from gleann.index.engines.device.layout import DeviceLists
from gleann.index.engines.device.queries import CodedQueries
from gleann.index.engines.device.view import ListView


class TorchScanner:
    """Scans and merges in plain torch; see `scan.Scanner`."""

    name = "torch"

    def likely(
        self, ranking: DeviceRanking, queries: Tensor, *, nprobe: int
    ) -> tuple[Tensor, Tensor]:
        """See `scan.Scanner.likely`."""
        return ranking.likely(queries, nprobe=nprobe)

    def bucketed(
        self,
        queries: CodedQueries,
        list_nos: Tensor,
        view: ListView,
        bucketing: Bucketing,
    ) -> scan.Kept:
        """See `scan.Scanner.bucketed`."""
        return scan.bucketed(queries, list_nos, view, bucketing)

    def exact(
        self, queries: CodedQueries, list_nos: Tensor, view: ListView, *, keep: int
    ) -> Tensor:
        """See `scan.Scanner.exact`."""
        return scan.exact(queries, list_nos, view, keep=keep)

    def merge(
        self, keys: Tensor, lists: DeviceLists, probed: Tensor, *, keep: int
    ) -> Tensor:
        """See `scan.Scanner.merge`."""
        return merge.merge(keys, lists, probed, keep=keep)

    def pack(self, block: packed.Block, unanswered: Tensor) -> Tensor:
        """See `scan.Scanner.pack`."""
        return packed.packed(block, unanswered)
