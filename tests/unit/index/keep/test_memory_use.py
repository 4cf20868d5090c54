"""`SoarIndex.memory`, against the arithmetic of `index/storage/FORMAT.md`."""

import numpy as np
import pytest

from gleann.index import SoarIndex
from gleann.index.access.memory_use import PartUse
from gleann.index.engines import native
from gleann.index.payload.payload import Payload
from tests.support.keeps import DIM, KEEPS, NLIST, N, loaded, params_of, rows_of

needs_native = pytest.mark.skipif(
    not native.available(), reason=native.unavailable_reason()
)


def packed_slots(index: SoarIndex) -> int:
    """Entries of the lists, each list filled up to whole blocks of 16."""
    sizes = np.diff(index.data.lists.offsets)
    return int((-(-sizes // 16) * 16).sum())


@pytest.mark.parametrize("metric", ["l2", "cosine"])
@pytest.mark.parametrize("keep", KEEPS)
def test_parts_of_a_loaded_index_are_those_of_its_arrays(tmp_path, keep, metric):
    index = loaded(tmp_path, keep, metric, engine="reference")
    entries = index.data.lists.entries
    parts = index.memory().parts
    biased = index.data.encoding.has_biases
    expected = {
        "centroids": 4 * NLIST * DIM,
        "directions": 0,
        "list_tables": 8 * (NLIST + 1) + 8 * NLIST,
        "entries": 8 * entries,
        "codes": 0,
        "scales": 0,
        "biases": 0,
        "row_codes": 4 * N + (4 * N if biased else 0),
        "rerank_rows": 0,
        "ids": 8 * N,
        "payload": 0,
    }
    assert {name: part.anonymous for name, part in parts.items()} == expected
    assert parts["row_codes"].mapped == N * DIM
    width = 2 if keep in ("f16", "bf16") else 4
    where = "on_disk" if keep == "disk" else "mapped"
    assert getattr(parts["rerank_rows"], where) == width * N * DIM
    total = index.memory().total
    assert total.anonymous == sum(expected.values())


@needs_native
@pytest.mark.parametrize("tier", native.tiers())
@pytest.mark.parametrize("entry_codes", ["copied", "shared"])
def test_codes_of_the_engine_are_those_of_its_lists(
    tmp_path, entry_codes, tier, monkeypatch
):
    monkeypatch.setenv("GLEANN_NATIVE_TIER", tier)
    built = SoarIndex.build(rows_of(), params_of("f32", entry_codes=entry_codes))
    built.save(tmp_path / "i")
    index = SoarIndex.load(tmp_path / "i")
    steps = {"avx2": 2, "portable": 2}.get(tier, 4)
    code = -(-DIM // steps) * steps
    parts, slots = index.memory().parts, packed_slots(index)
    lists = index.data.lists
    if entry_codes == "copied":
        assert parts["codes"].anonymous == slots * code
    else:
        spilled = lists.entries - N
        assert parts["codes"].anonymous == N * code + 4 * spilled + 8 * NLIST
    assert parts["scales"].anonymous == parts["biases"].anonymous == 4 * slots
    blocks = -(-NLIST // 16) * 16
    assert parts["directions"].anonymous == blocks * (code + 8)


def test_what_is_built_in_memory_is_anonymous_and_what_is_loaded_is_not(tmp_path):
    payload = Payload.of({"colour": ["red", "blue", None] * (N // 3)})
    built = SoarIndex.build(rows_of(), params_of("f32"), payload=payload)
    use = built.memory()
    assert use.parts["rerank_rows"] == PartUse(anonymous=4 * N * DIM)
    assert use.parts["row_codes"].anonymous == N * DIM + 8 * N
    assert use.total.mapped == use.total.on_disk == 0
    assert use.parts["payload"].anonymous == payload.nbytes
    built.save(tmp_path / "i")
    index = SoarIndex.load(tmp_path / "i")
    again = index.memory()
    assert again.parts["payload"].mapped == index.payload.nbytes
    assert again.searched == again.total.anonymous + 4 * N * DIM
    a_row = again.bytes_a_row()
    assert a_row["rerank_rows"] == 4 * DIM
    assert sum(a_row.values()) == pytest.approx(again.searched / N)


def test_pages_in_memory_are_counted_and_never_more_than_the_file(tmp_path):
    rows = np.random.default_rng(1).standard_normal((4000, 96)).astype(np.float32)
    SoarIndex.build(rows, params_of("disk", spill="none")).save(tmp_path / "i")
    index = SoarIndex.load(tmp_path / "i")  # which reads the file for its checksum
    part = index.memory().parts["rerank_rows"]
    assert 0 <= part.cached <= part.on_disk == rows.nbytes
