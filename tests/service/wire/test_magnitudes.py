"""Rows and queries too long for float32 distances are refused at every door, by id."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gleann
from gleann.index import SearchParams, errors
from gleann.service.application import Application
from gleann.service.config import Config


def with_long_row(rows: np.ndarray) -> np.ndarray:
    """`rows` of which the second is too long."""
    long = rows.copy()
    long[1, 2] = 1e20
    return long


@pytest.mark.parametrize("metric", ["l2", "ip"])
def test_upserts_imports_and_searches(
    client: gleann.Client, rows: np.ndarray, tmp_path: Path, metric: Any
) -> None:
    client.create_index("a", dim=8, metric=metric)
    long = with_long_row(rows)
    with pytest.raises(errors.InvalidInputError, match=r"id 5001 has squared length"):
        client.upsert("a", np.arange(len(rows)) + 5000, long)
    np.save(tmp_path / "v.npy", long)
    importing = client.import_vectors("a", tmp_path / "v.npy")
    with pytest.raises(errors.InvalidInputError, match=r"row 1 has squared length"):
        importing.wait(timeout=60)
    client.upsert("a", np.arange(len(rows)), rows)
    for exact in (True, False):
        params = SearchParams(k=2, exact=exact)
        with pytest.raises(errors.InvalidInputError, match=r"queries row 1 has sq"):
            client.search("a", long[:5], params)
    client.build("a").wait(timeout=60)
    assert client.search("a", rows, SearchParams(k=1)).ids.shape == (len(rows), 1)


def test_cosine_takes_long_rows(client: gleann.Client, rows: np.ndarray) -> None:
    client.create_index("a", dim=8)
    long = with_long_row(rows)
    client.upsert("a", np.arange(len(rows)), long)
    assert client.search("a", long[1:2], SearchParams(k=1)).ids.tolist() == [[1]]


def test_an_import_counts_rows_through_all_blocks(
    client: gleann.Client,
    rows: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gleann.service.files.vector_files.BLOCK_BYTES", 50 * 4 * 8)
    client.create_index("a", dim=8, metric="l2")
    for value, says in ((np.nan, "row 180 has NaN"), (1e20, "row 180 has squared")):
        bad = rows.copy()
        bad[180, 0] = value
        np.save(tmp_path / "v.npy", bad)
        with pytest.raises(errors.InvalidInputError, match=says):
            client.import_vectors("a", tmp_path / "v.npy").wait(timeout=60)


def test_a_log_of_an_earlier_gleann_is_refused_by_id_and_loses_nothing(
    rows: np.ndarray, tmp_path: Path, quick: Any
) -> None:
    """It accepted such rows: deleted or replaced, the index builds again."""
    application = Application(Config(data_dir=tmp_path))
    application.create_index("a", dim=8, metric="l2")
    application.upsert("a", np.arange(len(rows)), rows)
    # Below the door that refuses it today.
    application.registry.upsert("a", np.array([7000, 7001]), with_long_row(rows)[:2])
    application.close()
    with gleann.Client(tmp_path) as client:
        with pytest.raises(errors.InvalidInputError, match=r"id 7001 has squared"):
            client.build("a", quick).wait(timeout=60)
        assert client.get_index("a").count == len(rows) + 2
        client.delete_vectors("a", [7001])
        client.build("a", quick).wait(timeout=60)
        assert client.get_index("a").count == len(rows) + 1
