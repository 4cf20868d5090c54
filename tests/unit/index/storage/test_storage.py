"""The file format: round trips, replacement, corruption, and each version for ever."""

import errno
import hashlib
import json
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from gleann.index import BuildParams, SearchParams, SoarIndex, errors
from gleann.index.payload.schema import COLUMN_TYPES
from gleann.index.storage import files
from gleann.index.storage.manifest import manifest_checksum

GOLDEN = Path(__file__).parents[3] / "golden" / "index-v1"


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(0).normal(size=(200, 6)).astype(np.float32)


@pytest.fixture(scope="module")
def index(rows):
    return SoarIndex.build(rows, BuildParams(metric="l2", nlist=8, tune_queries=20))


@pytest.mark.golden
def test_version_1_loads_for_ever():
    index = SoarIndex.load(GOLDEN)
    assert len(index) == 40
    assert index.metric == "cosine"
    assert index.ids.tolist()[:3] == ["w0", "w1", "w2"]
    expected = json.loads((GOLDEN.parent / "index-v1-expected.json").read_text())
    found = index.search(index.vectors[:5], SearchParams(k=3, nprobe=index.nlist))
    assert found.ids.tolist() == expected["ids"]
    np.testing.assert_allclose(found.distances, expected["distances"], atol=1e-6)


@pytest.mark.golden
@pytest.mark.parametrize("engine", ["native", "reference", "faiss"])
@pytest.mark.parametrize("name", ["ip-int8", "cosine-int8", "l2-float32"])
def test_version_2_loads_for_ever(name, engine):
    index = SoarIndex.load(GOLDEN.parent / "index-v2" / name, engine=engine)
    expected = json.loads((GOLDEN.parent / "index-v2-expected.json").read_text())[name]
    assert f"{index.metric}-{index.data.encoding.kind}" == name
    assert index.params.codes == index.data.encoding.kind
    assert index.data.encoding.is_centred
    params = SearchParams(k=3, nprobe=index.nlist)
    queries = np.load(GOLDEN.parent / "index-v2-queries.npy")
    found = index.search(queries, params)
    assert found.ids.tolist() == expected["ids"]
    np.testing.assert_allclose(found.distances, expected["distances"], rtol=1e-6)


@pytest.mark.golden
def test_version_3_loads_for_ever():
    """With payload of every type, nulls among it, in two record batches."""
    index = SoarIndex.load(GOLDEN.parent / "index-v3")
    expected = json.loads((GOLDEN.parent / "index-v3-expected.json").read_text())
    assert [c.type for c in index.schema.columns] == list(COLUMN_TYPES)
    assert index.schema.to_values() == expected["schema"]
    said = [{k: _shown(v) for k, v in row.items()} for row in index.payload.to_pylist()]
    assert said == expected["payload"]
    allowed = index.where(expected["where"])
    assert np.flatnonzero(allowed).tolist() == expected["passing"]
    params = SearchParams(k=3, nprobe=index.nlist, allowed=allowed)
    found = index.search(index.vectors[:5], params)
    assert found.ids.tolist() == expected["ids"]
    np.testing.assert_allclose(found.distances, expected["distances"], rtol=1e-5)


def _shown(value):
    return value.isoformat() if isinstance(value, datetime) else value


def test_what_a_newer_gleann_requires_is_refused_by_name(index, tmp_path):
    index.save(tmp_path / "a")
    forge(tmp_path / "a", lambda m: m.update(list_levels={"arrays": []}))
    assert len(SoarIndex.load(tmp_path / "a")) == 200
    forge(tmp_path / "a", lambda m: m.update(requires=["newer_lists"]))
    with pytest.raises(errors.CorruptDataError, match=r"requires 'newer_lists'"):
        SoarIndex.load(tmp_path / "a")
    forge(tmp_path / "a", lambda m: m.update(requires="newer_lists"))
    with pytest.raises(errors.CorruptDataError, match="does not list"):
        SoarIndex.load(tmp_path / "a")


@pytest.mark.parametrize("codes", ["int8", "float32"])
@pytest.mark.parametrize("metric", ["ip", "cosine", "l2"])
def test_both_kinds_of_codes_are_kept(metric, codes, tmp_path, rows):
    params = BuildParams(metric=metric, nlist=8, tune_queries=20, codes=codes)
    built = SoarIndex.build(rows + 50, params)
    built.save(tmp_path / "a")
    loaded = SoarIndex.load(tmp_path / "a")
    assert loaded.params.codes == loaded.data.encoding.kind == codes
    for name in ("values", "scales", "biases"):
        np.testing.assert_array_equal(
            getattr(loaded.data.codes, name), getattr(built.data.codes, name)
        )
    center = loaded.data.encoding.center
    assert center.any()
    np.testing.assert_array_equal(center, built.data.encoding.center)
    names = {file.stem for file in (tmp_path / "a").rglob("*.npy")}
    assert ("codes" in names) == (codes == "int8")
    assert ("code_biases" in names) == (codes == "int8" or metric == "ip")
    before, after = (index.search(rows + 50) for index in (built, loaded))
    np.testing.assert_array_equal(before.ids, after.ids)
    np.testing.assert_array_equal(before.distances, after.distances)


def test_a_newer_version_is_refused_with_both(index, tmp_path):
    index.save(tmp_path / "a")
    forge(tmp_path / "a", lambda m: m.update(version=4))
    with pytest.raises(
        errors.CorruptDataError, match=r"version 4, this gleann reads versions 1 to 3"
    ):
        SoarIndex.load(tmp_path / "a")


def test_round_trip_keeps_everything(index, tmp_path, rows):
    index.save(tmp_path / "a")
    loaded = SoarIndex.load(tmp_path / "a")
    assert loaded.params == index.params
    assert loaded.operating_points == index.operating_points
    assert loaded.data_hash == index.data_hash
    for name in ("centroids", "vectors"):
        np.testing.assert_array_equal(
            getattr(loaded.data, name), getattr(index.data, name)
        )
    for name in ("offsets", "mids", "rows", "others"):
        np.testing.assert_array_equal(
            getattr(loaded.data.lists, name), getattr(index.data.lists, name)
        )


def test_save_replaces_an_index(index, tmp_path, rows):
    path = tmp_path / "a"
    index.save(path)
    other = SoarIndex.build(rows[:50], BuildParams(metric="l2", nlist=2))
    held = SoarIndex.load(path)
    other.save(path)
    assert len(SoarIndex.load(path)) == 50
    assert len([p for p in path.iterdir() if p.is_dir()]) == 1
    # A reader that had the old version open keeps it.
    assert held.search(rows[:2], SearchParams(k=1, nprobe=8)).ids.tolist() == [[0], [1]]


def test_save_onto_itself(index, tmp_path, rows):
    index.save(tmp_path / "a")
    SoarIndex.load(tmp_path / "a").save(tmp_path / "a")
    assert len(SoarIndex.load(tmp_path / "a")) == 200


@pytest.mark.parametrize("fail_at", [0, 1, 5, 8])
def test_full_disk_keeps_the_old_version(index, tmp_path, rows, monkeypatch, fail_at):
    path = tmp_path / "a"
    index.save(path)
    calls = 0
    sync = files.os.fsync

    def full(descriptor):
        nonlocal calls
        calls += 1
        if calls > fail_at:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(descriptor)

    monkeypatch.setattr(files.os, "fsync", full)
    other = SoarIndex.build(rows[:50], BuildParams(metric="l2", nlist=2))
    with pytest.raises(errors.StorageError, match="No space left"):
        other.save(path)
    monkeypatch.undo()
    assert len(SoarIndex.load(path)) == 200
    assert len(list(path.iterdir())) == 2


FULL_DISK = """
import resource, sys
from gleann.index import SoarIndex
from gleann.index.errors import StorageError

index = SoarIndex.load(sys.argv[1])
for most in (1, 100, 1000, 5000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
    try:
        index.save(sys.argv[2])
    except StorageError as error:
        print(error)
"""


def test_a_disk_that_takes_no_more_bytes_is_told(index, tmp_path):
    """What is refused stays in a buffer, and is tried again when the file closes."""
    index.save(tmp_path / "there")
    words = [str(tmp_path / name) for name in ("there", "new")]
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, *words],
        capture_output=True,
        text=True,
        check=True,
    )
    said = f"could not save to {tmp_path}/new: File too large"
    assert done.stdout.splitlines() == [said] * 4
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


@pytest.mark.parametrize("fail_at", [11, 12, 13])
def test_a_disk_that_fails_around_the_switch_leaves_a_whole_index(
    index, tmp_path, rows, monkeypatch, fail_at
):
    """The data folder, the manifest, the directory: whichever cannot be synced."""
    path = tmp_path / "a"
    index.save(path)
    calls = 0
    sync = files.os.fsync

    def failing(descriptor):
        nonlocal calls
        calls += 1
        if calls > fail_at:
            raise OSError(errno.EIO, "Input/output error")
        sync(descriptor)

    monkeypatch.setattr(files.os, "fsync", failing)
    other = SoarIndex.build(rows[:50], BuildParams(metric="l2", nlist=2))
    with pytest.raises(errors.StorageError, match="Input/output error"):
        other.save(path)
    monkeypatch.undo()
    assert calls == fail_at + 1
    assert len(SoarIndex.load(path)) == (50 if fail_at == 13 else 200)
    other.save(path)
    assert len(SoarIndex.load(path)) == 50
    assert len(list(path.iterdir())) == 2


def test_what_a_killed_first_writer_left_is_no_obstacle(index, tmp_path):
    path = tmp_path / "a"
    (path / "data-0123456789abcdef").mkdir(parents=True)
    (path / "manifest.json.new").write_text("{")
    index.save(path)
    assert len(SoarIndex.load(path)) == 200
    assert len(list(path.iterdir())) == 2


@pytest.mark.parametrize("rows_written", [1, 3])
def test_an_array_must_be_what_was_announced(tmp_path, rows_written):
    with (
        pytest.raises(errors.DimensionMismatchError, match=r"8 bytes too (few|many)"),
        files.drafting(tmp_path / "a") as draft,
        draft.growing("x", dtype="<f4", shape=(2, 2)) as file,
    ):
        file.append(np.zeros((rows_written, 2), np.float32))
    assert list(tmp_path.iterdir()) == []


def test_full_disk_at_the_manifest_keeps_the_old_version(
    index, tmp_path, rows, monkeypatch
):
    path = tmp_path / "a"
    index.save(path)

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(json, "dump", full)
    with pytest.raises(errors.StorageError, match="No space left"):
        SoarIndex.build(rows[:50], BuildParams(metric="l2", nlist=2)).save(path)
    monkeypatch.undo()
    assert len(SoarIndex.load(path)) == 200
    assert sorted(p.name for p in path.iterdir())[1:] == ["manifest.json"]


def test_foreign_directories_are_left_alone(index, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(errors.AlreadyExistsError, match="holds 1 files"):
        index.save(tmp_path)
    with pytest.raises(errors.AlreadyExistsError, match="is a file"):
        index.save(tmp_path / "thesis.tex")
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_nothing_there(tmp_path):
    with pytest.raises(errors.MissingFileError, match="no index at"):
        SoarIndex.load(tmp_path / "absent")


@pytest.fixture
def saved(index, tmp_path):
    index.save(tmp_path / "a")
    return tmp_path / "a"


def data_files(saved):
    return sorted(saved.glob("data-*/*.npy"))


def test_flipped_bits_are_found(saved):
    for file in [saved / "manifest.json", *data_files(saved)]:
        good = file.read_bytes()
        for place in (0, len(good) // 2, len(good) - 1):
            bad = bytearray(good)
            bad[place] ^= 0x41
            file.write_bytes(bad)
            with pytest.raises(errors.CorruptDataError):
                SoarIndex.load(saved)
        file.write_bytes(good)
    SoarIndex.load(saved)


@pytest.mark.parametrize("keep", [0, 10, -1])
def test_truncated_files_are_found(saved, keep):
    for file in data_files(saved):
        good = file.read_bytes()
        file.write_bytes(good[:keep])
        with pytest.raises(errors.CorruptDataError):
            SoarIndex.load(saved)
        file.write_bytes(good)


def test_missing_arrays_are_found(saved):
    data_files(saved)[0].unlink()
    with pytest.raises(errors.CorruptDataError, match="cannot be read"):
        SoarIndex.load(saved)


def forge(saved, change):
    """Rewrite the manifest with a right checksum, as an attacker would."""
    file = saved / "manifest.json"
    manifest = json.loads(file.read_text())
    change(manifest)
    manifest["checksum"] = manifest_checksum(manifest)
    file.write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.update(version=4),
        lambda m: m.update(version=0),
        lambda m: m.update(version=True),
        lambda m: m.update(version="2"),
        lambda m: m["index"].update(codes="int4"),
        lambda m: m["index"].update(codes=["int8"]),
        lambda m: m["index"].update(codes="float32"),
        lambda m: m["index"].pop("codes"),
        lambda m: m["arrays"].pop("center"),
        lambda m: m["arrays"].pop("code_biases"),
        lambda m: m.update(format="other"),
        lambda m: m.update(data="../../etc"),
        lambda m: m.update(data="/tmp"),
        lambda m: m.pop("arrays"),
        lambda m: m["arrays"].update(codes=3),
        lambda m: m["arrays"].update({"../x": m["arrays"]["codes"]}),
        lambda m: m["arrays"].pop("codes"),
        lambda m: m["arrays"]["codes"].update(shape=[1, 6]),
        lambda m: m["index"]["params"].update(metric="hamming"),
        lambda m: m["index"]["params"].update(unheard_of=1),
        lambda m: m["index"].pop("params"),
    ],
)
def test_forged_manifests_are_refused(saved, change):
    forge(saved, change)
    with pytest.raises(errors.CorruptDataError):
        SoarIndex.load(saved)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("entry_rows", 200),
        ("entry_rows", -1),
        ("entry_others", 8),
        ("list_offsets", 10**6),
        ("list_mids", -5),
    ],
)
def test_forged_numbers_cannot_point_outside(saved, name, value):
    file = next(saved.glob(f"data-*/{name}.npy"))
    array = np.load(file)
    array[len(array) // 2] = value
    np.save(file, array)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    forge(saved, lambda m: m["arrays"][name].update(sha256=digest))
    with pytest.raises(errors.CorruptDataError, match="does not fit together"):
        SoarIndex.load(saved)


def test_pickled_arrays_are_refused(saved):
    file = next(saved.glob("data-*/codes.npy"))
    np.save(file, np.array([{"a": 1}], object), allow_pickle=True)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    forge(saved, lambda m: m["arrays"]["codes"].update(sha256=digest))
    with pytest.raises(errors.CorruptDataError):
        SoarIndex.load(saved)


def test_saved_files_are_plain_numpy(saved, rows):
    vectors = np.load(next(saved.glob("data-*/vectors.npy")))
    np.testing.assert_array_equal(vectors, rows)


def test_golden_copy_is_writable_elsewhere(tmp_path):
    """Loading must not need to write beside the files."""
    shutil.copytree(GOLDEN, tmp_path / "copy")
    (tmp_path / "copy").chmod(0o555)
    assert len(SoarIndex.load(tmp_path / "copy")) == 40
    (tmp_path / "copy").chmod(0o755)
