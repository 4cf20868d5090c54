"""Keys: a score and a number packed into one int64 that sorts like the answer.

The upper half is the score as an order-preserving integer, the lower half an entry or a
row, so the smallest keys are the best and ties go to the lower number.
"""

import torch
from torch import Tensor

NONE = (1 << 63) - 1
"""The empty key; larger than the key of any finite score."""

NUMBER_BITS = 32
NUMBER_MASK = (1 << NUMBER_BITS) - 1
_MAGNITUDE = 0x7FFFFFFF


def ordered(scores: Tensor) -> Tensor:
    """Order-preserving int32 of float32 `scores`; -0 and 0 are equal."""
    # The bits of a float ascend with it if it is positive, and descend below zero.
    bits = (scores + 0.0).view(torch.int32)
    return bits ^ ((bits >> 31) & _MAGNITUDE)


def make_keys(scores: Tensor, numbers: Tensor) -> Tensor:
    """Keys (int64) of float32 `scores` and `numbers` in 0..2^31-1, broadcast."""
    return (ordered(scores).long() << NUMBER_BITS) | numbers.long()


def key_numbers(keys: Tensor) -> Tensor:
    """The entry or row (int64) of each key; undefined for `NONE`."""
    return keys & NUMBER_MASK


def key_scores(keys: Tensor) -> Tensor:
    """The float32 score of each key, +inf for `NONE`."""
    upper = (keys >> NUMBER_BITS).to(torch.int32)
    scores = (upper ^ ((upper >> 31) & _MAGNITUDE)).view(torch.float32)
    return torch.where(keys == NONE, torch.inf, scores)


def least_keys(keys: Tensor) -> Tensor:
    """The least keys of the same scores; `NONE` is unchanged."""
    return torch.where(keys == NONE, NONE, keys & ~NUMBER_MASK)


def renumbered(keys: Tensor, numbers: Tensor) -> Tensor:
    """Keys of the same scores with other numbers."""
    return (keys & ~NUMBER_MASK) | numbers.long()


def smallest(keys: Tensor, count: int) -> Tensor:
    """The `count` smallest keys (m, count) of each row (m, w), ascending.

    Padded with `NONE` if w < count. Keys of one row are distinct or `NONE`, so the
    answer does not depend on the device's selection algorithm.
    """
    width = min(count, keys.shape[1])
    if width == 0:
        return keys.new_full((len(keys), count), NONE)
    best = torch.topk(keys, width, dim=1, largest=False, sorted=True).values
    if width == count:
        return best
    padding = keys.new_full((len(keys), count - width), NONE)
    return torch.cat([best, padding], dim=1)
