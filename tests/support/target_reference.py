"""Selection for targets, as the papers define it: full matrices and plain loops."""

import numpy as np


def distances_of(targets, vectors, metric):
    """Float32 (m, n) distances, each computed by itself in float64."""
    x, q = np.asarray(vectors, np.float64), np.asarray(targets, np.float64)
    if metric == "ip":
        return -np.einsum("qd,nd->qn", q, x).astype(np.float32)
    apart = x[None] - q[:, None]
    squares = np.einsum("qnd,qnd->qn", apart, apart)
    return (squares / (2 if metric == "cosine" else 1)).astype(np.float32)


def orders_of(distances, ids):
    """Rows (m, n) of each target, nearest first, ties by id."""
    places = np.argsort(np.argsort(ids, kind="stable"), kind="stable")
    return np.array([np.lexsort((places, one)) for one in distances])


def brute_round_robin(
    distances, ids, *, tasks, budget, is_open, groups=None, caps=None
):
    """(row, task) in the order of turns; every task's row is nearest to any target."""
    names = sorted(set(tasks))
    best = np.array([distances[np.array(tasks) == name].min(axis=0) for name in names])
    orders = orders_of(best, ids)
    room = dict(caps or {})
    taken, picks = ~np.array(is_open), []
    while len(picks) < budget:
        before = len(picks)
        for task, order in zip(names, orders, strict=True):
            for row in order:
                if taken[row] or (groups is not None and room[groups[row]] == 0):
                    continue
                taken[row] = True
                if groups is not None:
                    room[groups[row]] -= 1
                picks.append((int(row), task))
                break
            if len(picks) == budget:
                break
        if len(picks) == before:
            break
    return picks


def brute_best_rank(distances, ids, *, budget, is_open):
    """Rows by the best rank that any target gives them, ties by id."""
    rows = np.flatnonzero(is_open)
    orders = orders_of(distances[:, rows], np.asarray(ids)[rows])
    ranks = np.argsort(orders, axis=1).min(axis=0) + 1
    places = np.argsort(np.argsort(np.asarray(ids)[rows], kind="stable"), kind="stable")
    order = np.lexsort((places, ranks))[:budget]
    return rows[order], ranks[order]
