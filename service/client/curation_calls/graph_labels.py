"""Client calls for labels on the neighbour graph, and for audits of a choice."""

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from numpy.typing import ArrayLike

from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.index.ids.checks import hold_id_array
from gleann.service.client.curation_calls.starting import SharedOptions, StartingCalls
from gleann.service.client.modes import M
from gleann.service.client.operation import Handle, curation_method
from gleann.service.wire.arrays import (
    column_to_wire,
    float64s_to_wire,
    ids_to_wire,
)
from gleann.service.wire.curation.graph_labels import (
    matrix_to_wire,
    numbers_to_wire,
    probabilities_to_wire,
)
from gleann.service.wire.fields import fill
from gleann.v1 import curation_pb2, graph_labels_pb2

if TYPE_CHECKING:
    from gleann.selection.curation.graph_labels.params import HoldName, KernelName


class GraphLabelCalls(StartingCalls[M]):
    """Labels spread over the graph, and allocated under class shares."""

    @curation_method
    async def propagate(  # noqa: PLR0913 (labels, and how they spread)
        self,
        name: str,
        *,
        ids: ArrayLike,
        labels: ArrayLike | None = None,
        probabilities: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        classes: Sequence[Hashable] | None = None,
        k: int | None = None,
        kernel: "KernelName | None" = None,
        power: float | None = None,
        alpha: float | None = None,
        hold: "HoldName | None" = None,
        tolerance: float | None = None,
        max_sweeps: int | None = None,
        uncertain: int = 0,
        **shared: Unpack[SharedOptions],
    ) -> Handle[Any, Any]:
        """Give every vector the class that its neighbours' labels lead to.

        The curation has the tables "rows", "probabilities", "classes" and, if it is
        asked for, "uncertain"; see `Propagate` in `graph_labels.proto` for their
        columns. The summary says how many vectors no label reaches ("unreached").

        Args:
            name: the index.
            ids: (m,) of the labelled vectors.
            labels: (m,) their classes, integers or strings.
            probabilities: (m, c) soft labels instead; the columns are `classes`.
            weights: (m,) at least 0, how much each label counts; None for 1.
            classes: all of them, in order; None takes those of the labels.
            k: neighbours of a vector in the graph; None for 10.
            kernel: "cosine", "gaussian" or "uniform"; None for cosine.
            power: of the kernel cosine; None for 3.
            alpha: share that a vector takes from its neighbours; None for 0.95.
            hold: "soft" or "clamped"; None for soft.
            tolerance: bound on the error of every probability; None for 1e-4.
            max_sweeps: sweeps at most; None for 1000.
            uncertain: lines of the table with the vectors to label next.
            **shared: see `SharedOptions`; a labelled vector must pass `where`.

        Raises:
            UnknownIndexError: no such index.
            UnknownIdError: an id that it does not have.
            InvalidInputError: labels, weights or classes that cannot be used.
            InvalidParamsError: a parameter out of its range.
            DimensionMismatchError: lengths differ.
            LimitError: more vectors and classes than the server allows.
        """
        if (labels is None) == (probabilities is None):
            both = "neither" if labels is None else "both"
            raise InvalidInputError(f"give labels or probabilities, got {both}")
        message = graph_labels_pb2.Propagate(
            ids=ids_to_wire(hold_id_array(ids)), uncertain=uncertain
        )
        if labels is not None:
            message.labels.CopyFrom(column_to_wire("labels", labels))
        elif probabilities is not None:
            packed = matrix_to_wire(probabilities, name="probabilities")
            message.probabilities = packed
        if classes is not None:
            message.classes.CopyFrom(column_to_wire("classes", np.asarray(classes)))
        if weights is not None:
            message.weights = float64s_to_wire(weights, name="weights")
        fill(message, {"k": k, "kernel": kernel, "power": power, "alpha": alpha})
        fill(message, {"hold": hold, "tolerance": tolerance, "max_sweeps": max_sweeps})
        request = curation_pb2.CreateCurationJobRequest(index=name, propagate=message)
        return await self._start(request, **shared)

    @curation_method
    async def allocate_labels(  # noqa: PLR0913 (probabilities, bounds and parameters)
        self,
        name: str,
        probabilities: str | tuple[ArrayLike, ArrayLike, Sequence[Hashable]],
        *,
        shares: Mapping[Any, float] | None = None,
        upper_bounds: Mapping[Any, float] | None = None,
        counts: Mapping[Any, float] | None = None,
        confidence: float | None = None,
        share: float | None = None,
        gamma: float | None = None,
        tolerance: float | None = None,
        max_sweeps: int | None = None,
        **shared: Unpack[SharedOptions],
    ) -> Handle[Any, Any]:
        """Label the surest vectors so that no class gets more mass than its share.

        The curation has the tables "rows" (id, label, weight), the surest first, and
        "classes".

        Args:
            name: the index.
            probabilities: a stored curation of `propagate` by its name; or ids (m,),
                numbers (m, c) and the classes of the columns.
            shares: of the vectors by class; they sum to 1. Or
            upper_bounds: the share of each class at most. Or
            counts: vectors of a random sample by class, for Wilson's upper bounds.
            confidence: of each bound by `counts`; None for 0.95.
            share: of the vectors to label, the surest ones; None for all.
            gamma: larger is nearer to hard labels; None for 10.
            tolerance: largest relative error of a class total; None for 1e-6.
            max_sweeps: sweeps at most; None for 10,000.
            **shared: see `SharedOptions`.

        Raises:
            UnknownJobError: no such curation.
            UnknownIdError: an id that the index does not have.
            InvalidInputError: probabilities or bounds that cannot be used.
            InvalidParamsError: none or several of shares, upper_bounds and counts, or a
                parameter out of its range.
        """
        bounds = {"shares": shares, "upper_bounds": upper_bounds, "counts": counts}
        given = {kind: one for kind, one in bounds.items() if one is not None}
        if len(given) != 1:
            raise InvalidParamsError(
                f"give one of {', '.join(bounds)}; got {' and '.join(given) or 'none'}"
            )
        message = graph_labels_pb2.AllocateLabels()
        if isinstance(probabilities, str):
            message.curation = probabilities
        else:
            message.probabilities.CopyFrom(probabilities_to_wire(probabilities))
        for kind, numbers in given.items():
            getattr(message, kind).CopyFrom(numbers_to_wire(numbers, name=kind))
        fill(message, {"confidence": confidence, "share": share, "gamma": gamma})
        fill(message, {"tolerance": tolerance, "max_sweeps": max_sweeps})
        request = curation_pb2.CreateCurationJobRequest(
            index=name, allocate_labels=message
        )
        return await self._start(request, **shared)
