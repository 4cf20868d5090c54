"""Snapshots that move: to other machines, from roots alone, and forged ones."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gleann
from gleann.index import SearchParams, errors
from gleann.service.server import Server
from gleann.service.snapshots.manifest import MANIFEST, read_manifest

Fill = Callable[..., None]


@pytest.mark.parametrize("name", ["words.tar", "folder"])
def test_another_machine_serves_it(
    start_server: Callable[..., Server],
    tmp_path: Path,
    rows: np.ndarray,
    fill: Fill,
    name: str,
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    one = start_server("one", export_roots=(outside,))
    two = start_server("two", import_roots=(outside,))
    with gleann.Client(one.target) as first, gleann.Client(two.target) as second:
        fill(first)
        snapshot = first.snapshots.create("words").wait(timeout=60)
        first.snapshots.export_to(snapshot.name, outside / name).wait(timeout=60)
        imported = second.snapshots.import_from(outside / name).wait(timeout=60)
        assert imported == snapshot
        assert second.snapshots.verify(snapshot.name).wait(timeout=60) == snapshot
        second.snapshots.restore(snapshot.name, "words").wait(timeout=60)
        for params in (SearchParams(k=10), SearchParams(k=3, exact=True)):
            old = first.search("words", rows, params)
            new = second.search("words", rows, params)
            assert np.array_equal(old.ids, new.ids)
            assert np.array_equal(old.distances, new.distances)


def test_roots(start_server: Callable[..., Server], tmp_path: Path, fill: Fill) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    for folder in (inside, outside):
        folder.mkdir()
    (inside / "link").symlink_to(outside)
    with gleann.Client(start_server("none", import_roots=()).target) as client:
        fill(client)
        name = client.snapshots.create("words").wait(timeout=60).name
        with pytest.raises(errors.ForbiddenPathError, match="GLEANN_EXPORT_ROOTS"):
            client.snapshots.export_to(name, inside / "x.tar")
        with pytest.raises(errors.ForbiddenPathError, match="GLEANN_IMPORT_ROOTS"):
            client.snapshots.import_from(inside / "x.tar")
    roots = {"import_roots": (inside,), "export_roots": (inside,)}
    with gleann.Client(start_server("some", **roots).target) as client:
        fill(client)
        name = client.snapshots.create("words").wait(timeout=60).name
        leading_out = (inside / ".." / "out" / "x", inside / "link" / "x")
        for path in (outside / "x.tar", *leading_out, "", "\0"):
            with pytest.raises(errors.ForbiddenPathError):
                client.snapshots.export_to(name, path)
            with pytest.raises(errors.ForbiddenPathError):
                client.snapshots.import_from(path)
        with pytest.raises(errors.MissingFileError, match="is not a directory"):
            client.snapshots.export_to(name, inside / "none" / "x.tar")
        with pytest.raises(errors.MissingFileError, match="No such file"):
            client.snapshots.import_from(inside / "none.tar")
        client.snapshots.export_to(name, inside / "x.tar").wait(timeout=60)
        with pytest.raises(errors.AlreadyExistsError, match=r"x\.tar"):
            client.snapshots.export_to(name, inside / "x.tar")


def test_a_snapshot_that_is_there_is_not_imported_again(
    tmp_path: Path, fill: Fill
) -> None:
    """Another one of its name is not replaced."""
    file = tmp_path / "x" / MANIFEST
    with gleann.Client(tmp_path / "data") as client:
        fill(client)
        made = client.snapshots.create("words").wait(timeout=60)
        client.snapshots.export_to(made.name, tmp_path / "x").wait(timeout=60)
        again = client.snapshots.import_from(tmp_path / "x").wait(timeout=60)
        assert again == made
        manifest = read_manifest(tmp_path / "x")
        file.write_bytes(replace(manifest, created=manifest.created + 1).to_json())
        with pytest.raises(errors.AlreadyExistsError, match=r"words-.* delete it"):
            client.snapshots.import_from(tmp_path / "x")
        assert client.snapshots.list() == [made]


@pytest.mark.parametrize(
    "forged",
    [
        {"dim": 4},
        {"metric": "ip"},
        {"id_type": "string"},
        {"id_type": None},
        {"columns": '[{"name": "year", "type": "int64", "indexed": false}]'},
    ],
)
def test_a_forged_manifest(tmp_path: Path, fill: Fill, forged: dict[str, Any]) -> None:
    """What it says is compared with the files; nothing is left of the restore."""
    with gleann.Client(tmp_path) as client:
        fill(client)
        name = client.snapshots.create("words").wait(timeout=60).name
        file = tmp_path / name / MANIFEST
        manifest = replace(read_manifest(file.parent), **forged)
        file.write_bytes(manifest.to_json())
        with pytest.raises(errors.CorruptDataError):
            client.snapshots.restore(name, "again").wait(timeout=60)
        assert [info.name for info in client.list_indexes()] == ["words"]
        assert [path.name for path in (tmp_path / "indexes").iterdir()] == ["1"]
