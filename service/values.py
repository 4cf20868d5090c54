"""Values that the service returns.

Every value is the same whether the index is in this process or behind gRPC.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Ids
from gleann.index.params import EntryCodes, Keep, Metric, Spill
from gleann.index.payload.schema import Column
from gleann.index.tables.tabular import Table, Tabular
from gleann.service import optimizer_params

# They are imported from here too, where they were.
CompactionKind: TypeAlias = optimizer_params.CompactionKind
OptimizerParams: TypeAlias = optimizer_params.OptimizerParams
OptimizerState: TypeAlias = optimizer_params.OptimizerState
OPTIMIZER_DEFAULTS = optimizer_params.OPTIMIZER_DEFAULTS

JsonObject: TypeAlias = dict[str, object]
"""A JSON object: text keys, and values that JSON has."""

Labels: TypeAlias = NDArray[np.int64]
"""Class labels."""

IdType = Literal["int64", "string"]
DeviceChoice = Literal["cpu", "auto", "cuda", "require-cuda"]
SessionKind = Literal[
    "active", "rounds", "estimate", "groups", "promise", "audit", "means"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexVersion:
    """One state of an index.

    Attributes:
        sealed: number of the sealed version; 0 before the first build.
        sequence: number of the last acknowledged change.
    """

    sealed: int
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPart:
    """Bytes of a part of a sealed version; see `SoarIndex.memory`.

    Attributes:
        part: its name.
        anonymous: in memory of the server.
        mapped: of files that are mapped.
        on_disk: of files that are read when they are needed.
    """

    part: str
    anonymous: int = 0
    mapped: int = 0
    on_disk: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexInfo:
    """One index.

    Attributes:
        name: its name.
        dim: dimensions of a vector.
        metric: the distance it ranks by.
        id_type: kind of its ids; None until the first upsert.
        count: number of vectors.
        pending: number of them newer than the sealed version; the next compaction or
            build seals them.
        version: number of the sealed version; 0 before the first build.
        sequence: number of the last acknowledged change.
        nlist: number of inverted lists of the sealed version, or None without one.
        spill: spill rule of the sealed version, or None without one.
        engine: engine of the sealed version, or None without one.
        data_hash: SHA-256 of the sealed version's prepared vectors, without ids, in
            hexadecimal, or None.
        created_at: creation time, UTC.
        built_at: when the sealed version was published, UTC, or None.
        broken: why it cannot be served, or None; the counts of a broken index are 0.
        columns: its columns of payload, in the order of their declaration.
        removed: rows of the sealed version that were removed or replaced since.
        optimizer: its compaction, or None where that is unknown.
        keep: what is kept of the rows of the sealed version, or None without one.
        entry_codes: whether its entries have a code each, or None without one.
        projection: dimensions of its int8 codes, or None where rows are not projected.
        memory: what it takes, by part; empty without one.
        etag: changes when the index is made anew, and with its columns and the
            parameters of its optimizer; "" where that is unknown.
    """

    name: str
    dim: int
    metric: Metric
    id_type: IdType | None
    count: int
    pending: int
    version: int
    sequence: int
    nlist: int | None = None
    spill: Spill | None = None
    engine: str | None = None
    data_hash: str | None = None
    created_at: datetime
    built_at: datetime | None = None
    broken: str | None = None
    columns: tuple[Column, ...] = ()
    removed: int = 0
    optimizer: OptimizerState | None = None
    keep: Keep | None = None
    entry_codes: EntryCodes | None = None
    projection: int | None = None
    memory: tuple[MemoryPart, ...] = ()
    etag: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """Result of an import.

    Attributes:
        count: number of stored vectors.
        index: the index after the import.
        ignored_columns: columns of the file that were not taken, where none were named:
            the index does not have them, or payload cannot hold them or their names.
    """

    count: int
    index: IndexInfo
    ignored_columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotInfo:
    """A whole state of an index, kept apart from it.

    Attributes:
        name: such as "snapshots/words-3f2a9c418d20".
        index: the index that it was made of.
        dim: dimensions of a vector.
        metric: the distance it ranks by.
        count: number of vectors.
        version: the state of the index that it holds.
        columns: its columns of payload.
        size_bytes: bytes of its files, some of which it may share with the index.
        checksum: SHA-256 of its manifest, which has those of its files, in hexadecimal.
        created_at: when it was made, UTC.
        where: the condition that its vectors were chosen by; "" for all.
        parameters: of that condition, as JSON has them; moments in RFC 3339.
    """

    name: str
    index: str
    dim: int
    metric: Metric
    count: int
    version: IndexVersion
    columns: tuple[Column, ...]
    size_bytes: int
    checksum: str
    created_at: datetime
    where: str = ""
    parameters: tuple[object, ...] = ()


JobState = Literal["queued", "running", "paused", "done", "failed", "cancelled"]
"""Where an operation stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLog:
    """The end of an operation's log.

    Attributes:
        lines: the lines, oldest first; each begins with its time, UTC.
        last: number of the last line, counted from 1 since the operation was asked for;
            0 without one.
    """

    lines: tuple[str, ...]
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a request would do and take; the amounts are estimates.

    Attributes:
        rows: vectors that it reads.
        seconds: on this machine, without the time in the queue; None while unknown.
        memory_bytes: memory at most, above what the server has now.
        disk_bytes: disk at most while it runs, above what is taken now.
        disk_bytes_after: disk when it has ended, above what is taken now; may be
            negative.
        steps: what it would do, one sentence each.
    """

    rows: int
    seconds: float | None
    memory_bytes: int
    disk_bytes: int
    disk_bytes_after: int
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Caps above which a request is refused with `LimitError`.

    Attributes:
        dim: maximum number of dimensions of a vector.
        rows: maximum number of vectors in one upsert, removal or fetch.
        hits: maximum number of hits in a search, queries times k.
        message_bytes: maximum number of bytes in a gRPC message, both ways.
        distances: maximum number of distances that a search computes in float32:
            queries times the vectors that are re-ranked, or times all if it is exact.
        work_bytes: maximum number of bytes that the work of a request takes beside its
            message and its vectors, such as scores of classes, or values for all
            vectors of a condition.
    """

    dim: int = 16_384
    rows: int = 1_000_000
    hits: int = 4_000_000
    message_bytes: int = 64 * 1024 * 1024
    distances: int = 100_000_000_000
    work_bytes: int = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerInfo:
    """The server, or the library when it runs in process.

    Attributes:
        version: version of gleann.
        limits: its caps.
        features: supported features, such as "metric:cosine" or "import:parquet".
        index_count: number of indexes.
        protocol: the revision of the protocol that it speaks.
        oldest_protocol: the oldest revision of clients that it serves.
    """

    version: str
    limits: Limits
    features: tuple[str, ...]
    index_count: int
    protocol: int
    oldest_protocol: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Selected(Tabular):
    """Chosen vectors, in order of choice.

    As a table it has the columns id, rank, score, weight and those of `why`.

    Attributes:
        ids: (m,) the vectors.
        scores: float32 (m,), higher means picked sooner.
        weights: float32 (m,), 1 if the method has none.
        why: details of each pick, one array (m,) per name.
        summary: figures about the whole set.
        provenance: method, params, seed, data hash and version.
        name: the stored selection, such as "selections/3f2a"; empty for a batch of a
            session.
    """

    ids: Ids
    scores: NDArray[np.float32]
    weights: NDArray[np.float32]
    why: dict[str, NDArray[np.generic]] = field(default_factory=dict)
    summary: JsonObject = field(default_factory=dict)
    provenance: JsonObject = field(default_factory=dict)
    name: str = ""

    def __len__(self) -> int:
        return len(self.ids)

    def table(self) -> Table:
        """One line per chosen vector, in order of choice."""
        return Table(
            columns={
                "id": self.ids,
                "rank": np.arange(len(self)),
                "score": self.scores,
                "weight": self.weights,
                **self.why,
            },
            facts={
                "name": self.name,
                "summary": self.summary,
                "provenance": self.provenance,
            },
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionInfo:
    """A stored selection, without its vectors.

    Attributes:
        name: such as "selections/3f2a".
        index: the index it chose from.
        method: how it chose, such as "farthest_first".
        count: number of chosen vectors.
        summary: figures about the whole set.
        provenance: method, params, seed, data hash and version.
        created_at: when it was chosen, UTC.
    """

    name: str
    index: str
    method: str
    count: int
    summary: JsonObject
    provenance: JsonObject
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TableInfo:
    """A table of a stored curation.

    Attributes:
        rows: number of its lines.
        columns: the types of its columns by name, as Arrow names them.
        size_bytes: of its file.
    """

    rows: int
    columns: dict[str, str]
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CurationInfo:
    """What is known of a stored curation, without the lines of its tables.

    Attributes:
        name: such as "curations/3f2a".
        index: the index that it is about.
        version: the state of the index that it saw.
        method: such as "near_duplicates".
        summary: figures about the whole.
        provenance: method, params, seed, data hash and version.
        tables: its tables by name.
        created_at: when it was made, UTC.
        other_indexes: other indexes that it tells of.
        deleted_indexes: those of `index` and `other_indexes` that were deleted since,
            also where another index has the name now.
    """

    name: str
    index: str
    version: IndexVersion
    method: str
    summary: JsonObject
    provenance: JsonObject
    tables: dict[str, TableInfo]
    created_at: datetime
    other_indexes: tuple[str, ...] = ()
    deleted_indexes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionInfo:
    """A labelling session.

    Attributes:
        name: such as "sessions/active-3f2a".
        kind: "active", "rounds", "estimate" or "groups".
        index: the index it works on.
        version: the sealed version of the index that it belongs to.
        labelled: number of labels so far, initial ones included.
        created_at: start time, UTC.
        updated_at: time of the last change, UTC.
    """

    name: str
    kind: SessionKind
    index: str
    version: int
    labelled: int
    created_at: datetime
    updated_at: datetime
