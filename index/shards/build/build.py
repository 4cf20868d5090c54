"""A build of shards, from its files to the index that is published."""

import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from gleann.index.arrays import Vectors
from gleann.index.build.arrange import (
    arrange,
    as_sample,
    require_narrower,
    resolve_nlist,
)
from gleann.index.build.kmeans import wanted_rows
from gleann.index.errors import InvalidParamsError
from gleann.index.heartbeat import repeating
from gleann.index.operating.points import SpillReport, best_recall
from gleann.index.params import BuildParams
from gleann.index.progress import Progress, Report, ignore
from gleann.index.shards.build.arranged import Decided
from gleann.index.shards.build.assigned import AssignedFiles
from gleann.index.shards.build.folder import (
    BuildFolder,
    names_in,
    opened_folder,
    remove_pieces,
)
from gleann.index.shards.build.gather import (
    Gathering,
    gather_shard,
    gathered_rows,
    shard_content,
)
from gleann.index.shards.build.kernels import SpreadKernels
from gleann.index.shards.build.named_files import list_files
from gleann.index.shards.build.place import Counts, Placing, place_blocks, placed_counts
from gleann.index.shards.build.publish import (
    Finished,
    finish_shards,
    is_finished,
    publish_shards,
)
from gleann.index.shards.build.scan import Scanning, scan_shard
from gleann.index.shards.build.sources import (
    BLOCK_BYTES,
    Block,
    Input,
    Wanted,
    describe_files,
    runs_of,
)
from gleann.index.shards.manifest import require_shard_count
from gleann.index.shards.rows import JoinedRows
from gleann.index.shards.runner import Runner

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardsSummary:
    """Description of an index in shards that was built.

    Attributes:
        n: rows of all shards.
        dim: dimensions of a row.
        shards: rows of each.
        nlist: number of inverted lists, the same in all shards.
        trained_rows: that k-means saw, at most.
        params: the build parameters, with "auto" resolved.
        spilled_share: share of rows that have a second copy.
        spill_report: as `SoarIndex.spill_report`.
        best_recall: as `BuildSummary.best_recall`.
        resumed: tasks that an earlier, stopped build had done.
    """

    n: int
    dim: int
    shards: tuple[int, ...]
    nlist: int
    trained_rows: int
    params: BuildParams
    spilled_share: float
    spill_report: SpillReport | None
    best_recall: float | None
    resumed: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Asked:
    """What is to be built.

    Attributes:
        data: the files.
        params: of the build.
        shards: how many there are to be.
        queries: prepared sample queries (m, d), or None.
        block_bytes: of the rows of a block.
        version: of gleann; another one begins anew.
    """

    data: Input
    params: BuildParams
    shards: int
    queries: Vectors | None
    block_bytes: int = BLOCK_BYTES
    version: str = ""

    @property
    def values(self) -> dict[str, Any]:
        """The same as JSON, by which a stopped build is known again."""
        queries = (
            None if self.queries is None else sha256(self.queries.data).hexdigest()
        )
        values = {
            **self.data.described(),
            "params": asdict(self.params),
            "shards": self.shards,
            "queries": queries,
            "block_bytes": self.block_bytes,
            "version": self.version,
        }
        # As it is read again: JSON has lists only.
        return dict(json.loads(json.dumps(values)))


def ask_for(  # noqa: PLR0913  what a build is given
    inputs: Sequence[str],
    params: BuildParams,
    *,
    shards: int,
    wanted: Wanted = Wanted(),  # noqa: B008  a constant
    queries: ArrayLike | None = None,
    block_bytes: int = BLOCK_BYTES,
    version: str = "",
    runner: Runner = map,
) -> Asked:
    """Look into the files of a build, and refuse what it would refuse.

    Args:
        inputs: files, folders, globs and URLs, as `gleann.data.open` takes; all
            machines open them by these names.
        params: of the build; `memory` is not for shards.
        shards: from 1 to `MOST_SHARDS`.
        wanted: what is taken of the files.
        queries: (m, d) of the kind that will be asked; None draws rows.
        block_bytes: of the float32 rows of a block, at most, unless a row is longer.
        version: of gleann, so that a build does not go on with another one.
        runner: looks into the files.

    Raises:
        As `describe_files`; and
        InvalidParamsError: too few shards or too many, more lists than rows, or a
            parameter that shards do not have.
    """
    require_shard_count(shards)
    if params.memory is not None:
        raise InvalidParamsError(
            f"memory is {params.memory!r}, and shards are on several machines: give"
            " keep, entry_codes and projection instead"
        )
    if wanted.ids is not None:
        wanted = replace(wanted, ids=wanted.ids.absolute())
    data = describe_files(list_files(inputs), wanted, runner=runner)
    require_narrower(params, data.dim)
    resolve_nlist(params, data.n)
    return Asked(
        data=data,
        params=params,
        shards=shards,
        queries=as_sample(queries, data.dim, params.metric),
        block_bytes=block_bytes,
        version=version,
    )


def build_shards(
    asked: Asked,
    out: Path,
    *,
    runner: Runner = map,
    overwrite: bool = False,
    threads: int = 0,
    progress: Report = ignore,
) -> ShardsSummary:
    """Build an index in shards in the folder `out`, which all machines see.

    The files are the same for any runner and any number of workers, and hold what
    `cut` of one index over the same rows writes. What is done is kept in
    `out/.building`: a build that was stopped goes on from there when it is asked for
    again. Memory of this process: some 30 bytes a row, and the training rows; that of a
    task: a few times its block, or the ids and lists of a shard.

    Args:
        asked: from `ask_for`.
        out: new, or an index in shards to replace, or one whose build was stopped.
        runner: carries out the tasks.
        overwrite: replace the index that is there, or drop the rest of another build.
        threads: of the training, in this process; 0 takes all cores.
        progress: called with "place", "gather", "train", "assign", "tune", "write" and
            "done"; what it raises stops the build.

    Raises:
        AlreadyExistsError: there is something at `out`, or the rest of another build.
        ConflictError: another process builds there.
        InvalidInputError: rows, ids or payload that cannot be; names file and row.
        DuplicateIdError: an id twice; names it and the files.
        CorruptDataError: a file changed meanwhile.
        StorageError: the disk refused.
    """
    with (
        opened_folder(out.absolute(), asked.values, overwrite=overwrite) as folder,
        repeating(progress) as report,
    ):
        build = _Build(asked, folder, runner, report, threads)
        if is_finished(folder):
            build.resumed = asked.shards
        else:
            build.run()
        report(Progress(phase="done", done=asked.data.n, total=asked.data.n))
        finished = publish_shards(folder)
        remove_pieces(folder)
    return _summary(finished, resumed=build.resumed)


class _Build:
    """The passes of one build."""

    def __init__(
        self,
        asked: Asked,
        folder: BuildFolder,
        runner: Runner,
        report: Report,
        threads: int,
    ) -> None:
        self._asked = asked
        self._folder = folder
        self._runner = runner
        self._report = report
        self._threads = threads
        self._blocks = asked.data.blocks(block_bytes=asked.block_bytes)
        self.resumed = 0

    def run(self) -> None:
        """All passes."""
        asked, folder = self._asked, self._folder
        counts = self.place()
        offsets = self.gather(counts)
        decided = self.decide(offsets)
        self.write(offsets, decided)
        finish_shards(
            folder,
            dim=asked.data.dim,
            id_kind=asked.data.id_kind,
            decided=decided,
            shards=asked.shards,
        )

    def place(self) -> Counts | None:
        """Rows of each block in each shard; None where all shards are gathered."""
        if not self._not_gathered():
            return None
        job = Placing(
            folder=self._folder,
            wanted=self._asked.data.wanted,
            params=self._asked.params,
            shards=self._asked.shards,
        )
        counts = np.zeros((len(self._blocks), self._asked.shards), np.int64)
        missing: list[Block] = []
        there = names_in(self._folder.placed(0).parent)
        for block in self._blocks:
            path = self._folder.placed(block.number)
            if path.name in there:
                counts[block.number] = placed_counts(path)
            else:
                missing.append(block)
        self.resumed += len(self._blocks) - len(missing)
        runs = runs_of(missing)
        done = self._runner(partial(place_blocks, job), runs)
        heard = self._heard("place", done, [sum(map(len, run)) for run in runs])
        for run, found in zip(runs, heard, strict=True):
            counts[[block.number for block in run]] = found
        return counts

    def gather(self, counts: Counts | None) -> tuple[int, ...]:
        """Put the shards together; the first row of each, and the end of the last."""
        asked = self._asked
        if counts is not None:
            missing = self._not_gathered()
            self.resumed += asked.shards - len(missing)
            job = Gathering(
                folder=self._folder,
                blocks=tuple(self._blocks),
                counts=counts,
                dim=asked.data.dim,
                id_kind=asked.data.id_kind,
                keep=asked.params.keep,
                schema=asked.data.wanted.schema,
                build=self._folder.name,
            )
            sizes = counts.sum(axis=0)[missing].tolist()
            done = self._runner(partial(gather_shard, job), missing)
            for _ in self._heard("gather", done, sizes):
                pass
            shutil.rmtree(self._folder.placed(0).parent, ignore_errors=True)
        return self._offsets()

    def decide(self, offsets: tuple[int, ...]) -> Decided:
        """Lists, codes and what they find, for all rows."""
        asked = self._asked
        if (decided := Decided.read(self._folder.arranged)) is not None:
            self.resumed += 1
            return decided
        files = self._assigned(offsets[-1])
        self.resumed += len(files.spans(offsets[-1])) - len(files.missing(offsets[-1]))
        arranged = arrange(
            self._rows(),
            asked.params,
            queries=asked.queries,
            report=self._report,
            kernels=SpreadKernels(self._runner, files, threads=self._threads),
            centroids=files.centroids(),
        )
        decided = Decided.of(arranged)
        decided.write(self._folder.arranged)
        return decided

    def write(self, offsets: tuple[int, ...], decided: Decided) -> None:
        """Lists and codes of each shard."""
        job = Scanning(
            folder=self._folder,
            rows=self._rows(),
            offsets=offsets,
            assigned=self._assigned(offsets[-1]),
            centroids=decided.centroids,
            encoding=decided.encoding,
            is_spilled=decided.header.params.spill != "none",
            keep=self._asked.params.keep,
        )
        sizes = np.diff(offsets)
        wanted = np.flatnonzero(sizes).tolist()
        there = names_in(self._folder.scanned(0).parent)
        missing = [n for n in wanted if self._folder.scanned(n).name not in there]
        self.resumed += len(wanted) - len(missing)
        done = self._runner(partial(scan_shard, job), missing)
        for _ in self._heard("write", done, sizes[missing].tolist()):
            pass

    def _heard(
        self, phase: str, results: Iterable[Result], sizes: Sequence[int]
    ) -> Iterable[Result]:
        """Results of tasks of so many rows, which are reported."""
        done, total = 0, sum(sizes)
        for size, result in zip(sizes, results, strict=True):
            done += size
            self._report(Progress(phase=phase, done=done, total=total))
            yield result

    def _not_gathered(self) -> list[int]:
        folder = self._folder
        there = names_in(folder.shard(0).parent)
        return [
            n for n in range(self._asked.shards) if folder.shard(n).name not in there
        ]

    def _offsets(self) -> tuple[int, ...]:
        counts = [shard_content(self._folder, n)[0] for n in range(self._asked.shards)]
        return (0, *np.cumsum(counts).tolist())

    def _rows(self) -> JoinedRows:
        return gathered_rows(
            self._folder,
            shards=self._asked.shards,
            dim=self._asked.data.dim,
            keep=self._asked.params.keep,
        )

    def _assigned(self, n: int) -> AssignedFiles:
        nlist = resolve_nlist(self._asked.params, n)
        return AssignedFiles(folder=self._folder.assigned, nlist=nlist)


def _summary(finished: Finished, *, resumed: int) -> ShardsSummary:
    manifest = finished.manifest
    header = manifest.unpacked()
    nlist = resolve_nlist(header.params, manifest.n)
    trained = min(manifest.n, wanted_rows(manifest.dim, nlist=nlist))
    return ShardsSummary(
        n=manifest.n,
        dim=manifest.dim,
        shards=tuple(shard.n for shard in manifest.shards),
        nlist=nlist,
        trained_rows=trained,
        params=replace(header.params, memory=None),
        spilled_share=finished.entries / manifest.n - 1,
        spill_report=header.spill_report,
        best_recall=best_recall(header.points, k=10) if header.points else None,
        resumed=resumed,
    )
