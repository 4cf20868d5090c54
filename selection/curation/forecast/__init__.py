"""What a curation would take, before any of it is done."""

from gleann.selection.curation.forecast.choices import (
    forecast_audit,
    forecast_epochs,
    forecast_rethreshold,
    forecast_split,
)
from gleann.selection.curation.forecast.graphs import (
    forecast_allocation,
    forecast_propagation,
)
from gleann.selection.curation.forecast.joins import (
    forecast_duplicates,
    forecast_join,
)
from gleann.selection.curation.forecast.pairs import PairShares, pair_shares
from gleann.selection.curation.forecast.searches import (
    Searched,
    forecast_distil,
    forecast_nearest,
    forecast_negatives,
    forecast_ranks,
    forecast_resample,
    forecast_search,
)
from gleann.selection.curation.forecast.value import Forecast

__all__ = [
    "Forecast",
    "PairShares",
    "Searched",
    "forecast_allocation",
    "forecast_audit",
    "forecast_distil",
    "forecast_duplicates",
    "forecast_epochs",
    "forecast_join",
    "forecast_nearest",
    "forecast_negatives",
    "forecast_propagation",
    "forecast_ranks",
    "forecast_resample",
    "forecast_rethreshold",
    "forecast_search",
    "forecast_split",
    "pair_shares",
]
