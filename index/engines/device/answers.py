"""Copies the answers of a batch to the host, block by block.

A block's answers are one tensor: a few counts, then one key per neighbour. One copy
moves it into page-locked memory, and the host decodes it while the device computes the
next block.
"""

from collections import deque
from typing import Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gleann.index.arrays import Distances, Rows
from gleann.index.engines.contract import Scanned, Work
from gleann.index.engines.device.steps.keys import NONE
from gleann.index.engines.device.steps.packed import COUNTS, OPEN
from gleann.index.engines.device.steps.rerank import answer
from gleann.index.engines.stepwise import count_short

BUFFERS = 2
"""Blocks in flight: one is decoded while the next is computed."""

MOST_STAGED = 32 << 20
"""Largest page-locked buffer, in bytes, that is kept for later searches."""

_INFINITE = 0x7F800000
_MAGNITUDE = 0x7FFFFFFF


class Answers(Protocol):
    """Collects the answers to queries, block by block."""

    def like(self, count: int) -> Self:
        """An empty object of the same type for `count` queries."""

    def take(self, block: Tensor, count: int) -> None:
        """Add `packed` answers; only the first `count` queries are used.

        Work started later may overwrite the tensor.
        """

    def unanswered(self) -> NDArray[np.int64]:
        """The queries that must be searched again; waits for all pending copies."""

    def replace(self, numbers: NDArray[np.int64], others: Self) -> None:
        """Replace the answers of the queries `numbers` by all answers of `others`."""


class Staging:
    """Page-locked memory for answers; plain memory if the device is the CPU.

    Not for concurrent searches.
    """

    def __init__(self, device: torch.device) -> None:
        self._pinned = device.type == "cuda"
        self._kept: list[Tensor | None] = [None] * BUFFERS

    def buffer(self, number: int, size: int) -> Tensor:
        """An int64 buffer (size,); the same `number` returns the same memory."""
        number %= BUFFERS
        kept = self._kept[number]
        if kept is None or len(kept) < size:
            kept = torch.empty(
                size, dtype=torch.int64, device="cpu", pin_memory=self._pinned
            )
            if 8 * size <= MOST_STAGED:
                self._kept[number] = kept
        return kept[:size]


class HostAnswers:
    """Answers as host arrays; see `Answers`."""

    def __init__(self, staging: Staging, *, count: int, k: int) -> None:
        self._staging = staging
        self._rows = np.empty((count, k), np.int64)
        self._distances = np.empty((count, k), np.float32)
        self._counts = np.zeros(COUNTS, np.int64)
        self._open: list[NDArray[np.int64]] = []
        self._coming: deque[tuple[slice, Tensor, torch.cuda.Event | None]] = deque()
        self._taken = self._blocks = 0

    def like(self, count: int) -> "HostAnswers":
        """See `Answers.like`."""
        return HostAnswers(self._staging, count=count, k=self._rows.shape[1])

    def take(self, block: Tensor, count: int) -> None:
        """See `Answers.take`."""
        if len(self._coming) == BUFFERS:
            self._arrive()
        size = COUNTS + count * self._rows.shape[1]
        buffer = self._staging.buffer(self._blocks, size)
        buffer.copy_(block[:size], non_blocking=True)
        arrival = None
        if block.is_cuda:
            arrival = torch.cuda.Event()
            arrival.record()
        queries = slice(self._taken, self._taken + count)
        self._coming.append((queries, buffer, arrival))
        self._taken += count
        self._blocks += 1

    def unanswered(self) -> NDArray[np.int64]:
        """See `Answers.unanswered`."""
        while self._coming:
            self._arrive()
        return np.concatenate([np.empty(0, np.int64), *self._open])

    def replace(self, numbers: NDArray[np.int64], others: Self) -> None:
        """See `Answers.replace`."""
        others.unanswered()
        self._rows[numbers] = others._rows
        self._distances[numbers] = others._distances
        self._counts += others._counts

    @property
    def scanned(self) -> Scanned:
        """All answers. Call it after `unanswered` and `replace`."""
        return Scanned(
            rows=self._rows,
            distances=self._distances,
            short=count_short(self._rows),
            work=work_of(self._counts),
        )

    def _arrive(self) -> None:
        queries, buffer, arrival = self._coming.popleft()
        if arrival is not None:
            arrival.synchronize()
        arrived = buffer.numpy()
        counts, keys = arrived[:COUNTS], arrived[COUNTS:]
        keys = keys.reshape(-1, self._rows.shape[1])
        decode(keys, self._rows[queries], self._distances[queries])
        self._counts += counts
        if counts[-1]:
            self._open.append(queries.start + np.flatnonzero(keys[:, 0] == OPEN))


class TensorAnswers:
    """Answers that stay on the device; see `Answers`. Waits once, in `unanswered`.

    Args:
        faulty: bool (), on the device: whether a query is invalid; copied with the
            counts.
        k: neighbours per query.
    """

    def __init__(self, faulty: Tensor, *, k: int) -> None:
        self._faulty = faulty
        self._k = k
        self._counts = [torch.zeros(COUNTS, dtype=torch.int64, device=faulty.device)]
        self._near = [self._counts[0].new_empty((0, k))]
        self._keys = self._near[0]
        self._known = np.zeros(COUNTS + 2, np.int64)

    def like(self, count: int) -> "TensorAnswers":
        """See `Answers.like`; grows with each `take`."""
        return TensorAnswers(self._faulty, k=self._k)

    def take(self, block: Tensor, count: int) -> None:
        """See `Answers.take`."""
        mine = block[: COUNTS + count * self._k].clone()
        self._counts.append(mine[:COUNTS])
        self._near.append(mine[COUNTS:].view(count, self._k))

    def unanswered(self) -> NDArray[np.int64]:
        """See `Answers.unanswered`."""
        self._keys = torch.cat(self._near)
        counts = torch.stack(self._counts).sum(dim=0)
        missing = (self._keys[:, -1] == NONE) & (self._keys[:, 0] != OPEN)
        short = missing.sum()
        beside = torch.stack([short, self._faulty.long()])
        self._known = torch.cat([counts, beside]).cpu().numpy()
        if self._known[COUNTS - 1] == 0:
            return np.empty(0, np.int64)
        return (self._keys[:, 0] == OPEN).nonzero()[:, 0].cpu().numpy()

    def replace(self, numbers: NDArray[np.int64], others: Self) -> None:
        """See `Answers.replace`."""
        others.unanswered()
        places = torch.from_numpy(numbers).to(self._keys.device)
        self._keys[places] = others._keys
        self._known[: COUNTS + 1] += others._known[: COUNTS + 1]

    @property
    def faulty(self) -> bool:
        """Whether a query is invalid. Call it after `unanswered`."""
        return bool(self._known[COUNTS + 1])

    @property
    def short(self) -> int:
        """Number of queries with fewer than k rows. Call it after `unanswered`."""
        return int(self._known[COUNTS])

    @property
    def work(self) -> Work:
        """The cost counts. Call it after `unanswered`."""
        return work_of(self._known[:COUNTS])

    @property
    def nearest(self) -> tuple[Tensor, Tensor]:
        """Rows int64 (nq, k) and distances float32. Call it once all are answered."""
        return answer(self._keys)


def decode(keys: NDArray[np.int64], rows: Rows, distances: Distances) -> None:
    """Decode `keys` (n, k) into `rows` and `distances`; see `rerank.answer`.

    Decodes both halves of the keys in few passes: it is on the critical path of a batch
    of 10,000.
    """
    halves = np.ascontiguousarray(keys, "<i8").view("<i4").reshape(*keys.shape, 2)
    rows[:] = halves[..., 0]  # the lower half of `NONE` is -1
    bits = np.minimum(halves[..., 1], np.int32(_INFINITE))
    bits ^= (bits >> 31) & np.int32(_MAGNITUDE)
    distances[:] = bits.view(np.float32)


def work_of(counts: NDArray[np.int64]) -> Work:
    """The counts of `packed` by name."""
    probed, entries, reranked = counts[:3].tolist()
    return Work(
        lists_probed=probed,
        entries_scanned=entries,
        survivors=reranked,
        reranked=reranked,
    )
