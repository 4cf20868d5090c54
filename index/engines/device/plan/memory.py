"""Device memory of an index, checked before any copy."""

import gc
from dataclasses import dataclass

import torch

from gleann.index.engines.contract import IndexData
from gleann.index.engines.device.plan.choice import default_kinds
from gleann.index.engines.device.plan.kinds import KINDS, TILE, Kind, padded_dim
from gleann.index.engines.device.plan.planner import usual_batch
from gleann.index.errors import DeviceMemoryError

KEYS_SHARE = 0.25
"""Share of the memory free after loading that the keys of one block may take."""

HOST_BUDGET = 256 << 20
"""Bytes for the keys of one block on the CPU, whose free memory is not reliable."""

RESERVE = 512 << 20
"""Reserved for kernels, blocks in flight, temporaries of the coarse step, and slack."""

ENTRY_BYTES = 16
"""Bytes per entry of row, primary list, bias and factor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """Bytes of an index on a device.

    Attributes:
        lists: entries, spilled copies included.
        coarse: centroids and offsets.
        rows: float32 rows for re-ranking; 0 if they stay in host memory.
        loading: the numbers of each row's two entries, during loading only.
    """

    lists: int
    coarse: int
    rows: int
    loading: int

    @property
    def total(self) -> int:
        """Total during loading."""
        return self.lists + self.coarse + self.rows + self.loading


def footprint(data: IndexData, *, kind: Kind, rows_on_device: bool) -> Footprint:
    """The memory that `data` would take on a device."""
    n, dim = data.vectors.shape
    entries = data.lists.entries + TILE
    entry = padded_dim(dim, kind) * KINDS[kind].bytes + ENTRY_BYTES
    return Footprint(
        lists=entries * entry,
        coarse=(data.lists.nlist + TILE) * (8 * dim + padded_dim(dim, "int8") + 32),
        rows=4 * n * dim if rows_on_device else 0,
        loading=2 * 4 * n,
    )


def admit(
    data: IndexData, *, kinds: tuple[Kind, ...], device: torch.device
) -> tuple[Kind, Footprint]:
    """Choose the number kind, and whether the float32 rows are copied to `device`.

    Takes the first of `kinds` that fits with the rows, else the first that fits without
    them: gathering rows from host memory over the bus is slower than any scan.

    Raises:
        DeviceMemoryError: the lists do not fit in any of `kinds`.
    """
    free = room_on(device)
    if free is None:
        return kinds[0], footprint(data, kind=kinds[0], rows_on_device=True)
    for rows_on_device in (True, False):
        for kind in kinds:
            taken = footprint(data, kind=kind, rows_on_device=rows_on_device)
            if taken.total + RESERVE <= free:
                return kind, taken
    raise DeviceMemoryError(
        f"the lists take {_sized(taken.total)} as {kind}, and {device} has"
        f" {_sized(max(0, free - RESERVE))} to spare; the native engine reads them from"
        " host memory"
    )


def fits(data: IndexData, *, device: torch.device) -> bool:
    """Whether all of `data`, rows included, fits on the device in the best kind."""
    free = room_on(device)
    if free is None:
        return True
    best = kinds_for(data, device)[0]
    return footprint(data, kind=best, rows_on_device=True).total + RESERVE <= free


def kinds_for(data: IndexData, device: torch.device) -> tuple[Kind, ...]:
    """The number kinds for `data` on `device`, best first."""
    if data.encoding.kind == "float32":
        return ("fp32",)
    batch = usual_batch(
        nlist=data.lists.nlist,
        entries=data.lists.entries,
        dim=data.vectors.shape[1],
    )
    return default_kinds(device, batch)


def require_room(needed: int, device: torch.device, *, what: str) -> None:
    """Raise if work needs more memory than is free.

    Args:
        needed: bytes.
        device: the device.
        what: the consumer of the memory, for the message.

    Raises:
        DeviceMemoryError: with both numbers.
    """
    free = room_on(device)
    if free is not None and needed > free:
        raise DeviceMemoryError(
            f"{what} takes {_sized(needed)}, and {device} has {_sized(free)} free"
        )


class FreeMemory:
    """Free memory of a device, cached because a driver query can take milliseconds.

    Allocations by others are noticed only when an allocation fails: then `forget` makes
    the next search query again. Not thread-safe.
    """

    def __init__(self, device: torch.device) -> None:
        """Query the free memory."""
        self._device = device
        self._free = free_bytes(device)
        self._stale = False

    def refresh(self) -> None:
        """Query again."""
        self._free = free_bytes(self._device)
        self._stale = False

    def forget(self) -> None:
        """Query again at the next search: the cached value was wrong."""
        self._stale = True

    def budget(self, *, a_query: int) -> int:
        """Bytes that the keys of one block of queries may take.

        Args:
            a_query: bytes of a block of one query, from the planner.

        Raises:
            DeviceMemoryError: not even one query fits, also after a new query.
        """
        if self._stale or (self._free is not None and a_query > self._free):
            self.refresh()
        if self._free is None:
            return HOST_BUDGET
        if a_query > self._free:
            raise DeviceMemoryError(
                f"a query takes {_sized(a_query)} of keys, and {self._device} has"
                f" {_sized(self._free)} free: ask for fewer lists or neighbours"
            )
        return int(KEYS_SHARE * self._free)


def free_bytes(device: torch.device) -> int | None:
    """Free bytes of a CUDA device; None for the host."""
    if device.type != "cuda":
        return None
    return int(torch.cuda.mem_get_info(device)[0])


def room_on(device: torch.device) -> int | None:
    """`free_bytes` after torch has released its unused cached memory."""
    if device.type == "cuda":
        gc.collect()  # an engine and its recordings can form reference cycles
        torch.cuda.empty_cache()
    return free_bytes(device)


def _sized(count: int) -> str:
    return f"{count:,} bytes ({count / 2**30:.2f} GiB)"
