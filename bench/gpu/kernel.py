"""The list-major scan kernel alone, on lists of random rows and equal lengths.

What a kernel takes does not depend on what rows mean: so this is where tiles and kinds
of number are compared, free of questions of recall. On a CPU plain torch stands in for
the kernel, to see that the rest runs.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from bench.gpu.run import Run, seconds_of
from gleann.index.engines.contract import ScanRequest
from gleann.index.engines.device import scan
from gleann.index.engines.device.bucketing import Bucketing
from gleann.index.engines.device.kinds import KINDS, TILE, Kind, padded_dim
from gleann.index.engines.device.layout import DTYPES, EMPTY_BIAS, DeviceLists
from gleann.index.engines.device.queries import CodedQueries
from gleann.index.engines.device.roofline import H200, Batch, bounds
from gleann.index.engines.device.view import ListView, view_for

TILES = (16, 32, 64)
KINDS_TIMED: tuple[Kind, ...] = ("bf16", "int8")
BUCKETING = Bucketing(buckets=32, span=8192)
BATCHES = (1000, 10_000)
BLOCK_ROWS = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Sizes of a scan.

    Attributes:
        entries: in all lists, copies included.
        dim: d.
        nlist: lists.
        nprobe: lists a query.
    """

    entries: int
    dim: int
    nlist: int
    nprobe: int


SHAPES = (
    Shape(entries=2_000_000, dim=128, nlist=4096, nprobe=24),
    Shape(entries=20_000_000, dim=96, nlist=16_384, nprobe=32),
    Shape(entries=2_000_000, dim=768, nlist=2048, nprobe=40),
)
QUICK_SHAPE = Shape(entries=3000, dim=40, nlist=12, nprobe=4)


def kernel(run: Run) -> None:
    """A row for each shape, kind, tile and batch."""
    for shape in (QUICK_SHAPE,) if run.quick else SHAPES:
        for kind in KINDS_TIMED:
            what = f"{shape.entries} x {shape.dim} {kind}"
            run.attempt(what, lambda s=shape, k=kind: _rows(run, s, k))


def _rows(run: Run, shape: Shape, kind: Kind) -> None:
    lists = random_lists(run, shape, kind)
    for batch in run.batches(BATCHES, there=60 if run.quick else BATCHES[-1]):
        queries, list_nos = _asked(run, lists, shape, batch)
        for tile in TILES if run.device.type == "cuda" else TILES[:1]:
            what = f"{kind}, tile {tile}, batch {batch}"
            run.attempt(
                what,
                lambda q=queries, n=list_nos, t=tile: _row(
                    run, shape, lists, (q, n), t
                ),
            )


def _row(
    run: Run,
    shape: Shape,
    lists: DeviceLists,
    asked: tuple[CodedQueries, Tensor],
    tile: int,
) -> None:
    queries, list_nos = asked
    view = view_for(lists, ScanRequest(k=10, pool=40))
    taken = seconds_of(run, lambda: _scan(queries, list_nos, view, tile), most=1.0)
    batch = Batch(
        queries=len(list_nos),
        nprobe=shape.nprobe,
        nlist=shape.nlist,
        entries=shape.entries,
        dim=shape.dim,
    )
    least = bounds(batch, kind=lists.kind, on=H200)
    read = batch.touched * shape.entries * (shape.dim * KINDS[lists.kind].bytes + 4)
    run.row(
        entries=shape.entries,
        dim=shape.dim,
        kind=lists.kind,
        tile=tile,
        batch=len(list_nos),
        seconds=taken,
        tflops=2 * batch.scores * shape.dim / taken / 1e12,
        gb_a_second=read / taken / 1e9,
        predicted_seconds=least.seconds,
        predicted_memory=least.memory,
        predicted_matrix=least.matrix,
        predicted_selection=least.selection,
    )


def _scan(
    queries: CodedQueries, list_nos: Tensor, view: ListView, tile: int
) -> scan.Kept:
    """Grouping and filling included: what a search pays for it."""
    if list_nos.device.type != "cuda":
        return scan.bucketed(queries, list_nos, view, BUCKETING)
    from gleann.index.engines.triton_kernels.configs import config_for
    from gleann.index.engines.triton_kernels.launch_scan import launch_scan_lists

    out = scan.nothing_kept(list_nos, longest=view.longest, bucketing=BUCKETING)
    generation, _ = torch.cuda.get_device_capability(list_nos.device)
    config = config_for(
        view.lists.kind, view.lists.dim, queries=tile, generation=generation
    )
    launch_scan_lists(queries, list_nos, view, BUCKETING, out, config)
    return out


def random_lists(run: Run, shape: Shape, kind: Kind) -> DeviceLists:
    """Lists of random entries, none of them a copy."""
    device, padded = run.device, shape.entries + TILE
    drawn = torch.Generator(device).manual_seed(run.seed)
    size = (padded, padded_dim(shape.dim, kind))
    vectors = torch.empty(size, dtype=DTYPES[kind], device=device)
    for first in range(0, padded, BLOCK_ROWS):
        block = vectors[first : first + BLOCK_ROWS]
        if kind == "int8":
            block.random_(-127, 128, generator=drawn)
        else:
            block.uniform_(-1, 1, generator=drawn)
    biases = torch.rand(padded, generator=drawn, device=device)
    biases[shape.entries :] = EMPTY_BIAS
    offsets = torch.linspace(0, shape.entries, shape.nlist + 1, dtype=torch.float64)
    offsets = offsets.long().to(device)
    longest = int(offsets.diff().max())
    return DeviceLists(
        center=torch.zeros(shape.dim, device=device),
        differences=False,
        kind=kind,
        dim=shape.dim,
        exponent=0,
        offsets=offsets,
        mids=offsets[1:],
        rows=torch.arange(padded, dtype=torch.int32, device=device),
        copy_of=torch.full((padded,), -1, dtype=torch.int32, device=device),
        vectors=vectors,
        biases=biases,
        factors=torch.full((padded,), 1 / 127**2, device=device),
        longest={"both": longest, "primary": longest},
    )


def _asked(
    run: Run, lists: DeviceLists, shape: Shape, batch: int
) -> tuple[CodedQueries, Tensor]:
    """Some entries as queries, and random lists for each."""
    drawn = torch.Generator(run.device).manual_seed(run.seed + 1)
    rows = torch.randint(shape.entries, (batch,), generator=drawn, device=run.device)
    chances = torch.rand(batch, shape.nlist, generator=drawn, device=run.device)
    queries = CodedQueries(
        values=lists.vectors[rows], ratios=torch.ones(batch, device=run.device)
    )
    return queries, chances.topk(shape.nprobe, dim=1).indices
