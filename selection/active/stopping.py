"""When to stop labelling."""

from dataclasses import dataclass

WINDOW = 3
SETTLED = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOutcome:
    """What one wholly labelled batch told.

    Attributes:
        uncertainty: mean entropy over log(classes), 0 to 1, of its rows when picked;
            None where nobody said how likely each class was.
        positives: labels of the last class in it.
    """

    uncertainty: float | None
    positives: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StopAdvice:
    """Whether going on is likely to pay.

    Attributes:
        stop: whether to stop.
        reason: why, in words.
        batches: batches labelled whole.
        recent_uncertainty: mean over the last three batches of the normalised entropy,
            0 to 1, their rows had when picked; None before the third, or where one of
            them is unknown.
        recent_positives: labels of the last class in those batches.
    """

    stop: bool
    reason: str
    batches: int
    recent_uncertainty: float | None
    recent_positives: int


def advise(
    outcomes: list[BatchOutcome], *, seeks_positives: bool, pool_empty: bool
) -> StopAdvice:
    """Advise from the batches so far.

    Searching for positives ends when three batches brought none. Learning ends when
    the most uncertain rows of three batches were hardly uncertain any more (Zhu, Wang
    and Hovy 2008, Multi-criteria-based strategy to stop active learning).

    Args:
        outcomes: of each wholly labelled batch, oldest first.
        seeks_positives: whether the strategy is to find positives.
        pool_empty: whether no candidate is left.
    """
    recent = outcomes[-WINDOW:]
    positives = sum(outcome.positives for outcome in recent)
    doubts = [o.uncertainty for o in recent if o.uncertainty is not None]
    doubt = sum(doubts) / WINDOW if len(doubts) == WINDOW else None
    stop, reason = False, "still learning"
    if pool_empty:
        stop, reason = True, "no candidate is left"
    elif len(recent) < WINDOW:
        reason = f"{len(outcomes)} of {WINDOW} batches needed for advice"
    elif seeks_positives:
        if not positives:
            stop, reason = True, f"no positive in the last {WINDOW} batches"
    elif doubt is None:
        reason = "nobody said how uncertain the last batches were"
    elif doubt < SETTLED:
        stop = True
        reason = f"the last {WINDOW} batches were hardly uncertain: {doubt:.3f}"
    return StopAdvice(
        stop=stop,
        reason=reason,
        batches=len(outcomes),
        recent_uncertainty=doubt,
        recent_positives=positives,
    )
