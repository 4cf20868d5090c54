"""Indexes in other layouts than the usual one, written once, load for ever."""

import json
from pathlib import Path

import numpy as np
import pytest

from gleann.index import SearchParams, SoarIndex
from gleann.index.engines import native

HERE = Path(__file__).parent
EXPECTED = json.loads((HERE / "index-kept-expected.json").read_text())
ENGINES = ["native", "reference"] if native.available() else ["reference"]

pytestmark = pytest.mark.golden


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("keep", ["f16", "bf16", "disk"])
def test_an_index_written_once_answers_as_it_did(keep, engine):
    index = SoarIndex.load(HERE / f"index-{keep}", engine=engine)
    said = EXPECTED["answers"][keep]
    queries = np.array(EXPECTED["queries"], np.float32)
    found = index.search(queries, SearchParams(k=3, nprobe=4))
    assert index.params.keep == keep
    assert index.params.entry_codes == ("shared" if keep == "disk" else "copied")
    np.testing.assert_array_equal(index.vectors[:3], np.float32(said["vectors"]))
    assert found.ids.tolist() == said["ids"]
    np.testing.assert_array_equal(found.distances, np.float32(said["distances"]))


@pytest.mark.parametrize(
    ("keep", "requires"), [("f16", True), ("bf16", True), ("disk", False)]
)
def test_only_rounded_rows_need_a_reader_that_knows_of_them(keep, requires):
    manifest = json.loads((HERE / f"index-{keep}" / "manifest.json").read_text())
    assert ("rerank_layout" in manifest.get("requires", [])) == requires
    assert manifest.get("rerank_layout") == ({"values": keep} if requires else None)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_index_of_projected_rows_answers_as_it_did(engine):
    index = SoarIndex.load(HERE / "index-projection", engine=engine)
    said = json.loads((HERE / "index-projection-expected.json").read_text())
    queries = np.array(said["queries"], np.float32)
    found = index.search(queries, SearchParams(k=3, nprobe=4, rerank=12))
    assert index.params.projection == 3
    assert found.ids.tolist() == said["ids"]
    np.testing.assert_array_equal(found.distances, np.float32(said["distances"]))


def test_projected_rows_need_a_reader_that_knows_of_them():
    manifest = json.loads((HERE / "index-projection" / "manifest.json").read_text())
    assert manifest["requires"] == ["projection"]
    assert manifest["index"]["layout"] == {"projection": 3}
    shapes = {name: entry["shape"] for name, entry in manifest["arrays"].items()}
    assert shapes["codes"] == [60, 3]
    assert shapes["projection_rows"] == shapes["projection_queries"] == [3, 8]
