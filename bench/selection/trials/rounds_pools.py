"""Labelled pools that rounds choose from, cut to a size that many curves can afford."""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bench.selection.trials.concepts import load_labelled
from gleann.index.arrays import Rows, Vectors
from gleann.selection.provenance import fingerprint

QUICK_ROWS = 600
DIGITS = "digits"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pool:
    """Rows to choose from, and held-out rows to be judged on.

    Attributes:
        name: of the data set.
        vectors: float32 (n, d).
        labels: (n,).
        test_vectors: float32 (m, d), held out.
        test_labels: (m,).
    """

    name: str
    vectors: Vectors
    labels: Rows
    test_vectors: Vectors
    test_labels: Rows

    @property
    def data_hash(self) -> str:
        """SHA-256 of all arrays."""
        return fingerprint(
            self.vectors, self.labels, self.test_vectors, self.test_labels
        )

    @property
    def classes(self) -> int:
        """Distinct labels of the rows to choose from."""
        return len(np.unique(self.labels))


def load_pool(source: str, arguments: argparse.Namespace) -> Pool:
    """Read a folder, or scikit-learn's digits, and cut it.

    Args:
        source: a folder, or "digits".
        arguments: `classes` and `rows` are the most that are kept, drawn with seed 0.

    Raises:
        DatasetError: no such folder, or one without labels.
    """
    pool = _digits() if source == DIGITS else _folder(Path(source))
    rng = np.random.default_rng(0)
    pool = _of_classes(pool, arguments.classes, rng)
    rows = QUICK_ROWS if arguments.quick else arguments.rows
    if len(pool.labels) <= rows:
        return pool
    kept = np.sort(rng.choice(len(pool.labels), rows, replace=False))
    return replace(pool, vectors=pool.vectors[kept], labels=pool.labels[kept])


def _of_classes(pool: Pool, most: int, rng: np.random.Generator) -> Pool:
    classes = np.unique(pool.labels)
    if len(classes) <= most:
        return pool
    drawn = rng.choice(classes, most, replace=False)
    mine, held = np.isin(pool.labels, drawn), np.isin(pool.test_labels, drawn)
    return Pool(
        name=pool.name,
        vectors=np.ascontiguousarray(pool.vectors[mine]),
        labels=pool.labels[mine],
        test_vectors=np.ascontiguousarray(pool.test_vectors[held]),
        test_labels=pool.test_labels[held],
    )


def _folder(folder: Path) -> Pool:
    data = load_labelled(folder)
    return Pool(
        name=data.name,
        vectors=data.base,
        labels=data.classes,
        test_vectors=data.queries,
        test_labels=data.query_classes,
    )


def _digits() -> Pool:
    """Pixels in 0..1 of 1,797 digits, a third of them held out."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    vectors = (pixels / 16).astype(np.float32)
    order = np.random.default_rng(0).permutation(len(vectors))
    held, mine = np.split(order, [len(order) // 3])
    return Pool(
        name=DIGITS,
        vectors=vectors[mine],
        labels=labels[mine].astype(np.int64),
        test_vectors=vectors[held],
        test_labels=labels[held].astype(np.int64),
    )
