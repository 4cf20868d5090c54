"""The faiss engine on a GPU: spilled lists in a `GpuIndexIVFFlat`.

faiss 1.15 adds rows to given lists there too, so this is the portable GPU path: no
kernels of ours. faiss scans in float32, one block of threads a query and list, and
keeps at most `MOST` answers of at most `MOST` lists; it cannot filter. What it cannot
do is searched on the host.
"""

from collections.abc import Callable
from threading import Lock
from typing import Any

import numpy as np

from gleann.index.arrays import ListNos, Vectors
from gleann.index.engines import native
from gleann.index.engines.contract import Engine, IndexData, Scanned, ScanRequest
from gleann.index.engines.faiss import (
    faiss_module,
    fill,
    finish,
    quantizer_of,
    search_lists,
    with_work,
)
from gleann.index.engines.native import NativeEngine
from gleann.index.engines.reference import ReferenceEngine
from gleann.index.engines.stepwise import StepwiseEngine
from gleann.index.errors import EngineUnavailableError
from gleann.index.remedies import FAISS_GPU

MOST = 2048
"""Of faiss' kernels, for answers a query and for lists a query."""

MakeLists = Callable[[Any, Any, IndexData], Any]
"""From the faiss module, a quantizer and the index to empty lists."""


class FaissGpuEngine(StepwiseEngine):
    """IVF-Flat over spilled lists on a GPU; threads take turns.

    Raises:
        EngineUnavailableError: faiss is not installed, was built without GPU support,
            is too old, or sees no GPU.
    """

    name = "faiss-gpu"

    def __init__(self, data: IndexData, *, make_lists: MakeLists | None = None) -> None:
        """Copy the lists of `data` to the GPU.

        Args:
            data: the sealed index.
            make_lists: creates the lists on a device; None takes the first GPU.
        """
        self._faiss = faiss_module()
        super().__init__(data)
        self._quantizer = quantizer_of(self._faiss, data)
        self._ivf = (make_lists or gpu_lists)(self._faiss, self._quantizer, data)
        fill(self._ivf, data)
        self._turn = Lock()
        self._host: Engine | None = None

    def with_threads(self, threads: int) -> "FaissGpuEngine":
        """The same engine: a GPU has no threads to choose."""
        return self

    def scan(
        self, queries: Vectors, list_nos: ListNos, request: ScanRequest
    ) -> Scanned:
        """Search preassigned lists, then drop second copies; see `Engine.scan`."""
        depth = min(2 * request.k, 2 * len(self._data.vectors))
        nprobe = list_nos.shape[1]
        if _beyond(request, depth=depth, nprobe=nprobe):
            return self._on_host().scan(queries, list_nos, request)
        if len(queries) == 0 or nprobe == 0:
            nothing = np.empty((len(queries), 0), np.int64)
            return finish(self._data, queries, nothing, request)
        options = self._faiss.SearchParametersIVF(nprobe=nprobe)
        asked = self._data.encoding.float_queries(queries)
        with self._turn:
            found = search_lists(
                self._faiss, self._ivf, asked, depth, list_nos, options
            )
        return with_work(
            finish(self._data, queries, found, request), self._data.lists, list_nos
        )

    def _on_host(self) -> Engine:
        """What does the rest, made when it is first needed."""
        with self._turn:
            if self._host is None:
                host = NativeEngine if native.available() else ReferenceEngine
                self._host = host(self._data)
            return self._host


def gpu_lists(faiss: Any, quantizer: Any, data: IndexData) -> Any:
    """Empty lists on the first GPU.

    Raises:
        EngineUnavailableError: as `FaissGpuEngine`.
    """
    if reason := unavailable_reason(faiss):
        raise EngineUnavailableError(
            f"{reason}: the faiss-gpu engine needs {FAISS_GPU}"
        )
    config = faiss.GpuIndexIVFFlatConfig()
    if hasattr(config, "use_cuvs"):
        config.use_cuvs = False  # cuVS cannot add to given lists
    resources = faiss.StandardGpuResources()
    ivf = faiss.GpuIndexIVFFlat(
        resources,
        quantizer,
        quantizer.d,
        data.lists.nlist,
        quantizer.metric_type,
        config,
    )
    ivf.train(data.encoding.float_rows(data.centroids))  # they are in the quantizer
    return ivf


def unavailable_reason(faiss: Any) -> str:
    """Why this faiss cannot store given lists on a GPU; empty if it can."""
    if not hasattr(faiss, "GpuIndexIVFFlat"):
        return f"faiss {faiss.__version__} was built without GPU support"
    if not hasattr(faiss.GpuIndexIVFFlat, "add_core"):
        return f"faiss {faiss.__version__} cannot add to given lists, 1.15 can"
    if faiss.get_num_gpus() < 1:
        return f"faiss {faiss.__version__} sees 0 GPUs"
    return ""


def _beyond(request: ScanRequest, *, depth: int, nprobe: int) -> bool:
    """Whether faiss' GPU lists cannot answer `request`."""
    filtered = request.allowed is not None or request.segments != "both"
    return filtered or depth > MOST or nprobe > MOST
