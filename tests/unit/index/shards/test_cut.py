"""Shards cut from an index have its rows and lists; their manifest names them."""

import errno
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gleann.index import BuildParams, SearchParams, SoarIndex
from gleann.index.errors import (
    AlreadyExistsError,
    CorruptDataError,
    InvalidParamsError,
    MissingFileError,
    StorageError,
)
from gleann.index.lists import assignment
from gleann.index.shards.cut import cut
from gleann.index.shards.manifest import (
    MANIFEST,
    is_sharded,
    read,
    require_shard,
    shard_name,
)
from gleann.index.shards.placing import shards_of
from gleann.index.storage.manifest import manifest_checksum
from gleann.index.texts import Texts

N, DIM = 1500, 12
PARAMS = BuildParams(nlist=20, spill="soar", tune_queries=64)


@pytest.fixture(scope="module", params=["integers", "strings"])
def index(request: pytest.FixtureRequest) -> SoarIndex:
    rng = np.random.default_rng(0)
    ids = rng.permutation(N) * 7
    named = ids if request.param == "integers" else [f"ïd {value}" for value in ids]
    rows = rng.standard_normal((N, DIM)).astype(np.float32)
    payload = {"length": rng.integers(100, size=N)}
    return SoarIndex.build(rows, PARAMS, ids=named, payload=payload)


@pytest.mark.parametrize("shards", [1, 2, 5])
def test_shards_hold_the_rows_and_lists_of_the_index(
    tmp_path: Path, index: SoarIndex, shards: int
) -> None:
    manifest = cut(index, tmp_path / "cut", shards=shards)
    assert read(tmp_path / "cut") == manifest
    assert is_sharded(tmp_path / "cut")
    assert manifest.n == N
    assert manifest.unpacked() == index.header
    placed = shards_of(index.held_ids, shards)
    whole = assignment(index.data.lists, n=N)
    for number, shard in enumerate(manifest.shards):
        require_shard(tmp_path / "cut", shard)
        part = SoarIndex.load(tmp_path / "cut" / shard.directory)
        rows = np.flatnonzero(placed == number)
        assert len(part) == len(rows) == shard.n
        np.testing.assert_array_equal(part.ids, index.ids[rows])
        np.testing.assert_array_equal(part.vectors, index.vectors[rows])
        np.testing.assert_array_equal(
            part.data.codes.values, index.data.codes[rows].values
        )
        np.testing.assert_array_equal(part.data.centroids, index.data.centroids)
        for mine, theirs in zip(
            assignment(part.data.lists, n=len(part)), whole, strict=True
        ):
            np.testing.assert_array_equal(mine, theirs[rows])
        assert part.payload is not None
        assert index.payload is not None
        assert part.payload.to_pylist() == index.payload.take(rows).to_pylist()


def test_shards_read_what_the_index_reads(tmp_path: Path, index: SoarIndex) -> None:
    manifest = cut(index, tmp_path / "cut", shards=3)
    parts = [
        SoarIndex.load(tmp_path / "cut" / shard.directory) for shard in manifest.shards
    ]
    queries = np.random.default_rng(1).standard_normal((9, DIM)).astype(np.float32)
    asked = SearchParams(k=10, nprobe=4)
    read_ = sum(p.search(queries, asked).stats.entries_scanned for p in parts)
    assert read_ == index.search(queries, asked).stats.entries_scanned


def test_a_shard_without_rows_has_no_index(tmp_path: Path) -> None:
    index = SoarIndex.build(np.eye(3, dtype=np.float32), BuildParams(nlist=1))
    manifest = cut(index, tmp_path / "cut", shards=40)
    assert sorted(shard.n for shard in manifest.shards)[-4:] == [0, 1, 1, 1]
    for shard in manifest.shards:
        require_shard(tmp_path / "cut", shard)


def test_the_shard_of_an_id_never_changes() -> None:
    """Golden: shards that were written are read by later versions."""
    integers = np.array([0, 1, 2, 3, 2**62], np.int64)
    np.testing.assert_array_equal(shards_of(integers, 1000), GOLDEN_INTEGERS)
    texts = Texts.of_texts(["a", "b", "ü", "a" * 100])
    np.testing.assert_array_equal(shards_of(texts, 1000), GOLDEN_TEXTS)


GOLDEN_INTEGERS = [535, 465, 110, 53, 75]
GOLDEN_TEXTS = [928, 668, 525, 221]


def test_neighbouring_ids_are_spread_evenly() -> None:
    counts = np.bincount(shards_of(np.arange(100_000), 8))
    assert abs(counts - 12_500).max() < 5 * np.sqrt(12_500)


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    index = SoarIndex.build(np.eye(8, dtype=np.float32), BuildParams(nlist=1))
    cut(index, tmp_path / "whole", shards=2)
    return tmp_path / "whole"


def test_what_cannot_be_cut(tmp_path: Path, whole: Path) -> None:
    index = SoarIndex.build(np.eye(8, dtype=np.float32), BuildParams(nlist=1))
    with pytest.raises(AlreadyExistsError):
        cut(index, whole, shards=2)
    with pytest.raises(InvalidParamsError, match="at least 1, got 0"):
        cut(index, tmp_path / "none", shards=0)
    with pytest.raises(InvalidParamsError, match="at most 4096, got 4097"):
        cut(index, tmp_path / "none", shards=4097)
    assert not (tmp_path / "none").exists()


def test_what_another_made_meanwhile_stays(
    tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is not taken for what was cut."""
    index, rename = SoarIndex.load(whole / shard_name(0)), Path.rename

    def late(self: Path, target: Path) -> Path:
        if target == tmp_path / "cut":
            rename(whole, target)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", late)
    with pytest.raises(AlreadyExistsError, match="by somebody else meanwhile"):
        cut(index, tmp_path / "cut", shards=2)
    assert read(tmp_path / "cut").n == 8
    assert [path.name for path in tmp_path.iterdir()] == ["cut"]


@pytest.mark.parametrize("name", ["publish", "publish_empty"])
def test_a_disk_that_is_full_at_the_end_of_a_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    index = SoarIndex.build(np.eye(8, dtype=np.float32), BuildParams(nlist=1))
    monkeypatch.setattr(f"gleann.index.shards.cut.{name}", full)
    with pytest.raises(StorageError, match="No space left"):
        cut(index, tmp_path / "cut", shards=40)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    assert cut(index, tmp_path / "cut", shards=40).n == 8


FULL_DISK = """
import resource, sys
import numpy as np
from gleann.index import BuildParams, SoarIndex
from gleann.index.errors import StorageError
from gleann.index.shards.cut import cut

rows = np.random.default_rng(0).standard_normal((900, 12), dtype=np.float32)
index = SoarIndex.build(rows, BuildParams(nlist=9), payload={"n": range(900)})
for most in (100, 5000, 12000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
    try:
        cut(index, sys.argv[1], shards=3)
    except StorageError as error:
        print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
cut(index, sys.argv[2], shards=3)
"""


def test_a_full_disk_leaves_nothing_of_a_cut(tmp_path: Path) -> None:
    """The kernel refuses writes beyond so many bytes a file."""
    words = [str(tmp_path / "in/cut"), str(tmp_path / "in/whole")]
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, *words],
        capture_output=True,
        text=True,
        check=True,
    )
    said = done.stdout.splitlines()
    assert len(said) == 3
    for line in said:
        assert line.startswith(f"could not save to {tmp_path}/in/tmp-cut-")
        assert line.endswith(": File too large")
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["whole"]
    assert read(tmp_path / "in/whole").n == 900


def _edit(
    change: Callable[[dict[str, Any]], object], *, signed: bool = False
) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        content = json.loads((folder / MANIFEST).read_text())
        change(content)
        if signed:
            content["checksum"] = manifest_checksum(content)
        (folder / MANIFEST).write_text(json.dumps(content))

    return edit


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_edit(lambda content: content.update(n=7)), "checksum"),
        (_edit(lambda content: content.update(version=2)), "version 2"),
        (lambda folder: (folder / MANIFEST).write_text("{"), "not JSON"),
        (_edit(lambda content: content.update(n=7), signed=True), "contradicts itself"),
        (_edit(lambda content: content.pop("index"), signed=True), "lacks something"),
        (_edit(lambda content: content.pop("dim"), signed=True), "lacks something"),
        (_edit(lambda content: content.update(index=[]), signed=True), "contradicts"),
        (_edit(lambda content: content.update(shards=[], n=0), signed=True), "contra"),
        (
            _edit(lambda content: content["shards"][0].update(n=-1), signed=True),
            "contradicts itself",
        ),
    ],
)
def test_damaged_manifests(
    whole: Path, damage: Callable[[Path], None], said: str
) -> None:
    damage(whole)
    with pytest.raises(CorruptDataError, match=said):
        read(whole)


def test_shards_that_are_missing_or_of_another_build(
    tmp_path: Path, whole: Path
) -> None:
    first, second = read(whole).shards
    other = SoarIndex.build(2 * np.eye(8, dtype=np.float32) + 1, BuildParams(nlist=1))
    cut(other, tmp_path / "other", shards=2)
    (whole / first.directory).rename(tmp_path / "moved")
    with pytest.raises(MissingFileError, match=shard_name(0)):
        require_shard(whole, first)
    (tmp_path / "other" / first.directory).rename(whole / first.directory)
    with pytest.raises(CorruptDataError, match="another build"):
        require_shard(whole, first)
    require_shard(whole, second)
    with pytest.raises(MissingFileError, match="no index in shards"):
        read(tmp_path / "moved")
