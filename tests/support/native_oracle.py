"""The native engine's search in plain NumPy, and small indexes to try it on."""

from dataclasses import dataclass, replace

import numpy as np

from gleann.index.codes import Encoding
from gleann.index.engines.contract import IndexData, ScanRequest
from gleann.index.lists import invert
from gleann.index.metric import pair_distances, prepare


def make_data(metric, *, n, d, nlist, seed=0, spill=True, kind="int8", offset=0.0):
    """A small index with random lists, of which the last is empty if there are two."""
    rng = np.random.default_rng(seed)
    given = rng.standard_normal((n, d)) + offset
    vectors = prepare(given.astype(np.float32), metric)
    used = max(nlist - 1, 1)
    primary = rng.integers(0, used, n).astype(np.int32)
    secondary = rng.integers(0, used, n).astype(np.int32)
    secondary[(secondary == primary) | (rng.random(n) < 0.3)] = -1
    if not spill:
        secondary[:] = -1
    center = np.full(d, offset, np.float32)
    if metric == "cosine" and offset:
        center = vectors.mean(axis=0)
    encoding = Encoding(metric=metric, kind=kind, center=center)
    return data_of(metric, vectors, primary, secondary, nlist=nlist, encoding=encoding)


def data_of(metric, vectors, primary, secondary, *, nlist, seed=0, encoding=None):
    rng = np.random.default_rng(seed)
    encoding = encoding or Encoding.uncentred(metric, vectors.shape[1])
    centroids = rng.standard_normal((nlist, vectors.shape[1])).astype(np.float32)
    centroids += encoding.center
    return IndexData(
        encoding=encoding,
        centroids=centroids,
        lists=invert(primary, secondary, nlist=nlist),
        codes=encoding.encode(vectors),
        vectors=vectors,
    )


def make_queries(data, nq, *, seed=1):
    rng = np.random.default_rng(seed)
    d = data.vectors.shape[1]
    given = rng.standard_normal((nq, d)).astype(np.float32)
    if data.encoding.is_centred:
        scale = np.abs(data.encoding.centred(data.vectors)).mean()
        given = given * scale + data.encoding.center
    return prepare(given, data.metric)


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
    """Per query: distinct allowed rows, the best `pool` by codes, the best k."""
    rows = np.full((len(queries), request.k), -1, np.int64)
    distances = np.full((len(queries), request.k), np.inf, np.float32)
    entries = pooled = 0
    for q, probed in enumerate(list_nos):
        read = probed_rows(data, probed[probed >= 0], request.segments)
        entries += len(read)
        candidates = np.unique(read)
        if request.allowed is not None:
            candidates = candidates[request.allowed[candidates]]
        coded = data.codes[candidates]
        scores = data.encoding.scan_scores(queries[q : q + 1], coded)[0]
        pool = candidates[np.lexsort((candidates, -scores))[: request.rerank]]
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


def with_vectors(data, vectors):
    return replace(data, vectors=vectors)
