"""Columns with more text than one chunk has room for, here of 100 bytes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from gleann.index.payload import arrow, gather
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Schema

MOST = 100
N = 90
SCHEMA = Schema.of(
    {"word": "string", "words": "strings", "note": "json", "year": "int64"}
)


@pytest.fixture(autouse=True)
def little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather, "MOST_TEXT", MOST)
    monkeypatch.setattr(arrow, "MOST_TEXT", MOST)


@pytest.fixture
def values() -> dict[str, list[Any]]:
    """Texts of up to 30 bytes, some null, and one that is too long for any chunk."""
    rng = np.random.default_rng(5)
    words: list[Any] = ["é" * n if n else None for n in rng.integers(0, 15, N).tolist()]
    words[50] = "x" * 130
    lists: list[Any] = [words[n : n + 2] for n in range(N)]
    lists = [None if None in two else two for two in lists]
    lists[3] = []
    notes = [None if word is None else f'"{word}"' for word in words]
    return {"word": words, "words": lists, "note": notes, "year": list(range(N))}


def in_chunks(values: dict[str, list[Any]], sizes: list[int]) -> Payload:
    ends = np.cumsum(sizes)
    parts = [
        Payload.of({k: v[end - size : end] for k, v in values.items()}, SCHEMA)
        for end, size in zip(ends, sizes, strict=True)
    ]
    return Payload.concat(parts)


def require_little(payload: Payload) -> None:
    """No chunk has more text than there is room for, unless it is one row."""
    for column in payload.to_arrow().columns:
        for chunk in column.chunks:
            assert len(chunk) == 1 or text_of(chunk.to_pylist()) <= MOST


def text_of(values: list[Any]) -> int:
    """Bytes of text, and members of lists."""
    size = 0
    for value in values:
        if isinstance(value, str):
            size += len(value.encode())
        elif isinstance(value, list):
            size += len(value) + text_of(value)
    return size


CHUNKS = [[N], [1] * N, [60, 30], [7] * 12 + [6]]


@pytest.mark.parametrize("sizes", CHUNKS, ids=["one", "rows", "two", "thirteen"])
def test_rows_are_taken(values: dict[str, list[Any]], sizes: list[int]) -> None:
    payload = in_chunks(values, sizes)
    rng = np.random.default_rng(0)
    for rows in (
        np.arange(N),
        rng.permutation(N),
        rng.integers(-1, N, 300),
        np.full(20, 50),
        np.full(4, -1),
    ):
        taken = payload.take(rows)
        for name, column in values.items():
            wanted = [column[row] if row >= 0 else None for row in rows.tolist()]
            assert taken.column(name).to_pylist() == wanted
        require_little(taken)
    require_little(payload.take(np.arange(N)))


@pytest.mark.parametrize("sizes", CHUNKS, ids=["one", "rows", "two", "thirteen"])
def test_rows_are_replaced(values: dict[str, list[Any]], sizes: list[int]) -> None:
    payload = in_chunks(values, sizes)
    payload = payload.take(np.arange(N))
    rows = np.array([3, 50, 50, 0, 89, 17])
    others = payload.take([50, 1, 2, 50, -1, 50])
    new = payload.replaced(rows, others)
    listed = payload.to_pylist()
    for row, other in zip(rows, others.to_pylist(), strict=True):
        listed[row] = other
    assert new.to_pylist() == listed
    require_little(new)


def test_small_chunks_are_put_together(values: dict[str, list[Any]]) -> None:
    joined = in_chunks(values, [1] * N)
    assert joined.to_pylist() == [
        dict(zip(values, row, strict=True))
        for row in zip(*values.values(), strict=True)
    ]
    chunks = [column.num_chunks for column in joined.to_arrow().columns]
    assert 5 < chunks[0] < 40
    assert chunks[3] == 1
    require_little(joined)


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string(), pa.string_view()])
def test_other_text_becomes_chunks(values: dict[str, list[Any]], kind: Any) -> None:
    given = pa.array(values["word"], kind)
    taken = Payload.of({"word": given.slice(2)}, {"word": "string"})
    assert taken.column("word").to_pylist() == values["word"][2:]
    if kind != pa.string():
        require_little(taken)


@pytest.mark.parametrize("of", [pa.large_list, pa.list_], ids=["large", "small"])
def test_lists_of_other_text_become_chunks(
    values: dict[str, list[Any]], of: Callable[[pa.DataType], pa.DataType]
) -> None:
    given = pa.array(values["words"], of(pa.large_string()))
    taken = Payload.of({"words": given.slice(2)}, {"words": "strings"})
    assert taken.column("words").to_pylist() == values["words"][2:]
    require_little(taken)


def test_blocks_have_so_many_bytes(values: dict[str, list[Any]]) -> None:
    payload = in_chunks(values, [60, 30])
    bounds = payload.bounds(200)
    assert [start for start, _ in bounds[1:]] == [stop for _, stop in bounds[:-1]]
    assert (bounds[0][0], bounds[-1][1]) == (0, N)
    for start, stop in bounds:
        some = payload.slice(start, stop).to_pylist()
        text = text_of([value for row in some for value in row.values()])
        assert text <= 200 or stop == start + 1
    assert len(bounds) < N / 2
    assert payload.bounds(1) == [(row, row + 1) for row in range(N)]
    assert payload.bounds(1 << 20) == [(0, N)]
