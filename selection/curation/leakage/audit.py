"""Whether rows of one split are near-duplicates of rows of another."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import Distances, Mask, Rows
from gleann.index.checks import require_threads
from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.index.join.block import PairBlock
from gleann.index.join.pairs import PairJoin
from gleann.index.join.side import require_alike, side_of_index
from gleann.index.nouns import number_of
from gleann.index.parallel.blocks import block_slices
from gleann.index.params import SearchParams
from gleann.index.progress import Progress, ignore
from gleann.index.soar_index import SoarIndex
from gleann.selection.among import Among, AmongLike, origin_of
from gleann.selection.checks import require_count
from gleann.selection.curation.leakage.result import Leakage, LeakedPairs
from gleann.selection.curation.radius import radius_of
from gleann.selection.groups import Groups
from gleann.selection.index_rows import among_of
from gleann.selection.progress import ProgressCallback
from gleann.selection.provenance import provenance

BINS = 20
MAX_PAIRS = 1_000_000
TARGET_RECALL = 0.99
"""Of the search for what is beyond the cut; within it nothing is missed."""

QUERIES = 4096


def leakage(  # noqa: PLR0913 (of what, beside what, how near, told how)
    index: SoarIndex,
    reference: SoarIndex | None = None,
    *,
    splits: ArrayLike | None = None,
    trained_on: Hashable | Sequence[Hashable] = "train",
    radius: float | None = None,
    similarity: float | None = None,
    groups: ArrayLike | None = None,
    among: AmongLike | None = None,
    bins: int = BINS,
    max_pairs: int = MAX_PAIRS,
    threads: int = 0,
    progress: ProgressCallback | None = None,
) -> Leakage:
    """Find the rows of a split whose near-duplicates are in the training data.

    Pairs within the cut are complete, and none is false. For the histogram the nearest
    training row is searched too, beyond the cut with recall 0.99.

    Args:
        index: of the rows that are audited; under cosine or l2.
        reference: of the training rows; or
        splits: (n,) the split of each row of `index`, which then has both.
        trained_on: the splits that are training data; the others are audited.
        radius: the cut: squared L2, or 1 - cos.
        similarity: under cosine, the least cosine instead.
        groups: (n,) words or numbers that the histograms are told by; None takes the
            splits.
        among: the rows of `index` that are looked at, as a mask (n,) or ids; None for
            all.
        bins: of the histograms.
        max_pairs: pairs that are listed; of more, only the nearest of each row are.
        threads: worker threads; 0 takes every core.
        progress: called as the phases "join" and "search" go on; what it raises ends
            the audit.

    Raises:
        InvalidParamsError: both or neither of `reference` and `splits`, or of radius
            and similarity; one out of its range; the index as its own reference.
        InvalidInputError: no training row, or none to audit; a split that no row has;
            splits or groups that are neither integers nor words.
        DimensionMismatchError: splits or groups that are not (n,), or an index of
            another dimension.
    """
    least = radius_of(index.metric, radius=radius, similarity=similarity)
    require_count("bins", bins)
    require_count("max_pairs", max_pairs, at_least=0)
    require_threads(threads)
    sides = _Sides.of(index, reference, splits, trained_on, among)
    report = progress or ignore
    hits = _within(sides, least, max_pairs, threads, report)
    nearest, distances = _nearest(sides, hits, report)
    words, numbers = _groups(sides, groups)
    params = {"radius": least, "bins": bins, "target_recall": TARGET_RECALL}
    return Leakage(
        radius=least,
        metric=index.metric,
        rows=sides.audited,
        held_ids=index.held_ids,
        reference_ids=sides.reference.held_ids,
        nearest=nearest,
        distances=distances,
        pair_counts=hits.counts[sides.audited],
        pairs=hits.pairs(),
        pairs_complete=hits.complete,
        groups=words,
        group_numbers=numbers,
        edges=_edges(distances, bins),
        provenance=provenance(
            "leakage", params=params, seed=None, data_hash=index.data_hash
        )
        | {"reference_hash": sides.reference.data_hash}
        | origin_of(sides.among),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Sides:
    """What is audited, and beside what.

    Attributes:
        index: has the audited rows.
        reference: has the training rows; the same index where splits are given.
        audited: int64 (m,), ascending.
        training: bool, rows of `reference`; None for all.
        splits: of all rows of `index`; None where the training rows are another index.
        among: the rows that are looked at; None for all.
    """

    index: SoarIndex
    reference: SoarIndex
    audited: Rows
    training: Mask | None
    splits: Groups | None
    among: Among | None

    @classmethod
    def of(
        cls,
        index: SoarIndex,
        reference: SoarIndex | None,
        splits: ArrayLike | None,
        trained_on: Hashable | Sequence[Hashable],
        among: AmongLike | None,
    ) -> "_Sides":
        """Check what a caller gave."""
        if (reference is None) == (splits is None):
            given = "neither" if reference is None else "both"
            raise InvalidParamsError(
                f"give reference or splits, one of them: got {given}"
            )
        n = len(index)
        within = among_of(among, index)
        mask = np.ones(n, np.bool_) if within is None else within.mask
        if reference is index:
            raise InvalidParamsError(
                f"reference is the index itself, each of whose {number_of(n, 'rows')}"
                " would be found for itself: give splits"
            )
        if reference is not None:
            require_alike(side_of_index(index), side_of_index(reference))
            audited = np.flatnonzero(mask)
            return cls(
                index=index,
                reference=reference,
                audited=audited,
                training=None,
                splits=None,
                among=within,
            )
        assert splits is not None, "one of both is there"
        named = Groups.of(splits, n=n, name="splits")
        listed = trained_on if isinstance(trained_on, list | tuple) else [trained_on]
        training = training_rows(named, listed, mask)
        audited = np.flatnonzero(mask & ~training)
        return cls(
            index=index,
            reference=index,
            audited=audited,
            training=training,
            splits=named,
            among=within,
        )

    @property
    def audited_mask(self) -> Mask:
        """The audited rows (n,)."""
        mask = np.zeros(len(self.index), np.bool_)
        mask[self.audited] = True
        return mask


def training_rows(splits: Groups, trained_on: Sequence[Hashable], mask: Mask) -> Mask:
    """The rows (n,) of `mask` (n,) that are training data; its others are audited.

    Raises:
        InvalidInputError: a split that no row has, or rows of one kind alone.
    """
    trained = np.isin(splits.numbers, splits.words.numbers_of(trained_on))
    training = mask & trained
    audited, count = int((mask & ~trained).sum()), int(training.sum())
    if not audited or not count:
        raise InvalidInputError(
            f"the splits have {number_of(audited, 'rows')} to audit and"
            f" {number_of(count, 'training rows')}: both are needed"
        )
    return training


class _Hits:
    """Collects pairs within the cut: counts, the nearest of each row, and some.

    Args:
        n: rows of the index that is audited.
        most: pairs to hold; of more, only the nearest of each row are.
    """

    def __init__(self, n: int, most: int) -> None:
        self.counts = np.zeros(n, np.int64)
        self.nearest = np.full(n, -1, np.int64)
        self.distances = np.full(n, np.inf, np.float32)
        self.complete = True
        self._most = most
        self._parts: list[PairBlock] = []

    def add(self, block: PairBlock) -> None:
        """Take in some pairs."""
        self.counts += np.bincount(block.rows, minlength=len(self.counts))
        order = np.lexsort((block.others, block.distances, block.rows))[::-1]
        rows, others = block.rows[order], block.others[order].astype(np.int64)
        near = block.distances[order]
        before, known = self.distances[rows], self.nearest[rows]
        better = (near < before) | ((near == before) & (others < known))
        self.nearest[rows[better]] = others[better]  # the last write is the nearest
        self.distances[rows[better]] = near[better]
        if self.counts.sum() > self._most:
            self.complete, self._parts = False, []
        elif self.complete:
            self._parts.append(block)

    def pairs(self) -> LeakedPairs:
        """All pairs by row, distance and training row; the nearest where not all."""
        if not self.complete:
            rows = np.flatnonzero(self.nearest >= 0)
            return LeakedPairs(
                rows=rows, others=self.nearest[rows], distances=self.distances[rows]
            )
        empty = [np.empty(0, np.int64)]
        rows = np.concatenate(empty + [part.rows for part in self._parts])
        others = np.concatenate(empty + [part.others for part in self._parts])
        distances = np.concatenate(
            [np.empty(0, np.float32), *(part.distances for part in self._parts)]
        )
        order = np.lexsort((others, distances, rows))
        return LeakedPairs(
            rows=rows[order], others=others[order], distances=distances[order]
        )


def _within(
    sides: _Sides,
    radius: float,
    most: int,
    threads: int,
    report: Callable[[Progress], None],
) -> _Hits:
    """The pairs of audited and training rows within the cut."""
    join = PairJoin(
        side_of_index(sides.index, among=sides.audited_mask),
        side_of_index(sides.reference, among=sides.training),
        radius=radius,
        threads=threads,
    )
    found = _Hits(len(sides.index), most)
    for block in join.blocks(report=report):
        found.add(block)
    return found


def _nearest(
    sides: _Sides, hits: _Hits, report: Callable[[Progress], None]
) -> tuple[Rows, Distances]:
    """The nearest training row (m,) of each audited row, and its distance."""
    m = len(sides.audited)
    nearest, distances = hits.nearest[sides.audited], hits.distances[sides.audited]
    open_ = np.flatnonzero(nearest < 0)
    params = SearchParams(k=1, target_recall=TARGET_RECALL, allowed=sides.training)
    for block in block_slices(len(open_), QUERIES) if len(open_) else []:
        report(Progress(phase="search", done=m - len(open_) + block.start, total=m))
        some = open_[block]
        queries = sides.index.stored_rows[sides.audited[some]]
        rows, near = sides.reference.search_rows(queries, params)
        nearest[some], distances[some] = rows[:, 0], near[:, 0]
    report(Progress(phase="search", done=m, total=m))
    return nearest, distances


def _groups(
    sides: _Sides, groups: ArrayLike | None
) -> tuple[tuple[Hashable, ...], NDArray[np.int64]]:
    """The words of the groups, and the number (m,) of each audited row."""
    named = sides.splits
    if groups is not None:
        named = Groups.of(groups, n=len(sides.index))
    if named is None:
        return ("all",), np.zeros(len(sides.audited), np.int64)
    return named.labels, named.numbers[sides.audited]


def _edges(distances: Distances, bins: int) -> NDArray[np.float64]:
    """Edges (bins + 1,) of equal bins from 0 to the greatest distance."""
    high = float(distances.max(initial=0)) or 1.0
    return np.linspace(0.0, high, bins + 1)
