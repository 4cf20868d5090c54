"""The pools and the judges by name."""

from gleann.index.arrays import Vectors
from gleann.index.errors import DimensionMismatchError, InvalidParamsError
from gleann.selection.active.anchors import AnchorPool, OpenNeighbours
from gleann.selection.active.classifier_query import ClassifierPool, Searcher
from gleann.selection.active.everything import GlobalPool
from gleann.selection.active.given import Given
from gleann.selection.active.judges import Judge
from gleann.selection.active.ledger import Ledger
from gleann.selection.active.model import Classifier, make_classifier
from gleann.selection.active.params import ActiveParams
from gleann.selection.active.picker import Picker
from gleann.selection.active.pools import Pool
from gleann.selection.active.questions import Questions
from gleann.selection.active.seals import SealsPool
from gleann.selection.active.trained import Trained
from gleann.selection.neighbours import Neighbours


def make_pool(
    params: ActiveParams, vectors: Vectors, neighbours: Neighbours | None
) -> Pool:
    """The pool that `params` name, empty as yet.

    Raises:
        InvalidParamsError: it needs neighbours, or such as can do more.
        DimensionMismatchError: neighbours of other rows than the vectors.
    """
    if params.pool in ("global", "random"):
        return GlobalPool(len(vectors))
    if neighbours is None:
        raise InvalidParamsError(f"the pool {params.pool!r} needs neighbours, got None")
    if len(neighbours) != len(vectors):
        raise DimensionMismatchError(
            f"neighbours are of {len(neighbours)} rows, vectors of {len(vectors)}"
        )
    if params.pool == "seals":
        return SealsPool(neighbours, k=_neighbours(params, neighbours))
    if params.pool == "anchors":
        return _anchors(params, vectors, neighbours)
    return _classifier(params, neighbours)


def make_judge(
    params: ActiveParams,
    vectors: Vectors,
    questions: Questions,
    classifier: Classifier | None,
) -> Judge:
    """The judge that `params` name.

    Raises:
        InvalidParamsError: a classifier where none is asked for, or the other way
            round.
    """
    if params.model == "given":
        if classifier is not None:
            raise InvalidParamsError(
                "model 'given' takes probabilities, not a classifier; got"
                f" {type(classifier).__name__}"
            )
        return Given(questions)
    return Trained(vectors, make_classifier(params, classifier), questions)


def make_picker(
    params: ActiveParams,
    vectors: Vectors,
    questions: Questions,
    ledger: Ledger,
    *,
    neighbours: Neighbours | None,
    classifier: Classifier | None,
) -> Picker:
    """A picker with the pool and the judge that `params` name.

    Raises:
        As `make_pool` and `make_judge`.
    """
    return Picker(
        params=params,
        vectors=vectors,
        questions=questions,
        ledger=ledger,
        judge=make_judge(params, vectors, questions, classifier),
        pool=make_pool(params, vectors, neighbours),
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
    """No more than there are: tables are as wide as what is asked for."""
    return min(params.neighbours, max(1, len(neighbours) - 1))


def _unable(pool: str, skill: str, neighbours: Neighbours) -> InvalidParamsError:
    return InvalidParamsError(
        f"the pool {pool!r} needs neighbours that {skill}, such as IndexNeighbours;"
        f" got {type(neighbours).__name__}, with which 'seals' works"
    )
