"""`SoarIndex`: inverted lists with SOAR spilling; build, search, save and load."""

from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import Any
from warnings import warn

from numpy.typing import ArrayLike

from gleann.index.access.described import Described
from gleann.index.access.portable import Origin, Portable
from gleann.index.access.row_access import RowAccess, as_payload
from gleann.index.access.row_finder import RowFinder
from gleann.index.access.saved_parts import SavedParts, read_parts
from gleann.index.arrays import Distances, HeldIds, Rows
from gleann.index.build.arrange import arrange, as_sample
from gleann.index.build.code_kept import code_kept
from gleann.index.build.kernels import kernels_on
from gleann.index.build.on_disk import (
    BuildSummary,
    RowSource,
    build_on_disk,
    fitted,
)
from gleann.index.checks import as_matrix, as_vectors, own_rows
from gleann.index.data.given import VectorSource, by_blocks, in_memory
from gleann.index.engines.choose import (
    make_engine,
    require_projecting,
    require_usable,
)
from gleann.index.engines.contract import Engine, IndexData, freeze
from gleann.index.errors import RecallWarning
from gleann.index.found import Found, FoundRows
from gleann.index.heartbeat import repeating
from gleann.index.ids.checks import hold_row_ids
from gleann.index.ids.table import IdTable
from gleann.index.newer.lists import NewerLists
from gleann.index.newer.rows import NewerRows
from gleann.index.newer.search import NewerSearcher
from gleann.index.params import BuildParams, EntryCodes, Keep, SearchParams
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Schema
from gleann.index.progress import Progress, Report, ignore
from gleann.index.search.device_search import (
    FoundTensors,
    as_tensor,
    require_device_params,
    search_planned,
    tensor_engine,
)
from gleann.index.search.searcher import Searcher
from gleann.index.storage import files
from gleann.index.storage.later_checks import LaterChecks
from gleann.index.storage.mapped_file import watched_files
from gleann.index.storage.packing import Header
from gleann.index.storage.row_layout import kept_rows


class SoarIndex(Described, RowAccess, RowFinder, Portable):
    """A sealed inverted-file index in which a row can be in two lists.

    Immutable: searching changes nothing, and any number of threads may search at once.
    Make one with `build` or `load`. `Portable` says what a pickle holds.
    """

    def __init__(
        self,
        data: IndexData,
        *,
        ids: HeldIds,
        header: Header,
        engine: Engine,
        payload: Payload | None = None,
    ) -> None:
        super().__init__(IdTable(ids), payload)
        freeze(data)
        self._data = data
        self._watched = watched_files(data.vectors)
        self._header = header
        self._engine = engine
        self._searcher = Searcher(
            data,
            engine,
            measured=header.measured,
            primary_points=header.primary_points,
            training=header.training,
        )
        self._newer_searcher = NewerSearcher(data, engine, self._searcher)

    @classmethod
    def build(  # noqa: PLR0913  all of them are optional
        cls,
        vectors: VectorSource,
        params: BuildParams | None = None,
        *,
        ids: ArrayLike | None = None,
        payload: Any = None,
        queries: ArrayLike | None = None,
        progress: Report | None = None,
        engine: str = "auto",
        threads: int = 0,
        device: str | None = None,
        copy: bool = True,
    ) -> "SoarIndex":
        """Build an index over `vectors`.

        Args:
            vectors: (n, d), dtypes and columns as in `as_vectors`, or a source of
                `gleann.data.open` with its ids and payload; copied as float32, of unit
                length under cosine: 4 n d bytes.
            params: how; defaults to `BuildParams()`.
            ids: n distinct ids, int64 at least 0, strings of at most 4 KiB in UTF-8,
                kept byte for byte, or UUIDs, kept as text; None numbers the rows.
            payload: (n,) values to filter by and to return: a `Payload`, or a table or
                mapping that `Payload.of` takes.
            queries: (m, d), some of the kind that will be asked, to measure recall and
                cost with; None takes rows of the index, which is good where queries are
                distributed as the rows are.
            progress: called as each phase goes on; an exception it raises stops the
                build.
            engine: as `make_engine` names them: "auto", "native", "faiss",
                "faiss-gpu", "reference", "torch" or "triton".
            threads: worker threads; 0 takes all cores.
            device: torch's name of a device that trains, assigns and encodes, such as
                "cuda"; None leaves it to the CPU. A row may lie in another list only
                where two are equally good to rounding.
            copy: False hands `vectors` over for good: under l2 and ip, C-ordered
                float32 is then kept instead of copied, and made read-only. Who has
                another view of its memory must not write there either.

        Raises:
            InvalidInputError: wrong dtype or shape, empty, NaN, repeated ids, a zero
                vector under cosine; under l2 and ip, a row of squared length above
                2.1e37 (`checks.MOST_SQUARED`), whose distances would leave float32.
            InvalidParamsError: nlist above n; a projection that rows or engine refuse.
            EngineUnavailableError: the engine is not installed, or the device is not
                there.
        """
        params = params or BuildParams()
        require_projecting(engine, params)
        require_usable(engine)
        kernels = kernels_on(device, threads=threads)
        given = in_memory(vectors, ids=ids, payload=payload, copy=copy)
        # Copied before it is checked, so that what is checked is what is kept.
        is_kept = given.copy and params.metric != "cosine"
        checked = as_vectors(own_rows(given.vectors) if is_kept else given.vectors)
        n = len(checked)
        row_ids = hold_row_ids(given.ids, n=n)
        params = fitted(params, checked.shape, row_ids, engine=engine)
        held = as_payload(given.payload, n=n)
        with repeating(progress or ignore) as report:
            rows = kept_rows(kernels.prepare(checked, params.metric), params.keep)
            arranged = arrange(
                rows,
                params,
                queries=as_sample(queries, rows.shape[1], params.metric),
                report=report,
                kernels=kernels,
            )
            report(Progress(phase="encode", done=0, total=n))
            data = IndexData(
                encoding=arranged.encoding,
                centroids=arranged.centroids,
                lists=arranged.lists,
                codes=code_kept(rows, arranged.encoding, kernels),
                vectors=rows,
                entry_codes=params.entry_codes,
            )
            served = make_engine(data, name=engine, threads=threads)
            report(Progress(phase="done", done=n, total=n))
        header = arranged.header
        return cls(data, ids=row_ids, header=header, engine=served, payload=held)

    @classmethod
    def build_on_disk(  # noqa: PLR0913  all but two are optional
        cls,
        vectors: RowSource | VectorSource,
        path: str | PathLike[str],
        params: BuildParams | None = None,
        *,
        ids: ArrayLike | None = None,
        payload: Payload | Iterable[Payload] | None = None,
        schema: Schema | None = None,
        queries: ArrayLike | None = None,
        progress: Report | None = None,
        threads: int = 0,
        device: str | None = None,
    ) -> BuildSummary:
        """Build an index over vectors larger than memory, straight into `path`.

        The files are, byte for byte, those that `build` and `save` would leave; `load`
        opens them. What is held in memory is a training sample of at most 512 MB (but
        a row a list at least), the lists and some 30 bytes a row, and string ids while
        they are packed; rows are read, checked, scaled and coded block by block.

        An index that is at `path` stays readable until the new one is whole, and a
        build that fails or is stopped leaves nothing. One that is killed leaves a data
        folder that the next build there removes; it starts again from the beginning.

        Args:
            vectors: (n, d), dtypes as in `build`; typically
                `np.load(file, mmap_mode="r")`, or a source of `gleann.data.open` with
                its ids and payload. Anything with a dtype, a shape and slices of rows
                will do.
            path: the directory to write, as in `save`.
            params: how; defaults to `BuildParams()`.
            ids: as in `build`.
            payload: (n,) in blocks of any size, read once, in the order of the rows.
            schema: that of all blocks; needed unless `payload` is a single `Payload`.
            queries: as in `build`.
            progress: as in `build`.
            threads: as in `build`.
            device: as in `build`; rows reach it block by block.

        Raises:
            InvalidInputError: as in `build`; the message names the first bad row.
            InvalidParamsError: nlist above n; a projection wider than the rows.
            AlreadyExistsError: `path` holds something that is not an index.
            StorageError: the disk refused.
        """
        given = by_blocks(vectors, ids=ids, payload=payload, schema=schema)
        with repeating(progress or ignore) as report:
            return build_on_disk(
                given.vectors,
                Path(path),
                params or BuildParams(),
                ids=given.ids,
                payload=given.payload,
                schema=given.schema,
                queries=queries,
                report=report,
                kernels=kernels_on(device, threads=threads),
            )

    def search(self, queries: ArrayLike, params: SearchParams | None = None) -> Found:
        """Find the nearest rows of each query.

        Args:
            queries: (nq, d), dtypes as in `build`; one query (d,) is (1, d), and so is
                its answer (1, k).
            params: how; defaults to `SearchParams()`, which aims for recall 0.95.

        Raises:
            InvalidInputError: wrong dtype or shape, empty, NaN, a zero vector under
                cosine, a query too long (as rows in `build`), an `allowed` that is not
                bool (n,).
            InvalidParamsError: nprobe above nlist.

        Warns:
            RecallWarning: no operating point has the recall that is asked for, or what
                was measured does not hold for the rows that were added since.
        """
        params = params or SearchParams()
        found = self._search(queries, params)
        if (text := self.recall_warning(found.stats, params)) is not None:
            warn(text, RecallWarning, stacklevel=2)
        ids = self._table.ids_of(found.rows)
        return Found(ids=ids, distances=found.distances, stats=found.stats)

    def find_rows(
        self,
        queries: ArrayLike,
        params: SearchParams | None = None,
        *,
        newer: NewerRows | None = None,
    ) -> FoundRows:
        """`search` without its warning, answering with row numbers (-1 for none).

        Args:
            queries: as in `search`.
            params: as in `search`; k and rerank may exceed the rows that there are.
                `allowed` is of the rows of the index, dead ones left out; newer rows
                are filtered by their `alive`.
            newer: rows newer than the index, to be searched too: `newer_lists` makes
                them. They are numbered after its own. Where they are in its lists, they
                are found as well as its own, so `estimated_recall` holds as long as
                they are distributed as its rows are.

        Raises:
            InvalidInputError, InvalidParamsError: as `search`.
        """
        params = params or SearchParams()
        if newer is None:
            return self._search(queries, params)
        self._require_whole()
        checked = as_matrix(queries, name="queries", dim=self.dim)
        return self._newer_searcher.search(checked, params, newer)

    def newer_lists(self) -> NewerLists:
        """Empty lists for rows newer than this index, with its centroids and codes."""
        return NewerLists(
            self._data,
            self.params,
            stats=self._searcher.list_stats,
            engine=self._engine,
        )

    def search_rows(
        self, queries: ArrayLike, params: SearchParams | None = None
    ) -> tuple[Rows, Distances]:
        """`search`, answering with row numbers (-1 for none) instead of ids."""
        found = self._search(queries, params or SearchParams())
        return found.rows, found.distances

    def search_tensors(
        self, queries: object, params: SearchParams | None = None
    ) -> FoundTensors:
        """`search` for queries that are on the device of the index, as the answers are.

        For an index served by the torch or triton engine. Nothing is copied to the
        host but some counts, and queries whose lists hold fewer than k rows, which the
        host answers. Work goes to torch's current stream of the device, and is done
        when this returns, but for the last conversion of the answers: read them on that
        stream. Not to be captured into a CUDA graph, since it waits once.

        Args:
            queries: float32 (nq, d), a torch tensor or anything with `__dlpack__`, on
                the device of the index; copied there if it is not contiguous.
            params: as in `search`; no filter and not exhaustive.

        Raises:
            InvalidInputError: not an array or tensor, on another device, another dtype,
                wrong shape, empty, NaN, a zero vector under cosine, a query too long.
            InvalidParamsError: k above n, `allowed`, `exact`, or a target of 1.
            EngineUnavailableError: the index is not on a device.
            DeviceMemoryError: too little memory is left on it.

        Warns:
            RecallWarning: as in `search`.
        """
        params = params or SearchParams()
        engine = tensor_engine(self._engine)
        require_device_params(params)
        self._require_whole()
        asked = as_tensor(queries, dim=self.dim, device=engine.device)
        found = search_planned(
            engine,
            asked,
            self._searcher.plan(params, count=len(asked)),
            n=len(self),
            scan_all=self._searcher.scan_unprepared,
        )
        if (text := self.recall_warning(found.stats, params)) is not None:
            warn(text, RecallWarning, stacklevel=2)
        return found

    def save(
        self,
        path: str | PathLike[str],
        *,
        keep: Keep | None = None,
        entry_codes: EntryCodes | None = None,
    ) -> None:
        """Write the index to the directory `path` (format: `index/storage/FORMAT.md`).

        An index that is there is replaced in one step: until the new one is whole on
        disk, the old one stays readable.

        Args:
            path: the directory.
            keep: another way to keep the rows, as in `BuildParams`; rows that were
                rounded stay so. None keeps them as they are.
            entry_codes: likewise for the codes of entries.

        Raises:
            InvalidInputError: a value that float16 does not hold, with its row.
            AlreadyExistsError: `path` holds something that is not an index.
            StorageError: the disk refused.
        """
        parts = SavedParts(
            data=self.data,
            ids=self.held_ids,
            header=self._header,
            payload=self._payload,
        )
        parts.kept_as(keep=keep, entry_codes=entry_codes).write(Path(path))

    @classmethod
    def load(
        cls,
        path: str | PathLike[str],
        *,
        engine: str = "auto",
        threads: int = 0,
        checks: files.Checks = "before",
    ) -> "SoarIndex":
        """Open an index that `save` wrote; vectors and codes stay memory-mapped.

        Its files must stay as they are: lists are read into memory, but distances come
        from the mapped vectors. A file that is cut short, which would end any process
        that reads it, is noticed at the next call, unless that call is already reading.

        Args:
            path: the directory.
            engine: as in `build`.
            threads: as in `build`.
            checks: "before" checks all files first. "after" returns when all that
                engines follow is checked (lists, ids, shapes and lengths), and checks
                rows and int8 codes in a thread (`later_checks`): an index that is
                damaged there may answer wrongly until that is noticed, and then stops
                with the reason. `data`, `save` and folds wait for the end.

        Raises:
            MissingFileError: no index at `path`.
            CorruptDataError: a checksum or the format does not hold; `search` and all
                that reads vectors raises it too where a file was cut or grew since.
            EngineUnavailableError: the engine is not installed.
        """
        origin = Origin.of(Path(path))
        parts = read_parts(Path(path), checks=checks)
        index = cls(
            parts.data,
            ids=parts.ids,
            header=parts.header,
            engine=make_engine(parts.data, name=engine, threads=threads),
            payload=parts.payload,
        )
        if parts.deferred:
            index._check_later(LaterChecks(parts.deferred))
        return index._loaded(origin)

    def with_engine(self, engine: str, *, threads: int = 0) -> "SoarIndex":
        """The same index served by another engine; the arrays are shared."""
        return self.served_by(make_engine(self.data, name=engine, threads=threads))

    def served_by(self, engine: Engine) -> "SoarIndex":
        """The same index served by `engine`, which was made from its `data`."""
        index = SoarIndex(
            self._data,
            ids=self.held_ids,
            header=self._header,
            engine=engine,
            payload=self._payload,
        )
        if self._later_checks is not None:
            index._check_later(self._later_checks)
        return index._loaded(self._origin)

    def _search(self, queries: ArrayLike, params: SearchParams) -> FoundRows:
        self._require_whole()
        checked = as_matrix(queries, name="queries", dim=self.dim)
        return self._searcher.search(checked, params)
