"""Snapshots of a data directory: what is swept, and manifests that are refused."""

import json
import os
from hashlib import sha256
from pathlib import Path

import pytest
from snapshot_archives import MANIFEST_OF, NAME, exported

from gleann.index import errors
from gleann.service.snapshots.archive import MANIFEST
from gleann.service.snapshots.manifest import (
    parse_manifest,
)
from gleann.service.snapshots.shelf import Shelf
from gleann.service.snapshots.transferring import (
    manifest_at,
)


def test_a_shelf_sweeps_what_is_unfinished(shelf: Shelf) -> None:
    for name in (".new-1", ".gone-2"):
        (shelf.folder / name).mkdir()
        (shelf.folder / name / "file").write_text("x")
    shelf.sweep()
    assert [path.name for path in shelf.folder.iterdir()] == [NAME]


def test_a_manifest_that_is_no_file(shelf: Shelf, tmp_path: Path) -> None:
    """A read of a pipe would wait for ever, and a link leads anywhere."""
    (tmp_path / "pipe").mkdir()
    os.mkfifo(tmp_path / "pipe" / MANIFEST)
    with pytest.raises(errors.MissingFileError, match="not a regular file"):
        manifest_at(tmp_path / "pipe")
    # Some pipe that has a writer: a read would find nothing, for now.
    writer = os.open(tmp_path / "pipe" / MANIFEST, os.O_RDWR | os.O_NONBLOCK)
    with pytest.raises(errors.MissingFileError, match="not a regular file"):
        manifest_at(tmp_path / "pipe")
    os.close(writer)
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / MANIFEST).symlink_to(shelf.path(NAME) / MANIFEST)
    with pytest.raises(errors.MissingFileError):
        manifest_at(tmp_path / "link")


def test_damaged_manifests(shelf: Shelf) -> None:
    """A damaged one is not listed, is named by `get`, and can be removed."""
    file = shelf.path(NAME) / MANIFEST
    whole = file.read_bytes()
    for content in (b"", b"[]", b"\xff", whole[:-9], whole.replace(b"words", b"wards")):
        file.write_bytes(content)
        assert shelf.listed() == []
        with pytest.raises(errors.CorruptDataError, match=r"snapshot\.json"):
            shelf.get(NAME)
    file.write_bytes(whole)
    shelf.path(NAME).rename(shelf.folder / "words-000000000000")
    with pytest.raises(errors.CorruptDataError, match="was renamed"):
        shelf.get("snapshots/words-000000000000")
    gone = shelf.remove("snapshots/words-000000000000")
    assert not shelf.holds("words-000000000000")
    shelf.clear(gone)
    assert not list(shelf.folder.iterdir())


@pytest.mark.parametrize("name", ["", "snapshots/", "../..", "snapshots/../x", "a\0"])
def test_names_that_no_snapshot_has(shelf: Shelf, name: str) -> None:
    with pytest.raises(errors.UnknownSnapshotError):
        shelf.get(name)
    with pytest.raises(errors.UnknownSnapshotError):
        shelf.remove(name)


HOSTILE = {
    "name": ["", "../x", "words", "words-0123456789ab/..", 1],
    "index": ["", "Words", "a" * 64, None],
    "dim": [0, -1, 1 << 20, 1.5, True, "4"],
    "metric": ["", "L2", 3],
    "id_type": ["", "uuid", 1],
    "count": [-1, 1 << 70, None, True],
    "sealed": [-1, 1 << 63],
    "sequence": [-1, 1 << 64],
    "columns": ["", "{}", "[1]", '[{"name": "id", "type": "int64"}]', "[" * 9999],
    "optimizer": ["", "[]", '{"none": 1}', '{"drift": -1}', "{" * 9999],
    "where": [None, 3, "\ud800"],
    "parameters": [None, "", "{", "3"],
    "created": [-1, 1e300, float("nan"), float("inf"), "now"],
    "files": [
        None,
        [],
        {"../x": {"bytes": 1, "sha256": "0" * 64}},
        {"/x": {"bytes": 1, "sha256": "0" * 64}},
        {"sealed/data-0123456789abcdef/../x.npy": {"bytes": 1, "sha256": "0" * 64}},
        {"newer.arrow": {"bytes": -1, "sha256": "0" * 64}},
        {"newer.arrow": {"bytes": 1 << 60, "sha256": "0" * 64}},
        {"newer.arrow": {"bytes": 1, "sha256": "0"}},
        {"newer.arrow": {"bytes": 1}},
        {"newer.arrow": []},
    ],
    "more": [1],
    "version": [0, 2, "1", True],
}


@pytest.mark.parametrize("key", HOSTILE)
def test_manifests_that_are_signed_but_wrong(key: str) -> None:
    """Who makes an archive signs its manifest too: every value of it is checked."""
    for value in HOSTILE[key]:
        content = json.loads(MANIFEST_OF.to_json())
        del content["checksum"]
        content[key] = value
        packed = json.dumps(content, sort_keys=True)
        content["checksum"] = sha256(packed.encode()).hexdigest()
        with pytest.raises(errors.CorruptDataError, match="shown"):
            parse_manifest(json.dumps(content).encode(), shown="shown")


def test_a_file_that_cannot_be_removed_hides_no_error(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shelf.path(f"snapshots/{NAME}") / "newer.arrow").write_bytes(b"rots" * 1000)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(errors.CorruptDataError, match=r"newer\.arrow"):
        exported(shelf, tmp_path / "x.tar")
