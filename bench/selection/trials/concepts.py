"""Rare concepts of labelled data sets, and the seeds that sessions begin from."""

import json
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from bench.datasets import DatasetError, load_dataset
from gleann.index.arrays import Rows, Vectors

FEWEST = 100
"""Positives that a concept needs in the pool."""
MOST = 0.01
"""Share of the pool above which a concept is not rare."""
DIGITS_HELD_OUT = 360


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
    """Read a folder with vectors and labels; "digits" is scikit-learn's.

    Raises:
        DatasetError: there are none.
    """
    if folder.name == "digits":
        return digits()
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


def digits() -> Labelled:
    """1,437 handwritten digits of 64 pixels, and 360 held out (seed 0)."""
    pixels, classes = load_digits(return_X_y=True)
    rows = np.random.default_rng(0).permutation(len(classes))
    vectors = pixels[rows] / np.linalg.norm(pixels[rows], axis=1, keepdims=True)
    cut = len(rows) - DIGITS_HELD_OUT
    base = vectors[:cut].astype(np.float32)
    named = classes[rows].astype(np.int64)
    return Labelled(
        name="digits",
        base=base,
        classes=named[:cut],
        queries=vectors[cut:].astype(np.float32),
        query_classes=named[cut:],
        names=tuple(str(digit) for digit in range(10)),
        sha256=sha256(base.tobytes()).hexdigest(),
    )


def drawn_rows(data: Labelled, count: int) -> Labelled:
    """The data with `count` of its rows, drawn with seed 0; all held-out queries."""
    rows = np.sort(np.random.default_rng(0).permutation(len(data.base))[:count])
    return replace(
        data,
        name=f"{data.name}, {count:,} rows",
        base=data.base[rows],
        classes=data.classes[rows],
        sha256=f"{data.sha256}/{count}",
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


TUNED = 12
"""Concepts of a set, drawn with seed 0, that defaults and earlier tables rest on."""
UNSEEN_FEWEST, UNSEEN_MOST = 50, 0.02
"""Rows of the concepts that are confirmed on; a wider range, as few are left."""


def tuned_concepts(data: Labelled) -> list[int]:
    """Classes whose results chose the defaults; half of the digits."""
    if data.name == "digits":
        return rare_concepts(data, count=5, seed=0, most=0.2)
    return rare_concepts(data, count=TUNED, seed=0)


def unseen_concepts(data: Labelled, *, count: int, tuned: list[int]) -> list[int]:
    """At most `count` classes, drawn with seed 0, without those `tuned`; ascending."""
    sizes = np.bincount(data.classes)
    most = 0.2 if data.name == "digits" else UNSEEN_MOST
    fits = (sizes >= UNSEEN_FEWEST) & (sizes <= most * len(data.classes))
    left = np.setdiff1d(np.flatnonzero(fits), tuned)
    return sorted(np.random.default_rng(0).permutation(left)[:count].tolist())


def draw_seed(positive: NDArray[np.bool_], *, seed: int) -> Rows:
    """Five positives and 95 negatives, as in the SEALS paper."""
    rng = np.random.default_rng([seed, 5])
    positives = rng.choice(np.flatnonzero(positive), 5, replace=False)
    negatives = rng.choice(np.flatnonzero(~positive), 95, replace=False)
    return np.concatenate([positives, negatives])
