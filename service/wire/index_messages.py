"""Conversion of messages and values for indexes, searches and the server."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any

import numpy as np
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from gleann.index import BuildParams, Found, SearchParams, SearchStats
from gleann.index.arrays import HeldIds
from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.index.found import FoundRows
from gleann.index.ids.held import own_ids
from gleann.index.params import Metric
from gleann.service.values import (
    Imported,
    IndexInfo,
    IndexVersion,
    Limits,
    ServerInfo,
)
from gleann.service.wire.arrays import ids_of, ids_to_wire
from gleann.v1 import admin_pb2, index_pb2, search_pb2, types_pb2, vector_pb2


def fill(message: Message, values: Mapping[str, object]) -> None:
    """Set the fields of `message` in `values`; None leaves a field unset.

    Enum fields take their text, such as "soar", and repeated ones a tuple.

    Raises:
        InvalidParamsError: a value out of the field's range.
    """
    for name, value in values.items():
        if value is None:
            continue
        field = message.DESCRIPTOR.fields_by_name[name]
        try:
            if isinstance(value, tuple):
                getattr(message, name).extend(value)
            elif field.enum_type is not None:
                setattr(message, name, _enum_number(field.enum_type, str(value)))
            else:
                setattr(message, name, value)
        except (TypeError, ValueError, KeyError) as error:
            raise InvalidParamsError(f"{name} cannot be {value!r}") from error


def given(message: Message) -> dict[str, Any]:
    """The set fields of `message` as keyword arguments; enums as text.

    Raises:
        InvalidParamsError: an enum number that this version does not know.
    """
    values: dict[str, Any] = {}
    for field, value in message.ListFields():
        if field.is_repeated:
            values[field.name] = tuple(value)
        elif field.enum_type is None:
            values[field.name] = value
        elif value:
            values[field.name] = _enum_text(field.enum_type, value)
    return values


def metric_of(number: int) -> Metric:
    """The metric of a request; cosine by default."""
    if number == types_pb2.METRIC_UNSPECIFIED:
        return "cosine"
    metric: Metric = _enum_text(types_pb2.Metric.DESCRIPTOR, number)
    return metric


def index_info_to_wire(info: IndexInfo) -> index_pb2.Index:
    """Describe an index."""
    message = index_pb2.Index(
        version=types_pb2.IndexVersion(sealed=info.version, sequence=info.sequence)
    )
    values = asdict(info)
    for name in ("version", "sequence", "created_at", "built_at"):
        del values[name]
    fill(message, values)
    message.create_time.CopyFrom(time_to_wire(info.created_at))
    if info.built_at is not None:
        message.build_time.CopyFrom(time_to_wire(info.built_at))
    return message


def index_info_of(message: index_pb2.Index) -> IndexInfo:
    """Read the description of an index."""
    values = given(message)
    built = values.pop("build_time", None)
    for name in ("version", "create_time"):
        del values[name]
    values |= {name: values.get(name, 0) for name in ("count", "pending")}
    return IndexInfo(
        **{"id_type": None, **values},
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
    return Imported(count=message.count, index=index_info_of(message.index))


def build_params_to_wire(params: BuildParams | None) -> index_pb2.BuildParams:
    """Pack build parameters, without the metric."""
    message = index_pb2.BuildParams()
    if params is not None:
        values = asdict(params)
        del values["metric"]
        # Not sent: a repeated request from an earlier gleann must compare equal.
        for name in ("nlist", "codes"):
            if values[name] == "auto":
                del values[name]
        fill(message, values)
    return message


def build_params_of(message: index_pb2.BuildParams, *, metric: Metric) -> BuildParams:
    """Read build parameters.

    Raises:
        InvalidParamsError: a parameter out of its range.
    """
    return BuildParams(metric=metric, **given(message))


def search_params_to_wire(params: SearchParams) -> search_pb2.SearchParams:
    """Pack search parameters.

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
    fill(message, {name: getattr(params, name) for name in names})
    return message


def search_params_of(message: search_pb2.SearchParams) -> SearchParams:
    """Read search parameters.

    Raises:
        InvalidParamsError: a parameter out of its range.
    """
    return SearchParams(**given(message))


def found_to_wire(
    found: FoundRows, ids: HeldIds, version: IndexVersion
) -> search_pb2.SearchResponse:
    """Pack the neighbours of a batch as columns.

    Args:
        found: (n, k) rows and distances.
        ids: (n * k,) of those rows, in row-major order.
        version: state of the index.
    """
    return search_pb2.SearchResponse(
        count=found.rows.shape[0],
        k=found.rows.shape[1],
        ids=ids_to_wire(ids),
        distances=found.distances.astype("<f4", copy=False).tobytes(),
        stats=search_pb2.SearchStats(**found.stats._asdict()),
        version=version_to_wire(version),
    )


def found_of(message: search_pb2.SearchResponse) -> Found:
    """Read the neighbours of a batch."""
    shape = (message.count, message.k)
    stats = message.stats
    known = stats.HasField("estimated_recall")
    return Found(
        ids=own_ids(ids_of(message.ids, name="ids")).reshape(shape),
        distances=np.frombuffer(message.distances, "<f4").reshape(shape).copy(),
        stats=SearchStats(
            engine=stats.engine,
            nprobe=stats.nprobe,
            rerank=stats.rerank,
            lists_probed=stats.lists_probed,
            entries_scanned=stats.entries_scanned,
            survivors=stats.survivors,
            reranked=stats.reranked,
            completed=stats.completed,
            estimated_recall=stats.estimated_recall if known else None,
            exact=stats.exact,
        ),
    )


def server_info_to_wire(info: ServerInfo) -> admin_pb2.ServerInfo:
    """Describe the server."""
    return admin_pb2.ServerInfo(
        version=info.version,
        limits=admin_pb2.Limits(**asdict(info.limits)),
        features=info.features,
        index_count=info.index_count,
    )


def server_info_of(message: admin_pb2.ServerInfo) -> ServerInfo:
    """Read the description of a server."""
    limits = message.limits
    return ServerInfo(
        version=message.version,
        limits=Limits(**{f.name: getattr(limits, f.name) for f in fields(Limits)}),
        features=tuple(message.features),
        index_count=message.index_count,
    )


def time_to_wire(moment: datetime) -> Timestamp:
    """Pack a time."""
    message = Timestamp()
    message.FromDatetime(moment)
    return message


def time_of(message: Timestamp) -> datetime:
    """Read a time, UTC."""
    return message.ToDatetime(tzinfo=UTC)


def _enum_number(enum: Any, text: str) -> int:
    number: int = enum.values_by_name[_enum_prefix(enum) + text.upper()].number
    return number


def _enum_text(enum: Any, number: int) -> Any:
    value = enum.values_by_number.get(number)
    if value is None:
        raise InvalidParamsError(f"{enum.name} has no value {number}")
    return value.name.removeprefix(_enum_prefix(enum)).lower()


def _enum_prefix(enum: Any) -> str:
    """SPILL_ for Spill and SCALAR_TYPE_ for ScalarType, by the zero value's name."""
    return str(enum.values_by_number[0].name).removesuffix("UNSPECIFIED")
