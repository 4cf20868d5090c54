"""The scanner of the triton engine: the launches of all kernels."""

from torch import Tensor

from gleann.index.engines.device.layout.layout import DeviceLists
from gleann.index.engines.device.layout.view import ListView
from gleann.index.engines.device.plan.bucketing import Bucketing
from gleann.index.engines.device.plan.choice import generation_of
from gleann.index.engines.device.plan.planner import choose_kernel, choose_query_tile
from gleann.index.engines.device.plan.rank_plan import ranks_in_kernels
from gleann.index.engines.device.steps.coarse import DeviceRanking
from gleann.index.engines.device.steps.compaction import Compacted, Flags
from gleann.index.engines.device.steps.packed import Block
from gleann.index.engines.device.steps.queries import CodedQueries
from gleann.index.engines.device.steps.rerank import RowStore
from gleann.index.engines.device.steps.scan import Kept, nothing_kept
from gleann.index.engines.triton_kernels.coarse.launch_bitmap import launch_set_bitmap
from gleann.index.engines.triton_kernels.coarse.launch_quantise import (
    launch_code_queries,
)
from gleann.index.engines.triton_kernels.coarse.launch_rank import launch_rank_lists
from gleann.index.engines.triton_kernels.configs import config_for
from gleann.index.engines.triton_kernels.finish.launch_merge import launch_merge_keys
from gleann.index.engines.triton_kernels.finish.launch_pack import launch_pack_answers
from gleann.index.engines.triton_kernels.finish.launch_rerank import launch_rerank_rows
from gleann.index.engines.triton_kernels.scan.launch_compact import (
    launch_compact_pairs,
)
from gleann.index.engines.triton_kernels.scan.launch_scan import (
    launch_scan_lists,
    launch_scan_pairs,
    launch_score_pairs,
)
from gleann.index.params import Metric


class TritonScanner:
    """Scans and merges by Triton kernels; see `device.steps.scan.Scanner`."""

    name = "triton"

    def coded(self, queries: Tensor, lists: DeviceLists) -> CodedQueries:
        """By the kernel; see `Scanner.coded`."""
        return launch_code_queries(queries, lists)

    def likely(
        self, ranking: DeviceRanking, queries: Tensor, *, nprobe: int
    ) -> tuple[Tensor, Tensor]:
        """By two kernels from some hundred lists on, else by a matrix product."""
        nprobe = min(nprobe, ranking.nlist)
        fused = ranks_in_kernels(nlist=ranking.nlist, nprobe=nprobe)
        if ranking.whole or not fused:
            return ranking.likely(queries, nprobe=nprobe)
        return launch_rank_lists(ranking, queries, nprobe=nprobe)

    def probed(self, list_nos: Tensor, *, nlist: int) -> Tensor:
        """By the kernel; see `Scanner.probed`."""
        return launch_set_bitmap(list_nos, nlist=nlist)

    def bucketed(
        self,
        queries: CodedQueries,
        list_nos: Tensor,
        view: ListView,
        bucketing: Bucketing,
    ) -> Kept:
        """List-major where lists are shared, query-major where they are not."""
        out = nothing_kept(list_nos, longest=view.longest, bucketing=bucketing)
        shared = list_nos.numel() / view.lists.nlist
        if choose_kernel(shared) == "query-major":
            launch_scan_pairs(queries, list_nos, view, bucketing, out)
        else:
            config = config_for(
                view.lists.kind,
                view.lists.dim,
                queries=choose_query_tile(shared),
                generation=generation_of(list_nos.device),
                buckets=bucketing.buckets,
            )
            launch_scan_lists(queries, list_nos, view, bucketing, out, config)
        return out

    def exact(
        self, queries: CodedQueries, list_nos: Tensor, view: ListView, *, keep: int
    ) -> Tensor:
        """Score every entry into memory, and let torch select."""
        return launch_score_pairs(queries, list_nos, view, keep=keep)

    def merge(
        self, keys: Tensor, lists: DeviceLists, probed: Tensor, *, keep: int
    ) -> Tensor:
        """By the kernel, or by torch for more candidates than a program can sort."""
        return launch_merge_keys(keys, lists, probed, keep=keep)

    def compact(self, flags: Flags, list_nos: Tensor, *, room: int) -> Compacted:
        """By one kernel."""
        return launch_compact_pairs(flags, list_nos, room=room)

    def rerank(
        self,
        queries: Tensor,
        candidates: Tensor,
        store: RowStore,
        *,
        metric: Metric,
        k: int,
    ) -> Tensor:
        """By the kernel, or by torch for rows in host memory."""
        return launch_rerank_rows(queries, candidates, store, metric=metric, k=k)

    def pack(self, block: Block, unanswered: Tensor) -> Tensor:
        """By one kernel."""
        return launch_pack_answers(block, unanswered)
