"""The search on a device, from queries to neighbours: one pipeline for two scanners."""

from copy import copy

import numpy as np
import torch
from torch import Tensor

from gleann.index.arrays import ListNos, Vectors
from gleann.index.blocks import block_slices
from gleann.index.engines.contract import IndexData, Scanned, ScanRequest, Work
from gleann.index.engines.device.choice import default_kinds, programs_on
from gleann.index.engines.device.coarse import DeviceRanking
from gleann.index.engines.device.keys import NONE
from gleann.index.engines.device.kinds import Kind
from gleann.index.engines.device.layout import lay_out
from gleann.index.engines.device.memory import admit, budget_for
from gleann.index.engines.device.merge import bitmap
from gleann.index.engines.device.planner import Plan, Sizes, plan
from gleann.index.engines.device.pool import pool_of
from gleann.index.engines.device.probe import Probe
from gleann.index.engines.device.queries import code_queries
from gleann.index.engines.device.rerank import (
    DeviceRows,
    HostRows,
    RowStore,
    answer,
    rerank,
)
from gleann.index.engines.device.scan import Scanner
from gleann.index.engines.device.view import ListView, view_for
from gleann.index.engines.reference import count_short
from gleann.index.errors import InvalidParamsError
from gleann.index.metric import prepare


class DeviceEngine:
    """Ranks, scans, merges and re-ranks on one device; see `Engine`.

    The k best rows by scan score are certain: pairs of which buckets may have hidden
    one are scanned again (`certificate.py`). The rest of the pool may lack a row that a
    bucket hid: there, answers can depend on which queries come together.
    """

    def __init__(
        self,
        data: IndexData,
        *,
        scanner: Scanner,
        device: torch.device,
        kind: Kind | None = None,
        threads: int = 0,
    ) -> None:
        """Copy the lists of `data` to `device`.

        Args:
            data: the sealed index.
            scanner: who scans and merges.
            device: where.
            kind: of number to scan; None takes what suits the device and fits it.
            threads: of torch, where the device is the CPU; 0 leaves them as they are.

        Raises:
            EngineUnavailableError: the device has too little memory.
            InvalidParamsError: `threads` below 0.
        """
        kinds = (kind,) if kind else default_kinds(device)
        chosen, fitting = admit(data, kinds=kinds, device=device)
        self._metric = data.metric
        self._scanner = scanner
        self._device = device
        self._threads = _checked(threads)
        self._ranking = DeviceRanking(data, device)
        self._lists = lay_out(data, kind=chosen, device=device)
        self._rows: RowStore = HostRows(data.vectors)
        if fitting.rows:
            self._rows = DeviceRows(data.vectors, device)
        self._programs = programs_on(device)

    @property
    def name(self) -> str:
        """Scanner, device and kind, such as "triton/cuda/bf16"."""
        return f"{self._scanner.name}/{self._device.type}/{self._lists.kind}"

    def with_threads(self, threads: int) -> "DeviceEngine":
        """See `Engine.with_threads`."""
        other = copy(self)
        other._threads = _checked(threads)
        return other

    def rank_lists(self, queries: Vectors, *, nprobe: int) -> ListNos:
        """Score all lists on the device; see `Engine.rank_lists`."""
        self._take_threads()
        best = self._ranking.best(self._to_device(queries), nprobe=nprobe)
        return best.to(torch.int32).cpu().numpy()

    def search(self, queries: Vectors, *, nprobe: int, request: ScanRequest) -> Scanned:
        """Rank and scan without leaving the device; see `Engine.search`."""
        self._take_threads()
        prepared = self._to_device(prepare(queries, self._metric))
        best = self._ranking.best(prepared, nprobe=nprobe)
        return self._scan(prepared, best, request)

    def scan(
        self, queries: Vectors, list_nos: ListNos, request: ScanRequest
    ) -> Scanned:
        """Pool the best scan scores, re-rank them; see `Engine.scan`."""
        self._take_threads()
        chosen = torch.from_numpy(list_nos.astype(np.int64)).to(self._device)
        return self._scan(self._to_device(queries), chosen, request)

    def _scan(self, queries: Tensor, list_nos: Tensor, request: ScanRequest) -> Scanned:
        view = view_for(self._lists, request)
        if list_nos.shape[1] == 0:
            list_nos = list_nos.new_full((len(queries), 1), -1)
        planned = self._plan(list_nos, view, request)
        found = [torch.empty((0, request.k), dtype=torch.int64, device=self._device)]
        reranked = 0
        for block in block_slices(len(queries), planned.block):
            probe = self._probe(queries[block], list_nos[block], view)
            pool = pool_of(
                self._scanner, probe, planned, k=request.k, keep=request.pool
            )
            found.append(self._rerank(queries[block], pool, request.k))
            reranked += int((pool != NONE).sum())
        known = list_nos[list_nos >= 0]
        work = Work(
            lists_probed=len(known),
            entries_scanned=int(view.lengths[known].sum()),
            survivors=reranked,
            reranked=reranked,
        )
        return _scanned(torch.cat(found), work)

    def _plan(self, list_nos: Tensor, view: ListView, request: ScanRequest) -> Plan:
        sizes = Sizes(
            queries=len(list_nos),
            nprobe=list_nos.shape[1],
            longest=view.longest,
            k=request.k,
            pool=request.pool,
            nlist=view.lists.nlist,
        )
        budget = budget_for(self._device)
        return plan(sizes, programs=self._programs, budget=budget)

    def _probe(self, queries: Tensor, list_nos: Tensor, view: ListView) -> Probe:
        return Probe(
            queries=code_queries(queries, view.lists),
            list_nos=list_nos,
            probed=bitmap(list_nos, nlist=view.lists.nlist),
            view=view,
        )

    def _rerank(self, queries: Tensor, pool: Tensor, k: int) -> Tensor:
        return rerank(queries, pool, self._rows, metric=self._metric, k=k)

    def _to_device(self, queries: Vectors) -> Tensor:
        # A copy: torch will not borrow what may not be written, such as a mapped file.
        return torch.from_numpy(np.array(queries, np.float32)).to(self._device)

    def _take_threads(self) -> None:
        if self._threads and self._device.type == "cpu":
            torch.set_num_threads(self._threads)


def _scanned(keys: Tensor, work: Work) -> Scanned:
    rows, distances = (part.cpu().numpy() for part in answer(keys))
    return Scanned(rows=rows, distances=distances, short=count_short(rows), work=work)


def _checked(threads: int) -> int:
    if threads < 0:
        raise InvalidParamsError(f"threads must be at least 0, got {threads}")
    return threads
