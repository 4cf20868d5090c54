"""One run of active learning on one rare concept: its result and its cost."""

from dataclasses import dataclass
from time import perf_counter, process_time

import numpy as np

from bench.selection.trials.concepts import Labelled, draw_seed
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
        cpu_seconds: likewise, of all threads.
        rounds: batches chosen.
    """

    ap_pool: float
    ap_held_out: float
    recall: float
    looked_at: float
    in_pool: float | None
    labelled: int
    seconds: float
    cpu_seconds: float
    rounds: int


class Stopwatch:
    """Clock and CPU time of the parts of a run that are timed."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.cpu_seconds = 0.0

    def __enter__(self) -> None:
        self._begun = perf_counter(), process_time()

    def __exit__(self, *_: object) -> None:
        self.seconds += perf_counter() - self._begun[0]
        self.cpu_seconds += process_time() - self._begun[1]


def run_concept(  # noqa: PLR0913 (what is run, and how it is measured)
    data: Labelled,
    concept: int,
    params: ActiveParams,
    index: SoarIndex,
    *,
    budget: int,
    coverage: bool,
    nprobe: int | None = NPROBE,
) -> Ending:
    """Label `budget` rows, seed included, and judge the last classifier.

    Args:
        data: where the concept is from.
        concept: its class.
        params: how to pick.
        index: over the pool.
        budget: labels in all.
        coverage: whether to measure the coverage of the pools.
        nprobe: lists searched for the neighbours of a row; None takes the setting that
            the index has tuned, as the command line does.
    """
    positive = data.classes == concept
    rows = draw_seed(positive, seed=params.seed)
    labels = positive.astype(np.int64)
    lists = None if nprobe is None else min(nprobe, index.nlist)
    watch = Stopwatch()
    with watch:
        session = ActiveSession.start(
            index.vectors,
            params,
            rows=rows,
            labels=labels[rows],
            neighbours=IndexNeighbours(index, nprobe=lists),
        )
    shares: list[float] = []
    rounds = 0
    while (left := budget - len(session.labelled_rows)) > 0:
        with watch:
            picked = session.next_batch().rows[:left]
        if not len(picked):
            break
        if coverage:
            shares.append(session.coverage().in_pool)
        with watch:
            session.submit_labels(picked, labels[picked])
        rounds += 1
    return ending_of(
        session,
        data,
        concept,
        looked_at=session.looked_at / len(index),
        in_pool=float(np.mean(shares)) if shares else None,
        watch=watch,
        rounds=rounds,
    )


def ending_of(  # noqa: PLR0913 (what is judged, and what it took)
    session: ActiveSession,
    data: Labelled,
    concept: int,
    *,
    looked_at: float,
    in_pool: float | None,
    watch: Stopwatch,
    rounds: int,
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
        seconds=watch.seconds,
        cpu_seconds=watch.cpu_seconds,
        rounds=rounds,
    )
