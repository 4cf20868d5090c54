"""How near rows must be: a distance, or under cosine a similarity."""

from gleann.index.errors import InvalidParamsError
from gleann.index.params import Metric
from gleann.index.search.within import require_radius
from gleann.selection.checks import require_between

ROUNDING = 2.0**-43
"""Distance of two unit vectors that a similarity of 1 allows.

Rows that are multiples of each other are equal but for the rounding of the multiple, of
the length and of the unit vector: each at most 2^-24 of a coordinate, for both rows. So
they are at most 6 x 2^-24 apart, which is a distance of 18 x 2^-48.
"""


def radius_of(
    metric: Metric, *, radius: float | None, similarity: float | None
) -> float:
    """The greatest distance: squared L2, or 1 - cos.

    Args:
        metric: "l2" or "cosine".
        radius: the distance; or
        similarity: under cosine, the least cosine; 1 allows what rounding makes of
            rows that are multiples of each other.

    Raises:
        InvalidParamsError: neither or both, a similarity under l2, or one out of its
            range.
    """
    if (radius is None) == (similarity is None):
        given = "neither" if radius is None else f"{radius} and {similarity}"
        raise InvalidParamsError(f"give radius or similarity, one of them: got {given}")
    if radius is not None:
        require_radius(radius, metric)
        return float(radius)
    if metric != "cosine":
        raise InvalidParamsError(
            f"similarity {similarity} is of cosine, but the metric is {metric}: give a"
            " radius, the squared distance"
        )
    require_between("similarity", similarity, low=-1, high=1)
    assert similarity is not None
    return max(1.0 - float(similarity), ROUNDING)
