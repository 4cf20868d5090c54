"""Conversion of messages and values for indexes, searches and the server."""

from collections.abc import Sequence
from dataclasses import asdict, fields
from functools import lru_cache

import numpy as np

from gleann.index import BuildParams, Found, SearchParams, SearchStats
from gleann.index.arrays import HeldIds
from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.index.found import FoundRows, FoundWithin, sum_stats
from gleann.index.ids.held import joined_ids, own_ids
from gleann.index.params import Metric
from gleann.index.payload.payload import Payload
from gleann.service.values import (
    Imported,
    IndexInfo,
    IndexVersion,
    Limits,
    MemoryPart,
    ServerInfo,
)
from gleann.service.wire.arrays import ids_of, ids_to_wire
from gleann.service.wire.fields import (
    enum_text,
    fill,
    given,
    time_of,
    time_to_wire,
)
from gleann.service.wire.optimizer_messages import optimizer_of, optimizer_to_wire
from gleann.service.wire.payload.columns import columns_to_wire, schema_of
from gleann.v1 import admin_pb2, index_pb2, search_pb2, types_pb2, vector_pb2

_NOT_SENT = {"nlist": "auto", "codes": "auto", "keep": "f32", "entry_codes": "copied"}
"""Build parameters that earlier servers do not know, or know as not set."""

KEPT_PARAMS = 256
"""Search parameters that are kept: callers send the same ones again and again."""


def metric_of(number: int) -> Metric:
    """The metric of a request; cosine by default."""
    if number == types_pb2.METRIC_UNSPECIFIED:
        return "cosine"
    metric: Metric = enum_text(types_pb2.Metric.DESCRIPTOR, number)
    return metric


def index_info_to_wire(info: IndexInfo) -> index_pb2.Index:
    """Describe an index."""
    message = index_pb2.Index(
        version=types_pb2.IndexVersion(sealed=info.version, sequence=info.sequence)
    )
    apart = {"version", "sequence", "created_at", "built_at"}
    apart |= {"columns", "optimizer", "memory"}
    names = [field.name for field in fields(info) if field.name not in apart]
    fill(message, {name: getattr(info, name) for name in names})
    message.columns.extend(columns_to_wire(info.columns))
    message.memory.extend(
        index_pb2.MemoryPart(
            part=part.part,
            anonymous_bytes=part.anonymous,
            mapped_bytes=part.mapped,
            on_disk_bytes=part.on_disk,
        )
        for part in info.memory
    )
    if info.optimizer is not None:
        message.optimizer.CopyFrom(optimizer_to_wire(info.optimizer))
    message.create_time.CopyFrom(time_to_wire(info.created_at))
    if info.built_at is not None:
        message.build_time.CopyFrom(time_to_wire(info.built_at))
    return message


def index_info_of(message: index_pb2.Index) -> IndexInfo:
    """Read the description of an index."""
    values = given(message)
    built = values.pop("build_time", None)
    for name in ("version", "create_time", "columns", "optimizer", "memory"):
        values.pop(name, None)
    values |= {name: values.get(name, 0) for name in ("count", "pending")}
    known = message.HasField("optimizer")
    return IndexInfo(
        **{"id_type": None, **values},
        columns=schema_of(message.columns).columns,
        memory=tuple(
            MemoryPart(
                part=part.part,
                anonymous=part.anonymous_bytes,
                mapped=part.mapped_bytes,
                on_disk=part.on_disk_bytes,
            )
            for part in message.memory
        ),
        optimizer=optimizer_of(message.optimizer) if known else None,
        version=message.version.sealed,
        sequence=message.version.sequence,
        created_at=time_of(message.create_time),
        built_at=None if built is None else time_of(built),
    )


def version_to_wire(version: IndexVersion) -> types_pb2.IndexVersion:
    """Pack the state of an index."""
    return types_pb2.IndexVersion(sealed=version.sealed, sequence=version.sequence)


def imported_of(message: vector_pb2.ImportVectorsResponse) -> Imported:
    """Read the result of an import."""
    return Imported(
        count=message.count,
        index=index_info_of(message.index),
        ignored_columns=tuple(message.ignored_columns),
    )


def build_params_to_wire(params: BuildParams | None) -> index_pb2.BuildParams:
    """Pack build parameters, without the metric."""
    message = index_pb2.BuildParams()
    if params is not None:
        values = asdict(params)
        del values["metric"]
        # Not sent: a repeated request from an earlier gleann must compare equal.
        for name, usual in _NOT_SENT.items():
            if values[name] == usual:
                del values[name]
        if params.memory is not None:  # text there, text or a number here
            values["memory"] = str(params.memory)
        fill(message, values)
    return message


def build_params_of(message: index_pb2.BuildParams, *, metric: Metric) -> BuildParams:
    """Read build parameters.

    Raises:
        InvalidParamsError: a parameter out of its range.
    """
    return BuildParams(metric=metric, **given(message))


@lru_cache(maxsize=64)
def search_params_to_wire(params: SearchParams) -> search_pb2.SearchParams:
    """Pack search parameters; the message is kept, and is not to be modified.

    Raises:
        InvalidInputError: a mask of rows, which only `SoarIndex.search` can read.
        InvalidParamsError: segments other than "both".
    """
    if params.allowed is not None:
        raise InvalidInputError("allowed masks rows: give allowed_ids instead")
    if params.segments != "both":
        raise InvalidParamsError(
            f"segments is {params.segments!r}; a served index searches 'both'"
        )
    message = search_pb2.SearchParams()
    names = [field.name for field in message.DESCRIPTOR.fields]
    values = {name: getattr(params, name) for name in names}
    if params.effort == "even":  # earlier servers know no other
        del values["effort"]
    fill(message, values)
    return message


def search_params_of(message: search_pb2.SearchParams) -> SearchParams:
    """Read search parameters; equal ones of the latest messages are one object.

    Raises:
        InvalidParamsError: a parameter out of its range.
    """
    return _search_params(message.SerializeToString())


@lru_cache(maxsize=KEPT_PARAMS)
def _search_params(packed: bytes) -> SearchParams:
    return SearchParams(**given(search_pb2.SearchParams.FromString(packed)))


def found_to_wire(
    found: FoundRows, ids: HeldIds, version: IndexVersion
) -> search_pb2.SearchResponse:
    """Pack the neighbours of a batch as columns.

    Args:
        found: (n, k) rows and distances.
        ids: (n * k,) of those rows, in row-major order.
        version: state of the index.
    """
    reply = work_to_wire(found.stats, version)
    reply.count, reply.k = found.rows.shape
    reply.ids.CopyFrom(ids_to_wire(ids))
    reply.distances = found.distances.astype("<f4", copy=False).tobytes()
    return reply


def work_to_wire(
    stats: SearchStats, version: IndexVersion
) -> search_pb2.SearchResponse:
    """The fields of an answer that are the same in equal searches of a batch."""
    return search_pb2.SearchResponse(
        stats=stats_to_wire(stats), version=version_to_wire(version)
    )


def stats_to_wire(stats: SearchStats) -> search_pb2.SearchStats:
    """Pack the settings and the work of a search."""
    fields = stats._asdict()
    if stats.covered == 1:  # as nearly always, and what a message without it says
        del fields["covered"]
    return search_pb2.SearchStats(**fields)


def stats_of(message: search_pb2.SearchStats) -> SearchStats:
    """Read the settings and the work of a search."""

    def optional(name: str) -> float | None:
        return getattr(message, name) if message.HasField(name) else None

    return SearchStats(
        engine=message.engine,
        nprobe=message.nprobe,
        rerank=message.rerank,
        lists_probed=message.lists_probed,
        entries_scanned=message.entries_scanned,
        survivors=message.survivors,
        reranked=message.reranked,
        completed=message.completed,
        estimated_recall=optional("estimated_recall"),
        exact=message.exact,
        recall_low=optional("recall_low"),
        recall_high=optional("recall_high"),
        covered=message.covered if message.HasField("covered") else 1.0,
    )


def found_of(message: search_pb2.SearchResponse) -> Found:
    """Read the neighbours of a batch."""
    shape = (message.count, message.k)
    payload = None
    if message.HasField("payload"):
        from gleann.service.wire.payload_messages import payload_of

        payload = payload_of(message.payload, None, message.count * message.k)
    return Found(
        ids=own_ids(ids_of(message.ids, name="ids")).reshape(shape),
        distances=np.frombuffer(message.distances, "<f4").reshape(shape).copy(),
        stats=stats_of(message.stats),
        payload=None if payload is None else payload.to_arrow(),
    )


def found_within_of(pages: Sequence[search_pb2.SearchRadiusResponse]) -> FoundWithin:
    """Read the hits within a distance, from all pages of an answer."""
    counts = np.sum([np.frombuffer(page.counts, "<i8") for page in pages], axis=0)
    distances = [np.frombuffer(page.distances, "<f4") for page in pages]
    payload = None
    if pages[0].HasField("payload"):
        from gleann.service.wire.payload_messages import payload_of

        parts = [
            payload_of(page.payload, None, len(part))
            for page, part in zip(pages, distances, strict=True)
        ]
        payload = Payload.concat(parts).to_arrow()
    return FoundWithin(
        offsets=np.concatenate([[0], np.cumsum(counts)]),
        ids=own_ids(joined_ids([ids_of(page.ids, name="ids") for page in pages])),
        distances=np.concatenate(distances),
        complete=all(page.complete for page in pages),
        stats=sum_stats([stats_of(page.stats) for page in pages]),
        payload=payload,
    )


def server_info_to_wire(info: ServerInfo) -> admin_pb2.ServerInfo:
    """Describe the server."""
    return admin_pb2.ServerInfo(
        version=info.version,
        limits=admin_pb2.Limits(**asdict(info.limits)),
        features=info.features,
        index_count=info.index_count,
        protocol=info.protocol,
        oldest_protocol=info.oldest_protocol,
    )


def server_info_of(message: admin_pb2.ServerInfo) -> ServerInfo:
    """Read the description of a server."""
    limits = message.limits
    return ServerInfo(
        version=message.version,
        limits=Limits(**{f.name: getattr(limits, f.name) for f in fields(Limits)}),
        features=tuple(message.features),
        index_count=message.index_count,
        # The first revision did not state itself.
        protocol=message.protocol or 1,
        oldest_protocol=message.oldest_protocol or 1,
    )
