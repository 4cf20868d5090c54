"""Builds of files in object stores: those of the disk, and a store that goes away."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bucket import Bucket, serving

from gleann.index import BuildParams
from gleann.index.data import stores
from gleann.index.errors import CorruptDataError, MissingFileError
from gleann.index.payload.schema import Schema
from gleann.index.shards.build.build import Asked, ask_for, build_shards
from gleann.index.shards.build.sources import Wanted
from tests.support.shard_builds import assert_same_index, files_of, write_parquet

pytest.importorskip("obstore", reason="needs obstore (extra cloud)")

N, DIM = 600, 12
PARAMS = BuildParams(nlist=9, tune_queries=30)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files that a bucket has, too."""
    rows = np.random.default_rng(0).standard_normal((N, DIM), dtype=np.float32)
    ids = [f"p{n}" for n in range(N)]
    write_parquet(tmp_path / "in/pages", rows, ids=ids, groups=70, n=range(N))
    np.save(tmp_path / "in/rows.npy", rows)
    return tmp_path / "in"


@pytest.fixture
def s3(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """The files as s3://bucket/..., by the environment that obstore reads."""
    with serving(folder) as bucket:
        for name, value in bucket.environment.items():
            monkeypatch.setenv(name, value)
        yield bucket


def asked_for(source: str, **options: Any) -> Asked:
    schema = Schema.of({"n": "int64"}) if "pages" in source else Schema()
    block = 100 * 4 * DIM
    wanted = Wanted(schema=schema)
    return ask_for(
        [source], PARAMS, shards=3, block_bytes=block, wanted=wanted, **options
    )


@pytest.mark.parametrize("name", ["pages", "pages/*.parquet", "rows.npy"])
@pytest.mark.parametrize("base", ["file", "s3"])
def test_rows_of_a_store_are_those_of_the_disk(
    tmp_path: Path, folder: Path, s3: Bucket, name: str, base: str
) -> None:
    url = f"s3://bucket/{name}" if base == "s3" else f"file://{folder}/{name}"
    build_shards(asked_for(url), tmp_path / "stored", threads=1)
    build_shards(asked_for(str(folder / name)), tmp_path / "here", threads=1)
    assert_same_index(tmp_path / "stored", tmp_path / "here")
    assert (base == "s3") == bool(s3.asked)


@pytest.mark.parametrize("name", ["pages", "rows.npy"])
def test_a_store_that_does_not_answer_is_named_and_the_build_goes_on(
    tmp_path: Path, s3: Bucket, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """It is silent from the third block on; what is placed is not asked for again."""
    asked, out = asked_for(f"s3://bucket/{name}"), tmp_path / "out"

    def silent_after_two(
        function: Callable[[Any], Any], tasks: Iterable[Any]
    ) -> Iterator[Any]:
        for number, task in enumerate(tasks):
            if number == 2:
                monkeypatch.setattr(stores, "PATIENCE", 0.2)
                s3.answering.clear()
            yield function(task)

    with pytest.raises(MissingFileError, match=f"^s3://bucket/{name}"):
        build_shards(asked, out, threads=1, runner=silent_after_two)
    assert [path.name for path in out.iterdir()] == [".building"]
    assert not list(out.rglob("tmp-*"))
    monkeypatch.setattr(stores, "PATIENCE", 60.0)
    s3.answering.set()
    s3.asked.clear()
    assert build_shards(asked, out, threads=1).resumed == 2
    again = list(s3.asked)
    s3.asked.clear()
    build_shards(asked, tmp_path / "calm", threads=1)
    assert files_of(out) == files_of(tmp_path / "calm")
    assert len(again) < len(s3.asked)


@pytest.mark.usefixtures("s3")
def test_a_stored_file_that_is_not_there_is_named() -> None:
    with pytest.raises(MissingFileError, match=r"s3://bucket/gone\.npy"):
        asked_for("s3://bucket/gone.npy")


def test_a_stored_file_that_is_replaced_meanwhile_is_refused(
    tmp_path: Path, folder: Path
) -> None:
    """By its size, which has another number of rows; or by what the store tells."""
    asked = asked_for(f"file://{folder}/rows.npy")
    np.save(folder / "rows.npy", np.ones((N, DIM), np.float32))
    with pytest.raises(CorruptDataError, match=r"rows\.npy was changed since"):
        build_shards(asked, tmp_path / "out", threads=1)
    np.save(folder / "rows.npy", np.ones((N + 1, DIM), np.float32))
    with pytest.raises(CorruptDataError, match=r"had 600 vectors .* has 601"):
        build_shards(asked, tmp_path / "out", threads=1)
    assert not (tmp_path / "out/shards.json").exists()
