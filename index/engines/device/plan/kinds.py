"""Number kinds of the scan: bytes per value and steps along d."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["bf16", "fp16", "fp32", "int8"]

TILE = 128
"""Rows that a kernel scores at once; entries are padded at the end by as many."""


@dataclass(frozen=True, slots=True)
class KindFacts:
    """Constants of a number kind.

    Attributes:
        bytes: bytes per value.
        step: d is padded to a multiple of this, the shortest length along d of a matrix
            instruction.
    """

    bytes: int
    step: int


KINDS: dict[Kind, KindFacts] = {
    "bf16": KindFacts(2, 16),
    "fp16": KindFacts(2, 16),
    "fp32": KindFacts(4, 16),
    "int8": KindFacts(1, 32),
}


def padded_dim(dim: int, kind: Kind) -> int:
    """Stored d: the next multiple of the kind's step."""
    step = KINDS[kind].step
    return -(-dim // step) * step
