"""Curation jobs whose other index, stored input or stored answer goes meanwhile."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from long_work import reopened

import gleann
from gleann.index import BuildParams, errors
from gleann.service.application import Application
from gleann.service.config import Config
from gleann.service.jobs.curation.work import Work
from gleann.service.local import application_stubs
from gleann.service.optimizer_params import OptimizerParams
from gleann.v1 import curation_pb2, duplicates_pb2

RADIUS = 0.05
QUICK = BuildParams(metric="l2", nlist=4, tune_queries=0)

Ask = Callable[[gleann.Client], Any]

OTHERS: dict[str, tuple[Ask, str]] = {
    "near_duplicates": (
        lambda client: client.curation.near_duplicates("a", radius=RADIUS, against="b"),
        "rows",
    ),
    "join": (lambda client: client.curation.join("a", "b", radius=RADIUS), "pairs"),
    "nearest": (lambda client: client.curation.join("a", "b", k=2), "pairs"),
    "leakage": (
        lambda client: client.curation.leakage("a", "b", radius=RADIUS),
        "rows",
    ),
}


def filled(client: gleann.Client, name: str, rows: np.ndarray) -> None:
    client.create_index(name, dim=8, metric="l2")
    client.upsert(name, np.arange(len(rows)), rows)


@pytest.fixture(params=["sealed", "newer"])
def two(
    request: pytest.FixtureRequest, client: gleann.Client, twins: np.ndarray
) -> gleann.Client:
    """Two indexes; the files of "b" are those of its version, or of a copy."""
    filled(client, "a", twins[:200])
    filled(client, "b", twins[200:])
    client.build("b", QUICK).wait(timeout=60)
    if request.param == "newer":
        client.upsert("b", [900], twins[:1] + 9)
    return client


def ordered(table: pa.Table, kind: str) -> pa.Table:
    """The pairs of a join in one order: the server has them in that of its threads."""
    if kind != "join":
        return table
    return table.sort_by([("id", "ascending"), ("other_id", "ascending")])


@pytest.mark.parametrize("kind", OTHERS)
def test_the_other_index_goes_while_it_is_read(
    two: gleann.Client, twins: np.ndarray, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The answer is about the one that there was, and says that it is gone."""
    ask, table = OTHERS[kind]
    whole = ask(two).wait(timeout=60)
    real = Work.other

    def other(work: Work, name: str) -> Any:
        opened = real(work, name)
        two.delete_index("b")
        filled(two, "b", twins[:7] + 5)
        return opened

    with monkeypatch.context() as patched:
        patched.setattr(Work, "other", other)
        made = ask(two).wait(timeout=60)
    assert ordered(made.table(table), kind).equals(ordered(whole.table(table), kind))
    assert made.summary == whole.summary
    assert made.info.deleted_indexes == ("b",)
    assert two.curation.get(whole.name).info.deleted_indexes == ("b",)
    after = ask(two).wait(timeout=60)
    assert after.info.deleted_indexes == ()
    assert not ordered(after.table(table), kind).equals(
        ordered(whole.table(table), kind)
    )


@pytest.mark.parametrize("kind", OTHERS)
def test_the_other_index_goes_before_it_is_read(
    two: gleann.Client, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    ask, _ = OTHERS[kind]
    real = Work.other

    def other(work: Work, name: str) -> Any:
        two.delete_index("b")
        return real(work, name)

    monkeypatch.setattr(Work, "other", other)
    with pytest.raises(errors.UnknownIndexError, match="no index 'b'"):
        ask(two).wait(timeout=60)
    assert two.curation.list() == []
    assert two.get_index("a").count == 200


def test_the_own_index_stays_while_a_job_is_under_way(
    two: gleann.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[str] = []
    real = Work.other

    def other(work: Work, name: str) -> Any:
        with pytest.raises(errors.NotReadyError, match="open operations"):
            two.delete_index("a")
        refused.append(name)
        return real(work, name)

    monkeypatch.setattr(Work, "other", other)
    two.curation.join("a", "b", radius=RADIUS).wait(timeout=60)
    assert refused == ["b"]


@pytest.fixture
def open_directory(tmp_path: Path) -> Iterator[Callable[[], Application]]:
    """Open one data directory again and again; each closes the one before."""
    off = OptimizerParams(enabled=False)
    with reopened(Config(data_dir=tmp_path / "d", optimizer=off)) as again:
        yield again


def asked(**more: Any) -> curation_pb2.CreateCurationJobRequest:
    method = duplicates_pb2.NearDuplicates(radius=RADIUS, **more)
    return curation_pb2.CreateCurationJobRequest(index="a", near_duplicates=method)


def done_again(application: Application) -> None:
    """As a crash leaves it that comes between the answer and the end of the job."""
    with application.store.transaction() as transaction:
        transaction.run("UPDATE operations SET state = 'running', response = NULL")


@pytest.mark.parametrize("damaged", [False, True])
def test_a_job_that_is_done_again_takes_its_own_place(
    open_directory: Callable[[], Application],
    twins: np.ndarray,
    tmp_path: Path,
    *,
    damaged: bool,
) -> None:
    """The stored answer stays; one that is damaged is made again."""
    application = open_directory()
    application.create_index("a", dim=8, metric="l2")
    application.upsert("a", np.arange(300), twins)
    name = application.asked_to_curate(asked())().name
    assert application.jobs.wait(name, seconds=60).done
    short = name.removeprefix("operations/")
    folder = tmp_path / "d" / "curations" / short
    rows = application.curations.table(f"curations/{short}", "rows")
    held = folder.stat().st_mtime_ns
    if damaged:
        (folder / "curation.binpb").write_bytes(b"\xff")
    done_again(application)
    application = open_directory()
    ended = application.jobs.wait(name, seconds=60)
    made = curation_pb2.Curation()
    assert ended.response.Unpack(made)
    assert made.name == f"curations/{short}"
    assert [path.name for path in folder.parent.iterdir()] == [short]
    assert (folder.stat().st_mtime_ns != held) == damaged
    assert application.curations.table(made.name, "rows").equals(rows)


def test_a_stored_input_that_goes_before_the_job_runs(
    open_directory: Callable[[], Application], twins: np.ndarray
) -> None:
    application = open_directory()
    with gleann.Client.of_stubs(application_stubs(application)) as client:
        filled(client, "a", twins)
        known = client.curation.near_duplicates("a", radius=RADIUS).wait(timeout=60)
        start = application.asked_to_curate(asked(known=known.name))
        client.curation.delete(known.name)
        name = start().name
        with pytest.raises(errors.UnknownJobError, match=f"no curation '{known.name}'"):
            client.operations.get(name).wait(timeout=60)
        assert client.curation.list() == []
