"""Interface of a peer: a module with two functions that work and two that describe.

    version() -> str                            what runs; see below
    sweep(shape: Shape) -> Sweep                what tuning tries
    build(base, metric, threads, params) -> object
    search(built, queries, k, params) -> ids    (nq, k), nearest first

`version` raises ImportError where the peer is not installed and PeerUnavailableError
where it cannot run; the run names such a peer, and goes on.
`base` and `queries` are float32 and, under cosine, already of unit length. Ids are
row numbers of `base`; anything out of range counts as a miss. A module may also have
`work(built, queries, k, params) -> dict` of counts a query.
"""

from dataclasses import dataclass
from types import ModuleType
from typing import Any

Params = dict[str, Any]

STANDARD_SETTINGS = 2
"""Number of leading settings of a sweep that `--mode build` measures."""


class PeerUnavailableError(Exception):
    """The peer is installed but cannot run here; the message gives the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The problem sizes that a sweep may depend on, never the data.

    Attributes:
        n: rows.
        dim: dimensions.
        metric: "ip", "cosine" or "l2".
        k: neighbours per query.
        mode: "batch", "batch100", "single" or "build".
        seed: for every random choice of a build.
    """

    n: int
    dim: int
    metric: str
    k: int
    mode: str
    seed: int

    @property
    def nlist(self) -> int:
        """The number of lists at which IVF builds are compared: about 2 sqrt(n)."""
        return max(1, min(round(2 * self.n**0.5), self.n // 16))


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One way to build, and the values of the search effort to try on it."""

    build: Params
    efforts: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """The settings that tuning tries, the most promising first.

    Attributes:
        settings: ways to build.
        fixed: search parameters that are crossed with the effort.
        effort: name of the search parameter that buys recall.
    """

    settings: tuple[Setting, ...]
    fixed: tuple[Params, ...]
    effort: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """An entry of the registry.

    Attributes:
        module: dotted name.
        env: environment of its process.
        only: keeps the settings whose build has these values.
        time_share: of the tuning budget, for peers with more or fewer settings.
    """

    module: str
    env: tuple[tuple[str, str], ...] = ()
    only: tuple[tuple[str, Any], ...] = ()
    time_share: float = 1.0

    def sweep(self, module: ModuleType, shape: Shape) -> Sweep:
        """The sweep of `module`, restricted to `only`."""
        whole = module.sweep(shape)
        kept = tuple(
            setting
            for setting in whole.settings
            if all(setting.build.get(name) == value for name, value in self.only)
        )
        return Sweep(settings=kept, fixed=whole.fixed, effort=whole.effort)


def geometric(low: int, high: int, ratio: float = 1.6) -> tuple[int, ...]:
    """Distinct integers from `low` to `high` that grow by about `ratio`."""
    values = [low]
    while values[-1] < high:
        values.append(min(high, max(values[-1] + 1, round(values[-1] * ratio))))
    return tuple(values)
