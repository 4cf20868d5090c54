"""What a recorded step should take on a GPU, from counts and sizes: to be refuted.

Every launch waits for the one before. One of torch takes `LAUNCH` seconds and the bytes
of its tensors. One of Triton takes the longest of three: the instructions of all warps
at what the schedulers issue; those of one warp, after one another, in as many rounds as
programs do not fit the device; and the bytes it must read. Instructions are those of
`bench.gpu.counts`, loops times how often they run.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Any

from bench.gpu.counts import loop_from
from bench.gpu.launches import Setting
from bench.gpu.sass import Loop
from gleann.index.engines.device.plan.kinds import KINDS, TILE, Kind
from gleann.index.engines.device.plan.roofline import Batch, Ceilings, items_of

Entry = dict[str, Any]
Trips = tuple[float | tuple[float, ...], ...]

LAUNCH = 2e-6
"""Seconds of a small kernel in a CUDA graph: two or three, as others measured them."""

CYCLES = 4
"""From one instruction of a warp to the next that needs it, by the ALUs of Hopper."""

CLOCK_SHARE = 4
"""Warp instructions that a multiprocessor issues a cycle."""

LOAD = 0.4e-6
"""Seconds of a read from memory that the next read waits for."""

REGISTERS, SHARED, WARPS = 65_536, 227 << 10, 64
"""Of a multiprocessor."""

TOPK_ROUND = 30e-6
"""Seconds of a round of rows of `torch.topk`: 32 passes of 2 bits that wait."""

TOPK_ROWS = 32
"""Rows that a multiprocessor selects from at once, a block each."""

SORT_PASSES = 8
"""Of a radix sort of int64, 8 bits each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A search whose step is predicted.

    Attributes:
        name: of its step in the counts.
        batch: the sizes, with second copies.
        kind: of number.
        rerank: rows re-ranked a query.
    """

    name: str
    batch: Batch
    kind: Kind
    rerank: int = 40

    @property
    def entry_bytes(self) -> float:
        """Of all entries that the batch touches."""
        a_row = self.batch.dim * KINDS[self.kind].bytes + 4
        return self.batch.touched * self.batch.entries * a_row


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a launch of a Triton kernel does.

    Attributes:
        case: its name in the counts.
        programs: that there is work for; a persistent one counts once an item.
        trips: of its loops, outer to inner; where loops of one depth differ, a tuple.
        bytes: that it moves.
        reads: of memory that wait for one another, a program.
        flops: of its products, at the rate of `kind`.
        kind: of number.
    """

    case: str
    programs: float
    trips: Trips = ()
    bytes: float = 0.0
    reads: int = 1
    flops: float = 0.0
    kind: Kind = "bf16"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Seconds of a launch, and what bounds them: the longest of four.

    Attributes:
        issue: of issuing the instructions of all warps.
        chain: of those of one warp, a round of programs after another.
        memory: of moving bytes.
        matrix: of multiplying.
    """

    issue: float
    chain: float
    memory: float
    matrix: float = 0.0

    @property
    def seconds(self) -> float:
        """At the least."""
        return LAUNCH + max(self.issue, self.chain, self.memory, self.matrix)

    @property
    def bound_by(self) -> str:
        """Which of the four."""
        named = {
            "instructions": self.issue,
            "latency": self.chain,
            "memory": self.memory,
            "products": self.matrix,
        }
        return max(named, key=lambda name: named[name])


def instructions(loop: Loop, trips: Trips) -> float:
    """Of one warp, where loops at depth i run trips[i] times."""
    if not loop.inner:
        return loop.instructions
    times = trips[0]
    if not isinstance(times, tuple):
        times = (times,) * len(loop.inner)
    return loop.instructions + sum(
        count * instructions(inside, trips[1:])
        for count, inside in zip(times, loop.inner, strict=True)
    )


def taken_by(work: Work, counts: Entry, *, on: Ceilings) -> Taken:
    """Predict one launch of a kernel that was counted."""
    entry = counts["kernels"][work.case]
    a_warp = instructions(loop_from(entry["loops"]), work.trips)
    resident = on.programs * resident_programs(entry)
    clock = on.warp_instructions / (CLOCK_SHARE * on.programs)
    return Taken(
        issue=work.programs * entry["warps"] * a_warp / on.warp_instructions,
        chain=ceil(work.programs / resident)
        * (a_warp * CYCLES / clock + work.reads * LOAD),
        memory=work.bytes / on.bytes_a_second,
        matrix=work.flops / on.flops[work.kind],
    )


def resident_programs(entry: Entry) -> int:
    """Programs that a multiprocessor holds at once."""
    threads = 32 * entry["warps"]
    by_registers = REGISTERS // (threads * max(32, entry["registers"]))
    by_shared = SHARED // (entry["shared"] + 1024)
    return max(1, min(by_registers, by_shared, WARPS // entry["warps"], 32))


def operation_seconds(name: str, operation: Entry, *, on: Ceilings) -> float:
    """Predict all launches of an operation of torch."""
    moved = operation["bytes"] / on.bytes_a_second
    fixed = operation["launches"] * LAUNCH
    if name == "topk":
        rounds = operation["rows"] / (on.programs * TOPK_ROWS)
        return fixed + max(1.0, rounds) * TOPK_ROUND
    if name == "sort":
        return SORT_PASSES * (fixed + moved)
    return fixed + moved


def step_seconds(search: Search, counts: Entry, *, on: Ceilings) -> dict[str, float]:
    """What a recorded step takes by part: its kernels, and the rest of torch's."""
    launches = counts["launches"][search.name]
    parts: dict[str, float] = defaultdict(float)
    for kernel in launches["kernels"]:
        name = kernel["name"]
        if name in SMALL:
            parts["small kernels"] += 2 * LAUNCH
            continue
        work = WORK[name](search, kernel)
        parts[name] += taken_by(work, counts, on=on).seconds
    for name, operation in launches["operations"].items():
        parts["torch"] += operation_seconds(name, operation, on=on)
    return dict(parts)


SMALL = {
    "compact_pairs",
    "count_pairs",
    "cut_items",
    "pack_answers",
    "place_pairs",
    "quantise_queries",
    "set_bitmap",
}
"""Kernels that take little more than their launch."""

THRESHOLDS = 10
"""Halvings of a range of scores until few enough groups reach one."""


def _scan_lists(search: Search, kernel: Entry) -> Work:
    """A persistent program takes many items, each of which counts as one here."""
    tile, batch = kernel["numbers"]["QUERIES"], search.batch
    items = items_of(batch, query_tile=tile)
    return Work(
        case=f"scan_lists d={batch.dim} {search.kind} tile {tile}",
        programs=items.count,
        trips=(1, items.tiles),
        bytes=search.entry_bytes,
        reads=3,
        flops=2 * batch.scores * batch.dim,
        kind=search.kind,
    )


def _scan_pairs(search: Search, kernel: Entry) -> Work:
    numbers, batch = kernel["numbers"], search.batch
    chunks = numbers["span_entries"] / TILE
    return Work(
        case=f"scan_pairs d={batch.dim} {search.kind}",
        programs=kernel["programs"],
        trips=(chunks, numbers["STEPS"]),
        bytes=search.entry_bytes,
        reads=4,
    )


def _score_pairs(search: Search, kernel: Entry) -> Work:
    rows = kernel["programs"] * TILE
    return Work(
        case=f"score_pairs d={search.batch.dim} {search.kind}",
        programs=kernel["programs"],
        trips=(kernel["numbers"]["STEPS"],),
        bytes=rows * (search.batch.dim * KINDS[search.kind].bytes + 8),
        reads=3,
    )


def _merge_keys(_: Search, kernel: Entry) -> Work:
    numbers = kernel["numbers"]
    share = min(numbers["width"], numbers.get("share", numbers["width"]))
    steps = ceil(share / (numbers["KEEP"] * numbers.get("RUNS", 1)))
    return Work(
        case=f"merge_keys {numbers['KEEP']} kept",
        programs=kernel["programs"],
        trips=(steps,),
        bytes=kernel["programs"] * share * 8,
        reads=3 * steps,
    )


def _merge_runs(_: Search, kernel: Entry) -> Work:
    numbers = kernel["numbers"]
    steps = ceil(numbers["parts"] / numbers["RUNS"])
    return Work(
        case=f"merge_runs {numbers['KEEP']} kept",
        programs=kernel["programs"],
        trips=(steps,),
        bytes=kernel["programs"] * numbers["parts"] * numbers["length"] * 8,
        reads=steps,
    )


def _rerank_rows(search: Search, kernel: Entry) -> Work:
    dim = search.batch.dim
    steps = ceil(dim / kernel["numbers"]["BLOCK"])
    return Work(
        case=f"rerank_rows d={dim} tile {kernel['numbers']['TILE']}",
        programs=kernel["programs"],
        trips=(steps,),
        bytes=kernel["programs"] * search.rerank * dim * 4,
        reads=2,
    )


def _rank_lists(search: Search, kernel: Entry) -> Work:
    numbers, dim = kernel["numbers"], search.batch.dim
    scores = numbers["nq"] * numbers["nlist"]
    return Work(
        case=f"rank_lists d={dim}",
        programs=kernel["programs"],
        trips=(ceil(numbers["nlist"] / TILE),),
        bytes=numbers["nq"] * numbers["room"] * 8,
        reads=4,
        flops=2 * 2 * scores * dim,
        kind="int8",
    )


def _group_peaks(search: Search, kernel: Entry) -> Work:
    numbers, dim = kernel["numbers"], search.batch.dim
    return Work(
        case=f"group_peaks d={dim}",
        programs=kernel["programs"],
        trips=(numbers["tiles"],),
        bytes=kernel["programs"] * numbers["QUERIES"] * TILE * 4,
        reads=3,
        flops=2 * numbers["nq"] * numbers["nlist"] * dim,
        kind="int8",
    )


def _best_lists(search: Search, kernel: Entry) -> Work:
    numbers, dim = kernel["numbers"], search.batch.dim
    groups = (numbers["nprobe"] + numbers["room"]) / 2
    steps = ceil(groups * (1 << numbers["shift"]) / numbers["LISTS"])
    return Work(
        case=f"best_lists d={dim} {numbers['GROUPS']} groups",
        programs=kernel["programs"],
        trips=((THRESHOLDS, steps),),
        bytes=kernel["programs"] * (numbers["blocks"] * TILE * 4 + groups * dim),
        reads=3 + 2 * steps,
    )


WORK: dict[str, Callable[[Search, Entry], Work]] = {
    "rank_lists": _rank_lists,
    "group_peaks": _group_peaks,
    "best_lists": _best_lists,
    "scan_lists": _scan_lists,
    "scan_pairs": _scan_pairs,
    "score_pairs": _score_pairs,
    "merge_keys": _merge_keys,
    "merge_runs": _merge_runs,
    "rerank_rows": _rerank_rows,
}
"""What a launch of each kernel does, by what it was given."""

SPILLED = 0.85
"""Rows with a second copy, of data of realistic spread (`made spread 1.0`)."""


def search_of(setting: Setting) -> Search:
    """The search whose step was recorded for `setting`."""
    rows = {"1M": 1_000_000, "10M": 10_000_000}[setting.name.split()[-3]]
    batch = Batch(
        queries=setting.queries,
        nprobe=setting.nprobe,
        nlist=setting.nlist,
        entries=round((1 + SPILLED) * rows),
        dim=setting.dim,
    )
    return Search(name=setting.name, batch=batch, kind=setting.kind)
