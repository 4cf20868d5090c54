"""Answers with payload: tables with a line per hit, in every form."""

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

from gleann.index import Found, SearchStats
from gleann.index.found import FoundWithin
from gleann.service.client.bulk.joined import joined, joined_within, merged

STATS = SearchStats(
    engine="reference",
    nprobe=0,
    rerank=0,
    lists_probed=0,
    entries_scanned=4,
    survivors=4,
    reranked=4,
    completed=0,
    estimated_recall=1.0,
    exact=True,
)
MOMENT = datetime(2024, 2, 29, 12, tzinfo=UTC)


def payload(count: int, *, start: int = 0) -> pa.Table:
    return pa.table(
        {
            "text": [f"t{start + i}" if i % 3 else None for i in range(count)],
            "tags": pa.array(
                [["a", str(start + i)] for i in range(count)], pa.list_(pa.string())
            ),
            "at": pa.array([MOMENT] * count, pa.timestamp("us", "UTC")),
            "rank": list(range(start, start + count)),
        }
    )


def found(ids: list[list[int]], distances: list[list[float]], start: int = 0) -> Found:
    held = np.array(ids)
    return Found(
        ids=held,
        distances=np.array(distances, np.float32),
        stats=STATS,
        payload=payload(held.size, start=start),
    )


TWO = found([[5, 3], [7, -1]], [[0.5, 1.0], [0.25, np.inf]])


def test_a_line_for_each_neighbour() -> None:
    table = TWO.to_arrow()
    assert table.column_names == [
        "query", "rank", "id", "distance", "text", "tags", "at", "payload.rank",
    ]  # fmt: skip
    assert table["rank"].to_pylist() == [0, 1, 0]
    assert table["payload.rank"].to_pylist() == [0, 1, 2]
    assert table["text"].to_pylist() == [None, "t1", "t2"]
    assert table["at"].type == pa.timestamp("us", "UTC")


def test_json_values() -> None:
    values = TWO.to_dict()
    assert values["columns"]["tags"] == [["a", "0"], ["a", "1"], ["a", "2"]]
    assert values["columns"]["at"] == ["2024-02-29T12:00:00+00:00"] * 3
    assert json.loads(json.dumps(values, allow_nan=False)) == values


def test_csv(tmp_path: Path) -> None:
    TWO.to_csv(tmp_path / "found.csv")
    read = pa.csv.read_csv(tmp_path / "found.csv")
    assert read["tags"].to_pylist() == ['["a", "0"]', '["a", "1"]', '["a", "2"]']
    assert read["text"].to_pylist() == ["", "t1", "t2"]
    assert read.num_rows == 3


def test_pandas() -> None:
    pandas = pytest.importorskip("pandas")
    frame = TWO.to_pandas()
    assert frame["payload.rank"].tolist() == [0, 1, 2]
    assert frame["text"].tolist()[1:] == ["t1", "t2"]
    assert frame["at"].tolist() == [pandas.Timestamp(MOMENT)] * 3


def test_no_columns() -> None:
    for table in (None, pa.table({})):
        bare = Found(ids=TWO.ids, distances=TWO.distances, stats=STATS, payload=table)
        assert bare.to_arrow().column_names == ["query", "rank", "id", "distance"]
        assert len(bare.to_arrow()) == 3


def test_blocks_of_queries_are_joined_with_their_payload() -> None:
    more = found([[1, 2]], [[1, 2]], start=4)
    both = joined([TWO, more])
    assert both.payload["rank"].to_pylist() == [0, 1, 2, 3, 4, 5]
    assert both.to_arrow()["payload.rank"].to_pylist() == [0, 1, 2, 4, 5]


def test_parts_of_a_filter_are_merged_with_their_payload() -> None:
    other = found([[9, 8], [6, 4]], [[0.75, 3.0], [0.125, 0.5]], start=10)
    both = merged([TWO, other])
    assert both.ids.tolist() == [[5, 9], [6, 7]]
    assert both.payload["rank"].to_pylist() == [0, 10, 12, 2]


def test_hits_within_a_distance() -> None:
    def within(counts: list[int], start: int) -> FoundWithin:
        count = sum(counts)
        return FoundWithin(
            offsets=np.concatenate([[0], np.cumsum(counts)]),
            ids=np.arange(start, start + count),
            distances=np.arange(count, dtype=np.float32),
            complete=start == 0,
            stats=STATS,
            payload=payload(count, start=start),
        )

    both = joined_within([within([2, 0], 0), within([3], 2)])
    assert both.offsets.tolist() == [0, 2, 2, 5]
    assert not both.complete
    assert both.stats.entries_scanned == 8
    table = both.to_arrow()
    assert table["query"].to_pylist() == [0, 0, 2, 2, 2]
    assert table["rank"].to_pylist() == [0, 1, 0, 1, 2]
    assert table["payload.rank"].to_pylist() == [0, 1, 2, 3, 4]
