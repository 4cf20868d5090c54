"""Builds on the device, phase by phase."""

from time import perf_counter
from unittest.mock import patch

import numpy as np

from bench.gpu_data import Workload, available, workload
from bench.gpu_run import Run, wait
from gleann.index import BuildParams
from gleann.index.assign import assign_blocks
from gleann.index.build import auto_nlist
from gleann.index.engines.device import build_assign
from gleann.index.engines.device.build import DeviceKernels
from gleann.index.kmeans import train_centroids
from gleann.index.lists import invert
from gleann.index.spill import scale_of

COMPARED = 2000
"""Rows whose lists are compared with the host's."""


def build(run: Run) -> None:
    """A row for each workload: seconds of each phase, and whether labels agree.

    Where a kernel assigns, torch does it once more, to compare; elsewhere it is twice
    the same. That is no part of the build's seconds.
    """
    for name in available(run):
        run.attempt(name, lambda name=name: _build(run, workload(run, name)))


def _build(run: Run, found: Workload) -> None:
    kernels = DeviceKernels(run.device)
    nlist = found.nlist
    if nlist == "auto":
        nlist = auto_nlist(len(found.vectors))
    params = BuildParams(metric=found.metric, nlist=nlist, spill="soar")
    seconds: dict[str, float] = {}

    def timed(what: str, work):
        start = perf_counter()
        value = work()
        wait(run.device)
        seconds[what] = perf_counter() - start
        return value

    few = found.vectors[:COMPARED]
    list(kernels.assign_blocks(few, few, params=params))  # compiles the kernels
    rounds = params.kmeans_iterations
    centroids = timed(
        "train",
        lambda: train_centroids(
            found.vectors,
            nlist=nlist,
            metric=found.metric,
            iterations=rounds,
            seed=run.seed,
            kernels=kernels,
        ),
    )
    parts = timed(
        "assign",
        lambda: list(kernels.assign_blocks(found.vectors, centroids, params=params)),
    )
    first, second = (np.concatenate([part[i] for part in parts]) for i in (1, 2))
    timed("invert", lambda: invert(first, second, nlist=nlist))
    timed("encode", lambda: kernels.codes(found.vectors))
    total = sum(seconds.values())
    with patch.object(build_assign, "device_reason", return_value="to compare"):
        timed(
            "assign by torch",
            lambda: list(
                kernels.assign_blocks(found.vectors, centroids, params=params)
            ),
        )
    host = host_labels(found, centroids, params)
    run.row(
        set=found.name,
        nlist=nlist,
        seconds=total,
        phases=seconds,
        spilled=float((second >= 0).mean()),
        same_first=float((first[:COMPARED] == host[0]).mean()),
        same_second=float((second[:COMPARED] == host[1]).mean()),
    )


def host_labels(
    found: Workload, centroids: np.ndarray, params: BuildParams
) -> tuple[np.ndarray, np.ndarray]:
    """What the CPU assigns the first rows to, from the same centroids."""
    rows = found.vectors[:COMPARED]
    scale = scale_of(found.vectors[: 10 * COMPARED])
    parts = list(assign_blocks(rows, centroids, params=params, scale=scale))
    return tuple(np.concatenate([part[i] for part in parts]) for i in (1, 2))
