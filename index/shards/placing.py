"""Which shard a row belongs to: a hash of its id, the same on every machine."""

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds
from gleann.index.hashing import mixed
from gleann.index.parallel.blocks import block_slices
from gleann.index.texts import Texts

PLACING = "splitmix64, blake2b-8"
"""The hashes of integers and of strings, as manifests name them."""

BLOCK = 1 << 16
"""Strings that Python holds at once while they are hashed."""


def shards_of(ids: HeldIds, shards: int) -> NDArray[np.int32]:
    """The shard (n,) of each id, from 0; independent of how near the rows are.

    Args:
        ids: (n,), int64 or strings.
        shards: how many there are, at least 1.
    """
    hashes = _of_texts(ids) if isinstance(ids, Texts) else _of_integers(ids)
    return (hashes % np.uint64(shards)).astype(np.int32)


def _of_integers(ids: NDArray[np.int64]) -> NDArray[np.uint64]:
    return mixed(ids.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15))


def _of_texts(ids: Texts) -> NDArray[np.uint64]:
    hashes = np.empty(len(ids), np.uint64)
    for block in block_slices(len(ids), BLOCK):
        digests = [
            blake2b(text.encode(), digest_size=8).digest()
            for text in ids[block].tolist()
        ]
        hashes[block] = np.frombuffer(b"".join(digests), "<u8")
    return hashes
