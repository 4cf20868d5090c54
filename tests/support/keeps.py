"""Indexes of the same rows, kept in every way."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from gleann.index import BuildParams, SoarIndex
from gleann.index.params import Keep

KEEPS: tuple[Keep, ...] = ("f32", "f16", "bf16", "disk")
N, DIM, NLIST = 900, 21, 18


def rows_of(n: int = N, *, seed: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(10, DIM)) * 2
    rows = centres[rng.integers(10, size=n)] + 0.7 * rng.normal(size=(n, DIM))
    return rows.astype(np.float32)


def queries_of(count: int = 60, *, seed: int = 4) -> np.ndarray:
    return rows_of(count, seed=seed)


def params_of(keep: Keep, metric: str = "l2", **others: object) -> BuildParams:
    plain = BuildParams(metric=metric, nlist=NLIST, spill="soar", tune_queries=0)  # type: ignore[arg-type]
    return replace(plain, keep=keep, **others)  # type: ignore[arg-type]


def loaded(
    folder: Path,
    keep: Keep,
    metric: str = "l2",
    *,
    engine: str = "auto",
    **others: object,
) -> SoarIndex:
    """An index of `rows_of()`, saved in `folder` and opened."""
    path = folder / f"{keep}-{metric}"
    if not path.exists():
        SoarIndex.build(rows_of(), params_of(keep, metric, **others)).save(path)
    return SoarIndex.load(path, engine=engine, threads=2)


def as_kept(rows: np.ndarray, keep: Keep) -> np.ndarray:
    """What is kept of rows, by a rounding that is not ours."""
    if keep == "f16":
        return rows.astype(np.float16).astype(np.float32)
    if keep == "bf16":
        return rounded_to_bits(rows, dropped=16)
    return rows


def rounded_to_bits(rows: np.ndarray, *, dropped: int) -> np.ndarray:
    """Float32 rounded to the nearest of fewer bits in float64, ties to even."""
    wide = rows.astype(np.float64)
    _, exponents = np.frexp(wide)
    step = 2.0 ** (exponents - 24 + dropped)
    return (np.rint(wide / step) * step).astype(np.float32)
