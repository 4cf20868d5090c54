"""How kernels of a search are launched: grids, and what they are compiled again for.

Nothing is compiled or run: triton's own functions say which variant a launch takes.
"""

import os
from dataclasses import dataclass, field

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
triton = pytest.importorskip("triton", reason="triton is not installed")
if os.environ.get("TRITON_INTERPRET") == "1":
    pytest.skip("runs without TRITON_INTERPRET only", allow_module_level=True)

from triton.backends.compiler import GPUTarget
from triton.compiler import make_backend
from triton.runtime.jit import (
    compute_cache_key,
    create_function_from_signature,
)

from gleann.index.codes import Encoding
from gleann.index.engines.device.layout.columns import columns_of
from gleann.index.engines.device.layout.layout import DeviceLists
from gleann.index.engines.device.layout.view import ListView
from gleann.index.engines.device.plan.bucketing import Bucketing
from gleann.index.engines.device.plan.kinds import TILE
from gleann.index.engines.device.steps import scan
from gleann.index.engines.device.steps.coarse import DeviceRanking
from gleann.index.engines.device.steps.queries import CodedQueries
from gleann.index.engines.device.steps.rerank import DeviceRows
from gleann.index.engines.triton_kernels.build import launch_assign
from gleann.index.engines.triton_kernels.coarse import (
    launch_bitmap,
    launch_quantise,
    launch_rank,
)
from gleann.index.engines.triton_kernels.configs import config_for
from gleann.index.engines.triton_kernels.coreset import (
    launch_distances,
    launch_gains,
)
from gleann.index.engines.triton_kernels.finish import launch_merge, launch_rerank
from gleann.index.engines.triton_kernels.scan import launch_group, launch_scan

MOST_ON_FIRST_AXIS = (1 << 31) - 1
"""Programs that CUDA takes there; 65,535 on the two others."""


@dataclass
class Recorded:
    """In place of a kernel: the grids and variants of its launches."""

    kernel: object
    grids: list = field(default_factory=list)
    variants: set = field(default_factory=set)

    def __post_init__(self):
        backend = make_backend(GPUTarget("cuda", 90, 32))
        self._bind = create_function_from_signature(
            self.kernel.signature, self.kernel.params, backend
        )

    def __getitem__(self, grid):
        def launch(*given, **options):
            self.grids.append(grid)
            _, specialization, rest = self._bind(*given, **options)
            self.variants.add(compute_cache_key({}, specialization, rest))

        return launch


LAUNCHED = {
    launch_scan: ("scan_lists", "scan_pairs", "score_pairs"),
    launch_group: ("count_pairs", "cut_items", "place_pairs"),
    launch_rank: ("group_peaks", "best_lists"),
    launch_quantise: ("quantise_queries",),
    launch_bitmap: ("set_bitmap",),
}


def variants_of(recorded, *launchers):
    return {
        name: len(recorded[name].variants)
        for launcher in launchers
        for name in LAUNCHED[launcher]
    }


@pytest.fixture
def recorded(monkeypatch):
    kernels = {}
    for launcher, names in LAUNCHED.items():
        for name in names:
            kernels[name] = Recorded(getattr(launcher, name))
            monkeypatch.setattr(launcher, name, kernels[name])
    return kernels


def lists_of(lengths, *, d=32):
    """Lists of bf16 rows of zeros, with second copies in the last third of each."""
    lengths = np.asarray(lengths)
    offsets = torch.from_numpy(np.concatenate([[0], lengths.cumsum()]))
    entries = int(offsets[-1])
    # Tests of huge lists write nothing: one page of memory stands for all rows.
    vectors = torch.zeros(1, d, dtype=torch.bfloat16).expand(entries + TILE, d)
    return DeviceLists(
        center=torch.zeros(d),
        differences=False,
        kind="bf16",
        dim=d,
        exponent=0,
        offsets=offsets,
        mids=offsets[:-1] + torch.from_numpy(lengths - lengths // 3),
        rows=torch.zeros(1, dtype=torch.int32),
        copy_of=torch.zeros(1, dtype=torch.int32),
        vectors=vectors,
        biases=torch.zeros(1),
        factors=torch.zeros(1),
        longest={
            "both": int(lengths.max()),
            "primary": int((lengths - lengths // 3).max()),
        },
    )


def view_of(lists, *, segments="both"):
    return ListView(
        lists=lists,
        starts=lists.offsets[:-1],
        ends=lists.offsets[1:] if segments == "both" else lists.mids,
        biases=lists.biases,
        longest=lists.longest[segments],
    )


def asked(count, lists):
    values = torch.zeros(count, lists.dim, dtype=torch.bfloat16)
    return CodedQueries(values=values, ratios=torch.ones(count))


def test_every_entry_of_the_largest_lists_has_a_program(recorded, monkeypatch):
    """A grid's second axis would end at 65,535 tiles, which are 8.4M entries."""
    monkeypatch.setattr(launch_scan, "smallest", lambda out, keep: out)
    for longest, count in ((1, 1), (129, 3), (10_000_000, 2)):
        lists = lists_of([longest])
        numbers = torch.zeros(count, dtype=torch.int64)
        launch_scan.launch_score_pairs(
            asked(count, lists), numbers, view_of(lists), keep=9
        )
        (programs,) = recorded["score_pairs"].grids[-1]
        assert programs == count * -(-longest // TILE)
        assert programs <= MOST_ON_FIRST_AXIS


def test_every_span_of_a_pair_has_a_program(recorded):
    lists = lists_of([300, 7])
    numbers = torch.zeros((4, 2), dtype=torch.int64)
    bucketing = Bucketing(buckets=32, span=128)
    out = scan.nothing_kept(numbers, longest=300, bucketing=bucketing)
    launch_scan.launch_scan_pairs(
        asked(4, lists), numbers, view_of(lists), bucketing, out
    )
    assert recorded["scan_pairs"].grids == [(4 * 2 * 3,)]


def test_one_compiled_kernel_serves_every_search(recorded):
    """Whatever its number of probes, spans, entries, queries, and its segments."""
    for longest in (48, 300, 4096, 8193):
        lists = lists_of([longest, 1, 20] + [5] * 61)
        for segments in ("both", "primary"):
            view = view_of(lists, segments=segments)
            for nprobe in (1, 15, 16, 32):
                for span in (128, 384, 2048):
                    launch_all(view, nprobe, Bucketing(buckets=32, span=span))
    assert variants_of(recorded, launch_scan, launch_group) == {
        "scan_lists": 1,
        "scan_pairs": 1,
        "score_pairs": 1,
        "count_pairs": 1,
        "cut_items": 1,
        "place_pairs": 1,
    }


def ranking_of(nlist, d=33):
    rows = np.random.default_rng(0).normal(size=(nlist, d)).astype(np.float32)
    encoding = Encoding.uncentred("l2", d)
    return DeviceRanking(rows, encoding, torch.device("cpu"))


def test_one_compiled_kernel_ranks_lists_for_every_few_probes(recorded):
    """Whatever the queries, lists of up to 4,096, and probes of up to 32."""
    for nlist in (1024, 1100, 4096):
        ranking = ranking_of(nlist)
        for count in (1, 5, 64, 96):
            queries = torch.zeros(count + 1, 33)[1:]
            for nprobe in (1, 15, 16, 32):
                launch_rank.launch_rank_lists(ranking, queries, nprobe=nprobe)
                probed = torch.zeros(count * nprobe + 1, dtype=torch.int64)[1:]
                launch_bitmap.launch_set_bitmap(probed.view(count, -1), nlist=nlist)
    ours = launch_rank, launch_quantise, launch_bitmap
    assert variants_of(recorded, *ours) == {
        "group_peaks": 1,
        "best_lists": 1,
        "quantise_queries": 1,
        "set_bitmap": 1,
    }
    launch_rank.launch_rank_lists(ranking_of(4097), queries, nprobe=16)
    launch_rank.launch_rank_lists(ranking_of(4096), queries, nprobe=64)
    assert len(recorded["group_peaks"].variants) == 1
    assert len(recorded["best_lists"].variants) == 3


def test_every_query_and_block_of_lists_has_a_program(recorded):
    launch_rank.launch_rank_lists(ranking_of(4100), torch.zeros(130, 33), nprobe=9)
    assert recorded["group_peaks"].grids == [(3, 5)]  # 64 queries, 8 tiles of 128
    assert recorded["best_lists"].grids == [(130,)]
    assert recorded["quantise_queries"].grids == [(130,)]


def launch_all(view, nprobe, bucketing):
    queries = asked(3, view.lists)
    numbers = torch.arange(nprobe).repeat(3, 1)
    out = scan.nothing_kept(numbers, longest=view.longest, bucketing=bucketing)
    config = config_for("bf16", view.lists.dim, queries=16)
    launch_scan.launch_scan_lists(queries, numbers, view, bucketing, out, config)
    launch_scan.launch_scan_pairs(queries, numbers, view, bucketing, out)
    launch_scan.launch_score_pairs(queries, numbers[:, 0], view, keep=5)


def test_other_numbers_and_tiles_are_other_kernels(recorded):
    """That is, variants are told apart at all."""
    lists = lists_of([300, 20])
    bucketing = Bucketing(buckets=32, span=256)
    launch_all(view_of(lists), 2, bucketing)
    launch_all(view_of(lists), 2, Bucketing(buckets=128, span=256))
    launch_all(view_of(lists_of([300, 20], d=48)), 2, bucketing)
    assert len(recorded["scan_lists"].variants) == 3
    assert len(recorded["scan_pairs"].variants) == 3
    assert len(recorded["score_pairs"].variants) == 2


def replaced(monkeypatch, module, name):
    kernel = Recorded(getattr(module, name))
    monkeypatch.setattr(module, name, kernel)
    return kernel


def test_distances_of_pairs_are_compiled_once(monkeypatch):
    """Counts of 1, and multiples of 16, would have a variant of their own."""
    kernel = replaced(monkeypatch, launch_distances, "pair_squares")
    rows = torch.zeros(50, 32)
    for count in (1, 2, 16, 17, 320):
        pairs = torch.zeros(count, dtype=torch.int64)
        launch_distances.launch_pair_squares(rows, pairs, pairs)
    assert [grid for (grid,) in kernel.grids] == [1, 1, 1, 1, 10]
    assert len(kernel.variants) == 1


def test_assignment_and_gains_are_compiled_once(monkeypatch):
    """Widths and shares are whole tiles, and keep loads along them aligned."""
    assigned = replaced(monkeypatch, launch_assign, "assign_lists")
    gained = replaced(monkeypatch, launch_gains, "sum_gains")
    for n, nlist in ((1, 1), (16, 300), (1000, 16), (5000, 4097)):
        rows, lists = columns_of(torch.zeros(n, 32)), columns_of(torch.zeros(nlist, 32))
        launch_assign.best_lists(rows, lists, torch.zeros(nlist))
        launch_gains.launch_sum_gains(rows, lists, torch.zeros(rows.values.shape[1]))
    assert len(assigned.grids) == len(gained.grids) == 4
    assert len(assigned.variants) == len(gained.variants) == 1


@pytest.fixture
def after_the_scan(monkeypatch):
    """The kernels of the merge and the re-ranking, on a device of 132 programs."""
    kernels = {}
    for module, name in (
        (launch_merge, "merge_keys"),
        (launch_merge, "merge_runs"),
        (launch_rerank, "rerank_rows"),
    ):
        kernels[name] = Recorded(getattr(module, name))
        monkeypatch.setattr(module, name, kernels[name])
    monkeypatch.setattr(launch_merge, "programs_on", lambda device: 132)
    return kernels


def merge_of(nq, width, *, keep, words=2):
    keys = torch.zeros((nq, width), dtype=torch.int64)
    probed = torch.zeros((nq, words), dtype=torch.int32)
    launch_merge.launch_merge_keys(keys, lists_of([9]), probed, keep=keep)


def rerank_of(nq, width, *, k, d=32):
    pool = torch.zeros((nq, width), dtype=torch.int64)
    store = DeviceRows(np.zeros((4, d), np.float32), torch.device("cpu"))
    launch_rerank.launch_rerank_rows(torch.zeros(nq, d), pool, store, metric="l2", k=k)


def test_few_queries_are_merged_by_many_programs(after_the_scan):
    merge_of(1, 6720, keep=40)
    merge_of(10_000, 960, keep=40)
    assert after_the_scan["merge_keys"].grids == [(27,), (10_000,)]
    assert after_the_scan["merge_runs"].grids == [(1,)]


def test_a_pool_is_reranked_by_a_program_a_tile(after_the_scan):
    for width in (40, 64, 100, 400):
        rerank_of(7, width, k=10)
    assert after_the_scan["rerank_rows"].grids == [(7,), (7,), (7,), (28,)]
    assert after_the_scan["merge_runs"].grids == [(7,)]


def test_one_merge_and_one_rerank_serve_every_search(after_the_scan):
    for nq, width, words in ((1, 1, 1), (1, 6720, 128), (16, 960, 3), (300, 961, 16)):
        for keep in (1, 16, 17, 64):
            merge_of(nq, width, keep=keep, words=words)
    for nq, width, k in ((1, 1, 1), (16, 16, 16), (3, 40, 10), (2, 64, 64)):
        rerank_of(nq, width, k=k)
    for width, k in ((129, 1), (400, 64), (1024, 16)):
        rerank_of(3, width, k=k)
    counted = {name: len(of.variants) for name, of in after_the_scan.items()}
    # Pools of up to 64 rows, and wider ones.
    assert counted == {"merge_keys": 1, "merge_runs": 1, "rerank_rows": 2}
