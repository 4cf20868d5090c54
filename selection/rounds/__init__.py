"""Training sets chosen in rounds: label a batch, train, pick the next."""

from gleann.selection.rounds.params import PickerName, RoundsParams
from gleann.selection.rounds.run import RoundRecord, RoundsRun, run_rounds
from gleann.selection.rounds.session import RoundsSession

__all__ = [
    "PickerName",
    "RoundRecord",
    "RoundsParams",
    "RoundsRun",
    "RoundsSession",
    "run_rounds",
]
