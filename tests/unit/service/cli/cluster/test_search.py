"""`gleann cluster search` where a shard is lost in its midst; without Ray."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from lossy_shards import Lossy

from gleann.index import BuildParams, SoarIndex
from gleann.index.shards.cut import cut
from gleann.index.shards.sharded_index import ShardedIndex
from gleann.service.cli import searching
from gleann.service.cli.main import run
from gleann.service.cluster import session
from gleann.service.cluster.search import opened

N, NQ, BLOCK = 300, 12, 4


@pytest.fixture
def shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lossy:
    rows = np.random.default_rng(0).standard_normal((N, 8)).astype(np.float32)
    index = SoarIndex.build(
        rows, BuildParams(nlist=4), payload={"size": np.arange(N) % 7}
    )
    index.save(tmp_path / "one")
    manifest = cut(index, tmp_path / "cut", shards=3)
    np.save(tmp_path / "queries.npy", rows[:NQ])
    shards = Lossy.load(tmp_path / "cut", manifest)
    assert isinstance(shards, Lossy)

    @contextmanager
    def held(*_: object, **__: object) -> Iterator[ShardedIndex]:
        yield ShardedIndex(shards, manifest)

    monkeypatch.setattr(opened, "held", held)
    monkeypatch.setattr(session, "joined", lambda *_, **__: nullcontext())
    for name in ("QUERY_BLOCK", "RADIUS_BLOCK"):
        monkeypatch.setattr(searching, name, BLOCK)
    return shards


@pytest.mark.parametrize(
    ("more", "questions"),
    [
        (["--exact"], 1),
        (["--exact", "--columns", "size"], 2),
        (["--radius", "1.2"], 1),
        (["--radius", "1.2", "--columns", "size"], 2),
    ],
)
def test_what_was_found_in_a_shard_that_is_lost_later_is_written(
    shards: Lossy,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    questions: int,
) -> None:
    """The first block is answered by all shards, and the others by two of three."""
    shards.lost, shards.after = frozenset({1}), questions + 1  # and what they are
    tables = []
    for words, name in ((["search"], "one"), (["cluster", "search"], "cut")):
        out = tmp_path / f"{name}.parquet"
        files = [str(tmp_path / name), str(tmp_path / "queries.npy"), "--out", str(out)]
        assert run([*words, *files, *more]) == 0
        tables.append(pq.read_table(out).to_pylist())
    said = capsys.readouterr().err
    assert f"covers {1 - len(shards.of(1)) / N:.1%}" in said
    whole, found = ([r for r in one if r["query"] < BLOCK] for one in tables)
    assert found == whole
    later = {row["id"] for row in tables[1] if row["query"] >= BLOCK}
    assert later
    assert not later & set(shards.of(1).ids.tolist())
