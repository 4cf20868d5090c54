"""One batch for a model of the caller's, beside the session's and by hand."""

import numpy as np
import pytest

from gleann.index.errors import (
    DimensionMismatchError,
    DuplicateIdError,
    InvalidInputError,
    InvalidParamsError,
)
from gleann.selection.rounds import RoundsParams, RoundsSession, pick_batch


@pytest.fixture
def world(clustered):
    rows = clustered(300, 8, seed=1, clusters=4)
    labels = (rows[:, 0] > 0).astype(int) + 2 * (rows[:, 1] > 0)
    return rows, labels


def probabilities_of(session, known, n):
    left = np.setdiff1d(np.arange(n), known)
    return session.probabilities(left)


@pytest.mark.parametrize(
    "picker", ["margin", "badge", "cluster_margin", "gist", "weighted_k_center"]
)
def test_with_the_model_of_a_session_it_picks_what_the_session_picks(world, picker):
    rows, labels = world
    known = np.random.default_rng(0).permutation(300)[:40]
    params = RoundsParams(picker=picker, batch=12, weights=(0.3,), seed=4)
    session = RoundsSession.start(rows, params, rows=known, labels=labels[known])
    batch = session.next_batch()
    picked = pick_batch(
        rows,
        k=12,
        labelled=known,
        labels=labels[known],
        probabilities=probabilities_of(session, known, 300),
        params=params,
    )
    assert len(picked.rows) == 12
    assert not np.isin(picked.rows, known).any()
    if picker in ("margin", "gist", "weighted_k_center"):  # no draws
        assert picked.rows.tolist() == batch.rows.tolist()
        assert picked.method == session.last_method


def test_margins_by_hand():
    rows = np.eye(6, dtype=np.float32)
    table = np.array([[0.9, 0.1], [0.5, 0.5], [0.4, 0.6], [0.8, 0.2]])
    picked = pick_batch(
        rows, k=2, labelled=[5, 1], labels=["b", "a"], probabilities=table
    )
    assert picked.rows.tolist() == [2, 3]  # of rows 0, 2, 3 and 4


def test_labels_of_any_kind_and_order(world):
    rows, labels = world
    params = RoundsParams(picker="graph_margin", seed=1)
    known = np.arange(0, 300, 6)
    words = np.array(["a", "b", "c", "d"])[labels[known]]
    first = pick_batch(rows, k=5, labelled=known, labels=words, params=params)
    turned = pick_batch(
        rows, k=5, labelled=known[::-1], labels=words[::-1], params=params
    )
    assert first.rows.tolist() == turned.rows.tolist()
    assert first.method == "graph_margin"  # which needs labels, and no model


def test_without_a_model_it_draws_and_says_so(world):
    rows, labels = world
    first = pick_batch(rows, k=5, labelled=[3], labels=labels[[3]])
    assert first.method == "random"
    assert "no model" in first.note
    again = pick_batch(rows, k=5, labelled=[3], labels=labels[[3]])
    assert first.rows.tolist() == again.rows.tolist()
    other = pick_batch(rows, k=5, labelled=[3, 4], labels=labels[[3, 4]])
    assert first.rows.tolist() != other.rows.tolist()


def test_farthest_first_needs_no_model(world):
    rows, labels = world
    params = RoundsParams(picker="farthest_first")
    picked = pick_batch(rows, k=1, labelled=[0], labels=labels[[0]], params=params)
    apart = np.linalg.norm(rows - rows[0], axis=1)
    assert picked.rows.tolist() == [apart.argmax()]


def test_all_that_is_left():
    rows = np.eye(4, dtype=np.float32)
    picked = pick_batch(rows, k=9, labelled=[1], labels=[0])
    assert picked.rows.tolist() == [0, 2, 3]
    assert picked.method == "all"


def test_what_is_refused():
    rows = np.eye(4, dtype=np.float32)
    with pytest.raises(DimensionMismatchError, match=r"\(1,\), for 2 labelled"):
        pick_batch(rows, k=1, labelled=[0, 1], labels=[0])
    with pytest.raises(DuplicateIdError):
        pick_batch(rows, k=1, labelled=[1, 1], labels=[0, 1])
    with pytest.raises(InvalidInputError, match=r"0\.\.3, got 4"):
        pick_batch(rows, k=1, labelled=[4], labels=[0])
    with pytest.raises(InvalidParamsError, match="k must be at least 1"):
        pick_batch(rows, k=0, labelled=[1], labels=[0])
    with pytest.raises(DimensionMismatchError, match="4 rows, for 3 without a label"):
        pick_batch(rows, k=1, labelled=[1], labels=[0], probabilities=np.eye(4))
