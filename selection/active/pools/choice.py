"""The pool of a session: the one asked for, or what "auto" takes by the cost model."""

from dataclasses import dataclass, replace
from typing import Any

from gleann.index.errors import InvalidParamsError
from gleann.selection.active.params import ActiveParams, PoolName, UsedPool
from gleann.selection.active.pools.classifier import Searcher
from gleann.selection.active.pools.cost import Round
from gleann.selection.active.questions import Questions
from gleann.selection.neighbours import Neighbours
from gleann.selection.saved import Saved

AS_ASKED = "as asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolChoice:
    """The pool of a session.

    Attributes:
        asked: of the parameters at the start.
        pool: that is used: never "auto".
        reason: for it, in a clause.
    """

    asked: PoolName
    pool: UsedPool
    reason: str

    def state(self) -> dict[str, str]:
        """JSON values; the pool itself is among the saved parameters."""
        return {"asked": self.asked, "reason": self.reason}

    @classmethod
    def of_state(cls, state: Saved, params: ActiveParams) -> "PoolChoice":
        """The choice of a saved session; of one saved before there were any, its pool.

        Raises:
            CorruptDataError: a part that does not fit.
        """
        if params.pool == "auto":
            state.refuse("params", "have the pool 'auto', not the one that it took")
        if "pool_choice" not in state.names:
            return cls(asked=params.pool, pool=params.pool, reason=AS_ASKED)
        saved = state.part("pool_choice")
        asked: Any = saved.text("asked")
        if asked not in ("auto", params.pool):
            saved.refuse("asked", f"is {asked!r:.40}, the params' {params.pool!r}")
        return cls(asked=asked, pool=params.pool, reason=saved.text("reason"))


def choose_pool(  # noqa: PLR0913 (the size of a round)
    params: ActiveParams,
    questions: Questions,
    *,
    rows: int,
    held: int | None = None,
    dim: int,
    labelled: int,
    neighbours: Neighbours | None,
) -> PoolChoice:
    """The pool that `params` name, or for "auto" the cheaper one of two.

    These are every row, and the neighbours of labelled rows: with those that the
    classifier finds ("classifier") if `neighbours` can search for it, else "seals".

    Args:
        params: as asked.
        questions: of the session.
        rows: that may be candidates.
        held: rows of the index, where some of them may not; None for `rows`.
        dim: d.
        labelled: rows of the seed.
        neighbours: over the rows; None if there are none.

    Raises:
        InvalidParamsError: "auto" without neighbours, and more rows than are as cheap
            to score.
    """
    if params.pool != "auto":
        return PoolChoice(asked=params.pool, pool=params.pool, reason=AS_ASKED)
    if params.model == "graph":
        reason = "one propagation gives the probabilities of all rows"
        return PoolChoice(asked="auto", pool="global", reason=reason)
    searching = neighbours is None or isinstance(neighbours, Searcher)
    size = _round(
        params,
        questions,
        rows=rows,
        held=held,
        dim=dim,
        labelled=labelled,
        searching=searching,
    )
    if neighbours is None:
        return _without_neighbours(size)
    near: UsedPool = "classifier" if searching else "seals"
    if params.model == "given":
        reason = "every candidate needs a probability of your model: fewer candidates"
        return PoolChoice(asked="auto", pool=near, reason=reason)
    if size.takes_neighbours:
        reason = (
            f"about {size.looked_at:,.0f} of {rows:,} rows looked at, and"
            f" {_compared(size.neighbours_ms, size.global_ms)} for all"
        )
        return PoolChoice(asked="auto", pool=near, reason=reason)
    reason = (
        f"all {rows:,} rows take {_compared(size.global_ms, size.neighbours_ms)} for"
        " neighbours"
    )
    return PoolChoice(asked="auto", pool="global", reason=reason)


def rows_at_par(size: Round) -> int:
    """The most rows that are as cheap to score as neighbours are to search."""
    low, high = 1, 2
    while not replace(size, rows=high).takes_neighbours:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if replace(size, rows=middle).takes_neighbours:
            high = middle
        else:
            low = middle
    return low


def _without_neighbours(size: Round) -> PoolChoice:
    if size.takes_neighbours:
        raise InvalidParamsError(
            f"the pool 'auto' got no neighbours for {size.rows:,} rows of {size.dim}"
            f" dimensions, and takes all rows up to {rows_at_par(size):,} only: give"
            " neighbours (those of an index, IndexNeighbours), or take the pool"
            f" 'global' at about {size.global_ms:.0f} ms a round"
        )
    reason = (
        f"no neighbours were given, and all {size.rows:,} rows take"
        f" {_compared(size.global_ms, size.neighbours_ms)} for neighbours"
    )
    return PoolChoice(asked="auto", pool="global", reason=reason)


def _compared(ours: float, theirs: float) -> str:
    return f"about {ours:.3g} ms a round by the cost model, not {theirs:.3g}"


def _round(  # noqa: PLR0913 (the size of a round)
    params: ActiveParams,
    questions: Questions,
    *,
    rows: int,
    held: int | None,
    dim: int,
    labelled: int,
    searching: bool,
) -> Round:
    classes = len(questions.classes)
    scores = questions.count * (1 if classes == 2 else classes)
    return Round(
        rows=rows,
        held=held,
        dim=dim,
        batch=params.batch,
        neighbours=params.neighbours,
        labelled=labelled,
        scores=scores,
        searches=scores if searching else 0,
    )
