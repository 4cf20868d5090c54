"""Which calls are sent again when no server answered, and when.

A call may be carried out although its answer is lost. So only those are repeated that
change nothing, or that have a request_id, by which a server answers a repeat with the
first answer.
"""

import json
from collections.abc import Iterable, Mapping
from random import random
from typing import Any

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import Default

from gleann.index.errors import InvalidParamsError, OverloadedError

MOST = 4
"""gRPC makes five attempts at most."""

READS = frozenset(
    {
        "CancelOperation",  # a second one changes nothing
        "CountVectors",
        "GetAcceptanceBound",
        "GetCoverage",
        "GetCuration",
        "GetEstimate",
        "GetGroupEstimates",
        "GetIndex",
        "GetJobLog",
        "GetMeans",
        "GetOperation",
        "GetPromisedSet",
        "GetSelection",
        "GetServerInfo",
        "GetServerStatus",
        "GetSession",
        "GetSnapshot",
        "GetStopAdvice",
        "GetVectors",
        "ListCurations",
        "ListIndexes",
        "ListOperations",
        "ListSelectedItems",
        "ListSelections",
        "ListSessions",
        "ListSnapshots",
        "ListWantedIds",
        "NextBatch",  # the same batch until labels arrive; so are the next four
        "NextEstimateBatch",
        "NextGroupBatches",
        "NextMeansBatch",
        "NextPromiseBatch",
        "ReadCurationTable",
        "ScoreItems",
        "ScrollVectors",
        "Search",
        "SearchRadius",
        "WaitOperation",
    }
)
"""Methods that may be carried out twice."""

ONCE = frozenset(
    {
        "DeleteCuration",  # a second one finds none; so of the next two
        "DeleteOperation",
        "DeleteSelection",
        "PauseJob",
        "ResumeJob",
        "StreamUpsertVectors",  # resumed by its sequence numbers
        "VerifySnapshot",  # each makes an operation
    }
)
"""Methods that are not repeated."""

FIRST_PAUSE, GROWTH, LONGEST_PAUSE = 0.2, 3, 4.0
"""Seconds before the first repeat, what the next ones are multiplied by, and most: four
repeats take 6.6 s together, in which a server is started again."""

_WHOLE_REQUEST = 2**31 - 1
"""Bytes of a request that gRPC keeps for its repeats: without this, 256 KiB."""


def has_request_id(method: MethodDescriptor) -> bool:
    """Whether requests of a method can have a request_id."""
    return "request_id" in method.input_type.fields_by_name


def methods_of(service: str) -> Mapping[str, MethodDescriptor]:
    """The methods of a service, such as "gleann.v1.IndexService", by name."""
    return Default().FindServiceByName(service).methods_by_name


def options(services: Iterable[str], *, retries: int) -> list[tuple[str, Any]]:
    """Options of a channel with which gRPC repeats calls that got UNAVAILABLE."""
    if not retries:
        return []
    config = service_config(services, retries=retries)
    return [
        ("grpc.service_config", json.dumps(config)),
        ("grpc.per_rpc_retry_buffer_size", _WHOLE_REQUEST),
    ]


def service_config(services: Iterable[str], *, retries: int) -> dict[str, Any]:
    """The service config of gRPC, which clients in other languages can use too."""
    names = [
        {"service": service, "method": name}
        for service in services
        for name, method in methods_of(service).items()
        if name in READS or has_request_id(method)
    ]
    policy = {
        "maxAttempts": retries + 1,
        "initialBackoff": f"{FIRST_PAUSE}s",
        "maxBackoff": f"{LONGEST_PAUSE}s",
        "backoffMultiplier": GROWTH,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    return {"methodConfig": [{"name": names, "retryPolicy": policy}]}


def require_retries(retries: int) -> None:
    """Refuse a number of repeats that there cannot be.

    Raises:
        InvalidParamsError: not from 0 to 4.
    """
    if not 0 <= retries <= MOST:
        raise InvalidParamsError(f"retries must be from 0 to {MOST}, got {retries}")


def overload_pause(error: OverloadedError) -> float:
    """Seconds to wait after a server had too much to do; clients do not meet again."""
    return error.retry_seconds * (1 + random())
