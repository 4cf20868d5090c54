"""Streams rows through a device block by block, with copies in both directions."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gleann.index.arrays import RowMatrix
from gleann.index.engines.device.turns import turn_on
from gleann.index.parallel.blocks import block_slices

BLOCK_BYTES = 32 << 20
"""Bytes of rows copied at once: large enough for full bus bandwidth."""

BUFFERS = 2
"""Blocks in page-locked memory: one is filled while the other is copied."""

Step = TypeVar("Step")
Arrays = tuple[Tensor, ...]
Blocks = Iterator[tuple[slice, Tensor]]


def upload(
    vectors: NDArray[Any] | RowMatrix,
    device: torch.device,
    *,
    dtype: type[np.generic] = np.float32,
) -> Blocks:
    """The rows (n, d), which may be memory-mapped, as blocks on `device`.

    On CUDA the next block is read and copied while the device computes on this one.

    Args:
        vectors: (n, d).
        device: target device.
        dtype: dtype of the copied values.
    """
    step = max(1, BLOCK_BYTES // (np.dtype(dtype).itemsize * vectors.shape[1]))
    blocks = block_slices(len(vectors), step)
    if device.type == "cuda":
        return _upload_ahead(vectors, blocks, device, dtype)
    # Copied: torch cannot wrap read-only memory, such as a mapped file.
    return (
        (block, torch.from_numpy(np.array(vectors[block], dtype)).to(device))
        for block in blocks
    )


def in_turn(
    work: Callable[[Tensor], Arrays], blocks: Blocks
) -> Iterator[tuple[slice, tuple[NDArray[Any], ...]]]:
    """The result of `work` for each block, as host arrays, in order.

    Waits for a block's result only after the next block's work was launched.
    """
    waiting: deque[tuple[slice, _Coming]] = deque()
    for block, rows in blocks:
        waiting.append((block, _Coming(work(rows))))
        if len(waiting) == BUFFERS:
            yield _arrived(waiting)
    while waiting:
        yield _arrived(waiting)


def by_turns(steps: Iterator[Step], device: torch.device) -> Iterator[Step]:
    """The same steps, each in its own turn: other threads use the device in between."""
    while True:
        with turn_on(device):
            try:
                step = next(steps)
            except StopIteration:
                return
        yield step


def _arrived(
    waiting: "deque[tuple[slice, _Coming]]",
) -> tuple[slice, tuple[NDArray[Any], ...]]:
    block, coming = waiting.popleft()
    return block, coming.arrays()


class _Coming:
    """Tensors being copied to the host."""

    def __init__(self, tensors: Arrays) -> None:
        self._arrived = None
        self._tensors = tensors
        if tensors[0].is_cuda:
            self._tensors = tuple(_to_pinned(tensor) for tensor in tensors)
            self._arrived = torch.cuda.Event()
            self._arrived.record()

    def arrays(self) -> tuple[NDArray[Any], ...]:
        if self._arrived is not None:
            self._arrived.synchronize()
        return tuple(tensor.numpy() for tensor in self._tensors)


def _to_pinned(tensor: Tensor) -> Tensor:
    pinned = torch.empty(
        tensor.shape, dtype=tensor.dtype, device="cpu", pin_memory=True
    )
    return pinned.copy_(tensor, non_blocking=True)


def _upload_ahead(
    vectors: NDArray[Any] | RowMatrix,
    blocks: list[slice],
    device: torch.device,
    dtype: type[np.generic],
) -> Blocks:
    staging = _staging(blocks[0].stop, vectors.shape[1], dtype)
    sender = _Sender(vectors, staging, device)
    sent = sender.send(blocks[0])
    for block, following in zip(blocks, [*blocks[1:], None], strict=True):
        rows, arrival = sent
        if following is not None:
            sent = sender.send(following)
        torch.cuda.current_stream(device).wait_event(arrival)
        # This memory must not be reused until the consumer's kernels are done.
        rows.record_stream(torch.cuda.current_stream(device))
        yield block, rows


def _staging(rows: int, dim: int, dtype: type[np.generic]) -> Tensor:
    """`BUFFERS` blocks of page-locked memory."""
    like = torch.from_numpy(np.empty(0, dtype)).dtype
    shape = (BUFFERS, rows, dim)
    return torch.empty(shape, dtype=like, device="cpu", pin_memory=True)


class _Sender:
    """Copies blocks through page-locked memory on a separate stream."""

    def __init__(
        self, vectors: NDArray[Any] | RowMatrix, staging: Tensor, device: torch.device
    ) -> None:
        self._vectors = vectors
        self._device = device
        self._stream = torch.cuda.Stream(device)
        self._staging = staging
        self._left = [torch.cuda.Event() for _ in range(BUFFERS)]
        self._turn = 0

    def send(self, block: slice) -> tuple[Tensor, torch.cuda.Event]:
        """Start the copy of a block; the event marks its completion."""
        turn = self._turn % BUFFERS
        self._turn += 1
        self._left[turn].synchronize()  # the previous copy from this buffer
        buffer = self._staging[turn, : block.stop - block.start]
        buffer.numpy()[:] = self._vectors[block]
        arrival = torch.cuda.Event()
        with torch.cuda.stream(self._stream):
            rows = buffer.to(self._device, non_blocking=True)
            self._left[turn].record()
            arrival.record()
        return rows, arrival
