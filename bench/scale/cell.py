"""What is measured of one set at one size: a build, and searches of what it wrote.

Both run in fresh processes, from files to files.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench.comparison.worker import anonymous_bytes
from bench.provenance import load
from bench.scale.sets import RowSet
from gleann.index import BuildParams, Progress, SearchParams, SoarIndex
from gleann.index.evaluate import recall_at_k

K = 10


class Phases:
    """Hears the progress of a build, and takes the time of each phase.

    Attributes:
        seconds: by phase, in their order; "start" is what was before the first report.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._phase = "start"
        self._last = time.perf_counter()

    def __call__(self, progress: Progress) -> None:
        now = time.perf_counter()
        before = self.seconds.get(self._phase, 0.0)
        self.seconds[self._phase] = round(before + now - self._last, 3)
        self._phase, self._last = progress.phase, now


def build(rows: RowSet, n: int, params: BuildParams, path: Path) -> dict[str, Any]:
    """Build an index of the first n rows into `path`; seconds by phase."""
    phases, cpu = Phases(), time.process_time()
    begun = time.perf_counter()
    built = SoarIndex.build_on_disk(rows.rows(n), path, params, progress=phases)
    seconds = time.perf_counter() - begun
    return {
        "seconds": seconds,
        "cpu_seconds": time.process_time() - cpu,
        "phases": phases.seconds,
        "nlist": built.nlist,
        "spill": built.params.spill,
        "codes": built.params.codes,
        "spilled_share": built.spilled_share,
        "load": load(),
    }


def search(
    rows: RowSet, n: int, path: Path, levels: tuple[float, ...], rounds: int
) -> dict[str, Any]:
    """Open an index, and search all queries at each recall."""
    index = SoarIndex.load(path)
    opened = anonymous_bytes()
    asked = Asked.of(index, rows, n)
    parts = index.memory().bytes_a_row()
    return {
        "levels": [asked.at(level, rounds) for level in levels],
        "bytes_a_row": {name: round(size, 2) for name, size in parts.items() if size},
        "opened_bytes": opened,
        "searched_bytes": anonymous_bytes(),
        "load": load(),
    }


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """Queries, their truth, and an index that answers them.

    Attributes:
        index: of the rows.
        queries: float32 (nq, d), held out.
        truth: float32 (nq, K).
    """

    index: SoarIndex
    queries: np.ndarray
    truth: np.ndarray

    @classmethod
    def of(cls, index: SoarIndex, rows: RowSet, n: int) -> "Asked":
        """The queries of a set, and their truth among its first n rows."""
        return cls(index, rows.queries, rows.truth(n)[1][:, :K])

    def at(self, level: float, rounds: int) -> dict[str, Any]:
        """What the index plans for a recall, and the fewest lists that reach it."""
        planned = self._found(SearchParams(k=K, target_recall=level))
        rerank = planned["rerank"]

        def probe(nprobe: int) -> dict[str, Any]:
            return self._found(SearchParams(k=K, nprobe=nprobe, rerank=rerank))

        nlist = self.index.nlist
        before, least = least_reaching(
            level, probe, start=planned["nprobe"], most=nlist
        )
        chosen = SearchParams(k=K, nprobe=least["nprobe"], rerank=rerank)
        return {
            "asked": level,
            "planned": planned,
            "least": least,
            "entries": between(before, least, level),
            "qps": len(self.queries) / self._seconds(chosen, rounds),
        }

    def _found(self, params: SearchParams) -> dict[str, Any]:
        found = self.index.find_rows(self.queries, params)
        return {
            "nprobe": found.stats.nprobe,
            "rerank": found.stats.rerank,
            "recall": recall_at_k(found.distances, self.truth),
            "entries": found.stats.entries_scanned / len(self.queries),
        }

    def _seconds(self, params: SearchParams, rounds: int) -> float:
        """Median seconds of a batch of all queries."""
        taken = []
        for _ in range(rounds):
            begun = time.perf_counter()
            self.index.find_rows(self.queries, params)
            taken.append(time.perf_counter() - begun)
        return median(taken)


def least_reaching(
    level: float, probe: Callable[[int], dict[str, Any]], *, start: int, most: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The most effort that misses a recall, and the least that reaches it, or `most`.

    By bisection, with recall taken to ascend. An effort of 0 finds and reads nothing.

    Args:
        level: the recall.
        probe: what an effort finds: "recall" and "entries".
        start: effort to begin at.
        most: effort that there is.
    """
    low, high = 0, min(start, most)
    tried = {0: {"nprobe": 0, "recall": 0.0, "entries": 0.0}}

    def recall(effort: int) -> float:
        if effort not in tried:
            tried[effort] = probe(effort)
        return float(tried[effort]["recall"])

    while recall(high) < level and high < most:
        low, high = high, min(most, high + max(1, high // 4))
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if recall(middle) >= level else (middle, high)
    return tried[low], tried[high]


def between(before: dict[str, Any], after: dict[str, Any], level: float) -> float:
    """Entries at exactly a recall, on the line between two efforts.

    So an exponent does not depend on how the steps of a small number of lists fall. The
    recall that `after` has counts where it does not reach the level.
    """
    low, high = before["recall"], after["recall"]
    share = (min(level, high) - low) / (high - low) if high > low else 1.0
    gained = after["entries"] - before["entries"]
    return float(before["entries"] + share * gained)
