"""Manifests that say something else of the rows than their file has."""

from pathlib import Path

import numpy as np
import pytest

from gleann.index import SoarIndex
from gleann.index.errors import CorruptDataError
from gleann.index.storage import manifest
from tests.support.faults.forging import Forgery
from tests.support.keeps import loaded


@pytest.fixture
def forged(tmp_path: Path) -> Forgery:
    loaded(tmp_path, "f16")
    return Forgery(tmp_path / "f16-l2", tmp_path / "forged")


def test_a_layout_that_the_header_does_not_have_is_refused(forged):
    forged.manifest["index"]["layout"]["keep"] = "bf16"
    with pytest.raises(CorruptDataError, match=r"rerank_layout is .*f16.* as bf16"):
        SoarIndex.load(forged.seal())
    forged.manifest["rerank_layout"] = {"values": "bf16"}
    with pytest.raises(CorruptDataError, match="vectors is <f2"):
        SoarIndex.load(forged.seal())


@pytest.mark.parametrize(
    "entry", [{"values": "f8"}, {"values": "f16", "order": "list"}, "f16", [], {}]
)
def test_layouts_of_later_versions_are_refused(forged, entry):
    forged.manifest["rerank_layout"] = entry
    with pytest.raises(CorruptDataError, match="rerank_layout"):
        SoarIndex.load(forged.seal())


@pytest.mark.parametrize(
    "layout",
    [{"keep": "f8"}, {"keep": ["disk"]}, {"metric": "l2"}, {"x": 1}, "disk", 3],
)
def test_headers_with_other_layouts_are_refused(forged, layout):
    forged.manifest["index"]["layout"] = layout
    with pytest.raises(CorruptDataError):
        SoarIndex.load(forged.seal())


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_are_refused_in_16_bits(tmp_path, bad):
    for keep, bits in (("f16", np.float16(bad)), ("bf16", None)):
        loaded(tmp_path, keep)
        forged = Forgery(tmp_path / f"{keep}-l2", tmp_path / "forged")

        def spoil(rows: np.ndarray, bits: object = bits) -> np.ndarray:
            other = rows.copy()
            upper = np.float32(bad).view(np.uint32) >> np.uint32(16)
            other[5, 3] = upper if bits is None else bits
            return other

        forged.edit("vectors", spoil)
        with pytest.raises(CorruptDataError, match="NaN or infinity"):
            SoarIndex.load(forged.seal())


def test_a_reader_that_does_not_know_rounded_rows_refuses_them(tmp_path, monkeypatch):
    loaded(tmp_path, "bf16")
    loaded(tmp_path, "disk")
    monkeypatch.setattr(manifest, "KNOWN_FEATURES", frozenset())
    with pytest.raises(CorruptDataError, match="requires 'rerank_layout'"):
        SoarIndex.load(tmp_path / "bf16-l2")
    SoarIndex.load(tmp_path / "disk-l2")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        ({"projection": 7}, "codes has shape"),
        ({"projection": 22}, "projection is 22 of 21"),
        ({"projection": 0}, "projection"),
        ({"projection": "8"}, "projection"),
        ({}, "arrays"),
    ],
)
def test_projections_that_the_arrays_do_not_have_are_refused(tmp_path, spoil, said):
    loaded(tmp_path, "disk", projection=8)
    forged = Forgery(tmp_path / "disk-l2", tmp_path / "forged")
    forged.manifest["index"]["layout"] = {"keep": "disk", **spoil}
    with pytest.raises(CorruptDataError, match=said):
        SoarIndex.load(forged.seal())


def test_axes_that_are_no_numbers_are_refused(tmp_path):
    loaded(tmp_path, "f32", projection=8)
    forged = Forgery(tmp_path / "f32-l2", tmp_path / "forged")

    def spoil(axes: np.ndarray) -> np.ndarray:
        other = axes.copy()
        other[2, 3] = np.nan
        return other

    forged.edit("projection_rows", spoil)
    with pytest.raises(CorruptDataError, match=r"projection_rows.npy has NaN"):
        SoarIndex.load(forged.seal())


def test_a_reader_that_does_not_know_projections_refuses(tmp_path, monkeypatch):
    loaded(tmp_path, "f32", projection=8)
    monkeypatch.setattr(manifest, "KNOWN_FEATURES", frozenset())
    with pytest.raises(CorruptDataError, match="requires 'projection'"):
        SoarIndex.load(tmp_path / "f32-l2")
