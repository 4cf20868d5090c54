"""Compaction of flagged pairs and their queries into a fixed capacity.

Shapes depend on sizes alone and nothing waits for the device, so it can be recorded.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Compacted:
    """The first `room` flagged pairs of a block of nq queries, in order.

    Past the last flagged pair: query 0, no list, and a separate row. A query's place is
    its index among the flagged ones.

    Attributes:
        queries: int64 (room,), query of each pair.
        list_nos: int64 (room,), list of each pair; -1 past the last.
        rows: int64 (room,), the place of each pair's query; `room` past the last.
        columns: int64 (room,), the index of each pair among those of its query.
        query_nos: int64 (room,), the query at each place; 0 past the last that has a
            pair here.
    """

    queries: Tensor
    list_nos: Tensor
    rows: Tensor
    columns: Tensor
    query_nos: Tensor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Flags:
    """The flagged pairs of a block of nq queries, with running counts.

    Attributes:
        pairs: bool (nq, nprobe).
        upto: int64 (nq, nprobe), running count of flagged pairs, inclusive.
        queries: bool (nq,), the queries with a flagged pair.
        order: int64 (nq,), running count of flagged queries, inclusive.
    """

    pairs: Tensor
    upto: Tensor
    queries: Tensor
    order: Tensor


def counted(pairs: Tensor) -> Flags:
    """Count flagged `pairs`, bool (nq, nprobe)."""
    queries = pairs.any(dim=1)
    return Flags(
        pairs=pairs,
        upto=pairs.reshape(-1).cumsum(0).view(pairs.shape),
        queries=queries,
        order=queries.cumsum(0),
    )


def compact(flags: Flags, list_nos: Tensor, *, room: int) -> Compacted:
    """Move flagged pairs to the front.

    Args:
        flags: flags of a block.
        list_nos: int64 (nq, nprobe), the list of each pair.
        room: capacity in pairs, at least 1.
    """
    nprobe = list_nos.shape[1]
    upto = flags.upto.reshape(-1)
    pair_nos = _compacted(flags.pairs.reshape(-1), upto, room)
    numbers = torch.arange(room, device=upto.device)
    used = numbers < upto[-1]
    queries = pair_nos // nprobe
    firsts = flags.upto[:, -1] - flags.pairs.sum(dim=1)
    return Compacted(
        queries=queries,
        list_nos=torch.where(used, list_nos.reshape(-1)[pair_nos], -1),
        rows=torch.where(used, flags.order[queries] - 1, room),
        columns=torch.where(used, numbers - firsts[queries], 0),
        query_nos=_compacted(flags.queries & (firsts < room), flags.order, room),
    )


def _compacted(flags: Tensor, order: Tensor, room: int) -> Tensor:
    """The indices int64 (room,) of the first `room` true flags; 0 past the last.

    Args:
        flags: bool (m,).
        order: int64 (m,), running count of true flags, inclusive.
        room: at least 1.
    """
    places = torch.where(flags & (order <= room), order - 1, room)
    numbers = torch.arange(len(flags), device=flags.device)
    return numbers.new_zeros(room + 1).scatter_(0, places, numbers)[:room]
