"""Near-duplicates in a file, and what a damaged file is refused for."""

import json

import numpy as np
import pytest

from gleann.index import BuildParams, SoarIndex
from gleann.index.errors import CorruptDataError, MissingFileError, StorageError
from gleann.selection.curation.duplicates import (
    load_duplicates,
    near_duplicates,
    rethreshold,
    save_duplicates,
)


def answer(ids=None, against=None):
    rng = np.random.default_rng(4)
    rows = rng.normal(size=(80, 5)).astype("f4")
    rows = np.concatenate([rows, rows[:20], rows[20:40] + np.float32(0.02)])
    params = BuildParams(metric="l2", nlist=4, tune_queries=0)
    index = SoarIndex.build(rows, params, ids=ids)
    other = rows[60:70] + np.float32(0.01)
    return near_duplicates(index, radius=0.1, against=other if against else None)


TEXTS = np.array([f"é{i}" if i else "nul\0l" for i in range(120)], object)


@pytest.mark.parametrize("ids", [None, TEXTS], ids=["integers", "texts"])
@pytest.mark.parametrize("against", [None, True])
def test_what_is_read_is_what_was_written(ids, against, tmp_path):
    found = answer(ids, against)
    save_duplicates(found, tmp_path / "found.npz")
    read = load_duplicates(tmp_path / "found.npz")
    assert read.to_dict() == found.to_dict()
    assert (read.radius, read.metric) == (found.radius, found.metric)
    for name in ("hashes", "ranks", "first"):
        np.testing.assert_array_equal(getattr(read, name), getattr(found, name))
    for radius in (0.0, 0.002, 0.05):
        expected = rethreshold(found, radius=radius).to_dict()
        assert rethreshold(read, radius=radius).to_dict() == expected


def stored(tmp_path):
    path = tmp_path / "found.npz"
    save_duplicates(answer(), path)
    with np.load(path) as arrays:
        return path, dict(arrays)


def facts_of(arrays, **changed):
    facts = json.loads(arrays["facts"].tobytes()) | changed
    return np.frombuffer(json.dumps(facts).encode(), np.uint8)


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("kept", None, "it has no kept"),
        ("ranks", lambda x: x[:-1], "its ranks have 119 entries, not 120"),
        ("first", lambda x: x.astype("f8"), "its first are float64"),
        ("duplicate_of", lambda x: x + 200, "its duplicate_of must be in -1..119"),
        ("pair_rows", lambda x: x - np.int32(99), "its pair_rows must be in 0..119"),
        ("pair_others", lambda x: x[:-1], "its pairs differ in number"),
        ("facts", lambda x: x[:-2], "its facts are no JSON"),
    ],
)
def test_a_part_that_does_not_fit_is_named(name, change, reason, tmp_path):
    path, arrays = stored(tmp_path)
    part = arrays.pop(name)
    if change is not None:
        arrays[name] = change(part)
    np.savez(path, **arrays)
    with pytest.raises(CorruptDataError, match=reason):
        load_duplicates(path)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"format": "other"}, "its format is not"),
        ({"metric": "ip2"}, "its metric is 'ip2'"),
        ({"radius": "1"}, "its radius is '1'"),
        ({"provenance": None}, "it has no provenance"),
    ],
)
def test_a_fact_that_does_not_fit_is_named(changed, reason, tmp_path):
    path, arrays = stored(tmp_path)
    np.savez(path, **(arrays | {"facts": facts_of(arrays, **changed)}))
    with pytest.raises(CorruptDataError, match=reason):
        load_duplicates(path)


def test_a_file_that_is_cut_or_changed_is_refused(tmp_path):
    path, _ = stored(tmp_path)
    whole = path.read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(CorruptDataError, match="no file of near-duplicates"):
            load_duplicates(path)
    changed = bytearray(whole)
    changed[whole.index(b"kept.npy") + 200] ^= 255
    path.write_bytes(bytes(changed))
    with pytest.raises(CorruptDataError, match="no file of near-duplicates"):
        load_duplicates(path)


def test_files_that_cannot_be_read_or_written(tmp_path):
    with pytest.raises(MissingFileError, match=r"none\.npz"):
        load_duplicates(tmp_path / "none.npz")
    with pytest.raises(StorageError, match="cannot write"):
        save_duplicates(answer(), tmp_path / "none" / "found.npz")


def test_an_array_alone_is_refused_with_its_shape(tmp_path):
    np.save(tmp_path / "items.npy", np.zeros((3, 2), np.float32))
    with pytest.raises(CorruptDataError, match=r"no file of near.*shape \(3, 2\)"):
        load_duplicates(tmp_path / "items.npy")
