"""scikit-learn estimators; see `gleann.selection.sklearn`."""

from gleann.selection.sklearn import (
    FacilityLocationSelector,
    GleannNeighbors,
    GleannRadiusNeighbors,
    KCenterSelector,
    NearDuplicateSelector,
    knn_kernel,
)

__all__ = [
    "FacilityLocationSelector",
    "GleannNeighbors",
    "GleannRadiusNeighbors",
    "KCenterSelector",
    "NearDuplicateSelector",
    "knn_kernel",
]
