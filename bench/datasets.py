"""Data sets: a folder of arrays, or one HDF5 file in the ann-benchmarks format."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Any

import numpy as np

from gleann.index import exact_search
from gleann.index.arrays import Distances, Rows, Vectors
from gleann.index.metric import pair_distances, prepare
from gleann.index.params import Metric

QUICK_ROWS = 20_000
QUICK_QUERIES = 1000
COMPUTED_TRUTHS = 1000
"""Queries with a computed ground truth if the data has none."""

HDF5_METRICS: dict[str, Metric] = {
    "angular": "cosine",
    "euclidean": "l2",
    "dot": "ip",
    "ip": "ip",
}


class DatasetError(Exception):
    """A data set that is missing, or not in a measurable form."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dataset:
    """Base vectors, queries, and the ground truth of some queries.

    Attributes:
        name: as its `meta.json` or file name has it.
        metric: "ip", "cosine" or "l2".
        base: float32 (n, d), of unit length under cosine.
        queries: float32 (nq, d), likewise.
        truth: rows (m, depth) nearest first to the first m queries, or None.
        file: the file that holds the base, for its hash.
    """

    name: str
    metric: Metric
    base: Vectors
    queries: Vectors
    truth: Rows | None
    file: Path

    @property
    def sha256(self) -> str:
        """Hash of the file with the base (`base.npy`, or the whole HDF5 file)."""
        with self.file.open("rb") as opened:
            return file_digest(opened, "sha256").hexdigest()


def load_dataset(path: Path, *, quick: bool = False) -> Dataset:
    """Read a data set, prepared for every peer alike.

    Args:
        path: a folder with `base.npy`, `queries.npy`, `meta.json` (name, metric) and
            maybe `gt100.npy`; or an HDF5 file with `train`, `test`, `neighbors`.
        quick: cut it down to a few thousand rows and queries.

    Raises:
        DatasetError: something is missing or of an unknown metric.
    """
    whole = _read_folder(path) if path.is_dir() else _read_hdf5(path)
    if not quick:
        return whole
    cut = len(whole.base) > QUICK_ROWS
    return Dataset(
        name=whole.name,
        metric=whole.metric,
        base=whole.base[:QUICK_ROWS],
        queries=whole.queries[:QUICK_QUERIES],
        truth=None if cut or whole.truth is None else whole.truth[:QUICK_QUERIES],
        file=whole.file,
    )


def describe(dataset: Dataset) -> dict[str, Any]:
    """The data set's entry of the result file, with its hash."""
    n, dim = dataset.base.shape
    return {
        "name": dataset.name,
        "metric": dataset.metric,
        "n": n,
        "dim": dim,
        "queries": len(dataset.queries),
        "sha256": dataset.sha256,
    }


def true_distances(dataset: Dataset, *, k: int) -> Distances:
    """Distances (m, k) of the true neighbours of the first m queries, ascending.

    Recomputed in float64 from the ground truth, or from an exhaustive search of the
    first 1,000 queries where there is none that is k deep.
    """
    truth = dataset.truth
    if truth is None or truth.shape[1] < k:
        few = dataset.queries[:COMPUTED_TRUTHS]
        return exact_search(few, dataset.base, metric=dataset.metric, k=k)[1]
    near = distances_of(dataset, truth)
    return np.sort(near, axis=1)[:, :k]


def distances_of(dataset: Dataset, rows: Rows, *, block: int = 256) -> Distances:
    """Distances (m, depth) of `rows` (m, depth) to the first m queries."""
    queries = dataset.queries[: len(rows)]
    blocks = [slice(i, i + block) for i in range(0, len(rows), block)]
    return np.concatenate(
        [
            pair_distances(queries[b], dataset.base[rows[b]], dataset.metric)
            for b in blocks
        ]
    )


def _read_folder(folder: Path) -> Dataset:
    missing = [
        name
        for name in ("base.npy", "queries.npy", "meta.json")
        if not (folder / name).is_file()
    ]
    if missing:
        raise DatasetError(f"{folder} has no {', '.join(missing)}")
    meta = json.loads((folder / "meta.json").read_text())
    truth = folder / "gt100.npy"
    return _make(
        name=meta["name"],
        metric=meta["metric"],
        read=lambda part: np.load(folder / f"{part}.npy"),
        truth=np.load(truth) if truth.is_file() else None,
        file=folder / "base.npy",
    )


def _read_hdf5(path: Path) -> Dataset:
    if not path.is_file():
        raise DatasetError(f"there is no folder or file {path}")
    try:
        import h5py
    except ImportError as error:
        raise DatasetError(f"reading {path} needs h5py: {error}") from error
    with h5py.File(path) as opened:
        distance = opened.attrs["distance"]
        if distance not in HDF5_METRICS:
            known = ", ".join(HDF5_METRICS)
            raise DatasetError(f"distance {distance!r} of {path} is not one of {known}")
        names = {"base": "train", "queries": "test"}
        return _make(
            name=path.stem,
            metric=HDF5_METRICS[distance],
            read=lambda part: opened[names[part]][:],
            truth=opened["neighbors"][:] if "neighbors" in opened else None,
            file=path,
        )


def _make(
    *,
    name: str,
    metric: Metric,
    read: Callable[[str], np.ndarray],
    truth: Rows | None,
    file: Path,
) -> Dataset:
    if metric not in ("ip", "cosine", "l2"):
        raise DatasetError(f"metric of {name} is {metric!r}, not ip, cosine or l2")
    base, queries = (
        prepare(np.ascontiguousarray(read(part), np.float32), metric)
        for part in ("base", "queries")
    )
    return Dataset(
        name=name, metric=metric, base=base, queries=queries, truth=truth, file=file
    )
