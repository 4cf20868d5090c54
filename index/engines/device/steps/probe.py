"""One block of queries and its probed lists."""

from dataclasses import dataclass

from torch import Tensor

from gleann.index.engines.device.layout.view import ListView
from gleann.index.engines.device.steps.queries import CodedQueries


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Probe:
    """Queries, their probed lists, and the view of the lists.

    Attributes:
        queries: nq queries.
        list_nos: int64 (nq, nprobe), -1 for no list.
        probed: `list_nos` as a bitmap; see `bitmap.bitmap_of`.
        view: the lists.
    """

    queries: CodedQueries
    list_nos: Tensor
    probed: Tensor
    view: ListView

    def take(self, numbers: Tensor) -> "Probe":
        """The queries `numbers`, in that order."""
        return Probe(
            queries=self.queries.take(numbers),
            list_nos=self.list_nos[numbers],
            probed=self.probed[numbers],
            view=self.view,
        )
