"""Rows in 16 bits: rounding, exact decoding, and the kernels that read them."""

import numpy as np
import pytest

from gleann.index.codes import Encoding
from gleann.index.engines import native
from gleann.index.engines.contract import IndexData, ScanRequest
from gleann.index.engines.native import NativeEngine
from gleann.index.errors import InvalidInputError
from gleann.index.kept.half_rows import HalfRows, narrowed, widened
from gleann.index.lists import one_list
from tests.support.keeps import N, as_kept, queries_of, rows_of

TIERS = [*native.tiers(), native.EMULATED_TIER] if native.available() else []
KINDS = ["f16", "bf16"]


def float16_bits() -> np.ndarray:
    """All finite ones."""
    bits = np.arange(1 << 16, dtype=np.uint32).astype(np.uint16)
    return bits[(bits & 0x7C00) != 0x7C00]


def float16_value(bits: int) -> float:
    """By the definition of binary16."""
    sign = -1.0 if bits >> 15 else 1.0
    exponent, fraction = bits >> 10 & 0x1F, bits & 0x3FF
    if exponent == 0:
        return sign * fraction * 2.0**-24
    return sign * (1024 + fraction) * 2.0 ** (exponent - 25)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_decoded_is_what_an_independent_rounding_gives(kind):
    rows = rows_of() * np.float32(10) ** (np.arange(N) % 8 - 5)[:, None]
    rows = rows.astype(np.float32)  # subnormal float16 among them
    stored = narrowed(rows, kind)
    np.testing.assert_array_equal(widened(stored, kind), as_kept(rows, kind))
    np.testing.assert_array_equal(narrowed(widened(stored, kind), kind), stored)


def test_ties_go_to_even():
    halfway = np.array([[1 + 2.0**-8, 1 + 3 * 2.0**-8]], np.float32)  # bf16 has 7 bits
    assert widened(narrowed(halfway, "bf16"), "bf16").tolist() == [
        [1.0, 1 + 2.0**-6],
    ]


def test_float16_overflow_names_row_and_value():
    rows = np.ones((4, 3), np.float32)
    rows[2, 1] = -70000.0
    with pytest.raises(
        InvalidInputError, match=r"row 12 has -70000 in dimension 1.*65504"
    ):
        narrowed(rows, "f16", first_row=10)
    assert np.isfinite(widened(narrowed(rows, "bf16"), "bf16")).all()


def test_taking_rows_is_as_of_an_array():
    rows = rows_of()
    halves = HalfRows(stored=narrowed(rows, "bf16"), kind="bf16")
    whole = np.asarray(halves)
    assert whole.dtype == np.float32
    assert halves.nbytes == whole.nbytes // 2
    some = np.array([[5, 2], [2, 800]])
    np.testing.assert_array_equal(halves[some], whole[some])
    np.testing.assert_array_equal(halves[10:90:7], whole[10:90:7])
    mask = np.arange(len(rows)) % 3 == 1
    np.testing.assert_array_equal(halves[mask], whole[mask])


def engine_of(rows, kept, *, metric="ip", tier):
    encoding = Encoding.uncentred(metric, rows.shape[1])
    data = IndexData(
        encoding=encoding,
        centroids=np.ones((1, rows.shape[1]), np.float32),
        lists=one_list(len(rows)),
        codes=encoding.encode(rows),
        vectors=kept,
    )
    return NativeEngine(data, tier=tier, threads=1)


@pytest.mark.parametrize("tier", TIERS)
def test_every_float16_is_decoded_to_the_last_bit(tier):
    bits = float16_bits()
    values = np.array([float16_value(int(b)) for b in bits], np.float32)[:, None]
    width = np.tile(bits[:, None], (1, 11))  # whole registers and a rest
    engine = engine_of(np.tile(values, (1, 11)), HalfRows(width, "f16"), tier=tier)
    for column in (0, 9):
        query = np.zeros((1, 11), np.float32)
        query[0, column] = 1
        n = len(bits)
        lists = np.zeros((1, 1), np.int32)
        found = engine.scan(query, lists, ScanRequest(k=n, rerank=n))
        got = np.empty(n, np.float32)
        got[found.rows[0]] = -found.distances[0]
        np.testing.assert_array_equal(got, values[:, 0])


@pytest.mark.parametrize("d", [1, 7, 16, 40, 2061])
@pytest.mark.parametrize("metric", ["ip", "l2", "cosine"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tier", TIERS)
def test_distances_are_those_of_the_decoded_rows_bit_for_bit(tier, kind, metric, d):
    rng = np.random.default_rng(d)
    rows = rng.standard_normal((130, d)).astype(np.float32)
    kept = HalfRows(narrowed(rows, kind), kind)
    whole = np.asarray(kept)
    queries = rng.standard_normal((9, d)).astype(np.float32)
    lists, request = np.zeros((9, 1), np.int32), ScanRequest(k=20, rerank=45)
    got = engine_of(whole, kept, metric=metric, tier=tier).scan(queries, lists, request)
    want = engine_of(whole, whole, metric=metric, tier=TIERS[-2]).scan(
        queries, lists, request
    )
    np.testing.assert_array_equal(got.rows, want.rows)
    np.testing.assert_array_equal(got.distances, want.distances)
    assert got.work == want.work


def test_queries_of_the_support_are_not_the_rows():
    assert not np.isin(queries_of()[:, 0], rows_of()[:, 0]).any()
