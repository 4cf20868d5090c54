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

from triton.backends.compiler import GPUTarget  # noqa: E402
from triton.compiler import make_backend  # noqa: E402
from triton.runtime.jit import (  # noqa: E402
    compute_cache_key,
    create_function_from_signature,
)

from gleann.index.codes import Encoding  # noqa: E402
from gleann.index.engines.device import scan  # noqa: E402
from gleann.index.engines.device.bucketing import Bucketing  # noqa: E402
from gleann.index.engines.device.coarse import DeviceRanking  # noqa: E402
from gleann.index.engines.device.kinds import TILE  # noqa: E402
from gleann.index.engines.device.layout import DeviceLists  # noqa: E402
from gleann.index.engines.device.queries import CodedQueries  # noqa: E402
from gleann.index.engines.device.view import ListView  # noqa: E402
from gleann.index.engines.triton_kernels import (  # noqa: E402
    launch_bitmap,
    launch_group,
    launch_quantise,
    launch_rank,
    launch_scan,
)
from gleann.index.engines.triton_kernels.configs import config_for  # noqa: E402

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
