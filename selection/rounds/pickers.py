"""The pickers by name: each picks the rows of one round."""

from collections.abc import Callable
from math import ceil

import numpy as np

from gleann.selection.coreset import methods
from gleann.selection.rounds.badge import Gradients, k_means_plus_plus
from gleann.selection.rounds.cluster_margin import round_robin
from gleann.selection.rounds.graph_margin import propagated_margins
from gleann.selection.rounds.situation import NO_MODEL, Picked, Situation
from gleann.selection.rounds.weighting import choose_weight, pick_weighted
from gleann.selection.uniform import uniform_rows

Picker = Callable[[Situation], Picked]
"""Picks k rows that are not labelled."""


def pick(situation: Situation) -> Picked:
    """The rows of one round, by the picker of the session's parameters.

    Pickers that need a model draw at random while the labels have fewer than two
    classes.
    """
    name = situation.params.picker
    if _lacks_model(situation):
        drawn = _random(situation)
        return Picked(rows=drawn.rows, method="random", note=NO_MODEL)
    return PICKERS[name](situation)


def _lacks_model(situation: Situation) -> bool:
    """Whether the picker needs more than there is: probabilities, or two classes."""
    name = situation.params.picker
    if name == "graph_margin":
        return len(np.unique(situation.labels)) < 2
    return name not in _WITHOUT_MODEL and not situation.predicted


def _random(situation: Situation) -> Picked:
    """Draw k rows, each set of k equally likely."""
    rows = uniform_rows(
        len(situation.vectors),
        k=situation.k,
        seed=situation.seed,
        excluded=situation.labelled,
    )
    return Picked(rows=rows, method="random")


def _margin(situation: Situation) -> Picked:
    """The k rows of smallest margin, ties by lower row."""
    rows = situation.problem().by_cost()[: situation.k]
    return Picked(rows=rows, method="margin")


def _farthest_first(situation: Situation) -> Picked:
    """Farthest-first traversal from the labelled rows."""
    chosen = methods.farthest_first(
        situation.problem(), seed=situation.seed, progress=situation.progress
    )
    return Picked(rows=chosen.rows, method=chosen.method)


def _weighted_k_center(situation: Situation) -> Picked:
    """Weighted k-center with a weight chosen on the labelled rows."""
    choice = choose_weight(situation)
    rows, method = pick_weighted(situation, choice.weight)
    note = ""
    if method in _RIVALS:
        note = f"weight {choice.weight:g} makes this round {_RIVALS[method]}"
    return Picked(rows=rows, method=method, weight=choice.weight, note=note)


def _gist(situation: Situation) -> Picked:
    """GIST: mean utility 1 - margin plus `diversity` * least distance."""
    chosen = methods.gist(
        situation.problem(),
        diversity=situation.params.diversity * situation.k,
        eps=situation.params.eps,
    )
    return Picked(rows=chosen.rows, method=chosen.method)


def _badge(situation: Situation) -> Picked:
    """k-means++ on last-layer gradients, then the smallest margins."""
    candidates = situation.open_rows
    vectors = situation.vectors[candidates]
    gradients = Gradients(situation.residuals(candidates), vectors)
    rng = np.random.default_rng(situation.seed)
    rows = candidates[k_means_plus_plus(gradients, k=situation.k, rng=rng)]
    # Fewer than k gradients are distinct: the most uncertain of the others follow.
    by_cost = situation.problem().by_cost()
    spare = by_cost[~np.isin(by_cost, rows)][: situation.k - len(rows)]
    return Picked(rows=np.concatenate([rows, spare]), method="badge")


def _cluster_margin(situation: Situation) -> Picked:
    """Of the smallest margins, one of each cluster in turn."""
    assert situation.clusters is not None, "the session clusters for this picker"
    wanted = ceil(situation.params.oversampling * situation.k)
    candidates = situation.problem().by_cost()[:wanted]
    rows = round_robin(
        candidates,
        situation.clusters[candidates],
        k=situation.k,
        rng=np.random.default_rng(situation.seed),
    )
    return Picked(rows=rows, method="cluster_margin")


def _graph_margin(situation: Situation) -> Picked:
    """The k rows of smallest margin by propagated labels, ties by lower row."""
    margins = propagated_margins(
        situation.vectors,
        situation.labelled,
        situation.labels,
        seed=situation.params.seed,
    )
    candidates = situation.open_rows
    order = np.argsort(margins[candidates], kind="stable")[: situation.k]
    return Picked(rows=candidates[order], method="graph_margin")


PICKERS: dict[str, Picker] = {
    "random": _random,
    "margin": _margin,
    "farthest_first": _farthest_first,
    "weighted_k_center": _weighted_k_center,
    "gist": _gist,
    "badge": _badge,
    "cluster_margin": _cluster_margin,
    "graph_margin": _graph_margin,
}
"""Every picker by its name in `RoundsParams`."""

_WITHOUT_MODEL = ("random", "farthest_first")

_RIVALS = {"margin": "margin sampling", "farthest_first": "farthest-first"}
"""Simple methods that the best-of rule of weighted k-center may end in."""
