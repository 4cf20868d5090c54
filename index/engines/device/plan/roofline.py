"""A lower bound on the time of a scan, in closed form, for choices and not for reports.

A list-major batch reads each list that it touches once, whatever nprobe is. It is bound
by memory, by the matrix units or by the instructions that it issues: those of a tile of
entries, and those that fold what an item of work has kept, which are more. Each pair of
a query and a list then costs its share of the merge. `bench/gpu/counts.py` counts the
instructions in what is compiled.
"""

from dataclasses import dataclass

from gleann.index.engines.device.plan.bucketing import MAX_SPAN
from gleann.index.engines.device.plan.kinds import KINDS, TILE, Kind

BYTES_BESIDE = 4
"""The bias of an entry."""

STEP = 64
"""Values along d that `ScanCost.step` is for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanCost:
    """Instructions of the list-major kernel, a warp.

    Attributes:
        warps: a program.
        item: to begin an item of work, to fold what it kept and to store it.
        tile: to score a tile of entries and to select from it.
        step: to multiply `STEP` values along d, a tile.
    """

    warps: int
    item: int
    tile: int
    step: int

    def of_item(self, *, tiles: float, dim: int) -> float:
        """Warp instructions of one item of `tiles` tiles."""
        a_tile = self.tile + self.step * dim / STEP
        return self.warps * (self.item + tiles * a_tile)


SCAN_COSTS = {
    16: ScanCost(warps=4, item=575, tile=140, step=50),
    32: ScanCost(warps=4, item=1020, tile=221, step=56),
    64: ScanCost(warps=4, item=1900, tile=436, step=59),
}
"""By queries a tile, for bf16 on sm_90, 32 buckets; those of int8 are up to 17 % more a
tile at d = 128, and less at 768."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceilings:
    """What a device can do at best.

    Attributes:
        bytes_a_second: copied.
        flops: multiply-adds count twice; by kind of number.
        warp_instructions: a second, over all schedulers.
        pair_seconds: of merging what one pair of a query and a list has kept; to be
            fitted on hardware.
        programs: kernel programs that run side by side, at one a multiprocessor.
    """

    bytes_a_second: float
    flops: dict[Kind, float]
    warp_instructions: float
    pair_seconds: float
    programs: int

    @property
    def lane_instructions(self) -> float:
        """Simple instructions a second, over all lanes."""
        return 32 * self.warp_instructions


H200 = Ceilings(
    # As measured by others on such a card; the datasheet has 4.8e12.
    bytes_a_second=4.3e12,
    # bf16 as measured; int8 assumed twice, fp32 a third of tf32's half.
    flops={"bf16": 7.9e14, "fp16": 7.9e14, "fp32": 1.3e14, "int8": 1.5e15},
    # Four schedulers each at 1.98 GHz, which the datasheet's 67 TFLOP/s of float32
    # follow from.
    warp_instructions=132 * 4 * 1.98e9,
    # 1,208 instructions of one warp a step of the merge, which takes four pairs; and 64
    # keys and a bound a pair, written and read.
    pair_seconds=0.53e-9,
    programs=132,
)

H100 = Ceilings(
    # 90 % of the datasheet's 3.35e12, and the clock of long runs.
    bytes_a_second=3.0e12,
    flops=H200.flops,
    warp_instructions=132 * 4 * 1.755e9,
    pair_seconds=0.67e-9,
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
    def pairs(self) -> int:
        """Lists scanned, summed over the queries."""
        return self.queries * self.nprobe

    @property
    def queries_a_list(self) -> float:
        """Pairs over lists."""
        return self.pairs / self.nlist

    @property
    def scores(self) -> float:
        """Entries scored, summed over the queries, for lists of equal length."""
        return self.queries * self.entries * self.nprobe / self.nlist

    @property
    def touched(self) -> float:
        """Share of the lists that some query probes, were probes independent."""
        return 1.0 - (1.0 - self.nprobe / self.nlist) ** self.queries


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """Work of a list-major scan, for lists of equal length.

    Attributes:
        count: items: a tile of queries against a span of a list.
        tiles: of entries, an item.
    """

    count: float
    tiles: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Seconds that a batch takes at the least.

    Attributes:
        memory: reading entries.
        matrix: multiplying.
        issue: issuing instructions, the folding of what items kept included.
        pairs: merging, after the scan.
    """

    memory: float
    matrix: float
    issue: float
    pairs: float

    @property
    def scan(self) -> float:
        """The scan takes no less."""
        return max(self.memory, self.matrix, self.issue)

    @property
    def seconds(self) -> float:
        """The scan and all that grows with the number of pairs."""
        return self.scan + self.pairs


def bounds(batch: Batch, *, kind: Kind, on: Ceilings, query_tile: int) -> Bounds:
    """Bound the time of a list-major scan of `batch`, and of the merge after it.

    Args:
        batch: the sizes.
        kind: of number.
        on: the device.
        query_tile: queries an item, one of `SCAN_COSTS`.
    """
    entry_bytes = batch.dim * KINDS[kind].bytes + BYTES_BESIDE
    items = items_of(batch, query_tile=query_tile)
    an_item = SCAN_COSTS[query_tile].of_item(tiles=items.tiles, dim=batch.dim)
    return Bounds(
        memory=batch.touched * batch.entries * entry_bytes / on.bytes_a_second,
        matrix=2 * batch.scores * batch.dim / on.flops[kind],
        issue=items.count * an_item / on.warp_instructions,
        pairs=batch.pairs * on.pair_seconds,
    )


def items_of(batch: Batch, *, query_tile: int) -> Items:
    """The items that a batch is cut into, on average.

    A list's last tiles, of queries and of entries, are half full on average.
    """
    lists = batch.touched * batch.nlist
    groups = max(1.0, batch.pairs / lists / query_tile + 0.5)
    length = batch.entries / batch.nlist
    spans = max(1.0, length / MAX_SPAN)
    return Items(count=lists * groups * spans, tiles=length / spans / TILE + 0.5)
