"""How many pairs a join of an index would compare and find, in numbers and words."""

from dataclasses import dataclass, replace

from gleann.index.nouns import counted, verb
from gleann.selection.curation.forecast.pairs import PairShares
from gleann.service.plans.reading import Reading, shares_of
from gleann.service.wire.arrays import vectors_of
from gleann.v1 import types_pb2


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Pairs of a join.

    Attributes:
        all: that there are.
        compared: whose codes are compared, about.
        found: that are within the radius, about.
        drawn: vectors that were looked at for this; 0 where no list tells.
    """

    all: int
    compared: float
    found: float
    drawn: int

    @classmethod
    def of(cls, count: int, shares: PairShares) -> "Pairs":
        """Of so many pairs, by the shares of them."""
        return cls(
            all=count,
            compared=shares.compared * count,
            found=shares.found * count,
            drawn=shares.drawn,
        )

    def part(self, count: int) -> "Pairs":
        """So many of them, of which as large a share is compared and found."""
        share = count / self.all
        return replace(
            self, all=count, compared=share * self.compared, found=share * self.found
        )

    def at_most(self, most: int) -> "Pairs":
        """These, where work ends at more than `most` that are found."""
        return replace(self, found=min(self.found, most))

    def above(self, most: int) -> list[str]:
        """A warning where more are expected than may be held."""
        if self.found <= most:
            return []
        return [
            f"That is more than the {counted(most, 'pairs')} that it may have: it would"
            " fail."
        ]

    def steps(self, what: str) -> list[str]:
        """What is compared and found, in words."""
        # Pairs within a list are compared from both ends.
        compared = f"{min(self.all, round(self.compared)):,} of {self.all:,} {what}"
        if not self.drawn:
            return [f"It compares the codes of perhaps {compared}: no list tells yet."]
        count = round(self.found)
        found = f"about {count:,} {verb(count, 'is', 'are')}"
        return [
            f"It compares the codes of about {compared};"
            f" {found if count else 'few or none are'} within the radius, by"
            f" {counted(self.drawn, 'vectors')} of some lists."
        ]


def own_pairs(reading: Reading, radius: float, *, equal_as_one: bool = False) -> Pairs:
    """The pairs of vectors with each other."""
    n = len(reading)
    shares = shares_of(reading, radius=radius, equal_as_one=equal_as_one)
    return Pairs.of(n * (n - 1) // 2, shares)


def sent_pairs(
    reading: Reading,
    sent: types_pb2.Vectors,
    radius: float,
    *,
    equal_as_one: bool = False,
) -> Pairs:
    """The pairs with vectors of the request, which were checked."""
    shares = shares_of(
        reading,
        vectors_of(sent, name="vectors"),
        radius=radius,
        equal_as_one=equal_as_one,
    )
    return Pairs.of(len(reading) * sent.count, shares)
