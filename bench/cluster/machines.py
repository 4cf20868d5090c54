"""Machines, memory, seconds and bytes that builds and searches take at a size.

Seconds are those of the steps (`constants.py`), each in the count of its formula; a
phase takes its core seconds over all cores, or its bytes over all disks, whichever is
longer. What was assumed rather than measured is in `Machine` and `Growing`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, log
from typing import Any

from gleann.index import BuildParams
from gleann.index.build.arrange import auto_nlist
from gleann.index.build.forecast import TRAIN_PASSES, index_bytes
from gleann.index.build.kmeans import wanted_rows
from gleann.index.build.sample import DEEP, SHALLOW, sample_size
from gleann.index.shards.build.forecast import DRIVER_ROW

PARAMS = BuildParams(metric="l2")
ID_BYTES = 8
PASSES = 5
"""Passes of sample queries over all rows: exact, by rank, by code; two for large k."""

SPILLED = 0.5
"""Share of the rows with a second entry, as `gleann build --dry-run` counts it."""

Constants = Mapping[str, Mapping[str, float]]
"""Seconds of each step of rows of some dimension: `each` and `fixed`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a machine has; assumed.

    Attributes:
        cores: of the speed of those that were measured.
        memory: bytes.
        kept_free: share of the memory that no index takes.
        disk: bytes a second that it reads or writes of the shared folder.
        network: bytes a second.
    """

    cores: int = 16
    memory: float = 128e9
    kept_free: float = 0.25
    disk: float = 1e9
    network: float = 1.25e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Growing:
    """Entries that a query reads at a recall, measured up to `n` rows.

    Attributes:
        n: rows of the greatest set that was measured.
        entries: of a query there.
        exponent: of their growth with the rows.
        low, high: of the exponent, with 95 % confidence.
    """

    n: int
    entries: float
    exponent: float
    low: float
    high: float

    def at(self, n: int, exponent: float | None = None) -> float:
        """Entries of a query of n rows."""
        power = self.exponent if exponent is None else exponent
        return self.entries * (n / self.n) ** power


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A phase of a build.

    Attributes:
        name: of it.
        core_seconds: of all workers together.
        read, written: bytes of the shared folder.
        alone: seconds of the driver, in which workers wait.
    """

    name: str
    core_seconds: float
    read: float
    written: float
    alone: float = 0.0

    def seconds(self, machines: int, machine: Machine) -> float:
        """On so many machines."""
        computed = self.core_seconds / (machines * machine.cores)
        moved = (self.read + self.written) / (machines * machine.disk)
        return max(computed, moved) + self.alone


def at_lists(constants: Constants, step: str, nlist: int, rows: int) -> float:
    """Seconds of a piece of work of `rows` rows with `nlist` lists.

    The power law through its seconds with two numbers of lists that were measured, or
    the seconds of the greater number where those are the fewer. Lists that are found by
    groups of them take about their root. Of the whole piece: its slope and its fixed
    part are each uncertain, their sum is not.
    """
    measured = sorted(
        (int(name.rpartition("_")[2]), one["each"] * rows + one["fixed"])
        for name, one in constants.items()
        if name.rpartition("_")[0] == step
    )
    (few, low), (many, high) = measured
    power = log(high / low) / log(many / few) if low > 0 < high else 0.0
    return high * (nlist / many) ** max(0.0, power)


def choosing(constants: Constants, nlist: int) -> float:
    """Seconds in which the driver chooses how lists are shortlisted."""
    return at_lists(constants, "choose", nlist, rows=0)


def ranked(constants: Constants, nlist: int) -> float:
    """Seconds to find the lists of a query: all are compared."""
    name = max(
        (name for name in constants if name.startswith("rank_")),
        key=lambda one: int(one.rpartition("_")[2]),
    )
    return constants[name]["each"] * nlist / int(name.rpartition("_")[2])


def trained_rows(n: int, dim: int, nlist: int) -> int:
    """Rows that k-means sees."""
    return min(n, wanted_rows(dim, nlist=nlist))


def train_seconds(n: int, dim: int, constants: Constants, nlist: int) -> float:
    """Core seconds of k-means on a sample of rows (n, dim)."""
    rounds = PARAMS.kmeans_iterations + TRAIN_PASSES
    rows = trained_rows(n, dim, nlist)
    return rounds * at_lists(constants, "train", nlist, rows)


def sample_row_seconds(n: int, each: Mapping[str, float]) -> float:
    """Core seconds in which one of n rows is compared with all sample queries."""
    exact = SHALLOW.pooled * each["sample_exact"]
    by_rank = (SHALLOW.pooled + DEEP.pooled) * each["sample_ranked"]
    by_code = (sample_size(n, PARAMS) + DEEP.most) * each["sample_by_code"]
    return exact + by_rank + by_code


def build_phases(
    n: int, dim: int, result: Mapping[str, Any], machine: Machine
) -> list[Phase]:
    """The phases of a build of rows (n, dim), from a result of `--part constants`."""
    constants = result["dims"][str(dim)]
    task = result["sizes"]["assigned"][1]
    nlist, rows = auto_nlist(n), 4.0 * n * dim
    each = {name: one["each"] for name, one in constants.items()}
    train = train_seconds(n, dim, constants, nlist)
    assign = n / task * at_lists(constants, "assign", nlist, task)
    written = index_bytes(n, dim, PARAMS, nlist=nlist, id_bytes=ID_BYTES)
    return [
        Phase(
            name="place",
            core_seconds=n * each["place"],
            read=rows,
            written=rows + ID_BYTES * n,
        ),
        Phase(name="gather", core_seconds=n * each["write"], read=rows, written=rows),
        Phase(
            name="train",
            core_seconds=0.0,
            read=0.0,
            written=0.0,
            alone=train / machine.cores,
        ),
        Phase(
            name="assign",
            core_seconds=assign,
            read=rows,
            written=8.0 * n,
            alone=choosing(constants, nlist),
        ),
        Phase(
            name="sample",
            core_seconds=n * sample_row_seconds(n, each),
            read=PASSES * rows,
            written=0.0,
        ),
        Phase(
            name="encode and write",
            core_seconds=n * each["encode"],
            read=rows,
            written=written - rows,
        ),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What searches of an index take.

    Attributes:
        shards: one a machine.
        nlist: lists.
        nprobe: lists of a query.
        entries: of a query.
        held_bytes: of all files but the rows, which stay on disk.
        file_bytes: of all files.
        query_seconds: of one core, of all shards together and of the coordinator.
        coordinator_seconds: of these, those of the coordinator.
    """

    shards: int
    nlist: int
    nprobe: int
    entries: float
    held_bytes: float
    file_bytes: float
    query_seconds: float
    coordinator_seconds: float

    def question_bytes(self, dim: int) -> int:
        """Bytes that a shard is sent for a query."""
        return 4 * dim + 4 * self.nprobe

    def answer_bytes(self, k: int) -> int:
        """Bytes that it sends back: row, distance and id of each neighbour."""
        return k * (8 + 4 + ID_BYTES)


def serving(
    n: int,
    dim: int,
    result: Mapping[str, Any],
    growing: Growing,
    machine: Machine,
    *,
    k: int = 10,
) -> Serving:
    """Searches of rows (n, dim), the codes in memory.

    Args:
        n: rows.
        dim: numbers of each.
        result: of `--part constants`.
        growing: how entries grow.
        machine: of which there are as many as the codes take.
        k: neighbours of a query.
    """
    constants = result["dims"][str(dim)]
    nlist = auto_nlist(n)
    files = float(index_bytes(n, dim, PARAMS, nlist=nlist, id_bytes=ID_BYTES))
    held = files - 4.0 * n * dim
    room = machine.memory * (1 - machine.kept_free)
    # Every shard has the centroids of the whole.
    shards = ceil(held / (room - 4.0 * dim * nlist))
    entries = growing.at(n)
    merged = shards * k * result["merge"]["each"]
    coordinator = ranked(constants, nlist) + merged
    scanned = entries * constants["scan"]["each"]
    return Serving(
        shards=shards,
        nlist=nlist,
        nprobe=ceil(entries / ((1 + SPILLED) * n / nlist)),
        entries=entries,
        held_bytes=held,
        file_bytes=files,
        query_seconds=coordinator + scanned + shards * constants["query"]["each"],
        coordinator_seconds=coordinator,
    )


def driver_bytes(n: int, dim: int) -> dict[str, float]:
    """Memory of the process that coordinates a build."""
    nlist = auto_nlist(n)
    return {
        "rows": float(DRIVER_ROW * n),
        "training": 4.0 * dim * trained_rows(n, dim, nlist),
        "centroids": 4.0 * dim * nlist,
    }
