"""Object stores: the same answers as from the disk, by stores of obstore and by S3."""

import os
import socket
import time

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from bucket import serving

from gleann import data
from gleann.index.data import stores
from gleann.index.data.stores import stored_files
from gleann.index.errors import CorruptDataError, InvalidInputError, MissingFileError

obstore = pytest.importorskip("obstore", reason="needs obstore (extra cloud)")

ROWS = np.arange(60, dtype=np.float32).reshape(20, 3)


@pytest.fixture
def folder(tmp_path):
    """Files of every kind that a store may hold."""
    table = pa.table({"id": [f"r{row}" for row in range(20)], "vector": ROWS.tolist()})
    np.save(tmp_path / "v.npy", ROWS)
    heading = np.array(ROWS.shape, "<u4").tobytes()
    (tmp_path / "v.fbin").write_bytes(heading + ROWS.tobytes())
    pq.write_table(table, tmp_path / "v.parquet", row_group_size=6)
    pyarrow.feather.write_feather(table, tmp_path / "v.feather", chunksize=7)
    for lang, rows in (("de", slice(0, 8)), ("en", slice(8, 20))):
        part = tmp_path / "parts" / f"lang={lang}"
        part.mkdir(parents=True)
        pq.write_table(table[rows], part / "0.parquet")
    for number, rows in ((2, slice(0, 8)), (10, slice(8, 20))):
        (tmp_path / "shards").mkdir(exist_ok=True)
        np.save(tmp_path / "shards" / f"s{number}.npy", ROWS[rows])
    return tmp_path


def columns_of(name):
    return "all" if ("parquet" in name or "feather" in name or name == "parts") else ()


@pytest.fixture
def s3(folder, monkeypatch):
    """Opens s3://bucket/..., by the environment that obstore reads."""
    with serving(folder) as bucket:
        for name, value in bucket.environment.items():
            monkeypatch.setenv(name, value)
        yield bucket


NAMES = ["v.npy", "v.fbin", "v.parquet", "v.feather", "parts", "shards", "shards/*.npy"]


def require_rows(found, name):
    assert np.array_equal(found.vectors, ROWS)
    assert np.array_equal(found.vectors[5:11], ROWS[5:11])
    if columns_of(name):
        assert found.ids.tolist() == [f"r{row}" for row in range(20)]
    if name == "parts":
        langs = found.payload().to_arrow()["lang"].to_pylist()
        assert langs == ["de"] * 8 + ["en"] * 12


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["memory", "local", "url"])
def test_rows_of_a_store(kind, name, folder):
    if kind == "url":
        source, store = f"file://{folder}/{name}", None
    else:
        source = name
        store = obstore.store.LocalStore(folder)
        if kind == "memory":
            store = obstore.store.MemoryStore()
            for file in folder.rglob("*"):
                if file.is_file():
                    obstore.put(store, str(file.relative_to(folder)), file.read_bytes())
    require_rows(data.open(source, columns=columns_of(name), store=store), name)


@pytest.mark.parametrize("name", NAMES)
def test_rows_of_s3(name, s3):
    found = data.open(f"s3://bucket/{name}", columns=columns_of(name))
    require_rows(found, name)


@pytest.mark.parametrize("name", ["v.npy", "v.fbin", "v.parquet", "v.feather"])
@pytest.mark.usefixtures("s3")
def test_rows_of_a_file_by_http(name):
    found = data.open(f"{os.environ['AWS_ENDPOINT']}/bucket/{name}")
    assert np.array_equal(found.vectors, ROWS)


def test_a_slice_asks_for_its_bytes_only(s3):
    found = data.open("s3://bucket/v.npy")
    s3.asked.clear()
    found.vectors[3:5]
    assert s3.asked == ["GET v.npy bytes=164-187"]  # 128 of the heading, 12 a row


def test_what_is_not_there(folder, s3):
    with pytest.raises(MissingFileError, match=r"gone\.npy"):
        data.open("s3://bucket/gone.npy")
    with pytest.raises(MissingFileError, match="none of 0 files"):
        data.open("s3://bucket/gone/*.npy")
    with pytest.raises(InvalidInputError, match="no object store"):
        data.open("ftp://bucket/v.npy")
    with pytest.raises(InvalidInputError, match="read from this machine only"):
        data.open(f"file://{folder}/v.npz")


def test_files_that_are_left_out(folder):
    (folder / "parts" / "_SUCCESS").touch()
    (folder / "parts" / ".crc.parquet").write_bytes(b"x")
    found = data.open(f"file://{folder}/parts")
    assert np.array_equal(found.vectors, ROWS)


@pytest.mark.parametrize("name", ["v.npy", "v.parquet", "v.feather", "parts"])
@pytest.mark.parametrize("kind", ["memory", "url"])
def test_a_file_that_is_replaced_by_one_of_its_size(kind, name, folder):
    """Ids of one file do not come with vectors of another."""
    source, store = f"file://{folder}/{name}", None
    files = [f for f in folder.rglob("*") if f.is_file()]
    if kind == "memory":
        source, store = name, obstore.store.MemoryStore()

    def put():
        for file in files:
            body = file.read_bytes()
            if store is not None:
                obstore.put(store, str(file.relative_to(folder)), body)
            else:
                file.unlink()
                file.write_bytes(body)

    put()
    found = data.open(source, store=store)
    assert np.array_equal(found.vectors[:3], ROWS[:3])
    put()
    with pytest.raises(CorruptDataError, match="was replaced while it was read"):
        found.vectors[0:20]


@pytest.fixture
def dead_port():
    """A port at which nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound, so that nobody else takes it
        yield held.getsockname()[1]


@pytest.fixture
def silent_port():
    """A port at which connections are taken, and nothing is answered."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        yield listening.getsockname()[1]


def environment_of(port, monkeypatch):
    for name, value in {
        "AWS_ENDPOINT": f"http://127.0.0.1:{port}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_SKIP_SIGNATURE": "true",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("name", ["v.npy", "parts", "parts/*.parquet"])
def test_a_store_that_is_away_is_an_error_within_seconds(name, dead_port, monkeypatch):
    environment_of(dead_port, monkeypatch)
    begun = time.monotonic()
    with pytest.raises(MissingFileError, match=r"^s3://bucket/") as raised:
        data.open(f"s3://bucket/{name}")
    assert f"127.0.0.1:{dead_port}" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert time.monotonic() - begun < 2 * stores.PATIENCE
    url = f"http://127.0.0.1:{dead_port}/v.npy"
    with pytest.raises(MissingFileError, match=f"^{url}: "):
        data.open(url)


def test_a_store_that_does_not_answer(silent_port, monkeypatch):
    environment_of(silent_port, monkeypatch)
    begun = time.monotonic()
    with pytest.raises(MissingFileError, match=r"^s3://bucket/v\.npy: "):
        stored_files("s3://bucket/v.npy", patience=0.5).place.byte_file("v.npy")
    assert 0.4 < time.monotonic() - begun < 5


def test_the_environment_may_allow_more_seconds(silent_port, monkeypatch):
    environment_of(silent_port, monkeypatch)
    monkeypatch.setenv("AWS_TIMEOUT", "300ms")
    begun = time.monotonic()
    with pytest.raises(MissingFileError, match="s3://bucket/v"):
        stored_files("s3://bucket/v.npy", patience=0.1).place.byte_file("v.npy")
    assert time.monotonic() - begun > 0.25


def connection_options():
    """What obstore reads from the environment, which it refuses where it is no value.

    Others, such as the URL of a proxy, are texts that it does not look at.
    """
    names = """
        allow_http allow_invalid_certificates connect_timeout http1_only http2_only
        http2_keep_alive_interval http2_keep_alive_timeout http2_keep_alive_while_idle
        http2_max_frame_size pool_idle_timeout pool_max_idle_per_host
        randomize_addresses read_timeout timeout user_agent
    """
    return names.upper().split()


@pytest.mark.parametrize("name", connection_options())
@pytest.mark.parametrize(
    ("begin", "url"),
    [
        ("AWS", "s3://bucket/v.npy"),
        ("AWS", "https://bucket.s3.amazonaws.com/v.npy"),
        ("GOOGLE", "gs://bucket/v.npy"),
        ("AZURE", "https://account.blob.core.windows.net/folder/v.npy"),
    ],
)
def test_all_options_of_connections_are_read(begin, url, name, monkeypatch):
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv(f"{begin}_{name}", "\x01")
    with pytest.raises(obstore.exceptions.BaseError, match="failed to parse"):
        obstore.store.from_url(url.removesuffix("/v.npy"))
    with pytest.raises(InvalidInputError, match="failed to parse"):
        stored_files(url)


def test_a_store_of_no_account_reads_none(monkeypatch):
    monkeypatch.setenv("AWS_TIMEOUT", "\x01")
    assert stored_files("https://example.org/v.npy").kind == "npy"


def test_a_read_is_cut_into_requests(s3, monkeypatch):
    """Each must end in time, however large the file."""
    monkeypatch.setattr(stores, "MOST_BYTES", 100)
    for name in NAMES:
        found = data.open(f"s3://bucket/{name}", columns=columns_of(name))
        require_rows(found, name)
    spans = [line.split("bytes=")[1] for line in s3.asked if "bytes=" in line]
    sizes = [
        int(last) - int(first) + 1 for first, last in (s.split("-") for s in spans)
    ]
    assert max(sizes) == 100
