"""What a build would take: seconds, memory and disk, from its size and parameters.

The constants are nominal: seconds of one core of the machine that they were fitted on.
`service/DECISIONS.md` "Plans of long work" has the fit.
"""

from dataclasses import dataclass

from gleann.index.build.arrange import resolve_nlist
from gleann.index.build.kmeans import wanted_rows
from gleann.index.build.make_sample import LEAST_DEEP
from gleann.index.build.near_rows import BLOCK_BYTES as NEAR_BYTES
from gleann.index.build.on_disk import BLOCK_BYTES
from gleann.index.build.rank_by_code import SCORES_HELD, VALUES_HELD
from gleann.index.build.sample import DEEP, SHALLOW, sample_size
from gleann.index.build.shortlist import (
    LEAST_GROUPED,
    LEAST_LISTS,
    LEAST_ROWS,
    NEAREST_WIDTHS,
    WIDTHS,
)
from gleann.index.params import BuildParams

ROW_NUMBER = 10e-9
"""Seconds to read, prepare, hash, encode and write one number of a row."""

TRAIN_PASSES = 2
"""Passes over the training rows besides the iterations, to split large lists."""
PRODUCT, TRAIN_PAIR, ASSIGN_PAIR = 21e-12, 200e-12, 700e-12
"""Seconds for a number of a row and a centroid, and for the pair of both."""

CODE_PRODUCT, CODE_PAIR = 2.5e-12, 300e-12
"""The same where codes are compared, to make a shortlist."""
CHOSEN_PAIR = 30e-9
"""Seconds for a row and a list of its shortlist, which are then compared in float32."""

QUERY, QUERY_ROW, QUERY_NUMBER = 1.3e-3, 20e-9, 100e-12
"""Seconds for a sample query that is compared with all rows exactly and by code, for it
and a row, and for a number of that row."""

MANY_ROW, MANY_NUMBER, MANY_QUERY, MANY_LIST = 0.1e-9, 5e-12, 50e-6, 50e-9
"""Seconds for one of many sample queries and a row, for a number of that row, for the
query, and for it and a list."""

ENTRY_BYTES, SPILLED = 8, 0.5
"""Bytes of an entry of a list, and the share of rows that have two."""
CODE_BYTES = 8
"""Bytes of a row's code besides its numbers: its scale and bias."""

BYTES_A_ROW = 46
"""Memory of a row while it is built: its lists, its number and its id."""
BASE_BYTES = 8_000_000
"""Memory of any build: buffers of files and threads."""
PAIR_BYTES = 19
"""Memory for a number of a pair while its distance is computed, in float64."""
NEAR_PAIRS, MOST_PAIR_BYTES = 150, 150_000_000
"""Rows of a sample query that are measured together, and memory for that at most."""
SCORE_BYTES = 28
"""Memory for the score of a sample query and a row by code, while the best are kept."""
DEEP_BYTES = 40_000_000
"""Memory while the recall of many neighbours is measured."""
MANY_BYTES = 8000
"""Memory for one of many sample queries: its nearest rows, twice, and their places."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What work would take.

    Attributes:
        seconds: nominal; multiply by what a nominal second takes.
        memory_bytes: at most, above what the process has.
        file_bytes: of the index that it writes, without payload.
    """

    seconds: float
    memory_bytes: int
    file_bytes: int


def forecast_build(
    n: int, dim: int, params: BuildParams, *, id_bytes: float, cores: int
) -> Forecast:
    """Forecast `build_on_disk` of rows (n, dim).

    Args:
        n: number of rows, at least 1.
        dim: numbers in a row.
        params: of the build.
        id_bytes: bytes of an id.
        cores: that train and assign.

    Raises:
        InvalidParamsError: more lists than rows.
    """
    nlist = resolve_nlist(params, n)
    queries = sample_size(n, params)
    trained = min(n, wanted_rows(dim, nlist=nlist))
    passes = params.kmeans_iterations + TRAIN_PASSES
    train = passes * _assigned(trained, nlist, dim, NEAREST_WIDTHS[0], TRAIN_PAIR)
    if nlist in (1, n):
        train = 0.0
    assign = _assigned(n, nlist, dim, WIDTHS[1], ASSIGN_PAIR)
    pooled = min(queries, SHALLOW.pooled + DEEP.pooled)
    tune = pooled * (QUERY + n * (QUERY_ROW + QUERY_NUMBER * dim))
    many = n * (MANY_ROW + MANY_NUMBER * dim) + MANY_QUERY + nlist * MANY_LIST
    return Forecast(
        seconds=(train + assign + queries * many) / cores + tune + ROW_NUMBER * n * dim,
        memory_bytes=_build_memory(n, dim, nlist, trained=trained, queries=queries),
        file_bytes=index_bytes(n, dim, params, nlist=nlist, id_bytes=id_bytes),
    )


def forecast_fold(
    kept: int, newer: int, dim: int, *, nlist: int, params: BuildParams, id_bytes: float
) -> Forecast:
    """Forecast `fold_on_disk` of newer rows (newer, dim) into an index of one core.

    Args:
        kept: rows of the index that stay.
        newer: number of newer rows.
        dim: numbers in a row.
        nlist: lists of the index.
        params: of its build.
        id_bytes: bytes of an id.
    """
    n = kept + newer
    assign = _assigned(newer, nlist, dim, WIDTHS[1], ASSIGN_PAIR)
    blocks = min(BLOCK_BYTES, 4 * n * dim)
    return Forecast(
        seconds=assign + ROW_NUMBER * n * dim,
        memory_bytes=BASE_BYTES + blocks + BYTES_A_ROW * n,
        file_bytes=index_bytes(n, dim, params, nlist=nlist, id_bytes=id_bytes),
    )


def index_bytes(
    n: int, dim: int, params: BuildParams, *, nlist: int, id_bytes: float
) -> int:
    """Bytes of the files of an index (n, dim) with `nlist` lists, without payload."""
    entries = 1 if params.spill == "none" else 1 + SPILLED
    kept = 2 if params.keep in ("f16", "bf16") else 4
    row = kept * dim + id_bytes + ENTRY_BYTES * entries
    if params.codes != "float32":
        row += (params.projection or dim) + CODE_BYTES
    return round(n * row + 4 * dim * nlist)


def _assigned(rows: int, nlist: int, dim: int, width: int, pair: float) -> float:
    """Seconds of rows that are compared with all lists, or with shortlists of a width.

    Args:
        rows: number of rows.
        nlist: lists that there are.
        dim: numbers in a row.
        width: lists of a shortlist.
        pair: seconds for a row and a list where all are compared.
    """
    if nlist < LEAST_LISTS or rows < LEAST_ROWS:
        return rows * nlist * (PRODUCT * dim + pair)
    ranked = min(nlist, LEAST_GROUPED)  # then those of some groups
    by_code = ranked * (CODE_PRODUCT * dim + CODE_PAIR)
    return rows * (by_code + width * CHOSEN_PAIR)


def _build_memory(n: int, dim: int, nlist: int, *, trained: int, queries: int) -> int:
    """The largest of the phases, which follow each other, and what stays."""
    rows = 4 * n * dim
    prepare = 2 * min(BLOCK_BYTES, rows)
    train = 4 * trained * dim if nlist > 1 else 0
    pooled = min(queries, SHALLOW.pooled)
    pairs = pooled * min(n, NEAR_PAIRS)
    compared = min(PAIR_BYTES * dim * pairs, MOST_PAIR_BYTES)
    scored = min(n, SCORES_HELD // max(1, pooled), VALUES_HELD // dim)
    ranked = SCORE_BYTES * pooled * scored
    packed = 3 * min(NEAR_BYTES, n * dim) + queries * (MANY_BYTES + 4 * dim)
    if queries >= LEAST_DEEP and n > DEEP.ks[0]:
        packed += DEEP_BYTES
    tune = max(compared, ranked, packed)
    return BASE_BYTES + BYTES_A_ROW * n + max(prepare, train, tune)
