"""Selectors of rows beside the functions of the library and brute force."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from gleann.index.errors import InvalidParamsError
from gleann.selection import facility_location, farthest_first
from gleann.sklearn import (
    FacilityLocationSelector,
    KCenterSelector,
    NearDuplicateSelector,
)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_k_center_is_farthest_first(blobs):
    rows = blobs[0]
    fitted = KCenterSelector(n_select=9, random_state=3).fit(rows)
    expected = farthest_first(rows, k=9, seed=3)
    assert np.array_equal(fitted.sample_indices_, expected.rows)
    apart = np.linalg.norm(rows[:, None] - rows[fitted.sample_indices_], axis=2)
    assert fitted.radius_ == pytest.approx(apart.min(axis=1).max(), rel=1e-5)
    assert set(blobs[1][fitted.sample_indices_]) == set(range(6))


def test_k_center_under_cosine_is_that_of_unit_rows(blobs):
    fitted = KCenterSelector(n_select=9, metric="cosine").fit(blobs[0])
    expected = farthest_first(unit(blobs[0]), k=9, seed=0)
    assert np.array_equal(fitted.sample_indices_, expected.rows)


def test_facility_location_is_that_of_unit_rows(blobs):
    fitted = FacilityLocationSelector(n_select=9).fit(blobs[0])
    expected = facility_location(unit(blobs[0]), k=9)
    assert np.array_equal(fitted.sample_indices_, expected.rows)


def test_near_duplicates_keep_the_first_of_each(blobs):
    rows = np.concatenate([blobs[0][:50], blobs[0][:20], blobs[0][5:9] + 1e-3])
    equal = NearDuplicateSelector(metric="euclidean").fit(rows)
    assert equal.sample_indices_.tolist() == [*range(50), *range(70, 74)]
    near = NearDuplicateSelector(radius=0.1, metric="euclidean").fit(rows)
    assert near.sample_indices_.tolist() == list(range(50))
    apart = np.linalg.norm(rows[:50, None] - rows[:50], axis=2)
    assert apart[np.triu_indices(50, 1)].min() > 0.1


def test_support_and_samples_as_they_came(blobs):
    rows, labels = blobs
    selector = KCenterSelector(n_select=0.05)
    chosen, their_labels = selector.fit_resample(rows, labels)
    at = selector.sample_indices_
    assert len(at) == 30
    assert np.array_equal(chosen, rows[at])
    assert np.array_equal(their_labels, labels[at])
    mask = selector.get_support()
    assert mask.dtype == np.bool_
    assert np.array_equal(np.flatnonzero(mask), np.sort(at))
    assert np.array_equal(selector.get_support(indices=True), np.sort(at))
    assert np.array_equal(selector.fit_resample(rows), rows[at])
    again = pickle.loads(pickle.dumps(clone(selector).fit(rows)))
    assert np.array_equal(again.sample_indices_, at)


def test_frames_stay_frames(blobs):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(blobs[0], columns=[f"c{at}" for at in range(12)])
    labels = pandas.Series(blobs[1], name="label")
    selector = KCenterSelector(n_select=7)
    chosen, their_labels = selector.fit_resample(frame, labels)
    assert chosen.index.tolist() == selector.sample_indices_.tolist()
    assert their_labels.name == "label"
    assert selector.feature_names_in_.tolist() == frame.columns.tolist()


@pytest.mark.parametrize("wanted", [0, 601, 1.5, 0.0, -0.1, "3", True])
def test_how_many_is_checked(blobs, wanted):
    with pytest.raises(InvalidParamsError, match="n_select"):
        KCenterSelector(n_select=wanted).fit(blobs[0])


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean", "cosine"])
@pytest.mark.parametrize("radius", [-0.5, np.inf, np.nan, "1"])
def test_a_radius_of_duplicates_is_checked(blobs, metric, radius):
    with pytest.raises(InvalidParamsError, match="radius"):
        NearDuplicateSelector(radius=radius, metric=metric).fit(blobs[0])


def test_what_is_refused(blobs):
    with pytest.raises(InvalidParamsError, match="'euclidean'"):
        FacilityLocationSelector(n_select=3, metric="euclidean").fit(blobs[0])
    with pytest.raises(NotFittedError):
        KCenterSelector().get_support()
    with pytest.raises(ValueError, match="inconsistent"):
        KCenterSelector().fit_resample(blobs[0], blobs[1][:3])


def test_all_rows_and_one_row(blobs):
    rows = blobs[0][:4]
    assert sorted(KCenterSelector(n_select=4).fit(rows).sample_indices_) == [0, 1, 2, 3]
    assert KCenterSelector(n_select=1).fit(rows[:1]).sample_indices_.tolist() == [0]
