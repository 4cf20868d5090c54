"""Plans of epochs: a fresh share of the rows in each (RS2), in proportion to strata.

A pass is a random order of all rows, stratum after stratum, of which the epochs take
systematic samples: with 1 / fraction = 10, one epoch takes places 3, 13, 23 and so on,
and the next takes 4, 14, 24. So no row comes twice in a pass, every stratum gives each
epoch its share, rounded up or down, and any slice of an epoch is computed by itself.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor
from typing import TypedDict

import numpy as np
from numpy.typing import ArrayLike

from gleann.index.arrays import Rows
from gleann.index.errors import DimensionMismatchError, InvalidParamsError
from gleann.index.nouns import number_of
from gleann.selection.among import Among, AmongLike, origin_of
from gleann.selection.checks import IdMap, require_between, require_count
from gleann.selection.curation.plans.permute import permuted
from gleann.selection.curation.plans.strata import Strata
from gleann.selection.provenance import provenance
from gleann.selection.result import Selection
from gleann.selection.seeds import keyed_hashes

FINEST = 10**6
"""Fractions are taken as the nearest with at most this denominator: 0.1 is 1 / 10."""

STARTS = 1 << 16
"""Places, between two of a sample, at which the samples of a pass may begin."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EpochPlan:
    """A share of some rows for every epoch; make one with `in_turns` or `drawn_again`.

    Attributes:
        n: all rows.
        fraction: share of the plan's rows that an epoch takes.
        seed: the only source of randomness.
        epochs_a_pass: epochs that have no row in common; then all rows may come again.
        among: the rows of the plan; None for all.
        strata: of these rows; None for no strata.
    """

    n: int
    fraction: Fraction
    seed: int
    epochs_a_pass: int
    among: Among | None = None
    strata: Strata | None = field(default=None, repr=False)

    @property
    def size(self) -> int:
        """Rows of the plan."""
        return self.n if self.among is None else len(self.among)

    def rows_of(self, epoch: int) -> int:
        """How many rows an epoch takes: `size * fraction`, rounded up or down."""
        require_count("epoch", epoch, at_least=0)
        return _count(self.size, self.fraction, self._slot(epoch))

    def _slot(self, epoch: int) -> Fraction:
        """Where between two places of a pass the sample of an epoch begins.

        Uniform over an epoch's chances, so that every row, however small its stratum,
        is in an epoch with the same chance.
        """
        number, turn = divmod(epoch, self.epochs_a_pass)
        key = np.array([number], np.int64)
        bits = int(keyed_hashes(key, seed=self.seed, purpose="start of a pass")[0])
        first, start = divmod(bits >> 1, STARTS)
        place = (turn + first) % self.epochs_a_pass
        return (place + Fraction(start, STARTS)) / self.epochs_a_pass


def in_turns(
    n: int,
    *,
    fraction: float,
    seed: int = 0,
    strata: ArrayLike | None = None,
    among: AmongLike | None = None,
    ids: ArrayLike | None = None,
) -> EpochPlan:
    """Plan epochs that see all rows before they see one again (RS2 without repetition).

    Okanovic et al. 2024, *Repeated Random Sampling for Minimizing the Time-to-Accuracy
    of Learning*, https://arxiv.org/abs/2305.18424. floor(1 / fraction) epochs have no
    row in common; where 1 / fraction is whole they have all rows. Then all rows are put
    in another order.

    Args:
        n: rows there are.
        fraction: share of the rows that an epoch takes, in (0, 1].
        seed: the only source of randomness.
        strata: (n,) the stratum of each row, such as its class or `list_strata`;
            integers, strings or other words. None for none.
        among: the rows of the plan: a mask (n,) of bool, or their ids where `ids` are
            given, else rows; None for all.
        ids: (n,) names of the rows.

    Raises:
        InvalidParamsError: n below 1, a fraction outside (0, 1], a seed below 0.
        InvalidInputError: strata or rows that cannot be used.
        DimensionMismatchError: not one stratum for each of n rows.
    """
    share = _fraction(fraction)
    return EpochPlan(
        n=n,
        fraction=share,
        seed=seed,
        epochs_a_pass=floor(1 / share),
        **_parts(n, seed, strata, among, ids),
    )


def drawn_again(
    n: int,
    *,
    fraction: float,
    seed: int = 0,
    strata: ArrayLike | None = None,
    among: AmongLike | None = None,
    ids: ArrayLike | None = None,
) -> EpochPlan:
    """Plan epochs that are drawn independently of each other (RS2 with repetition).

    Args:
        n: as in `in_turns`, and so are the others. No epoch has a row twice.
        fraction: share of the rows that an epoch takes, in (0, 1].
        seed: the only source of randomness.
        strata: (n,) the stratum of each row; None for none.
        among: the rows of the plan; None for all.
        ids: (n,) names of the rows.
    """
    return EpochPlan(
        n=n,
        fraction=_fraction(fraction),
        seed=seed,
        epochs_a_pass=1,
        **_parts(n, seed, strata, among, ids),
    )


def epoch_rows(
    plan: EpochPlan, epoch: int, *, start: int = 0, stop: int | None = None
) -> Rows:
    """The rows (m,) of an epoch, or some of them, in a random order.

    Nothing is stored between epochs: machines that ask for parts of an epoch get parts
    of the same order.

    Args:
        plan: of the epochs.
        epoch: from 0.
        start: first place of the order to return.
        stop: the place after the last; None for the end.

    Raises:
        InvalidParamsError: an epoch or a place below 0, or places beyond the epoch.
    """
    count = plan.rows_of(epoch)
    last = count if stop is None else stop
    for name, place, high in (("stop", last, count), ("start", start, last)):
        require_count(name, place, at_least=0)
        require_between(name, place, low=0, high=high, why=f"epoch {epoch}")
    if start == last:
        return np.empty(0, np.int64)
    # Strata come one after another in the sample: trained on, they must be mixed.
    order = permuted(
        np.arange(start, last), count, epoch, seed=plan.seed, purpose="order of epoch"
    )
    places = _sampled(order, plan.fraction, plan._slot(epoch))
    return _rows_at(plan, places, epoch // plan.epochs_a_pass)


def epoch_selection(
    plan: EpochPlan, epoch: int, *, ids: ArrayLike | None = None
) -> Selection:
    """The rows of an epoch as a `Selection`, each with the weight 1 / fraction.

    Args:
        plan: of the epochs.
        epoch: from 0.
        ids: (n,) names of the rows; None numbers them.
    """
    rows = epoch_rows(plan, epoch)
    weight = float(1 / plan.fraction)
    why = {} if plan.strata is None else {"stratum": _strata_of(plan.strata, rows)}
    return Selection(
        rows=rows,
        ids=IdMap(ids, n=plan.n).ids_of(rows),
        scores=np.arange(len(rows), 0, -1, dtype=np.float32),
        weights=np.full(len(rows), weight, np.float32),
        why=why,
        summary={
            "method": "epoch_plan",
            "epoch": epoch,
            "epochs_a_pass": plan.epochs_a_pass,
            "weights": "inverse_probability",
        },
        provenance=provenance(
            "epoch_plan",
            params={
                "n": plan.n,
                "fraction": float(plan.fraction),
                "epoch": epoch,
                "epochs_a_pass": plan.epochs_a_pass,
                "strata": 0 if plan.strata is None else len(plan.strata.labels),
            },
            seed=plan.seed,
            data_hash=None,
        )
        | origin_of(plan.among),
    )


class _Parts(TypedDict):
    among: Among | None
    strata: Strata | None


def _parts(
    n: int,
    seed: int,
    strata: ArrayLike | None,
    among: AmongLike | None,
    ids: ArrayLike | None,
) -> _Parts:
    """The rows and strata of a plan, checked."""
    require_count("n", n)
    require_count("seed", seed, at_least=0)
    names = None if ids is None else IdMap(ids, n=n)
    within = Among.of(among, n=n, names=names)
    return _Parts(
        among=within,
        strata=None if strata is None else _strata(strata, n, within),
    )


def _strata(strata: ArrayLike, n: int, among: Among | None) -> Strata:
    whole = Strata.of(strata, np.arange(n))
    if len(whole.rows) != n:
        raise DimensionMismatchError(
            f"strata has {number_of(len(whole.rows), 'entries')} for"
            f" {number_of(n, 'rows')}"
        )
    if among is None:
        return whole
    kept = np.flatnonzero(among.has(whole.rows))
    return Strata(
        rows=whole.rows[kept],
        starts=np.searchsorted(kept, whole.starts),
        labels=whole.labels,
    )


def _fraction(fraction: float) -> Fraction:
    require_between("fraction", fraction, low=0, high=1)
    share = Fraction(float(fraction)).limit_denominator(FINEST)
    if not share:
        raise InvalidParamsError(
            f"fraction must be at least 1 / {FINEST}, got {fraction}"
        )
    return share


def _count(size: int, fraction: Fraction, slot: Fraction) -> int:
    """How many of the places i + slot, in steps of 1 / fraction, are below `size`."""
    return max(0, ceil(size * fraction - slot))


def _sampled(numbers: Rows, fraction: Fraction, slot: Fraction) -> Rows:
    """The places of the systematic sample: floor((number + slot) / fraction)."""
    # (i + a / b) / (p / q) = (i b + a) q / (b p), in integers: below 2^63 wherever
    # rows are, but for fractions with long denominators.
    a, b = slot.numerator, slot.denominator
    p, q = fraction.numerator, fraction.denominator
    if (int(numbers.max()) * b + b) * q < 2**62:
        return (numbers * b + a) * q // (b * p)
    exact = [(i * b + a) * q // (b * p) for i in numbers.tolist()]
    return np.array(exact, np.int64)


def _rows_at(plan: EpochPlan, places: Rows, number: int) -> Rows:
    """The rows at some places of a pass."""
    purpose = f"pass {number}"
    if plan.strata is None:
        inner = permuted(places, plan.size, 0, seed=plan.seed, purpose=purpose)
        return inner if plan.among is None else plan.among.rows[inner]
    starts = plan.strata.starts
    blocks = np.searchsorted(starts, places, side="right") - 1
    sizes = starts[blocks + 1] - starts[blocks]
    inner = permuted(
        places - starts[blocks], sizes, blocks, seed=plan.seed, purpose=purpose
    )
    return plan.strata.rows[starts[blocks] + inner]


def _strata_of(
    strata: Strata, rows: Rows
) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    """The name (m,) of the stratum of each of `rows`."""
    order = np.argsort(strata.rows, kind="stable")
    places = order[np.searchsorted(strata.rows[order], rows)]
    blocks = np.searchsorted(strata.starts, places, side="right") - 1
    names = np.empty(len(strata.labels), object)
    names[:] = strata.labels
    return names[blocks]
