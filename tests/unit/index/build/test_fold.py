"""Folding: what stays is copied, what comes gets the lists that a build would give."""

import filecmp
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gleann.index import BuildParams, SearchParams, SoarIndex, errors
from gleann.index.build import fold, on_disk
from gleann.index.build.spill import Spiller, less, scale_of
from gleann.index.fold import fold_on_disk, joined_payload
from gleann.index.metric import prepare
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Column, Schema
from gleann.index.progress import Progress

OLD, NEWER, DIM, NLIST = 1200, 150, 12, 24


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(5)
    centres = rng.normal(size=(20, DIM))
    noise = 0.5 * rng.normal(size=(OLD + NEWER, DIM))
    return (centres[rng.integers(20, size=len(noise))] + noise).astype(np.float32)


@pytest.fixture(autouse=True)
def many_blocks(monkeypatch):
    for module in (on_disk, fold):
        monkeypatch.setattr(module, "BLOCK_BYTES", DIM * 4 * 333)


def built(rows, **changes):
    params = {"metric": "l2", "nlist": NLIST, "tune_queries": 40, "seed": 3}
    return SoarIndex.build(rows, BuildParams(**{**params, **changes}))


def folded(old, path, newer=None, *, keep=None, ids=None):
    if newer is not None and ids is None:
        ids = np.arange(OLD, OLD + len(newer))
    fold_on_disk(old, newer, path, keep=keep, ids=ids)
    return SoarIndex.load(path)


def lists_of(index):
    """The lists (first, second) of each row, read entry by entry."""
    lists = index.data.lists
    found = {row: [-1, -1] for row in range(len(index))}
    for j in range(lists.nlist):
        for place in range(lists.offsets[j], lists.offsets[j + 1]):
            side = 0 if place < lists.mids[j] else 1
            assert found[lists.rows[place]][side] == -1
            found[lists.rows[place]][side] = j
    return np.array([found[row] for row in range(len(index))])


def assert_as_a_build_with_these_centroids(index, old, rows, keep):
    """Every array, against what the rules of a build say of it, row by row."""
    stay = np.flatnonzero(keep)
    newer = prepare(rows[OLD:], index.metric)
    shift = old.data.encoding.center if old.data.encoding.is_centred else None
    centroids = less(old.data.centroids, shift)
    spiller = Spiller(centroids, index.params, scale=scale_of(newer, shift))
    expected = np.stack(spiller.assign(less(newer, shift)), axis=1)
    np.testing.assert_array_equal(
        lists_of(index), np.concatenate([lists_of(old)[stay], expected])
    )
    vectors = np.concatenate([old.vectors[stay], newer])
    np.testing.assert_allclose(index.vectors, vectors, rtol=1e-6)
    np.testing.assert_array_equal(index.vectors[: len(stay)], old.vectors[stay])
    coded = old.data.encoding.encode(np.ascontiguousarray(index.vectors))
    np.testing.assert_array_equal(index.data.codes.values, coded.values)
    np.testing.assert_array_equal(index.data.codes.scales, coded.scales)
    if coded.biases is not None:
        np.testing.assert_allclose(index.data.codes.biases, coded.biases, rtol=1e-6)


@pytest.mark.parametrize("codes", ["int8", "float32"])
@pytest.mark.parametrize("spill", ["none", "soar", "naive", "auto"])
@pytest.mark.parametrize("metric", ["ip", "cosine", "l2"])
def test_what_comes_is_placed_as_by_a_build(rows, tmp_path, metric, spill, codes):
    old = built(rows[:OLD], metric=metric, spill=spill, codes=codes)
    keep = np.random.default_rng(1).random(OLD) < 0.8
    index = folded(old, tmp_path / "i", rows[OLD:], keep=keep)
    assert_as_a_build_with_these_centroids(index, old, rows, keep)
    ids = np.concatenate([np.flatnonzero(keep), np.arange(OLD, OLD + NEWER)])
    np.testing.assert_array_equal(index.ids, ids)
    asked = rows[::50]
    every = SearchParams(k=5, nprobe=NLIST, rerank=100)
    np.testing.assert_array_equal(
        index.search(asked, every).ids,
        index.search(asked, SearchParams(k=5, exact=True)).ids,
    )


def test_rows_far_from_the_origin_are_placed_likewise(rows, tmp_path):
    moved = rows + np.float32(200)
    old = built(moved[:OLD])
    assert old.data.encoding.is_centred
    index = folded(old, tmp_path / "i", moved[OLD:])
    assert_as_a_build_with_these_centroids(index, old, moved, np.ones(OLD, bool))


def test_nothing_new_and_nothing_removed_gives_the_same_files(rows, tmp_path):
    old = built(rows[:OLD])
    old.save(tmp_path / "a")
    fold_on_disk(old, None, tmp_path / "b")
    ours = {file.name: file for file in (tmp_path / "b").glob("data-*/*.npy")}
    theirs = {file.name: file for file in (tmp_path / "a").glob("data-*/*.npy")}
    assert ours.keys() == theirs.keys()
    for name, file in ours.items():
        assert filecmp.cmp(file, theirs[name], shallow=False), name
    assert SoarIndex.load(tmp_path / "b").header == old.header


def test_folding_is_deterministic_and_in_any_blocks(rows, tmp_path, monkeypatch):
    old = built(rows[:OLD])
    keep = np.arange(OLD) % 3 > 0
    folded(old, tmp_path / "a", rows[OLD:], keep=keep)
    monkeypatch.setattr(fold, "BLOCK_BYTES", 1 << 25)
    folded(old, tmp_path / "b", rows[OLD:], keep=keep)
    ours = {file.name: file for file in (tmp_path / "b").glob("data-*/*.npy")}
    for file in (tmp_path / "a").glob("data-*/*.npy"):
        assert filecmp.cmp(file, ours[file.name], shallow=False), file.name


def test_removals_alone(rows, tmp_path):
    old = built(rows[:OLD])
    keep = np.arange(OLD) % 2 == 0
    index = folded(old, tmp_path / "i", keep=keep)
    np.testing.assert_array_equal(index.ids, np.flatnonzero(keep))
    np.testing.assert_array_equal(lists_of(index), lists_of(old)[keep])
    training = index.header.training
    assert (training.rows, training.kept, training.drift) == (OLD, OLD // 2, None)


def test_a_replaced_row_is_found_at_its_new_place(rows, tmp_path):
    old = built(rows[:OLD])
    keep = np.ones(OLD, bool)
    keep[7] = False
    index = folded(old, tmp_path / "i", rows[OLD : OLD + 1], keep=keep, ids=[7])
    found = index.search(rows[OLD : OLD + 1], SearchParams(k=1, nprobe=1))
    assert found.ids[0, 0] == 7
    assert found.distances[0, 0] == pytest.approx(0, abs=1e-5)


def test_string_ids(rows, tmp_path):
    names = np.array([f"row-{i}" for i in range(OLD + NEWER)])
    params = BuildParams(metric="l2", nlist=NLIST, tune_queries=0)
    old = SoarIndex.build(rows[:OLD], params, ids=names[:OLD])
    keep = np.arange(OLD) != 3
    index = folded(old, tmp_path / "i", rows[OLD:], keep=keep, ids=names[OLD:])
    np.testing.assert_array_equal(index.ids, np.delete(names, 3))


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"keep": np.zeros(OLD, bool)}, errors.InvalidInputError, "none of 1200"),
        ({"keep": np.arange(OLD) < 9}, errors.InvalidParamsError, "24, but 9 rows"),
        ({"keep": np.ones(OLD)}, errors.InvalidInputError, "float64"),
        ({"keep": np.ones(3, bool)}, errors.InvalidInputError, r"\(3,\)"),
        (
            {"newer": np.ones((2, DIM), "f4"), "ids": [1, 2]},
            errors.DuplicateIdError,
            "2 of",
        ),
        (
            {"newer": np.ones((2, DIM), "f4"), "ids": ["a", "b"]},
            errors.InvalidInputError,
            "integers as ids, the newer rows have strings",
        ),
        (
            {"newer": np.ones((2, DIM), "f4")},
            errors.InvalidInputError,
            "ids are required for 2",
        ),
        (
            {"newer": np.ones((2, 3), "f4"), "ids": [OLD, OLD + 1]},
            errors.DimensionMismatchError,
            "3",
        ),
        (
            {"newer": np.full((2, DIM), np.nan, "f4"), "ids": [OLD, OLD + 1]},
            errors.NonFiniteError,
            "row 0",
        ),
    ],
)
def test_bad_input_leaves_nothing(rows, tmp_path, changes, error, text):
    old = built(rows[:OLD], tune_queries=0)
    asked = {"newer": None} | changes
    with pytest.raises(error, match=text):
        fold_on_disk(old, asked.pop("newer"), tmp_path / "i", **asked)
    assert not (tmp_path / "i").exists()


def test_a_callback_that_raises_leaves_nothing(rows, tmp_path):
    old, seen = built(rows[:OLD], tune_queries=0), []

    def progress(news: Progress) -> None:
        seen.append(news.phase)
        if news.phase == "encode":
            raise errors.CancelledError("stop")

    ids = np.arange(OLD, OLD + NEWER)
    with pytest.raises(errors.CancelledError):
        fold_on_disk(old, rows[OLD:], tmp_path / "i", ids=ids, progress=progress)
    assert {"copy", "assign", "encode"} <= set(seen)
    assert not (tmp_path / "i").exists()


def test_operating_points_that_no_search_can_run_with_are_left_out(rows, tmp_path):
    old = built(rows[:OLD])
    assert {p.k for p in old.operating_points} == {1, 2, 5, 10, 20, 50, 100}
    index = folded(old, tmp_path / "i", keep=np.arange(OLD) < 60)
    assert {p.k for p in index.operating_points} == {1, 2, 5, 10, 20, 50}
    assert {p.k for p in index.header.pools} == {1, 2, 5, 10, 20, 50}
    share = index.data.lists.entries / old.data.lists.entries
    before = [p for p in old.operating_points if p.k == 10]
    after = [p for p in index.operating_points if p.k == 10]
    assert [p.entries for p in after] == pytest.approx(
        [p.entries * share for p in before]
    )


def test_drift_is_that_of_all_rows_added_since_the_training(rows, tmp_path):
    old = built(rows[:OLD])
    far = rows[OLD:] + 4
    once = folded(old, tmp_path / "a", far[:50])
    ids = np.arange(OLD + 50, OLD + NEWER)
    twice = folded(once, tmp_path / "b", far[50:], ids=ids)
    training = twice.header.training
    nearest = ((far[:, None] - old.data.centroids) ** 2).sum(-1).min(axis=1)
    assert training.added_distortion == pytest.approx(nearest.mean(), rel=1e-4)
    own = ((rows[:OLD, None] - old.data.centroids) ** 2).sum(-1).min(axis=1)
    assert training.distortion == pytest.approx(own.mean(), rel=1e-4)
    assert training.drift == pytest.approx(nearest.mean() / own.mean(), rel=1e-4)
    assert (training.rows, training.kept) == (OLD, OLD)
    gone = folded(twice, tmp_path / "c", keep=np.arange(OLD + NEWER) < OLD)
    assert gone.header.training.drift is None


def test_a_recall_that_drift_leaves_unknown_is_warned_of(rows, tmp_path):
    old = built(rows[:OLD])
    drifted = folded(old, tmp_path / "a", rows[OLD:] + 4)
    drift = drifted.header.training.drift
    assert drift > 1.5
    for params in (SearchParams(k=5), SearchParams(k=5, target_recall=0.5)):
        old.search(rows[:3], params)  # warnings are errors in these tests
        with pytest.warns(errors.RecallWarning, match=f"are {drift:.2f} times those"):
            found = drifted.search(rows[:3], params)
        assert found.stats.estimated_recall is None
    for known in (SearchParams(k=5, nprobe=9), SearchParams(k=5, exact=True)):
        drifted.search(rows[:3], known)
    again = folded(drifted, tmp_path / "b", keep=np.arange(OLD + NEWER) < OLD)
    again.search(rows[:3], SearchParams(k=5))


SCHEMA = Schema([Column("split", "string"), Column("score", "float64")])


def payload_of(ids, suffix=""):
    values = {"split": [f"s{i}{suffix}" for i in ids], "score": [float(i) for i in ids]}
    return Payload.of(values, SCHEMA)


def with_payload(rows, path):
    payload = payload_of(range(OLD))
    params = BuildParams(metric="l2", nlist=NLIST, tune_queries=0)
    SoarIndex.build(rows[:OLD], params, payload=payload).save(path)
    return SoarIndex.load(path)


def test_payload_stays_with_its_rows_and_newer_ones_have_nulls(rows, tmp_path):
    old = with_payload(rows, tmp_path / "old")
    keep = np.arange(OLD) % 7 > 0
    index = folded(old, tmp_path / "i", rows[OLD : OLD + 9], keep=keep)
    expected = payload_of(np.flatnonzero(keep)).to_arrow().to_pylist()
    assert index.payload.to_arrow().to_pylist() == expected + 9 * [
        {"split": None, "score": None}
    ]


def test_payload_that_is_given_is_that_of_all_rows(rows, tmp_path, monkeypatch):
    monkeypatch.setattr("gleann.index.fold.PAYLOAD_ROWS", 100)
    old = with_payload(rows, tmp_path / "old")
    newer, ids = rows[OLD : OLD + 9], np.arange(OLD, OLD + 9)
    blocks = joined_payload(old.payload, None, [payload_of(ids, "!")])
    fold_on_disk(old, newer, tmp_path / "i", ids=ids, payload=blocks, schema=SCHEMA)
    index = SoarIndex.load(tmp_path / "i")
    parts = [payload_of(range(OLD)), payload_of(ids, "!")]
    assert index.payload.to_arrow().equals(Payload.concat(parts).to_arrow())
    with pytest.raises(errors.InvalidInputError, match="need a schema"):
        fold_on_disk(old, newer, tmp_path / "j", ids=ids, payload=parts)
    with pytest.raises(errors.DimensionMismatchError, match="9 entries for 1209"):
        fold_on_disk(
            old, newer, tmp_path / "j", ids=ids, payload=parts[1:], schema=SCHEMA
        )
    assert not (tmp_path / "j").exists()


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_steps_give_the_lists_of_one(rows, tmp_path_factory, data):
    """Folding in steps, with removals between, is folding at once."""
    old = built(rows[:OLD], tune_queries=0, spill="soar")
    cut = data.draw(st.integers(1, NEWER - 1))
    first = np.array(data.draw(st.lists(st.booleans(), min_size=8, max_size=8)))
    keep = np.resize(first, OLD)
    keep[: 2 * NLIST] = True
    path = tmp_path_factory.mktemp("steps")
    part = folded(old, path / "a", rows[OLD : OLD + cut])
    ids = np.arange(OLD + cut, OLD + NEWER)
    both = np.concatenate([keep, np.ones(cut, bool)])
    steps = folded(part, path / "b", rows[OLD + cut :], keep=both, ids=ids)
    once = folded(old, path / "c", rows[OLD:], keep=keep)
    np.testing.assert_array_equal(lists_of(steps), lists_of(once))
    np.testing.assert_array_equal(steps.ids, once.ids)
    np.testing.assert_array_equal(steps.data.codes.values, once.data.codes.values)
    assert steps.header.training.drift == pytest.approx(once.header.training.drift)


def test_memory_does_not_grow_with_the_rows(tmp_path, monkeypatch):
    """Some 50 bytes a row: the vectors themselves would be 256 bytes each."""
    monkeypatch.setattr(fold, "BLOCK_BYTES", 1 << 18)
    n, dim = 40_000, 64
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(n, dim)).astype(np.float32)
    params = BuildParams(metric="l2", nlist=64, tune_queries=0, spill="none")
    SoarIndex.build(rows, params).save(tmp_path / "old")
    old = SoarIndex.load(tmp_path / "old")
    newer = rows[:2000]
    tracemalloc.start()
    fold_on_disk(old, newer, tmp_path / "i", ids=np.arange(n, n + 2000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100 * n


def test_kernels_without_native_code_agree(rows, tmp_path, monkeypatch):
    old = built(rows[:OLD])
    index = folded(old, tmp_path / "a", rows[OLD:])
    monkeypatch.setattr("gleann.index.engines.native.available", lambda: False)
    plain = folded(old, tmp_path / "b", rows[OLD:])
    np.testing.assert_array_equal(lists_of(plain), lists_of(index))
    np.testing.assert_array_equal(plain.data.codes.values, index.data.codes.values)
