"""The vicinity backend beside vicinity's own exhaustive one, and under semhash."""

import json

import numpy as np
import pytest

from gleann.index.errors import (
    InvalidInputError,
    InvalidParamsError,
    MissingFileError,
    ZeroVectorError,
)

vicinity = pytest.importorskip("vicinity")

from vicinity import Vicinity  # noqa: E402
from vicinity.backends.basic import BasicBackend  # noqa: E402

from gleann.service.adapters.vicinity import GleannBackend, load  # noqa: E402

METRICS = ["cosine", "euclidean"]


def pair(rows, metric):
    """Ours and theirs on the same rows, with all neighbours found."""
    ours = GleannBackend.from_vectors(rows, metric=metric, target_recall=1)
    return ours, BasicBackend.from_vectors(rows.copy(), metric=metric)


def assert_same(ours, theirs, *, ordered=True):
    assert len(ours) == len(theirs)
    for (at, near), (their_at, their_near) in zip(ours, theirs, strict=True):
        order = np.argsort(their_near, kind="stable")
        np.testing.assert_allclose(near, their_near[order], atol=2e-3)
        assert set(at.tolist()) == set(their_at.tolist())
        if ordered:
            assert (np.diff(near) >= 0).all()


@pytest.mark.parametrize("metric", METRICS)
def test_queries_are_those_of_the_exhaustive_backend(clustered, metric):
    rows, asked = clustered(500, 10, seed=1), clustered(9, 10, seed=2)
    ours, theirs = pair(rows, metric)
    assert (len(ours), ours.dim) == (500, 10)
    assert ours.arguments.metric.value == metric
    assert_same(ours.query(asked, 7), theirs.query(asked, 7))
    assert_same(ours.query(asked, 600), theirs.query(asked, 600))


@pytest.mark.parametrize("metric", METRICS)
def test_threshold_has_all_within_and_the_nearest_of_too_many(clustered, metric):
    rows, asked = clustered(500, 10, seed=1), clustered(9, 10, seed=2)
    ours, theirs = pair(rows, metric)
    bound = 0.4 if metric == "cosine" else 2.5
    found = ours.threshold(asked, bound, 500)
    assert_same(found, theirs.threshold(asked, bound, 500))
    assert max(len(at) for at, _ in found) > 5
    few = ours.threshold(asked, bound, 3)
    assert [at.tolist() for at, _ in few] == [at.tolist()[:3] for at, _ in found]
    assert all(len(at) == 0 for at, _ in ours.threshold(asked, -0.1, 3))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("more", [1, 40, 400])
def test_inserted_and_deleted_rows(clustered, metric, more):
    rows, added = clustered(500, 10, seed=1), clustered(more, 10, seed=3)
    asked = clustered(9, 10, seed=2)
    ours, theirs = pair(rows, metric)
    for backend in (ours, theirs):
        backend.insert(added)
        backend.delete([499 + more, 3, 0, 250])
    assert len(ours) == len(theirs) == 496 + more
    bound = 0.4 if metric == "cosine" else 2.5
    for _ in range(2):
        assert_same(ours.query(asked, 20), theirs.query(asked, 20))
        assert_same(
            ours.threshold(asked, bound, 999), theirs.threshold(asked, bound, 9)
        )
        for backend in (ours, theirs):
            backend.delete(list(range(0, 90, 2)))
            backend.insert(rows[:5])


def test_what_is_left_of_all_rows():
    ours = GleannBackend.from_vectors(np.eye(4), metric="euclidean")
    ours.delete([0, 1, 3])
    ((at, near),) = ours.query(np.eye(4)[:1], 3)
    assert (at.tolist(), near.tolist()) == ([0], [pytest.approx(2**0.5)])
    ours.delete([0])
    assert len(ours) == 0
    ((at, near),) = ours.query(np.eye(4)[:1], 3)
    assert len(at) == len(near) == 0
    ((at, _),) = ours.threshold(np.eye(4)[:1], 9, 3)
    assert len(at) == 0


@pytest.mark.parametrize("changed", [False, True])
def test_saved_and_loaded_by_vicinity(clustered, tmp_path, changed):
    rows, asked = clustered(300, 6, seed=1), clustered(5, 6, seed=2)
    items = [f"item {at}" for at in range(300)]
    backend = GleannBackend.from_vectors(rows, metric="cosine", seed=3)
    held = Vicinity(items, backend, metadata={"about": "rows"})
    if changed:
        held.insert(["one more"], asked[:1])
        held.delete(["item 0"])
    expected = held.query(asked, k=4)
    held.save(tmp_path / "saved")
    assert json.loads((tmp_path / "saved" / "data.json").read_bytes())["backend_type"]
    again = load(tmp_path / "saved")
    assert again.metadata == {"about": "rows"}
    assert again.backend.arguments == backend.arguments
    found = again.query(asked, k=4)
    assert [[item for item, _ in line] for line in found] == [
        [item for item, _ in line] for line in expected
    ]
    if changed:
        assert found[0][0][0] == "one more"
    held.save(tmp_path / "saved", overwrite=True)
    with pytest.raises(MissingFileError):
        GleannBackend.load(tmp_path / "nothing")


def test_vicinity_measures_its_recall(clustered):
    rows, asked = np.split(clustered(3050, 16, seed=1), [3000])
    backend = GleannBackend.from_vectors(rows, target_recall=0.9)
    _, recall = Vicinity(range(3000), backend).evaluate(rows, asked, k=10)
    assert recall >= 0.9


def test_what_is_refused():
    rows = np.eye(3, 4)
    with pytest.raises(InvalidParamsError, match="manhattan"):
        GleannBackend.from_vectors(rows, metric="manhattan")
    with pytest.raises(InvalidParamsError, match="target_recall"):
        GleannBackend.from_vectors(rows, target_recall=2)
    with pytest.raises(ZeroVectorError):
        GleannBackend.from_vectors(np.zeros((2, 3)))
    ours = GleannBackend.from_vectors(rows)
    with pytest.raises(InvalidInputError, match=r"0\.\.2, got 3"):
        ours.delete([3])
    with pytest.raises(InvalidParamsError, match="k must be at least 1"):
        ours.query(rows, 0)


class Letters:
    """An encoder of texts: how often each letter is in one."""

    def encode(self, texts, **_):
        table = np.zeros((len(texts), 26), np.float32)
        for at, text in enumerate(texts):
            for letter in text.lower():
                if "a" <= letter <= "z":
                    table[at, ord(letter) - 97] += 1
        return table


def test_semhash_runs_on_it():
    semhash = pytest.importorskip("semhash")
    texts = ["the cat sat", "the cat sats", "a dog barked", "blue sky", "a dog barked"]
    made = semhash.SemHash.from_records(texts, model=Letters(), ann_backend="basic")
    expected = made.self_deduplicate(threshold=0.9)
    made.index.backend = GleannBackend.from_vectors(made.index.vectors)
    found = made.self_deduplicate(threshold=0.9)
    assert sorted(found.selected) == sorted(expected.selected)
    assert len(found.selected) == 3
    theirs = made.deduplicate(["the cat sat.", "green grass"], threshold=0.95)
    assert theirs.selected == ["green grass"]
