"""Device search from queries to neighbours: one pipeline for both scanners."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from gleann.index.arrays import ListNos, Rows, Vectors
from gleann.index.checks import require_finite, require_threads
from gleann.index.engines.contract import (
    FoundOnDevice,
    IndexData,
    Scanned,
    ScanRequest,
)
from gleann.index.engines.device.answers import (
    Answers,
    HostAnswers,
    Staging,
    TensorAnswers,
)
from gleann.index.engines.device.layout.layout import lay_out, shuffled
from gleann.index.engines.device.layout.view import view_for
from gleann.index.engines.device.plan.choice import ceilings_of, programs_on
from gleann.index.engines.device.plan.kinds import Kind
from gleann.index.engines.device.plan.memory import FreeMemory, admit, kinds_for
from gleann.index.engines.device.plan.planner import (
    MOST_QUERIES,
    Sizes,
    bytes_a_query,
    choose_segments,
    plan,
    select_by,
)
from gleann.index.engines.device.plan.roofline import Batch
from gleann.index.engines.device.recorded import recorded_blocks
from gleann.index.engines.device.recording import (
    RECORDED_SHARE,
    Recorder,
    Recordings,
    padded_size,
    size_within,
)
from gleann.index.engines.device.steps.coarse import DeviceRanking
from gleann.index.engines.device.steps.passes import (
    Parts,
    Task,
    first_pass,
    room_for,
    second_pass,
)
from gleann.index.engines.device.steps.rerank import DeviceRows, HostRows
from gleann.index.engines.device.steps.scan import Scanner
from gleann.index.engines.device.tensors import prepared_tensor
from gleann.index.engines.device.turns import finish, turn_on
from gleann.index.errors import DeviceMemoryError, InvalidParamsError
from gleann.index.metric import prepare
from gleann.index.parallel.blocks import block_slices
from gleann.index.params import Segments


class DeviceEngine:
    """Ranks, scans, merges and re-ranks on one device; see `Engine`.

    The k best rows by scan score are exact: pairs whose buckets may have dropped one of
    them are scanned again (`certificate.py`). The other re-ranked rows may miss a row
    that a bucket dropped: for these, answers can depend on the other queries of the
    batch.

    Threads use the device in turn; see `turns.py` for the errors of a failed device.

    Attributes:
        ranking: ranks the lists of queries.
        parts: the scanner, the rows and the metric that the passes share.
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
            scanner: scans and merges.
            device: device of the tensors.
            kind: number kind of the scan; None takes the best that fits the device.
            recorder: records the first pass for later batches; None runs its steps one
                by one.
            threads: torch threads if the device is the CPU; 0 leaves the setting.

        Raises:
            DeviceMemoryError: the device has too little memory.
            InvalidParamsError: `threads` below 0; a `kind` that does not match the
                codes of the index.
        """
        self._device = device
        self._threads = _checked(threads)
        self._programs = programs_on(device)
        self._dim = data.vectors.shape[1]
        self._entries = {"both": data.lists.entries, "primary": len(data.vectors)}
        order = shuffled(data)  # outside the turn: others may use the device
        with turn_on(device):
            kinds = (_suiting(kind, data),) if kind else kinds_for(data, device)
            chosen, fitting = admit(data, kinds=kinds, device=device)
            self.ranking = DeviceRanking(data.centroids, data.encoding, device)
            rows = DeviceRows(data.vectors, device) if fitting.rows else None
            self._lists = lay_out(
                data,
                kind=chosen,
                device=device,
                order=order,
                resident=None if rows is None else rows.vectors,
            )
            finish(device)  # searches may run on other streams
            self._free = FreeMemory(device)
        self.parts = Parts(
            scanner=scanner,
            rows=rows or HostRows(data.vectors),
            metric=data.metric,
        )
        self._staging = Staging(device)
        # Rows in host memory are gathered by the host, which cannot be recorded.
        self._recordings = None
        if recorder is not None and rows is not None:
            self._recordings = Recordings(recorder, device, recorded=self._free.refresh)

    @property
    def name(self) -> str:
        """Scanner, device and kind, such as "triton/cuda/bf16"."""
        scanner, kind = self.parts.scanner.name, self._lists.kind
        return f"{scanner}/{self._device.type}/{kind}"

    def with_threads(self, threads: int) -> "DeviceEngine":
        """See `Engine.with_threads`."""
        other = copy(self)
        other._threads = _checked(threads)
        return other

    def choose_segments(self, *, both: int, primary: int, queries: int) -> Segments:
        """Choose by predicted cost on this device; see `Engine.choose_segments`."""
        return choose_segments(
            self._batch(queries, both, "both"),
            self._batch(queries, primary, "primary"),
            kind=self._lists.kind,
            on=ceilings_of(self._device),
        )

    def rank_lists(self, queries: Vectors, *, nprobe: int) -> ListNos:
        """Score all lists on the device; see `Engine.rank_lists`."""
        with self._turn():
            best = self.ranking.best(self._to_device(queries), nprobe=nprobe)
            return best.to(torch.int32).cpu().numpy()

    @property
    def device(self) -> torch.device:
        """The device of the search."""
        return self._device

    def search(self, queries: Vectors, *, nprobe: int, request: ScanRequest) -> Scanned:
        """Rank and scan on the device; see `Engine.search`."""
        require_finite(queries, name="queries")
        prepared = prepare(queries, self.parts.metric, name="queries")
        with self._turn():
            return self._search(self._to_device(prepared), nprobe, request)

    def search_resident(
        self, queries: Tensor, *, nprobe: int, request: ScanRequest
    ) -> Scanned:
        """`search` for prepared float32 queries (nq, d) on the device."""
        with self._turn():
            return self._search(queries, nprobe, request)

    def search_tensors(
        self, queries: Tensor, *, nprobe: int, request: ScanRequest
    ) -> FoundOnDevice:
        """Search without copying queries or answers to the host.

        All work runs on torch's current stream of the device, with one synchronisation.

        Args:
            queries: float32 (nq, d), contiguous, on the device; not prepared.
            nprobe: lists per query.
            request: the search request, over all rows.

        Raises:
            NonFiniteError, ZeroVectorError, InvalidInputError: as in `search`.
        """
        with self._turn():
            prepared, faulty = prepared_tensor(queries, self.parts.metric)
            found = TensorAnswers(faulty, k=request.k)
            self._find(prepared, nprobe, request, found)
            rows, distances = found.nearest
        if found.faulty:  # the host check names the row
            given = queries.cpu().numpy()
            require_finite(given, name="queries")
            prepare(given, self.parts.metric, name="queries")
        return FoundOnDevice(
            rows=rows, distances=distances, short=found.short, work=found.work
        )

    def search_rows(self, rows: Rows, *, nprobe: int, request: ScanRequest) -> Scanned:
        """See `SearchesRows.search_rows`."""
        with self._turn():
            asking = torch.from_numpy(rows).to(self._device)
            return self._search(self.parts.rows.gather(asking), nprobe, request)

    def scan(
        self, queries: Vectors, list_nos: ListNos, request: ScanRequest
    ) -> Scanned:
        """Keep the best scan scores and re-rank those rows; see `Engine.scan`."""
        with self._turn():
            chosen = torch.from_numpy(list_nos.astype(np.int64)).to(self._device)
            found = HostAnswers(self._staging, count=len(queries), k=request.k)
            self._scan(self._to_device(queries), chosen, request, found)
            found.unanswered()
            return found.scanned

    def _search(self, queries: Tensor, nprobe: int, request: ScanRequest) -> Scanned:
        found = HostAnswers(self._staging, count=len(queries), k=request.k)
        self._find(queries, nprobe, request, found)
        return found.scanned

    def _find(
        self, queries: Tensor, nprobe: int, request: ScanRequest, found: Answers
    ) -> None:
        """Search prepared queries and store all answers in `found`."""
        nprobe = min(nprobe, self._lists.nlist)
        if self._recordings is None or request.allowed is not None:
            best = self._best_lists(queries, nprobe)
            self._scan(queries, best, request, found)
            found.unanswered()
            return
        task = self._recorded_task(request, queries=len(queries), nprobe=nprobe)
        blocks = recorded_blocks(
            queries,
            nprobe=nprobe,
            ranking=self.ranking,
            parts=self.parts,
            task=task,
            recordings=self._recordings,
        )
        for answers, count in blocks:
            found.take(answers, count)
        numbers = found.unanswered()
        if len(numbers):
            again = queries[torch.from_numpy(numbers).to(self._device)]
            best = self.ranking.best(again, nprobe=nprobe)
            others = found.like(len(numbers))
            self._take_steps(again, best, task, others)
            found.replace(numbers, others)

    def _scan(
        self,
        queries: Tensor,
        list_nos: Tensor,
        request: ScanRequest,
        found: Answers,
    ) -> None:
        if list_nos.shape[1] == 0:
            list_nos = list_nos.new_full((len(queries), 1), -1)
        task = self.task(request, queries=len(queries), nprobe=list_nos.shape[1])
        self._take_steps(queries, list_nos, task, found)

    def _take_steps(
        self, queries: Tensor, list_nos: Tensor, task: Task, found: Answers
    ) -> None:
        """Both passes, block by block and unrecorded; every query is answered."""
        for block in block_slices(len(queries), task.planned.block):
            asked = queries[block]
            passed = first_pass(asked, list_nos[block], parts=self.parts, task=task)
            if task.request.certain:
                passed = second_pass(passed, asked, parts=self.parts, task=task)
            none = torch.zeros(len(asked), dtype=torch.bool, device=asked.device)
            found.take(self.parts.scanner.pack(passed.found, none), len(asked))

    def _best_lists(self, queries: Tensor, nprobe: int) -> Tensor:
        """The best lists of each query; queries in doubt are ranked in full."""
        shape = (len(queries), nprobe)
        best = torch.empty(shape, dtype=torch.int64, device=queries.device)
        # A kernel of the coarse step takes a few more kilobytes per query.
        for block in block_slices(len(queries), MOST_QUERIES):
            best[block], doubted = self._likely(queries[block], nprobe)
            again = doubted.nonzero()[:, 0] + block.start
            if len(again):
                best[again] = self.ranking.best(queries[again], nprobe=nprobe)
        return best

    def _likely(self, queries: Tensor, nprobe: int) -> tuple[Tensor, Tensor]:
        return self.parts.scanner.likely(self.ranking, queries, nprobe=nprobe)

    def _recorded_task(
        self, request: ScanRequest, *, queries: int, nprobe: int
    ) -> Task:
        """Plan a search: blocks of a padded size, and capacity for second scans."""
        size = padded_size(min(queries, MOST_QUERIES))
        task = self.task(request, queries=size, nprobe=nprobe, share=RECORDED_SHARE)
        room = room_for(
            task.planned,
            queries=min(size, size_within(task.planned.block)),
            longest=task.view.longest,
            budget=task.budget,
        )
        return replace(task, room=room)

    def task(
        self, request: ScanRequest, *, queries: int, nprobe: int, share: int = 1
    ) -> Task:
        """Plan a search within 1 / `share` of the memory budget."""
        view = view_for(self._lists, request)
        sizes = Sizes(
            queries=queries,
            nprobe=nprobe,
            longest=view.longest,
            k=request.k,
            rerank=request.rerank,
            nlist=view.lists.nlist,
        )
        a_query = max(bytes_a_query(sizes, *select_by(sizes, programs=self._programs)))
        budget = self._free.budget(a_query=a_query) // share
        planned = plan(sizes, programs=self._programs, budget=budget)
        return Task(view=view, planned=planned, request=request, budget=budget)

    def _batch(self, queries: int, nprobe: int, segments: Segments) -> Batch:
        return Batch(
            queries=queries,
            nprobe=nprobe,
            nlist=self._lists.nlist,
            entries=self._entries[segments],
            dim=self._dim,
        )

    def _to_device(self, queries: Vectors) -> Tensor:
        # Copied: torch cannot wrap read-only memory, such as a mapped file.
        return torch.from_numpy(np.array(queries, np.float32)).to(self._device)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        try:
            with turn_on(self._device):
                if self._threads and self._device.type == "cpu":
                    torch.set_num_threads(self._threads)
                yield
        except DeviceMemoryError:
            self._free.forget()  # other threads or processes allocated memory meanwhile
            raise


def _suiting(kind: Kind, data: IndexData) -> Kind:
    if data.encoding.kind == "float32" and kind != "fp32":
        raise InvalidParamsError(
            f"the codes of this index are float32: they are scanned as fp32, not {kind}"
        )
    return kind


def _checked(threads: int) -> int:
    require_threads(threads)
    return threads
