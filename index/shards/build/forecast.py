"""What a build of shards would take: seconds, memory and disk."""

from dataclasses import dataclass

from gleann.index.build.arrange import resolve_nlist
from gleann.index.build.forecast import (
    BASE_BYTES,
    BYTES_A_ROW,
    ROW_NUMBER,
    forecast_build,
    index_bytes,
)
from gleann.index.build.kmeans import (
    MOST_TRAIN_BYTES,
    TRAIN_ROWS_PER_LIST,
    wanted_rows,
)
from gleann.index.build.near_rows import BLOCK_BYTES as NEAR_BYTES
from gleann.index.nouns import counted
from gleann.index.shards.build.build import Asked

DRIVER_ROW = 30
"""Bytes of a row in the process that decides: its lists, and the entries of all."""

SHARD_ROW = 60
"""Bytes of a row of a shard while it is put together: its id, thrice, or its lists."""

BLOCK_COPIES = 4
"""A block as it was read, as float32, prepared, and in the order of the shards."""

NEAR_COPIES = 7
"""Rows whose codes are compared at once: in float32, coded, and packed in lists."""

FEW_A_LIST = 10
"""Fewer training rows of a list, where the memory of k-means holds no more, are told:
centroids are then little better than rows drawn at random."""

TASK = 0.01
"""Seconds that a task takes beside its work."""

MANY = 1 << 20
"""Cores that leave only what one core does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardsForecast:
    """What a build of shards would take.

    Attributes:
        seconds: nominal; multiply by what a nominal second takes.
        driver_bytes: memory of the process that asks, at most.
        worker_bytes: memory of a worker, at most.
        disk_bytes: of OUT at most while it runs.
        file_bytes: of OUT afterwards, without payload.
        trained_rows: that k-means sees, at most.
        steps: what would be done, one sentence each.
    """

    seconds: float
    driver_bytes: int
    worker_bytes: int
    disk_bytes: int
    file_bytes: int
    trained_rows: int
    steps: tuple[str, ...]


def forecast_shards(asked: Asked, *, workers: int) -> ShardsForecast:
    """Forecast `build_shards`, without the start of Ray.

    Args:
        asked: what is to be built.
        workers: tasks at once.
    """
    data, params = asked.data, asked.params
    n, dim = data.n, data.dim
    nlist = resolve_nlist(params, n)
    id_bytes = 8.0 if data.id_kind == "integers" else 24.0
    one = forecast_build(n, dim, params, id_bytes=id_bytes, cores=1)
    serial = forecast_build(n, dim, params, id_bytes=id_bytes, cores=MANY)
    training = serial.memory_bytes - BASE_BYTES - BYTES_A_ROW * n
    blocks = data.blocks(block_bytes=asked.block_bytes)
    files = index_bytes(n, dim, params, nlist=nlist, id_bytes=id_bytes)
    files += asked.shards * 4 * nlist * (dim + 4)
    kept = 2 if params.keep in ("f16", "bf16") else 4
    placed = round(n * (kept * dim + id_bytes))
    # Rows are written, read again and hashed once more than in one process.
    seconds = (one.seconds + ROW_NUMBER * n * dim) / workers + TASK * len(blocks)
    worker = max(
        BLOCK_COPIES * min(asked.block_bytes, 4 * n * dim),
        NEAR_COPIES * min(NEAR_BYTES, n * dim),
        SHARD_ROW * -(-n // asked.shards),
    )
    return ShardsForecast(
        seconds=seconds,
        driver_bytes=BASE_BYTES + DRIVER_ROW * n + max(0, training),
        worker_bytes=BASE_BYTES + worker,
        disk_bytes=max(2 * placed, files),
        file_bytes=files,
        trained_rows=trained_rows(asked),
        steps=_steps(asked, workers, len(blocks), nlist, BASE_BYTES + worker),
    )


def trained_rows(asked: Asked) -> int:
    """Rows that k-means sees, at most."""
    n, dim = asked.data.n, asked.data.dim
    return min(n, wanted_rows(dim, nlist=resolve_nlist(asked.params, n)))


def few_trained(asked: Asked) -> str | None:
    """What to know where k-means sees few of the rows that there are; None elsewhere.

    Its memory is bounded: of wide rows in many lists that is hardly more than one a
    list.
    """
    n, rows = asked.data.n, trained_rows(asked)
    nlist = resolve_nlist(asked.params, n)
    if rows >= min(n, FEW_A_LIST * nlist):
        return None
    return (
        f"k-means holds {MOST_TRAIN_BYTES >> 20} MiB of rows at most: it sees {rows:,}"
        f" of {n:,} rows for {nlist:,} lists, {rows / nlist:.1f} a list in place of"
        f" {TRAIN_ROWS_PER_LIST}"
    )


def _steps(
    asked: Asked, workers: int, blocks: int, nlist: int, worker_bytes: int
) -> tuple[str, ...]:
    data, shards = asked.data, counted(asked.shards, "shards")
    return (
        f"read {counted(len(data.sources), 'files')} in {counted(blocks, 'blocks')},"
        f" and place their rows in {shards}",
        f"train {counted(nlist, 'lists')} on {counted(trained_rows(asked), 'rows')} of"
        f" all files, and assign {counted(data.n, 'rows')}",
        f"write the lists and codes of {shards}",
        f"{counted(workers, 'workers')}, each with about {worker_bytes:,} bytes of"
        " memory",
    )
