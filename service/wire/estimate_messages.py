"""Conversion of estimates, their parameters and proxies."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, TypedDict

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds
from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.index.ids.checks import hold_id_array
from gleann.service.wire.arrays import (
    float64s_of,
    float64s_to_wire,
    ids_of,
    ids_to_wire,
)
from gleann.service.wire.fields import fill, given
from gleann.v1 import estimate_pb2

if TYPE_CHECKING:
    from google.protobuf.internal.containers import RepeatedCompositeFieldContainer

    from gleann.selection.estimate import Estimate, EstimateParams, Stratum
from gleann.service.wire.arrays import Column


class ProxySource(TypedDict, total=False):
    """Source of an estimate's proxy: exactly one of three.

    Attributes:
        proxy: (ids, numbers) for all vectors: cheap scores for being positive. With
            several, by name, a pilot chooses one.
        examples: (ids, labels) of some vectors, from which the index computes a proxy;
            labels that are all 0 or 1 are counted too, and not requested again,
            except positives whose value is needed.
        neighbours: with `examples`, number of nearest examples per vector.
        representatives: number of vectors, chosen by farthest-first, to label first,
            within the budget; all labels so far give the proxy of the next round
            (TASTI). With 0 the first round is a uniform sample, which mostly costs
            less.
    """

    proxy: Column | Mapping[str, Column] | None
    examples: Column | None
    neighbours: int | None
    representatives: int | None


def fill_proxy(
    request: estimate_pb2.StartEstimateSessionRequest,
    *,
    proxy: Column | Mapping[str, Column] | None = None,
    examples: Column | None = None,
    neighbours: int | None = None,
    representatives: int | None = None,
) -> None:
    """Pack the source of the proxy.

    Raises:
        InvalidParamsError: not one of `proxy`, `examples` and `representatives`.
    """
    if sum(one is not None for one in (proxy, examples, representatives)) != 1:
        raise InvalidParamsError("give one of proxy, examples and representatives")
    if isinstance(proxy, Mapping):
        fill_named(request.candidates.proxies, proxy)
    elif proxy is not None:
        _fill_scores(request.scores, proxy)
    if examples is not None:
        ids, numbers = examples
        request.examples.ids.CopyFrom(ids_to_wire(hold_id_array(ids)))
        request.examples.values = float64s_to_wire(numbers, name="examples")
        fill(request.examples, {"neighbours": neighbours})
    if representatives is not None:
        request.index_proxy.representatives = representatives


def fill_named(
    messages: "RepeatedCompositeFieldContainer[estimate_pb2.NamedProxy]",
    proxies: Mapping[str, Column],
) -> None:
    """Pack proxies, by name, into a repeated `NamedProxy`."""
    for name, column in proxies.items():
        _fill_scores(messages.add(name=name).scores, column)


def _fill_scores(message: estimate_pb2.ProxyScores, column: Column) -> None:
    ids, numbers = column
    message.ids.CopyFrom(ids_to_wire(hold_id_array(ids)))
    message.values = float64s_to_wire(numbers, name="proxy")


def scores_column_of(
    message: estimate_pb2.ProxyScores, *, name: str
) -> tuple[HeldIds, NDArray[np.float64]]:
    """Read ids (m,) and a proxy (m,)."""
    ids = ids_of(message.ids, name=f"{name}.ids")
    return ids, float64s_of(message.values, name=f"{name}.values", n=len(ids))


def candidates_of(
    proxies: Sequence[estimate_pb2.NamedProxy],
) -> dict[str, tuple[HeldIds, NDArray[np.float64]]]:
    """Read ids (m,) and numbers (m,) of each proxy, by name.

    Raises:
        InvalidInputError: a repeated name.
    """
    names = [proxy.name for proxy in proxies]
    if len(set(names)) != len(names):
        raise InvalidInputError(
            f"{len(names)} proxies have {len(set(names))} different names: {names}"
        )
    return {
        proxy.name: scores_column_of(proxy.scores, name=f"proxy {proxy.name!r}")
        for proxy in proxies
    }


def estimate_params_to_wire(
    params: "EstimateParams",
) -> estimate_pb2.EstimateParams:
    """Pack estimate parameters."""
    message = estimate_pb2.EstimateParams()
    fill(message, asdict(params))
    return message


def estimate_params_of(message: estimate_pb2.EstimateParams) -> "EstimateParams":
    """Read estimate parameters.

    Raises:
        InvalidParamsError: a parameter out of its range.
    """
    from gleann.selection.estimate import EstimateParams

    return EstimateParams(**{"budget": 0, **given(message)})


def estimate_to_wire(estimate: "Estimate") -> estimate_pb2.Estimate:
    """Pack an estimate."""
    values = asdict(estimate)
    strata = values.pop("by_stratum")
    provenance = values.pop("provenance")
    message = estimate_pb2.Estimate(provenance_json=json.dumps(provenance))
    fill(message, values)
    for stratum in strata:
        fill(message.by_stratum.add(), stratum)
    return message


def estimate_of(message: estimate_pb2.Estimate) -> "Estimate":
    """Read an estimate."""
    from gleann.selection.estimate import Estimate

    strata = tuple(_stratum_of(stratum) for stratum in message.by_stratum)
    optional = {
        name: getattr(message, name) if message.HasField(name) else None
        for name in ("value", "low", "high", "uniform_width", "abae_width", "rows")
    }
    return Estimate(
        target=given(message)["target"],
        **optional,
        confidence=message.confidence,
        labels_used=message.labels_used,
        positives=message.positives,
        by_stratum=strata,
        note=message.note,
        interval_valid=_is_valid(message),
        provenance=json.loads(message.provenance_json),
    )


def _is_valid(message: estimate_pb2.Estimate) -> bool:
    """Servers of earlier versions do not say; they refused no interval they gave."""
    return not message.HasField("interval_valid") or message.interval_valid


def _stratum_of(message: estimate_pb2.Stratum) -> "Stratum":
    from gleann.selection.estimate import Stratum

    values = {field.name: getattr(message, field.name) for field in fields(Stratum)}
    if not message.HasField("mean"):
        values["mean"] = None
    return Stratum(**values)
