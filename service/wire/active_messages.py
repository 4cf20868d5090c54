"""Conversion of active-learning messages and values."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.errors import (
    DimensionMismatchError,
    InvalidInputError,
    InvalidParamsError,
    NotReadyError,
)
from gleann.index.ids.held import joined_ids, own_ids
from gleann.service.scores import ScorePage, Scores
from gleann.service.values import Labels
from gleann.service.wire.arrays import (
    float64s_of,
    float64s_to_wire,
    ids_of,
    ids_to_wire,
    labels_of,
    labels_to_wire,
)
from gleann.service.wire.fields import fill, given
from gleann.service.wire.page_tokens import next_token
from gleann.v1 import active_pb2

if TYPE_CHECKING:
    from gleann.selection.active import ActiveParams, Coverage, StopAdvice


def active_params_to_wire(
    params: "ActiveParams | None",
) -> active_pb2.ActiveParams | None:
    """Pack session parameters, if any.

    Raises:
        InvalidParamsError: a classifier object, which cannot be sent.
    """
    if params is None:
        return None
    values = asdict(params)
    if params.model == "own":
        raise InvalidParamsError(
            "a classifier does not travel: a session of the service trains"
            " 'logistic_regression' or takes the probabilities of model 'given';"
            " got model 'own'"
        )
    message = active_pb2.ActiveParams()
    fill(message, classifier_to_wire(values))
    return message


def classifier_to_wire(params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of a session with those of scikit-learn under the message's names."""
    values = dict(params)
    values["c"] = values.pop("C")
    values["balanced"] = values.pop("class_weight") == "balanced"
    return values


def classifier_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a message with those of a classifier under scikit-learn's names."""
    params = dict(values)
    if "c" in params:
        params["C"] = params.pop("c")
    if params.pop("balanced", False):
        params["class_weight"] = "balanced"
    return params


def active_params_of(message: active_pb2.ActiveParams) -> "ActiveParams":
    """Read session parameters.

    Raises:
        InvalidParamsError: a parameter out of its range.
    """
    from gleann.selection.active import ActiveParams

    return ActiveParams(**classifier_of(given(message)))


def answers_to_wire(labels: ArrayLike) -> bytes:
    """Pack labels (m,), or answers (m, q) to q concepts, in row-major order.

    Raises:
        InvalidInputError: not integers, or of another shape.
    """
    array = np.asarray(labels)
    return labels_to_wire(array.ravel() if array.ndim == 2 else array)


def answers_of(data: bytes, *, n: int, concepts: int) -> Labels:
    """Read labels (n,), or the answers (n, concepts) where there are concepts.

    Raises:
        InvalidInputError: not a whole number of labels.
        DimensionMismatchError: not one per vector, or per vector and concept.
    """
    if not concepts:
        return labels_of(data, n=n)
    held = len(data) // 8
    if held != n * concepts:
        raise DimensionMismatchError(
            f"labels has {held} entries for {n} ids and {concepts} concepts"
        )
    return labels_of(data, n=held).reshape(n, concepts)


def as_table(probabilities: ArrayLike, *, n: int) -> NDArray[np.generic]:
    """Return class probabilities as an array (n, c).

    Raises:
        InvalidInputError: not (m, c).
        DimensionMismatchError: m is not n.
    """
    table = np.asarray(probabilities)
    if table.ndim != 2:
        raise InvalidInputError(
            f"probabilities must be (m, c), got {table.dtype} {table.shape}"
        )
    if len(table) != n:
        raise DimensionMismatchError(f"probabilities has {len(table)} rows for {n} ids")
    return table


def probabilities_to_wire(table: NDArray[np.generic]) -> bytes:
    """Pack class probabilities (m, c).

    Raises:
        InvalidInputError: not numbers.
    """
    return float64s_to_wire(table.ravel(), name="probabilities")


def probabilities_of(data: bytes, *, n: int, classes: int) -> NDArray[np.float64]:
    """Read class probabilities (n, classes); only finiteness is checked.

    Raises:
        InvalidInputError: not a whole number of numbers.
        DimensionMismatchError: not n * classes numbers.
        NonFiniteError: NaN or infinity.
    """
    if (held := len(data) // 8) != n * classes:
        raise DimensionMismatchError(
            f"probabilities has {held} entries for {n} ids and {classes} classes"
        )
    flat = float64s_of(data, name="probabilities", n=held)
    return flat.reshape(n, classes)


def coverage_to_wire(coverage: "Coverage") -> active_pb2.Coverage:
    """Pack the comparison of a batch with baselines."""
    message = active_pb2.Coverage()
    fill(message, asdict(coverage))
    return message


def coverage_of(message: active_pb2.Coverage) -> "Coverage":
    """Read the comparison of a batch with baselines."""
    from gleann.selection.active import Coverage

    return Coverage(
        **{field.name: getattr(message, field.name) for field in fields(Coverage)}
    )


def stop_advice_to_wire(advice: "StopAdvice") -> active_pb2.StopAdvice:
    """Pack stopping advice."""
    message = active_pb2.StopAdvice()
    fill(message, asdict(advice))
    return message


def stop_advice_of(message: active_pb2.StopAdvice) -> "StopAdvice":
    """Read stopping advice."""
    from gleann.selection.active import StopAdvice

    known = message.HasField("recent_uncertainty")
    return StopAdvice(
        stop=message.stop,
        reason=message.reason,
        batches=message.batches,
        recent_uncertainty=message.recent_uncertainty if known else None,
        recent_positives=message.recent_positives,
    )


def scores_to_wire(page: ScorePage) -> active_pb2.ScoreItemsResponse:
    """Pack class probabilities."""
    return active_pb2.ScoreItemsResponse(
        ids=ids_to_wire(page.ids),
        classes=labels_to_wire(page.classes),
        probabilities=page.probabilities.astype("<f8", copy=False).tobytes(),
        labelled=page.labelled,
        next_page_token=next_token(page.next),
    )


def scores_of(pages: Sequence[active_pb2.ScoreItemsResponse]) -> Scores:
    """Read class probabilities.

    Raises:
        NotReadyError: the pages are of different models.
    """
    trained = {page.labelled for page in pages}
    if len(trained) > 1:
        raise NotReadyError(
            f"the session took labels while its scores were read ({min(trained)}, then"
            f" {max(trained)} labels): ask again"
        )
    packed = pages[0].classes
    classes = labels_of(packed, n=len(packed) // 8, name="classes")
    flat = np.concatenate([np.frombuffer(page.probabilities, "<f8") for page in pages])
    return Scores(
        ids=own_ids(joined_ids([ids_of(page.ids, name="ids") for page in pages])),
        classes=classes,
        probabilities=flat.reshape(-1, len(classes)),
    )
