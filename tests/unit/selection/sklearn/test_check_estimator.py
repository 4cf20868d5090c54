"""scikit-learn's own checks of estimators, and what the contract excepts."""

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from gleann.sklearn import (
    FacilityLocationSelector,
    GleannNeighbors,
    GleannRadiusNeighbors,
    KCenterSelector,
    NearDuplicateSelector,
)

ESTIMATORS = [
    GleannNeighbors(n_neighbors=2),
    GleannNeighbors(n_neighbors=2, mode="connectivity"),
    GleannRadiusNeighbors(radius=2.0),
    KCenterSelector(n_select=2),
    FacilityLocationSelector(n_select=2),
    NearDuplicateSelector(metric="euclidean"),
]

EXPECTED = {
    "FacilityLocationSelector": {
        "check_estimators_dtypes": "its rows of zeros have no cosine"
    },
}
"""Checks that an estimator does not pass, and why, by the name of its class."""


def checks():
    for estimator in ESTIMATORS:
        kind = type(estimator).__name__
        reasons = EXPECTED.get(kind, {})
        for number, (one, check) in enumerate(estimator_checks_generator(estimator)):
            name = check.func.__name__
            marks = ()
            if name in reasons:
                marks = pytest.mark.xfail(reason=reasons[name])
            yield pytest.param(one, check, id=f"{kind}-{number}-{name}", marks=marks)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(("estimator", "check"), list(checks()))
def test_check(estimator, check):
    check(estimator)
