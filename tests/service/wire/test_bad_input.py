"""Bad input gets a narrow error, in process and through gRPC, and changes nothing."""

# ruff: noqa: E501  (a row of the table is a line)

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams, SearchParams, errors
from gleann.selection.active import ActiveParams
from gleann.selection.estimate import EstimateParams

ONE = np.ones((1, 8), np.float32)
EVERY = np.arange(240) * 10


@dataclass(frozen=True)
class Bad:
    """A call that must fail, the error it must raise, and what the message must say."""

    name: str
    call: Callable[[Any, Any], object]
    error: type[Exception]
    says: str


def start(client: gleann.Client, labels_of: Any, **params: Any) -> str:
    seed = EVERY[:40]
    session = client.active.start(
        "built", ids=seed, labels=labels_of(seed), params=ActiveParams(**params)
    )
    return session.name


def estimate(client: gleann.Client, budget: int) -> str:
    params = EstimateParams(budget=budget, strata=2)
    proxy = (EVERY, np.linspace(0, 1, len(EVERY)))
    return client.estimates.start("built", params=params, proxy=proxy).name


def with_nan() -> np.ndarray:
    return np.where(np.arange(8) == 3, np.nan, ONE).astype(np.float32)


TABLE = [
    # creating
    Bad("name", lambda c, _: c.create_index("../x", dim=2), errors.InvalidParamsError, "\\.\\./x"),
    Bad("long name", lambda c, _: c.create_index("a" * 64, dim=2), errors.InvalidParamsError, "name must match"),
    Bad("taken", lambda c, _: c.create_index("built", dim=2), errors.AlreadyExistsError, "'built'"),
    Bad("dim 0", lambda c, _: c.create_index("x", dim=0), errors.InvalidParamsError, "at least 1, got 0"),
    Bad("dim over the cap", lambda c, _: c.create_index("x", dim=16_385), errors.LimitError, "16385 .* 16384"),
    Bad("dim beyond int32", lambda c, _: c.create_index("x", dim=2**40), errors.InvalidParamsError, "dim"),
    Bad("metric", lambda c, _: c.create_index("x", dim=2, metric="l3"), errors.InvalidParamsError, "metric"),
    # naming
    Bad("unknown index", lambda c, _: c.get_index("nope"), errors.UnknownIndexError, "'nope'"),
    Bad("upsert nowhere", lambda c, _: c.upsert("nope", [1], ONE), errors.UnknownIndexError, "nope"),
    Bad("search nowhere", lambda c, _: c.search("nope", ONE), errors.UnknownIndexError, "nope"),
    Bad("build nowhere", lambda c, _: c.build("nope"), errors.UnknownIndexError, "nope"),
    Bad("delete nowhere", lambda c, _: c.delete_index("nope"), errors.UnknownIndexError, "nope"),
    Bad("unknown operation", lambda c, _: c.operations.get("operations/0"), errors.UnknownJobError, "operations/0"),
    Bad("unknown session", lambda c, _: c.next_batch("sessions/active-0"), errors.UnknownJobError, "active-0"),
    Bad("unknown selection", lambda c, _: c.coresets.get("selections/0"), errors.UnknownJobError, "selections/0"),
    # storing
    Bad("dtype", lambda c, _: c.upsert("built", [1], np.array([["a"]])), errors.InvalidInputError, "dtype"),
    Bad("complex", lambda c, _: c.upsert("built", [1], ONE.astype(complex)), errors.InvalidInputError, "complex"),
    Bad("objects", lambda c, _: c.upsert("built", [1], np.array([[None] * 8])), errors.InvalidInputError, "object"),
    Bad("shape", lambda c, _: c.upsert("built", [1], ONE[0]), errors.InvalidInputError, "2 dimensions"),
    Bad("empty", lambda c, _: c.upsert("built", [], ONE[:0]), errors.InvalidInputError, "empty"),
    Bad("dimension", lambda c, _: c.upsert("built", [1], ONE[:, :7]), errors.DimensionMismatchError, "7 .* 8"),
    Bad("NaN", lambda c, _: c.upsert("built", [1], with_nan()), errors.NonFiniteError, "row 0"),
    Bad("NaN in float16", lambda c, _: c.upsert("built", [1], with_nan().astype(np.float16)), errors.NonFiniteError, "row 0"),
    Bad("infinity", lambda c, _: c.upsert("built", [1], ONE * np.inf), errors.NonFiniteError, "row 0"),
    Bad("fewer ids", lambda c, _: c.upsert("built", [1], np.vstack([ONE, ONE])), errors.DimensionMismatchError, "1 .* 2"),
    Bad("duplicate ids", lambda c, _: c.upsert("built", [7, 7], np.vstack([ONE, ONE])), errors.DuplicateIdError, "7"),
    Bad("negative id", lambda c, _: c.upsert("built", [-1], ONE), errors.InvalidInputError, "-1"),
    Bad("empty string id", lambda c, _: c.upsert("built", [""], ONE), errors.InvalidInputError, "empty string"),
    Bad("float id", lambda c, _: c.upsert("built", [0.5], ONE), errors.InvalidInputError, "integers or strings"),
    Bad("other kind of ids", lambda c, _: c.upsert("built", ["a"], ONE), errors.InvalidInputError, "int64 ids.* string"),
    Bad("zero under cosine", lambda c, _: c.upsert("cosine", [1], ONE * 0), errors.ZeroVectorError, "row 0"),
    Bad("delete unknown id", lambda c, _: c.delete_vectors("built", [0, 5]), errors.UnknownIdError, "5 .*1 of 2"),
    Bad("get unknown id", lambda c, _: c.get_vectors("built", [5]), errors.UnknownIdError, "no id 5"),
    Bad("get wrong kind of id", lambda c, _: c.get_vectors("built", ["a"]), errors.UnknownIdError, "'a'"),
    # searching
    Bad("k 0", lambda c, _: c.search("built", ONE, SearchParams(k=0)), errors.InvalidParamsError, "at least 1, got 0"),
    Bad("nprobe over nlist", lambda c, _: c.search("built", ONE, SearchParams(k=1, nprobe=9)), errors.InvalidParamsError, "9.* 8"),
    Bad("rerank under k", lambda c, _: c.search("built", ONE, SearchParams(k=5, rerank=4)), errors.InvalidParamsError, "5.* 4"),
    Bad("mask of rows", lambda c, _: c.search("built", ONE, SearchParams(allowed=np.ones(240, bool))), errors.InvalidInputError, "allowed_ids"),
    Bad("query dimension", lambda c, _: c.search("built", ONE[:, :7]), errors.DimensionMismatchError, "7 .* 8"),
    Bad("query NaN", lambda c, _: c.search("built", with_nan()), errors.NonFiniteError, "queries row 0"),
    Bad("query empty", lambda c, _: c.search("built", ONE[:0]), errors.InvalidInputError, "empty"),
    Bad("zero query under cosine", lambda c, _: c.search("one", ONE * 0, SearchParams(k=1)), errors.ZeroVectorError, "row 0"),
    Bad("unknown allowed id", lambda c, _: c.search("built", ONE, SearchParams(k=1), allowed_ids=[3]), errors.UnknownIdError, "no id 3"),
    Bad("search empty index", lambda c, _: c.search("cosine", ONE, SearchParams(k=1)), errors.NotReadyError, "empty"),
    # building
    Bad("build empty index", lambda c, _: c.build("cosine"), errors.NotReadyError, "empty"),
    Bad("build other metric", lambda c, _: c.build("built", BuildParams(metric="ip")), errors.InvalidParamsError, "'ip'.* 'l2'"),
    Bad("nlist over n", lambda c, _: c.build("built", BuildParams(metric="l2", nlist=241)).wait(), errors.InvalidParamsError, "241.* 240"),
    # reading files
    Bad("missing file", lambda c, p: c.import_vectors("built", p / "none.npy"), errors.MissingFileError, "No such file"),
    Bad("a directory", lambda c, p: c.import_vectors("built", p), errors.MissingFileError, "regular file"),
    Bad("not npy", lambda c, p: c.import_vectors("built", p / "text.npy"), errors.InvalidInputError, "not a .npy file"),
    Bad("not parquet", lambda c, p: c.import_vectors("built", p / "text.parquet"), errors.InvalidInputError, "text.parquet"),
    Bad("pickled npy", lambda c, p: c.import_vectors("built", p / "pickled.npy"), errors.InvalidInputError, "pickled"),
    Bad("truncated npy", lambda c, p: c.import_vectors("built", p / "short.npy"), errors.CorruptDataError, "bytes"),
    Bad("npy of 1 axis", lambda c, p: c.import_vectors("built", p / "flat.npy"), errors.InvalidInputError, "2 dimensions"),
    Bad("npy of text", lambda c, p: c.import_vectors("built", p / "words.npy"), errors.InvalidInputError, "numbers"),
    Bad("npy of 0 rows", lambda c, p: c.import_vectors("built", p / "none-in.npy"), errors.InvalidInputError, "0 vectors"),
    Bad("npy dimension", lambda c, p: c.import_vectors("built", p / "wide.npy"), errors.DimensionMismatchError, "9 .* 8"),
    Bad("npy NaN", lambda c, p: c.import_vectors("built", p / "nan.npy").wait(), errors.NonFiniteError, "row 0"),
    Bad("npy ids twice", lambda c, p: c.import_vectors("built", p / "two.npy", ids_path=p / "twice.npy").wait(), errors.DuplicateIdError, "4"),
    Bad("parquet column", lambda c, p: c.import_vectors("built", p / "good.parquet", vector_column="v"), errors.InvalidInputError, "'v'"),
    Bad("parquet ragged", lambda c, p: c.import_vectors("built", p / "ragged.parquet").wait(), errors.DimensionMismatchError, "3 .* 8"),
    # selecting
    Bad("budget over pool", lambda c, _: c.coresets.uniform("built", k=241), errors.InvalidParamsError, "241.* 240"),
    Bad("coreset of more", lambda c, _: c.coresets.farthest_first("built", k=241), errors.InvalidParamsError, "240, got 241"),
    Bad("select k 0", lambda c, _: c.coresets.uniform("built", k=0), errors.InvalidParamsError, "got 0"),
    Bad("coreset under ip", lambda c, _: c.coresets.weighted_k_center("inner", k=1), errors.InvalidParamsError, "true metric"),
    Bad("locked unknown", lambda c, _: c.coresets.weighted_k_center("built", k=1, locked_ids=[3]), errors.UnknownIdError, "3"),
    Bad("costs missing", lambda c, _: c.coresets.margin("built", k=1, costs=([0], [1.0])), errors.InvalidInputError, "239 of 240"),
    Bad("costs NaN", lambda c, _: c.coresets.margin("built", k=1, costs=([0], [np.nan])), errors.NonFiniteError, "nan"),
    Bad("costs negative", lambda c, _: c.coresets.margin("built", k=1, costs=([0], [-1.0])), errors.InvalidInputError, "-1"),
    # labelling
    Bad("session unbuilt", lambda c, _: c.active.start("one", ids=[0], labels=[1]), errors.NotReadyError, "never built"),
    Bad("one class", lambda c, _: c.active.start("built", ids=[0, 10], labels=[1, 1]), errors.InvalidInputError, "class"),
    Bad("seed unknown", lambda c, _: c.active.start("built", ids=[0, 5], labels=[0, 1]), errors.UnknownIdError, "5"),
    Bad("seed lengths", lambda c, _: c.active.start("built", ids=[0, 10], labels=[1]), errors.DimensionMismatchError, "1 .* 2"),
    Bad("session concepts", lambda c, _: c.active.start("built", ids=[0, 10], labels=[0, 1], params=ActiveParams(concepts=("a", "b"))), errors.DimensionMismatchError, "2 ids and 2 concepts"),
    Bad("session model", lambda c, _: c.active.start("built", ids=[0, 10], labels=[0, 1], params=ActiveParams(model="own")), errors.InvalidParamsError, "model 'own'"),
    Bad("text labels", lambda c, _: c.active.start("built", ids=[0], labels=["a"]), errors.InvalidInputError, "integers"),
    Bad("estimate budget", lambda c, _: estimate(c, 241), errors.InvalidParamsError, "241.* 240"),
    Bad("estimate no proxy", lambda c, _: c.estimates.start("built", params=EstimateParams(budget=9)), errors.InvalidParamsError, "one of"),
    Bad("estimate part of proxy", lambda c, _: c.estimates.start("built", params=EstimateParams(budget=9), proxy=([0], [0.1])), errors.DimensionMismatchError, "1 .* 240"),
    Bad("delete open operation", lambda c, _: c.operations.delete("operations/0"), errors.UnknownJobError, "operations/0"),
]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, rows: np.ndarray) -> Path:
    """Files that cannot be imported into an index of dimension 8."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = {
        "flat": rows[0],
        "words": np.array([["a"] * 8]),
        "none-in": rows[:0],
        "wide": np.ones((2, 9), np.float32),
        "nan": with_nan(),
        "two": rows[:2],
        "twice": np.array([4, 4]),
    }
    for name, array in files.items():
        np.save(tmp_path / f"{name}.npy", array)
    np.save(tmp_path / "pickled.npy", np.array([[{}] * 8]), allow_pickle=True)
    (tmp_path / "text.npy").write_text("no header")
    (tmp_path / "text.parquet").write_text("no footer")
    (tmp_path / "short.npy").write_bytes((tmp_path / "two.npy").read_bytes()[:-4])
    pq.write_table(pa.table({"vector": rows[:2].tolist()}), tmp_path / "good.parquet")
    pq.write_table(pa.table({"vector": [[1.0] * 3]}), tmp_path / "ragged.parquet")
    return tmp_path


def test_bad_input(built: gleann.Client, folder: Path) -> None:
    built.create_index("cosine", dim=8)
    built.create_index("one", dim=8)
    built.upsert("one", [0], ONE)
    built.create_index("inner", dim=8, metric="ip")
    built.upsert("inner", [0, 1], np.vstack([ONE, 2 * ONE]))
    before = built.list_indexes()
    for bad in TABLE:
        with pytest.raises(bad.error, match=bad.says) as caught:
            bad.call(built, folder)
        assert type(caught.value) is bad.error, bad.name
    assert built.list_indexes() == before
    assert built.sessions.list() == []


def test_labels_that_were_not_asked_for(built: gleann.Client, labels_of: Any) -> None:
    session = start(built, labels_of, batch=5)
    asked = built.next_batch(session).ids
    strange = np.setdiff1d(EVERY[40:], asked)[:1]
    both = np.concatenate([asked[:1], strange])
    with pytest.raises(errors.InvalidInputError, match="1 of 2"):
        built.submit_labels(session, both, labels_of(both))
    assert built.sessions.get(session).labelled == 40
    assert np.array_equal(built.next_batch(session).ids, asked)


def test_estimate_labels_that_were_not_asked_for(built: gleann.Client) -> None:
    session = estimate(built, budget=20)
    asked = built.next_batch(session).ids
    strange = np.setdiff1d(EVERY, asked)[:1]
    with pytest.raises(errors.InvalidInputError, match="1 of 1"):
        built.submit_labels(session, strange, [True])
    assert built.sessions.get(session).labelled == 0
    with pytest.raises(errors.NotReadyError):
        built.estimates.get(session)


def test_a_session_of_the_other_kind(built: gleann.Client) -> None:
    session = estimate(built, budget=20)
    with pytest.raises(errors.InvalidInputError, match="estimate, not active"):
        built.active.stop_advice(session)


def test_an_index_in_use_is_not_deleted(built: gleann.Client) -> None:
    session = estimate(built, budget=20)
    with pytest.raises(errors.NotReadyError, match=session):
        built.delete_index("built")
    built.sessions.close(session)
    built.delete_index("built")
    assert built.list_indexes() == []
