"""The scanner of the torch engine."""

from torch import Tensor

from gleann.index.engines.device.layout.layout import DeviceLists
from gleann.index.engines.device.layout.view import ListView
from gleann.index.engines.device.plan.bucketing import Bucketing
from gleann.index.engines.device.steps import merge, packed, scan
from gleann.index.engines.device.steps.bitmap import bitmap_of
from gleann.index.engines.device.steps.coarse import DeviceRanking
from gleann.index.engines.device.steps.compaction import Compacted, Flags, compact
from gleann.index.engines.device.steps.queries import CodedQueries, code_queries
from gleann.index.engines.device.steps.rerank import RowStore, rerank
from gleann.index.params import Metric


class TorchScanner:
    """Scans and merges in plain torch; see `scan.Scanner`."""

    name = "torch"

    def coded(self, queries: Tensor, lists: DeviceLists) -> CodedQueries:
        """See `scan.Scanner.coded`."""
        return code_queries(queries, lists)

    def likely(
        self, ranking: DeviceRanking, queries: Tensor, *, nprobe: int
    ) -> tuple[Tensor, Tensor]:
        """See `scan.Scanner.likely`."""
        return ranking.likely(queries, nprobe=nprobe)

    def probed(self, list_nos: Tensor, *, nlist: int) -> Tensor:
        """See `scan.Scanner.probed`."""
        return bitmap_of(list_nos, nlist=nlist)

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

    def compact(self, flags: Flags, list_nos: Tensor, *, room: int) -> Compacted:
        """See `scan.Scanner.compact`."""
        return compact(flags, list_nos, room=room)

    def rerank(
        self,
        queries: Tensor,
        candidates: Tensor,
        store: RowStore,
        *,
        metric: Metric,
        k: int,
    ) -> Tensor:
        """See `scan.Scanner.rerank`."""
        return rerank(queries, candidates, store, metric=metric, k=k)

    def pack(self, block: packed.Block, unanswered: Tensor) -> Tensor:
        """See `scan.Scanner.pack`."""
        return packed.packed(block, unanswered)
