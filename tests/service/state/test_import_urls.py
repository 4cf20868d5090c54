"""Imports from object stores: only under the prefixes that a server allows."""

import socket
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import gleann
from gleann.index import errors
from gleann.service.client.bulk.imports import import_request
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


@pytest.mark.parametrize(
    ("link", "to", "url"),
    [
        ("parts/v.npy", "secret/v.npy", "parts/v.npy"),
        ("parts/out", "secret", "parts/out/v.npy"),
        ("parts/out", "secret", "parts/out/*.npy"),
        ("parts/out", "secret", "parts/out"),
        ("parts/out", "secret/gone", "parts/out/v.npy"),
        ("parts/3.parquet", "secret/p.parquet", "parts/*.parquet"),
        ("parts/3.parquet", "secret/p.parquet", "parts"),
        ("parts/3.parquet", "parts-of-others", "parts/3.parquet"),
    ],
)
def test_a_link_that_leads_out_is_refused(client, store, link, to, url):
    (store / "secret/p.parquet").write_bytes((store / "parts/0.parquet").read_bytes())
    (store / link).symlink_to(store / to)
    with pytest.raises(errors.ForbiddenPathError, match="leads out of what may be"):
        client.import_vectors("n", f"file://{store}/{url}").wait(timeout=60)


def test_a_link_within_the_prefix_is_followed(client, store, rows):
    (store / "parts/again.npy").symlink_to(store / "parts/deep/w.npy")
    (store / "parts/deep").mkdir()
    np.save(store / "parts/deep/w.npy", rows)
    client.import_vectors("n", f"file://{store}/parts/again.npy").wait(timeout=60)
    assert np.array_equal(client.get_vectors("n", range(N)), rows)


def test_a_prefix_that_is_a_link_itself_is_its_folder(start_server, store, rows):
    (store / "latest").symlink_to(store / "parts")
    server = start_server(import_urls=(f"file://{store}/latest/",))
    with gleann.Client(server.target) as client:
        client.create_index("n", dim=DIM, metric="l2")
        url = f"file://{store}/latest/*.parquet"
        client.import_vectors("n", url, id_column="key").wait(timeout=60)
        assert np.array_equal(client.get_vectors("n", IDS), rows)


def test_a_file_of_another_machine(start_server):
    server = start_server(import_urls=("file://host/",))
    with gleann.Client(server.target) as client:
        client.create_index("n", dim=DIM, metric="l2")
        with pytest.raises(errors.ForbiddenPathError, match="of another machine"):
            client.import_vectors("n", "file://host/v.npy").wait(timeout=60)


@pytest.mark.parametrize("name", ["parts", "parts/", "parts/*"])
def test_a_folder_is_of_tables_where_its_columns_are_named(client, store, name, rows):
    """Row numbers are no ids where others were named."""
    url = f"file://{store}/{name}"
    assert client.import_vectors("n", url, id_column="key").wait(timeout=60).count == N
    assert np.array_equal(client.get_vectors("n", IDS[:5]), rows[:5])
    client.create_index("m", dim=DIM, metric="l2")
    client.import_vectors("m", url, add_columns=True).wait(timeout=60)
    assert client.count("m", "n = 7") == 3


@pytest.mark.parametrize(
    ("path", "options", "says"),
    [
        ("v.npy", {"id_column": "key"}, "id_column is 'key', but 'v.npy' has no col"),
        ("v.npy", {"vector_column": "x"}, "vector_column is 'x', but 'v.npy' has no"),
        ("v.parquet", {"ids_path": Path("i.npy")}, "ids_path is 'i.npy', but 'v.par"),
        ("v.parquet", {"payload_path": "p.csv"}, "payload_path is 'p.csv', but 'v.p"),
        ("s3://b/v", {"id_column": "a", "ids_path": "i"}, "id_column is 'a', but 's3"),
    ],
)
def test_options_that_a_file_does_not_have_are_refused(path, options, says):
    with pytest.raises(errors.InvalidInputError, match=says):
        import_request("n", path, request_id="", **options)


def test_no_url_is_allowed_unless_it_is_set(start_server, store):
    with gleann.Client(start_server().target) as client:
        client.create_index("n", dim=DIM, metric="l2")
        with pytest.raises(errors.ForbiddenPathError, match="set import_urls"):
            client.import_vectors("n", f"file://{store}/v.npy").wait(timeout=60)


def test_the_deadline_of_a_call_is_kept_where_a_store_is_silent(
    start_server, monkeypatch
):
    pytest.importorskip("obstore", reason="needs obstore (extra cloud)")
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server = start_server(import_urls=(url,))
        with gleann.Client(server.target) as client:
            client.create_index("n", dim=DIM, metric="l2")
        with gleann.Client(server.target, timeout=5, retries=0) as client:
            begun = time.monotonic()
            with pytest.raises((errors.DeadlineError, errors.MissingFileError)):
                client.import_vectors("n", f"{url}/v.npy")
            assert time.monotonic() - begun < 60


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
