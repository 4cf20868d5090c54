"""Rows near to each other, and keep-first of them in a loop."""

import numpy as np

from gleann.index import BuildParams, SoarIndex
from gleann.index.metric import pair_distances


def build(rows, metric="l2", *, ids=None, payload=None, **params):
    chosen = BuildParams(metric=metric, tune_queries=0, seed=3, **params)
    return SoarIndex.build(rows, chosen, ids=ids, payload=payload)


def made(clustered, n=240, d=6, *, seed=0):
    """Clusters, rows that are equal many times, and rows a little moved."""
    rng = np.random.default_rng(seed)
    rows = clustered(n, d, seed=seed)
    rows[n // 2 : n // 2 + 25] = rows[0]
    copies = rng.choice(n, 60)
    rows[-60:] = rows[copies] + 0.02 * rng.normal(size=(60, d)).astype(np.float32)
    return rows


def medium(index):
    """A radius within which a row has some others."""
    rows = index.vectors
    near = np.sort(pair_distances(rows[:40], np.stack([rows] * 40), index.metric))
    return float(near[:, 12].mean())


def naive(vectors, ids, radius, metric, keys=None, outside=None):
    """Keep-first in a loop: the kept ids, and {id: (of, distance)} of the others."""
    order = np.argsort(ids, kind="stable")
    if keys is not None:
        order = order[np.argsort(-np.asarray(keys)[order], kind="stable")]
    apart = np.stack(
        [pair_distances(row[None], vectors[None], metric)[0] for row in vectors]
    )
    limit = np.float32(radius)
    blocked = np.zeros(len(vectors), bool)
    if outside is not None:
        beyond = np.stack(
            [pair_distances(row[None], outside[None], metric)[0] for row in vectors]
        )
        blocked = (beyond <= limit).any(axis=1)
    kept = []
    for row in order:
        if not blocked[row] and not (apart[row, kept] <= limit).any():
            kept.append(row)
    dropped = {}
    for row in set(range(len(vectors))) - set(kept):
        near = apart[row, kept]
        best = int(np.argmin(near)) if kept else -1
        if outside is not None and blocked[row]:
            least = beyond[row].min()
            if not kept or least <= near[best]:
                dropped[ids[row]] = ("outside", int(beyond[row].argmin()))
                continue
        dropped[ids[row]] = (ids[kept[best]], float(near[best]))
    return [ids[row] for row in kept], dropped
