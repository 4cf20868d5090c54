"""A cost model of search, in nominal nanoseconds of one core, to compare settings.

Counted work, not measured time, chooses operating points and spilling, so one seed
makes one index on any machine. The constants are those of large batches on the AVX-512
VNNI tier; `index/DECISIONS.md` 7 has the fit, and `python -m bench costs` repeats it.
"""

from dataclasses import dataclass, replace

QUERY = 6500.0
"""Any query, whatever it probes."""

LIST = 0.8
"""One more list to rank."""

PROBE = 85.0
"""To begin one more list for a query."""

GRANT = 400.0
"""To grant a query its lists by its first ones (`effort.py`)."""

CANDIDATE = 4.0
"""One more list that may be granted."""

STREAMED = 0.1
BATCH = 5000
"""A byte of codes from memory: a batch, of so many queries for each thread, reads all
lists once (`index/DECISIONS.md` X)."""

WAITING = 12.0
"""An entry takes so many times as long for a query on its own, which waits for memory:
0.045 ns a byte (`index/DECISIONS.md` 38)."""


@dataclass(frozen=True, slots=True)
class CostModel:
    """What searches of an index take.

    Attributes:
        dim: d.
        nlist: number of lists.
        waiting: how many times as long an entry takes as in a large batch.
        code_dim: dimensions of a code; 0 for d.
    """

    dim: int
    nlist: int
    waiting: float = 1.0
    code_dim: int = 0

    @property
    def alone(self) -> "CostModel":
        """The same for queries that are searched one by one."""
        return replace(self, waiting=WAITING)

    @property
    def entry(self) -> float:
        """To scan one more entry."""
        return self.waiting * (0.07 + 0.003 * (self.code_dim or self.dim))

    @property
    def reranked(self) -> float:
        """To keep and re-rank one more row."""
        return 140 + 0.4 * self.dim

    def streamed(self, entries: int) -> float:
        """One query's share of what a batch reads of an index of so many entries."""
        return STREAMED * entries * (self.code_dim or self.dim) / BATCH

    def search(self, *, entries: float, nprobe: float, rerank: int) -> float:
        """One query that scans `entries` of `nprobe` lists and re-ranks some rows."""
        scan = self.entry * entries + PROBE * nprobe + self.reranked * rerank
        return QUERY + LIST * self.nlist + scan
