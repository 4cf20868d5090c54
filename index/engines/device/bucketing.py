"""How bucketed selection places entries: numbers only.

An entry of a span lies at (chunk, slot) = divmod(place in the span, TILE); neighbouring
slots share a bucket. Each slot keeps the two best of its chunks, each bucket the two
best of its slots. What a slot drops is no better than its second best, and what a
bucket drops of its slots' bests no better than its third: the least of these bounds
whatever a span dropped. A slot of two entries drops none.
"""

from dataclasses import dataclass

from gleann.index.engines.device.kinds import TILE

CHUNK_BITS = 6
"""Low bits of a score that give way to the number of the chunk."""

CHUNK_MASK = (1 << CHUNK_BITS) - 1

MAX_SPAN = TILE << CHUNK_BITS
"""Entries of a span, at most: as many as chunks can be numbered."""

KEPT = 2
"""Entries kept a slot, and a bucket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucketing:
    """How a list is cut.

    Attributes:
        buckets: a span, a power of two of at most TILE.
        span: entries that share buckets, a multiple of TILE of at most MAX_SPAN.
    """

    buckets: int
    span: int

    @property
    def slots(self) -> int:
        """Slots of a tile that share a bucket."""
        return TILE // self.buckets


def span_count(longest: int, span: int) -> int:
    """Spans of `span` entries in the longest list, at least one."""
    return max(1, -(-longest // span))
