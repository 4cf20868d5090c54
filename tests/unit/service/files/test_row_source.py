"""Rows of several sources in a row."""

from itertools import pairwise

import numpy as np
import pytest

from gleann.service.files.row_source import ChosenRows, JoinedRows

OLD = np.arange(40, dtype=np.float32).reshape(10, 4)
NEWER = -np.arange(12, dtype=np.float32).reshape(3, 4)
PLACES = np.array([0, 2, 3, 7, 9])


@pytest.mark.parametrize("step", [1, 2, 3, 8, 100])
def test_chosen_rows_and_then_others(step: int) -> None:
    source = JoinedRows([ChosenRows(OLD, PLACES), NEWER])
    expected = np.concatenate([OLD[PLACES], NEWER])
    assert (source.shape, source.dtype) == ((8, 4), np.float32)
    cuts = [*range(0, 8, step), 8]
    blocks = [source[start:stop] for start, stop in pairwise(cuts)]
    assert [len(block) for block in blocks] == np.diff(cuts).tolist()
    assert np.array_equal(np.concatenate(blocks), expected)


def test_sources_without_rows() -> None:
    none = ChosenRows(OLD, PLACES[:0])
    assert np.array_equal(JoinedRows([none, NEWER])[0:3], NEWER)
    assert np.array_equal(JoinedRows([OLD, none])[4:10], OLD[4:])
