"""Training sets chosen in rounds: label a batch, train, pick the next."""

from gleann._needed import needing as _needing

with _needing("gleann.selection.rounds"):
    from gleann.selection.rounds.one_batch import pick_batch
    from gleann.selection.rounds.params import PickerName, RoundsParams
    from gleann.selection.rounds.run import RoundRecord, RoundsRun, run_rounds
    from gleann.selection.rounds.session import RoundsSession

__all__ = [
    "PickerName",
    "RoundRecord",
    "RoundsParams",
    "RoundsRun",
    "RoundsSession",
    "pick_batch",
    "run_rounds",
]
