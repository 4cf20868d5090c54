"""Payload files that are damaged, or forged with right checksums: refused, by name."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from forging import Forgery

from gleann.index import BuildParams, SearchParams, SoarIndex, errors
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Schema

N = 64
SCHEMA = Schema.of(
    {"s": "string", "i": "int64", "f": "float64", "t": "timestamp", "l": "strings"}
)
MOMENT = pa.timestamp("us", "UTC")


def payload() -> Payload:
    columns = {
        "s": [None if row % 5 == 0 else f"text {row}" for row in range(N)],
        "i": list(range(N)),
        "f": [row / 2 for row in range(N)],
        "t": ["2024-01-01T00:00:00Z"] * N,
        "l": [["a", "bc"][: row % 3] for row in range(N)],
    }
    return Payload.of(columns, SCHEMA)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = np.random.default_rng(0).standard_normal((N, 4)).astype(np.float32)
    path = tmp_path_factory.mktemp("saved") / "a"
    params = BuildParams(metric="l2", nlist=4, tune_queries=8)
    SoarIndex.build(rows, params, payload=payload()).save(path)
    return path


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    shutil.copytree(saved, tmp_path / "copy")
    return tmp_path / "copy"


def payload_file(path: Path) -> Path:
    (file,) = path.glob("data-*/payload.arrow")
    return file


def forged(copy: Path, table: pa.Table, **options: Any) -> Path:
    """The index with `table` as its payload file, whatever it holds."""
    file = payload_file(copy)
    with pa.ipc.new_file(
        str(file), table.schema, options=pa.ipc.IpcWriteOptions(**options)
    ) as writer:
        writer.write_table(table)
    return resealed(copy)


def resealed(copy: Path, **changes: Any) -> Path:
    """The index with the right checksum of its payload file in its manifest."""
    digest = hashlib.sha256(payload_file(copy).read_bytes()).hexdigest()
    forgery = Forgery(copy, copy.with_name("forged"))
    forgery.manifest["payload"] |= {"sha256": digest, **changes}
    return forgery.seal()


def test_what_is_whole_is_loaded(copy: Path) -> None:
    index = SoarIndex.load(resealed(copy))
    assert index.payload == payload()
    assert np.flatnonzero(index.where("i < 3 AND s IS NOT NULL")).tolist() == [1, 2]


@pytest.mark.parametrize("place", range(0, 1000, 37))
def test_a_flipped_bit_is_found(copy: Path, place: int) -> None:
    file = payload_file(copy)
    raw = bytearray(file.read_bytes())
    raw[place * len(raw) // 1000] ^= 1
    file.write_bytes(raw)
    with pytest.raises(errors.CorruptDataError, match=r"payload\.arrow"):
        SoarIndex.load(copy)


@pytest.mark.parametrize("keep", [0, 1, 8, 9, 100, 1000, -1])
def test_a_cut_file_is_found(copy: Path, keep: int) -> None:
    file = payload_file(copy)
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(errors.CorruptDataError, match=r"payload\.arrow"):
        SoarIndex.load(copy)


def test_a_missing_file_is_found(copy: Path) -> None:
    payload_file(copy).unlink()
    with pytest.raises(errors.CorruptDataError, match=r"payload\.arrow"):
        SoarIndex.load(copy)


def with_column(name: str, values: pa.Array) -> Callable[[], pa.Table]:
    def change() -> pa.Table:
        table = payload().to_arrow()
        return table.set_column(SCHEMA.names.index(name), name, values)

    return change


def texts(offsets: list[int], content: bytes) -> pa.Array:
    """Strings with any offsets and bytes, N of them."""
    ends = np.array(offsets + [offsets[-1]] * (N + 1 - len(offsets)), np.int32)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(content)]
    return pa.Array.from_buffers(pa.string(), N, buffers)


def lists(offsets: list[int], members: pa.Array) -> pa.Array:
    ends = np.array(offsets + [offsets[-1]] * (N + 1 - len(offsets)), np.int32)
    buffers = [None, pa.py_buffer(ends)]
    kind = pa.list_(pa.string())
    return pa.Array.from_buffers(kind, N, buffers, children=[members])


def repeated(value: Any, kind: pa.DataType) -> pa.Array:
    return pa.array([value] * N, kind)


FORGED = {
    "NaN": (with_column("f", repeated(np.nan, pa.float64())), "finite"),
    "infinity": (with_column("f", repeated(np.inf, pa.float64())), "finite"),
    "year 292277": (
        with_column("t", repeated(2**63 - 1, pa.int64()).view(MOMENT)),
        "microseconds",
    ),
    "no UTF-8": (with_column("s", texts([0, 1], b"\xff")), "UTF"),
    "half a character": (with_column("s", texts([0, 1, 2], "é".encode())), "UTF"),
    "offsets that descend": (with_column("s", texts([0, 3, 1], b"abc")), "'s'"),
    "null in a list": (
        with_column("l", lists([0, 1], pa.array([None], pa.string()))),
        "null in it",
    ),
    "list offsets that descend": (
        with_column("l", lists([0, 2, 1], pa.array(["a", "b"]))),
        "'l'",
    ),
    "another type": (with_column("i", repeated(1, pa.int32())), "int32"),
    "a dictionary": (
        with_column("s", repeated("a", pa.string()).dictionary_encode()),
        "dictionary",
    ),
    "another name": (lambda: payload().to_arrow().rename_columns(list("xiftl")), "x"),
    "a column less": (lambda: payload().to_arrow().drop_columns(["i"]), "columns"),
    "a row less": (lambda: payload().to_arrow().slice(1), "63 rows"),
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_payload_is_refused(copy: Path, name: str) -> None:
    change, says = FORGED[name]
    with pytest.raises(errors.CorruptDataError, match=f"forged.*{says}"):
        SoarIndex.load(forged(copy, change()))


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_compressed_payload_is_refused_before_it_is_unpacked(
    copy: Path, codec: str
) -> None:
    table = payload().to_arrow()
    with pytest.raises(errors.CorruptDataError, match=r"forged.*compressed"):
        SoarIndex.load(forged(copy, table, compression=codec))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"file": "../../secret"}, "must not"),
        ({"rows": 63}, "63"),
        ({"rows": None}, "None"),
        ({"schema": []}, "columns"),
        ({"schema": "s"}, "list of columns"),
        ({"schema": [{"name": "s", "type": "text"}]}, "type 'text'"),
        ({"schema": [{"name": "id", "type": "int64"}]}, "taken"),
        ({"schema": [{"name": "s"}]}, "described"),
        ({"schema": [{"name": 3, "type": "int64"}]}, "name 3"),
        ({"schema": [{"name": "s", "type": ["int64"]}]}, "has type"),
        ({"extra": 1}, "payload"),
    ],
)
def test_forged_entries_are_refused(
    copy: Path, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(errors.CorruptDataError, match=f"forged.*{says}"):
        SoarIndex.load(resealed(copy, **changes))


def test_an_entry_that_is_none_is_refused(copy: Path) -> None:
    for entry in (7, [], {}, "payload.arrow"):
        forgery = Forgery(copy, copy.with_name("forged"))
        forgery.manifest["payload"] = entry
        with pytest.raises(errors.CorruptDataError, match="payload"):
            SoarIndex.load(forgery.seal())


def damages(raw: bytes, rng: np.random.Generator) -> Iterator[bytes]:
    """The bytes changed at random: flipped, cut, repeated, overwritten by ends."""
    while True:
        bad = bytearray(raw)
        for _ in range(rng.integers(1, 4)):
            place = int(rng.integers(len(bad)))
            kind = rng.integers(4)
            if kind == 0:
                bad[place] = int(rng.integers(256))
            elif kind == 1:
                del bad[place : place + int(rng.integers(1, 9))]
            elif kind == 2:
                bad[place:place] = bad[: int(rng.integers(1, 9))]
            else:
                bad[place : place + 8] = rng.bytes(8)
        yield bytes(bad)


@pytest.mark.slow
def test_random_forgeries_are_refused_or_read(copy: Path) -> None:
    """Right checksums throughout, so that Arrow gets to see every one of them."""
    file = payload_file(copy)
    raw = file.read_bytes()
    params = SearchParams(k=3, nprobe=4)
    read = 0
    for bad, _ in zip(damages(raw, np.random.default_rng(0)), range(600), strict=False):
        file.write_bytes(bad)
        path = resealed(copy)
        try:
            index = SoarIndex.load(path, threads=1)
        except errors.CorruptDataError as error:
            assert str(path) in str(error)  # noqa: PT017  any message but with its path
            continue
        read += 1
        assert index.payload is not None
        assert len(index.payload.to_pylist()) == N
        index.where("s >= 'text' OR contains(l, 'a') OR t > '2023-01-01T00:00:00Z'")
        index.search(index.vectors[:1], params)
    assert 0 < read < 600


def test_random_damages_of_packed_payload_are_refused_or_read() -> None:
    raw = payload().to_bytes()
    rng = np.random.default_rng(1)
    read = 0
    for bad, _ in zip(damages(raw, rng), range(1500), strict=False):
        try:
            held = Payload.from_bytes(bad, SCHEMA)
        except errors.CorruptDataError:
            continue
        read += 1
        assert len(held.to_pylist()) == len(held)
        assert held.take([0, -1] if len(held) else [-1]).schema == SCHEMA
    assert read < 1500


def test_packed_payload_of_other_columns_is_refused() -> None:
    raw = payload().to_bytes()
    assert Payload.from_bytes(raw) == payload()
    with pytest.raises(errors.CorruptDataError, match="other columns"):
        Payload.from_bytes(raw, Schema.of({"s": "string"}))
    for cut in (b"", raw[:3], raw[:20], raw[:-1], raw + b"x"):
        with pytest.raises(errors.CorruptDataError):
            Payload.from_bytes(cut, SCHEMA)


def test_a_file_that_is_cut_after_it_was_opened_is_noticed(copy: Path) -> None:
    index = SoarIndex.load(copy)
    file = payload_file(copy)
    with file.open("r+b") as handle:
        handle.truncate(file.stat().st_size // 2)
    with pytest.raises(errors.CorruptDataError, match="when it was opened"):
        index.where("i < 3")
    with pytest.raises(errors.CorruptDataError, match="when it was opened"):
        index.payload_of([1])


def test_offsets_that_change_after_they_were_checked_are_not_followed(
    copy: Path,
) -> None:
    """Every byte of the file overwritten: answers may be wrong, but within bounds."""
    index = SoarIndex.load(copy)
    file = payload_file(copy)
    with file.open("r+b") as handle:
        handle.write(b"\x7f" * file.stat().st_size)
    index.where("s = 'text 1' OR contains(l, 'a')")
    assert len(index.payload.select(["s", "l"]).to_pylist()) == N


def test_json_is_what_the_manifest_says(copy: Path) -> None:
    manifest = json.loads((copy / "manifest.json").read_text())
    assert manifest["payload"]["schema"] == SCHEMA.to_values()
    assert manifest["payload"]["rows"] == N
