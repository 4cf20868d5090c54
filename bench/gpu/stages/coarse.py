"""The coarse step alone, with random centroids.

Two ways: a matrix product whose scores go through memory, and kernels that keep the
best score of each group of lists, and score the lists of the best groups again.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from bench.gpu.run import Run
from bench.gpu.stages.kernel import Shape, batches_of, shape_of
from bench.gpu.timing import seconds_of
from gleann.index.codes import Encoding
from gleann.index.engines.device.plan.roofline import H200
from gleann.index.engines.device.steps.coarse import DeviceRanking

COMPARED = 500
"""Queries whose lists are compared with those ranked in full."""

KERNEL_INSTRUCTIONS = {96: 8.5, 128: 8.3, 768: 13.6}
"""A score in `group_peaks`, by d, counted in what is compiled for sm_90 under l2."""

PRODUCT_FLOPS = 5e13
"""Of a float32 product without TF32, as assumed for builds (datasheet: 6.7e13)."""

PRODUCT_BYTES = 8 * 4
"""A score: written by the product, three times changed in place of another, read."""

Way = Callable[..., tuple[Tensor, Tensor]]


def coarse(run: Run, name: str) -> None:
    """A row for each way and batch, at the sizes of a data set."""
    shape = shape_of(run, name)
    if shape is None:
        return
    drawn = torch.Generator().manual_seed(run.seed)
    centroids = torch.randn((shape.nlist, shape.dim), generator=drawn)
    plain = Encoding.uncentred("l2", shape.dim)
    ranking = DeviceRanking(centroids.numpy(), plain, run.device)
    for batch in batches_of(run):
        asked = torch.randn((batch, shape.dim), generator=drawn).to(run.device)
        for way in ("product", "kernel") if run.device.type == "cuda" else ("product",):
            run.attempt(
                f"{way} batch {batch}",
                lambda q=asked, w=way: record_row(run, shape, ranking, q, w),
            )


def record_row(
    run: Run, shape: Shape, ranking: DeviceRanking, queries: Tensor, name: str
) -> None:
    way = _way(ranking, name)
    found, doubted = way(queries, nprobe=shape.nprobe)
    sure = ~doubted[:COMPARED]
    want = ranking.best(queries[:COMPARED], nprobe=shape.nprobe)
    same = found[:COMPARED].sort().values == want.sort().values
    run.row(
        nlist=shape.nlist,
        dim=shape.dim,
        nprobe=shape.nprobe,
        batch=len(queries),
        way=name,
        seconds=seconds_of(run, lambda: way(queries, nprobe=shape.nprobe), most=1.0),
        predicted_seconds=predicted_seconds(shape, len(queries), name),
        doubted=float(doubted.float().mean()),
        # Nothing to compare is no agreement, and JSON has no NaN.
        same_lists=float(same[sure].float().mean()) if bool(sure.any()) else None,
    )


def _way(ranking: DeviceRanking, name: str) -> Way:
    if name == "product":
        return ranking.likely
    from gleann.index.engines.triton_kernels.coarse.launch_rank import launch_rank_lists

    return lambda queries, *, nprobe: launch_rank_lists(ranking, queries, nprobe=nprobe)


def predicted_seconds(shape: Shape, batch: int, name: str) -> float:
    """The least on an H200, by what each way must do for every score."""
    scores = batch * shape.nlist
    products = 2 * scores * shape.dim
    if name == "kernel":
        counted = min(KERNEL_INSTRUCTIONS, key=lambda dim: abs(dim - shape.dim))
        return max(
            products / H200.flops["int8"],
            KERNEL_INSTRUCTIONS[counted] * scores / H200.lane_instructions,
        )
    return products / PRODUCT_FLOPS + PRODUCT_BYTES * scores / H200.bytes_a_second
