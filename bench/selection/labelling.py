"""One run of active learning on one rare concept: its result and its cost."""

from dataclasses import dataclass
from time import perf_counter

import numpy as np

from bench.selection.concepts import Labelled, draw_seed
from gleann.index import SoarIndex
from gleann.selection import ActiveParams, ActiveSession, IndexNeighbours
from gleann.service.demo.labelling import average_precision

NPROBE = 16
"""Lists searched for the neighbours of a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Where a run ended.

    Attributes:
        ap_pool: average precision over the whole pool, labelled rows included.
        ap_held_out: average precision over the held-out queries.
        recall: share of the pool's positives that were labelled.
        looked_at: share of the pool that ever were candidates; of a random draw, what
            was drawn.
        in_pool: mean over batches of the share of the global top batch in the pool;
            None where it was not measured.
        labelled: rows labelled.
        seconds: choosing and training, evaluation left out.
    """

    ap_pool: float
    ap_held_out: float
    recall: float
    looked_at: float
    in_pool: float | None
    labelled: int
    seconds: float


def run_concept(  # noqa: PLR0913 (what is run, and how it is measured)
    data: Labelled,
    concept: int,
    params: ActiveParams,
    index: SoarIndex,
    *,
    budget: int,
    coverage: bool,
    nprobe: int = NPROBE,
) -> Ending:
    """Label `budget` rows, seed included, and judge the last classifier.

    Args:
        data: where the concept is from.
        concept: its class.
        params: how to pick.
        index: over the pool.
        budget: labels in all.
        coverage: whether to measure the coverage of the pools.
        nprobe: lists searched for the neighbours of a row.
    """
    positive = data.classes == concept
    rows = draw_seed(positive, seed=params.seed)
    labels = positive.astype(np.int64)
    neighbours = IndexNeighbours(index, nprobe=min(nprobe, index.nlist))
    start = perf_counter()
    session = ActiveSession.start(
        index.vectors, params, rows=rows, labels=labels[rows], neighbours=neighbours
    )
    seconds = perf_counter() - start
    shares: list[float] = []
    while (left := budget - len(session.labelled_rows)) > 0:
        start = perf_counter()
        picked = session.next_batch().rows[:left]
        seconds += perf_counter() - start
        if not len(picked):
            break
        if coverage:
            shares.append(session.coverage().in_pool)
        session.submit_labels(picked, labels[picked])
    return ending_of(
        session,
        data,
        concept,
        looked_at=session.looked_at / len(index),
        in_pool=float(np.mean(shares)) if shares else None,
        seconds=seconds,
    )


def ending_of(
    session: ActiveSession,
    data: Labelled,
    concept: int,
    *,
    looked_at: float,
    in_pool: float | None,
    seconds: float,
) -> Ending:
    """Judge the classifier of all labels of `session`; the rest is as in `Ending`."""
    positive = data.classes == concept
    held_out = session.score_vectors(data.queries)[:, -1]
    return Ending(
        ap_pool=average_precision(positive, session.probabilities()[:, -1]),
        ap_held_out=average_precision(data.query_classes == concept, held_out),
        recall=float(positive[session.labelled_rows].sum() / positive.sum()),
        looked_at=looked_at,
        in_pool=in_pool,
        labelled=len(session.labelled_rows),
        seconds=seconds,
    )
