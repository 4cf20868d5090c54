"""CUDA graphs: steps are recorded once a batch shape and replayed in one launch.

A batch is padded to the next of a few sizes, so that few recordings serve all. What
pads it has no lists to scan: it costs the coarse step and the merge, and finds nothing.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Protocol

import torch
from torch import Tensor

from gleann.index.engines.device.plan.planner import MOST_QUERIES

SMALL_BATCHES = (1, 8, 32, 128, 256, 512, 1024, 2048)
"""Sizes to pad to; beyond the last, its multiples up to `MOST_QUERIES`."""

MOST_RECORDED = 16
"""Recordings kept by an engine: each holds its queries and what it returns."""

RECORDED_SHARE = 2
"""A recording may take one part in so many of the budget.

They take turns with what they need while they run, but may not fill the same gaps."""

WARM_UPS = 2
"""Runs before a step is recorded: kernels are compiled, libraries take buffers."""

Outputs = tuple[Tensor, ...]
Step = Callable[[Tensor, Tensor], Outputs]
"""Of queries (size, d) and how many of them count (1,)."""


class Recorder(Protocol):
    """Turns a step into something that repeats it on the same memory."""

    def record(
        self, step: Step, queries: Tensor, live: Tensor
    ) -> Callable[[], Outputs]:
        """Record `step` on two tensors.

        Returns:
            What reads the two as they are when it is called. Each call returns the
            same tensors and overwrites what the one before left in them.
        """


class CudaGraphs:
    """Records CUDA graphs; their temporaries share memory.

    Graphs of one recorder must not run at the same time.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._memory = torch.cuda.graph_pool_handle()
        # cuBLAS keeps 32 MB for each stream that multiplied, so all recordings share
        # these. Torch's own stream for captures is of the device that captured first,
        # and its workspace belongs to the graphs of whoever did.
        self._warming = torch.cuda.Stream(device)
        self._capturing = torch.cuda.Stream(device)

    def record(
        self, step: Step, queries: Tensor, live: Tensor
    ) -> Callable[[], Outputs]:
        """See `Recorder.record`."""
        with torch.cuda.device(self._device):
            ours = torch.cuda.current_stream()
            self._warming.wait_stream(ours)
            with torch.cuda.stream(self._warming):
                for _ in range(WARM_UPS):
                    step(queries, live)
            ours.wait_stream(self._warming)
            graph = torch.cuda.CUDAGraph()
            # Other threads may use the device for something else meanwhile.
            with torch.cuda.graph(
                graph,
                pool=self._memory,
                stream=self._capturing,
                capture_error_mode="thread_local",
            ):
                outputs = step(queries, live)

        def replay() -> Outputs:
            graph.replay()
            return outputs

        return replay


class Recordings:
    """The recordings of one engine. Not for two threads at once."""

    def __init__(
        self,
        recorder: Recorder,
        device: torch.device,
        *,
        recorded: Callable[[], None] = lambda: None,
    ) -> None:
        """Start with none; `recorded` is called after each new one."""
        self._recorder = recorder
        self._recorded = recorded
        self._device = device
        self._kept: OrderedDict[Hashable, _Recording] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def run(self, step: Step, queries: Tensor, *, key: Hashable) -> Outputs:
        """Run `step` on `queries` (nq, d), padded.

        Args:
            step: what to do; recorded if it is new.
            queries: at most `MOST_QUERIES`, at least one.
            key: equal for steps that do the same.

        Returns:
            What `step` returned, until the next call: there, the first nq queries
            count.
        """
        size = padded_size(len(queries))
        known = size, queries.shape[1], key
        if known not in self._kept:
            while len(self._kept) >= MOST_RECORDED:
                self._kept.popitem(last=False)
            self._kept[known] = self._record(step, size, queries)
            self._recorded()
        self._kept.move_to_end(known)
        return self._kept[known].run(queries)

    def _record(self, step: Step, size: int, like: Tensor) -> "_Recording":
        queries = like.new_zeros((size, like.shape[1]))
        live = torch.zeros(1, dtype=torch.int64, device=self._device)
        replay = self._recorder.record(step, queries, live)
        return _Recording(queries, live, replay)


class _Recording:
    """One recorded step, and the memory it reads."""

    def __init__(
        self, queries: Tensor, live: Tensor, replay: Callable[[], Outputs]
    ) -> None:
        self._queries = queries
        self._live = live
        self._replay = replay

    def run(self, queries: Tensor) -> Outputs:
        # Rows past the last keep what an earlier batch left there: `live` says so.
        self._queries[: len(queries)] = queries
        self._live.fill_(len(queries))
        return self._replay()


def padded_size(count: int) -> int:
    """The size that a batch of `count` queries is padded to."""
    largest = SMALL_BATCHES[-1]
    whole = -(-count // largest) * largest
    return next((size for size in SMALL_BATCHES if size >= count), whole)


def size_within(most: int) -> int:
    """The largest size of at most `most` queries, which is at least 1."""
    largest = SMALL_BATCHES[-1]
    if most >= largest:
        return min(most, MOST_QUERIES) // largest * largest
    return max(size for size in SMALL_BATCHES if size <= most)
