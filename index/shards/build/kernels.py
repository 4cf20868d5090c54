"""The numeric kernels of a build whose passes over the rows are made by tasks.

Each task goes through some of the blocks that the host goes through, and answers are
put together in the order of the rows: so all that is decided from them is what one
process decides, bit for bit, whoever carries out the tasks.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any, TypeVar

import numpy as np

from gleann.index.arrays import Distances, ListNos, RowMatrix, Rows, Vectors
from gleann.index.build.assign import choose_for_all
from gleann.index.build.contract import Assigned, TrainingRows
from gleann.index.build.host import HostKernels
from gleann.index.build.near_rows import QUERIES_HELD, rows_at_once
from gleann.index.build.rank_by_code import (
    Ranked,
    best_of_blocks,
    code_blocks,
    draw_salt,
    merge_ranked,
)
from gleann.index.build.spill import mean_of, scale_blocks, squared_lengths
from gleann.index.codes import Codes, Encoding
from gleann.index.parallel.blocks import block_slices
from gleann.index.params import BuildParams, Metric
from gleann.index.shards.build.assigned import AssignedFiles, Assigning, assign_range
from gleann.index.shards.near import Near, merge_near
from gleann.index.shards.rows import JoinedRows
from gleann.index.shards.runner import Runner

TASK_ROWS = 1 << 18
"""Rows that a task goes through, about, where there are no more tasks than `TASKS`."""

TASKS = 4096
"""Tasks of a pass, at most."""

Item = TypeVar("Item")
Heard = Callable[[int, int], None] | None


class SpreadKernels:
    """`BuildKernels` of rows that are `JoinedRows`.

    Args:
        runner: carries out the tasks.
        files: keeps the lists of the rows.
        threads: of what this process does itself: training, and the choice of
            shortlists.
    """

    def __init__(
        self, runner: Runner, files: AssignedFiles, *, threads: int = 0
    ) -> None:
        self._runner = runner
        self._files = files
        self._threads = threads
        self._here = HostKernels(threads)
        self._distortions: dict[int, float] = {}

    def training_rows(self, rows: Vectors) -> TrainingRows:
        """See `BuildKernels.training_rows`; here."""
        return self._here.training_rows(rows)

    def assign_blocks(
        self,
        vectors: RowMatrix,
        centroids: Vectors,
        *,
        params: BuildParams,
        center: Vectors | None = None,
    ) -> Assigned:
        """See `BuildKernels.assign_blocks`; finished ranges are not done again."""
        rows = _joined(vectors)
        self._files.begin(centroids)
        missing = self._files.missing(len(rows))
        done: Iterator[None] = iter(())
        if missing:
            job = self._assigning(rows, centroids, params, center)
            done = iter(self._runner(partial(assign_range, job), missing))
        lacking = {span.start for span in missing}
        for span in self._files.spans(len(rows)):
            if span.start in lacking:
                next(done)
            for one in self._files.read(span):
                self._distortions[one.block.start] = one.distortion
                yield one.block, one.primary, one.secondary

    def distortion(
        self, vectors: RowMatrix, block: slice, centroids: Vectors, primary: ListNos
    ) -> float:
        """See `BuildKernels.distortion`; found when the block was assigned."""
        del vectors, centroids, primary
        return self._distortions.pop(block.start)

    def nearest_rows(
        self,
        queries: Vectors,
        vectors: RowMatrix,
        *,
        metric: Metric,
        k: int,
        progress: Heard,
    ) -> Near:
        """See `BuildKernels.nearest_rows`."""
        rows = _joined(vectors)
        job = _Asking(rows=rows, queries=queries, k=k, metric=metric)
        spans = block_slices(len(rows), task_rows(len(rows), step=1))
        found = self._runner(partial(_nearest, job), spans)
        heard = _told(found, [span.stop for span in spans], len(rows), progress)
        return merge_near(heard, count=len(queries), k=k)

    def nearest_by_code(
        self,
        queries: Vectors,
        vectors: RowMatrix,
        encoding: Encoding,
        *,
        metric: Metric,
        k: int,
        progress: Heard,
    ) -> tuple[Rows, Distances]:
        """See `BuildKernels.nearest_by_code`; a task has one of its blocks of rows."""
        rows = _joined(vectors)
        job = _Asking(rows=rows, queries=queries, k=k, metric=metric, encoding=encoding)
        spans = block_slices(len(rows), rows_at_once(encoding, rows.shape[1]))
        some = block_slices(len(queries), QUERIES_HELD)
        tasks = list(product(spans, some))
        found = self._runner(partial(_nearest_by_code, job), tasks)
        heard = _told(found, [span.stop for span, _ in tasks], len(rows), progress)
        parts: list[list[Near]] = [[] for _ in some]
        for number, near in enumerate(heard):
            at = number % len(some)
            count = some[at].stop - some[at].start
            # Merged at once: the answers of all tasks would not fit.
            parts[at] = [merge_near([*parts[at], near], count=count, k=k)]
        merged = [part[0] for part in parts]
        return (
            np.concatenate([near for near, _ in merged]),
            np.concatenate([apart for _, apart in merged]),
        )

    def rank_by_code(  # noqa: PLR0913  as the function
        self,
        encoding: Encoding,
        vectors: RowMatrix,
        queries: Vectors,
        *,
        own: Rows | None,
        width: int,
        rng: np.random.Generator,
        progress: Heard,
    ) -> Rows:
        """See `BuildKernels.rank_by_code`."""
        rows = _joined(vectors)
        job = _Ranking(
            rows=rows,
            encoding=encoding,
            queries=queries,
            own=own,
            width=width,
            salt=draw_salt(rng),
        )
        blocks = code_blocks(rows.shape, queries=len(queries))
        step = blocks[0].stop - blocks[0].start
        spans = block_slices(len(rows), task_rows(len(rows), step=step))
        found = self._runner(partial(_ranked, job), spans)
        heard = _told(found, [span.stop for span in spans], len(rows), progress)
        best: list[Ranked] = []
        for one in heard:
            best = [merge_ranked([*best, one], width)]
        return best[0].rows

    def prepare(
        self, vectors: Vectors, metric: Metric, *, first_row: int = 0
    ) -> Vectors:
        """See `BuildKernels.prepare`; here."""
        return self._here.prepare(vectors, metric, first_row=first_row)

    def codes(self, vectors: Vectors, encoding: Encoding) -> Codes:
        """See `BuildKernels.codes`; here."""
        return self._here.codes(vectors, encoding)

    def _assigning(
        self,
        rows: JoinedRows,
        centroids: Vectors,
        params: BuildParams,
        center: Vectors | None,
    ) -> Assigning:
        """What the tasks need; shortlists are chosen here, by this process."""
        scale = self._scale(rows, center)
        chosen = choose_for_all(
            rows,
            centroids,
            params=params,
            scale=scale,
            threads=self._threads,
            center=center,
        )
        return Assigning(
            rows=rows,
            centroids=centroids,
            params=params,
            scale=scale,
            center=center,
            chosen=chosen,
            files=self._files,
        )

    def _scale(self, rows: JoinedRows, center: Vectors | None) -> float:
        """As `scale_of`."""
        blocks = scale_blocks(rows.shape)
        step = blocks[0].stop - blocks[0].start
        spans = block_slices(len(rows), task_rows(len(rows), step=step))
        found = self._runner(partial(_squared, rows, center), spans)
        return mean_of((one for part in found for one in part), n=len(rows))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Asking:
    """Queries to compare with rows; with an encoding, by their codes first."""

    rows: JoinedRows
    queries: Vectors
    k: int
    metric: Metric
    encoding: Encoding | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Ranking:
    """Queries to rank rows for by their codes; as `best_of_blocks`."""

    rows: JoinedRows
    encoding: Encoding
    queries: Vectors
    own: Rows | None
    width: int
    salt: np.uint64


def task_rows(n: int, *, step: int) -> int:
    """Rows of a task, a multiple of `step`."""
    return step * max(1, max(TASK_ROWS, n // TASKS) // step)


def blocks_within(blocks: Sequence[slice], span: slice) -> list[slice]:
    """The blocks that begin in a span."""
    return [block for block in blocks if span.start <= block.start < span.stop]


def _squared(rows: JoinedRows, center: Vectors | None, span: slice) -> list[float]:
    blocks = blocks_within(scale_blocks(rows.shape), span)
    return list(squared_lengths(rows, center, blocks))


def _nearest(job: _Asking, span: slice) -> Near:
    part = job.rows.between(span.start, span.stop)
    rows, distances = HostKernels(1).nearest_rows(
        job.queries,
        part,
        metric=job.metric,
        k=min(job.k, len(part)),
        progress=None,
    )
    return rows + span.start, distances


def _nearest_by_code(job: _Asking, task: tuple[slice, slice]) -> Near:
    span, some = task
    assert job.encoding is not None
    part = job.rows.between(span.start, span.stop)
    rows, distances = HostKernels(1).nearest_by_code(
        job.queries[some],
        part,
        job.encoding,
        metric=job.metric,
        k=min(job.k, len(part)),
        progress=None,
    )
    return rows + span.start, distances


def _ranked(job: _Ranking, span: slice) -> Ranked:
    blocks = code_blocks(job.rows.shape, queries=len(job.queries))
    return best_of_blocks(
        job.encoding,
        job.rows,
        job.queries,
        own=job.own,
        width=job.width,
        salt=job.salt,
        blocks=blocks_within(blocks, span),
    )


def _told(found: Any, ends: Sequence[int], n: int, progress: Heard) -> Iterator[Any]:
    """What was found, one task after the other; their ends are reported."""
    for end, one in zip(ends, found, strict=True):
        if progress is not None:
            progress(end, n)
        yield one


def _joined(vectors: RowMatrix) -> JoinedRows:
    assert isinstance(vectors, JoinedRows), type(vectors)
    return vectors
