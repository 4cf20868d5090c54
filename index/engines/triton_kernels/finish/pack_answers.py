"""Packs the answers of a block and its summed counts into one array.

The twin in plain torch is `device.steps.packed.packed`.
"""

import triton
import triton.language as tl

from gleann.index.engines.device.steps import keys as key_format
from gleann.index.engines.device.steps import packed

NONE = tl.constexpr(key_format.NONE)
OPEN = tl.constexpr(packed.OPEN)
COUNTS = tl.constexpr(packed.COUNTS)


@triton.jit
def count_lists(
    list_nos,  # int64 (nq, nprobe)
    starts,
    ends,
    numbers,  # int64 (QUERIES), of queries
    counted,  # bool (QUERIES)
    nprobe,
    QUERIES: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """Lists and entries (QUERIES) that the queries which are counted probed."""
    probed = tl.zeros((QUERIES, COLUMNS), tl.int64)
    read = tl.zeros((QUERIES, COLUMNS), tl.int64)
    for first in range(0, nprobe, COLUMNS):
        place = tl.arange(0, COLUMNS)[None, :] + first
        wanted = counted[:, None] & (place < nprobe)
        found = list_nos + numbers[:, None] * nprobe + place
        list_no = tl.load(found, mask=wanted, other=-1)
        known = list_no >= 0
        start = tl.load(starts + list_no, mask=known, other=0)
        end = tl.load(ends + list_no, mask=known, other=0)
        probed += known.to(tl.int64)
        read += end - start
    return tl.sum(probed, axis=1), tl.sum(read, axis=1)


@triton.jit(
    do_not_specialize=["nq", "nprobe", "keep", "k"],
    do_not_specialize_on_alignment=["starts", "ends"],
)
def pack_answers(
    near,  # int64 (nq, k), keys of rows
    candidates,  # int64 (nq, keep), keys of rows
    list_nos,  # int64 (nq, nprobe), -1 for none
    starts,  # int64 (nlist)
    ends,  # int64 (nlist)
    unanswered,  # uint8 (nq)
    out,  # int64 (COUNTS + nq * k), zeros
    nq,
    nprobe,
    keep,
    k,
    QUERIES: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """Pack QUERIES queries, COLUMNS of their lists, candidates and keys at a time."""
    numbers = tl.program_id(0).to(tl.int64) * QUERIES + tl.arange(0, QUERIES)
    inside = numbers < nq
    again = tl.load(unanswered + numbers, mask=inside, other=0) != 0
    counted = inside & (again == 0)
    query = numbers[:, None]
    columns = tl.arange(0, COLUMNS)[None, :]
    probed, read = count_lists(
        list_nos, starts, ends, numbers, counted, nprobe, QUERIES, COLUMNS
    )
    reranked = tl.zeros((QUERIES, COLUMNS), tl.int64)
    for first in range(0, keep, COLUMNS):
        place = columns + first
        wanted = counted[:, None] & (place < keep)
        key = tl.load(candidates + query * keep + place, mask=wanted, other=NONE)
        reranked += (key != NONE).to(tl.int64)
    for first in range(0, k, COLUMNS):
        place = columns + first
        wanted = inside[:, None] & (place < k)
        key = tl.load(near + query * k + place, mask=wanted, other=NONE)
        key = tl.where(again[:, None] & (place == 0), OPEN, key)
        tl.store(out + COUNTS + query * k + place, key, mask=wanted)
    # Of integers: the order in which programs add does not matter.
    tl.atomic_add(out, tl.sum(probed, axis=0))
    tl.atomic_add(out + 1, tl.sum(read, axis=0))
    tl.atomic_add(out + 2, tl.sum(tl.sum(reranked, axis=1), axis=0))
    tl.atomic_add(out + 3, tl.sum(again.to(tl.int64), axis=0))
