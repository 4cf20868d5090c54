"""The engines that `bench scale` compares: each builds into a folder and opens it.

A module has

    version() -> str                    raises ImportError where it is not installed
    build(rows, folder, job) -> dict    from mapped rows to files; what to record
    open_index(folder, job) -> object   from files to something that answers
    search(opened, queries, k, params) -> ids (nq, k)
    FIXED                               search parameters that are crossed with EFFORT
    EFFORT                              name of the search parameter that buys recall
"""

from dataclasses import dataclass

import numpy as np

MODULES = {
    "gleann": "bench.scale.engines.gleann",
    "scann": "bench.scale.engines.scann",
    "faiss": "bench.scale.engines.faiss",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """How an engine builds and searches.

    Attributes:
        metric: "ip", "cosine" or "l2"; rows are prepared for it.
        threads: of builds and searches.
        lists: inverted lists; 0 for the engine's own choice.
        seed: of the build.
    """

    metric: str
    threads: int
    lists: int
    seed: int


def lists_of(name: str, n: int) -> int:
    """The lists of an engine named such as "scann" or "scann:20000"; 0 if its own.

    The peers choose none: about 2 sqrt(n), as in `bench ann`.
    """
    kind, _, lists = name.partition(":")
    if lists:
        return int(lists)
    return 0 if kind == "gleann" else max(1, min(round(2 * n**0.5), n // 16))


Queries = np.ndarray
