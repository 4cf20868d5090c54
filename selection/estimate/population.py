"""The rows that an estimate is over: all, or some of them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gleann.index.arrays import Mask, Rows
from gleann.index.checks import as_array
from gleann.index.errors import DimensionMismatchError, InvalidInputError
from gleann.selection.among import Among, AmongLike
from gleann.selection.checks import IdMap, as_scores
from gleann.selection.estimate.stratified.strata import Proxy
from gleann.selection.saved import Saved


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Population:
    """The rows of an estimate, numbered from 0 within it.

    Attributes:
        every: ids of all rows there are.
        names: ids of the population's rows.
        among: the population's rows; None for all.
    """

    every: IdMap
    names: IdMap
    among: Among | None

    @classmethod
    def of(
        cls, ids: ArrayLike | None, among: AmongLike | None, *, n: int
    ) -> "Population":
        """The population of `among`, or all of n rows.

        Raises:
            InvalidInputError: ids or rows that cannot be used, or no row.
        """
        every = IdMap(ids, n=n)
        named = None if ids is None else every
        return cls._within(every, Among.of(among, n=n, names=named))

    @classmethod
    def of_state(cls, state: Saved, ids: ArrayLike | None, *, n: int) -> "Population":
        """The population of a saved session.

        Raises:
            CorruptDataError: the state is of another number of rows.
        """
        return cls._within(IdMap(ids, n=n), Among.of_state(state, n=n))

    @classmethod
    def _within(cls, every: IdMap, among: Among | None) -> "Population":
        names = every if among is None else among.names_of(every)
        return cls(every=every, names=names, among=among)

    def __len__(self) -> int:
        return len(self.names)

    def proxy(self, given: ArrayLike) -> Proxy:
        """A caller's proxy (n,) of all rows, of those of the population.

        Raises:
            InvalidInputError: no finite numbers.
            DimensionMismatchError: not one for each of all rows.
        """
        return as_scores(self.own(given, name="proxy"), name="proxy")

    def proxies(self, given: Mapping[str, ArrayLike]) -> dict[str, Proxy]:
        """The same of several, by name.

        Raises:
            As `proxy`; InvalidInputError also for fewer than two.
        """
        return as_proxies(
            {name: self.own(one, name=f"proxy {name!r}") for name, one in given.items()}
        )

    def own(self, given: ArrayLike, *, name: str) -> ArrayLike:
        """What a caller gave for all rows (n,), of those of the population.

        Raises:
            DimensionMismatchError: not one for each of all rows.
        """
        return given if self.among is None else self.among.given(given, name=name)

    def find(self, ids: ArrayLike) -> tuple[Rows, Mask]:
        """Rows (m,) of those of `ids` (n,) in the population, and which (n,) are.

        Raises:
            UnknownIdError: an id that no row has, in the population or not.
            DuplicateIdError: one id twice.
        """
        rows = self.every.rows_of(ids)
        if self.among is None:
            return rows, np.ones(len(rows), np.bool_)
        inside = self.among.has(rows)
        return np.searchsorted(self.among.rows, rows[inside]), inside


def as_proxies(proxies: Mapping[str, ArrayLike]) -> dict[str, Proxy]:
    """Check proxies by name.

    Raises:
        InvalidInputError: fewer than two, or numbers that are not finite.
        DimensionMismatchError: lengths differ.
    """
    if len(proxies) < 2:
        raise InvalidInputError(
            f"choosing needs at least 2 proxies, got {len(proxies)}"
        )
    checked = {
        name: as_scores(proxy, name=f"proxy {name!r}")
        for name, proxy in proxies.items()
    }
    sizes = {name: len(proxy) for name, proxy in checked.items()}
    if len(set(sizes.values())) > 1:
        raise DimensionMismatchError(f"proxies have different lengths: {sizes}")
    return checked


def count_of(proxy: ArrayLike, *, name: str = "proxy") -> int:
    """How many numbers a caller's proxy has.

    Raises:
        InvalidInputError: not one-dimensional, or empty.
    """
    given = as_array(proxy, name=name)
    if given.ndim != 1 or not given.size:
        raise InvalidInputError(
            f"{name} must be one-dimensional and not empty, got shape {given.shape}"
        )
    return given.size


def counts_of(proxies: Mapping[str, ArrayLike]) -> int:
    """The same of several, which must have as many.

    Raises:
        InvalidInputError: as `count_of`, or none.
        DimensionMismatchError: lengths differ.
    """
    sizes = {name: count_of(p, name=f"proxy {name!r}") for name, p in proxies.items()}
    if not sizes:
        raise InvalidInputError("there must be at least 1 proxy, got 0")
    if len(set(sizes.values())) > 1:
        raise DimensionMismatchError(f"proxies have different lengths: {sizes}")
    return next(iter(sizes.values()))
