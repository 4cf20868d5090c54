"""Search with a filter: as many lists as the allowed rows around each query need.

Operating points were measured without a filter. Allowed rows can be spread thinly over
all lists or lie in a few lists far from the query.

- Few allowed rows are packed in one run, and all of them are scanned.
- Otherwise a query reads its best lists until the geometric mean of the entries in them
  and of the allowed ones among these reaches `REACH` of the entries that it would read
  without a filter. That is enough where half as many again as an independent filter
  takes reach that far, where its nearest lists have as large a share of allowed rows as
  all lists it read, and these as large a share as the index.
- Any other query is beside the rows allowed. It reads all of them or, where they are
  very many, doubles its lists, of those with allowed rows only, until more lists do not
  change its answer.

An engine that chooses lists itself (`ChoosesLists`) answers the queries of the second
kind in one call. All others are answered step by step in `filter_steps.py`, which
chooses the same lists.

Answers depend neither on the batch nor on what was packed. `index/DECISIONS.md` 18 and
28 have the figures.
"""

from dataclasses import dataclass
from functools import cache
from typing import cast

import numpy as np

from gleann.index.arrays import Rows, Vectors
from gleann.index.checks import require_finite
from gleann.index.engines.contract import (
    ChoosesLists,
    Engine,
    ListChoice,
    Scanned,
    ScanRequest,
)
from gleann.index.engines.stepwise import count_short
from gleann.index.metric import prepare
from gleann.index.params import Metric
from gleann.index.search.allowed import AllowedRows
from gleann.index.search.filter_steps import (
    expected_lists,
    is_short,
    ranked_lists,
    reach_of,
    reads_all,
    search_stepwise,
    summed,
    with_allowed,
)

FEW = 10_240
"""Allowed rows that are always few: packing them takes as long as choosing lists."""

PACKED_ROW = 24
"""Entries that a query scans in the time that one row takes to be packed in a run."""

NO_ROWS: Rows = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class AllowedNewer:
    """Rows newer than the index that a filter allows.

    Attributes:
        joined: of `ScansNewer.join_newer`.
        count: how many they are.
    """

    joined: object
    count: int


def search_filtered(
    engine: Engine,
    queries: Vectors,
    request: ScanRequest,
    *,
    nprobe: int,
    allowed: AllowedRows,
    metric: Metric,
) -> Scanned:
    """Search the allowed rows in as many lists as it takes.

    Args:
        engine: what ranks lists and scans them.
        queries: (nq, d), not prepared and perhaps not finite.
        request: what to bring back; its own `allowed` is not read.
        nprobe: lists that would do without the filter.
        allowed: rows of this index.
        metric: of the index.

    Raises:
        NonFiniteError, ZeroVectorError, InvalidInputError: as `Engine.search`.
    """
    chosen = search_chosen(engine, queries, request, nprobe=nprobe, allowed=allowed)
    if chosen is None:
        require_finite(queries, name="queries")
        prepared = prepare(queries, metric, name="queries")
        return search_stepwise(
            engine, prepared, request, nprobe=nprobe, allowed=allowed
        )
    found, left = chosen
    if left.size == 0:
        return found
    rest = None
    if reads_all(allowed) and allowed.packed_lists(engine) is not None:
        rest = scan_few(engine, queries[left], request, allowed)
    if rest is None:
        prepared = prepare(queries[left], metric, name="queries")
        rest = search_stepwise(
            engine, prepared, request, nprobe=nprobe, allowed=allowed
        )
    return _with_rest(found, left, rest)


def search_chosen(
    engine: Engine,
    queries: Vectors,
    request: ScanRequest,
    *,
    nprobe: int,
    allowed: AllowedRows,
    newer: AllowedNewer | None = None,
) -> tuple[Scanned, Rows] | None:
    """The first steps of `search_filtered`, in the engine.

    Args:
        engine: as in `search_filtered`.
        queries: as in `search_filtered`.
        request: as in `search_filtered`.
        nprobe: as in `search_filtered`.
        allowed: as in `search_filtered`.
        newer: rows newer than the index, to be searched in the same lists.

    Returns:
        The answers, and which queries (m,) have none: they need more than their best
        lists. None where the engine chooses no lists, or too little is known of them.
    """
    # Newer rows are found in the lists that are read: which must not depend on whether
    # the filter was asked before, or on how many queries ask.
    some = len(queries) if newer is None else None
    choice = allowed.choice(nprobe) or _choice(allowed, nprobe, queries=some)
    choosing = _choosing(engine)
    if choice is None or choosing is None:
        return None
    if newer is not None:  # a list without rows of the index may have newer ones
        choice = choice._replace(entries=None)
    packed = allowed.packed_lists(engine)
    mask = allowed.mask if packed is None else None
    found, settled = choosing.search_chosen(
        queries,
        choice,
        with_allowed(request, mask),
        packed=packed,
        newer=None if newer is None else newer.joined,
    )
    if packed is None:
        allowed.pack_lists(engine, found.work.entries_scanned, queries=len(queries))
    # A query that reads no lists is short, unless newer rows are in none.
    if found.short == 0 and newer is None:
        return found, NO_ROWS
    count = allowed.count + (0 if newer is None else newer.count)
    return found, np.flatnonzero(~settled | is_short(found.rows, count))


def _with_rest(found: Scanned, left: Rows, rest: Scanned) -> Scanned:
    """The answers with those of the queries `left` replaced."""
    found.rows[left], found.distances[left] = rest.rows, rest.distances
    return found._replace(
        short=count_short(found.rows), work=summed([found.work, rest.work])
    )


def _choice(
    allowed: AllowedRows, nprobe: int, *, queries: int | None
) -> ListChoice | None:
    """How so many queries choose lists; None where too few ask to know all lists.

    Any number of queries, for `queries` None, have one.
    """
    ranked = ranked_lists(allowed, nprobe)
    if queries is not None and allowed.is_new(queries * ranked):
        return None
    choice = ListChoice(
        sizes=allowed.stats.sizes,
        kept=allowed.expected,
        entries=allowed.known_entries,
        reach=reach_of(allowed),
        share=allowed.share,
        nprobe=nprobe,
        ranked=ranked,
    )
    allowed.keep_choice(choice)
    return choice


def _choosing(engine: Engine) -> ChoosesLists | None:
    return cast(ChoosesLists, engine) if chooses_lists(type(engine)) else None


@cache
def chooses_lists(kind: type) -> bool:
    """Whether engines of a class choose lists; the check itself takes microseconds."""
    return issubclass(kind, ChoosesLists)


def scan_few(
    engine: Engine, queries: Vectors, request: ScanRequest, allowed: AllowedRows
) -> Scanned | None:
    """Scan the codes of all allowed rows.

    Args:
        engine: what scans them.
        queries: (nq, d), not prepared and perhaps not finite.
        request: what to bring back; its own `allowed` is not read.
        allowed: rows of this index, at least one.

    Returns:
        None where the engine cannot.

    Raises:
        NonFiniteError, ZeroVectorError, InvalidInputError: as `Engine.search`.
    """
    run = allowed.runs(engine)
    if run is None:
        return None
    runner, lists = run
    return runner.search(queries, nprobe=lists, request=with_allowed(request, None))


def is_few(allowed: AllowedRows, *, nprobe: int) -> bool:
    """Whether packing and scanning the allowed rows is cheaper than reading lists.

    The same for every batch, since it decides what is found.
    """
    return allowed.count <= FEW or allowed.count <= _most_few(allowed, nprobe)


def _most_few(allowed: AllowedRows, nprobe: int) -> float:
    return expected_lists(allowed, nprobe) * allowed.stats.typical / PACKED_ROW
