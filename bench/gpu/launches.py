"""How many kernels one recorded step of a search launches, counted without a GPU.

The engine is the one that is shipped, on the CPU; where it would record a CUDA graph,
the step runs on tensors that have shapes but no values, and what it asks of torch and
of Triton is counted. An operation of torch counts once, though `sort` and `topk` launch
several kernels; views and allocations launch nothing.
"""

import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from math import prod
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from triton.runtime.jit import JITFunction

from gleann.index.codes import Encoding
from gleann.index.engines.contract import IndexData, ScanRequest
from gleann.index.engines.device.engine import DeviceEngine
from gleann.index.engines.device.plan.kinds import Kind
from gleann.index.engines.device.recording import Outputs, Step
from gleann.index.engines.triton_kernels.scanner import TritonScanner
from gleann.index.lists import invert

MULTIPROCESSORS = 132
"""Of an H100 or H200: plans depend on it."""

FREE_BYTES = 32 << 30
"""For keys: blocks are not cut by it."""

FREE = {"empty", "new_empty", "empty_like", "empty_strided", "new_empty_strided"}
FREE |= {"lift_fresh", "alias", "detach", "_unsafe_view", "_reshape_alias"}
"""Operations of torch that launch nothing, beside views."""

RERANK = 40
"""Rows re-ranked for ten neighbours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A search whose step is counted.

    Attributes:
        name: in results.
        queries: in the batch.
        nprobe: lists a query.
        nlist: number of lists.
        longest: entries of the longest list.
        dim: d.
        kind: of number.
    """

    name: str
    queries: int
    nprobe: int
    nlist: int
    longest: int
    dim: int
    kind: Kind = "bf16"


SETTINGS = (
    Setting(
        name="batch 10,000, 1M x 128",
        queries=10_000,
        nprobe=15,
        nlist=4096,
        longest=1800,
        dim=128,
    ),
    Setting(
        name="batch 10,000, 10M x 96",
        queries=10_000,
        nprobe=24,
        nlist=16_384,
        longest=4000,
        dim=96,
        kind="int8",
    ),
    Setting(
        name="batch 1,000, 1M x 768",
        queries=1000,
        nprobe=20,
        nlist=2048,
        longest=3600,
        dim=768,
        kind="int8",
    ),
    Setting(
        name="batch 1, 1M x 128",
        queries=1,
        nprobe=15,
        nlist=4096,
        longest=1800,
        dim=128,
    ),
)


@dataclass(slots=True)
class Operation:
    """An operation of torch, all its launches together.

    Attributes:
        launches: how many.
        bytes: of the tensors that it reads or writes, each once.
        rows: of its first argument, where the last dimension is a row.
    """

    launches: int = 0
    bytes: int = 0
    rows: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """A launch of a Triton kernel.

    Attributes:
        name: of the function.
        programs: in its grid.
        numbers: integers that it was given, by argument.
    """

    name: str
    programs: int
    numbers: dict[str, int]


class Launches(TorchDispatchMode):
    """Counts what launches a kernel on a CUDA device while it is entered.

    Attributes:
        operations: of torch, by name.
        kernels: of Triton, in order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.operations: dict[str, Operation] = defaultdict(Operation)
        self.kernels: list[Kernel] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        space, _, name = func._schema.name.partition("::")
        if space == "aten" and name not in FREE and not is_view(func):
            counted = self.operations[name]
            tensors = [x for x in tree_leaves((args, result)) if isinstance(x, Tensor)]
            counted.launches += 1
            counted.bytes += sum({id(x): bytes_of(x) for x in tensors}.values())
            counted.rows += rows_of(tensors[0]) if tensors else 0
        return result

    @contextmanager
    def of_triton(self) -> Iterator[None]:
        """Count launches of Triton kernels too, and run none of them."""

        def run(kernel: Any, *args: Any, grid: Any, **kwargs: Any) -> None:
            given = dict(zip(kernel.arg_names, args, strict=False)) | kwargs
            del given["warmup"]  # triton's own
            numbers = {
                name: int(value)
                for name, value in given.items()
                if isinstance(value, int)
            }
            self.kernels.append(
                Kernel(name=kernel.fn.__name__, programs=prod(grid), numbers=numbers)
            )

        with patch.object(JITFunction, "run", run):
            yield

    @property
    def total(self) -> int:
        """All launches."""
        of_torch = sum(operation.launches for operation in self.operations.values())
        return of_torch + len(self.kernels)


def bytes_of(tensor: Tensor) -> int:
    """What a tensor holds, without what is only repeated."""
    stored = tensor.untyped_storage().nbytes()
    return min(stored, tensor.numel() * tensor.element_size())


def rows_of(tensor: Tensor) -> int:
    """Rows of a tensor along its last dimension."""
    return prod(tensor.shape[:-1])


def is_view(operation: Any) -> bool:
    """Whether an operation returns memory that it was given, unwritten."""
    returns = operation._schema.returns
    return any(
        result.alias_info is not None and not result.alias_info.is_write
        for result in returns
    )


class StepCountedError(Exception):
    """Ends a search whose step was counted."""


class CountingRecorder:
    """Counts instead of recording; see `recording.Recorder`.

    Attributes:
        launches: of the step, once what it prepares for later steps is there.
    """

    def __init__(self) -> None:
        self.launches = Launches()

    def record(
        self, step: Step, queries: Tensor, live: Tensor
    ) -> Callable[[], Outputs]:
        """Run `step` without values, twice, count the second, and end the search."""
        with FakeTensorMode(allow_non_fake_inputs=True) as fake:
            given = fake.from_tensor(queries), fake.from_tensor(live)
            for _ in range(2):
                counting = Launches()
                with counting.of_triton(), counting:
                    step(*given)
        self.launches = counting
        raise StepCountedError


def launches_of(setting: Setting) -> Launches:
    """Launches of the step that a search of `setting` would record."""
    recorder = CountingRecorder()
    with as_if_on_a_gpu():
        engine = DeviceEngine(
            index_of(setting),
            scanner=TritonScanner(),
            device=torch.device("cpu"),
            kind=setting.kind,
            recorder=recorder,
        )
        queries = np.zeros((setting.queries, setting.dim), np.float32)
        request = ScanRequest(k=10, rerank=RERANK)
        try:
            engine.search(queries, nprobe=setting.nprobe, request=request)
        except StepCountedError:
            return recorder.launches
    raise RuntimeError(f"{setting.name}: the engine recorded no step")


@contextmanager
def as_if_on_a_gpu() -> Iterator[None]:
    """Let engines on the CPU plan as on a GPU of this size."""
    planned_by = {"programs_on": lambda _: MULTIPROCESSORS, "HOST_BUDGET": FREE_BYTES}
    with ExitStack() as patches:
        for name, module in list(sys.modules.items()):
            if name.startswith("gleann.index.engines"):
                for what in planned_by.keys() & vars(module).keys():
                    patches.enter_context(patch.object(module, what, planned_by[what]))
        yield


def index_of(setting: Setting) -> IndexData:
    """Few rows in as many lists: plans depend on the longest list alone."""
    rng = np.random.default_rng(0)
    primary = np.concatenate(
        [np.zeros(setting.longest), np.arange(1, setting.nlist)]
    ).astype(np.int32)
    vectors = rng.normal(size=(len(primary), setting.dim)).astype(np.float32)
    encoding = Encoding.uncentred("l2", setting.dim)
    return IndexData(
        encoding=encoding,
        centroids=vectors[-setting.nlist :],
        lists=invert(primary, np.full_like(primary, -1), nlist=setting.nlist),
        codes=encoding.encode(vectors),
        vectors=vectors,
    )


def recorded_steps() -> dict[str, Any]:
    """Launches of every setting, as entries of a result file."""
    return {setting.name: _entry(launches_of(setting)) for setting in SETTINGS}


def _entry(launches: Launches) -> dict[str, Any]:
    return {
        "total": launches.total,
        "operations": {n: asdict(of) for n, of in sorted(launches.operations.items())},
        "kernels": [asdict(kernel) for kernel in launches.kernels],
    }
