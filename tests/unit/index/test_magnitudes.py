"""Rows and queries whose distances leave float32; lists that are always valid."""

import numpy as np
import pytest

from gleann.index import BuildParams, SearchParams, SoarIndex, errors, exact_search
from gleann.index.build import spill
from gleann.index.checks import MOST_SQUARED, require_measurable
from gleann.index.engines import native
from gleann.index.metric import pair_distances, prepare
from gleann.index.texts import Texts

QUICK = {"nlist": 6, "tune_queries": 0}
BAD = [1e19, -1e25, np.finfo(np.float32).min]


def gaussian(n=300, d=12, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def with_bad_row(row, value):
    rows = gaussian()
    rows[row, 3] = value
    return rows


@pytest.mark.parametrize("metric", ["l2", "ip"])
@pytest.mark.parametrize("value", BAD)
def test_a_build_names_the_row_and_both_lengths(metric, value, tmp_path):
    rows, params = with_bad_row(77, value), BuildParams(metric=metric, **QUICK)
    says = rf"row 77 has squared length .*at most {MOST_SQUARED:.4g}"
    with pytest.raises(errors.InvalidInputError, match=says.replace("+", r"\+")):
        SoarIndex.build(rows, params)
    with pytest.raises(errors.InvalidInputError, match=r"row 77 has squared length"):
        SoarIndex.build_on_disk(rows, tmp_path / "i", params)
    with pytest.raises(errors.InvalidInputError, match=r"queries row 77 has squared"):
        SoarIndex.build(gaussian(), params, queries=rows)
    with pytest.raises(errors.InvalidInputError, match=r"vectors row 77 has squared"):
        exact_search(gaussian(2), rows, metric=metric, k=1)


def test_a_build_on_disk_counts_rows_through_all_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr("gleann.index.build.on_disk.BLOCK_BYTES", 4 * 12 * 50)
    with pytest.raises(errors.InvalidInputError, match=r"row 277 has squared length"):
        SoarIndex.build_on_disk(
            with_bad_row(277, 1e19), tmp_path / "i", BuildParams(metric="l2", **QUICK)
        )


@pytest.mark.parametrize("metric", ["l2", "ip"])
@pytest.mark.parametrize("value", [*BAD, np.nan])
@pytest.mark.parametrize("exact", [True, False])
def test_a_search_names_the_query(metric, value, exact, engine_name):
    built = SoarIndex.build(gaussian(), BuildParams(metric=metric, **QUICK))
    index = built.with_engine(engine_name)
    params = SearchParams(k=3, nprobe=2, exact=exact)
    for count in (300, 80, 78):  # list after list, and a few queries one by one
        with pytest.raises(errors.InvalidInputError, match=r"queries row 77"):
            index.search(with_bad_row(77, value)[:count], params)
    with pytest.raises(errors.InvalidInputError, match=r"queries row 0"):
        index.search(with_bad_row(0, value)[:1], params)


@pytest.mark.parametrize("metric", ["l2", "ip"])
def test_rows_at_the_bound_have_finite_distances(metric, engine_name):
    rows = gaussian(200)
    rows /= np.linalg.norm(rows, axis=1)[:, None]
    rows *= np.float32(0.99999 * MOST_SQUARED**0.5)
    rows[100:] = -rows[:100]  # the farthest apart that there can be
    built = SoarIndex.build(rows, BuildParams(metric=metric, spill="soar", **QUICK))
    index = built.with_engine(engine_name)
    for exact in (True, False):
        found = index.search(rows, SearchParams(k=200, nprobe=6, exact=exact))
        assert np.isfinite(found.distances).all()
        assert (np.sort(found.ids, axis=1) == np.arange(200)).all()
    if metric == "l2":
        assert (found.ids[:, 0] == np.arange(200)).all()
    assert np.isfinite(pair_distances(rows, rows[None].repeat(200, 0), metric)).all()


def test_the_bound_itself_is_allowed_and_the_next_number_is_not():
    row = np.zeros((1, 4), np.float32)
    row[0, 1] = 2.0**62
    require_measurable(row)
    index = SoarIndex.build(gaussian(d=4), BuildParams(metric="l2", **QUICK))
    assert np.isfinite(index.search(row, SearchParams(k=2)).distances).all()
    row[0, 1] = np.nextafter(np.float32(2.0**62), np.float32(np.inf))
    with pytest.raises(errors.InvalidInputError, match=r"row 0"):
        require_measurable(row)
    with pytest.raises(errors.InvalidInputError, match=r"queries row 0"):
        index.search(row, SearchParams(k=2))


@pytest.mark.parametrize("scale", [1e-44, 1e-30, 1e30, 1e38])
def test_cosine_takes_any_row_that_has_a_direction(scale, engine_name):
    rows = gaussian()
    scaled = (rows.astype(np.float64) * scale).clip(-3.4e38, 3.4e38)
    scaled = scaled.astype(np.float32)
    scaled[~scaled.any(axis=1)] = np.float32(1e-44)
    built = SoarIndex.build(scaled, BuildParams(metric="cosine", **QUICK))
    np.testing.assert_allclose(np.linalg.norm(built.vectors, axis=1), 1, atol=1e-6)
    index = built.with_engine(engine_name)
    found = index.search(scaled, SearchParams(k=1, nprobe=6))
    np.testing.assert_allclose(found.distances, 0, atol=1e-6)


def test_names_are_ids_where_there_are_ids():
    ids = Texts.of_texts([f"word {i}" for i in range(300)])
    with pytest.raises(errors.InvalidInputError, match=r"^id 'word 7' has squared"):
        require_measurable(with_bad_row(7, 1e30), ids=ids)


@pytest.mark.parametrize("tier", [None, *native.tiers(), "amx-emulated"])
@pytest.mark.parametrize("metric", ["l2", "ip"])
@pytest.mark.parametrize("rule", ["soar", "naive", "none"])
@pytest.mark.parametrize("nlist", [1, 2, 17, 40])
@pytest.mark.parametrize(
    "value", [np.nan, np.inf, -np.inf, np.finfo(np.float32).min, 3e38]
)
def test_every_row_gets_a_list_that_exists(tier, metric, rule, nlist, value):
    """The kernels trust no caller, nor does their NumPy twin (tier None)."""
    rows, centroids = gaussian(9), np.abs(gaussian(nlist, seed=1))
    rows[::2] = value
    params = BuildParams(metric=metric, spill=rule)
    if tier is None:
        with np.errstate(all="ignore"):
            twin = spill.Spiller(centroids, params, scale=1.0)
            primary, secondary = twin.assign(rows)
    elif native.available():
        primary, secondary = native.NativeAssigner(centroids, tier=tier).assign(
            rows, params=params, scale=1.0
        )
    else:
        pytest.skip(native.unavailable_reason())
    assert ((primary >= 0) & (primary < nlist)).all()
    assert ((secondary >= -1) & (secondary < nlist)).all()
    assert (secondary != primary).all()


@pytest.mark.parametrize("tier", [None, *native.tiers()])
def test_soar_weighs_long_rows_as_short_ones(tier):
    """The loss holds the square of a squared length: 1e10 was beyond float32."""
    rows, centroids = gaussian(), gaussian(40, seed=1)
    params = BuildParams(metric="ip", spill="soar")

    def second(scale):
        moved = centroids * np.float32(scale)
        asked = rows * np.float32(scale)
        if tier is None:
            return spill.Spiller(moved, params, scale=scale**2).assign(asked)[1]
        assigner = native.NativeAssigner(moved, tier=tier)
        return assigner.assign(asked, params=params, scale=scale**2)[1]

    np.testing.assert_array_equal(second(2.0**33), second(1.0))


def test_prepare_leaves_good_rows_as_they_are():
    rows = gaussian()
    assert prepare(rows, "l2") is rows
