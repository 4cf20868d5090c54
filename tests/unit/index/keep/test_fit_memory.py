"""A memory budget chooses a layout, or says what would fit."""

from dataclasses import replace

import numpy as np
import pytest

from gleann.index import BuildParams, SoarIndex
from gleann.index.build.fit_memory import LAYOUTS, fit_memory, layout_bytes
from gleann.index.engines import native
from gleann.index.engines.choose import ENGINES, PROJECTING
from gleann.index.errors import EngineUnavailableError, InvalidParamsError
from gleann.index.sizes import bytes_of, shown_bytes
from tests.support.keeps import DIM, NLIST, N, params_of, rows_of

SHAPE = {"n": 3_000_000, "dim": 240, "nlist": 6928}
"""Of too few dimensions to be projected."""

needs_native = pytest.mark.skipif(
    not native.available(), reason=native.unavailable_reason()
)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("8GB", 8 * 10**9),
        ("8 gb", 8 * 10**9),
        ("1.5GiB", 3 << 29),
        ("512MiB", 512 << 20),
        ("12345", 12345),
        ("3k", 3000),
        (77, 77),
    ],
)
def test_sizes_are_read_as_people_write_them(text, count):
    assert bytes_of(text, name="memory") == count


@pytest.mark.parametrize("bad", ["", "8 apples", "-3GB", "0", 0, -1, 2.5, True, "1e9"])
def test_other_sizes_are_refused(bad):
    with pytest.raises(InvalidParamsError, match="memory must be"):
        BuildParams(memory=bad)


def test_sizes_are_shown_with_three_digits():
    shown = [shown_bytes(n) for n in (8_250_000_000, 999, 1_500, 12_345_678)]
    assert shown == ["8.25 GB", "999 bytes", "1.5 kB", "12.3 MB"]


def test_a_smaller_budget_takes_a_smaller_layout():
    params = BuildParams(spill="soar")
    sizes = [
        layout_bytes(replace(params, keep=keep, entry_codes=codes), **SHAPE)
        for keep, codes in LAYOUTS
    ]
    assert sizes == sorted(sizes, reverse=True)
    for (keep, codes), size in zip(LAYOUTS, sizes, strict=True):
        for memory in (size, size + 1):
            chosen = fit_memory(replace(params, memory=memory), **SHAPE)
            assert (chosen.keep, chosen.entry_codes) == (keep, codes)
            assert chosen.memory is None
    with pytest.raises(InvalidParamsError) as refused:
        fit_memory(replace(params, memory=sizes[-1] - 1), **SHAPE)
    assert shown_bytes(sizes[-1]) in str(refused.value)
    assert "keep='disk', entry_codes='shared'" in str(refused.value)


def test_what_is_given_is_not_changed():
    params = BuildParams(spill="soar", keep="f16", memory=1 << 40)
    assert fit_memory(params, **SHAPE).keep == "f16"
    with pytest.raises(InvalidParamsError, match="keep='f16', entry_codes='shared'"):
        fit_memory(replace(params, memory="1GB"), **SHAPE)


@needs_native
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("spill", ["soar", "none"])
def test_a_loaded_index_takes_no_more_than_was_reckoned(tmp_path, layout, spill):
    keep, codes = layout
    params = params_of(keep, entry_codes=codes, spill=spill)
    SoarIndex.build(rows_of(), params).save(tmp_path / "i")
    index = SoarIndex.load(tmp_path / "i")
    reckoned = layout_bytes(params, n=N, dim=DIM, nlist=NLIST)
    taken = index.memory().searched
    assert taken <= reckoned
    if spill == "soar" and index.spilled_share > 0.9:
        assert taken >= 0.8 * reckoned


def test_builds_take_the_layout_and_refuse_before_work(tmp_path):
    small = layout_bytes(
        params_of("disk", entry_codes="shared"), n=N, dim=DIM, nlist=NLIST
    )
    params = params_of("f32", memory=small)
    assert SoarIndex.build(rows_of(), params).params.keep == "disk"
    summary = SoarIndex.build_on_disk(rows_of(), tmp_path / "i", params)
    assert (summary.params.keep, summary.params.entry_codes) == ("disk", "shared")
    index = SoarIndex.load(tmp_path / "i")
    assert index.params == replace(summary.params, memory=None)
    np.testing.assert_array_equal(index.vectors, rows_of())
    with pytest.raises(InvalidParamsError, match="memory is 1 kB"):
        SoarIndex.build_on_disk(
            rows_of(), tmp_path / "j", params_of("f32", memory="1k")
        )
    assert not (tmp_path / "j").exists()


WIDE = {"n": 3_000_000, "dim": 384, "nlist": 6928}


def between(shape):
    """A budget that only projected codes meet, and what codes of all take at least."""
    params = BuildParams(spill="soar", keep="disk", entry_codes="shared")
    whole = layout_bytes(params, **shape)
    half = replace(params, projection=-(-shape["dim"] // 32) * 16)
    smallest = layout_bytes(half, **shape)
    assert smallest < whole
    return (smallest + whole) // 2, whole


def test_rows_are_projected_only_for_engines_that_search_their_codes():
    budget, whole = between(WIDE)
    params = BuildParams(spill="soar", memory=budget)
    for engine in PROJECTING:
        assert fit_memory(params, **WIDE, engine=engine).projection == 192
    for engine in ENGINES.keys() - set(PROJECTING):
        with pytest.raises(InvalidParamsError) as refused:
            fit_memory(params, **WIDE, engine=engine)
        said = str(refused.value)
        assert f"memory is {shown_bytes(budget)}" in said
        assert f"{shown_bytes(whole)} in the smallest layout" in said
        assert f"that engine {engine!r} searches" in said
        larger = replace(params, memory=whole)
        assert fit_memory(larger, **WIDE, engine=engine).projection is None


def test_a_budget_of_projected_codes_is_refused_before_the_work():
    pytest.importorskip("faiss")
    shape = {"n": 6000, "dim": 256, "nlist": 8}
    budget, whole = between(shape)
    rows = np.random.default_rng(0).normal(size=(6000, 256)).astype(np.float32)
    params = BuildParams(nlist=8, spill="soar", memory=budget)
    heard = []
    with pytest.raises(InvalidParamsError) as refused:
        SoarIndex.build(rows, params, engine="faiss", progress=heard.append)
    assert shown_bytes(budget) in str(refused.value)
    assert shown_bytes(whole) in str(refused.value)
    assert heard == []


@pytest.mark.parametrize(
    ("engine", "error"),
    [("fais", InvalidParamsError), ("faiss-gpu", EngineUnavailableError)],
)
def test_an_engine_that_cannot_serve_is_refused_before_the_work(engine, error):
    heard = []
    with pytest.raises(error, match=engine):
        SoarIndex.build(
            rows_of(), params_of("f32"), engine=engine, progress=heard.append
        )
    assert heard == []
