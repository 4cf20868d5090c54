"""scikit-learn estimators: neighbour graphs for its algorithms, and row selectors."""

from gleann._needed import needing as _needing

with _needing("gleann.sklearn"):
    from gleann.selection.sklearn.kernel import knn_kernel
    from gleann.selection.sklearn.neighbours import GleannNeighbors
    from gleann.selection.sklearn.radius import GleannRadiusNeighbors
    from gleann.selection.sklearn.selectors import (
        FacilityLocationSelector,
        KCenterSelector,
        NearDuplicateSelector,
    )

__all__ = [
    "FacilityLocationSelector",
    "GleannNeighbors",
    "GleannRadiusNeighbors",
    "KCenterSelector",
    "NearDuplicateSelector",
    "knn_kernel",
]
