"""Rare concepts of labelled data sets, and the seeds that sessions begin from."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.datasets import DatasetError, load_dataset
from gleann.index.arrays import Rows, Vectors

FEWEST = 100
"""Positives that a concept needs in the pool."""
MOST = 0.01
"""Share of the pool above which a concept is not rare."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Labelled:
    """A pool and held-out queries, with the class of each.

    Attributes:
        name: of the data set.
        base: float32 (n, d), unit rows.
        classes: (n,) of the base.
        queries: float32 (m, d), unit rows.
        query_classes: (m,).
        names: of the classes.
        sha256: hash of the base's file.
    """

    name: str
    base: Vectors
    classes: NDArray[np.int64]
    queries: Vectors
    query_classes: NDArray[np.int64]
    names: tuple[str, ...]
    sha256: str


def load_labelled(folder: Path) -> Labelled:
    """Read a folder with vectors and labels.

    Raises:
        DatasetError: there are none.
    """
    data = load_dataset(folder)
    for part in ("base_labels.npy", "query_labels.npy"):
        if not (folder / part).is_file():
            raise DatasetError(f"{folder} has no {part}")
    meta = json.loads((folder / "meta.json").read_text())
    return Labelled(
        name=data.name,
        base=data.base,
        classes=np.load(folder / "base_labels.npy").astype(np.int64),
        queries=data.queries,
        query_classes=np.load(folder / "query_labels.npy").astype(np.int64),
        names=tuple(meta["label_names"]),
        sha256=data.sha256,
    )


def rare_concepts(
    data: Labelled, *, count: int, seed: int, most: float = MOST
) -> list[int]:
    """`count` classes of 100 rows to a share `most` of the pool, drawn; ascending."""
    sizes = np.bincount(data.classes)
    rare = np.flatnonzero((sizes >= FEWEST) & (sizes <= most * len(data.classes)))
    if len(rare) < count:
        raise DatasetError(f"{data.name} has {len(rare)} rare classes, not {count}")
    drawn = np.random.default_rng(seed).permutation(rare)[:count]
    return sorted(drawn.tolist())


def draw_seed(positive: NDArray[np.bool_], *, seed: int) -> Rows:
    """Five positives and 95 negatives, as in the SEALS paper."""
    rng = np.random.default_rng([seed, 5])
    positives = rng.choice(np.flatnonzero(positive), 5, replace=False)
    negatives = rng.choice(np.flatnonzero(~positive), 95, replace=False)
    return np.concatenate([positives, negatives])
