"""The search on a device, from queries to neighbours: one pipeline for two scanners."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy

import numpy as np
import torch
from torch import Tensor

from gleann.index.arrays import ListNos, Rows, Vectors
from gleann.index.blocks import block_slices
from gleann.index.checks import require_finite
from gleann.index.engines.contract import IndexData, Scanned, ScanRequest, Work
from gleann.index.engines.device.choice import ceilings_of, programs_on
from gleann.index.engines.device.coarse import DeviceRanking
from gleann.index.engines.device.keys import NONE
from gleann.index.engines.device.kinds import Kind
from gleann.index.engines.device.layout import lay_out, shuffled
from gleann.index.engines.device.memory import admit, budget_for, kinds_for
from gleann.index.engines.device.passes import (
    Parts,
    Passed,
    Task,
    first_pass,
    passed_of,
    second_pass,
)
from gleann.index.engines.device.planner import (
    MOST_QUERIES,
    Sizes,
    bytes_a_query,
    choose_segments,
    plan,
    select_by,
)
from gleann.index.engines.device.recording import (
    MOST_RECORDED,
    Outputs,
    Recorder,
    Recordings,
    padded_size,
    size_within,
)
from gleann.index.engines.device.rerank import DeviceRows, HostRows, RowStore, answer
from gleann.index.engines.device.roofline import Batch
from gleann.index.engines.device.scan import Scanner
from gleann.index.engines.device.turns import turn_on
from gleann.index.engines.device.view import ListView, view_for
from gleann.index.engines.reference import count_short
from gleann.index.errors import InvalidParamsError
from gleann.index.metric import prepare
from gleann.index.params import Segments


class DeviceEngine:
    """Ranks, scans, merges and re-ranks on one device; see `Engine`.

    The k best rows by scan score are certain: pairs of which buckets may have hidden
    one are scanned again (`certificate.py`). The rest of the pool may lack a row that a
    bucket hid: there, answers can depend on which queries come together.

    Threads take turns: see `turns.py` for what each method raises where the device
    fails.
    """

    def __init__(
        self,
        data: IndexData,
        *,
        scanner: Scanner,
        device: torch.device,
        kind: Kind | None = None,
        recorder: Recorder | None = None,
        threads: int = 0,
    ) -> None:
        """Copy the lists of `data` to `device`.

        Args:
            data: the sealed index.
            scanner: who scans and merges.
            device: where.
            kind: of number to scan; None takes what suits the device and fits it.
            recorder: records the first pass for batches to come; None repeats its
                steps one by one.
            threads: of torch, where the device is the CPU; 0 leaves them as they are.

        Raises:
            DeviceMemoryError: the device has too little memory.
            InvalidParamsError: `threads` below 0; a `kind` that is not of the codes of
                the index.
        """
        self._device = device
        self._threads = _checked(threads)
        self._programs = programs_on(device)
        self._dim = data.vectors.shape[1]
        self._entries = {"both": data.lists.entries, "primary": len(data.vectors)}
        order = shuffled(data)  # while others use the device
        with turn_on(device):
            kinds = (_suiting(kind, data),) if kind else kinds_for(data, device)
            chosen, fitting = admit(data, kinds=kinds, device=device)
            self._ranking = DeviceRanking(data.centroids, data.encoding, device)
            rows = DeviceRows(data.vectors, device) if fitting.rows else None
            self._lists = lay_out(
                data,
                kind=chosen,
                device=device,
                order=order,
                resident=None if rows is None else rows.vectors,
            )
        rows = rows or HostRows(data.vectors)
        self._parts = Parts(scanner=scanner, rows=rows, metric=data.metric)
        # Rows on the host are gathered by the host: that cannot be recorded.
        self._recordings = None
        if recorder is not None and fitting.rows:
            self._recordings = Recordings(recorder, device)

    @property
    def name(self) -> str:
        """Scanner, device and kind, such as "triton/cuda/bf16"."""
        scanner, kind = self._parts.scanner.name, self._lists.kind
        return f"{scanner}/{self._device.type}/{kind}"

    def with_threads(self, threads: int) -> "DeviceEngine":
        """See `Engine.with_threads`."""
        other = copy(self)
        other._threads = _checked(threads)
        return other

    def choose_segments(self, *, both: int, primary: int, queries: int) -> Segments:
        """By what each would read and multiply here; see `Engine.choose_segments`."""
        return choose_segments(
            self._batch(queries, both, "both"),
            self._batch(queries, primary, "primary"),
            kind=self._lists.kind,
            on=ceilings_of(self._device),
        )

    def rank_lists(self, queries: Vectors, *, nprobe: int) -> ListNos:
        """Score all lists on the device; see `Engine.rank_lists`."""
        with self._turn():
            best = self._ranking.best(self._to_device(queries), nprobe=nprobe)
            return best.to(torch.int32).cpu().numpy()

    def search(self, queries: Vectors, *, nprobe: int, request: ScanRequest) -> Scanned:
        """Rank and scan without leaving the device; see `Engine.search`."""
        require_finite(queries, name="queries")
        prepared = prepare(queries, self._parts.metric, name="queries")
        with self._turn():
            return self._search(self._to_device(prepared), nprobe, request)

    def search_resident(
        self, queries: Tensor, *, nprobe: int, request: ScanRequest
    ) -> Scanned:
        """`search` for prepared float32 queries (nq, d) that are on the device."""
        with self._turn():
            return self._search(queries, nprobe, request)

    def search_rows(self, rows: Rows, *, nprobe: int, request: ScanRequest) -> Scanned:
        """See `SearchesRows.search_rows`."""
        with self._turn():
            asking = torch.from_numpy(rows).to(self._device)
            return self._search(self._parts.rows.gather(asking), nprobe, request)

    def scan(
        self, queries: Vectors, list_nos: ListNos, request: ScanRequest
    ) -> Scanned:
        """Pool the best scan scores, re-rank them; see `Engine.scan`."""
        with self._turn():
            chosen = torch.from_numpy(list_nos.astype(np.int64)).to(self._device)
            return self._scan(self._to_device(queries), chosen, request)

    def _search(self, queries: Tensor, nprobe: int, request: ScanRequest) -> Scanned:
        nprobe = min(nprobe, self._lists.nlist)
        if self._recordings is None or request.allowed is not None:
            best = self._best_lists(queries, nprobe)
            return self._scan(queries, best, request)
        return self._search_recorded(self._recordings, queries, nprobe, request)

    def _scan(self, queries: Tensor, list_nos: Tensor, request: ScanRequest) -> Scanned:
        if list_nos.shape[1] == 0:
            list_nos = list_nos.new_full((len(queries), 1), -1)
        task = self._task(request, queries=len(queries), nprobe=list_nos.shape[1])
        found = _Answers(request.k, self._device)
        for block in block_slices(len(queries), task.planned.block):
            passed = first_pass(
                queries[block], list_nos[block], parts=self._parts, task=task
            )
            found.take(self._certain(passed, queries[block], task), task.view)
        return found.scanned

    def _search_recorded(
        self,
        recordings: Recordings,
        queries: Tensor,
        nprobe: int,
        request: ScanRequest,
    ) -> Scanned:
        """Replay the coarse step and the first pass, block by block."""
        size = padded_size(min(len(queries), MOST_QUERIES))
        task = self._task(request, queries=size, nprobe=nprobe, shares=MOST_RECORDED)
        key = (nprobe, request.k, request.pool, request.segments, task.planned.how)
        found = _Answers(request.k, self._device)

        def step(block: Tensor, live: Tensor) -> Outputs:
            best, doubted = self._likely(block, nprobe)
            counts = torch.arange(len(block), device=block.device) < live
            list_nos = torch.where(counts[:, None], best, -1)
            passed = first_pass(block, list_nos, parts=self._parts, task=task)
            return *passed.tensors, doubted

        for block in block_slices(len(queries), size_within(task.planned.block)):
            asked = queries[block]
            *outputs, doubted = recordings.run(step, asked, key=key)
            passed = passed_of(tuple(outputs), task.view, count=len(asked))
            passed = self._certain(passed, asked, task)
            again = doubted[: len(asked)].nonzero()[:, 0]
            if len(again):
                passed = passed.with_others(
                    again, self._anew(asked[again], nprobe, task)
                )
            found.take(passed, task.view)
        return found.scanned

    def _anew(self, queries: Tensor, nprobe: int, task: Task) -> Passed:
        """Both passes, with lists that are beyond doubt."""
        list_nos = self._ranking.best(queries, nprobe=nprobe)
        passed = first_pass(queries, list_nos, parts=self._parts, task=task)
        return self._certain(passed, queries, task)

    def _best_lists(self, queries: Tensor, nprobe: int) -> Tensor:
        """The best lists of each query, ranked in full where they are in doubt."""
        best, doubted = self._likely(queries, nprobe)
        again = doubted.nonzero()[:, 0]
        if len(again):
            best[again] = self._ranking.best(queries[again], nprobe=nprobe)
        return best

    def _likely(self, queries: Tensor, nprobe: int) -> tuple[Tensor, Tensor]:
        return self._parts.scanner.likely(self._ranking, queries, nprobe=nprobe)

    def _certain(self, passed: Passed, queries: Tensor, task: Task) -> Passed:
        return second_pass(passed, queries, parts=self._parts, task=task)

    def _task(
        self, request: ScanRequest, *, queries: int, nprobe: int, shares: int = 1
    ) -> Task:
        """Plan a search that may take one of `shares` parts of the budget."""
        view = view_for(self._lists, request)
        sizes = Sizes(
            queries=queries,
            nprobe=nprobe,
            longest=view.longest,
            k=request.k,
            pool=request.pool,
            nlist=view.lists.nlist,
        )
        a_query = max(bytes_a_query(sizes, *select_by(sizes, programs=self._programs)))
        budget = budget_for(self._device, a_query=a_query)
        planned = plan(sizes, programs=self._programs, budget=budget // shares)
        return Task(view=view, planned=planned, request=request)

    def _batch(self, queries: int, nprobe: int, segments: Segments) -> Batch:
        return Batch(
            queries=queries,
            nprobe=nprobe,
            nlist=self._lists.nlist,
            entries=self._entries[segments],
            dim=self._dim,
        )

    def _to_device(self, queries: Vectors) -> Tensor:
        # A copy: torch will not borrow what may not be written, such as a mapped file.
        return torch.from_numpy(np.array(queries, np.float32)).to(self._device)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        with turn_on(self._device):
            if self._threads and self._device.type == "cpu":
                torch.set_num_threads(self._threads)
            yield


class _Answers:
    """Collects the answers of one block after another."""

    def __init__(self, k: int, device: torch.device) -> None:
        self._near = [torch.empty((0, k), dtype=torch.int64, device=device)]
        self._work = Work()

    def take(self, passed: Passed, view: ListView) -> None:
        """Add a block. Its tensors are copied: the next may be put where they are."""
        self._near.append(passed.near.clone())
        list_nos = passed.probe.list_nos
        known = list_nos >= 0
        read = torch.where(known, view.lengths[list_nos.clamp(min=0)], 0)
        counted = torch.stack([known.sum(), read.sum(), (passed.pool != NONE).sum()])
        probed, entries, pooled = counted.tolist()
        self._work = Work(
            lists_probed=self._work.lists_probed + probed,
            entries_scanned=self._work.entries_scanned + entries,
            survivors=self._work.survivors + pooled,
            reranked=self._work.reranked + pooled,
        )

    @property
    def scanned(self) -> Scanned:
        """All of it, on the host."""
        rows, distances = (part.cpu().numpy() for part in answer(torch.cat(self._near)))
        return Scanned(
            rows=rows, distances=distances, short=count_short(rows), work=self._work
        )


def _stored(vectors: Vectors, device: torch.device, *, there: bool) -> RowStore:
    return DeviceRows(vectors, device) if there else HostRows(vectors)


def _suiting(kind: Kind, data: IndexData) -> Kind:
    if data.encoding.kind == "float32" and kind != "fp32":
        raise InvalidParamsError(
            f"the codes of this index are float32: they are scanned as fp32, not {kind}"
        )
    return kind


def _checked(threads: int) -> int:
    if threads < 0:
        raise InvalidParamsError(f"threads must be at least 0, got {threads}")
    return threads
