"""Search with tensors: queries and answers stay on the device.

torch is imported only where it is used: the rest of the library does not need it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from gleann.index.arrays import Distances, Rows, Vectors
from gleann.index.checks import require_matrix
from gleann.index.engines.contract import (
    Engine,
    FoundOnDevice,
    ScanRequest,
    SearchesTensors,
)
from gleann.index.errors import (
    EngineUnavailableError,
    InvalidInputError,
    InvalidParamsError,
)
from gleann.index.found import SearchStats
from gleann.index.params import SearchParams
from gleann.index.search.plan import SearchPlan, stats_of

if TYPE_CHECKING:
    import torch

ScanAll = Callable[[Vectors, ScanRequest], tuple[Rows, Distances]]

_REFUSED = (BufferError, TypeError, ValueError, RuntimeError, AssertionError)
"""Exceptions of DLPack exporters that cannot create a capsule."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FoundTensors:
    """Neighbours of a batch of queries, on the device of the index.

    Attributes:
        rows: int64 (nq, k), nearest first, ties by lower row; -1 where there are fewer
            than k rows. `SoarIndex.ids` has the id of each row, in host memory: string
            ids cannot be on a device.
        distances: float32 (nq, k), ascending: squared L2, 1 - cos, or -ip; +inf where
            there is no row.
        stats: what the search used and cost.
    """

    rows: "torch.Tensor"
    distances: "torch.Tensor"
    stats: SearchStats


@runtime_checkable
class SupportsDLPack(Protocol):
    """An array of another library that torch can borrow."""

    def __dlpack__(self, *args: Any, **kwargs: Any) -> Any:
        """A capsule with the array."""

    def __dlpack_device__(self) -> tuple[int, int]:
        """Kind and number of its device."""


def tensor_engine(engine: Engine) -> SearchesTensors:
    """`engine`, if it searches tensors.

    Raises:
        EngineUnavailableError: it does not.
    """
    if isinstance(engine, SearchesTensors):
        return engine
    raise EngineUnavailableError(
        "tensors are searched by the torch and triton engines, and this index is served"
        f" by {engine.name}: ask index.with_engine('triton')"
    )


def as_tensor(queries: object, *, dim: int, device: "torch.device") -> "torch.Tensor":
    """`queries` as a contiguous float32 tensor on `device`, copied only if it is not.

    Args:
        queries: (nq, dim), a tensor or anything with `__dlpack__`, of any strides.
        dim: the d they must have.
        device: the required device.

    Raises:
        InvalidInputError: no such array, another device or dtype, not two-dimensional,
            sparse, or empty.
        DimensionMismatchError: d is not `dim`.
    """
    import torch

    tensor = _borrowed(queries)
    if tensor.layout != torch.strided:
        raise InvalidInputError(f"queries must be dense, got layout {tensor.layout}")
    if tensor.dtype != torch.float32:
        raise InvalidInputError(
            f"queries must have dtype float32 to be searched on a device, got"
            f" {str(tensor.dtype).removeprefix('torch.')}"
        )
    if tensor.device != device:
        raise InvalidInputError(
            f"queries are on {tensor.device}, and the index is on {device}"
        )
    require_matrix(np.dtype("f4"), tuple(tensor.shape), name="queries", dim=dim)
    return tensor.detach().resolve_neg().contiguous()


def require_device_params(params: SearchParams) -> None:
    """Refuse what only `SoarIndex.search` does.

    Raises:
        InvalidParamsError: a filter, a radius, or a search of all rows.
    """
    if params.allowed is not None:
        raise InvalidParamsError(
            "allowed is not supported by search_tensors: filter with search"
        )
    if params.radius is not None:
        raise InvalidParamsError(
            "radius is not supported by search_tensors: cut its distances"
        )
    if params.exact or params.target_recall == 1:
        raise InvalidParamsError(
            "search_tensors probes lists: search looks at every row (exact=True, or"
            " target_recall=1)"
        )


def search_planned(
    engine: SearchesTensors,
    queries: "torch.Tensor",
    plan: SearchPlan,
    *,
    n: int,
    scan_all: ScanAll,
) -> FoundTensors:
    """Search as planned; the host answers what the probed lists leave short of k.

    Args:
        engine: the engine that searches.
        queries: as `as_tensor` returns them.
        plan: of lists to probe, without a filter.
        n: rows of the index.
        scan_all: exhaustive search on the host, for queries that are not prepared.
    """
    found = engine.search_tensors(queries, nprobe=plan.nprobe, request=plan.request)
    completed = 0
    if found.short:
        completed = _complete(found, queries, plan.request, n=n, scan_all=scan_all)
    stats = stats_of(plan, found.work, engine=engine.name, completed=completed)
    return FoundTensors(rows=found.rows, distances=found.distances, stats=stats)


def _complete(
    found: FoundOnDevice,
    queries: "torch.Tensor",
    request: ScanRequest,
    *,
    n: int,
    scan_all: ScanAll,
) -> int:
    """Answer the queries that are short by `scan_all`; how many there are."""
    exist = min(request.k, n)
    short = (found.rows[:, :exist] < 0).any(dim=1).nonzero()[:, 0]
    if len(short) == 0:
        return 0
    rows, distances = scan_all(queries[short].cpu().numpy(), request)
    found.rows[short] = found.rows.new_tensor(rows)
    found.distances[short] = found.distances.new_tensor(distances)
    return len(short)


def _borrowed(queries: object) -> "torch.Tensor":
    import torch

    if isinstance(queries, torch.Tensor):
        return queries
    if not isinstance(queries, SupportsDLPack):
        raise InvalidInputError(
            "queries must be a tensor, or have __dlpack__; got"
            f" {type(queries).__name__}"
        )
    try:
        return torch.from_dlpack(queries)
    except _REFUSED as error:
        raise InvalidInputError(
            f"queries cannot be borrowed by DLPack: {error}"
        ) from error
