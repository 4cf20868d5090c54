"""An index, before newer rows come."""

import numpy as np
import pytest

from gleann.index import BuildParams, SoarIndex


@pytest.fixture(scope="module")
def built(request):
    cache = {}

    def build(metric="l2", *, codes="int8", spill="soar", n=700, d=37, nlist=17):
        key = metric, codes, spill, n, d, nlist
        if key not in cache:
            rng = np.random.default_rng(2)
            rows = rng.normal(size=(n, d)).astype(np.float32)
            params = BuildParams(
                metric=metric, nlist=nlist, codes=codes, spill=spill, tune_queries=0
            )
            cache[key] = SoarIndex.build(rows, params)
        return cache[key]

    return build
