"""The methods of curation, each with `among=` or on a copy of these rows."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bench.selection.trials.concepts import Labelled
from gleann.index import SoarIndex, exact_search, knn_graph
from gleann.index.arrays import Ids, Mask, Vectors
from gleann.selection.curation.audit import AuditRequest, audit, coverage_lines
from gleann.selection.curation.duplicates import join, near_duplicates, nearest_join
from gleann.selection.curation.graph_labels import (
    AllocationRequest,
    Propagation,
    PropagationRequest,
    allocate_labels,
    propagate,
)
from gleann.selection.curation.leakage import leakage, similarity_split
from gleann.selection.curation.negatives import (
    NegativesRequest,
    Positives,
    mine_negatives,
)
from gleann.selection.curation.plans import epoch_rows, in_turns
from gleann.selection.curation.target import (
    BestRankRequest,
    DistilRequest,
    Limits,
    ResampleRequest,
    RoundRobinRequest,
    best_rank,
    distil,
    resample,
    round_robin,
)
from gleann.selection.estimate.means import MeansParams, Statistic, estimate_means
from gleann.selection.promises import PromiseParams, promised_set

SIMILARITY = 0.9
TARGETS, QUERIES, K, PER_QUERY = 100, 200, 3, 5
RECALL = 0.99

Items: TypeAlias = frozenset[tuple[Any, ...]]
"""What a method answers with, by ids: so two answers are compared as sets."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Side:
    """An index of all rows and a filter, or one of the filtered rows alone.

    Attributes:
        index: of n rows.
        among: bool (n,), the rows that pass; None where the index has no others.
        ids: (n,).
        classes: (n,).
        vectors: (n, d), of unit length.
        data: of all rows.
        other: an index of the queries.
    """

    index: SoarIndex
    among: Mask | None
    ids: Ids
    classes: NDArray[np.int64]
    vectors: Vectors
    data: Labelled
    other: SoarIndex

    @classmethod
    def of(
        cls,
        index: SoarIndex,
        data: Labelled,
        *,
        other: SoarIndex,
        mask: Mask,
        is_copy: bool = False,
    ) -> "Side":
        rows = np.flatnonzero(mask) if is_copy else np.arange(len(mask))
        return cls(
            index=index,
            other=other,
            among=None if is_copy else mask,
            ids=index.ids,
            classes=data.classes[rows],
            vectors=data.base[rows],
            data=data,
        )

    @cached_property
    def passing(self) -> NDArray[np.int64]:
        """Rows (m,) that pass, by their ids: the same ids on both sides."""
        rows = np.arange(len(self.ids))
        if self.among is not None:
            rows = np.flatnonzero(self.among)
        return rows[np.argsort(self.ids[rows])]

    @property
    def count(self) -> int:
        """Rows that pass."""
        return len(self.passing)

    @property
    def targets(self) -> Vectors:
        """Examples of what is wanted."""
        return self.data.queries[:TARGETS]

    @property
    def proxy(self) -> NDArray[np.float64]:
        """(n,) similarity to the mean of the queries, in 0..1."""
        middle = self.data.queries.mean(axis=0, dtype=np.float64)
        # One row after another: a product with a matrix rounds by its shape.
        scores = np.einsum("ij,j->i", self.vectors.astype(np.float64), middle)
        return np.clip((scores + 1) / 2, 0, 1)

    @cached_property
    def large(self) -> NDArray[np.bool_]:
        """(n,) what labellers are asked: whether the class is of the upper half."""
        return self.classes > np.median(self.data.classes)

    @property
    def limits(self) -> Limits:
        return Limits(among=self.among)

    def labels_of(self, ids: Ids) -> NDArray[np.bool_]:
        """The answers of a labeller."""
        order = np.argsort(self.ids)
        rows = order[np.searchsorted(self.ids, ids, sorter=order)]
        return self.large[rows]

    @cached_property
    def budget(self) -> int:
        """Of choices: a quarter of the rows at most."""
        return min(5 * TARGETS, self.count // 4)


@dataclass(frozen=True, kw_only=True, eq=False)
class Method:
    """One method.

    Attributes:
        name: of it.
        answer: of a side; the second argument is whether all lists are probed.
        searches: whether an answer depends on the lists that are probed.
        by_lists: whether it reads the lists themselves, so that a copy needs the same.
        same_by_definition: whether the answer with all lists is found without an index.
    """

    name: str
    answer: Callable[[Side, bool], Items]
    searches: bool = False
    by_lists: bool = False
    same_by_definition: bool = False


def _items(*columns: Any) -> Items:
    return frozenset(zip(*(np.asarray(one).tolist() for one in columns), strict=True))


def _recall_of(everything: bool) -> float:
    return 1.0 if everything else RECALL


def _near(side: Side, _: bool) -> Items:
    found = near_duplicates(side.index, similarity=SIMILARITY, among=side.among)
    lines = found.table().columns
    pairs = np.sort([side.ids[found.pairs.rows], side.ids[found.pairs.others]], axis=0)
    kept = _items(lines["id"], lines["kept"], _texts(lines["duplicate_of"]))
    return kept | _items(*pairs)


def _texts(values: Any) -> list[str]:
    return [str(value) for value in np.asarray(values).tolist()]


def _join(side: Side, _: bool) -> Items:
    """Beside the queries, whose ids are their numbers."""
    blocks = join(
        side.index, side.data.queries, similarity=SIMILARITY, among=side.among
    )
    return frozenset().union(*(_items(one.ids, one.other_ids) for one in blocks))


def _nearest_join(side: Side, everything: bool) -> Items:
    """The nearest passing rows of a second index, whose rows are all joined."""
    blocks = nearest_join(
        side.index,
        side.other,
        k=K,
        target_recall=_recall_of(everything),
        among=side.among,
    )
    return frozenset().union(*(_items(one.ids, one.other_ids) for one in blocks))


def _splits(side: Side) -> NDArray[np.object_]:
    return np.where(side.ids % 2 == 0, "train", "test").astype(object)


def _leaked(side: Side, _: bool) -> Items:
    found = leakage(
        side.index, splits=_splits(side), similarity=SIMILARITY, among=side.among
    )
    pairs = found.pairs
    leaked = found.rows[found.leaked]
    return _items(side.ids[pairs.rows], side.ids[pairs.others]) | _items(
        side.ids[leaked]
    )


def _leak_distances(side: Side, everything: bool) -> Items:
    """The nearest training row of every audited one; by all distances, or leakage."""
    if not everything:
        found = leakage(
            side.index, splits=_splits(side), similarity=SIMILARITY, among=side.among
        )
        return _items(side.ids[found.rows], side.ids[found.nearest])
    train = side.ids[side.passing] % 2 == 0
    inside, outside = side.passing[train], side.passing[~train]
    near, _ = exact_search(
        side.vectors[outside], side.vectors[inside], k=1, metric="cosine"
    )
    return _items(side.ids[outside], side.ids[inside[near[:, 0]]])


def _split(side: Side, _: bool) -> Items:
    found = similarity_split(side.index, folds=3, among=side.among, seed=1)
    lines = found.table().columns
    return _items(lines["id"], lines["bucket"], lines["held_out"])


def _round_robin(side: Side, everything: bool) -> Items:
    request = RoundRobinRequest(
        targets=side.targets,
        budget=side.budget,
        limits=side.limits,
        target_recall=_recall_of(everything),
    )
    return _items(round_robin(side.index, request).ids)


def _best_rank(side: Side, everything: bool) -> Items:
    request = BestRankRequest(
        targets=side.targets,
        budget=side.budget,
        limits=side.limits,
        target_recall=_recall_of(everything),
    )
    return _items(best_rank(side.index, request).ids)


def _distil(side: Side, everything: bool) -> Items:
    request = DistilRequest(
        targets=side.targets,
        budget=side.budget,
        limits=side.limits,
        target_recall=_recall_of(everything),
    )
    return _items(distil(side.index, request).chosen.ids)


def _resample(side: Side, _: bool) -> Items:
    request = ResampleRequest(
        targets=side.targets, budget=side.budget, limits=side.limits, seed=1
    )
    found = resample(side.index, request)
    return _items(found.ids, _texts(np.round(found.why["log_weight"], 9)))


def _epochs(side: Side, _: bool) -> Items:
    plan = in_turns(len(side.ids), fraction=0.1, among=side.among, ids=side.ids, seed=1)
    return frozenset(
        (epoch, place, one)
        for epoch in range(3)
        for place, one in enumerate(side.ids[epoch_rows(plan, epoch)].tolist())
    )


def _propagated(side: Side, everything: bool) -> Propagation:
    _, first = np.unique(side.classes[side.passing], return_index=True)
    labelled = side.passing[first]
    graph = knn_graph(
        side.index,
        k=10,
        among=side.among,
        nprobe=side.index.nlist if everything else None,
        target_recall=None if everything else RECALL,
    )
    request = PropagationRequest(
        ids=side.ids[labelled], labels=side.classes[labelled], among=side.among
    )
    return propagate(side.index, request, graph=graph)


def _propagate(side: Side, everything: bool) -> Items:
    found = _propagated(side, everything)
    return _items(found.ids, _texts(found.labels))


def _allocate(side: Side, _: bool) -> Items:
    """Of probabilities that both sides have: of the proxy."""
    chances = np.stack([side.proxy, 1 - side.proxy], axis=1)
    request = AllocationRequest(
        probabilities=chances, shares=[0.3, 0.7], ids=side.ids, among=side.among
    )
    found = allocate_labels(request)
    return _items(found.ids, found.numbers)


def _negatives(side: Side, everything: bool) -> Items:
    count = min(QUERIES, len(side.data.queries))
    places = np.arange(count) % side.count
    request = NegativesRequest(
        queries=side.data.queries[:count],
        positives=Positives.of_lists([[one] for one in side.ids[side.passing[places]]]),
        per_query=PER_QUERY,
        window=(0, 4 * PER_QUERY),
        duplicate_radius=1 - SIMILARITY,
        among=side.among,
        target_recall=_recall_of(everything),
    )
    lines = mine_negatives(side.index, request).table().columns
    return _items(lines["query"], lines["id"])


def _audit(side: Side, _: bool) -> Items:
    """To six digits: sums over rows round by their number."""
    chosen = side.ids[side.passing[:: max(1, side.count // 50)]]
    found = audit(
        side.vectors,
        AuditRequest(chosen=chosen, labels={"class": side.classes}, seed=1),
        ids=side.ids,
        among=side.among,
    )
    scores = [
        (one.name, f"{order:g}", f"{score:.5e}")
        for one in found.sets
        for order, score in zip(found.orders, one.vendi, strict=True)
    ]
    lines = coverage_lines(found)
    radii = [f"{radius:.5e}" for radius in lines["radius"]]
    return frozenset(scores) | _items(lines["set"], lines["size"], radii)


def _promise(side: Side, _: bool) -> Items:
    found = promised_set(
        side.proxy,
        side.labels_of,
        PromiseParams(budget=min(300, side.count // 3), seed=1),
        ids=side.ids,
        among=side.among,
    )
    return _items(found.ids)


def _means(side: Side, _: bool) -> Items:
    """To nine digits."""
    found = estimate_means(
        lambda ids: side.labels_of(ids)[:, None].astype(np.float64),
        MeansParams(
            statistics=(Statistic(name="large", kind="share"),),
            budget=min(300, side.count // 2),
            seed=1,
        ),
        controls={"proxy": side.proxy},
        ids=side.ids,
        among=side.among,
    )
    return frozenset(
        (one.name, part, f"{getattr(one, part):.8e}")
        for one in found.estimates
        for part in ("value", "low", "high")
    )


METHODS = (
    Method(name="near-duplicates: pairs, kept rows", answer=_near),
    Method(name="join within a radius: pairs", answer=_join),
    Method(name="join of the 3 nearest: pairs", answer=_nearest_join, searches=True),
    Method(name="leakage: pairs, leaked rows", answer=_leaked),
    Method(
        name="leakage: nearest training row",
        answer=_leak_distances,
        searches=True,
        same_by_definition=True,
    ),
    Method(name="split by similarity: buckets", answer=_split, by_lists=True),
    Method(name="round robin: rows", answer=_round_robin, searches=True),
    Method(name="best rank: rows", answer=_best_rank, searches=True),
    Method(name="best rank, distilled: rows", answer=_distil, searches=True),
    Method(name="resample: rows, weights", answer=_resample, by_lists=True),
    Method(name="epoch plans: rows in order", answer=_epochs),
    Method(name="propagation: labels", answer=_propagate, searches=True),
    Method(name="allocation: labels", answer=_allocate),
    Method(name="promised set: rows", answer=_promise),
    Method(name="joint means: intervals", answer=_means),
    Method(name="hard negatives: pairs", answer=_negatives, searches=True),
    Method(name="audit: scores, radii", answer=_audit),
)
