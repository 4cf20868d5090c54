import json

import numpy as np
import pytest

from bench.__main__ import make_parser
from bench.measures import data_memory


def test_three_sources_are_read_whole(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(data_memory, "BLOCK_ROWS", 4000)
    out = tmp_path / "o.json"
    line = ["data", "--rows", "10000", "--dim", "4", "--folder", str(tmp_path)]
    arguments = make_parser().parse_args([*line, "--out", str(out)])
    assert arguments.run(arguments) == 0
    result = json.loads(out.read_text())
    assert list(result["read"]) == [".npy", "parquet folder", ".fbin"]
    for one in result["read"].values():
        assert one["rows"] == 10_000
        assert list(one["seconds"]) == ["open", "ids", "batches"]
        assert one["peak_anonymous_bytes"].keys() == one["seconds"].keys()
    assert result["source_bytes"] == 10_000 * 4 * 4
    table = capsys.readouterr().out
    assert "10,000 x 4 float32" in table
    assert table.count("| parquet folder |") == 3
    assert [path.name for path in tmp_path.iterdir()] == ["o.json"]


def test_sources_have_the_same_rows(tmp_path, monkeypatch):
    from gleann import data

    monkeypatch.setattr(data_memory, "BLOCK_ROWS", 40)
    total = data_memory.write_sources(tmp_path, (100, 3), seed=2)
    opened = [data.open(one) for one in data_memory.sources(tmp_path).values()]
    first, *others = (np.asarray(one.vectors) for one in opened)
    assert first.sum(dtype=np.float64) == pytest.approx(total)
    for other in others:
        assert np.array_equal(first, other)
    assert opened[1].ids[99] == "item-00000099"


def test_a_source_that_lacks_rows_is_found():
    found = data_memory.Read(seconds={}, peak_anonymous_bytes={}, rows=9, total=1.0)
    with pytest.raises(AssertionError, match=r"9 rows of total 1\.0, not 10"):
        data_memory.require_all(found, rows=10, total=1.0)
    with pytest.raises(AssertionError, match=r"total 1\.0, not 9 of 2\.0"):
        data_memory.require_all(found, rows=9, total=2.0)
