"""Run a rounds session to its budget with an oracle."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from numpy.typing import ArrayLike

from gleann.index import Progress
from gleann.index.arrays import Ids
from gleann.index.errors import InvalidParamsError
from gleann.index.tables.tabular import Table, Tabular, table_of_records
from gleann.selection.checks import require_count
from gleann.selection.progress import ProgressCallback
from gleann.selection.rounds.session import RoundsSession

LabelOracle = Callable[[Ids], ArrayLike]
"""Ids (m,) to labels (m,)."""

Evaluate = Callable[[RoundsSession], Mapping[str, float]]
"""Metrics of a session, by name, such as accuracy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundRecord:
    """State of a run before a round, or at its end.

    Attributes:
        labelled: rows labelled, those of the start included.
        classes: distinct labels.
        method: the algorithm whose rows the last batch has; "" before the first.
        weight: of weighted k-center in the last batch; None otherwise.
        metrics: results of `evaluate` at that time.
    """

    labelled: int
    classes: int
    method: str
    weight: float | None
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundsRun(Tabular):
    """The history of a run: one record per round, and a last one at the end."""

    history: tuple[RoundRecord, ...]

    def table(self) -> Table:
        """One line per record; each metric is a column, NaN where it is not there."""
        return Table(columns=table_of_records(self.history))


def run_rounds(
    session: RoundsSession,
    oracle: LabelOracle,
    *,
    budget: int,
    evaluate: Evaluate | None = None,
    progress: ProgressCallback | None = None,
) -> RoundsRun:
    """Label in rounds until `budget` rows are labelled.

    Exceptions of `oracle` and `progress` pass through; earlier labels stay in the
    session, and a second call continues from there.

    Args:
        session: new, or partly labelled.
        oracle: labels rows; called once per row at most.
        budget: labels in all, those of the start included.
        evaluate: called before each round and at the end.
        progress: called after each round.

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
        session.submit_labels(ids, oracle(ids))
        history.append(_record(session, evaluate))
        if progress is not None:
            progress(Progress(phase="label", done=history[-1].labelled, total=budget))
    return RoundsRun(history=tuple(history))


def _record(session: RoundsSession, evaluate: Evaluate | None) -> RoundRecord:
    return RoundRecord(
        labelled=len(session.labelled_rows),
        classes=len(session.classes),
        method=session.last_method,
        weight=session.last_weight,
        metrics=dict(evaluate(session)) if evaluate is not None else {},
    )
