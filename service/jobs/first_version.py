"""The first sealed version of an index that nobody has built yet: one list.

It costs a pass over the rows instead of a training, and a search of its codes is many
times faster than one of the rows. The next build or the optimizer trains its lists.
"""

from dataclasses import replace

from gleann.index import BuildParams
from gleann.index.params import Metric

TUNE_QUERIES = 64
"""Enough to decide on the codes, and to know the recall (`service/DECISIONS.md` 40)."""


def first_params(metric: Metric) -> BuildParams:
    """The build parameters of a version with one list."""
    return BuildParams(
        metric=metric,
        nlist=1,
        spill="none",
        kmeans_iterations=1,
        tune_queries=TUNE_QUERIES,
    )


def is_first_version(params: BuildParams) -> bool:
    """Whether the parameters of a sealed version are those of `first_params`."""
    return replace(params, codes="auto") == first_params(params.metric)
