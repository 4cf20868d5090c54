"""An audit of leakage for smaller cuts, and in a file."""

import contextlib
import json

import numpy as np
import pytest

from gleann.index import BuildParams, SoarIndex
from gleann.index.errors import CorruptDataError, InvalidParamsError, MissingFileError
from gleann.selection.curation.leakage import (
    leakage,
    load_leakage,
    rethreshold,
    save_leakage,
)

N, TRAIN = 400, 260
WIDE = 1.2


def rows_of(seed=2):
    """Rows (n, 6), a third of the test side near to training rows, some equal."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(N, 6)).astype("f4")
    near = rng.choice(TRAIN, 60)
    moved = rng.normal(size=(60, 6)) * rng.random((60, 1))
    rows[-60:] = rows[near] + moved.astype("f4")
    rows[-5:] = rows[near[-5:]]
    return rows


def index_of(rows, metric="l2", ids=None):
    params = BuildParams(metric=metric, nlist=min(8, len(rows)), tune_queries=0)
    return SoarIndex.build(rows, params, ids=ids)


SPLITS = np.where(np.arange(N) < TRAIN, "train", "test")
TEXTS = np.array([f"é{i}" if i else "nul\0l" for i in range(N)], object)


@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_a_smaller_cut_is_that_of_another_audit(metric):
    wide = WIDE if metric == "l2" else 0.2
    index = index_of(rows_of(), metric)
    groups = np.arange(N) % 3
    found = leakage(index, splits=SPLITS, radius=wide, groups=groups)
    steps = [0.0, *np.quantile(found.pairs.distances, [0.1, 0.5, 0.9]).tolist(), wide]
    for radius in steps:
        cut = rethreshold(found, radius=radius)
        again = leakage(index, splits=SPLITS, radius=radius, groups=groups)
        assert cut.summary() == again.summary()
        np.testing.assert_array_equal(cut.pair_counts, again.pair_counts)
        hit = cut.leaked
        np.testing.assert_array_equal(cut.nearest[hit], again.nearest[hit])
        np.testing.assert_array_equal(cut.distances[hit], again.distances[hit])
        for one, two in (
            (cut.pairs.rows, again.pairs.rows),
            (cut.pairs.others, again.pairs.others),
            (cut.pairs.distances, again.pairs.distances),
        ):
            np.testing.assert_array_equal(one, two)
        for one, two in zip(cut.by_group(), again.by_group(), strict=True):
            assert (one.group, one.leaked) == (two.group, two.leaked)
        assert cut.provenance["params"]["radius"] == radius
    assert rethreshold(found, radius=0.0).leaked.sum() >= (metric == "l2") * 5


def test_rows_near_at_the_first_cut_stay_exact_beyond_the_second():
    found = leakage(index_of(rows_of()), splits=SPLITS, radius=WIDE)
    cut = rethreshold(found, radius=WIDE / 100)
    assert cut.leaked.sum() < found.leaked.sum()
    np.testing.assert_array_equal(cut.nearest, found.nearest)
    np.testing.assert_array_equal(cut.edges, found.edges)


def test_a_similarity_is_a_radius():
    found = leakage(index_of(rows_of(), "cosine"), splits=SPLITS, similarity=0.8)
    cut = rethreshold(found, similarity=0.95)
    expected = rethreshold(found, radius=1 - 0.95)
    assert cut.to_dict() == expected.to_dict()


def test_greater_cuts_and_pairs_that_are_not_all_there_are_refused():
    index = index_of(rows_of())
    found = leakage(index, splits=SPLITS, radius=WIDE)
    with pytest.raises(InvalidParamsError, match=r"radius 1\.3 is above 1\.2"):
        rethreshold(found, radius=1.3)
    with pytest.raises(InvalidParamsError, match="got neither"):
        rethreshold(found)
    pairs = len(found.pairs)
    few = leakage(index, splits=SPLITS, radius=WIDE, max_pairs=pairs - 1)
    leaked = int(found.leaked.sum())
    text = f"lists {leaked} of {pairs} pairs.*max_pairs={pairs}"
    with pytest.raises(InvalidParamsError, match=text):
        rethreshold(few, radius=0.5)


def test_no_pair_within_a_cut_leaks_nothing():
    rows = np.eye(6, dtype="f4") * 10
    splits = np.array(["train"] * 3 + ["test"] * 3)
    found = leakage(index_of(rows), splits=splits, radius=1.0)
    cut = rethreshold(found, radius=0.5)
    assert (len(cut.pairs), cut.leaked.sum()) == (0, 0)
    assert cut.pair_counts.dtype == np.int64


@pytest.mark.parametrize("ids", [None, TEXTS], ids=["integers", "texts"])
@pytest.mark.parametrize("beside", [False, True])
def test_what_is_read_is_what_was_written(ids, beside, tmp_path):
    rows = rows_of()
    if beside:
        train = index_of(rows[:TRAIN], ids=None if ids is None else ids[:TRAIN])
        test = index_of(rows[TRAIN:], ids=None if ids is None else ids[TRAIN:])
        found = leakage(test, train, radius=WIDE)
    else:
        found = leakage(index_of(rows, ids=ids), splits=SPLITS, radius=WIDE)
    save_leakage(found, tmp_path / "audit.npz")
    read = load_leakage(tmp_path / "audit.npz")
    assert read.to_dict() == found.to_dict()
    assert (read.radius, read.metric) == (found.radius, found.metric)
    assert read.by_group() == found.by_group()
    assert read.one_index == found.one_index == (not beside)
    for radius in (0.0, 0.3):
        expected = rethreshold(found, radius=radius)
        got = rethreshold(read, radius=radius)
        assert got.to_dict() == expected.to_dict()
        np.testing.assert_array_equal(got.pairs.others, expected.pairs.others)


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("distances", None, "it has no distances"),
        ("nearest", lambda x: x[:-1], "its nearest have 139 entries, not 140"),
        ("nearest", lambda x: x + N, r"its nearest must be in -1\.\.399"),
        ("rows", lambda x: x[::-1].copy(), "its rows do not ascend"),
        ("rows", lambda x: x + 1, r"its rows must be in 0\.\.399"),
        ("group_numbers", lambda x: x + 7, "its group_numbers must be in"),
        ("pair_rows", lambda x: x * 0, "its pair_rows are not all among its rows"),
        ("pair_others", lambda x: x[:-1], "its pairs differ in number"),
        ("pair_counts", lambda x: x + 1, "pairs, and counts"),
        ("edges", lambda x: x[::-1].copy(), "its edges do not rise"),
        ("facts", lambda x: x[:-2], "its facts are no JSON"),
    ],
)
def test_a_part_that_does_not_fit_is_named(name, change, reason, tmp_path):
    path = tmp_path / "audit.npz"
    save_leakage(leakage(index_of(rows_of()), splits=SPLITS, radius=WIDE), path)
    with np.load(path) as read:
        arrays = dict(read)
    part = arrays.pop(name)
    if change is not None:
        arrays[name] = change(part)
    np.savez(path, **arrays)
    with pytest.raises(CorruptDataError, match=reason):
        load_leakage(path)


def test_other_files_and_facts_are_refused(tmp_path):
    path = tmp_path / "audit.npz"
    with pytest.raises(MissingFileError, match=r"audit\.npz"):
        load_leakage(path)
    save_leakage(leakage(index_of(rows_of()), splits=SPLITS, radius=WIDE), path)
    with np.load(path) as read:
        arrays = dict(read)
    facts = json.loads(arrays["facts"].tobytes())
    for changed, reason in (
        ({"format": "gleann near-duplicates 1"}, "its format is not"),
        ({"groups": 3}, "it has no groups"),
        ({"pairs_complete": "yes"}, "does not say whether"),
        ({"metric": "ip2"}, "its metric is 'ip2'"),
    ):
        bytes_ = json.dumps(facts | changed).encode()
        np.savez(path, **(arrays | {"facts": np.frombuffer(bytes_, np.uint8)}))
        with pytest.raises(CorruptDataError, match=reason):
            load_leakage(path)


def test_damage_of_any_kind_is_told_as_such(tmp_path):
    """Also of what zipfile reads beside the names, such as how a part is packed."""
    path, damaged = tmp_path / "audit.npz", tmp_path / "damaged.npz"
    save_leakage(leakage(index_of(rows_of()), splits=SPLITS, radius=WIDE), path)
    whole = path.read_bytes()
    for place in range(whole.rindex(b"PK\x01\x02"), len(whole)):
        damaged.write_bytes(whole[:place] + b"\xfe" + whole[place + 1 :])
        with contextlib.suppress(CorruptDataError, MissingFileError):
            assert load_leakage(damaged).leaked.any()
