"""Snapshots outside the data directory: what is taken in, and what is refused."""

import io
import os
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from snapshot_archives import CONTENT, MANIFEST_OF, NAME, exported, files_in, ignore

from gleann.index import Progress, errors
from gleann.service.snapshots import transfer
from gleann.service.snapshots.archive import MANIFEST
from gleann.service.snapshots.shelf import Shelf
from gleann.service.snapshots.transferring import (
    export_snapshot,
    import_snapshot,
    verify_archive,
    verify_directory,
)
from gleann.service.state import disk_room


@pytest.mark.parametrize("name", ["x.tar", "folder"])
def test_there_and_back(shelf: Shelf, other: Shelf, tmp_path: Path, name: str) -> None:
    target = exported(shelf, tmp_path / name)
    assert import_snapshot(target, other, report=ignore) == MANIFEST_OF
    assert files_in(other.path(NAME)) == files_in(shelf.path(NAME))
    assert other.listed() == shelf.listed() == [MANIFEST_OF]
    assert other.listed("words") == [MANIFEST_OF]
    assert other.listed("other") == []
    with pytest.raises(errors.AlreadyExistsError, match=NAME):
        import_snapshot(target, other, report=ignore)
    with pytest.raises(errors.AlreadyExistsError, match=name):
        exported(shelf, target)


def test_an_export_is_for_its_owner_only(shelf: Shelf, tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        for name in ("x.tar", "folder"):
            mode = exported(shelf, tmp_path / name).stat().st_mode
            assert not stat.S_IMODE(mode) & 0o077
    finally:
        os.umask(old)


def test_a_tar_file_is_one_that_others_read(shelf: Shelf, tmp_path: Path) -> None:
    with tarfile.open(exported(shelf, tmp_path / "x.tar")) as archive:
        assert archive.getnames() == [MANIFEST, *MANIFEST_OF.files]
        content = archive.extractfile("newer.arrow")
        assert content is not None
        assert content.read() == CONTENT["newer.arrow"]


Change = Callable[[tarfile.TarInfo, bytes], list[tuple[tarfile.TarInfo, bytes]]]


def rewritten(source: Path, target: Path, change: Change) -> Path:
    """A copy of a tar file with changed members."""
    with tarfile.open(source) as old, tarfile.open(target, "w") as new:
        for member in old:
            content = old.extractfile(member)
            assert content is not None
            for info, data in change(member, content.read()):
                if info.isreg() and info.size == member.size:
                    info.size = len(data)
                new.addfile(info, io.BytesIO(data))
    return target


def member(name: str, **values: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for key, value in values.items():
        setattr(info, key, value)
    return info


def beside(*extra: tuple[tarfile.TarInfo, bytes]) -> Change:
    """More members after newer.arrow."""
    return lambda info, data: [
        (info, data),
        *(extra if info.name == "newer.arrow" else []),
    ]


def instead(name: str, replacement: list[tuple[tarfile.TarInfo, bytes]]) -> Change:
    return lambda info, data: replacement if info.name == name else [(info, data)]


def bent(info: tarfile.TarInfo, data: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
    if not info.name.endswith("vectors.npy"):
        return [(info, data)]
    return [(info, data[:-1] + bytes([data[-1] ^ 1]))]


LINK = member("newer.arrow", type=tarfile.SYMTYPE, linkname="/etc/passwd")
HARD = member("newer.arrow", type=tarfile.LNKTYPE, linkname=MANIFEST)
DEVICE = member("newer.arrow", type=tarfile.CHRTYPE, devmajor=1, devminor=5)
PIPE = member("newer.arrow", type=tarfile.FIFOTYPE)
FOLDER = member("sealed", type=tarfile.DIRTYPE)
TAMPERED: dict[str, tuple[Change, type[errors.GleannError], str]] = {
    "a changed byte": (bent, errors.CorruptDataError, "vectors.npy has sha256"),
    "an absolute path": (
        beside((member("/tmp/x", size=1), b"x")), errors.InvalidInputError, "/tmp/x",
    ),
    "a path outside": (
        beside((member("../x", size=1), b"x")), errors.InvalidInputError, r"\.\./x",
    ),
    "a hidden path outside": (
        beside((member("sealed/../../x", size=1), b"x")),
        errors.InvalidInputError, "not in its manifest",
    ),
    "a link": (beside((LINK, b"")), errors.InvalidInputError, "not an ordinary file"),
    "a hard link": (beside((HARD, b"")), errors.InvalidInputError, "not an ordinary"),
    "a device": (beside((DEVICE, b"")), errors.InvalidInputError, "not an ordinary"),
    "a pipe": (beside((PIPE, b"")), errors.InvalidInputError, "not an ordinary"),
    "a folder": (beside((FOLDER, b"")), errors.InvalidInputError, "not an ordinary"),
    "a link in place of a file": (
        instead("newer.arrow", [(LINK, b"")]), errors.InvalidInputError, "ordinary",
    ),
    "a file twice": (
        beside((member("newer.arrow", size=4000), CONTENT["newer.arrow"])),
        errors.InvalidInputError, "twice",
    ),
    "a manifest twice": (
        beside((member(MANIFEST, size=2), b"{}")),
        errors.InvalidInputError, "not in its manifest",
    ),
    "an unknown file": (
        beside((member("more.arrow", size=1), b"x")),
        errors.InvalidInputError, "'more.arrow' that is not in its manifest",
    ),
    "a longer file": (
        instead("newer.arrow", [(member("newer.arrow", size=4001), b"x" * 4001)]),
        errors.CorruptDataError, "4001 bytes, its manifest says 4000",
    ),
    "a missing file": (
        instead("newer.arrow", []), errors.CorruptDataError, "lacks its file 'newer",
    ),
    "no manifest": (
        instead(MANIFEST, []), errors.InvalidInputError, f"not begin with {MANIFEST}",
    ),
    "a long manifest": (
        instead(MANIFEST, [(member(MANIFEST, size=1 << 25), bytes(1 << 25))]),
        errors.InvalidInputError, "at most 16777216 are read",
    ),
    "another manifest": (
        instead(MANIFEST, [(member(MANIFEST, size=2), b"{}")]),
        errors.CorruptDataError, "not a gleann-snapshot manifest",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TAMPERED)
def test_tampered_archives(
    shelf: Shelf, other: Shelf, tmp_path: Path, case: str
) -> None:
    change, kind, says = TAMPERED[case]
    whole = exported(shelf, tmp_path / "x.tar")
    file = rewritten(whole, tmp_path / "y.tar", change)
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(kind, match=says) as refused:
        import_snapshot(file, other, report=ignore)
    assert type(refused.value) is kind
    with pytest.raises(kind, match=says):
        verify_archive(file, report=ignore)
    assert other.listed() == []
    assert not list(other.folder.iterdir())
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_an_archive_cut_anywhere(shelf: Shelf, other: Shelf, tmp_path: Path) -> None:
    whole = exported(shelf, tmp_path / "x.tar").read_bytes()
    file = tmp_path / "y.tar"
    for size in (0, 100, 512, 700, 3000, 20_000, len(whole) // 2, len(whole) - 12_000):
        file.write_bytes(whole[:size])
        with pytest.raises((errors.CorruptDataError, errors.InvalidInputError)):
            import_snapshot(file, other, report=ignore)
        assert not list(other.folder.iterdir())


def test_archives_with_random_bytes_changed(
    shelf: Shelf, other: Shelf, tmp_path: Path
) -> None:
    """Each is refused with an error of gleann, or has the very same content."""
    import numpy as np

    whole = exported(shelf, tmp_path / "x.tar").read_bytes()
    rng = np.random.default_rng(0)
    file = tmp_path / "y.tar"
    headers = range(0, 20_000, 512)
    for _ in range(150):
        changed = bytearray(whole)
        for _ in range(rng.integers(1, 4)):
            at = headers[rng.integers(len(headers))] + int(rng.integers(512))
            changed[at] = rng.integers(256)
        file.write_bytes(changed)
        try:
            import_snapshot(file, other, report=ignore)
        except (errors.CorruptDataError, errors.InvalidInputError):
            assert not list(other.folder.iterdir())
            continue
        assert files_in(other.path(NAME)) == files_in(shelf.path(NAME))
        other.clear(other.remove(NAME))


def test_a_header_that_claims_much_memory(
    shelf: Shelf, other: Shelf, tmp_path: Path
) -> None:
    """An extended header of 8 GiB would be read whole, before its size is known."""
    whole = exported(shelf, tmp_path / "x.tar").read_bytes()
    for kind in (tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XGLTYPE):
        header = member("header", type=kind, size=(1 << 33) - 1)
        file = tmp_path / "y.tar"
        file.write_bytes(header.tobuf(tarfile.GNU_FORMAT) + whole)
        with pytest.raises(errors.CorruptDataError, match="header of"):
            import_snapshot(file, other, report=ignore)


@pytest.mark.parametrize(
    ("make", "kind", "says"),
    [
        (lambda at: (at / "x").write_text("x"), errors.InvalidInputError, "'x'"),
        (lambda at: (at / "x").symlink_to("/etc"), errors.InvalidInputError, "neither"),
        (lambda at: os.mkfifo(at / "x"), errors.InvalidInputError, "neither"),
        (lambda at: (at / "newer.arrow").unlink(), errors.CorruptDataError, "lacks"),
        (
            lambda at: (at / "newer.arrow").write_bytes(b"x" * 4000),
            errors.CorruptDataError,
            "sha256",
        ),
        (
            lambda at: (at / "newer.arrow").write_bytes(b"x"),
            errors.CorruptDataError,
            "1 bytes, its manifest says 4000",
        ),
        (
            lambda at: (at / MANIFEST).unlink(),
            errors.MissingFileError,
            "no snapshot in",
        ),
    ],
)
def test_tampered_directories(
    shelf: Shelf,
    other: Shelf,
    tmp_path: Path,
    make: Callable[[Path], object],
    kind: type[errors.GleannError],
    says: str,
) -> None:
    folder = exported(shelf, tmp_path / "folder")
    make(folder)
    with pytest.raises(kind, match=says):
        import_snapshot(folder, other, report=ignore)
    assert not other.listed()
    if kind is not errors.MissingFileError:
        with pytest.raises(kind, match=says):
            verify_directory(folder, MANIFEST_OF, report=ignore)


def test_a_link_in_place_of_a_file_is_not_followed(
    shelf: Shelf, other: Shelf, tmp_path: Path
) -> None:
    folder = exported(shelf, tmp_path / "folder")
    (folder / "newer.arrow").rename(tmp_path / "elsewhere")
    (folder / "newer.arrow").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(errors.InvalidInputError, match="neither a file nor"):
        import_snapshot(folder, other, report=ignore)


@pytest.mark.parametrize("name", ["x.tar", "folder"])
def test_without_room_on_the_disk(
    shelf: Shelf,
    other: Shelf,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    target = exported(shelf, tmp_path / name)
    room = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(disk_room.shutil, "disk_usage", lambda _: room)
    with pytest.raises(
        errors.StorageError, match=r"takes about 3552578 bytes.* 1000 are free"
    ):
        import_snapshot(target, other, report=ignore)
    with pytest.raises(errors.StorageError, match="1000 are free"):
        exported(shelf, tmp_path / f"2{name}")
    assert not list(other.folder.iterdir())


@pytest.mark.parametrize("name", ["x.tar", "folder"])
@pytest.mark.parametrize("moment", ["write", "fsync", "rename"])
def test_a_disk_that_refuses(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str,
    moment: str,
) -> None:  # fmt: skip
    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    if moment == "write":
        monkeypatch.setattr(transfer.CheckedReader, "read", refuse)
    elif moment == "fsync":
        monkeypatch.setattr(os, "fsync", refuse)
    else:
        monkeypatch.setattr(Path, "rename", refuse)
        monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(errors.StorageError, match="No space left"):
        exported(shelf, tmp_path / name)
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_stop_leaves_nothing(shelf: Shelf, other: Shelf, tmp_path: Path) -> None:
    target = exported(shelf, tmp_path / "x.tar")

    def stop(progress: Progress) -> None:
        if progress.done > 2_000_000:
            raise errors.CancelledError("stopped")

    with pytest.raises(errors.CancelledError):
        import_snapshot(target, other, report=stop)
    assert not list(other.folder.iterdir())
    with pytest.raises(errors.CancelledError):
        export_snapshot(shelf.path(NAME), MANIFEST_OF, tmp_path / "y", report=stop)
    assert not (tmp_path / "y").exists()
