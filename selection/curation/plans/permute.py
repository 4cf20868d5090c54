"""Permutations without stored state: a keyed Feistel network over 0..n - 1.

Black and Rogaway 2002, *Ciphers with Arbitrary Finite Domains*: a Feistel network over
the least even number of bits that n takes, repeated for values that leave 0..n - 1
(cycle walking; fewer than four times on average). Any value is found by itself, so a
slice of a permutation of 10^9 rows takes the memory of the slice.
"""

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows
from gleann.selection.seeds import keyed_hashes

ROUNDS = 6
"""Of the network; four make it a pseudo-random permutation against any chosen inputs
(Luby and Rackoff 1988), where halves are wide. Of a few bits six are safer."""

HALF_BITS = 32


def permuted(
    places: Rows, sizes: Rows | int, blocks: Rows | int, *, seed: int, purpose: str
) -> Rows:
    """Where a random permutation of each block puts some places.

    Args:
        places: int64 (m,), within their blocks.
        sizes: int64 (m,), the size of the block of each, above its place.
        blocks: int64 (m,), the number of the block of each; every block has a
            permutation of its own.
        seed: the only source of randomness.
        purpose: names the draw.

    Returns:
        int64 (m,), below `sizes`; distinct places of a block stay distinct.
    """
    limits = np.broadcast_to(np.asarray(sizes, np.int64), places.shape)
    numbers = np.broadcast_to(np.asarray(blocks, np.int64), places.shape)
    half = _half_bits(limits)
    found = places.astype(np.int64)
    left = np.arange(len(found))
    while left.size:
        found[left] = _network(
            found[left], half[left], numbers[left], seed=seed, purpose=purpose
        )
        left = left[found[left] >= limits[left]]
    return found


def _half_bits(limits: Rows) -> Rows:
    """Half of the bits (m,) of values below each limit, rounded up, at least one."""
    bits = np.ceil(np.log2(np.maximum(limits, 2).astype(np.float64)))
    return np.maximum(1, np.ceil(bits / 2)).astype(np.int64)


def _network(
    values: Rows, half: Rows, blocks: Rows, *, seed: int, purpose: str
) -> Rows:
    mask = (np.int64(1) << half) - 1
    left, right = values >> half, values & mask
    for turn in range(ROUNDS):
        mixed = _round(right, blocks, seed=seed, purpose=f"{purpose}, round {turn}")
        left, right = right, left ^ (mixed & mask)
    found: Rows = (left << half) | right
    return found


def _round(values: Rows, blocks: Rows, *, seed: int, purpose: str) -> NDArray[np.int64]:
    inputs = (blocks << np.int64(HALF_BITS)) + values
    bits = keyed_hashes(inputs, seed=seed, purpose=purpose) >> np.uint64(1)
    return bits.astype(np.int64)
