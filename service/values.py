"""Values that the service returns.

Every value is the same whether the index is in this process or behind gRPC.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds, Ids
from gleann.index.params import Metric, Spill
from gleann.index.tabular import Table, Tabular

JsonObject: TypeAlias = dict[str, object]
"""A JSON object: text keys, and values that JSON has."""

Labels: TypeAlias = NDArray[np.int64]
"""Class labels."""

IdType = Literal["int64", "string"]
DeviceChoice = Literal["cpu", "auto", "cuda", "require-cuda"]
SessionKind = Literal["active", "rounds", "estimate", "groups"]


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
class IndexInfo:
    """One index.

    Attributes:
        name: its name.
        dim: dimensions of a vector.
        metric: the distance it ranks by.
        id_type: kind of its ids; None until the first upsert.
        count: number of vectors.
        pending: number of them newer than the sealed version, which are searched
            exhaustively until the next build.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """Result of an import.

    Attributes:
        count: number of stored vectors.
        index: the index after the import.
    """

    count: int
    index: IndexInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Caps above which a request is refused with `LimitError`.

    Attributes:
        dim: maximum number of dimensions of a vector.
        rows: maximum number of vectors in one upsert, removal or fetch.
        hits: maximum number of hits in a search, queries times k.
        message_bytes: maximum number of bytes in a gRPC message, both ways.
    """

    dim: int = 16_384
    rows: int = 1_000_000
    hits: int = 4_000_000
    message_bytes: int = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerInfo:
    """The server, or the library when it runs in process.

    Attributes:
        version: version of gleann.
        limits: its caps.
        features: supported features, such as "metric:cosine" or "import:parquet".
        index_count: number of indexes.
    """

    version: str
    limits: Limits
    features: tuple[str, ...]
    index_count: int


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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scores(Tabular):
    """Class probabilities of a session's current model.

    Attributes:
        ids: (m,) the vectors.
        classes: (c,) the classes.
        probabilities: float64 (m, c).
    """

    ids: Ids
    classes: Labels
    probabilities: NDArray[np.float64]

    def table(self) -> Table:
        """One line per vector: its id, and a column for each class, by its name."""
        return Table(
            columns={"id": self.ids}
            | {
                str(name): self.probabilities[:, column]
                for column, name in enumerate(self.classes.tolist())
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScorePage:
    """Class probabilities of some vectors by the current model of a session.

    Attributes:
        ids: (m,) the vectors.
        classes: (c,) the classes.
        probabilities: float64 (m, c).
        labelled: number of labels in the model's training set.
        next: start of the next page, None on the last.
    """

    ids: HeldIds
    classes: Labels
    probabilities: NDArray[np.float64]
    labelled: int
    next: int | None
