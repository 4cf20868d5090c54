"""Phases shared by builds in memory and on disk: train, assign, tune."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from gleann.index.arrays import ListNos, RowMatrix, Rows, Vectors
from gleann.index.build.choose_spill import choose_spill
from gleann.index.build.contract import BuildKernels
from gleann.index.build.effort import measure_efforts
from gleann.index.build.kmeans import train_centroids
from gleann.index.build.make_sample import make_sample
from gleann.index.build.sample import Sample, draw_queries
from gleann.index.build.tune import measure_forms
from gleann.index.checks import as_vectors
from gleann.index.codes import Encoding, fit_center
from gleann.index.errors import InvalidParamsError
from gleann.index.lists import InvertedLists, invert
from gleann.index.metric import prepare
from gleann.index.params import BuildParams, Metric
from gleann.index.progress import Progress, Report
from gleann.index.projection import fit_projection
from gleann.index.storage.packing import Header
from gleann.index.training import Training

FITTING = 4
"""Every so manieth sample query that is given fits the axes of a projection."""

LEAST_FITTING = 8
"""Fewer sample queries all measure recall, and rows fit the axes."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Arranged:
    """The result of these phases: lists, encoding and measured header.

    Attributes:
        centroids: float32 (nlist, d).
        lists: the inverted lists, primary and spilled entries.
        encoding: the encoding of the rows.
        header: the parameters, with "auto" spilling resolved, and the measurements.
    """

    centroids: Vectors
    lists: InvertedLists
    encoding: Encoding
    header: Header


def auto_nlist(n: int) -> int:
    """Default number of lists for n rows: 4 sqrt(n), at most n / 64.

    `index/DECISIONS.md` 2 has the entries read for other choices.
    """
    return max(1, min(round(4 * n**0.5), n // 64))


def resolve_nlist(params: BuildParams, n: int) -> int:
    """The number of lists for n rows.

    Raises:
        InvalidParamsError: more lists than rows.
    """
    if params.nlist == "auto":
        return auto_nlist(n)
    if params.nlist > n:
        raise InvalidParamsError(f"nlist is {params.nlist}, but there are {n} rows")
    return params.nlist


def require_narrower(params: BuildParams, dim: int) -> None:
    """Refuse a projection of rows of `dim` dimensions to more.

    Raises:
        InvalidParamsError: with both numbers.
    """
    if params.projection is not None and params.projection > dim:
        raise InvalidParamsError(
            f"projection is {params.projection}, and rows have {dim} dimensions"
        )


def arrange(
    rows: RowMatrix,
    params: BuildParams,
    *,
    queries: Vectors | None,
    report: Report,
    kernels: BuildKernels,
    centroids: Vectors | None = None,
) -> Arranged:
    """Assign prepared rows (n, d) to lists and measure the cost of searching them.

    Memory: the training sample, the lists and about 30 bytes a row; `rows` may be
    memory-mapped.

    Args:
        rows: (n, d), prepared.
        params: the build parameters.
        queries: prepared sample queries (m, d); None draws from the rows.
        report: called with the progress of each phase.
        kernels: the numeric kernels of the build.
        centroids: (nlist, d), trained before on the same rows; None trains them.
    """
    nlist = resolve_nlist(params, len(rows))
    fitting, queries = _apart(queries, params)
    asking = draw_queries(rows, params, nlist=nlist, queries=queries)
    kept_out = None if asking is None else asking.own
    encoding = _encoding(rows, params, queries=fitting, kept_out=kept_out)
    shift = encoding.center if encoding.is_centred else None
    if centroids is None:
        centroids = _train(
            rows, nlist, params, report, kernels, shift, kept_out=kept_out
        )
    primary, secondary, distortion = _assign(
        rows, centroids, params, report, kernels, shift
    )
    sample = None
    if asking is not None:
        sample = make_sample(
            rows,
            centroids,
            params,
            encoding=encoding,
            queries=asking,
            progress=lambda done, total: report(
                Progress(phase="tune", done=done, total=total)
            ),
            kernels=kernels,
        )
        encoding = sample.encoding
    decided = replace(params, codes=encoding.kind)
    header, secondary = _judge(sample, primary, secondary, decided)
    if sample is not None:
        efforts = measure_efforts(sample, primary, secondary, header.points)
        header = replace(header, efforts=efforts)
    trained = Training(rows=len(rows), distortion=distortion, kept=len(rows))
    return Arranged(
        centroids=centroids,
        lists=invert(primary, secondary, nlist=nlist),
        encoding=encoding,
        header=replace(header, training=trained),
    )


def as_sample(queries: ArrayLike | None, dim: int, metric: Metric) -> Vectors | None:
    """Check and prepare sample queries (m, dim), if any were given.

    Raises:
        InvalidInputError: as for the queries of a search.
    """
    if queries is None:
        return None
    checked = as_vectors(queries, name="queries", dim=dim)
    return prepare(checked, metric, name="queries")


def _apart(
    queries: Vectors | None, params: BuildParams
) -> tuple[Vectors | None, Vectors | None]:
    """Queries (m, d) that axes are fitted to, and others, which measure recall.

    Recall of the former would be better than that of any other query.
    """
    if queries is None or params.projection is None or len(queries) < LEAST_FITTING:
        return None, queries
    fitted = np.arange(len(queries)) % FITTING == 0
    return queries[fitted], queries[~fitted]


def _encoding(
    rows: RowMatrix,
    params: BuildParams,
    *,
    queries: Vectors | None,
    kept_out: Rows | None,
) -> Encoding:
    """The encoding of prepared rows (n, d), perhaps of their projection."""
    center = fit_center(rows, params.metric, seed=params.seed)
    projection = None
    if params.projection is not None:
        projection = fit_projection(
            rows,
            center,
            params.projection,
            queries=queries,
            left_out=kept_out,
            seed=params.seed,
        )
    return Encoding(
        metric=params.metric,
        kind="float32" if params.codes == "float32" else "int8",
        center=center,
        projection=projection,
    )


def _judge(
    sample: Sample | None, primary: ListNos, secondary: ListNos, params: BuildParams
) -> tuple[Header, ListNos]:
    """The header computed from the sample, and the second lists that are kept."""
    if sample is None:
        return Header(params=replace(params, spill=params.assumed_spill)), secondary
    if params.spill != "auto":
        measured, plain = measure_forms(sample, primary, secondary)
        spilled = bool((secondary >= 0).any())
        header = Header(params=params, points=measured.points, pools=measured.pools)
        return replace(
            header, primary_points=plain.points if spilled else ()
        ), secondary
    verdict, measured, plain = choose_spill(
        sample, primary, secondary, target_recall=params.target_recall
    )
    header = Header(params=replace(params, spill=verdict.chosen), spill_report=verdict)
    if verdict.chosen == "none":
        none = np.full_like(secondary, -1)
        return replace(header, points=plain.points, pools=plain.pools), none
    header = replace(header, points=measured.points, pools=measured.pools)
    return replace(header, primary_points=plain.points), secondary


def _train(  # noqa: PLR0913  what is trained on, and how
    rows: RowMatrix,
    nlist: int,
    params: BuildParams,
    report: Report,
    kernels: BuildKernels,
    shift: Vectors | None,
    *,
    kept_out: Rows | None,
) -> Vectors:
    rounds = params.kmeans_iterations
    return train_centroids(
        rows,
        nlist=nlist,
        metric=params.metric,
        iterations=rounds,
        seed=params.seed,
        progress=lambda done: report(Progress(phase="train", done=done, total=rounds)),
        kernels=kernels,
        center=shift,
        kept_out=kept_out,
    )


def _assign(
    rows: RowMatrix,
    centroids: Vectors,
    params: BuildParams,
    report: Report,
    kernels: BuildKernels,
    shift: Vectors | None,
) -> tuple[ListNos, ListNos, float]:
    """First and second list of each row, and the mean distortion of all."""
    primary = np.empty(len(rows), np.int32)
    secondary = np.empty(len(rows), np.int32)
    distortion = 0.0
    assigned = kernels.assign_blocks(rows, centroids, params=params, center=shift)
    for block, first, second in assigned:
        primary[block], secondary[block] = first, second
        distortion += kernels.distortion(rows, block, centroids, first)
        report(Progress(phase="assign", done=block.stop, total=len(rows)))
    # Rounded: blocks of other sizes add up to another last digit.
    return primary, secondary, float(np.float32(distortion / len(rows)))
