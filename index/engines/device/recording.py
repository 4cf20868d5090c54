"""CUDA graphs: steps are recorded once per batch shape and replayed in one launch.

A batch is padded to the next of a few sizes, so that a few recordings suffice. Padding
queries have no lists: they cost the coarse step and the merge, and find nothing.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Protocol

import torch
from torch import Tensor

from gleann.index.engines.device.plan.planner import MOST_QUERIES

SMALL_BATCHES = (1, 8, 32, 128, 256, 512, 1024, 2048)
"""Padded sizes; beyond the last, its multiples up to `MOST_QUERIES`."""

MOST_RECORDED = 16
"""Recordings kept by an engine; each keeps its queries and results in memory."""

RECORDED_SHARE = 2
"""A recording may take 1 / this of the budget.

Recordings share their temporaries, but may not fit the same gaps in memory."""

WARM_UPS = 2
"""Runs before recording: kernels are compiled and libraries allocate buffers."""

Outputs = tuple[Tensor, ...]
Step = Callable[[Tensor, Tensor], Outputs]
"""Takes queries (size, d) and the number of valid ones (1,)."""


class Recorder(Protocol):
    """Records a step so that it can be repeated on the same memory."""

    def record(
        self, step: Step, queries: Tensor, live: Tensor
    ) -> Callable[[], Outputs]:
        """Record `step` on two tensors.

        Returns:
            A function that runs the step on the current contents of the two tensors.
            Each call returns the same tensors and overwrites the previous results.
        """


class CudaGraphs:
    """Records CUDA graphs; their temporaries share memory.

    Graphs of one recorder must not run at the same time.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._memory = torch.cuda.graph_pool_handle()
        # cuBLAS keeps 32 MB for each stream that multiplied, so all recordings share
        # these. Torch's default capture stream belongs to the device of the first
        # capture, and its workspace to the graphs recorded there.
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
            # Other threads may use the device for other work meanwhile.
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
    """The recordings of one engine. Not thread-safe."""

    def __init__(
        self,
        recorder: Recorder,
        device: torch.device,
        *,
        recorded: Callable[[], None] = lambda: None,
    ) -> None:
        """Start without recordings; `recorded` is called after each new one."""
        self._recorder = recorder
        self._recorded = recorded
        self._device = device
        self._kept: OrderedDict[Hashable, _Recording] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def run(self, step: Step, queries: Tensor, *, key: Hashable) -> Outputs:
        """Run `step` on `queries` (nq, d), padded.

        Args:
            step: the step; recorded if its key is new.
            queries: at most `MOST_QUERIES`, at least one.
            key: equal for equivalent steps.

        Returns:
                The result of `step`, valid until the next call; only the first nq
                queries count.
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
    """One recorded step and its input memory."""

    def __init__(
        self, queries: Tensor, live: Tensor, replay: Callable[[], Outputs]
    ) -> None:
        self._queries = queries
        self._live = live
        self._replay = replay

    def run(self, queries: Tensor) -> Outputs:
        # Later rows still have values of an earlier batch; `live` excludes them.
        self._queries[: len(queries)] = queries
        self._live.fill_(len(queries))
        return self._replay()


def padded_size(count: int) -> int:
    """The padded size of a batch of `count` queries."""
    largest = SMALL_BATCHES[-1]
    whole = -(-count // largest) * largest
    return next((size for size in SMALL_BATCHES if size >= count), whole)


def size_within(most: int) -> int:
    """The largest size of at most `most` queries, which is at least 1."""
    largest = SMALL_BATCHES[-1]
    if most >= largest:
        return min(most, MOST_QUERIES) // largest * largest
    return max(size for size in SMALL_BATCHES if size <= most)
