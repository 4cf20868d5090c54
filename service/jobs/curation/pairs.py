"""How many pairs a job may hold, and the other collection of a request."""

from gleann.index.errors import InvalidParamsError
from gleann.index.nouns import number_of
from gleann.index.params import Metric
from gleann.selection.curation.radius import radius_of
from gleann.service.limits import require_within
from gleann.service.values import Limits
from gleann.service.wire.curation.duplicates import Near, near_of
from gleann.v1 import duplicates_pb2, leakage_pb2

PAIR_BYTES = 12
"""Two rows and a distance."""


def most_pairs(
    message: duplicates_pb2.NearDuplicates | duplicates_pb2.Join | leakage_pb2.Leakage,
    limits: Limits,
    *,
    default: int | None = None,
) -> int:
    """Pairs that a request may have.

    Args:
        message: of the request.
        limits: of the server.
        default: most where the request does not say; None for what the limit allows.

    Raises:
        InvalidParamsError: below 0.
        LimitError: their bytes are over the limit of work, with both numbers.
    """
    allowed = limits.work_bytes // PAIR_BYTES
    if not message.HasField("max_pairs"):
        return allowed if default is None else min(default, allowed)
    if message.max_pairs < 0:
        raise InvalidParamsError(
            f"max_pairs must be at least 0, got {message.max_pairs}"
        )
    name = f"bytes of {number_of(message.max_pairs, 'pairs')}"
    require_within(PAIR_BYTES * message.max_pairs, limits.work_bytes, name)
    return message.max_pairs


def require_near(message: Near, metric: Metric) -> None:
    """Refuse a distance that the metric does not have.

    Raises:
        InvalidParamsError: none is set, or one out of its range.
    """
    if "k" not in near_of(message):
        radius_in(message, metric)


def radius_in(message: Near, metric: Metric) -> float:
    """The greatest distance that a request asks for; errors as `require_near`."""
    near = near_of(message)
    return radius_of(
        metric, radius=near.get("radius"), similarity=near.get("similarity")
    )
