"""Real proxies and labels, with two seeded values to average and to add up."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.datasets import DatasetError
from gleann.index.arrays import Mask

NAMES = ("imagenet", "onto", "tacred")
VALUES = ("independent", "correlated")
VALUE_SEED = 0
CORRELATION = 0.8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Population:
    """All rows, and the truth about them.

    Attributes:
        name: of the data.
        proxy: float64 (n,), cheap scores.
        held: bool (n,), whether the predicate is true.
        values: float64 (n,), the values that are averaged or summed.
    """

    name: str
    proxy: NDArray[np.float64]
    held: Mask
    values: NDArray[np.float64]

    def truth(self, target: str) -> float:
        """The number that is estimated."""
        if target == "count":
            return float(self.held.sum())
        found = self.values[self.held]
        return float(found.sum() if target == "sum" else found.mean())


def load_population(folder: Path, name: str, *, values: str) -> Population:
    """Read one of the SUPG score files.

    Args:
        folder: has `supg.npz`, with NAME_proxy and NAME_label.
        name: one of `NAMES`.
        values: "independent" of the proxy, N(10, 3); or "correlated": likewise, with a
            correlation of 0.8 with the log odds of the proxy among the positives.
    """
    path = folder / "supg.npz"
    if not path.exists():
        raise DatasetError(f"{path} is not there")
    with np.load(path) as arrays:
        proxy = arrays[f"{name}_proxy"].astype(np.float64)
        held = arrays[f"{name}_label"].astype(np.bool_)
    return Population(
        name=name, proxy=proxy, held=held, values=draw_values(proxy, held, kind=values)
    )


def draw_values(
    proxy: NDArray[np.float64], held: Mask, *, kind: str
) -> NDArray[np.float64]:
    """Values of every row, from the recorded seed."""
    noise = np.random.default_rng(VALUE_SEED).standard_normal(len(proxy))
    if kind == "independent":
        return 10 + 3 * noise
    inside = np.clip(proxy, 1e-9, 1 - 1e-9)
    odds = np.log(inside / (1 - inside))
    standard = (odds - odds[held].mean()) / odds[held].std()
    return 10 + 3 * (CORRELATION * standard + (1 - CORRELATION**2) ** 0.5 * noise)
