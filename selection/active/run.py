"""Run a session to its budget with an oracle."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from numpy.typing import ArrayLike

from gleann.index import Progress
from gleann.index.arrays import Ids
from gleann.index.errors import InvalidParamsError
from gleann.index.tables.tabular import Table, Tabular, table_of_records
from gleann.selection.active.session import ActiveSession
from gleann.selection.checks import require_count
from gleann.selection.progress import ProgressCallback

LabelOracle = Callable[[Ids], ArrayLike]
"""Ids (m,) to labels (m,), or (m, q) with q concepts."""

Evaluate = Callable[[ActiveSession], Mapping[str, float]]
"""Metrics of a session, by name, such as average precision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRecord:
    """State of a run before a batch was queried, or at its end.

    Attributes:
        labelled: rows labelled, seed included.
        positives: answers among them that are the last class.
        looked_at: distinct rows that were ever candidates.
        metrics: results of `evaluate` at that time.
    """

    labelled: int
    positives: int
    looked_at: int
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveRun(Tabular):
    """The history of a run.

    Attributes:
        history: one record per batch, and a last one at the end.
        note: why the run ended short of its budget; "" if it did not.
    """

    history: tuple[BatchRecord, ...]
    note: str

    def table(self) -> Table:
        """One line per record; each metric is a column, NaN where it is not there."""
        return Table(
            columns=table_of_records(self.history),
            facts={"summary": {"note": self.note}},
        )


def run_active(
    session: ActiveSession,
    oracle: LabelOracle,
    *,
    budget: int,
    evaluate: Evaluate | None = None,
    progress: ProgressCallback | None = None,
) -> ActiveRun:
    """Label until `budget` rows are labelled, or no candidate is left.

    Exceptions of `oracle` and `progress` pass through; earlier labels stay in the
    session, and a second call continues from there.

    Args:
        session: new, or partly labelled.
        oracle: labels rows; called once per row at most.
        budget: labels in all, those of the seed included (T of SEALS).
        evaluate: called before each batch and at the end.
        progress: called after each batch.

    Raises:
        InvalidParamsError: a budget above the rows that can be labelled.
    """
    require_count("budget", budget)
    if budget > session.available:
        raise InvalidParamsError(
            f"budget is {budget}, but {session.available} rows can be labelled"
        )
    history = [_record(session, evaluate)]
    while (left := budget - history[-1].labelled) > 0:
        ids = session.next_batch().ids[:left]
        if not len(ids):
            note = f"the pool ran dry at {history[-1].labelled} of {budget} labels"
            return ActiveRun(history=tuple(history), note=note)
        session.submit_labels(ids, oracle(ids))
        history.append(_record(session, evaluate))
        if progress is not None:
            progress(Progress(phase="label", done=history[-1].labelled, total=budget))
    return ActiveRun(history=tuple(history), note="")


def _record(session: ActiveSession, evaluate: Evaluate | None) -> BatchRecord:
    return BatchRecord(
        labelled=len(session.labelled_rows),
        positives=session.positives,
        looked_at=session.looked_at,
        metrics=dict(evaluate(session)) if evaluate is not None else {},
    )
