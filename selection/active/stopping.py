"""Stopping rule: whether further labels are likely to help."""

from dataclasses import dataclass

from gleann.index.tables.tabular import Record

WINDOW = 3
SETTLED = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOutcome:
    """The outcome of one fully labelled batch.

    Attributes:
        uncertainty: mean entropy over log(classes), 0 to 1, of its rows when picked;
            None if some rows had no probabilities.
        positives: labels of the last class in it.
    """

    uncertainty: float | None
    positives: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StopAdvice(Record):
    """Whether to stop labelling, and why.

    Attributes:
        stop: whether to stop.
        reason: why, in words.
        batches: fully labelled batches.
        recent_uncertainty: mean over the last three batches of the normalised entropy
            of their rows when picked, 0 to 1; None before the third, or if one is
            unknown.
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
        outcomes: of each fully labelled batch, oldest first.
        seeks_positives: whether the strategy searches for positives.
        pool_empty: whether no candidate is left.
    """
    recent = outcomes[-WINDOW:]
    positives = sum(outcome.positives for outcome in recent)
    known = [o.uncertainty for o in recent if o.uncertainty is not None]
    uncertainty = sum(known) / WINDOW if len(known) == WINDOW else None
    stop, reason = False, "still learning"
    if pool_empty:
        stop, reason = True, "no candidate is left"
    elif len(recent) < WINDOW:
        reason = f"{len(outcomes)} of {WINDOW} batches needed for advice"
    elif seeks_positives:
        if not positives:
            stop, reason = True, f"no positive in the last {WINDOW} batches"
    elif uncertainty is None:
        reason = "the uncertainty of the last batches is unknown"
    elif uncertainty < SETTLED:
        stop = True
        reason = f"the last {WINDOW} batches were hardly uncertain: {uncertainty:.3f}"
    return StopAdvice(
        stop=stop,
        reason=reason,
        batches=len(outcomes),
        recent_uncertainty=uncertainty,
        recent_positives=positives,
    )
