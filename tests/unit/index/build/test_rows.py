"""Rows made ready natively are the rows that NumPy makes ready."""

import numpy as np
import pytest

from gleann.index.build.rows import code_rows, prepare_rows
from gleann.index.codes import Encoding, quantise
from gleann.index.engines import native
from gleann.index.errors import ZeroVectorError
from gleann.index.metric import prepare

SHAPES = [(1, 1), (1, 7), (3, 16), (1025, 5), (2049, 100), (700, 384)]

needs_native = pytest.mark.skipif(not native.available(), reason="needs the kernels")


def _rows(shape: tuple[int, int], seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    sizes = 10.0 ** rng.integers(-30, 30, (shape[0], 1))
    rows: np.ndarray = (rng.standard_normal(shape) * sizes).astype(np.float32)
    return rows


@needs_native
@pytest.mark.parametrize("tier", native.tiers())
def test_all_tiers_make_the_same_codes_and_unit_rows(tier: str) -> None:
    rows = _rows((300, 77), seed=3)
    values, scales = native.quantise_rows(rows, threads=1, tier=tier)
    expected = quantise(rows)
    np.testing.assert_array_equal(values, expected.values)
    np.testing.assert_array_equal(scales, expected.scales)
    unit, zeros = native.unit_rows(rows, threads=1, tier=tier)
    assert zeros == []
    np.testing.assert_array_max_ulp(unit, prepare(rows, "cosine"), maxulp=1)


@needs_native
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("threads", [1, 3])
def test_codes_are_equal_to_the_last_bit(shape: tuple[int, int], threads: int) -> None:
    rows = _rows(shape, seed=shape[0])
    rows[0] = 0
    rows[-1, -1] = np.float32(1e-45)
    plain = Encoding.uncentred("ip", shape[1])
    expected, got = quantise(rows), code_rows(rows, plain, threads=threads)
    np.testing.assert_array_equal(got.values, expected.values)
    np.testing.assert_array_equal(got.scales, expected.scales)


@needs_native
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("threads", [1, 3])
def test_unit_rows_are_equal_to_a_last_bit(
    shape: tuple[int, int], threads: int
) -> None:
    rows = _rows(shape, seed=shape[1])
    expected = prepare(rows, "cosine")
    got = prepare_rows(rows, "cosine", threads=threads)
    np.testing.assert_array_max_ulp(got, expected, maxulp=1)
    assert (got == expected).mean() > 0.99


@pytest.mark.parametrize("metric", ["l2", "ip"])
def test_other_metrics_take_rows_as_they_are(metric: str) -> None:
    rows = _rows((40, 3), seed=0)
    rows = rows[(np.abs(rows) < 1e18).all(axis=1)]  # whose squares float32 holds
    rows[2] = 0
    assert prepare_rows(rows, metric, threads=1) is rows  # type: ignore[arg-type]


def test_a_zero_row_is_named_by_its_place_in_the_whole() -> None:
    rows = _rows((2000, 4), seed=1)
    rows[[1500, 1999]] = 0
    message = r"row 1507 is a zero vector.*\(2 of 2000 rows"
    with pytest.raises(ZeroVectorError, match=message):
        prepare_rows(rows, "cosine", threads=2, first_row=7)
    with pytest.raises(ZeroVectorError, match=message):
        prepare(rows, "cosine", first_row=7)


def test_no_row_is_no_row() -> None:
    none = np.empty((0, 5), np.float32)
    assert prepare_rows(none, "cosine", threads=2).shape == (0, 5)
    plain = Encoding.uncentred("ip", 5)
    assert code_rows(none, plain, threads=2).values.shape == (0, 5)
