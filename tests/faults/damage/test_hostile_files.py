"""Files made to harm: refused in words that name the file, before they cost much."""

import resource
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import gleann
from gleann.index import errors
from gleann.index.data.fenced_folder import FencedFolder
from gleann.index.data.npy_file import NpyFile
from gleann.index.ids.checks import MAX_ID_BYTES
from gleann.service.application import Application
from gleann.service.cli.files import inputs
from gleann.service.config import Config
from gleann.service.files.vector_files import ParquetVectors
from gleann.service.state import disk_room
from gleann.v1 import vector_pb2

DIM = 4
REFUSED = (
    errors.InvalidInputError,
    errors.CorruptDataError,
    errors.DimensionMismatchError,
    errors.LimitError,
    errors.MissingFileError,
)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[gleann.Client]:
    """A client of an index "a" that stays empty, as all is refused."""
    with gleann.Client(tmp_path_factory.mktemp("data")) as client:
        client.create_index("a", dim=DIM, metric="l2")
        yield client


def refusal(client: gleann.Client, path: Path, **settings: Any) -> str:
    """What an import of a file is refused with, at once or later; nothing is kept."""
    with pytest.raises(REFUSED) as caught:
        client.import_vectors("a", path, **settings).wait(timeout=60)
    assert client.get_index("a").count == 0
    return str(caught.value)


def npy(header: str, version: tuple[int, int] = (1, 0), data: bytes = b"") -> bytes:
    text = header.encode("latin1") + b"\n"
    size = struct.pack("<H" if version == (1, 0) else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + size + text + data


def header(
    shape: str = "(2, 4)", descr: str = "'<f4'", order: str = "False", more: str = ""
) -> str:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}{more}}}"


FORGED = {
    "huge shape": npy(header("(9999999999999, 4)")),
    "overflowing shape": npy(header("(4611686018427387904, 4)")),
    "overflowing product": npy(header("(4294967296, 4294967296, 4294967296)")),
    "negative": npy(header("(-2, 4)"), data=bytes(32)),
    "two negatives": npy(header("(-2, -4)"), data=bytes(32)),
    "floats in the shape": npy(header("(2.0, 4)"), data=bytes(32)),
    "no tuple": npy(header("[2, 4]"), data=bytes(32)),
    "objects": npy(header(descr="'|O'"), data=bytes(64)),
    "structure of objects": npy(header(descr="[('a', '|O')]"), data=bytes(64)),
    "void": npy(header(descr="'|V0'")),
    "unicode of no length": npy(header(descr="'<U0'")),
    "dates": npy(header(descr="'<M8[s]'"), data=bytes(64)),
    "complex": npy(header(descr="'<c8'"), data=bytes(64)),
    "order": npy(header(order="'x'"), data=bytes(32)),
    "more keys": npy(header(more=", 'x': 1"), data=bytes(32)),
    "code": npy("__import__('os').abort()"),
    "deep": npy("(" * 9000 + ")" * 9000, (2, 0)),
    "deep minus": npy("-" * 9000 + "1", (2, 0)),
    "long number": npy(header(f"({'9' * 8000}, 4)"), (2, 0)),
    "header longer than allowed": npy(header() + " " * 200_000, (2, 0), bytes(32)),
    "header of 4 GB": b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}",
    "version 3": npy(header("(3, 4)"), (3, 0), bytes(32)),
    "version 255": npy(header(), (255, 255), bytes(32)),
    "cut in the magic": b"\x93NUM",
    "empty": b"",
    "zip": b"PK\x03\x04" + bytes(64),
    "pickle": b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00]\x94.",
    "too short": npy(header(), data=bytes(31)),
    "too long": npy(header(), data=bytes(33)),
    "no rows": npy(header("(0, 4)")),
    "no columns": npy(header("(4, 0)")),
    "scalar": npy(header("()"), data=bytes(4)),
    "cube": npy(header("(2, 2, 2)"), data=bytes(32)),
}


@pytest.mark.parametrize("content", FORGED.values(), ids=FORGED.keys())
def test_forged_npy(client: gleann.Client, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "forged.npy"
    path.write_bytes(content)
    assert path.name in refusal(client, path)
    np.save(tmp_path / "v.npy", np.ones((2, DIM), np.float32))
    said = refusal(client, tmp_path / "v.npy", ids_path=path)
    assert path.name in said


@pytest.mark.parametrize(
    "ids",
    [
        np.zeros(2),
        np.zeros((2, 2), np.int64),
        np.arange(3),
        np.array([1, 1]),
        np.array(["a", "a"]),
        np.array(["a", "b"], "S1"),
        np.array([True, False]),
        np.array([2**63, 1], np.uint64),
        np.array(["2020-01-01", "2020-01-02"], "M8[D]"),
    ],
    ids=repr,
)
def test_ids_that_are_none(client: gleann.Client, tmp_path: Path, ids: Any) -> None:
    np.save(tmp_path / "v.npy", np.ones((2, DIM), np.float32))
    np.save(tmp_path / "names.npy", ids)
    said = refusal(client, tmp_path / "v.npy", ids_path=tmp_path / "names.npy")
    assert "names.npy" in said


def vectors(n: int = 2, kind: Any = None) -> pa.Array:
    values = [[float(i)] * DIM for i in range(n)]
    return pa.array(values, kind or pa.list_(pa.float32()))


def table(**columns: Any) -> pa.Table:
    return pa.table({"vector": vectors(), "id": pa.array([1, 2])} | columns)


STRUCTS = [{"a": 1.0, "b": 2.0}] * 2
COLUMNS = {
    "struct": pa.array(STRUCTS),
    "lists of structs": pa.array([STRUCTS] * 2),
    "nested lists": pa.array([[[1.0] * DIM]] * 2),
    "map": pa.array([[("a", 1.0)]] * 2, pa.map_(pa.string(), pa.float64())),
    "dictionary of texts": pa.array(["a", "b"]).dictionary_encode(),
    "bytes": pa.array([b"abc", b"de"]),
    "texts": pa.array(["abc", "de"]),
    "flags": pa.array([[True] * DIM] * 2),
    "dates": pa.array([[1] * DIM] * 2, pa.list_(pa.timestamp("s"))),
    "decimals": pa.array([[1] * DIM] * 2, pa.list_(pa.decimal128(9, 1))),
    "nothing": pa.nulls(2),
    "no lists": pa.nulls(2, pa.list_(pa.float32())),
    "no numbers": pa.array([[None] * DIM] * 2, pa.list_(pa.float32())),
    "one short": pa.array([[1.0] * DIM, [1.0]]),
    "one long": pa.array([[1.0] * DIM, [1.0] * 900]),
    "no columns": pa.array([[], []], pa.list_(pa.float32())),
    "infinite": pa.array([[1.0] * DIM, [np.inf] * DIM]),
}


@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS.keys())
def test_parquet_vectors_that_are_none(
    client: gleann.Client, tmp_path: Path, column: pa.Array
) -> None:
    pq.write_table(table(vector=column), tmp_path / "v.parquet")
    assert "vector" in refusal(client, tmp_path / "v.parquet")


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize(
    "names",
    [["a", "bc"], ["b", "ü" * (MAX_ID_BYTES // 2)], [7, 3], [0, 2**62]],
    ids=len,
)
def test_parquet_ids(tmp_path: Path, names: list[Any], ordered: bool) -> None:
    column = pa.array(names).dictionary_encode() if ordered else pa.array(names)
    pq.write_table(table(id=column), tmp_path / "v.parquet")
    expected = [[float(i)] * DIM for i in range(2)]
    with gleann.Client(tmp_path / "data") as client:
        client.create_index("a", dim=DIM, metric="l2")
        imported = client.import_vectors("a", tmp_path / "v.parquet", id_column="id")
        assert imported.wait(timeout=60).count == 2
        assert client.get_vectors("a", names).tolist() == expected


IDS = {
    "struct": pa.array(STRUCTS),
    "lists": vectors(),
    "dictionary of structs": pa.array([1.5, 2.5]).dictionary_encode(),
    "floats": pa.array([1.0, 2.0]),
    "bytes": pa.array([b"\xff\xfe", b"b"]),
    "flags": pa.array([True, False]),
    "nulls": pa.array(["a", None]),
    "nothing": pa.nulls(2),
    "equal": pa.array(["a", "a"]),
    "long": pa.array(["a", "x" * (MAX_ID_BYTES + 1)]),
    "long among few": pa.array(["a", "x" * (MAX_ID_BYTES + 1)]).dictionary_encode(),
    "large": pa.array([1, 2**63], pa.uint64()),
    "dates": pa.array([1, 2], pa.timestamp("s")),
}


@pytest.mark.parametrize("column", IDS.values(), ids=IDS.keys())
def test_parquet_ids_that_are_none(
    client: gleann.Client, tmp_path: Path, column: pa.Array
) -> None:
    pq.write_table(table(id=column), tmp_path / "v.parquet")
    assert "id" in refusal(client, tmp_path / "v.parquet", id_column="id")


@pytest.mark.parametrize("at", ["footer", "pages", "length"])
def test_parquet_with_other_bytes(tmp_path: Path, at: str) -> None:
    """Sixty files with bytes changed at random: read, or refused in words."""
    rng = np.random.default_rng(5)
    path = tmp_path / "v.parquet"
    pq.write_table(table(vector=vectors(2)), path)
    whole = path.read_bytes()
    begin, end = {
        "pages": (4, len(whole) // 3),
        "footer": (len(whole) // 3, len(whole) - 8),
        "length": (len(whole) - 8, len(whole)),
    }[at]
    outcomes = []
    for _ in range(60):
        forged = bytearray(whole)
        for place in rng.integers(begin, end, size=rng.integers(1, 6)):
            forged[place] = rng.integers(256)
        path.write_bytes(forged)
        outcomes += [outcome(read, path) for read in (imported, read_by_the_cli)]
    assert outcomes.count("refused") > 20
    assert set(outcomes) <= {"read", "refused"}


def imported(path: Path) -> None:
    place = FencedFolder(path.parent)
    source = ParquetVectors.open(
        path, vector_column="vector", id_column="id", dim=DIM, place=place
    )
    source.ids()
    list(source.blocks())


def read_by_the_cli(path: Path) -> None:
    inputs.read_vectors(path, vectors_column="vector", id_column="id")


def outcome(read: Callable[[Path], None], path: Path) -> str:
    try:
        read(path)
    except REFUSED as error:
        return (
            "refused" if path.name in str(error) or "id" in str(error) else f"{error}"
        )
    return "read"


@pytest.mark.alone
def test_a_bomb_of_ids(client: gleann.Client, tmp_path: Path) -> None:
    """One text of 1 MB, named 100,000 times, in a file of a few kB: 100 GB of ids."""
    n = 100_000
    words = pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(n, np.int32)), pa.array(["x" * 1_000_000])
    )
    values = pa.array(np.zeros(n * DIM, np.float32))
    lists = pa.FixedSizeListArray.from_arrays(values, DIM)
    path = tmp_path / "bomb.parquet"
    pq.write_table(pa.table({"vector": lists, "id": words}), path, compression="zstd")
    assert path.stat().st_size < 200_000
    before = peak_mb()
    assert "1000000 bytes" in refusal(client, path, id_column="id")
    assert peak_mb() - before < 300


@pytest.mark.alone
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
def test_a_bomb_of_one_id_of_an_allowed_length(
    client: gleann.Client, tmp_path: Path, kind: pa.DataType
) -> None:
    """One text of 4,000 letters, named 50,000 times."""
    n = 50_000
    words = pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(n, np.int32)), pa.array(["x" * 4000], kind)
    )
    lists = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(n * DIM, "f4")), DIM)
    path = tmp_path / "bomb.parquet"
    pq.write_table(pa.table({"vector": lists, "id": words}), path, compression="zstd")
    assert path.stat().st_size < 50_000
    before = peak_mb()
    with pytest.raises(errors.DuplicateIdError) as caught:
        client.import_vectors("a", path, id_column="id").wait(timeout=60)
    assert peak_mb() - before < 100
    said = str(caught.value)
    assert "bomb.parquet: id has 'xxx" in said
    assert "in the rows 0 and 1" in said
    assert len(said) < 200


def test_an_id_that_repeats_far_away(client: gleann.Client, tmp_path: Path) -> None:
    """In another part of the file than the one that has it first."""
    n = 40_000
    names = [f"{row:05d}" for row in range(n - 1)] + ["00007"]
    path = tmp_path / "v.parquet"
    pq.write_table(pa.table({"vector": vectors(n), "id": names}), path)
    with pytest.raises(errors.DuplicateIdError, match=r"id has '00007' 2 times"):
        client.import_vectors("a", path, id_column="id").wait(timeout=60)
    assert client.get_index("a").count == 0


@pytest.mark.parametrize("descr", [f"'<U{MAX_ID_BYTES + 1}'", "'|S100000'"])
def test_npy_ids_that_are_refused_before_they_are_read(
    client: gleann.Client,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    descr: str,
) -> None:
    def never(file: NpyFile, *_: Any, **__: Any) -> Any:
        raise AssertionError(f"{file.path} was read")

    np.save(tmp_path / "v.npy", np.ones((2, DIM), np.float32))
    size = 2 * np.dtype(descr.strip("'")).itemsize
    path = tmp_path / "names.npy"
    path.write_bytes(npy(header("(2,)", descr), data=bytes(size)))
    monkeypatch.setattr(NpyFile, "__array__", never)
    assert "names.npy" in refusal(client, tmp_path / "v.npy", ids_path=path)


@pytest.mark.alone
def test_a_bomb_of_one_long_row(client: gleann.Client, tmp_path: Path) -> None:
    """Five million numbers in one row."""
    values = pa.array(np.zeros(5_000_000, np.float32))
    lists = pa.ListArray.from_arrays(pa.array([0, len(values)], pa.int32()), values)
    path = tmp_path / "bomb.parquet"
    pq.write_table(pa.table({"vector": lists}), path, compression="zstd")
    del values, lists
    assert path.stat().st_size < 200_000
    before = peak_mb()
    assert "5000000 numbers in the 1 rows" in refusal(client, path)
    assert peak_mb() - before < 15


def peak_mb() -> float:
    """The most memory that this process has had."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1024 if sys.platform == "linux" else most / 2**20


@pytest.fixture
def application(tmp_path: Path) -> Iterator[Callable[..., Application]]:
    opened: list[Application] = []

    def begin(**settings: Any) -> Application:
        config = Config(data_dir=tmp_path / "own", import_roots=(tmp_path,), **settings)
        opened.append(Application(config))
        opened[-1].create_index("a", dim=DIM, metric="l2")
        return opened[-1]

    yield begin
    for one in opened:
        one.close()


def request_of(path: Path) -> vector_pb2.ImportVectorsRequest:
    return vector_pb2.ImportVectorsRequest(
        index="a", npy=vector_pb2.NpyFile(path=str(path))
    )


def test_more_rows_than_are_allowed(
    application: Callable[..., Application], tmp_path: Path
) -> None:
    np.save(tmp_path / "v.npy", np.ones((11, DIM), np.float32))
    with pytest.raises(errors.LimitError, match=r"v.npy holds 11 vectors, at most 10"):
        application(import_rows=10).import_vectors(request_of(tmp_path / "v.npy"))


def test_more_rows_than_the_disk_has_room_for(
    application: Callable[..., Application],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    np.save(tmp_path / "v.npy", np.ones((11, DIM), np.float32))
    room = type("Usage", (), {"free": 395})
    opened = application()
    monkeypatch.setattr(disk_room.shutil, "disk_usage", lambda _: room)
    with pytest.raises(
        errors.StorageError, match=r"about 396 bytes in .* 395 are free"
    ):
        opened.import_vectors(request_of(tmp_path / "v.npy"))
    room.free = 396
    assert opened.import_vectors(request_of(tmp_path / "v.npy")).name
