"""Assignment of entries to buckets, computed from sizes.

An entry of a span is at (chunk, slot) = divmod(position in the span, TILE). Several
slots share a bucket, which keeps its two best entries over all chunks. Dropped entries
are no better than the bucket's third best, so the least third best of a span bounds all
its dropped entries.

The low bits of a score store the number of the entry in its bucket, so one float
minimum selects both.
"""

from dataclasses import dataclass

from gleann.index.engines.device.plan.kinds import TILE

MAX_CHUNKS = 64

MAX_SPAN = TILE * MAX_CHUNKS
"""Maximum entries of a span: more chunks would take more bits of a score."""

KEPT = 2
"""Entries kept per bucket."""

SHARED_STEPS: dict[int, tuple[int, ...]] = {128: (), 64: (8,), 32: (8, 64)}
"""Offsets between slots that share a bucket, by the number of buckets.

On sm_80 and sm_90 with four warps, a thread has the products of rows r, r + 8, r + 64
and r + 72, so they are compared in its registers.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucketing:
    """Partition of a list into spans and buckets.

    Attributes:
        buckets: buckets per span, one of `SHARED_STEPS`.
        span: entries per span, a multiple of TILE of at most MAX_SPAN.
    """

    buckets: int
    span: int

    @property
    def slots(self) -> int:
        """Slots of a tile that share a bucket."""
        return TILE // self.buckets

    @property
    def low_bits(self) -> int:
        """Low bits of a score replaced by chunk * slots + position in the bucket.

        The same for all spans of a search, so that rounding keeps the order of scores.
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
    """Number of spans of `span` entries in the longest list, at least one."""
    return max(1, -(-longest // span))
