"""A cost model of one round: by it the pool "auto" is chosen.

Training is left out: it is the same for every pool. The constants are fitted to CPU
time measured over rows, dimensions, neighbours and batches
(`bench/results/selection-pools.json`, `python -m bench.selection.pools`;
selection/DECISIONS.md 41). They are fixed, so that one seed picks the same rows on any
machine.
"""

from dataclasses import dataclass

from gleann.selection.list_scan import ROWS

GLOBAL_COSTS = (1100.0, 0.168, 0.0003)
"""Microseconds: a round; a row and score; its dimensions."""

NEIGHBOUR_COSTS = (100.0, 77.7, 138.0, 0.00157, 0.00196, 2530.0, 2.17e-05, 0.0221)
"""Microseconds of the parts of `Round.neighbour_work`."""

FILTERED_PICK = 2_500.0
"""Microseconds that a search among some rows of an index takes beyond one of all, for a
single pick (selection/DECISIONS.md 51)."""

ROUNDS = 20
"""Rounds over which the pool is taken to grow."""
MARGIN = 0.85
"""Neighbours are taken below this share of the cost of all rows, the better pool."""
DISTINCT = 0.47
"""Share of the neighbours of labelled rows that no other labelled row has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """The size of a round.

    Attributes:
        rows: n.
        dim: d.
        batch: rows picked.
        neighbours: of each labelled row that enter the pool.
        labelled: rows labelled at the start.
        scores: linear functions that score a row: one a concept, or one a class where
            there are more than two.
        searches: of them, those that search rows too; 0 for the pool "seals".
        held: rows of the index that is searched, where only n of them may be
            candidates; None for n.
    """

    rows: int
    dim: int
    batch: int
    neighbours: int
    labelled: int
    scores: int
    searches: int
    held: int | None = None

    @property
    def pool(self) -> float:
        """Rows expected in the pool of neighbours, on average over the first rounds."""
        grown = self.labelled + self.batch * ROUNDS / 2
        return min(float(self.rows), DISTINCT * self.neighbours * grown)

    @property
    def looked_at(self) -> float:
        """Rows expected to have been candidates after those rounds."""
        grown = self.labelled + self.batch * ROUNDS
        return min(float(self.rows), DISTINCT * self.neighbours * grown)

    @property
    def global_work(self) -> tuple[float, ...]:
        """What `GLOBAL_COSTS` price."""
        scored = float(self.rows * self.scores)
        return 1.0, scored, scored * self.dim

    @property
    def neighbour_work(self) -> tuple[float, ...]:
        """What `NEIGHBOUR_COSTS` price.

        A round; a pick; the scoring of what joins after it, by each function; the
        lists that its search ranks and scans, whose number and length grow as the root
        of the rows searched; the scores of the pool, and of what joins it; a search by
        the classifier; the rows it reads beside a hyperplane; a row, for masks of all.
        """
        searched = self.rows if self.held is None else self.held
        return (
            1.0,
            float(self.batch),
            float(self.batch * self.scores),
            self.batch * searched**0.5 * self.dim,
            (self.pool + self.batch * self.neighbours) * self.scores * self.dim,
            float(self.searches),
            float(self.searches * min(self.rows, ROWS) * self.dim),
            float(searched),
        )

    @property
    def global_ms(self) -> float:
        """Milliseconds of one core to score all rows and pick."""
        return _priced(self.global_work, GLOBAL_COSTS)

    @property
    def neighbours_ms(self) -> float:
        """Milliseconds of one core to search neighbours, score the pool and pick."""
        filtered = 0.0 if self.held is None else FILTERED_PICK * self.batch / 1000
        return _priced(self.neighbour_work, NEIGHBOUR_COSTS) + filtered

    @property
    def takes_neighbours(self) -> bool:
        """Whether neighbours are the cheaper pool by more than the model may be off."""
        return self.neighbours_ms < MARGIN * self.global_ms


def _priced(work: tuple[float, ...], costs: tuple[float, ...]) -> float:
    return sum(w * cost for w, cost in zip(work, costs, strict=True)) / 1000
