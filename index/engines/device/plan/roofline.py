"""Closed-form lower bound on the time of a scan, for choices and not for reports.

A list-major batch reads each list that it touches once, whatever nprobe is. It is bound
by memory, matrix units or issued instructions: per tile of entries, and, more of them,
to fold the kept entries of a work item. Each (query, list) pair then costs its share of
the merge. `bench/gpu/counts.py` counts the instructions of the compiled kernels.
"""

from dataclasses import dataclass

from gleann.index.engines.device.plan.bucketing import MAX_SPAN
from gleann.index.engines.device.plan.kinds import KINDS, TILE, Kind

BYTES_BESIDE = 4
"""Bytes of the bias of an entry."""

STEP = 64
"""Values along d per `ScanCost.step`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanCost:
    """Instructions of the list-major kernel per warp.

    Attributes:
        warps: warps per program.
        item: per work item, to start it and to fold and store its kept entries.
        tile: per tile of entries, to score it and to select from it.
        step: per tile, to multiply `STEP` values along d.
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
"""By queries per tile, for bf16 on sm_90 and 32 buckets; int8 takes up to 17 % more per
tile at d = 128, and fewer at 768."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceilings:
    """Performance ceilings of a device.

    Attributes:
        bytes_a_second: memory bandwidth of a copy.
        flops: per second, by number kind; a multiply-add counts twice.
        warp_instructions: per second, over all schedulers.
        pair_seconds: time to merge the kept entries of one (query, list) pair; to be
            fitted on hardware.
        programs: kernel programs that run concurrently, one per multiprocessor.
    """

    bytes_a_second: float
    flops: dict[Kind, float]
    warp_instructions: float
    pair_seconds: float
    programs: int

    @property
    def lane_instructions(self) -> float:
        """Simple instructions per second, over all lanes."""
        return 32 * self.warp_instructions


H200 = Ceilings(
    # Published measurement on this card; the datasheet has 4.8e12.
    bytes_a_second=4.3e12,
    # bf16 measured; int8 assumed twice that, fp32 a third of tf32's half.
    flops={"bf16": 7.9e14, "fp16": 7.9e14, "fp32": 1.3e14, "int8": 1.5e15},
    # Four schedulers per multiprocessor at 1.98 GHz, which gives the datasheet's
    # 67 TFLOP/s of float32.
    warp_instructions=132 * 4 * 1.98e9,
    # 1,208 instructions of one warp per merge step, which takes four pairs; and 64
    # keys and a bound per pair, written and read.
    pair_seconds=0.53e-9,
    programs=132,
)

H100 = Ceilings(
    # 90 % of the datasheet's 3.35e12, and the clock during long runs.
    bytes_a_second=3.0e12,
    flops=H200.flops,
    warp_instructions=132 * 4 * 1.755e9,
    pair_seconds=0.67e-9,
    programs=132,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The sizes of a batch of queries and an index.

    Attributes:
        queries: queries in the batch.
        nprobe: lists per query.
        nlist: number of lists.
        entries: entries of all scanned segments, copies included.
        dim: dimensions of a row.
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
        """Share of the lists that any query probes, for independent probes."""
        return 1.0 - (1.0 - self.nprobe / self.nlist) ** self.queries


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """Work of a list-major scan, for lists of equal length.

    Attributes:
        count: number of items: a tile of queries against a span of a list.
        tiles: tiles of entries per item.
    """

    count: float
    tiles: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Lower bounds on the seconds of a batch.

    Attributes:
        memory: to read entries.
        matrix: to multiply.
        issue: to issue instructions, including the folds of work items.
        pairs: to merge, after the scan.
    """

    memory: float
    matrix: float
    issue: float
    pairs: float

    @property
    def scan(self) -> float:
        """Lower bound of the scan."""
        return max(self.memory, self.matrix, self.issue)

    @property
    def seconds(self) -> float:
        """The scan plus the costs per pair."""
        return self.scan + self.pairs


def bounds(batch: Batch, *, kind: Kind, on: Ceilings, query_tile: int) -> Bounds:
    """Bound the time of a list-major scan of `batch`, and of the merge after it.

    Args:
        batch: the sizes.
        kind: number kind.
        on: ceilings of the device.
        query_tile: queries per item, one of `SCAN_COSTS`.
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
    """Mean number of work items of a batch.

    A list's last tiles of queries and of entries are half full on average.
    """
    lists = batch.touched * batch.nlist
    groups = max(1.0, batch.pairs / lists / query_tile + 0.5)
    length = batch.entries / batch.nlist
    spans = max(1.0, length / MAX_SPAN)
    return Items(count=lists * groups * spans, tiles=length / spans / TILE + 0.5)
