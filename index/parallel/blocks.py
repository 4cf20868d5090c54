"""Work on blocks of rows, one block a core."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from gleann.index.parallel.blas import one_blas_thread
from gleann.index.parallel.cores import usable_cores

T = TypeVar("T")

BLOCK_SCORES = 1 << 19
"""Scores of rows against lists kept at once: the size of a core's private cache."""


BLOCK_VALUES = 1 << 16
"""Values of rows processed at once if each is read once or twice."""


def block_slices(n: int, step: int) -> list[slice]:
    """Cut n rows into slices of `step`, at least one row each."""
    step = max(1, step)
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]


def map_blocks(
    work: Callable[[slice], T], blocks: list[slice], *, threads: int = 0
) -> Iterator[tuple[slice, T]]:
    """Yield (block, work(block)) in order; NumPy lets go of the interpreter lock.

    Each block's matrix products run on one thread: threads of BLAS would wait for each
    other at every small product. While this runs, that limit holds for the process.

    Args:
        work: done to each block.
        blocks: in the order of the answers.
        threads: blocks at a time; 0 takes every core.
    """
    with (
        one_blas_thread(),
        ThreadPoolExecutor(threads or usable_cores()) as executor,
    ):
        yield from zip(blocks, executor.map(work, blocks), strict=True)
