"""Kinds of numbers the scan can read: how many bytes, and in what steps of d."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["bf16", "fp16", "fp32", "int8"]

TILE = 128
"""Rows a kernel scores at once; the tail of the entries is padded by as many."""


@dataclass(frozen=True, slots=True)
class KindFacts:
    """What is fixed by a kind.

    Attributes:
        bytes: of one value.
        step: d is padded to a multiple of this, the least that a matrix
            instruction takes along d.
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
    """D as it is stored: the next multiple of the kind's step."""
    step = KINDS[kind].step
    return -(-dim // step) * step
