"""Builds of shards beside what one process makes of the same rows."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gleann.index import BuildParams, SoarIndex
from gleann.index.build import assign, near_rows, rank_by_code, spill
from gleann.index.ids.checks import hold_id_array
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Schema
from gleann.index.shards.build import assigned, kernels
from gleann.index.shards.cut import cut
from gleann.index.shards.placing import shards_of
from gleann.index.storage.manifest import read_manifest


def cut_passes_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every pass over a few thousand rows be several tasks of several blocks."""
    monkeypatch.setattr(assign, "PROGRESS_ROWS", 200)
    monkeypatch.setattr(assigned, "RANGE_ROWS", 600)
    monkeypatch.setattr(spill, "BLOCK_VALUES", 1500)
    monkeypatch.setattr(near_rows, "BLOCK_BYTES", 8000)
    monkeypatch.setattr(rank_by_code, "VALUES_HELD", 3000)
    monkeypatch.setattr(kernels, "TASK_ROWS", 700)
    monkeypatch.setattr(kernels, "QUERIES_HELD", 100)
    monkeypatch.setattr(near_rows, "QUERIES_HELD", 100)


def write_parquet(
    folder: Path,
    rows: np.ndarray,
    *,
    ids: Any = None,
    files: int = 3,
    groups: int = 150,
    **columns: Any,
) -> Path:
    """Write rows, ids and columns of payload to some files of unequal size."""
    folder.mkdir(parents=True, exist_ok=True)
    flat = pa.array(np.ascontiguousarray(rows, np.float32).reshape(-1))
    lists = pa.FixedSizeListArray.from_arrays(flat, rows.shape[1])
    table = {"vector": lists, **{k: pa.array(v) for k, v in columns.items()}}
    if ids is not None:
        table["id"] = pa.array(ids)
    whole = pa.table(table)
    ends = np.linspace(0, 1, files + 1) ** 1.5 * len(rows)
    for number, (start, stop) in enumerate(
        zip(ends[:-1].astype(int), ends[1:].astype(int), strict=True)
    ):
        part = whole.slice(start, stop - start)
        pq.write_table(part, folder / f"part-{number}.parquet", row_group_size=groups)
    return folder


def reference(
    path: Path,
    rows: np.ndarray,
    params: BuildParams,
    *,
    shards: int,
    ids: Any = None,
    payload: dict[str, Any] | None = None,
    queries: np.ndarray | None = None,
) -> Path:
    """What one process makes of the rows in the order of the shards, cut into them."""
    held = np.arange(len(rows)) if ids is None else hold_id_array(ids)
    order = np.argsort(shards_of(held, shards), kind="stable")
    values = None if payload is None else Payload.of(payload).take(order)
    SoarIndex.build_on_disk(
        rows[order],
        path / "whole",
        params,
        ids=held[order],
        payload=None if values is None else [values],
        schema=Schema() if values is None else values.schema,
        queries=queries,
    )
    cut(SoarIndex.load(path / "whole"), path / "cut", shards=shards)
    return path / "cut"


def assert_same_index(made: Path, wanted: Path) -> None:
    """Compare two indexes in shards: all bytes but the names of data folders.

    Payload is compared by its values: record batches may end elsewhere.
    """
    ours, theirs = _content(made), _content(wanted)
    shards = [one.pop("shards") for one in (ours, theirs)]
    assert ours == theirs
    assert [s["n"] for s in shards[0]] == [s["n"] for s in shards[1]]
    for shard in shards[0]:
        _assert_same_shard(made / shard["directory"], wanted / shard["directory"])


def files_of(path: Path) -> dict[str, bytes]:
    """All files below a folder, by name."""
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in sorted(path.rglob("*"))
        if file.is_file()
    }


def _content(path: Path) -> dict[str, Any]:
    content = json.loads((path / "shards.json").read_text())
    del content["checksum"]
    return dict(content)


def _assert_same_shard(made: Path, wanted: Path) -> None:
    ours, theirs = read_manifest(made), read_manifest(wanted)
    folders = made / ours.pop("data"), wanted / theirs.pop("data")
    payloads = [one.pop("payload", None) for one in (ours, theirs)]
    for one in (ours, theirs):
        del one["checksum"]
    assert ours == theirs
    if ours["arrays"]:
        names = [sorted(f.name for f in folder.iterdir()) for folder in folders]
        assert names[0] == names[1]
        for name in names[0]:
            if name.endswith(".npy"):
                files = [(folder / name).read_bytes() for folder in folders]
                assert files[0] == files[1], name
    assert sorted(f.name for f in made.iterdir()) == sorted(
        [p.name for p in (folders[0], made / "manifest.json") if p.exists()]
    )
    if payloads[0] is not None or payloads[1] is not None:
        assert payloads[0]["schema"] == payloads[1]["schema"]
        schema = Schema.from_values(payloads[0]["schema"])
        values = [
            Payload.open(folder / "payload.arrow", schema, sha256=entry["sha256"])
            for folder, entry in zip(folders, payloads, strict=True)
        ]
        assert values[0].to_pylist() == values[1].to_pylist()
