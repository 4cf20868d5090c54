"""What labels on the neighbour graph take."""

from gleann.selection.curation.forecast.joins import BASE_BYTES
from gleann.selection.curation.forecast.value import Forecast

GRAPH_ROW, GRAPH_NUMBER, GRAPH_NEIGHBOUR = 5e-6, 20e-9, 0.5e-6
"""Seconds to find the neighbours of a row, for a number of it, and for a neighbour."""
GRAPH_BASE = 0.05
"""Seconds to plan a graph from a sample."""

SWEEPS = 64
"""At a share of 0.95 from the neighbours; 44 to 68 were measured."""
SWEPT = 1.2e-9
"""Seconds for an edge, read from both ends, and a class in one sweep."""
ORDERED_EDGE = 0.25e-6
"""Seconds to weigh an edge and put it in order."""
STORED_CLASS = 30e-9
"""Seconds to store a row's probability of a class."""

GRAPH_BYTES, EDGE_BYTES, CLASS_BYTES = 10_000_000, 12, 12
"""Memory of the blocks of a graph, of a neighbour of a row, and of a class of it."""
ROW_BYTES = 60
STORED_ROW, STORED_PROBABILITY, STORED_LABEL = 48, 8, 24
"""Bytes on disk of a row of a propagation, of a probability, and of a label."""

ALLOCATED, ALLOCATION_SWEEPS = 6e-9, 60
"""Seconds for a probability in one sweep, and sweeps."""
READ_PROBABILITY = 60e-9
"""Seconds to read a probability, and take its logarithm."""
SHARE_BYTES = 16
"""Memory of a probability that is allocated."""
SORTED_ROW = 1.5e-6
"""Seconds to choose and store the label of a row."""


def forecast_propagation(
    rows: int, dim: int, *, k: int, classes: int, uncertain: int
) -> Forecast:
    """Forecast labels that spread over the graph.

    Args:
        rows: of the graph.
        dim: numbers in a row.
        k: neighbours of a row.
        classes: number of them.
        uncertain: rows to label next.
    """
    edges = rows * k
    graph = rows * (GRAPH_ROW + GRAPH_NUMBER * dim) + edges * GRAPH_NEIGHBOUR
    sweeps = 2 * edges * classes * SWEEPS * SWEPT
    stored = rows * classes * STORED_CLASS
    return Forecast(
        parallel=graph + sweeps,
        serial=GRAPH_BASE + edges * ORDERED_EDGE + stored + rows * SORTED_ROW,
        memory_bytes=BASE_BYTES
        + GRAPH_BYTES
        + rows * (ROW_BYTES + EDGE_BYTES * k + CLASS_BYTES * classes),
        stored_bytes=rows * (STORED_ROW + STORED_PROBABILITY * (classes + 1))
        + 40 * uncertain,
    )


def forecast_allocation(rows: int, *, classes: int) -> Forecast:
    """Forecast labels under class shares, of rows whose probabilities are known."""
    numbers = rows * classes
    return Forecast(
        serial=numbers * (READ_PROBABILITY + ALLOCATED * ALLOCATION_SWEEPS)
        + rows * SORTED_ROW,
        memory_bytes=BASE_BYTES + SHARE_BYTES * numbers + ROW_BYTES * rows,
        stored_bytes=STORED_LABEL * rows,
    )
