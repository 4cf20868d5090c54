"""Radius 0, empty targets and shares that do not sum, over the RPCs."""

from typing import Any

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams, errors
from gleann.service.application import Application
from gleann.service.config import Config
from gleann.service.local import application_stubs
from gleann.service.stubs import Stubs
from gleann.service.wire.arrays import vectors_to_wire
from gleann.v1 import curation_pb2, negatives_pb2, target_pb2, types_pb2

N, DIM = 60, 4
ROWS = np.random.default_rng(9).normal(size=(N, DIM)).astype(np.float32)
ROWS[50:] = ROWS[:10]
EQUAL = {(row, row + 50) for row in range(10)}
NO_VECTORS = types_pb2.Vectors(dim=DIM, scalar_type=types_pb2.SCALAR_TYPE_FLOAT32)
NO_IDS = types_pb2.Ids(int64s=b"")


@pytest.fixture(scope="module")
def stubs(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("edges")
    stubs = application_stubs(Application(Config(data_dir=folder)))
    with gleann.Client.of_stubs(stubs) as client:
        for name, rows in (("docs", ROWS), ("old", ROWS[:10])):
            client.create_index(name, dim=DIM, metric="l2", columns={"split": "string"})
            splits = ["train" if row < 50 else "test" for row in range(len(rows))]
            client.upsert(name, np.arange(len(rows)), rows, {"split": splits})
            client.build(name, BuildParams(metric="l2", nlist=4, tune_queries=0)).wait()
        yield stubs


@pytest.fixture
def curation(stubs: Stubs) -> Any:
    return gleann.Client.of_stubs(stubs).curation


def pairs_of(made: Any, first: str, second: str) -> set[tuple[int, int]]:
    table = made.table("pairs").to_pydict()
    listed = [sorted(two) for two in zip(table[first], table[second], strict=True)]
    assert len(listed) == len({tuple(two) for two in listed})
    return {(one, other) for one, other in listed}


def test_pairs_of_radius_0_are_the_equal_vectors(curation: Any) -> None:
    joined = curation.join("docs", radius=0.0).wait(timeout=60)
    assert pairs_of(joined, "id", "other_id") == EQUAL
    leaked = curation.leakage("docs", split_column="split", radius=0.0)
    leaked_pairs = pairs_of(leaked.wait(timeout=60), "id", "reference_id")
    assert leaked_pairs == EQUAL
    beside = curation.leakage("docs", "old", radius=0.0).wait(timeout=60)
    assert beside.summary["leaked"] == 20


def test_near_duplicates_of_radius_0_are_equal(curation: Any) -> None:
    made = curation.near_duplicates("docs", radius=0.0).wait(timeout=60)
    wide = curation.near_duplicates("docs", radius=2.0).wait(timeout=60)
    least = curation.rethreshold("docs", wide.name, radius=0.0).wait(timeout=60)
    for one in (made, least):
        rows = one.table("rows").to_pydict()
        dropped = [
            i for i, kept in zip(rows["id"], rows["kept"], strict=True) if not kept
        ]
        assert dropped == list(range(50, 60))


def test_negatives_of_radius_0_leave_out_what_equals_a_positive(curation: Any) -> None:
    asked = {"positives": [[3]], "per_query": 5, "target_recall": 1.0}
    for radius, there in ((None, True), (0.0, False)):
        made = curation.mine_negatives(
            "docs", ROWS[3:4] + 0.001, duplicate_radius=radius, **asked
        )
        found = made.wait(timeout=60).table("negatives").column("id").to_pylist()
        assert (53 in found) == there
        assert len(found) == 5


TARGETS = {
    "vectors": ({"target_vectors": NO_VECTORS}, "target_vectors is empty: count 0"),
    "ids": ({"target_ids": NO_IDS}, "target_ids has 0 ids, at least 1"),
}
QUERIES = {
    "vectors": ({"query_vectors": NO_VECTORS}, "query_vectors is empty: count 0"),
    "ids": ({"query_ids": NO_IDS}, "query_ids has 0 ids, at least 1"),
}


@pytest.mark.parametrize("validate_only", [False, True])
@pytest.mark.parametrize("mode", ["ROUND_ROBIN", "BEST_RANK", "RESAMPLE", "DISTIL"])
@pytest.mark.parametrize("kind", TARGETS)
def test_an_empty_target_is_refused(
    stubs: Stubs, kind: str, mode: str, validate_only: bool
) -> None:
    fields, said = TARGETS[kind]
    number = target_pb2.TargetMode.Value(f"TARGET_MODE_{mode}")
    asked = target_pb2.ForTarget(budget=3, mode=number, **fields)
    request = curation_pb2.CreateCurationJobRequest(
        index="docs", for_target=asked, validate_only=validate_only
    )
    with pytest.raises(errors.InvalidInputError, match=said):
        stubs.curation.CreateCurationJob(request)


@pytest.mark.parametrize("kind", QUERIES)
def test_no_queries_are_refused(stubs: Stubs, kind: str) -> None:
    fields, said = QUERIES[kind]
    asked = negatives_pb2.MineNegatives(per_query=1, **fields)
    request = curation_pb2.CreateCurationJobRequest(index="docs", mine_negatives=asked)
    with pytest.raises(errors.InvalidInputError, match=said):
        stubs.curation.CreateCurationJob(request)


@pytest.mark.parametrize("validate_only", [False, True])
def test_shares_of_tasks_that_do_not_sum_are_refused(
    stubs: Stubs, validate_only: bool
) -> None:
    asked = target_pb2.ForTarget(
        target_vectors=vectors_to_wire(ROWS[:2]),
        tasks=["a", "b"],
        budget=3,
        mode=target_pb2.TARGET_MODE_RESAMPLE,
    )
    for task, share in (("a", 0.5), ("b", 0.4)):
        asked.shares.add(task=task, share=share)
    request = curation_pb2.CreateCurationJobRequest(
        index="docs", for_target=asked, validate_only=validate_only
    )
    with pytest.raises(errors.InvalidParamsError, match=r"they sum to 0\.9"):
        stubs.curation.CreateCurationJob(request)
