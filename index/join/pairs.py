"""All pairs of rows within a radius, streamed."""

from collections.abc import Callable, Iterator

from gleann.index.checks import require_integer
from gleann.index.extension import available
from gleann.index.join.block import JoinWork, PairBlock
from gleann.index.join.native_join import NativeJoin
from gleann.index.join.reference import ReferenceJoin
from gleann.index.join.side import JoinSide, require_alike
from gleann.index.progress import Progress, ignore
from gleann.index.search.within import require_radius

ROOM = 1 << 20
"""Pairs of a block, about."""


class PairJoin:
    """All pairs of two sides within a radius; complete, and no other pair.

    Args:
        x: a side.
        y: the other; None joins x with itself, and gives each pair once.
        radius: the greatest distance of a pair: squared L2, or 1 - cos.
        threads: worker threads; 0 takes every core.

    Raises:
        InvalidParamsError: a radius below 0 or not finite; sides of two metrics.
        DimensionMismatchError: sides of different dimensions.
    """

    def __init__(
        self,
        x: JoinSide,
        y: JoinSide | None = None,
        *,
        radius: float,
        threads: int = 0,
    ) -> None:
        most = require_radius(radius, x.metric)
        if y is not None:
            require_alike(x, y)
        self._nothing = not len(x) or (y is not None and not len(y))
        self._join: NativeJoin | ReferenceJoin
        if available() and not self._nothing:
            self._join = NativeJoin(x, y, most=most, threads=threads)
        else:
            self._join = ReferenceJoin(x, y, most=most)

    @property
    def work(self) -> JoinWork:
        """What it took so far."""
        return self._join.work

    def blocks(
        self,
        *,
        room: int = ROOM,
        report: Callable[[Progress], None] = ignore,
    ) -> Iterator[PairBlock]:
        """The pairs in blocks; which comes first may vary.

        Of the pairs, about `room` and four million more a thread are held, however many
        there are; besides these codes, 12 bytes a row, 4 nlist^2 bytes a side, and the
        rows near the lists that are open, in half of the memory of the codes.

        Args:
            room: pairs of a block, about.
            report: called as the phase "join" goes on; what it raises ends the join.

        Raises:
            InvalidParamsError: a `room` below 1.
        """
        require_integer("room", room, at_least=1)
        if self._nothing:
            return iter(())
        return self._join.blocks(room=room, report=report)
