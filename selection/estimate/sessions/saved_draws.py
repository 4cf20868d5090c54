"""Read the rounds of a saved estimate session over fixed strata."""

from gleann.selection.estimate.stratified.allocate import Draws
from gleann.selection.saved import Saved


def sized_budgets(saved: Saved, *, most: int) -> tuple[int, ...]:
    """Labels of each round, where the labels before it determined them.

    Raises:
        CorruptDataError: more than `most` in all, or not as many rounds of draws.
    """
    budgets = saved.integers("round_budgets", low=1, high=most)
    if budgets.sum() > most:
        saved.refuse(
            "round_budgets", f"are {budgets.sum()} labels, the budget is {most}"
        )
    saved.items("draws", length=len(budgets))
    return tuple(budgets.tolist())


def draws_of_round(
    saved: Saved, number: int, *, sizes: Draws, before: Draws, planned: int
) -> Draws:
    """Rows (K,) drawn from each stratum in a round.

    Args:
        saved: the state.
        number: of the round.
        sizes: (K,) rows of each stratum.
        before: (K,) of them that were drawn in earlier rounds.
        planned: rows of the round.

    Raises:
        CorruptDataError: another number of rows, or more than a stratum has left.
    """
    one = Saved({"draws": saved.items("draws")[number]})
    draws = one.integers("draws", low=0, high=int(sizes.max()), length=len(sizes))
    if draws.sum() != planned:
        saved.refuse(
            "draws", f"of round {number} are {draws.sum()} rows, planned were {planned}"
        )
    if (draws > sizes - before).any():
        saved.refuse("draws", f"of round {number} are more than there are rows left")
    return draws
