"""Ranks the lists of an index in shards, which all of its shards have."""

import numpy as np

from gleann.index.arrays import Vectors
from gleann.index.codes import Encoding
from gleann.index.engines.choose import make_engine
from gleann.index.engines.contract import Engine, IndexData
from gleann.index.lists import invert


def list_ranker(centroids: Vectors, encoding: Encoding, *, threads: int = 0) -> Engine:
    """An engine that ranks lists, and has but one row to scan.

    All engines rank alike, so it is the fastest one, whatever the shards have.

    Args:
        centroids: (nlist, d).
        encoding: of the index.
        threads: 0 for all cores.
    """
    row = np.zeros((1, centroids.shape[1]), np.float32)
    first, no_copy = np.zeros(1, np.int32), np.full(1, -1, np.int32)
    data = IndexData(
        encoding=encoding,
        centroids=centroids,
        lists=invert(first, no_copy, nlist=len(centroids)),
        codes=encoding.encode(row),
        vectors=row,
    )
    return make_engine(data, threads=threads)
