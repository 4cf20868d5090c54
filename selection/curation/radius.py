"""How near rows must be: a distance, or under cosine a similarity."""

from gleann.index.errors import InvalidParamsError
from gleann.index.params import Metric
from gleann.index.search.within import require_radius
from gleann.selection.checks import require_between


def radius_of(
    metric: Metric, *, radius: float | None, similarity: float | None
) -> float:
    """The greatest distance: squared L2, or 1 - cos.

    Args:
        metric: "l2" or "cosine".
        radius: the distance; or
        similarity: under cosine, the least cosine.

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
    return 1.0 - float(similarity)
