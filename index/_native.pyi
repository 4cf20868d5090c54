"""The compiled kernels; see native/bind/module.cpp."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

def runnable_tiers() -> list[str]: ...
def usable_cores() -> int: ...
def limit_cores(cores: int) -> None: ...
def watch(callback: Callable[[], None] | None) -> None: ...
def mutual_neighbours(
    rows: NDArray[np.int32], distances: NDArray[np.float32], *, k: int, threads: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]: ...
def unit_rows(
    vectors: NDArray[np.float32], *, tier: str, threads: int
) -> tuple[NDArray[np.float32], list[int]]: ...
def quantise_rows(
    vectors: NDArray[np.float32],
    center: NDArray[np.float32],
    *,
    tier: str,
    threads: int,
) -> tuple[NDArray[np.int8], NDArray[np.float32]]: ...
def project_rows(
    vectors: NDArray[np.float32],
    axes: NDArray[np.float32],
    center: NDArray[np.float32],
    *,
    tier: str,
    threads: int,
) -> NDArray[np.float32]: ...
def measure_codes(
    rows: NDArray[np.float32],
    center: NDArray[np.float32],
    codes: NDArray[np.int8],
    scales: NDArray[np.float32],
    *,
    threads: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]: ...
def keep_first(
    later: NDArray[np.int32], earlier: NDArray[np.int32], may: NDArray[np.bool_]
) -> NDArray[np.bool_]: ...

class JoinSide:
    def __init__(
        self,
        *,
        codes: NDArray[np.int8],
        scales: NDArray[np.float32],
        squares: NDArray[np.float32],
        errors: NDArray[np.float32],
        vectors: NDArray[np.float32],
        offsets: NDArray[np.int64],
        members: NDArray[np.int32],
        centroids: NDArray[np.int8],
        centroid_scales: NDArray[np.float32],
        centroid_squares: NDArray[np.float32],
        tier: str,
        threads: int,
    ) -> None: ...

class ListJoin:
    def __init__(
        self, x: JoinSide, y: JoinSide, *, metric: str, most: float
    ) -> None: ...
    @property
    def nlist(self) -> int: ...
    @property
    def lists_at_once(self) -> int: ...
    @property
    def work(self) -> tuple[int, int, int]: ...
    def open(self, first: int, last: int) -> None: ...
    def next(
        self, room: int
    ) -> tuple[bool, NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]: ...

class RowFile:
    def __init__(
        self, *, descriptor: int, name: str, start: int, n: int, d: int
    ) -> None: ...
    def read(self, rows: NDArray[np.int32]) -> NDArray[np.float32]: ...

class NewerPart:
    @property
    def first(self) -> int: ...
    @property
    def end(self) -> int: ...

class NewerRows: ...

class Scanner:
    def __init__(
        self,
        *,
        metric: str,
        center: NDArray[np.float32],
        directions: NDArray[np.int8] | NDArray[np.float32],
        direction_scales: NDArray[np.float32],
        direction_biases: NDArray[np.float32],
        offsets: NDArray[np.int64],
        mids: NDArray[np.int64],
        rows: NDArray[np.int32],
        others: NDArray[np.int32],
        codes: NDArray[np.int8] | NDArray[np.float32],
        scales: NDArray[np.float32],
        biases: NDArray[np.float32],
        vectors: NDArray[np.float32] | NDArray[np.uint16] | RowFile,
        half: str,
        entry_codes: str,
        axes: NDArray[np.float32],
        axes_center: NDArray[np.float32],
        tier: str,
        threads: int,
    ) -> None: ...
    @property
    def tier(self) -> str: ...
    @property
    def nbytes(self) -> dict[str, int]: ...
    def rank_lists(
        self, queries: NDArray[np.float32], *, nprobe: int, threads: int
    ) -> NDArray[np.int32]: ...
    def scan(
        self,
        queries: NDArray[np.float32],
        list_nos: NDArray[np.int32],
        *,
        k: int,
        rerank: int,
        allowed: NDArray[np.bool_] | None,
        primary_only: bool,
        newer: object = None,
        newer_only: bool = False,
        exact: NDArray[np.float32] | None = None,
        threads: int,
    ) -> tuple[
        NDArray[np.int64], NDArray[np.float32], int, tuple[int, int, int, int]
    ]: ...
    def search(
        self,
        queries: NDArray[np.float32],
        nprobe: int,
        to_unit: bool,
        k: int,
        rerank: int,
        allowed: NDArray[np.bool_] | None,
        primary_only: bool,
        threads: int,
        newer: object = None,
    ) -> tuple[
        NDArray[np.int64], NDArray[np.float32], int, tuple[int, int, int, int]
    ]: ...
    def search_by_effort(
        self,
        queries: NDArray[np.float32],
        nprobe: int,
        first: int,
        deep_rows: int,
        budgets: NDArray[np.int32],
        to_unit: bool,
        k: int,
        rerank: int,
        threads: int,
    ) -> tuple[
        NDArray[np.int64], NDArray[np.float32], int, tuple[int, int, int, int]
    ]: ...
    def search_chosen(
        self,
        queries: NDArray[np.float32],
        ranker: Scanner,
        ranked: int,
        sizes: NDArray[np.int64],
        kept: NDArray[np.float64],
        entries: NDArray[np.int64] | None,
        reach: float,
        share: float,
        nprobe: int,
        to_unit: bool,
        k: int,
        rerank: int,
        allowed: NDArray[np.bool_] | None,
        primary_only: bool,
        threads: int,
        newer: object = None,
    ) -> tuple[
        tuple[NDArray[np.int64], NDArray[np.float32], int, tuple[int, int, int, int]],
        NDArray[np.bool_],
    ]: ...
    def pack(
        self,
        *,
        offsets: NDArray[np.int64],
        mids: NDArray[np.int64],
        rows: NDArray[np.int32],
        others: NDArray[np.int32],
        codes: NDArray[np.int8] | NDArray[np.float32],
        scales: NDArray[np.float32],
        biases: NDArray[np.float32],
        first: int,
        flat: bool,
        threads: int,
    ) -> NewerPart: ...
    def newer_rows(
        self,
        *,
        parts: Sequence[object],
        vectors: NDArray[np.float32],
        allowed: NDArray[np.bool_] | None = None,
        sealed_alive: NDArray[np.uint8] | None = None,
    ) -> NewerRows: ...

class Assigner:
    def __init__(
        self,
        *,
        centroids: NDArray[np.float32],
        biases: NDArray[np.float32],
        tier: str,
    ) -> None: ...
    def assign(
        self,
        vectors: NDArray[np.float32],
        *,
        rule: str,
        spill_lambda: float,
        zero: float,
        threads: int,
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]: ...
    def assign_among(
        self,
        vectors: NDArray[np.float32],
        list_nos: NDArray[np.int32],
        *,
        rule: str,
        spill_lambda: float,
        zero: float,
        threads: int,
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]: ...

class Points:
    def __init__(
        self, vectors: NDArray[np.float32], *, tier: str, threads: int
    ) -> None: ...
    @property
    def tier(self) -> str: ...
    def squared(
        self, a: NDArray[np.int64], b: NDArray[np.int64]
    ) -> NDArray[np.float64]: ...

class Covering:
    def __init__(self, points: Points) -> None: ...
    def cover(self, rows: NDArray[np.int64]) -> None: ...
    @property
    def squared(self) -> NDArray[np.float64]: ...
    @property
    def nearest(self) -> NDArray[np.int64]: ...
    @property
    def pruned(self) -> int: ...
