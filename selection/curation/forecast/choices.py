"""What audits, epochs, splits and smaller distances take."""

from gleann.selection.curation.audit.coverage import STEPS
from gleann.selection.curation.forecast.joins import (
    BASE_BYTES,
    CHOSEN_ROW,
    CHOSEN_ROW_BYTES,
    FOUND,
    HELD_PAIR_BYTES,
    STORED_PAIR,
    STORED_ROW,
)
from gleann.selection.curation.forecast.value import Forecast

COVERED_PAIR, COVERED_NUMBER = 1.5e-9, 60e-12
"""Seconds for a row and a chosen one, and for a number of them."""
MOMENT = 80e-12
"""Seconds for a product of two numbers of a row."""
SPECTRUM = 6e-9
"""Seconds of d^3 for the eigenvalues of d x d moments."""
MEASURED_ROW = 3e-6
"""Seconds to draw a row, and to put its distances in order."""

PLANNED_LINE = 0.15e-6
"""Seconds to plan and store a line of an epoch."""
ORDERED_ROW = 0.5e-6
"""Seconds to put a row in the order of ids."""
LINE_BYTES, STRATUM_BYTES = 28, 24

SPLIT_SECONDS, SPLIT_ROW = 0.05, 1e-6
"""Seconds to cluster the lists, and to put a row into a bucket."""
SPLIT_BYTES, STORED_SPLIT = 80, 14
"""Memory of a row that is split, and its bytes on disk."""


def forecast_audit(
    rows: int, dim: int, *, chosen: int, sets: int, groups: int
) -> Forecast:
    """Forecast an audit.

    Args:
        rows: of the pool.
        dim: numbers in a row.
        chosen: rows of the choice.
        sets: whose coverage is measured.
        groups: columns that tables are made of.
    """
    covered = sets * rows * chosen * (COVERED_PAIR + COVERED_NUMBER * dim)
    moments = (rows + sets * chosen) * dim * dim * MOMENT
    return Forecast(
        parallel=covered + moments,
        serial=(sets + 1) * dim**3 * SPECTRUM + rows * MEASURED_ROW * (sets + groups),
        memory_bytes=BASE_BYTES + rows * (8 * dim + 8 * STEPS + 60 * (1 + groups)),
        stored_bytes=20_000,
    )


def forecast_epochs(rows: int, *, lines: int, strata: bool) -> Forecast:
    """Forecast epochs of training over `rows`, with so many lines in all."""
    width = LINE_BYTES + (STRATUM_BYTES if strata else 0)
    return Forecast(
        serial=rows * ORDERED_ROW + lines * PLANNED_LINE,
        memory_bytes=BASE_BYTES + 80 * rows + 2 * width * lines,
        stored_bytes=width * lines,
    )


def forecast_split(rows: int) -> Forecast:
    """Forecast a split by similarity."""
    return Forecast(
        serial=SPLIT_SECONDS + rows * SPLIT_ROW,
        memory_bytes=BASE_BYTES + SPLIT_BYTES * rows,
        stored_bytes=STORED_SPLIT * rows,
    )


def forecast_rethreshold(rows: int, *, pairs: int) -> Forecast:
    """Forecast a choice among the stored pairs of a greater distance."""
    return Forecast(
        serial=rows * CHOSEN_ROW + pairs * FOUND,
        memory_bytes=BASE_BYTES + CHOSEN_ROW_BYTES * rows + HELD_PAIR_BYTES * pairs,
        stored_bytes=STORED_ROW * rows + STORED_PAIR * pairs,
    )
