"""Snapshots of a served index: what they hold, and indexes made of them again."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams, SearchParams, errors
from gleann.service.snapshots import creating
from gleann.service.stubs import Stubs
from gleann.v1 import snapshot_pb2

Fill = Callable[..., None]
STRINGS = np.array([f"wörd {i}" for i in range(240)])


def contents(client: gleann.Client, name: str, ids: np.ndarray) -> dict[Any, bytes]:
    """The vector of each id that is there."""
    found = {}
    for one in ids.tolist():
        try:
            found[one] = client.get_vectors(name, [one]).tobytes()
        except errors.UnknownIdError:
            continue
    return found


def require_same(client: gleann.Client, old: str, new: str, rows: np.ndarray) -> None:
    """The same answers to the last bit, approximate ones too."""
    for params in (
        SearchParams(k=10),
        SearchParams(k=10, nprobe=1),
        SearchParams(k=5, exact=True),
    ):
        first, second = (client.search(name, rows, params) for name in (old, new))
        assert np.array_equal(first.ids, second.ids)
        assert np.array_equal(first.distances, second.distances)


@pytest.mark.parametrize("is_built", [True, False])
@pytest.mark.parametrize("metric", ["l2", "cosine"])
@pytest.mark.parametrize("ids", [np.arange(240), STRINGS], ids=["int64", "string"])
def test_restored_under_another_name(
    client: gleann.Client,
    rows: np.ndarray,
    fill: Fill,
    is_built: bool,
    metric: str,
    ids: np.ndarray,
) -> None:
    if not is_built and metric == "cosine":
        pytest.skip("once is enough")
    fill(client, ids=ids, is_built=is_built, metric=metric)
    before = client.get_index("words")
    snapshot = client.snapshots.create("words").wait(timeout=60)
    assert (snapshot.index, snapshot.count, snapshot.where) == ("words", 236, "")
    assert (snapshot.dim, snapshot.metric) == (8, metric)
    assert snapshot.version.sequence == before.sequence
    assert client.snapshots.get(snapshot.name) == snapshot
    assert client.snapshots.list() == client.snapshots.list("words") == [snapshot]
    assert client.snapshots.list("other") == []
    restored = client.snapshots.restore(snapshot.name, "again").wait(timeout=60)
    assert (restored.name, restored.count) == ("again", 236)
    assert restored.version == int(is_built)
    assert restored.id_type == before.id_type
    assert restored.pending == before.pending
    assert contents(client, "again", ids) == contents(client, "words", ids)
    require_same(client, "words", "again", rows)


def test_it_stays_what_it_was(
    client: gleann.Client, rows: np.ndarray, fill: Fill, quick: BuildParams
) -> None:
    """Later changes, a build and the deletion of the index do not reach it."""
    fill(client)
    wanted = contents(client, "words", np.arange(240))
    snapshot = client.snapshots.create("words").wait(timeout=60)
    client.upsert("words", np.arange(100), rows[:100] + 7)
    client.build("words", quick).wait(timeout=60)
    client.delete_index("words")
    client.snapshots.restore(snapshot.name, "words").wait(timeout=60)
    assert contents(client, "words", np.arange(240)) == wanted
    # And the new index is one like others.
    client.upsert("words", [1000], rows[:1])
    built = client.build("words", quick).wait(timeout=60)
    assert (built.version, built.count) == (2, 237)
    second = client.snapshots.restore(snapshot.name, "second").wait(timeout=60)
    assert second.count == 236
    assert client.snapshots.verify(snapshot.name).wait(timeout=60) == snapshot


def test_a_version_that_is_replaced_before_it_is_linked(
    client: gleann.Client,
    rows: np.ndarray,
    fill: Fill,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A compaction runs beside snapshots, and removes the version before its own."""
    fill(client)
    real, calls = creating.link_version, []

    def late(source: Path, target: Path) -> None:
        calls.append(source)
        if len(calls) == 1:
            client.indexes.optimize("words").wait(timeout=60)
        real(source, target)

    monkeypatch.setattr(creating, "link_version", late)
    snapshot = client.snapshots.create("words").wait(timeout=60)
    assert [path.name for path in calls] == ["1", "2"]
    assert (snapshot.version.sealed, snapshot.count) == (2, 236)
    client.snapshots.restore(snapshot.name, "again").wait(timeout=60)
    require_same(client, "words", "again", rows)


def test_a_version_that_is_being_removed_is_not_linked(
    tmp_path: Path, rows: np.ndarray, fill: Fill
) -> None:
    """Its files go one after the other, and its manifest may be the last."""
    with gleann.Client(tmp_path / "data") as client:
        fill(client)
    source = tmp_path / "data/indexes/1/versions/1"
    for number, file in enumerate(sorted(source.glob("data-*/*"))):
        kept = file.read_bytes()
        file.unlink()
        with pytest.raises(errors.MissingFileError, match=file.name):
            creating.link_version(source, tmp_path / f"copy-{number}")
        file.write_bytes(kept)
    creating.link_version(source, tmp_path / "whole")


def test_everything_survives_a_restart(
    tmp_path: Path, rows: np.ndarray, fill: Fill
) -> None:
    with gleann.Client(tmp_path) as client:
        fill(client)
        snapshot = client.snapshots.create("words").wait(timeout=60)
        client.snapshots.restore(snapshot.name, "again").wait(timeout=60)
    with gleann.Client(tmp_path) as client:
        assert client.snapshots.list() == [snapshot]
        require_same(client, "words", "again", rows)
        again = client.get_index("again")
        assert (again.version, again.count, again.pending) == (1, 236, 48)


def test_it_survives_a_lost_database(
    tmp_path: Path, rows: np.ndarray, fill: Fill
) -> None:
    """The list is read from the directories."""
    with gleann.Client(tmp_path / "old") as client:
        fill(client)
        snapshot = client.snapshots.create("words").wait(timeout=60)
        wanted = contents(client, "words", np.arange(240))
    (tmp_path / "new").mkdir()
    (tmp_path / "old" / "snapshots").rename(tmp_path / "new" / "snapshots")
    with gleann.Client(tmp_path / "new") as client:
        assert client.snapshots.list() == [snapshot]
        client.snapshots.restore(snapshot.name, "words").wait(timeout=60)
        assert contents(client, "words", np.arange(240)) == wanted


def test_files_are_shared(tmp_path: Path, fill: Fill) -> None:
    """A sealed version, its snapshot and what is restored of it are the same files."""
    with gleann.Client(tmp_path) as client:
        fill(client)
        snapshot = client.snapshots.create("words").wait(timeout=60)
        client.snapshots.restore(snapshot.name, "again").wait(timeout=60)
    (vectors,) = (tmp_path / "snapshots").glob("*/sealed/data-*/vectors.npy")
    assert vectors.stat().st_nlink == 3
    for manifest in tmp_path.glob("**/manifest.json"):
        assert manifest.stat().st_nlink == 1


def test_without_hard_links(
    tmp_path: Path, rows: np.ndarray, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr("gleann.service.snapshots.creating.os.link", refuse)
    with gleann.Client(tmp_path) as client:
        fill(client)
        snapshot = client.snapshots.create("words").wait(timeout=60)
        client.snapshots.restore(snapshot.name, "again").wait(timeout=60)
        require_same(client, "words", "again", rows)


def test_an_empty_index(client: gleann.Client, rows: np.ndarray) -> None:
    client.create_index("words", dim=8)
    snapshot = client.snapshots.create("words").wait(timeout=60)
    assert snapshot.count == 0
    restored = client.snapshots.restore(snapshot.name, "again").wait(timeout=60)
    assert (restored.count, restored.version, restored.id_type) == (0, 0, None)
    client.upsert("again", ["a"], rows[:1])
    assert client.get_index("again").id_type == "string"


def test_a_moment_while_writes_go_on(
    tmp_path: Path, rows: np.ndarray, quick: BuildParams
) -> None:
    """Each snapshot has a prefix of the changes, though builds replace versions."""
    with gleann.Client(tmp_path) as client:
        client.create_index("words", dim=8, metric="l2")
        stop = threading.Event()

        def write() -> None:
            step = 0
            while not stop.is_set() and step < 1000:
                ids = step * 5 + np.arange(5)
                client.upsert("words", ids, rows[:5] + step)
                if step % 3 == 2:
                    client.delete_vectors("words", ids[:1])
                if step % 20 == 9:
                    client.build("words", quick)
                step += 1

        writer = threading.Thread(target=write)
        writer.start()
        try:
            taken = [
                client.snapshots.create("words").wait(timeout=60) for _ in range(6)
            ]
        finally:
            stop.set()
            writer.join()
        counts = [one.count for one in taken]
        assert counts == sorted(counts)
        for number, one in enumerate(taken):
            if one.count == 0:
                continue
            client.snapshots.restore(one.name, f"at-{number}").wait(timeout=60)
            found = contents(client, f"at-{number}", np.arange(4 * one.count + 40))
            assert found == prefix(one.version.sequence, rows)


def prefix(sequence: int, rows: np.ndarray) -> dict[int, bytes]:
    """What the first changes of `write` leave."""
    held: dict[int, bytes] = {}
    step = 0
    while sequence:
        ids = range(step * 5, step * 5 + 5)
        for place, one in enumerate(ids):
            held[one] = (rows[place] + step).astype(np.float32).tobytes()
        sequence -= 1
        if step % 3 == 2 and sequence:
            del held[ids[0]]
            sequence -= 1
        step += 1
    return held


def test_names_that_are_taken_or_unknown(client: gleann.Client, fill: Fill) -> None:
    fill(client)
    snapshot = client.snapshots.create("words").wait(timeout=60)
    with pytest.raises(errors.AlreadyExistsError, match="'words' already"):
        client.snapshots.restore(snapshot.name, "words")
    for bad in ("", "Words", "a" * 64, "../x"):
        with pytest.raises(errors.InvalidParamsError, match="index must match"):
            client.snapshots.restore(snapshot.name, bad)
    unknown = "snapshots/words-000000000000"
    calls: list[Callable[[], object]] = [
        lambda: client.snapshots.get(unknown),
        lambda: client.snapshots.delete(unknown),
        lambda: client.snapshots.verify(unknown),
        lambda: client.snapshots.restore(unknown, "new"),
        lambda: client.snapshots.export_to(unknown, "/tmp/new"),
    ]
    for call in calls:
        with pytest.raises(errors.UnknownSnapshotError, match="000000000000"):
            call()
    with pytest.raises(errors.UnknownIndexError):
        client.snapshots.create("none")
    client.snapshots.delete(snapshot.name)
    assert client.snapshots.list() == []


def test_a_name_taken_meanwhile(
    tmp_path: Path, rows: np.ndarray, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is left of the restore, and the other index is as it was."""
    from gleann.service.snapshots import restoring

    with gleann.Client(tmp_path) as client:
        fill(client)
        snapshot = client.snapshots.create("words").wait(timeout=60)
        real = restoring.link_version

        def link(source: Path, target: Path) -> None:
            client.create_index("again", dim=3)
            real(source, target)

        monkeypatch.setattr(restoring, "link_version", link)
        with pytest.raises(errors.AlreadyExistsError, match="'again' already"):
            client.snapshots.restore(snapshot.name, "again").wait(timeout=60)
        again = client.get_index("again")
        assert (again.dim, again.count) == (3, 0)
        assert [path.name for path in (tmp_path / "indexes").iterdir()] == ["1"]
    with gleann.Client(tmp_path) as client:
        assert client.get_index("again").dim == 3


def test_a_deletion_while_it_is_in_use(
    client: gleann.Client, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gleann.service.snapshots import transferring

    fill(client)
    snapshot = client.snapshots.create("words").wait(timeout=60)
    reading, go = threading.Event(), threading.Event()
    real = transferring.verify_directory

    def verify(*arguments: Any, **named: Any) -> None:
        reading.set()
        assert go.wait(60)
        real(*arguments, **named)

    monkeypatch.setattr(transferring, "verify_directory", verify)
    operation = client.snapshots.verify(snapshot.name)
    assert reading.wait(60)
    with pytest.raises(errors.NotReadyError, match=operation.name):
        client.snapshots.delete(snapshot.name)
    go.set()
    operation.wait(timeout=60)
    client.snapshots.delete(snapshot.name)
    assert client.snapshots.list() == []


def test_damage_is_named(tmp_path: Path, fill: Fill) -> None:
    with gleann.Client(tmp_path) as client:
        fill(client)
        snapshot = client.snapshots.create("words").wait(timeout=60)
        folder = tmp_path / snapshot.name
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert len(files) >= 10
        for path in files:
            if path.name == "snapshot.json":
                continue
            whole = path.read_bytes()
            # A new file: the index has the old one too.
            path.unlink()
            path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
            with pytest.raises(errors.CorruptDataError, match=path.name):
                client.snapshots.verify(snapshot.name).wait(timeout=60)
            with pytest.raises(errors.CorruptDataError, match=path.name):
                client.snapshots.restore(snapshot.name, "again").wait(timeout=60)
            with pytest.raises(errors.CorruptDataError, match=path.name):
                client.snapshots.export_to(snapshot.name, tmp_path / "x.tar").wait()
            path.write_bytes(whole)
        assert client.snapshots.verify(snapshot.name).wait(timeout=60) == snapshot
        assert [info.name for info in client.list_indexes()] == ["words"]
        assert [path.name for path in (tmp_path / "indexes").iterdir()] == ["1"]
        assert not (tmp_path / "x.tar").exists()


def test_pages_and_repeated_requests(
    client: gleann.Client, stubs: Stubs, fill: Fill
) -> None:
    fill(client)
    first = client.snapshots.create("words", request_id="one")
    again = client.snapshots.create("words", request_id="one")
    assert first.name == again.name
    taken = [first.wait(timeout=60)]
    taken += [client.snapshots.create("words").wait(timeout=60) for _ in range(2)]
    assert client.snapshots.list() == taken
    request = snapshot_pb2.ListSnapshotsRequest(page_size=2)
    page = stubs.snapshot.ListSnapshots(request)
    assert [one.name for one in page.snapshots] == [one.name for one in taken[:2]]
    request.page_token = page.next_page_token
    page = stubs.snapshot.ListSnapshots(request)
    assert [one.name for one in page.snapshots] == [taken[2].name]
    assert not page.next_page_token
    client.snapshots.delete(taken[0].name, request_id="gone")
    client.snapshots.delete(taken[0].name, request_id="gone")
    assert client.snapshots.list() == taken[1:]


@pytest.mark.parametrize("compacted", [False, True])
def test_vectors_that_were_all_deleted_are_in_no_snapshot(
    tmp_path: Path, fill: Fill, rows: np.ndarray, *, compacted: bool
) -> None:
    with gleann.Client(tmp_path) as client:
        fill(client, "old")
        client.delete_vectors("old", where="true")
        if compacted:
            client.optimize("old").wait(timeout=60)
        snapshot = client.snapshots.create("old").wait(timeout=60)
        files = [path for path in (tmp_path / "snapshots").rglob("*") if path.is_file()]
        assert files
        assert not any(rows[7].tobytes() in path.read_bytes() for path in files)
        restored = client.snapshots.restore(snapshot.name, "new").wait(timeout=60)
        before = client.get_index("old")
        assert (restored.count, restored.version) == (0, 0)
        assert (restored.columns, restored.id_type) == (before.columns, before.id_type)
        client.upsert("new", [1], rows[:1])
        assert client.count("new") == 1
