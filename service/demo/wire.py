"""Overhead of gRPC: the same search in process and through the service."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median

from gleann.index import SearchParams, SoarIndex
from gleann.index.arrays import Vectors
from gleann.service.client import Client
from gleann.service.demo.speed import alternate
from gleann.service.demo.tour import NAME

SIZES = (64, 256, 1024)
QUERIES_A_ROUND = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class WirePoint:
    """Measurement of one call size.

    Attributes:
        size: queries per call.
        local_seconds: duration of each round in process.
        remote_seconds: duration of each round through gRPC, one call at a time.
        queries: queries per round.
    """

    size: int
    local_seconds: tuple[float, ...]
    remote_seconds: tuple[float, ...]
    queries: int

    @property
    def local_qps(self) -> float:
        """Queries per second in process, by the median round."""
        return self.queries / median(self.local_seconds)

    @property
    def remote_qps(self) -> float:
        """Queries per second through gRPC, by the median round."""
        return self.queries / median(self.remote_seconds)

    @property
    def kept(self) -> float:
        """Ratio of the gRPC rate to the in-process rate."""
        return self.remote_qps / self.local_qps


def measure_wire(
    client: Client,
    index: SoarIndex,
    queries: Vectors,
    params: SearchParams,
    *,
    repeats: int,
) -> list[WirePoint]:
    """Time calls of several sizes, alternating between in process and gRPC."""
    points = []
    for size in (size for size in SIZES if size <= len(queries)):
        calls: dict[str, Callable[[], object]] = {
            "local": partial(_in_calls, index.search, queries, params, size),
            "remote": partial(
                _in_calls, partial(client.search, NAME), queries, params, size
            ),
        }
        seconds = alternate(calls, repeats=repeats)
        points.append(
            WirePoint(
                size=size,
                local_seconds=seconds["local"],
                remote_seconds=seconds["remote"],
                queries=_rounds(queries, size) * size,
            )
        )
    return points


def _rounds(queries: Vectors, size: int) -> int:
    return min(len(queries), QUERIES_A_ROUND) // size


def _in_calls(
    search: Callable[[Vectors, SearchParams], object],
    queries: Vectors,
    params: SearchParams,
    size: int,
) -> None:
    for number in range(_rounds(queries, size)):
        search(queries[number * size : (number + 1) * size], params)
