"""The placement of entries in buckets, computed from sizes.

An entry of a span lies at (chunk, slot) = divmod(place in the span, TILE). Some slots
share a bucket, which keeps the two best of its entries over all chunks. What it drops
is no better than its third best: the least third of a span bounds whatever was dropped.

A score gives up its low bits for the number that tells an entry of a bucket from the
others, so that one minimum of floats takes both along.
"""

from dataclasses import dataclass

from gleann.index.engines.device.plan.kinds import TILE

MAX_CHUNKS = 64

MAX_SPAN = TILE * MAX_CHUNKS
"""Entries of a span, at most: more chunks would take more bits of a score."""

KEPT = 2
"""Entries kept a bucket."""

SHARED_STEPS: dict[int, tuple[int, ...]] = {128: (), 64: (8,), 32: (8, 64)}
"""Slots that differ by these share a bucket, by the number of buckets.

On sm_80 and sm_90 a thread of four warps gets the products of rows r, r + 8, r + 64 and
r + 72: they are compared without leaving its registers.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucketing:
    """How a list is cut.

    Attributes:
        buckets: a span, one of `SHARED_STEPS`.
        span: entries that share buckets, a multiple of TILE of at most MAX_SPAN.
    """

    buckets: int
    span: int

    @property
    def slots(self) -> int:
        """Slots of a tile that share a bucket."""
        return TILE // self.buckets

    @property
    def low_bits(self) -> int:
        """Bits of a score that give way to chunk * slots + place in the bucket.

        All spans of a search lose as many, so that rounding keeps the order of scores.
        """
        return (self.span // TILE * self.slots - 1).bit_length()


def slot_table(buckets: int) -> list[list[int]]:
    """The slots of each bucket, (buckets, slots)."""
    steps = SHARED_STEPS[buckets]
    firsts = [slot for slot in range(TILE) if not slot & sum(steps)]
    within = [0]
    for step in steps:
        within += [step + other for other in within]
    return [[first + step for step in within] for first in firsts]


def span_count(longest: int, span: int) -> int:
    """Spans of `span` entries in the longest list, at least one."""
    return max(1, -(-longest // span))
