"""The weight of margins in weighted k-center, chosen on the labelled rows."""

from dataclasses import dataclass, replace

import numpy as np

from gleann.index.arrays import Rows, Vectors
from gleann.selection.coreset import methods
from gleann.selection.rounds.model import TrainedModel
from gleann.selection.rounds.situation import Situation

FEWEST = 24
"""Labels below which no weight is chosen."""

HELD_OUT = 4
"""One labelled row of so many is held out."""

PAIRS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightChoice:
    """A weight, and what it was chosen by.

    Attributes:
        weight: of the mean margin, in mean distances of two rows.
        accuracies: held-out accuracy with each weight of the grid, mean over the
            splits; empty where none was measured.
    """

    weight: float
    accuracies: tuple[float, ...]


def mean_distance(vectors: Vectors, *, seed: int) -> float:
    """Mean plain L2 distance of 1,000 random pairs of rows; 1 where it is 0."""
    pairs = np.random.default_rng(seed).integers(len(vectors), size=(2, PAIRS))
    apart = vectors[pairs[0]].astype(np.float64) - vectors[pairs[1]]
    return float(np.sqrt(np.square(apart).sum(axis=1)).mean()) or 1.0


def choose_weight(situation: Situation) -> WeightChoice:
    """Choose the weight that would have served best among the labelled rows.

    A quarter of the labelled rows is held out, half of the others count as labelled,
    and half of the rest is picked with each weight. The model of what then is labelled
    is judged on the held-out rows. The best mean over the splits wins, the smaller
    weight of equals. The labelled rows are those of earlier rounds, not a random draw:
    the accuracies compare weights and estimate nothing else.

    With fewer than 24 labels, or where no split has two classes, it is the middle
    weight of the grid.
    """
    weights = situation.params.weights
    middle = WeightChoice(weight=weights[len(weights) // 2], accuracies=())
    if len(weights) == 1 or len(situation.labelled) < FEWEST:
        return middle
    measured = [
        accuracies
        for split in range(situation.params.splits)
        if (accuracies := _accuracies(situation, split)) is not None
    ]
    if not measured:
        return middle
    means = np.mean(measured, axis=0)
    return WeightChoice(
        weight=weights[int(means.argmax())], accuracies=tuple(means.tolist())
    )


def pick_weighted(situation: Situation, weight: float) -> tuple[Rows, str]:
    """Rows of weighted k-center with a weight, and the candidate set that won."""
    scale = mean_distance(situation.vectors, seed=situation.params.seed)
    chosen = methods.weighted_k_center(
        situation.problem(cost_weight=weight * scale),
        eps=situation.params.eps,
        progress=situation.progress,
    )
    return chosen.rows, chosen.method


def _accuracies(situation: Situation, split: int) -> list[float] | None:
    """Held-out accuracy with each weight; None where the split has one class only."""
    rng = np.random.default_rng([situation.seed, split])
    order = rng.permutation(len(situation.labelled))
    rows, labels = situation.labelled[order], situation.labels[order]
    held = len(rows) // HELD_OUT
    base = (len(rows) - held) // 2
    known, spare = rows[held : held + base], rows[held + base :]
    known_labels = labels[held : held + base]
    if len(np.unique(known_labels)) < 2:
        return None
    model = TrainedModel(situation.params, situation.vectors[known], known_labels)
    inner = replace(
        situation,
        vectors=situation.vectors[np.concatenate([known, spare])],
        labelled=np.arange(base),
        labels=known_labels,
        model=model,
        k=len(spare) // 2,
        progress=None,
        given=None,
    )
    inside = labels[held:]
    return [
        _accuracy(inner, inside, weight, situation.vectors[rows[:held]], labels[:held])
        for weight in situation.params.weights
    ]


def _accuracy(
    inner: Situation, labels: Rows, weight: float, held: Vectors, held_labels: Rows
) -> float:
    """Accuracy on held-out rows after a batch picked with `weight`."""
    picked, _ = pick_weighted(inner, weight)
    taken = np.concatenate([inner.labelled, picked])
    model = TrainedModel(inner.params, inner.vectors[taken], labels[taken])
    return model.accuracy(held, held_labels)
