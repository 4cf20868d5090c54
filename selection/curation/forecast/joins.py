"""What joins by a radius take: near-duplicates, leakage and pairs.

The constants were fitted by `python -m bench plans`, as those of `searches.py`,
`graphs.py` and `choices.py` (`service/DECISIONS.md` "Plans of curations").
"""

from dataclasses import dataclass

from gleann.selection.curation.forecast.value import Forecast

TOWARD, TOWARD_NUMBER = 0.8e-9, 25e-12
"""Seconds for a row and a centroid of the other side, and for a number of the row."""
COMPARED, COMPARED_NUMBER = 0.5e-9, 20e-12
"""Seconds for a pair of rows whose codes are compared, and for a number of them."""
READ_NUMBER, HASHED_NUMBER = 2e-9, 2e-9
"""Seconds for a number of a row to be read and measured, and to be hashed."""
FOUND, CHOSEN_ROW = 0.4e-6, 1e-6
"""Seconds to take in a pair, and to choose and store a row."""

BASE_BYTES = 4_000_000
"""Memory of any curation: buffers of files and threads."""
SIDE_ROW_BYTES = 24
"""Memory of a row of a side: its list, length and error."""
PAIR_OF_LISTS_BYTES = 8
HELD_PAIR_BYTES, STREAMED_PAIR_BYTES = 60, 12
"""Memory of a pair that is kept and sorted, and of one of a block."""
MOST_STREAMED = 5_000_000
CHOSEN_ROW_BYTES = 120
"""Memory of a row while near-duplicates are chosen and stored."""
KNOWN_ROW_BYTES, KNOWN_PAIR_BYTES = 90, 40
"""Memory of a row and of a pair of an earlier answer, besides."""

STORED_PAIR, STORED_ROW = 36, 84
"""Bytes of a pair and of a row of near-duplicates on disk, with the state."""
JOINED_PAIR = 20
"""Bytes on disk of a pair that is only listed."""


def forecast_join(
    rows: int, others: int, dim: int, *, nlist: int, compared: float, found: float
) -> Forecast:
    """Forecast a join whose pairs are listed.

    Args:
        rows: of the first side.
        others: of the second side; 0 joins the first with itself.
        dim: numbers in a row.
        nlist: lists of a side.
        compared: pairs whose codes are compared.
        found: pairs within the radius.
    """
    both = rows + others
    toward = both * nlist * (TOWARD + TOWARD_NUMBER * dim)
    codes = compared * (COMPARED + COMPARED_NUMBER * dim)
    open_rows = both * dim // 2
    lists = PAIR_OF_LISTS_BYTES * nlist * nlist
    streamed = STREAMED_PAIR_BYTES * min(found, MOST_STREAMED)
    return Forecast(
        parallel=toward + codes + both * dim * READ_NUMBER,
        serial=found * FOUND,
        memory_bytes=round(
            BASE_BYTES + SIDE_ROW_BYTES * both + open_rows + lists + streamed
        ),
        stored_bytes=round(JOINED_PAIR * found),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPart:
    """What an earlier answer spares near-duplicates.

    Attributes:
        rows: whose pairs with each other it has.
        pairs: that are taken from it.
    """

    rows: int = 0
    pairs: float = 0.0


NOTHING_KNOWN = KnownPart()


def forecast_duplicates(
    rows: int,
    dim: int,
    *,
    nlist: int,
    compared: float,
    found: float,
    known: KnownPart = NOTHING_KNOWN,
) -> Forecast:
    """Forecast near-duplicates, whose pairs are held.

    Args:
        rows: that take part.
        dim: numbers in a row.
        nlist: lists of the index.
        compared: pairs whose codes are compared.
        found: pairs within the radius that are found so; none where all rows are known.
        known: of an earlier answer.
    """
    join, new = Forecast(memory_bytes=BASE_BYTES), rows - known.rows
    if new:
        join = forecast_join(
            new, known.rows, dim, nlist=nlist, compared=compared, found=found
        )
    pairs = found + known.pairs
    # The join counts the bytes of a pair that it lists.
    stored = STORED_ROW * rows + STORED_PAIR * pairs - JOINED_PAIR * found
    held = CHOSEN_ROW_BYTES * rows + HELD_PAIR_BYTES * pairs
    held += KNOWN_ROW_BYTES * known.rows + KNOWN_PAIR_BYTES * known.pairs
    choice = Forecast(
        serial=rows * (dim * HASHED_NUMBER + CHOSEN_ROW) + known.pairs * FOUND,
        stored_bytes=round(stored),
        memory_bytes=round(BASE_BYTES + held),
    )
    return join.then(choice)
