"""Files from outside that are pipes: refused at once, never waited for."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gleann.index import BuildParams, SoarIndex, errors
from gleann.index.data.fenced_folder import FencedFolder
from gleann.index.data.npy_file import NpyFile
from gleann.index.data.payload_files import PayloadFile
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Column, Schema
from gleann.index.storage.regular_file import open_regular
from gleann.service.files.vector_files import ParquetVectors
from gleann.service.snapshots.manifest import SnapshotFile
from gleann.service.snapshots.transfer import opened
from gleann.service.snapshots.transferring import manifest_at


def parquet_vectors(path: Path) -> ParquetVectors:
    place = FencedFolder(path.parent)
    return ParquetVectors.open(
        path, vector_column="v", id_column=None, dim=2, place=place
    )


def member(path: Path) -> SnapshotFile:
    with opened(path.parent, path.name) as handle:
        return SnapshotFile(bytes=len(handle.read()), sha256="")


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("v.npy", NpyFile),
        ("v.parquet", parquet_vectors),
        ("p.parquet", PayloadFile.open),
        ("p.csv", PayloadFile.open),
        ("p.jsonl", PayloadFile.open),
        ("s.tar", manifest_at),
        ("ids.npy", member),
    ],
)
@pytest.mark.parametrize("has_writer", [False, True])
def test_pipes(
    tmp_path: Path, name: str, read: Callable[[Path], Any], has_writer: bool
) -> None:
    file = tmp_path / name
    os.mkfifo(file)
    writer = os.open(file, os.O_RDWR | os.O_NONBLOCK) if has_writer else None
    try:
        with pytest.raises(errors.MissingFileError, match="not a regular file"):
            read(file)
    finally:
        if writer is not None:
            os.close(writer)


def test_a_regular_file(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.arange(3))
    (tmp_path / "link.npy").symlink_to(tmp_path / "v.npy")
    with open_regular(tmp_path / "link.npy") as handle:
        assert handle.read(6) == b"\x93NUMPY"
    with pytest.raises(errors.MissingFileError):
        open_regular(tmp_path / "link.npy", os.O_NOFOLLOW)
    with pytest.raises(errors.MissingFileError, match="No such file"):
        open_regular(tmp_path / "none.npy")
    with pytest.raises(errors.MissingFileError, match="not a regular file"):
        open_regular(tmp_path)


def test_pipes_in_a_saved_index(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    quick = BuildParams(metric="l2", nlist=2, tune_queries=0)
    payload = Payload.of({"a": list(range(60))}, Schema([Column("a", "int64")]), n=60)
    SoarIndex.build(rows, quick, payload=payload).save(tmp_path / "index")
    files = [path for path in (tmp_path / "index").rglob("*") if path.is_file()]
    assert {"manifest.json", "payload.arrow", "ids.npy"} <= {f.name for f in files}
    for file in files:
        content = file.read_bytes()
        file.unlink()
        os.mkfifo(file)
        with pytest.raises(errors.GleannError, match="not a regular file"):
            SoarIndex.load(tmp_path / "index")
        file.unlink()
        file.write_bytes(content)
    assert len(SoarIndex.load(tmp_path / "index")) == 60
