"""The lists of all rows, found range by range and kept in files."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gleann.index.arrays import ListNos, Vectors
from gleann.index.build.assign import assign_blocks, blocks_to_assign
from gleann.index.build.distortion import total_distortion
from gleann.index.build.shortlist import Chosen
from gleann.index.parallel.blocks import block_slices
from gleann.index.params import BuildParams
from gleann.index.shards.build.folder import names_in
from gleann.index.shards.rows import JoinedRows
from gleann.index.shards.whole import whole_file, write_array

RANGE_ROWS = 1 << 18
"""Rows of a file, about. It is the same for any number of workers: a build goes on with
other ones."""

CENTROIDS = "centroids.npy"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AssignedBlock:
    """The lists of some rows.

    Attributes:
        block: (m,) of all rows.
        primary: (m,), first list of each.
        secondary: (m,), second list, -1 for none.
        distortion: sum of their squared distances to the centroid of the first.
    """

    block: slice
    primary: ListNos
    secondary: ListNos
    distortion: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignedFiles:
    """The files.

    Attributes:
        folder: where they are.
        nlist: number of lists.
    """

    folder: Path
    nlist: int

    def centroids(self) -> Vectors | None:
        """The centroids (nlist, d) of the files; None where there are none so far."""
        try:
            found: Vectors = np.load(self.folder / CENTROIDS)
        except FileNotFoundError:
            return None
        return found

    def begin(self, centroids: Vectors) -> None:
        """Keep the centroids (nlist, d); files of others go.

        Raises:
            StorageError: the disk refused.
        """
        kept = self.centroids()
        if kept is not None and np.array_equal(kept, centroids):
            return
        if self.folder.exists():
            for file in self.folder.iterdir():
                file.unlink()
        with whole_file(self.folder / CENTROIDS) as file, file.open("wb") as handle:
            write_array(handle, centroids)

    def spans(self, n: int) -> list[slice]:
        """The rows of each file."""
        step = blocks_to_assign(n, self.nlist)[0]
        rows = step.stop - step.start
        return block_slices(n, rows * max(1, RANGE_ROWS // rows))

    def missing(self, n: int) -> list[slice]:
        """The rows of the files that are not there."""
        there = names_in(self.folder)
        return [span for span in self.spans(n) if self._file(span).name not in there]

    def write(self, span: slice, found: list[AssignedBlock]) -> None:
        """Keep the lists of a span.

        Raises:
            StorageError: the disk refused.
        """
        with whole_file(self._file(span)) as file, file.open("wb") as handle:
            np.savez(
                handle,
                primary=np.concatenate([one.primary for one in found]),
                secondary=np.concatenate([one.secondary for one in found]),
                starts=np.array([one.block.start for one in found]),
                distortions=np.array([one.distortion for one in found]),
            )

    def read(self, span: slice) -> Iterator[AssignedBlock]:
        """The blocks of a span, in order."""
        with np.load(self._file(span)) as found:
            primary, secondary = found["primary"], found["secondary"]
            starts = found["starts"].tolist()
            distortions = found["distortions"].tolist()
        for start, stop, distortion in zip(
            starts, [*starts[1:], span.stop], distortions, strict=True
        ):
            part = slice(start - span.start, stop - span.start)
            yield AssignedBlock(
                block=slice(start, stop),
                primary=primary[part],
                secondary=secondary[part],
                distortion=distortion,
            )

    def between(self, start: int, stop: int, *, n: int) -> tuple[ListNos, ListNos]:
        """First and second list of the rows from `start` up to `stop` of n."""
        primary = np.empty(stop - start, np.int32)
        secondary = np.empty(stop - start, np.int32)
        for span in self.spans(n):
            first, last = max(start, span.start), min(stop, span.stop)
            if first >= last:
                continue
            with np.load(self._file(span)) as found:
                there = slice(first - span.start, last - span.start)
                here = slice(first - start, last - start)
                primary[here] = found["primary"][there]
                secondary[here] = found["secondary"][there]
        return primary, secondary

    def _file(self, span: slice) -> Path:
        return self.folder / f"rows-{span.start:012d}.npz"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Assigning:
    """What the assignment of a range needs; see `assign_blocks`.

    Shortlists are chosen once, for all ranges: groups of many lists take seconds.
    """

    rows: JoinedRows
    centroids: Vectors
    params: BuildParams
    scale: float
    center: Vectors | None
    chosen: Chosen
    files: AssignedFiles


def assign_range(job: Assigning, span: slice) -> None:
    """Assign the rows of a span and keep their lists.

    Raises:
        StorageError: the disk refused.
    """
    n, nlist = len(job.rows), len(job.centroids)
    blocks = [
        b for b in blocks_to_assign(n, nlist) if span.start <= b.start < span.stop
    ]
    found = [
        AssignedBlock(
            block=block,
            primary=first,
            secondary=second,
            distortion=total_distortion(job.rows[block], job.centroids, first),
        )
        for block, first, second in assign_blocks(
            job.rows,
            job.centroids,
            params=job.params,
            scale=job.scale,
            threads=1,
            center=job.center,
            blocks=blocks,
            chosen=job.chosen,
        )
    ]
    job.files.write(span, found)
