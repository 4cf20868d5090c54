"""Memory of a server over time, and its slope."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread
from time import monotonic

import numpy as np
from scipy.stats import theilslopes

from bench.service.serving import Served

SAMPLE_SECONDS = 0.25
BLOCKS = 20
MIB = 2**20


@dataclass(slots=True)
class Samples:
    """RssAnon in bytes, at seconds of the monotonic clock."""

    moments: list[float] = field(default_factory=list)
    anonymous: list[int] = field(default_factory=list)

    def slope(self, *, settled: float = 0.0) -> dict[str, float]:
        """MiB a minute, with its confidence interval of 95 %, and both ends in MiB.

        Samples follow one another closely and are not independent, so the slope is of
        the medians of 20 blocks (Theil and Sen: an outlier does not turn it).

        Args:
            settled: the first share of the time is left out.
        """
        moments, held = np.array(self.moments), np.array(self.anonymous) / MIB
        kept = moments >= moments[0] + settled * (moments[-1] - moments[0])
        blocks = min(BLOCKS, int(kept.sum()))
        times = [np.median(b) for b in np.array_split(moments[kept] / 60, blocks)]
        sizes = [np.median(b) for b in np.array_split(held[kept], blocks)]
        slope, _, low, high = theilslopes(sizes, times)
        return {
            "mib_a_minute": round(float(slope), 3),
            "low": round(float(low), 3),
            "high": round(float(high), 3),
            "first_mib": round(float(sizes[0]), 1),
            "last_mib": round(float(sizes[-1]), 1),
            "most_mib": round(float(held.max()), 1),
        }


@contextmanager
def sampled(served: Served) -> Iterator[Samples]:
    """Samples of the server's memory, taken meanwhile."""
    samples, ended = Samples(), Event()

    def watch() -> None:
        while True:
            samples.anonymous.append(served.usage().anonymous_bytes)
            samples.moments.append(monotonic())
            if ended.wait(SAMPLE_SECONDS):
                return

    watcher = Thread(target=watch)
    watcher.start()
    try:
        yield samples
    finally:
        ended.set()
        watcher.join()
