"""Which rows an epoch of training sees: the baseline that every choice must beat."""

from gleann.selection.curation.plans.plan import (
    EpochPlan,
    drawn_again,
    epoch_rows,
    epoch_selection,
    in_turns,
)
from gleann.selection.curation.plans.strata import Strata, list_strata

__all__ = [
    "EpochPlan",
    "Strata",
    "drawn_again",
    "epoch_rows",
    "epoch_selection",
    "in_turns",
    "list_strata",
]
