"""`LiveRows` against masks of NumPy, over random deletions."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gleann.index.ids.live_rows import LiveRows


@settings(deadline=None, max_examples=80)
@given(data=st.data(), n=st.integers(1, 70))
def test_rows_die_as_in_a_mask(data, n):
    """Rows of any number, dead ones among them and some twice."""
    live, mask = LiveRows.all_of(n), np.ones(n, np.bool_)
    states = [(live, mask.copy())]
    for _ in range(data.draw(st.integers(1, 4))):
        gone = np.array(data.draw(st.lists(st.integers(0, n - 1))), np.int64)
        live = live.without(gone)
        mask[gone] = False
        states.append((live, mask.copy()))
    for (one, its), (later, later_mask) in pairwise(states):
        np.testing.assert_array_equal(one.mask, its)
        np.testing.assert_array_equal(one.has(np.arange(n)), its)
        assert len(one) == n
        assert one.count == its.sum()
        np.testing.assert_array_equal(
            later.died_since(one), np.flatnonzero(its & ~later_mask)
        )
        np.testing.assert_array_equal(one.died_since(later), [])
    np.testing.assert_array_equal(live.died_since(None), np.flatnonzero(~mask))
    np.testing.assert_array_equal(LiveRows.of(mask).bits, live.bits)


def test_a_change_copies_a_bit_for_each_row():
    live = LiveRows.all_of(1000).without(np.array([7]))
    assert live.bits.nbytes == 125
    assert not live.bits.flags.writeable
    assert not live.mask.flags.writeable
    assert live.mask is live.mask
    with pytest.raises(ValueError, match="read-only"):
        live.bits[0] = 0
