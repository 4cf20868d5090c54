"""The query strategy of a session: made from a seed of labels, or from saved state."""

from collections.abc import Hashable
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from gleann.index.arrays import Rows, Vectors
from gleann.index.errors import DimensionMismatchError, InvalidParamsError
from gleann.selection.active.labels import Labels
from gleann.selection.active.models.base import ProbabilityModel
from gleann.selection.active.models.classifier import Classifier, make_classifier
from gleann.selection.active.models.given import GivenProbabilities
from gleann.selection.active.models.graph import PropagatedLabels
from gleann.selection.active.models.trained import TrainedModel
from gleann.selection.active.params import ActiveParams
from gleann.selection.active.pools.anchors import AnchorPool, OpenNeighbours
from gleann.selection.active.pools.base import Pool
from gleann.selection.active.pools.choice import PoolChoice, choose_pool
from gleann.selection.active.pools.classifier import ClassifierPool, Searcher
from gleann.selection.active.pools.global_pool import GlobalPool
from gleann.selection.active.pools.seals import SealsPool
from gleann.selection.active.query.strategy import QueryStrategy
from gleann.selection.active.questions import Questions
from gleann.selection.among import Among
from gleann.selection.neighbours import Neighbours, neighbours_among
from gleann.selection.saved import Saved, rebuilding

_SOURCES = {"given": "probabilities", "graph": "neighbours"}
"""What models without a classifier take instead."""


def make_pool(
    params: ActiveParams,
    vectors: Vectors,
    neighbours: Neighbours | None,
    *,
    among: Among | None = None,
) -> Pool:
    """The pool that `params` name, still empty; "auto" was replaced before.

    Rows that are not `among` the allowed ones are closed in it, and its searches leave
    them out.

    Raises:
        InvalidParamsError: no neighbours, or none of the kind that the pool needs.
        DimensionMismatchError: neighbours of other rows than the vectors.
    """
    if params.pool in ("global", "random"):
        return GlobalPool(len(vectors), among=among)
    if neighbours is None:
        raise InvalidParamsError(f"the pool {params.pool!r} needs neighbours, got None")
    if len(neighbours) != len(vectors):
        raise DimensionMismatchError(
            f"neighbours are of {len(neighbours)} rows, vectors of {len(vectors)}"
        )
    if among is not None:
        neighbours = neighbours_among(neighbours, among)
    pool = _near(params, vectors, neighbours)
    if among is not None:
        pool.close(np.flatnonzero(~among.mask))
    return pool


def _near(params: ActiveParams, vectors: Vectors, neighbours: Neighbours) -> Pool:
    if params.pool == "seals":
        return SealsPool(neighbours, k=_neighbours(params, neighbours))
    if params.pool == "anchors":
        return _anchors(params, vectors, neighbours)
    return _classifier(params, neighbours)


def make_model(
    params: ActiveParams,
    vectors: Vectors,
    questions: Questions,
    *,
    neighbours: Neighbours | None,
    classifier: Classifier | None,
    among: Among | None = None,
) -> ProbabilityModel:
    """The probability model that `params` name.

    Raises:
        InvalidParamsError: a classifier where none is asked for, or the other way
            round; for the model "graph" no neighbours, fewer than it takes, or such
            that cannot be limited to the rows of `among`.
        DimensionMismatchError: neighbours of other rows than the vectors.
    """
    if params.model in _SOURCES and classifier is not None:
        raise InvalidParamsError(
            f"model {params.model!r} takes {_SOURCES[params.model]}, not a classifier;"
            f" got {type(classifier).__name__}"
        )
    if params.model == "given":
        return GivenProbabilities(questions)
    if params.model == "graph":
        if neighbours is None:
            raise InvalidParamsError("the model 'graph' needs neighbours, got None")
        if among is not None:
            neighbours = neighbours_among(neighbours, among)
        return PropagatedLabels(vectors, neighbours, questions, params)
    return TrainedModel(vectors, make_classifier(params, classifier), questions)


def make_strategy(  # noqa: PLR0913 (the parts of one strategy)
    params: ActiveParams,
    vectors: Vectors,
    questions: Questions,
    labels: Labels,
    *,
    choice: PoolChoice,
    neighbours: Neighbours | None,
    classifier: Classifier | None,
) -> QueryStrategy:
    """A strategy with the pool and the model that `params` name.

    Raises:
        As `make_pool` and `make_model`.
    """
    return QueryStrategy(
        params=params,
        pool_choice=choice,
        vectors=vectors,
        questions=questions,
        labels=labels,
        model=make_model(
            params,
            vectors,
            questions,
            neighbours=neighbours,
            classifier=classifier,
            among=labels.among,
        ),
        pool=make_pool(params, vectors, neighbours, among=labels.among),
    )


def seeded_strategy(  # noqa: PLR0913 (the parts of one strategy)
    vectors: Vectors,
    params: ActiveParams,
    *,
    rows: Rows,
    labels: ArrayLike,
    neighbours: Neighbours | None,
    classifier: Classifier | None,
    among: Among | None = None,
) -> QueryStrategy:
    """A strategy whose only labels are `labels` of the seed `rows` (m,).

    Raises:
        InvalidInputError: labels that cannot be used; a seed of one class, or without a
            positive where positives are sought.
        InvalidParamsError: no neighbours, or no classifier, where one is needed.
        DimensionMismatchError: lengths differ.
    """
    questions = Questions.of_seed(params, labels)
    answers = questions.answers(labels, n=len(rows))
    questions.check_seed(answers, params)
    seed = Labels(len(vectors), questions=questions.count, among=among)
    seed.add(rows, answers)
    choice = choose_pool(
        params,
        questions,
        rows=len(vectors if among is None else among),
        held=None if among is None else len(vectors),
        dim=vectors.shape[1],
        labelled=len(rows),
        neighbours=neighbours,
    )
    strategy = make_strategy(
        replace(params, pool=choice.pool),
        vectors,
        questions,
        seed,
        choice=choice,
        neighbours=neighbours,
        classifier=classifier,
    )
    strategy.pool.close(rows)
    strategy.pool.grow(rows)
    return strategy


def saved_strategy(
    state: Saved,
    vectors: Vectors,
    *,
    neighbours: Neighbours | None,
    classifier: Classifier | None,
    classes: tuple[Hashable, ...] | None = None,
) -> QueryStrategy:
    """A strategy with the labels of a session's `state`; its pool is still empty.

    Raises:
        CorruptDataError: a part that does not fit.
        InvalidParamsError: no neighbours, or no classifier, where one is needed.
    """
    params = state.params("params", ActiveParams)
    choice = PoolChoice.of_state(state, params)
    questions = Questions.of_state(state, params, classes)
    params = questions.stated_params(params)
    n = len(vectors)
    labels = Labels.of_state(
        state.part("ledger"),
        n=n,
        questions=questions,
        among=Among.of_state(state, n=n),
    )
    with rebuilding("ledger"):
        questions.check_seed(labels.answers, params)
    return make_strategy(
        params,
        vectors,
        questions,
        labels,
        choice=choice,
        neighbours=neighbours,
        classifier=classifier,
    )


def _anchors(
    params: ActiveParams, vectors: Vectors, neighbours: Neighbours
) -> AnchorPool:
    if not isinstance(neighbours, OpenNeighbours):
        raise _unable("anchors", "leave rows out", neighbours)
    return AnchorPool(
        neighbours,
        vectors,
        anchors=params.anchors,
        k=_neighbours(params, neighbours),
        size=params.subpool,
        seed=params.seed,
    )


def _classifier(params: ActiveParams, neighbours: Neighbours) -> ClassifierPool:
    if not isinstance(neighbours, Searcher):
        raise _unable("classifier", "search along weights", neighbours)
    # No fewer than a batch: else the pool could not hold what the global method picks.
    return ClassifierPool(
        neighbours,
        k=_neighbours(params, neighbours),
        favourites=min(params.batch, len(neighbours)),
    )


def _neighbours(params: ActiveParams, neighbours: Neighbours) -> int:
    """Neighbours per row, at most n - 1: tables are as wide as the request."""
    return min(params.neighbours, max(1, len(neighbours) - 1))


def _unable(pool: str, skill: str, neighbours: Neighbours) -> InvalidParamsError:
    return InvalidParamsError(
        f"the pool {pool!r} needs neighbours that {skill}, such as IndexNeighbours;"
        f" got {type(neighbours).__name__}, with which 'seals' works"
    )
