"""Bitonic networks over keys, for the selections of merge and re-ranking.

Keys form a hypercube of size two per axis. Axis b is bit b of a key's position in its
run of `2 ** length` keys, and later axes number the runs. The compiler maps the first
axes to registers and the last ones to lanes, and a network compares along its lowest
bits most, so most comparisons stay within a thread.
"""

import triton
import triton.language as tl

IN_A_THREAD = tl.constexpr(3)
"""Axes within a thread, with eight keys per thread."""


@triton.constexpr_function
def log2_of(power):
    """The exponent of a power of two."""
    return power.bit_length() - 1


@triton.constexpr_function
def cube_of(count):
    """The shape of a cube of `count` keys."""
    return [2] * log2_of(count)


@triton.constexpr_function
def along(axis, axes):
    """The shape of two values along one axis of a cube."""
    return [2 if i == axis else 1 for i in range(axes)]


@triton.jit
def bit_of(axis: tl.constexpr, axes: tl.constexpr):
    """Bit `axis` of each position, for broadcasting; 0 for an axis past the last."""
    VALUES: tl.constexpr = 2 if axis < axes else 1
    return tl.reshape(tl.arange(0, VALUES), along(axis, axes)) == 1


@triton.jit
def compared(cube, axis: tl.constexpr, descending):
    """Order the two keys along `axis`."""
    AXES: tl.constexpr = log2_of(cube.numel)
    other = cube ^ tl.xor_sum(cube, axis, True)
    upper = bit_of(axis, AXES)
    if axis < IN_A_THREAD:
        # Both keys are in registers: one comparison serves both.
        swapped = tl.where(upper, other > cube, cube > other) != descending
    else:
        swapped = (cube > other) != (upper != descending)
    return tl.where(swapped, other, cube)


@triton.jit
def merged(cube, length: tl.constexpr, opposite: tl.constexpr):
    """Order bitonic runs: even runs ascend, or descend if `opposite`.

    Odd runs do the reverse.
    """
    AXES: tl.constexpr = log2_of(cube.numel)
    descending = bit_of(length, AXES) != opposite
    for axis in tl.static_range(length - 1, -1, -1):
        cube = compared(cube, axis, descending)
    return cube


@triton.jit
def sorted_runs(cube, length: tl.constexpr, opposite: tl.constexpr):
    """Sort runs, as `merged` does."""
    for half in tl.static_range(1, length):
        cube = merged(cube, half, False)
    return merged(cube, length, opposite)


@triton.jit
def least_run(cube, length: tl.constexpr):
    """The smallest keys of all runs; even runs ascend and odd runs descend."""
    RUNS: tl.constexpr = log2_of(cube.numel) - length
    for _ in tl.static_range(RUNS):
        # Pairwise minima of an ascending and a descending run are the smallest keys.
        cube = merged(tl.min(cube, axis=length), length, False)
    return cube


@triton.jit
def reversed_bits(numbers, length: tl.constexpr):
    """Numbers of `length` bits with their bits reversed.

    A flattened cube has the lowest bit of a position as its highest.
    """
    turned = tl.zeros_like(numbers)
    for bit in tl.static_range(length):
        turned += (numbers >> bit & 1) << (length - 1 - bit)
    return turned


@triton.jit
def store_run(out, runs, keep, length: tl.constexpr):
    """Store the `keep` smallest keys of all runs at `out`, ascending."""
    cube: tl.constexpr = cube_of(1 << length)
    place = tl.reshape(reversed_bits(tl.arange(0, 1 << length), length), cube)
    tl.store(out + place, least_run(runs, length), mask=place < keep)
