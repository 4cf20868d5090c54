"""Random numbers from one seed: seeds of several draws, and a hash of every row."""

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds, Rows
from gleann.index.texts import Texts

_INCREMENT = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


def stream_seed(seed: int, number: int) -> int:
    """The seed of the `number`-th of several independent draws."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def keyed_hashes(ids: HeldIds, *, seed: int, purpose: str) -> NDArray[np.uint64]:
    """A random number (n,) for each id: the hash of (seed, id, purpose).

    Each number depends on its own id alone, so a draw by the smallest ones does not
    depend on the order of the rows, on batches, shards or a restart. The mixer is
    SplitMix64's (Steele, Lea and Flood 2014), once before the key and once after.

    Args:
        ids: (n,) distinct.
        seed: at least 0.
        purpose: names the draw, so that several with one seed are independent.
    """
    digest = blake2b(f"{seed}/{purpose}".encode(), digest_size=8).digest()
    key = np.uint64(int.from_bytes(digest, "little"))
    return _mixed(_mixed(_numbers(ids)) ^ key)


def hashed_order(ids: HeldIds, *, seed: int, purpose: str) -> Rows:
    """The rows (n,) in random order, by `keyed_hashes` and then by row."""
    return np.argsort(keyed_hashes(ids, seed=seed, purpose=purpose), kind="stable")


def _numbers(ids: HeldIds) -> NDArray[np.uint64]:
    """A number (n,) for each id, the same in every process."""
    if not isinstance(ids, Texts):
        return ids.astype(np.int64).view(np.uint64)
    # Python's own hash of a string differs between processes.
    digests = (blake2b(text.encode(), digest_size=8).digest() for text in ids.tolist())
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    mixed = values + _INCREMENT
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _FIRST
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND
    return mixed ^ (mixed >> np.uint64(31))
