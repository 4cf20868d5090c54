"""Values and proxies that strain the interval of an average, on real labels."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.selection.trials.populations import VALUE_SEED, Population, load_population

PLAIN = ("independent", "correlated", "anti-correlated")
"""Values whose intervals must hold from 20 positives on."""

HEAVY = ("exp", "lognormal(1)", "lognormal(2)", "pareto(1.5)")
"""Values of a heavy tail: their intervals hold or say that they may not."""

MISSING = "coded missing"
"""About 2,000, but 0 for the positive with the lowest proxy."""

VALUES = (*PLAIN, *HEAVY, MISSING)
PROXIES = ("real", "noisy", "random", "constant", "anti")
MISSING_RANGE = (0.0, 2100.0)

LIMIT = 1e-6
NOISE = 2.0
PROXY_SEED = 1


def load_strained(folder: Path, name: str, *, values: str, proxy: str) -> Population:
    """A population of `load_population` with other values and another proxy.

    Args:
        folder: has `supg.npz`.
        name: of the data.
        values: one of `VALUES`. Log odds are those of the real proxy, cut at 1e-6:
            "anti-correlated" is 10 minus them, "exp" is exp(-log odds / 2).
        proxy: one of `PROXIES`; "noisy" adds N(0, 2) to the log odds.
    """
    people = load_population(folder, name, values="independent")
    odds = _log_odds(people.proxy)
    drawn = _values(values, people, odds)
    made = _proxy(proxy, people.proxy, odds)
    return Population(name=name, proxy=made, held=people.held, values=drawn)


def _log_odds(proxy: NDArray[np.float64]) -> NDArray[np.float64]:
    inside = np.clip(proxy, LIMIT, 1 - LIMIT)
    return np.log(inside / (1 - inside))


def _values(
    kind: str, people: Population, odds: NDArray[np.float64]
) -> NDArray[np.float64]:
    rng = np.random.default_rng(VALUE_SEED)
    noise = rng.standard_normal(len(odds))
    held = people.held
    if kind == "correlated":
        standard = (odds - odds[held].mean()) / odds[held].std()
        return 10 + 3 * (0.8 * standard + 0.6 * noise)
    if kind == MISSING:
        coded = 2000 + noise
        coded[np.flatnonzero(held)[people.proxy[held].argmin()]] = 0.0
        return coded
    if kind == "pareto(1.5)":
        return 1 + rng.pareto(1.5, len(odds))
    return {
        "independent": 10 + 3 * noise,
        "anti-correlated": 10 - odds,
        "exp": np.exp(-odds / 2),
        "lognormal(1)": np.exp(noise),
        "lognormal(2)": np.exp(2 * noise),
    }[kind]


def _proxy(
    kind: str, proxy: NDArray[np.float64], odds: NDArray[np.float64]
) -> NDArray[np.float64]:
    rng = np.random.default_rng(PROXY_SEED)
    if kind == "noisy":
        return 1 / (1 + np.exp(-odds - NOISE * rng.standard_normal(len(odds))))
    return {
        "real": proxy,
        "random": rng.random(len(odds)),
        "constant": np.full(len(odds), 0.5),
        "anti": 1 - proxy,
    }[kind]
