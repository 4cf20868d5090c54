"""`python -m bench work`: work counts of a search, on seeded clustered data.

Vectors and centroids are small integers (under cosine, sign vectors of length 8: their
unit form is exact too), so that every product is exact in float32 and the counts do not
depend on how BLAS or a compiler rounds.
"""

from dataclasses import dataclass

import numpy as np

from bench.tables import markdown
from gleann.index import BuildParams, SearchParams, SoarIndex
from gleann.index.arrays import Vectors
from gleann.index.build.spill import Spiller, scale_of
from gleann.index.codes import Encoding
from gleann.index.engines.choose import make_engine
from gleann.index.engines.contract import IndexData
from gleann.index.found import COUNTS
from gleann.index.lists import invert
from gleann.index.metric import prepare
from gleann.index.params import Metric, Spill
from gleann.index.storage.packing import Header

ROWS = 6000
DIM = 64
NLIST = 60
CLUSTERS = 40
SEED = 11

METRICS: tuple[Metric, ...] = ("ip", "cosine", "l2")
SPILLS: tuple[Spill, ...] = ("soar", "naive", "none")
BATCHES = {"batch": 256, "few": 4}
"""A batch large enough for list-major scanning, and one that is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One search whose work is counted."""

    metric: Metric
    spill: Spill
    batch: str

    @property
    def name(self) -> str:
        """The key in the golden file."""
        return f"{self.metric}/{self.spill}/{self.batch}"


def cases() -> list[Case]:
    """Every metric, spill and batch."""
    return [
        Case(metric=metric, spill=spill, batch=batch)
        for metric in METRICS
        for spill in SPILLS
        for batch in BATCHES
    ]


def make_rows(metric: Metric, count: int, rng: np.random.Generator) -> Vectors:
    """Integer rows (count, DIM) around `CLUSTERS` centres; signs under cosine."""
    centres = np.random.default_rng(SEED).integers(-9, 10, size=(CLUSTERS, DIM))
    noise = rng.integers(-8, 9, size=(count, DIM))
    rows = centres[rng.integers(CLUSTERS, size=count)] + noise
    if metric == "cosine":
        rows = np.where(rows >= 0, 1, -1)
    return rows.astype(np.float32)


def make_data(metric: Metric, spill: Spill) -> IndexData:
    """A sealed index whose centroids are rows of the data."""
    rng = np.random.default_rng([SEED, 1])
    rows = prepare(make_rows(metric, ROWS, rng), metric)
    centroids = rows[np.sort(rng.choice(ROWS, NLIST, replace=False))]
    params = BuildParams(metric=metric, spill=spill, nlist=NLIST)
    spiller = Spiller(centroids, params, scale=scale_of(rows))
    primary, secondary = spiller.assign(rows)
    encoding = Encoding.uncentred(metric, DIM)
    return IndexData(
        encoding=encoding,
        centroids=centroids,
        lists=invert(primary, secondary, nlist=NLIST),
        codes=encoding.encode(rows),
        vectors=rows,
    )


def count_work(case: Case, engine: str, *, threads: int = 2) -> dict[str, int]:
    """Counts of one search of `case` by the named engine, over all its queries."""
    data = make_data(case.metric, case.spill)
    index = SoarIndex(
        data,
        ids=np.arange(ROWS),
        header=Header(
            params=BuildParams(metric=case.metric, spill=case.spill, nlist=NLIST)
        ),
        engine=make_engine(data, name=engine, threads=threads),
    )
    rng = np.random.default_rng([SEED, 2])
    queries = make_rows(case.metric, BATCHES[case.batch], rng)
    found = index.search(queries, SearchParams(k=10, nprobe=8, rerank=30))
    return {name: getattr(found.stats, name) for name in COUNTS}


def work_table() -> str:
    """Counts of every case by both engines, as markdown."""
    rows = []
    for engine in ("reference", "native"):
        for case in cases():
            counts = count_work(case, engine)
            queries = BATCHES[case.batch]
            each = [f"{counts[name] / queries:.2f}" for name in COUNTS]
            rows.append([engine, case.name, str(queries), *each])
    head = ["engine", "case", "queries", *(f"{name} a query" for name in COUNTS)]
    return markdown(head, rows)
