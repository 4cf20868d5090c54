"""The native engine's search in plain NumPy, and small indexes to try it on."""

from dataclasses import dataclass, replace

import numpy as np

from gleann.index.codes import quantise
from gleann.index.engines.contract import IndexData, ScanRequest
from gleann.index.lists import invert
from gleann.index.metric import pair_distances, prepare


def make_data(metric, *, n, d, nlist, seed=0, spill=True):
    """A small index with random lists, of which the last is empty if there are two."""
    rng = np.random.default_rng(seed)
    vectors = prepare(rng.standard_normal((n, d)).astype(np.float32), metric)
    used = max(nlist - 1, 1)
    primary = rng.integers(0, used, n).astype(np.int32)
    secondary = rng.integers(0, used, n).astype(np.int32)
    secondary[(secondary == primary) | (rng.random(n) < 0.3)] = -1
    if not spill:
        secondary[:] = -1
    return data_of(metric, vectors, primary, secondary, nlist=nlist)


def data_of(metric, vectors, primary, secondary, *, nlist, seed=0):
    rng = np.random.default_rng(seed)
    centroids = rng.standard_normal((nlist, vectors.shape[1])).astype(np.float32)
    return IndexData(
        metric=metric,
        centroids=centroids,
        lists=invert(primary, secondary, nlist=nlist),
        codes=quantise(vectors),
        vectors=vectors,
    )


def make_queries(data, nq, *, seed=1):
    rng = np.random.default_rng(seed)
    d = data.vectors.shape[1]
    return prepare(rng.standard_normal((nq, d)).astype(np.float32), data.metric)


def probe_some(data, nq, nprobe, *, seed=2, gaps=True):
    """Distinct random lists for each query, with -1 here and there."""
    rng = np.random.default_rng(seed)
    nlist = len(data.centroids)
    probes = np.array([rng.permutation(nlist)[:nprobe] for _ in range(nq)])
    probes = probes.reshape(nq, nprobe).astype(np.int32)
    if gaps:
        probes[rng.random(probes.shape) < 0.1] = -1
    return probes


@dataclass(frozen=True)
class Expected:
    rows: np.ndarray
    distances: np.ndarray
    entries: int
    pooled: int


def search(data, queries, list_nos, request: ScanRequest) -> Expected:
    """Per query: distinct allowed rows, the best `pool` by int8 score, the best k."""
    codes = quantise(queries)
    rows = np.full((len(queries), request.k), -1, np.int64)
    distances = np.full((len(queries), request.k), np.inf, np.float32)
    entries = pooled = 0
    for q, probed in enumerate(list_nos):
        read = probed_rows(data, probed[probed >= 0], request.segments)
        entries += len(read)
        candidates = np.unique(read)
        if request.allowed is not None:
            candidates = candidates[request.allowed[candidates]]
        scores = int8_scores(data, codes.values[q], codes.scales[q], candidates)
        pool = candidates[np.lexsort((candidates, -scores))[: request.pool]]
        pooled += len(pool)
        near = pair_distances(
            queries[q : q + 1], data.vectors[pool][None], data.metric
        )[0]
        order = np.lexsort((pool, near))[: request.k]
        rows[q, : len(order)] = pool[order]
        distances[q, : len(order)] = near[order]
    return Expected(rows, distances, entries, pooled)


def probed_rows(data, probed, segments):
    lists = data.lists
    ends = lists.offsets[1:] if segments == "both" else lists.mids
    parts = [lists.rows[lists.offsets[j] : ends[j]] for j in probed]
    return np.concatenate([np.empty(0, np.int32), *parts])


def int8_scores(data, code, scale, rows):
    """In float32, in the order of operations of the kernels."""
    values = data.codes.values[rows].astype(np.int64)
    scales = data.codes.scales[rows]
    scores = (values @ code.astype(np.int64)).astype(np.float32) * scales
    if data.metric != "l2":
        return scores
    norms = scales.astype(np.float64) ** 2 * (values * values).sum(axis=1)
    return scores * (np.float32(2) * scale) - norms.astype(np.float32)


def with_vectors(data, vectors):
    return replace(data, vectors=vectors)
