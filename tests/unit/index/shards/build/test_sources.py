"""Files of a build: which there are, what is in them, and their blocks."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gleann.index.errors import InvalidInputError, MissingFileError
from gleann.index.shards.build.named_files import NamedFile, list_files
from gleann.index.shards.build.sources import (
    Input,
    SourceFile,
    Wanted,
    describe_files,
    runs_of,
)
from tests.support.shard_builds import write_parquet


def source(n: int, *ends: int) -> SourceFile:
    file = NamedFile(source="a", name="a", kind="parquet", root=None, is_url=False)
    return SourceFile(
        file=file, stamp="", n=n, dim=1, id_column=None, id_kind="integers", ends=ends
    )


@pytest.mark.parametrize(
    ("n", "ends", "wanted"),
    [
        (25, (), [(0, 10), (10, 20), (20, 25)]),
        (10, (), [(0, 10)]),
        (0, (), []),
        (25, (25,), [(0, 10), (10, 20), (20, 25)]),
        (24, (4, 8, 12, 16, 20, 24), [(0, 8), (8, 16), (16, 24)]),
        (31, (7, 30, 31), [(0, 7), (7, 17), (17, 27), (27, 30), (30, 31)]),
        (20, (10, 20), [(0, 10), (10, 20)]),
    ],
)
def test_blocks_are_whole_row_groups_or_parts_of_one(
    n: int, ends: tuple[int, ...], wanted: list[tuple[int, int]]
) -> None:
    found = Input(sources=(source(3), source(n, *ends)), wanted=Wanted())
    blocks = found.blocks(block_bytes=40)
    assert [(b.start, b.stop) for b in blocks] == [(0, 3), *wanted]
    assert [b.first for b in blocks] == [0, *(3 + start for start, _ in wanted)]
    assert [b.number for b in blocks] == list(range(len(blocks)))


def test_blocks_of_one_row_group_go_together() -> None:
    files = source(25), source(31, 7, 30, 31), source(24, 12, 24)
    blocks = Input(sources=files, wanted=Wanted()).blocks(block_bytes=40)
    runs = [[(b.start, b.stop) for b in run] for run in runs_of(blocks)]
    assert runs == [
        [(0, 10)],
        [(10, 20)],
        [(20, 25)],
        [(0, 7)],
        [(7, 17), (17, 27), (27, 30)],
        [(30, 31)],
        [(0, 10), (10, 12)],
        [(12, 22), (22, 24)],
    ]
    missing = [block for block in blocks if block.start not in (17, 22)]
    left = [[block.start for block in run] for run in runs_of(missing)]
    assert left[4:] == [[7, 27], [30], [0, 10], [12]]


def test_row_groups_of_files_are_known(tmp_path: Path) -> None:
    write_parquet(tmp_path / "in", np.ones((100, 2)), files=1, groups=30)
    write_parquet(tmp_path / "in/lang=en", np.ones((50, 2)), files=1, groups=20)
    found = describe_files(list_files([str(tmp_path / "in")]), Wanted(), runner=map)
    assert [one.ends for one in found.sources] == [(20, 40, 50), (30, 60, 90, 100)]
    assert found.n == 150


def test_files_keep_the_order_of_the_inputs(tmp_path: Path) -> None:
    for name in ("b", "a", "part-10", "part-2"):
        np.save(tmp_path / f"{name}.npy", np.ones((2, 3)))
    pattern = str(tmp_path / "part-*.npy")
    found = list_files([str(tmp_path / "b.npy"), pattern, str(tmp_path / "a.npy")])
    names = [Path(one.name).stem for one in found]
    assert names == ["b", "part-2", "part-10", "a"]
    with pytest.raises(MissingFileError):
        list_files([str(tmp_path / "no*.npy")])
    with pytest.raises(InvalidInputError, match="empty"):
        list_files([""])


def test_ids_are_those_of_the_column_or_numbers(tmp_path: Path) -> None:
    def kind_of(wanted: Wanted) -> tuple[str | None, str]:
        found = describe_files(list_files([str(tmp_path / "in")]), wanted, runner=map)
        return found.sources[0].id_column, found.id_kind

    words = ["a", "b", "c"]
    write_parquet(tmp_path / "in", np.ones((3, 2)), files=1, ids=words, key=[5, 6, 7])
    assert kind_of(Wanted()) == ("id", "strings")
    assert kind_of(Wanted(id_column="")) == (None, "integers")
    assert kind_of(Wanted(id_column="key")) == ("key", "integers")
    with pytest.raises(InvalidInputError, match="'vector' must hold integers or texts"):
        kind_of(Wanted(id_column="vector"))
    np.save(tmp_path / "ids.npy", np.array(["x", "y", "z"]))
    assert kind_of(Wanted(ids=tmp_path / "ids.npy")) == (None, "strings")
    table = pq.read_table(tmp_path / "in")
    words_twice = table["id"].combine_chunks().dictionary_encode()
    pq.write_table(
        table.set_column(table.column_names.index("id"), "id", words_twice),
        tmp_path / "in/part-0.parquet",
    )
    assert kind_of(Wanted()) == ("id", "strings")
    uuids = pa.array([bytes([n]) * 16 for n in range(3)], pa.binary(16))
    pq.write_table(table.append_column("uuid", uuids), tmp_path / "in/part-0.parquet")
    assert kind_of(Wanted(id_column="uuid")) == ("uuid", "strings")
