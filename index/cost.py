"""A cost model of search, in nominal nanoseconds of one core, to compare settings.

Counted work, not measured time, chooses operating points and spilling, so one seed
makes one index on any machine. The constants are those of large batches on the AVX-512
VNNI tier; `index/DECISIONS.md` 7 has the fit, and `python -m bench costs` repeats it.
"""

from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class CostModel:
    """What searches of an index take.

    Attributes:
        dim: d.
        nlist: number of lists.
    """

    dim: int
    nlist: int

    @property
    def entry(self) -> float:
        """To scan one more entry."""
        return 0.07 + 0.003 * self.dim

    @property
    def reranked(self) -> float:
        """To keep and re-rank one more row."""
        return 140 + 0.4 * self.dim

    def search(self, *, entries: float, nprobe: float, rerank: int) -> float:
        """One query that scans `entries` of `nprobe` lists and re-ranks some rows."""
        scan = self.entry * entries + PROBE * nprobe + self.reranked * rerank
        return QUERY + LIST * self.nlist + scan
