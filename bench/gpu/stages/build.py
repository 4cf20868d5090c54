"""Builds on the device, phase by phase."""

from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any, TypeVar
from unittest.mock import patch

import numpy as np

from bench.gpu.data import Workload, index_of, workload
from bench.gpu.run import Run
from bench.gpu.timing import wait
from gleann.index import BuildParams
from gleann.index.build.arrange import auto_nlist
from gleann.index.build.assign import assign_blocks
from gleann.index.build.device import assigner
from gleann.index.build.device.kernels import DeviceKernels
from gleann.index.build.kmeans import train_centroids
from gleann.index.build.spill import scale_of
from gleann.index.codes import Encoding
from gleann.index.lists import invert

Value = TypeVar("Value")

COMPARED = 2000
"""Rows whose lists are compared with the host's."""


def build(run: Run, name: str) -> None:
    """Seconds of each phase and of a whole build, and whether labels agree.

    Where a kernel assigns, torch does it once more, to compare; elsewhere it is twice
    the same. That is no part of the build's seconds.
    """
    run.attempt("build", lambda: _build(run, name))


class Clock:
    """Seconds of each phase, the device's work included."""

    def __init__(self, device: Any) -> None:
        self._device = device
        self.seconds: dict[str, float] = {}

    def timed(self, what: str, work: Callable[[], Value]) -> Value:
        """Return the result of `work`; its seconds are recorded under `what`."""
        start = perf_counter()
        value = work()
        wait(self._device)
        self.seconds[what] = perf_counter() - start
        return value


def _build(run: Run, name: str) -> None:
    found = workload(run, name)
    index_of(run, name)  # measures itself
    kernels = DeviceKernels(run.device)
    nlist = found.nlist
    if nlist == "auto":
        nlist = auto_nlist(len(found.vectors))
    params = BuildParams(metric=found.metric, nlist=nlist, spill="soar")
    clock = Clock(run.device)

    def assigned() -> list[Any]:
        return list(kernels.assign_blocks(found.vectors, centroids, params=params))

    few = found.vectors[:COMPARED]
    list(kernels.assign_blocks(few, few, params=params))  # compiles the kernels
    train = partial(_train, found, params, seed=run.seed, kernels=kernels)
    centroids = clock.timed("train", train)
    parts = clock.timed("assign", assigned)
    first, second = (np.concatenate([part[i] for part in parts]) for i in (1, 2))
    clock.timed("invert", lambda: invert(first, second, nlist=nlist))
    plain = Encoding.uncentred(found.metric, found.vectors.shape[1])
    clock.timed("encode", lambda: kernels.codes(found.vectors, plain))
    total = sum(clock.seconds.values())
    with patch.object(assigner, "device_reason", return_value="to compare"):
        clock.timed("assign by torch", assigned)
    host = host_labels(found, centroids, params)
    run.row(
        set=found.name,
        nlist=nlist,
        whole_seconds=found.facts["build_seconds"],
        seconds=total,
        phases=clock.seconds,
        spilled=float((second >= 0).mean()),
        same_first=float((first[:COMPARED] == host[0]).mean()),
        same_second=float((second[:COMPARED] == host[1]).mean()),
    )


def _train(
    found: Workload, params: BuildParams, *, seed: int, kernels: DeviceKernels
) -> np.ndarray:
    return train_centroids(
        found.vectors,
        nlist=params.nlist,
        metric=found.metric,
        iterations=params.kmeans_iterations,
        seed=seed,
        kernels=kernels,
    )


def host_labels(
    found: Workload, centroids: np.ndarray, params: BuildParams
) -> tuple[np.ndarray, np.ndarray]:
    """The lists that the CPU assigns the first rows to, with the same centroids."""
    rows = found.vectors[:COMPARED]
    scale = scale_of(found.vectors[: 10 * COMPARED])
    parts = list(assign_blocks(rows, centroids, params=params, scale=scale))
    return tuple(np.concatenate([part[i] for part in parts]) for i in (1, 2))
