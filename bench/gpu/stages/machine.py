"""Costs of the environment, measured first because they can distort the rest."""

import os
import shutil
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from time import perf_counter

import torch

from bench.gpu.run import Run
from bench.say import say
from gleann.index.engines import native

CALLS = 200
NODES = 100
FETCHED = 1_200_000
"""Bytes of 10,000 answers of ten rows and distances of 12 bytes."""

MODULES = ("torch", "triton", "numpy", "scipy", "flashlib", "cuvs", "faiss")
TOOLS = ("gcc", "compute-sanitizer", "ncu")

SLOW_MEMORY_CALL = 20e-6
"""A search asks for free memory: elsewhere a call was seen to take 8 ms."""


def machine(run: Run, _: str) -> None:
    """Versions and tools; seconds of a memory query, a fetch, and a graph's nodes."""
    run.attempt("versions", lambda: _versions(run))
    if run.device.type != "cuda":
        run.skip("calls", "there is no CUDA device")
        return
    run.attempt("mem_get_info", lambda: _memory_call(run))
    run.attempt("fetch", lambda: _fetch(run))
    run.attempt("graph", lambda: _graph(run))


def _versions(run: Run) -> None:
    found = {name: _version(name) for name in MODULES if find_spec(name)}
    run.row(
        what="versions",
        **found,
        native=",".join(native.tiers()) or native.unavailable_reason(),
        cores=os.cpu_count(),
        tools=",".join(name for name in TOOLS if shutil.which(name)),
        nvidia0=os.path.exists("/dev/nvidia0"),  # noqa: PTH110
    )


def _version(name: str) -> str:
    try:
        return str(getattr(import_module(name), "__version__", "unknown"))
    except Exception as error:  # noqa: BLE001  a peer that cannot load is no failure
        return f"{type(error).__name__}: {error}"[:200]


def _memory_call(run: Run) -> None:
    taken = _mean_seconds(lambda: torch.cuda.mem_get_info(run.device))
    run.row(what="mem_get_info", seconds=taken)
    if taken > SLOW_MEMORY_CALL:
        say(f"mem_get_info takes {taken * 1e6:.0f} us: look at this first")


def _fetch(run: Run) -> None:
    there = torch.ones(FETCHED // 4, device=run.device)
    run.row(what="fetch", bytes=FETCHED, seconds=_mean_seconds(there.cpu))


def _graph(run: Run) -> None:
    """Small kernels one after another: what each node of a recorded search costs."""
    number = torch.ones(8, device=run.device)
    graph = torch.cuda.CUDAGraph()
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        number + 1  # loads the kernel, which cannot be recorded
    torch.cuda.current_stream().wait_stream(stream)
    with torch.cuda.graph(graph):
        last = number
        for _ in range(NODES):
            last = last + 1

    def replayed() -> None:
        graph.replay()
        torch.cuda.synchronize()

    taken = _mean_seconds(replayed)
    assert int(last[0]) == NODES + 1
    run.row(what="graph", nodes=NODES, seconds=taken)


def _mean_seconds(call: Callable[[], object]) -> float:
    """Of calls too short for a clock around each."""
    call()
    torch.cuda.synchronize()
    start = perf_counter()
    for _ in range(CALLS):
        call()
    return (perf_counter() - start) / CALLS
