"""Splits that control how near test rows are to training rows."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import HeldIds, Mask, Rows
from gleann.index.checks import require_integer
from gleann.index.errors import InvalidParamsError
from gleann.index.ids.held import take_ids
from gleann.index.lists import assignment
from gleann.index.nouns import number_of
from gleann.index.params import SearchParams
from gleann.index.soar_index import SoarIndex
from gleann.index.tables.tabular import Table, Tabular
from gleann.selection.among import AmongLike, origin_of
from gleann.selection.checks import IdMap, as_rows, require_between, require_count
from gleann.selection.groups import Groups
from gleann.selection.index_rows import among_of
from gleann.selection.provenance import provenance
from gleann.selection.seeds import keyed_hashes

FOLDS = 5
HELD_OUT = 0.2
TARGET_RECALL = 0.99


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FoldRows:
    """The rows of one turn of a `SimilaritySplit`.

    Attributes:
        train: rows of all other buckets that are not held out.
        interpolation: rows that are held out, of the same buckets.
        extrapolation: all rows of the bucket that training never saw.
    """

    train: Rows
    interpolation: Rows
    extrapolation: Rows


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SimilaritySplit(Tabular):
    """Buckets of similar rows: train on all but one, test inside them and outside.

    Attributes:
        held_ids: (n,) the ids of all rows.
        buckets: int32 (n,), from 0 up; -1 of rows that are not `among`.
        held_out: bool (n,), test rows of their bucket whenever it is trained on.
        provenance: method, params, seed, data_hash, version: JSON values.
        among: int64 (m,), the rows that are split, ascending; None where all are.
    """

    held_ids: HeldIds
    buckets: NDArray[np.int32]
    held_out: Mask
    provenance: dict[str, Any] = field(default_factory=dict)
    among: Rows | None = None

    def __len__(self) -> int:
        return len(self.buckets)

    @property
    def folds(self) -> int:
        """Number of buckets."""
        return int(self.buckets.max()) + 1

    def fold(self, bucket: int) -> FoldRows:
        """The rows where `bucket` is the one that training never sees.

        Raises:
            InvalidParamsError: there is no such bucket.
        """
        require_integer("bucket", bucket, at_least=0)
        if bucket >= self.folds:
            raise InvalidParamsError(
                f"bucket must be in 0..{self.folds - 1}, got {bucket}"
            )
        outside = self.buckets == bucket
        inside = (self.buckets >= 0) & ~outside
        return FoldRows(
            train=np.flatnonzero(inside & ~self.held_out),
            interpolation=np.flatnonzero(inside & self.held_out),
            extrapolation=np.flatnonzero(outside),
        )

    def table(self) -> Table:
        """One line per row that is split: id, bucket, held_out."""
        rows = np.arange(len(self)) if self.among is None else self.among
        buckets = self.buckets[rows]
        sizes = np.bincount(buckets, minlength=self.folds)
        return Table(
            columns={
                "id": take_ids(self.held_ids, rows),
                "bucket": buckets,
                "held_out": self.held_out[rows],
            },
            facts={
                "summary": {"folds": self.folds, "sizes": sizes.tolist()},
                "provenance": self.provenance,
            },
        )


def similarity_split(
    index: SoarIndex,
    *,
    folds: int = FOLDS,
    held_out: float = HELD_OUT,
    together: ArrayLike | None = None,
    among: AmongLike | None = None,
    seed: int = 0,
) -> SimilaritySplit:
    """Put similar rows into the same of a few buckets, as in ReSTTest.

    Lists are clustered by their centroids, and a row is in the bucket of its primary
    list: no row is in two. Buckets are as large as clusters are; the summary tells.

    Args:
        index: its rows are split.
        folds: buckets, at most as many as it has lists with such rows.
        held_out: share of each bucket that tests inside it, drawn by the hash of (seed,
            id).
        together: (n,) rows with equal values come into one bucket, that of the first,
            and are held out together: integers, strings or other words, such as
            `Duplicates.duplicate_of`, where -1 is nobody's.
        among: the rows that are split, as a mask (n,) or ids; None for all. Lists count
            by these alone.
        seed: the only source of randomness.

    Raises:
        InvalidParamsError: too many folds, or a share outside 0..1.
        InvalidInputError: `together` has numbers that are no integers; an `among` that
            cannot be used.
        DimensionMismatchError: `together` is not (n,).
    """
    require_count("folds", folds, at_least=2)
    require_between("held_out", held_out, low=0, high=1)
    require_integer("seed", seed, at_least=0)
    n = len(index)
    within = among_of(among, index)
    rows = np.arange(n) if within is None else within.rows
    first, _ = assignment(index.data.lists, n=n)
    of_lists = _buckets_of_lists(index, first[rows], folds, seed)
    heads = _heads(together, rows, n=n)
    buckets, kept_out = np.full(n, -1, np.int32), np.zeros(n, np.bool_)
    buckets[rows] = of_lists[first[heads]]
    hashes = keyed_hashes(index.held_ids, seed=seed, purpose="similarity_split")
    kept_out[rows] = hashes[heads].astype(np.float64) < held_out * 2.0**64
    params = {"folds": folds, "held_out": held_out}
    made = provenance(
        "similarity_split", params=params, seed=seed, data_hash=index.data_hash
    )
    return SimilaritySplit(
        held_ids=index.held_ids,
        buckets=buckets,
        held_out=kept_out,
        provenance=made | origin_of(within),
        among=None if within is None else rows,
    )


def resampled_training(
    index: SoarIndex, *, tests: ArrayLike, per_test: int
) -> tuple[Rows, Rows]:
    """Training rows near the test rows, and those that are not, as in ReSTrain.

    Training on the first measures interpolation, on the second extrapolation.

    Args:
        index: has test and training rows.
        tests: the test rows, as a mask (n,) or ids; all others are training rows.
        per_test: nearest training rows of each test row, found with recall 0.99.

    Returns:
        int64 rows that are among the nearest of any test row, and all other training
        rows, both ascending.

    Raises:
        InvalidParamsError: per_test below 1.
        UnknownIdError: a test id that no row has.
    """
    require_count("per_test", per_test)
    n = len(index)
    names = IdMap(index.held_ids, n=n)
    asked = np.sort(as_rows(tests, n=n, name="tests", names=names))
    training = np.ones(n, np.bool_)
    training[asked] = False
    if not training.any() or not len(asked):
        raise InvalidParamsError(
            f"tests are {len(asked)} of {number_of(n, 'rows')}: both test and training"
            " rows are needed"
        )
    params = SearchParams(k=per_test, target_recall=TARGET_RECALL, allowed=training)
    found, _ = index.search_rows(index.stored_rows[asked], params)
    near = np.zeros(n, np.bool_)
    near[found[found >= 0]] = True
    return np.flatnonzero(near), np.flatnonzero(training & ~near)


def _buckets_of_lists(
    index: SoarIndex, first: NDArray[np.int32], folds: int, seed: int
) -> NDArray[np.int64]:
    """The bucket (nlist,) of each list, numbered by their first rows.

    Args:
        index: has the centroids.
        first: int32 (m,), the primary list of each row that is split.
        folds: buckets.
        seed: of the clusters.
    """
    from sklearn.cluster import KMeans

    sizes = np.bincount(first, minlength=index.nlist)
    used = np.flatnonzero(sizes)
    require_lists(folds, len(used))
    centroids = index.data.centroids[used].astype(np.float64)
    means = KMeans(folds, n_init=10, random_state=seed)
    labels = means.fit(centroids, sample_weight=sizes[used]).labels_
    buckets = np.zeros(index.nlist, np.int64)
    _, appears, again = np.unique(labels, return_index=True, return_inverse=True)
    buckets[used] = np.argsort(np.argsort(appears))[again]
    return buckets


def require_lists(folds: int, lists: int) -> None:
    """Refuse more buckets than lists that have rows.

    Raises:
        InvalidParamsError: with both numbers.
    """
    if lists < folds:
        raise InvalidParamsError(
            f"folds must be at most {lists}, the lists that have rows; got {folds}:"
            " build the index with more lists"
        )


def _heads(together: ArrayLike | None, rows: Rows, *, n: int) -> Rows:
    """The first (m,) of `rows` (m,) that each of them is to be with."""
    if together is None:
        return rows
    groups = Groups.of(together, n=n, name="together")
    numbers = groups.numbers[rows]
    _, first, again = np.unique(numbers, return_index=True, return_inverse=True)
    nobody = numbers == groups.words.places.get(-1, -1)
    return np.where(nobody, rows, rows[first[again]])
