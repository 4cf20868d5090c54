"""The measurement of near-duplicates: its data, its truth, its tables."""

import argparse
import json

import numpy as np
import pytest

from bench.curation import large
from bench.curation.duplicates import (
    LEAST_COSINE,
    all_pairs,
    measure,
    show,
    with_copies,
)
from bench.curation.semhash import listed, semhash_result
from gleann.index import BuildParams, SoarIndex
from gleann.selection.curation.duplicates import near_duplicates

pytest.importorskip("faiss")


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_copies_are_as_near_as_they_are_said_to_be(clustered):
    base = unit(clustered(300, 12, seed=0))
    rows = with_copies(base, seed=1)
    assert len(rows) == 450
    copies = rows[300:].astype(np.float64)
    cosines = (copies @ base.T.astype(np.float64)).max(axis=1)
    assert cosines.min() >= LEAST_COSINE - 1e-6
    assert (rows == with_copies(base, seed=1)).all()
    assert (rows != with_copies(base, seed=2)).any()


def test_all_pairs_has_those_of_equal_rows_too():
    rows = np.array([[0.0], [0.0], [1.0], [1.0], [9.0]], np.float32)
    params = BuildParams(metric="l2", nlist=1, tune_queries=0)
    found = near_duplicates(SoarIndex.build(rows, params), radius=1.0)
    every = {(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)}
    assert all_pairs(found, np.arange(5)) == every
    assert all_pairs(found, np.array([1, 4])) == {(0, 1), (1, 2), (1, 3)}
    assert found.pair_count == len(every)


def test_a_data_set_is_measured_and_shown(clustered, tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    np.save(folder / "base.npy", clustered(500, 10, seed=0, spread=0.1))
    np.save(folder / "queries.npy", clustered(5, 10, seed=1))
    meta = {"name": "small", "metric": "cosine"}
    (folder / "meta.json").write_text(json.dumps(meta))
    arguments = argparse.Namespace(quick=True, seed=0, threads=1)
    result = measure(folder, arguments) | {"name": "small"}
    for one in result["similarities"]:
        assert one["recall"] == 1.0
        assert one["false_pairs"] == 0
        assert one["true_pairs"] == one["pairs"] > 200
    text = show(result)
    assert text.count("| 1.00000 | 0 |") == 3
    assert "SemHash was not measured" in text


def test_pairs_of_another_program_are_checked():
    rows = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]], np.float32)
    found = listed(rows, [(0, 1), (0, 2)], 0.75)
    assert found == {"listed": 2, "beyond": 1}
    assert listed(rows, [], 0.75) == {"listed": 0, "beyond": 0}


def test_a_program_that_fails_is_told(monkeypatch):
    monkeypatch.delenv("SEMHASH_PYTHON", raising=False)
    rows = np.eye(2, dtype=np.float32)
    assert "names no interpreter" in semhash_result(rows, 0.9, threads=1)["reason"]
    monkeypatch.setenv("SEMHASH_PYTHON", "/bin/false")
    assert semhash_result(rows, 0.9, threads=1)["reason"] == "it ended with status 1"


def test_many_rows_are_measured_with_their_memory():
    result = large.measure(3000, seed=0, threads=1)
    assert result["copies"] == 60
    assert 50 <= result["pairs"] <= 100
    assert 2940 <= result["kept"] <= 2945
    assert result["peak_bytes"] > 0
    assert "3,000 x 128" in large.show(result)
