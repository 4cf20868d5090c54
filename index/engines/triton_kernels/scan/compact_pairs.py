"""Flagged pairs and their queries moved to the front of fixed room.

The twin in plain torch is `device.steps.compaction.compact`.
"""

import triton
import triton.language as tl


@triton.jit(do_not_specialize=["count", "nprobe", "room"])
def compact_pairs(
    flagged,  # uint8 (count)
    upto,  # int64 (count), flagged pairs up to each, itself included
    order,  # int64 (nq), flagged queries up to each, itself included
    list_nos,  # int64 (count)
    out_queries,  # int64 (room), as are all that follow
    out_list_nos,
    out_rows,
    out_columns,
    out_query_nos,  # zeros
    count,
    nprobe,
    room,
    PAIRS: tl.constexpr,
):
    """Move the flagged among PAIRS pairs; fill up what of the room is not used."""
    numbers = tl.program_id(0).to(tl.int64) * PAIRS + tl.arange(0, PAIRS)
    inside = numbers < count
    place = tl.load(upto + numbers, mask=inside, other=0) - 1
    flag = tl.load(flagged + numbers, mask=inside, other=0) != 0
    wanted = flag & (place < room)
    query = numbers // nprobe
    start = query * nprobe
    before = tl.load(upto + start, mask=wanted, other=0)
    before -= tl.load(flagged + start, mask=wanted, other=0).to(tl.int64)
    row = tl.load(order + query, mask=wanted, other=1) - 1
    list_no = tl.load(list_nos + numbers, mask=wanted, other=-1)
    tl.store(out_queries + place, query, mask=wanted)
    tl.store(out_list_nos + place, list_no, mask=wanted)
    tl.store(out_rows + place, row, mask=wanted)
    tl.store(out_columns + place, place - before, mask=wanted)
    tl.store(out_query_nos + row, query, mask=wanted & (place == before))
    unused = (numbers < room) & (numbers >= tl.load(upto + count - 1))
    zero = tl.zeros((PAIRS,), tl.int64)
    tl.store(out_queries + numbers, zero, mask=unused)
    tl.store(out_list_nos + numbers, zero - 1, mask=unused)
    tl.store(out_rows + numbers, zero + room, mask=unused)
    tl.store(out_columns + numbers, zero, mask=unused)
