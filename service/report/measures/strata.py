"""What an estimate's strata say: where labels went, and where positives are."""

from collections.abc import Sequence
from dataclasses import dataclass

from gleann.selection.estimate.result import Stratum


@dataclass(frozen=True, slots=True, kw_only=True)
class StratumShare:
    """One stratum as shares of the whole.

    Attributes:
        rows: its share of all rows.
        labels: its share of the labels.
        positives: its share of the estimated positives; None if there are none.
    """

    rows: float
    labels: float
    positives: float | None


def stratum_shares(strata: Sequence[Stratum]) -> list[StratumShare]:
    """Shares of rows, labels and estimated positives, one per stratum."""
    rows = sum(one.size for one in strata) or 1
    labels = sum(one.labelled for one in strata) or 1
    positives = sum(one.rate * one.size for one in strata)
    return [
        StratumShare(
            rows=one.size / rows,
            labels=one.labelled / labels,
            positives=one.rate * one.size / positives if positives else None,
        )
        for one in strata
    ]


def half_width(low: float | None, high: float | None) -> float | None:
    """Half the width of an interval; None if it has no ends."""
    return None if low is None or high is None else (high - low) / 2


def labels_for_half(labels: int, *, width_ratio: float = 0.5) -> int:
    """Labels for an interval of `width_ratio` times the width, by the root law."""
    return round(labels / width_ratio**2)


def half_width_words(labels: int, *, n: int) -> str:
    """What half the width of an interval takes, and whether `n` items allow that."""
    wanted = labels_for_half(labels)
    known = (
        "Answers that are in the file already are used where these items are drawn"
        " again:"
    )
    if wanted < n:
        return f"About half the width takes four times the labels, {wanted:,}. {known}"
    return (
        f"About half the width would take {wanted:,} labels, and there are {n:,} items:"
        f" with a label for each the numbers are exact. {known}"
    )
