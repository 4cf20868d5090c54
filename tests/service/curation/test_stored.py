"""Stored curations: lists, pages, deletion, expiry, damage, restarts, two clients."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from driven_client import finished

import gleann
from gleann.index import errors
from gleann.service import steady_clock
from gleann.service.application import Application
from gleann.service.client.curation import AsyncCuration, Curation
from gleann.service.config import Config
from gleann.service.jobs.curation.curated import Curated
from gleann.service.jobs.curation.shelf import Shelf
from gleann.service.server import Server
from gleann.service.stubs import Stubs
from gleann.service.values import Limits
from gleann.v1 import curation_pb2

RADIUS = 0.05


def made_in(
    client: gleann.Client, rows: np.ndarray, *, name: str = "a", count: int = 1
) -> list[str]:
    """Names of `count` curations of a new index."""
    client.create_index(name, dim=8, metric="l2")
    client.upsert(name, np.arange(len(rows)), rows)
    jobs = [client.curation.near_duplicates(name, radius=RADIUS) for _ in range(count)]
    return [job.wait(timeout=60).name for job in jobs]


def test_listed_by_index_and_by_page(
    client: gleann.Client, stubs: Stubs, twins: np.ndarray
) -> None:
    assert client.curation.list() == []
    names = made_in(client, twins, count=5)
    other = made_in(client, twins[:50], name="b")
    assert [one.name for one in client.curation.list()] == names + other
    assert [one.name for one in client.curation.list("b")] == other
    assert client.curation.list("none") == []
    request = curation_pb2.ListCurationsRequest(page_size=2, index="a")
    pages = []
    while not pages or request.page_token:
        page = stubs.curation.ListCurations(request)
        pages.append([one.name for one in page.curations])
        request.page_token = page.next_page_token
    assert pages == [names[:2], names[2:4], names[4:]]


def test_deleted(client: gleann.Client, twins: np.ndarray) -> None:
    first, second = made_in(client, twins, count=2)
    held = client.curation.get(first)
    client.curation.delete(first)
    assert [one.name for one in client.curation.list()] == [second]
    with pytest.raises(errors.UnknownJobError, match="no curation"):
        held.table("rows")
    for gone in (first, "curations/none", "curations/../curations", "", "x"):
        for call in (client.curation.get, client.curation.delete):
            with pytest.raises(errors.UnknownJobError):
                call(gone)
    client.delete_index("a")  # its results stay
    assert client.curation.get(second).summary["rows"] == 300


def test_pages_of_a_table(client: gleann.Client, twins: np.ndarray) -> None:
    (name,) = made_in(client, twins)
    held = client.curation.get(name)
    whole = held.table("rows")
    assert isinstance(held, Curation)
    pages = list(held.pages("rows", size=120))
    assert [len(page) for page in pages] == [120, 120, 60]
    assert pa.concat_tables(pages).equals(whole)
    some = held.table("rows", columns=["kept", "id"])
    assert some.column_names == ["kept", "id"]
    assert some.column("id").equals(whole.column("id"))
    with pytest.raises(errors.InvalidInputError, match="no table 'row': it has rows"):
        held.table("row")
    for inner in ("state.rows", "../x", "state.pairs"):
        with pytest.raises(errors.InvalidInputError, match="has no table"):
            held.table(inner)
    with pytest.raises(errors.UnknownColumnError, match="no column 'first'"):
        held.table("rows", columns=["first"])
    with pytest.raises(errors.InvalidInputError, match="'id' is named 2 times"):
        held.table("rows", columns=["id", "id"])
    with pytest.raises(errors.InvalidParamsError, match="page_size"):
        next(held.pages("rows", size=-1))


def test_pages_that_a_message_has_room_for(
    start_server: Callable[..., Server], twins: np.ndarray
) -> None:
    server = start_server(limits=Limits(message_bytes=8_000))
    with gleann.Client(server.target) as client:
        (name,) = made_in(client, twins)
        held = client.curation.get(name)
        pages = list(held.pages("rows"))
        assert len(pages) > 1
        assert all(page.nbytes < 8_000 for page in pages)
        assert pa.concat_tables(pages).column("id").to_pylist() == list(range(300))


def test_kept_on_restart_and_for_another_client(
    tmp_path: Path, start_server: Callable[..., Server], twins: np.ndarray
) -> None:
    server = start_server()
    with gleann.Client(server.target) as one, gleann.Client(server.target) as other:
        (name,) = made_in(one, twins)
        before = other.curation.get(name)
        rows = before.table("rows")
        assert rows.equals(one.curation.get(name).table("rows"))
    server.stop(grace=1)
    left = tmp_path / "server" / "curations" / ".new-0123"
    left.mkdir()
    (left / "rows.arrow").write_bytes(b"half")
    with gleann.Client(start_server().target) as client:
        assert not left.exists()
        again = client.curation.get(name)
        assert again.info == before.info
        assert again.table("rows").equals(rows)
        closer = client.curation.rethreshold("a", name, radius=0.0)
        assert closer.wait(timeout=60).summary["dropped"] == 10


def test_no_other_user_may_read_it(tmp_path: Path, twins: np.ndarray) -> None:
    with gleann.Client(tmp_path) as client:
        (name,) = made_in(client, twins)
    folder = tmp_path / name
    for path in (folder.parent, folder):
        assert path.stat().st_mode & 0o077 == 0, path
    known = json.loads((folder / "manifest.json").read_text())["files"]
    assert set(known) | {"manifest.json"} == {path.name for path in folder.iterdir()}


def test_damage_is_told_and_never_served(tmp_path: Path, twins: np.ndarray) -> None:
    with gleann.Client(tmp_path) as client:
        bad, good, worse = made_in(client, twins, count=3)
    path = tmp_path / bad / "rows.arrow"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    (tmp_path / worse / "manifest.json").write_text("{")
    with gleann.Client(tmp_path) as client:
        held = client.curation.get(bad)
        assert len(held.table("sizes")) == 2  # of another file
        with pytest.raises(errors.CorruptDataError, match="CRC-32"):
            held.table("rows")
        with pytest.raises(errors.CorruptDataError, match="manifest"):
            client.curation.get(worse)
        assert [one.name for one in client.curation.list()] == [bad, good]
        for name in (bad, worse):
            client.curation.delete(name)
        assert [one.name for one in client.curation.list()] == [good]
        assert len(client.curation.get(good).table("rows")) == 300


def test_old_ones_are_removed(tmp_path: Path, twins: np.ndarray) -> None:
    with gleann.Client(tmp_path) as client:
        old, new = made_in(client, twins, count=2)
    path = tmp_path / old
    application = Application(Config(data_dir=tmp_path, keep_days=3))
    try:
        made = application.curations.get(old).create_time.ToMicroseconds() / 1e6
        later = application.curations.get(new).create_time.ToMicroseconds() / 1e6
        days = 3 * 24 * 3600
        expiry = application._expiry  # noqa: SLF001 (its sweep)
        assert expiry.sweep(steady_clock.now()) == 0
        assert expiry.sweep((made + later) / 2 + days) >= 1
        assert not path.exists()
        assert application.curations.holds(new)
    finally:
        application.close()


@pytest.mark.parametrize("remote", [False, True])
def test_awaited(
    tmp_path: Path,
    start_server: Callable[..., Server],
    twins: np.ndarray,
    *,
    remote: bool,
) -> None:
    target = start_server().target if remote else tmp_path / "d"

    async def use() -> None:
        async with gleann.AsyncClient(target) as client:
            await client.create_index("a", dim=8, metric="l2")
            await client.upsert("a", np.arange(300), twins)
            job = await client.curation.near_duplicates("a", radius=RADIUS)
            join = await client.curation.join("a", twins[:5], radius=0.0)
            made, pairs = await asyncio.gather(job.wait(), join.wait())
            assert isinstance(made, AsyncCuration)
            rows = await made.table("rows")
            assert [len(page) async for page in made.pages("rows", size=200)] == [
                200,
                100,
            ]
            assert rows.column("kept").to_pylist().count(True) == made.summary["kept"]
            assert len(await pairs.table("pairs")) == 5
            again = await client.curation.get(made.name)
            assert again.info == made.info
            closer = await client.curation.rethreshold("a", made.name, radius=0.0)
            assert (await closer.wait()).summary["kept"] == 290
            assert len(await client.curation.list("a")) == 3

    finished(use())


def test_deleted_while_it_expires(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf, told = Shelf(tmp_path / "own"), list[str]()
    (tmp_path / "own").mkdir()
    for number in range(2):
        described = curation_pb2.Curation(name=f"curations/{number}", index="a")
        shelf.add(described, Curated(summary={}, provenance={}, tables={}))
    real = Shelf.delete

    def delete(self: Shelf, name: str) -> None:
        if not told:
            real(self, name)
        told.append(name)
        real(self, name)

    monkeypatch.setattr(Shelf, "delete", delete)
    assert shelf.expire(1e9) == 2
    assert told == ["curations/0", "curations/1"]
    assert not [one for one in shelf.folder.iterdir() if not one.name.startswith(".")]
