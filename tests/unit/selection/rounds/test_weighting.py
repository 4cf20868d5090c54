"""The weight of weighted k-center is the best on held-out labelled rows."""

from dataclasses import replace

import numpy as np
import pytest

from gleann.selection.coreset import Problem, methods
from gleann.selection.rounds import RoundsParams
from gleann.selection.rounds.model import TrainedModel
from gleann.selection.rounds.situation import Situation
from gleann.selection.rounds.weighting import (
    WeightChoice,
    choose_weight,
    mean_distance,
)
from gleann.selection.uncertainty import margin_costs

WEIGHTS = (0.0, 0.2, 5.0)


def situation(m=60, seed=3, classes=3):
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=150)
    centres = 1.5 * rng.normal(size=(classes, 4))
    vectors = (centres[labels] + rng.normal(size=(150, 4))).astype(np.float32)
    params = RoundsParams(picker="weighted_k_center", weights=WEIGHTS, splits=2)
    labelled = np.arange(m)
    return Situation(
        params=params,
        vectors=vectors,
        labelled=labelled,
        labels=labels[:m],
        model=TrainedModel(params, vectors[:m], labels[:m]),
        clusters=None,
        k=10,
        seed=11,
    )


def by_hand(at):
    """The accuracies as the docstring has them, without the session's own parts."""
    table = []
    for split in range(2):
        order = np.random.default_rng([at.seed, split]).permutation(60)
        held, known, spare = np.split(at.labelled[order], [15, 15 + 22])
        model = TrainedModel(at.params, at.vectors[known], at.labels[known])
        inner = np.concatenate([known, spare])
        costs = margin_costs(model.probabilities(at.vectors[inner]))
        line = []
        for weight in WEIGHTS:
            problem = Problem.of(
                at.vectors[inner],
                k=len(spare) // 2,
                costs=np.minimum(costs, 1),
                cost_weight=weight * mean_distance(at.vectors[inner], seed=0),
                cost_on="mean",
                locked=np.arange(22),
            )
            chosen = inner[methods.weighted_k_center(problem).rows]
            taken = np.concatenate([known, chosen])
            after = TrainedModel(at.params, at.vectors[taken], at.labels[taken])
            line.append(after.accuracy(at.vectors[held], at.labels[held]))
        table.append(line)
    return np.mean(table, axis=0)


def test_the_weight_is_the_best_on_held_out_rows():
    at = situation()
    expected = by_hand(at)
    found = choose_weight(at)
    np.testing.assert_allclose(found.accuracies, expected)
    assert found.weight == WEIGHTS[int(expected.argmax())]
    assert len(set(found.accuracies)) > 1, "the case compares nothing"


def test_few_labels_choose_the_middle():
    assert choose_weight(situation(m=23)) == WeightChoice(weight=0.2, accuracies=())


def test_a_single_weight_is_not_measured():
    at = situation()
    one = RoundsParams(picker="weighted_k_center", weights=(7.0,))
    assert choose_weight(replace(at, params=one)).accuracies == ()


@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_the_unit_is_the_mean_distance(scale):
    rows = scale * np.array([[0.0], [1.0]], np.float32)
    # Half of the pairs are of a row with itself.
    assert mean_distance(rows, seed=0) == pytest.approx(scale / 2, rel=0.1)
    assert mean_distance(np.ones((5, 2), np.float32), seed=0) == 1.0
