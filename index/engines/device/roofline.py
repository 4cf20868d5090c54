"""What a scan takes at the least, in closed form: to choose by, never to report.

The formulas are those of the design of this engine: a list-major batch reads each list
that it touches once, whatever nprobe is, and is bound by memory, by the matrix units or
by the instructions that select.
"""

from dataclasses import dataclass

from gleann.index.engines.device.kinds import KINDS, Kind

INSTRUCTIONS_A_SCORE = 5
"""Norm, pack, and three to keep the two smallest."""

BYTES_BESIDE = 4
"""The bias of an entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceilings:
    """What a device can do at best.

    Attributes:
        bytes_a_second: copied.
        flops: multiply-adds count twice; by kind of number.
        lane_instructions: simple instructions a second, over all lanes.
        programs: kernels programs that run side by side, at one a multiprocessor.
    """

    bytes_a_second: float
    flops: dict[Kind, float]
    lane_instructions: float
    programs: int


H200 = Ceilings(
    bytes_a_second=4.3e12,
    # bf16 and memory as measured; int8 assumed twice, fp32 a third of tf32's half.
    flops={"bf16": 7.9e14, "fp16": 7.9e14, "fp32": 1.3e14, "int8": 1.5e15},
    lane_instructions=3.0e13,
    programs=132,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A batch of queries against an index, as sizes.

    Attributes:
        queries: in the batch.
        nprobe: lists a query.
        nlist: number of lists.
        entries: scanned if all lists are, copies included.
        dim: d.
    """

    queries: int
    nprobe: int
    nlist: int
    entries: int
    dim: int

    @property
    def queries_a_list(self) -> float:
        """Pairs over lists."""
        return self.queries * self.nprobe / self.nlist

    @property
    def scores(self) -> float:
        """Entries scored, summed over the queries, for lists of equal length."""
        return self.queries * self.entries * self.nprobe / self.nlist

    @property
    def touched(self) -> float:
        """Share of the lists that some query probes, were probes independent."""
        return 1.0 - (1.0 - self.nprobe / self.nlist) ** self.queries


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Seconds that each of three resources is busy.

    Attributes:
        memory: reading entries.
        matrix: multiplying.
        selection: choosing among scores.
    """

    memory: float
    matrix: float
    selection: float

    @property
    def seconds(self) -> float:
        """The scan takes no less."""
        return max(self.memory, self.matrix, self.selection)


def bounds(batch: Batch, *, kind: Kind, on: Ceilings) -> Bounds:
    """Bound the time of a list-major scan of `batch`."""
    entry_bytes = batch.dim * KINDS[kind].bytes + BYTES_BESIDE
    return Bounds(
        memory=batch.touched * batch.entries * entry_bytes / on.bytes_a_second,
        matrix=2 * batch.scores * batch.dim / on.flops[kind],
        selection=INSTRUCTIONS_A_SCORE * batch.scores / on.lane_instructions,
    )
