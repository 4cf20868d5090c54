"""Positives of queries as they come over the wire."""

import numpy as np
import pytest

from gleann.index.errors import InvalidInputError
from gleann.service.wire.arrays import ids_to_wire
from gleann.service.wire.curation.negatives import positive_ids_of
from gleann.v1 import negatives_pb2

MOST = 2**63 - 1


def message(counts: list[int], ids: list[int]) -> negatives_pb2.MineNegatives:
    found = negatives_pb2.MineNegatives(positive_counts=counts)
    if ids:
        found.positive_ids.CopyFrom(ids_to_wire(np.array(ids)))
    return found


def test_counts_that_sum_to_the_ids() -> None:
    assert list(positive_ids_of(message([2, 0, 1], [7, 5, 9]))) == [7, 5, 9]
    assert len(positive_ids_of(message([0, 0], []))) == 0
    assert len(positive_ids_of(message([], []))) == 0


@pytest.mark.parametrize(
    ("counts", "ids", "says"),
    [
        ([MOST, MOST, 2], [], f"sum to {2 * MOST + 2}, the least is 2.* 0 ids"),
        ([MOST, MOST, 3], [5], f"sum to {2 * MOST + 3}, .* 1 id$"),
        ([2, -1], [5], "sum to 1, the least is -1.* 1 id$"),
        ([1], [], "sum to 1, the least is 1.* 0 ids"),
        ([], [5], "sum to 0, the least is 0.* 1 id$"),
    ],
)
def test_other_counts_are_refused(counts: list[int], ids: list[int], says: str) -> None:
    """Also those whose sum is right in 64 bits."""
    with pytest.raises(InvalidInputError, match=says):
        positive_ids_of(message(counts, ids))
