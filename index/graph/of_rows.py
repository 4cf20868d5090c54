"""The graph of rows that need no index: only what the graph uses is built.

The lists are those of the projected rows where these are joined, so that training and
assignment cost less too.
"""

from dataclasses import dataclass, replace

from numpy.typing import ArrayLike

from gleann.index.arrays import Vectors
from gleann.index.build.arrange import Arranged, arrange
from gleann.index.build.host import HostKernels
from gleann.index.build.rows import code_rows
from gleann.index.checks import as_vectors
from gleann.index.codes import Encoding, fit_center
from gleann.index.engines import native
from gleann.index.engines.choose import make_engine, make_projected_engine
from gleann.index.engines.contract import IndexData
from gleann.index.graph.joined import Joined
from gleann.index.graph.knn_graph import KnnGraph, graph_of, require_graph
from gleann.index.graph.neighbours import find_neighbours
from gleann.index.graph.projection import fit_projection, project, restore
from gleann.index.heartbeat import repeating
from gleann.index.ids.checks import hold_row_ids
from gleann.index.params import BuildParams, Metric
from gleann.index.progress import Progress, Report, ignore
from gleann.index.projection import Projection

GRAPH_ITERATIONS = 4
"""Lloyd iterations: more cost more than the probes that they save."""


def knn_graph_of(  # noqa: PLR0913  all but the vectors are optional
    vectors: ArrayLike,
    *,
    metric: Metric = "cosine",
    k: int = 10,
    target_recall: float | None = None,
    ids: ArrayLike | None = None,
    seed: int = 0,
    threads: int = 0,
    progress: Report | None = None,
) -> KnnGraph:
    """Find the k nearest other rows of every row, without an index to search later.

    Faster than `SoarIndex.build` and `knn_graph`: one list a row, fewer lists, and no
    operating points. Rows that spread in p < 0.6 d dimensions are assigned to lists and
    scored by their projection; distances are always those of the rows. Holds about
    24 k + d + 6 p bytes a row besides the rows; under cosine, 4 d more. The same rows
    and seed give the same graph on any number of threads.

    Args:
        vectors: (n, d), dtypes and columns as in `as_vectors`.
        metric: "ip", "cosine" or "l2".
        k: neighbours per row; n - 1 where that is less.
        target_recall: recall@k of the graph to plan for; None takes 0.95.
        ids: n distinct ids, as in `SoarIndex.build`; None numbers the rows.
        seed: the only source of randomness.
        threads: worker threads; 0 takes all cores.
        progress: called as phases "train", "assign", "plan" and "join" go on; an
            exception that it raises stops the work.

    Raises:
        InvalidInputError: as in `SoarIndex.build`.
        InvalidParamsError: metric, k, target_recall or threads out of their ranges.
    """
    require_graph(k=k, target_recall=target_recall, threads=threads)
    checked = as_vectors(vectors)
    n = len(checked)
    params = BuildParams(
        metric=metric,
        spill="none",
        nlist=max(1, round(n**0.5)),
        kmeans_iterations=GRAPH_ITERATIONS,
        tune_queries=0,
        seed=seed,
    )
    held_ids = hold_row_ids(ids, n=n)
    kernels = HostKernels(threads)
    with repeating(progress or ignore) as report:
        parts = _Parts.of(
            kernels.prepare(checked, metric), params, threads=threads, report=report
        )
        report(Progress(phase="plan", done=0, total=1))
        found = find_neighbours(
            parts.plain,
            parts.projected(),
            k=min(k, n - 1),
            target_recall=target_recall,
            nprobe=None,
            seed=seed,
            threads=threads,
            report=report,
        )
    return graph_of(found, held_ids=held_ids)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Parts:
    """Rows in lists, from which either way to join them is made.

    Attributes:
        rows: (n, d), prepared.
        metric: of the rows.
        projection: of the rows; None where none would pay.
        flat: (n, p), the projected rows, or the rows themselves.
        arranged: lists, centroids and encoding of `flat`.
        threads: 0 takes every core.
        seed: of the centre of the codes.
    """

    rows: Vectors
    metric: Metric
    projection: Projection | None
    flat: Vectors
    arranged: Arranged
    threads: int
    seed: int

    @classmethod
    def of(
        cls, rows: Vectors, params: BuildParams, *, threads: int, report: Report
    ) -> "_Parts":
        projection = None
        if native.available():
            projection = fit_projection(rows, params.metric, seed=params.seed)
        flat, metric = rows, params.metric
        if projection is not None:
            flat, metric = project(rows, projection, threads=threads), "l2"
        arranged = arrange(
            flat,
            replace(params, metric=metric),
            queries=None,
            report=report,
            kernels=HostKernels(threads),
        )
        return cls(
            rows=rows,
            metric=params.metric,
            projection=projection,
            flat=flat,
            arranged=arranged,
            threads=threads,
            seed=params.seed,
        )

    def projected(self) -> Joined | None:
        """By the codes of the projected rows; None without a projection."""
        if self.projection is None:
            return None
        encoding, centroids = self.arranged.encoding, self.arranged.centroids
        data = self._data(self.flat, encoding, centroids)
        engine = make_projected_engine(data, threads=self.threads)
        joined = Joined.all(engine, data)
        return replace(joined, metric=self.metric, projected=self.flat)

    def plain(self) -> Joined:
        """By the codes of the rows, in the same lists."""
        encoding, centroids = self.arranged.encoding, self.arranged.centroids
        if self.projection is not None:
            center = fit_center(self.rows, self.metric, seed=self.seed)
            encoding = Encoding(metric=self.metric, kind="int8", center=center)
            centroids = restore(centroids, self.projection)
        data = self._data(self.rows, encoding, centroids)
        return Joined.all(make_engine(data, threads=self.threads), data)

    def _data(
        self, coded: Vectors, encoding: Encoding, centroids: Vectors
    ) -> IndexData:
        return IndexData(
            encoding=encoding,
            centroids=centroids,
            lists=self.arranged.lists,
            codes=code_rows(coded, encoding, threads=self.threads),
            vectors=self.rows,
        )
