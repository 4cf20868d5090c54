"""The list-major scan kernel alone, on lists of random rows and equal lengths.

What a kernel takes does not depend on what rows mean: so this is where tiles and kinds
of number are compared, free of questions of recall. On a CPU plain torch stands in for
the kernel, to see that the rest runs.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bench.gpu.run import Run
from bench.gpu.timing import seconds_of
from gleann.index.engines.contract import ScanRequest
from gleann.index.engines.device.layout.layout import DTYPES, EMPTY_BIAS, DeviceLists
from gleann.index.engines.device.layout.view import ListView, view_for
from gleann.index.engines.device.plan.bucketing import Bucketing
from gleann.index.engines.device.plan.kinds import KINDS, TILE, Kind, padded_dim
from gleann.index.engines.device.plan.roofline import H200, Batch, bounds
from gleann.index.engines.device.steps import scan
from gleann.index.engines.device.steps.queries import CodedQueries

TILES = (16, 32, 64)
KINDS_TIMED: tuple[Kind, ...] = ("bf16", "int8")
BUCKETING = Bucketing(buckets=32, span=8192)
LEAST_BATCH = 1000
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


SHAPES = {
    "made-1m-128": Shape(entries=2_000_000, dim=128, nlist=4096, nprobe=16),
    "made-10m-96": Shape(entries=20_000_000, dim=96, nlist=16_384, nprobe=16),
    "made-1m-768": Shape(entries=2_000_000, dim=768, nlist=2048, nprobe=16),
}
QUICK_SHAPE = Shape(entries=3000, dim=40, nlist=12, nprobe=4)


def kernel(run: Run, name: str) -> None:
    """A row for each kind, tile and batch, at the sizes of a data set."""
    shape = shape_of(run, name)
    if shape is None:
        return
    for kind in KINDS_TIMED:
        if kind in run.options.kinds:
            run.group(kind, lambda k=kind: _rows(run, shape, k))


def shape_of(run: Run, name: str) -> Shape | None:
    """The sizes of a generated data set; the others are skipped."""
    if name not in SHAPES:
        run.skip(name, "random lists have the sizes of the data sets that are made")
        return None
    return QUICK_SHAPE if run.quick else SHAPES[name]


def batches_of(run: Run) -> list[int]:
    """Those asked for that a list-major kernel is meant for."""
    return run.batches(there=60 if run.quick else 10_000, least=LEAST_BATCH)


def _rows(run: Run, shape: Shape, kind: Kind) -> None:
    lists = random_lists(run, shape, kind)
    for batch in batches_of(run):
        queries, list_nos = _asked(run, lists, shape, batch)
        for tile in TILES if run.device.type == "cuda" else TILES[:1]:
            run.attempt(
                f"tile {tile} batch {batch}",
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
    view = view_for(lists, ScanRequest(k=10, rerank=40))
    config = _config(view, tile)
    taken = seconds_of(run, lambda: _scan(queries, list_nos, view, config), most=1.0)
    batch = Batch(
        queries=len(list_nos),
        nprobe=shape.nprobe,
        nlist=shape.nlist,
        entries=shape.entries,
        dim=shape.dim,
    )
    least = bounds(
        batch, kind=lists.kind, on=H200, query_tile=config.queries if config else tile
    )
    read = batch.touched * shape.entries * (shape.dim * KINDS[lists.kind].bytes + 4)
    run.row(
        entries=shape.entries,
        dim=shape.dim,
        kind=lists.kind,
        tile=config.queries if config else None,
        warps=config.warps if config else None,
        batch=len(list_nos),
        nprobe=shape.nprobe,
        seconds=taken,
        tflops=2 * batch.scores * shape.dim / taken / 1e12,
        gb_a_second=read / taken / 1e9,
        predicted_seconds=least.scan,
        predicted_memory=least.memory,
        predicted_matrix=least.matrix,
        predicted_issue=least.issue,
    )


def _config(view: ListView, tile: int) -> Any:
    """The shipped configuration for a tile, or a smaller one. None if torch scans."""
    device = view.lists.vectors.device
    if device.type != "cuda":
        return None
    from gleann.index.engines.triton_kernels.configs import config_for

    generation, _ = torch.cuda.get_device_capability(device)
    return config_for(
        view.lists.kind, view.lists.dim, queries=tile, generation=generation
    )


def _scan(
    queries: CodedQueries, list_nos: Tensor, view: ListView, config: Any
) -> scan.Kept:
    """The scan with grouping and filling, as in a search."""
    if config is None:
        return scan.bucketed(queries, list_nos, view, BUCKETING)
    from gleann.index.engines.triton_kernels.scan.launch_scan import launch_scan_lists

    out = scan.nothing_kept(list_nos, longest=view.longest, bucketing=BUCKETING)
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
