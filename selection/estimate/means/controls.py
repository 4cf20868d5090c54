"""Control variates: columns and groups that are known of every row."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.checks import as_array
from gleann.index.errors import InvalidParamsError
from gleann.selection.checks import as_scores
from gleann.selection.estimate.population import Population
from gleann.selection.groups import Groups

Numbers = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Controls:
    """What is known of every row, and its totals in each stratum.

    Attributes:
        columns: (n, p) standardised; p may be 0.
        groups: one (n,) per grouping: numbers of groups 0, 1, ...
        strata: (n,) the stratum of each row.
        sizes: (K,) rows of each stratum.
        column_means: (K, p) exact means.
        group_shares: one (K, g) per grouping: exact shares of each group.
    """

    columns: Numbers
    groups: tuple[Counts, ...]
    strata: Counts
    sizes: Counts
    column_means: Numbers
    group_shares: tuple[Numbers, ...]

    @classmethod
    def of(
        cls, columns: Numbers, groups: tuple[Counts, ...], strata: Counts
    ) -> "Controls":
        """Standardise columns (n, p) and add everything up."""
        sizes = np.bincount(strata)
        # By powers of two, which is exact: squares of columns must fit float64.
        _, powers = np.frexp(np.abs(columns).max(axis=0, initial=0.0))
        columns = np.ldexp(columns, -powers)
        spread = columns.std(axis=0)
        # A constant column says nothing; what is left of it is rounding.
        varies = spread > 1e-12
        kept = (columns - columns.mean(axis=0))[:, varies] / spread[varies]
        means = np.zeros((len(sizes), kept.shape[1]))
        np.add.at(means, strata, kept)
        shares = []
        for numbers in groups:
            counts = np.zeros((len(sizes), int(numbers.max()) + 1))
            np.add.at(counts, (strata, numbers), 1)
            shares.append(counts / sizes[:, None])
        return cls(
            columns=kept,
            groups=groups,
            strata=strata,
            sizes=sizes,
            column_means=means / sizes[:, None],
            group_shares=tuple(shares),
        )


def given_columns(
    controls: Mapping[str, ArrayLike], population: Population
) -> dict[str, Numbers]:
    """A caller's columns (n,) of all rows, of those of the population.

    Raises:
        InvalidInputError: no finite numbers.
        DimensionMismatchError: not one for each of all rows.
    """
    found = {}
    for name, values in controls.items():
        label = f"control {name!r}"
        own = population.own(values, name=label)
        found[name] = as_scores(own, n=len(population), name=label)
    return found


def given_groups(
    groups: Mapping[str, ArrayLike], population: Population
) -> tuple[Counts, ...]:
    """A caller's groupings (n,) of all rows, of those of the population, numbered.

    Raises:
        InvalidInputError: neither integers nor words.
        DimensionMismatchError: not one for each of all rows.
    """
    found = []
    for name, values in groups.items():
        label = f"groups {name!r}"
        array = Groups.of(values, name=label).numbers
        own = as_array(population.own(array, name=label), name=label)
        as_scores(own, n=len(population), name=label)
        found.append(np.unique(own, return_inverse=True)[1].astype(np.int64))
    return tuple(found)


def stratifier(columns: Mapping[str, Numbers], name: str) -> Numbers:
    """The column that cuts the strata.

    Raises:
        InvalidParamsError: there is no such control.
    """
    if name not in columns:
        raise InvalidParamsError(
            f"stratify_by is {name!r}; the controls are: {', '.join(columns) or 'none'}"
        )
    return columns[name]
