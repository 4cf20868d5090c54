"""Imports from object stores: only under the prefixes that a server allows."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import gleann
from gleann.index import errors
from gleann.service.files.roots import allowed_url
from gleann.service.server import Server

N, DIM = 240, 8
IDS = [f"r{row}" for row in range(N)]


@pytest.fixture
def store(rows: np.ndarray, tmp_path: Path) -> Path:
    """A folder that stands for a bucket."""
    folder = tmp_path / "bucket"
    (folder / "parts").mkdir(parents=True)
    (folder / "secret").mkdir()
    np.save(folder / "v.npy", rows)
    np.save(folder / "secret" / "v.npy", rows)
    for part in range(3):
        some = slice(80 * part, 80 * part + 80)
        table = {"key": IDS[some], "vector": rows[some].tolist(), "n": range(80)}
        pq.write_table(pa.table(table), folder / "parts" / f"{part}.parquet")
    return folder


@pytest.fixture
def client(start_server: Callable[..., Server], store: Path) -> gleann.Client:
    pytest.importorskip("obstore", reason="needs obstore (extra cloud)")
    server = start_server(import_urls=(f"file://{store}/parts", f"file://{store}/v"))
    with gleann.Client(server.target) as client:
        client.create_index("n", dim=DIM, metric="l2")
        yield client


def test_a_glob_of_parquet_with_ids_and_payload(client, store, rows):
    done = client.import_vectors(
        "n", f"file://{store}/parts/*.parquet", id_column="key", add_columns=True
    ).wait(timeout=60)
    assert done.count == N
    assert np.array_equal(client.get_vectors("n", IDS[::-1]), rows[::-1])
    assert client.count("n", "n = 7") == 3


@pytest.mark.parametrize(
    "url",
    [
        "{store}/secret/v.npy",
        "{store}/v/../secret/v.npy",
        "{store}/parts/../secret/v.npy",
        "{store}/parts/%2e%2e/secret/v.npy",
        "{store}/parts/.\t./secret/v.npy",
        "{store}/parts/.\n./secret/v.npy",
        "{store}/parts/.. ",
        "{store}/parts-of-others/v.npy",
        "{store}/v.npy",
        "s3://bucket/v.npy",
    ],
)
def test_what_is_outside_is_refused(client, store, url):
    given = url.format(store=f"file://{store}")
    with pytest.raises(errors.ForbiddenPathError, match="is outside the import URLs"):
        client.import_vectors("n", given).wait(timeout=60)


def test_no_url_is_allowed_unless_it_is_set(start_server, store):
    with gleann.Client(start_server().target) as client:
        client.create_index("n", dim=DIM, metric="l2")
        with pytest.raises(errors.ForbiddenPathError, match="set import_urls"):
            client.import_vectors("n", f"file://{store}/v.npy").wait(timeout=60)


def test_in_process_the_rights_are_those_of_the_caller(store, rows, tmp_path):
    pytest.importorskip("obstore", reason="needs obstore (extra cloud)")
    with gleann.Client(tmp_path / "library") as client:
        client.create_index("n", dim=DIM, metric="l2")
        client.import_vectors("n", f"file://{store}/v.npy").wait(timeout=60)
        assert np.array_equal(client.get_vectors("n", range(N)), rows)


def test_ids_and_payload_beside_an_url(client, store):
    with pytest.raises(errors.InvalidInputError, match="is an URL of vectors alone"):
        client.import_vectors("n", f"file://{store}/v/v.npy", ids_path="ids.npy").wait(
            timeout=60
        )


def test_another_dimension(client, store):
    client.create_index("wide", dim=DIM + 1, metric="l2")
    with pytest.raises(errors.DimensionMismatchError, match="8 dimensions, expected 9"):
        client.import_vectors("wide", f"file://{store}/parts/0.parquet").wait(
            timeout=60
        )


@pytest.mark.parametrize(
    ("url", "prefixes", "allowed"),
    [
        ("s3://b/v/x.npy", ("s3://b/v",), True),
        ("s3://b/v/x.npy", ("s3://b/v/",), True),
        ("s3://b/v", ("s3://b/v",), True),
        ("s3://b/vv/x.npy", ("s3://b/v",), False),
        ("s3://b/v/./x.npy", ("s3://b/v",), False),
        ("s3://b/v/..\\x.npy", ("s3://b/v",), False),
        ("s3://b/v/x.npy?versionId=3", ("s3://b/v",), False),
        ("s3://b/v/x.npy#y", ("s3://b/v",), False),
        ("s3://b/v/.\t./x.npy", ("s3://b/v",), False),
        ("s3://b/v/\r../x.npy", ("s3://b/v",), False),
        ("s3://b/v/.. ", ("s3://b/v",), False),
        ("s3://b/v/..\0", ("s3://b/v",), False),
        ("s3://b/v/my file.npy", ("s3://b/v",), True),
        ("https://b@evil/v/x.npy", ("https://b",), False),
        ("gs://b/v/x.npy", ("s3://b/v", "gs://b/"), True),
        ("S3://b/v/x.npy", ("s3://b/v",), False),
        ("s3://b/x.npy", ("s3://",), True),
    ],
)
def test_prefixes(url, prefixes, allowed):
    if allowed:
        assert allowed_url(url, prefixes) == url
        return
    with pytest.raises(errors.ForbiddenPathError, match="outside the import URLs"):
        allowed_url(url, prefixes)
