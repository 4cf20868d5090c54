"""Exhaustive search: torch's product and top-k, and our scan over a single list."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bench.gpu.data import Workload, workload
from bench.gpu.engines import kinds_of, new_engine, recall_of
from bench.gpu.run import Run
from bench.gpu.timing import busy_seconds, seconds_of
from gleann.index.build.device.kernels import DeviceKernels
from gleann.index.codes import Codes, Encoding
from gleann.index.engines.contract import IndexData, Scanned, ScanRequest
from gleann.index.engines.device.engine import DeviceEngine
from gleann.index.lists import invert

LEAST_BATCH = 100
K = 10
RERANK = 4 * K
SCORES_AT_ONCE = 1 << 30
DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}
"""Of torch, by our kind of number; torch has no top-k of int8 products."""


def exact(run: Run, name: str) -> None:
    """One row for each way, kind of number and batch."""
    for kind in kinds_of(run):
        if kind in DTYPES and run.options.wants("torch"):
            run.group(f"torch {kind}", lambda kind=kind: _torch_rows(run, name, kind))
        if run.options.wants("ours"):
            run.group(f"ours {kind}", lambda kind=kind: _our_rows(run, name, kind))


def single_list(found: Workload, codes: Codes, encoding: Encoding) -> IndexData:
    """All rows in one list: its scan is exhaustive search."""
    n = len(found.vectors)
    return IndexData(
        encoding=encoding,
        centroids=found.vectors.mean(axis=0, dtype=np.float64)[None].astype("f4"),
        lists=invert(np.zeros(n, np.int32), np.full(n, -1, np.int32), nlist=1),
        codes=codes,
        vectors=found.vectors,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TorchSearch:
    """Product and top-k in torch: what everybody can write in five lines.

    Attributes:
        rows: (n, d) in the dtype that is multiplied.
        halves: float32 (n,) |x|^2 / 2 under l2, else 0.
    """

    rows: Tensor
    halves: Tensor

    def search(self, queries: Tensor) -> Tensor:
        """The K nearest rows (nq, K), by the scores of the product's dtype."""
        step = max(1, SCORES_AT_ONCE // len(self.rows))
        parts = []
        for first in range(0, len(queries), step):
            scores = self.halves - self._dots(queries[first : first + step])
            parts.append(torch.topk(scores, K, dim=1, largest=False).indices)
        return torch.cat(parts)

    def _dots(self, queries: Tensor) -> Tensor:
        """In float32: products rounded to bf16 would lose half of the neighbours."""
        if self.rows.dtype == torch.float32:
            return queries @ self.rows.T
        return torch.mm(queries, self.rows.T, out_dtype=torch.float32)


def _torch_rows(run: Run, name: str, kind: str) -> None:
    found, dtype = workload(run, name), DTYPES[kind]
    rows = torch.from_numpy(found.vectors).to(run.device).to(dtype)
    halves = torch.zeros(len(rows), device=run.device)
    if found.metric == "l2":
        halves = rows.float().square().sum(dim=1) / 2
    search = TorchSearch(rows=rows, halves=halves)
    for batch in run.batches(there=len(found.queries), least=LEAST_BATCH):
        asked = torch.from_numpy(found.queries[:batch]).to(run.device).to(dtype)
        run.attempt(f"batch {batch}", lambda q=asked: _torch_row(run, found, search, q))


def _torch_row(run: Run, found: Workload, search: TorchSearch, asked: Tensor) -> None:
    taken = seconds_of(run, lambda: search.search(asked).cpu(), most=1.0)
    resident = seconds_of(run, lambda: search.search(asked), most=1.0)
    run.row(
        set=found.name,
        inner_dimension=found.facts.get("inner_dimension"),
        way=f"torch {str(asked.dtype).removeprefix('torch.')}",
        batch=len(asked),
        recall=_hit_rate(search.search(asked).cpu().numpy(), found.rows),
        seconds=taken,
        on_device_seconds=resident,
        qps=len(asked) / taken,
    )


def _our_rows(run: Run, name: str, kind: str) -> None:
    found = workload(run, name)
    encoding = Encoding.uncentred(found.metric, found.vectors.shape[1])
    codes = DeviceKernels(run.device).codes(found.vectors, encoding)
    engine = new_engine(run, single_list(found, codes, encoding), kind)
    for batch in run.batches(there=len(found.queries), least=LEAST_BATCH):
        asked = torch.from_numpy(found.queries[:batch]).to(run.device)
        run.attempt(f"batch {batch}", lambda q=asked: _our_row(run, found, engine, q))


def _our_row(run: Run, found: Workload, engine: DeviceEngine, asked: Tensor) -> None:
    request = ScanRequest(k=K, rerank=min(RERANK, len(found.vectors)))

    def search() -> Scanned:
        return engine.search_resident(asked, nprobe=1, request=request)

    def search_tensors() -> object:
        return engine.search_tensors(asked, nprobe=1, request=request)

    taken = seconds_of(run, search, most=1.0)
    run.row(
        set=found.name,
        inner_dimension=found.facts.get("inner_dimension"),
        way=f"ours {engine.name}",
        batch=len(asked),
        recall=recall_of(found, search().distances),
        seconds=taken,
        on_device_seconds=seconds_of(run, search_tensors, most=1.0),
        qps=len(asked) / taken,
        busy=busy_seconds(run, search),
    )


def _hit_rate(got: np.ndarray, rows: np.ndarray) -> float:
    """Share of the K true rows that were found; torch gives no true distances."""
    hits = (got[:, :, None] == rows[: len(got), None, :K]).any(axis=2)
    return float(hits.mean())
