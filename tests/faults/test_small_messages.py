"""Small messages that ask for much: refused with both numbers, in little memory.

The server may have 6 GiB of address space; each message names numbers whose product
would take far more, or compute for hours.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
import pytest
from google.protobuf.message import Message

import gleann
from gleann.v1 import (
    active_pb2,
    coreset_pb2,
    estimate_pb2,
    index_pb2,
    means_pb2,
    payload_pb2,
    rounds_pb2,
    search_pb2,
    types_pb2,
    vector_pb2,
)

ADDRESS_SPACE = 6 << 30
ROWS, DIM = 20_000, 8
MOST = 2**31 - 1
EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
INVALID = grpc.StatusCode.INVALID_ARGUMENT
SERVE = f"""
import resource
resource.setrlimit(resource.RLIMIT_AS, ({ADDRESS_SPACE}, {ADDRESS_SPACE}))
from gleann.service.cli.main import main
main()
"""


@dataclass(frozen=True)
class Bounded:
    """`gleann serve` with little memory, and an index "a" of 20,000 rows."""

    process: subprocess.Popen[str]
    target: str

    def peak_mb(self) -> float:
        """Most memory since `forget_peak`."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        raise AssertionError("no VmHWM")

    def forget_peak(self) -> None:
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bounded]:
    folder = tmp_path_factory.mktemp("bounded")
    command = [sys.executable, "-c", SERVE, "serve", "--data", str(folder / "data")]
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(
            [*command, "--listen", "127.0.0.1:0"],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=os.environ | {"GLEANN_OPTIMIZER_ENABLED": "false"},
        ) as process,
    ):
        assert process.stdout is not None
        target = process.stdout.readline().split()[2].rstrip(",")
        rows = np.random.default_rng(0).normal(size=(ROWS, DIM)).astype(np.float32)
        with gleann.Client(target, timeout=120) as client:
            columns = {"text": "string", "whole": "int64"}
            client.create_index("a", dim=DIM, metric="l2", columns=columns)
            values = {"text": ["x"] * ROWS, "whole": list(range(ROWS))}
            client.upsert("a", np.arange(ROWS), rows, payload=values)
            client.build("a").wait(timeout=120)
        yield Bounded(process, target)
        process.kill()


def _vectors(count: int) -> types_pb2.Vectors:
    data = np.zeros((count, DIM), "<f4").tobytes()
    return types_pb2.Vectors(data=data, scalar_type=1, dim=DIM, count=count)


def _ids(count: int) -> types_pb2.Ids:
    return types_pb2.Ids(int64s=np.arange(count).astype("<i8").tobytes())


def _labels(count: int, classes: int = 2) -> bytes:
    return (np.arange(count) % classes).astype("<i8").tobytes()


def _value(letters: int) -> payload_pb2.Payload:
    text = types_pb2.Strings(values=["y" * letters])
    column = payload_pb2.PayloadColumn(name="text", type=1, strings=text)
    return payload_pb2.Payload(count=1, columns=[column])


def _active(**params: object) -> active_pb2.StartActiveSessionRequest:
    return active_pb2.StartActiveSessionRequest(
        index="a",
        params=active_pb2.ActiveParams(**params),
        ids=_ids(20),
        labels=_labels(20),
    )


def _means(*, statistics: int, **params: object) -> means_pb2.StartMeansSessionRequest:
    """A control, and a group for each row."""
    named = [means_pb2.MeansStatistic(name=f"s{i}") for i in range(statistics)]
    numbers = np.arange(ROWS)
    scores = estimate_pb2.ProxyScores(
        ids=_ids(ROWS), values=numbers.astype("<f8").tobytes()
    )
    groups = types_pb2.Column(name="own", int64s=numbers.astype("<i8").tobytes())
    return means_pb2.StartMeansSessionRequest(
        index="a",
        params=means_pb2.MeansParams(statistics=named, **params),
        controls=[estimate_pb2.NamedProxy(name="x", scores=scores)],
        groups=[means_pb2.KnownGroups(ids=_ids(ROWS), groups=groups)],
    )


def _search(count: int = 1, **params: object) -> search_pb2.SearchRequest:
    return search_pb2.SearchRequest(
        index="a",
        queries=_vectors(count),
        params=search_pb2.SearchParams(**params),
    )


def _filter(where: str, *parameters: payload_pb2.Value) -> Message:
    condition = payload_pb2.Filter(where=where, parameters=parameters)
    return vector_pb2.CountVectorsRequest(index="a", filter=condition)


def _build(**params: object) -> index_pb2.BuildIndexRequest:
    return index_pb2.BuildIndexRequest(name="a", params=index_pb2.BuildParams(**params))


COUNT, SEARCH = "VectorService/CountVectors", "SearchService/Search"
MEANS = "MeansService/StartMeansSession"
ACTIVE = "ActiveLearningService/StartActiveSession"
BUILD = "IndexService/BuildIndex"
SELECT = "CoresetService/CreateSelectionJob"

CASES: dict[str, tuple[str, Message, grpc.StatusCode, str]] = {
    "k": (SEARCH, _search(k=MOST), EXHAUSTED, f"{MOST} is over the limit of 4000000"),
    "nprobe": (SEARCH, _search(nprobe=MOST), INVALID, f"nprobe is {MOST}"),
    "page_size": (
        "SearchService/SearchRadius",
        search_pb2.SearchRadiusRequest(
            index="a", queries=_vectors(1), radius=-1, page_size=MOST, limit=2**62
        ),
        INVALID,
        "radius",
    ),
    "columns": (
        SEARCH,
        search_pb2.SearchRequest(
            index="a", queries=_vectors(1), columns=["text"] * 1_000_000
        ),
        INVALID,
        "1000000 columns, at most 1024",
    ),
    "dim": (
        "IndexService/CreateIndex",
        index_pb2.CreateIndexRequest(name="huge", dim=MOST, metric=1),
        EXHAUSTED,
        f"{MOST} is over the limit of 16384",
    ),
    "count": (
        SEARCH,
        search_pb2.SearchRequest(
            index="a",
            queries=types_pb2.Vectors(data=b"", scalar_type=1, dim=MOST, count=2**62),
        ),
        INVALID,
        "queries",
    ),
    "payload count": (
        "VectorService/UpsertVectors",
        vector_pb2.UpsertVectorsRequest(
            index="a",
            ids=_ids(1),
            vectors=_vectors(1),
            payload=payload_pb2.Payload(count=2**62),
        ),
        INVALID,
        f"payload describes {2**62} vectors, expected 1",
    ),
    "values for all": (
        "VectorService/UpdatePayload",
        vector_pb2.UpdatePayloadRequest(
            index="a",
            filter=payload_pb2.Filter(where="whole >= 0"),
            payload=_value(100_000),
        ),
        EXHAUSTED,
        "for 20000 vectors: 8000720000 is over the limit of 1000000000",
    ),
    "kmeans_iterations": (
        BUILD,
        _build(kmeans_iterations=MOST),
        EXHAUSTED,
        f"kmeans_iterations: {MOST} is over the limit of 1000",
    ),
    "tune_queries": (
        BUILD,
        _build(tune_queries=MOST),
        EXHAUSTED,
        f"tune_queries: {MOST} is over the limit of 100000",
    ),
    "classes": (
        ACTIVE,
        _active(classes=list(range(20_000))),
        EXHAUSTED,
        "20000 classes for 20000 vectors: 3200000000 is over the limit of 1000000000",
    ),
    "concepts": (
        ACTIVE,
        active_pb2.StartActiveSessionRequest(
            index="a",
            params=active_pb2.ActiveParams(concepts=[f"c{i}" for i in range(2000)]),
            ids=_ids(20),
            labels=_labels(20 * 2000),
        ),
        EXHAUSTED,
        "concepts: 2000 is over the limit of 1000",
    ),
    "classes of labels": (
        "RoundsService/StartRoundsSession",
        rounds_pb2.StartRoundsSessionRequest(
            index="a", ids=_ids(10_000), labels=_labels(10_000, classes=10_000)
        ),
        EXHAUSTED,
        "10000 classes for 20000 vectors",
    ),
    "statistics of means": (
        MEANS,
        _means(statistics=101, budget=500),
        EXHAUSTED,
        "statistics: 101 is over the limit of 100",
    ),
    "strata by groups": (
        MEANS,
        _means(statistics=1, budget=ROWS, strata=5_000, stratify_by="x"),
        EXHAUSTED,
        "20001 controls and groups, in 5000 strata: 1600400016 is over the limit",
    ),
    "budget of means": (
        MEANS,
        _means(statistics=1, budget=MOST),
        INVALID,
        f"budget is {MOST}, but 'a' has 20000 vectors",
    ),
    "neighbours": (
        ACTIVE,
        active_pb2.StartActiveSessionRequest(
            index="a",
            params=active_pb2.ActiveParams(neighbours=MOST),
            ids=_ids(10_000),
            labels=_labels(10_000),
        ),
        EXHAUSTED,
        "20000 neighbours of 10000 vectors: 2400000000 is over the limit",
    ),
    "k of a selection": (
        SELECT,
        coreset_pb2.CreateSelectionJobRequest(
            index="a", k=MOST, farthest_first=coreset_pb2.FarthestFirst()
        ),
        INVALID,
        "k must be in 1..20000",
    ),
    "long filter": (
        COUNT,
        _filter(" OR ".join(["whole = 1"] * 100_000)),
        INVALID,
        "at most 65536 are allowed",
    ),
    "deep filter": (
        COUNT,
        _filter("(" * 30_000 + "whole = 1" + ")" * 30_000),
        INVALID,
        "where",
    ),
    "long number": (COUNT, _filter("whole = " + "9" * 60_000), INVALID, "digits"),
    "parameters": (
        COUNT,
        _filter("whole = $1", *[payload_pb2.Value(int64_value=1)] * 70_000),
        INVALID,
        "there are 70000 parameters, at most 65536",
    ),
    "a long name": (
        "IndexService/GetIndex",
        index_pb2.GetIndexRequest(name="x" * 2_000_000),
        EXHAUSTED,
        "is over the limit of 1048576",
    ),
    "a long path": (
        "SnapshotService/ImportSnapshot",
        index_pb2.GetIndexRequest(name="/" * 2_000_000),  # field 1 is the path
        EXHAUSTED,
        "is over the limit of 1048576",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_what_would_take_much_is_refused(name: str, server: Bounded) -> None:
    method, request, code, says = CASES[name]
    message = request.SerializeToString()
    server.forget_peak()
    before = server.peak_mb()
    address = server.target.removeprefix("grpc://")
    with grpc.insecure_channel(address) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(f"/gleann.v1.{method}")(message, timeout=60)
        assert caught.value.code() == code
        assert says in caught.value.details()
    assert server.peak_mb() - before < 200 + 30 * len(message) / 2**20


@pytest.mark.slow
@pytest.mark.parametrize("is_packed", [True, False])
def test_strings_of_unequal_length_take_what_they_have(
    is_packed: bool, server: Bounded
) -> None:
    """A NumPy array of such strings would have 8 GB."""
    names = [f"{number:06d}" for number in range(100_000)]
    names[0] = "x" * 20_000
    strings = types_pb2.Strings(values=names)
    if is_packed:
        lengths = np.array([len(name) for name in names], "<i4").tobytes()
        strings = types_pb2.Strings(text="".join(names).encode(), lengths=lengths)
    request = vector_pb2.GetVectorsRequest(
        index="a", ids=types_pb2.Ids(strings=strings)
    )
    message = request.SerializeToString()
    server.forget_peak()
    before = server.peak_mb()
    with grpc.insecure_channel(server.target.removeprefix("grpc://")) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/gleann.v1.VectorService/GetVectors")(
                message, timeout=60
            )
        assert caught.value.code() in (INVALID, grpc.StatusCode.NOT_FOUND)
    assert server.peak_mb() - before < 200 + 30 * len(message) / 2**20
