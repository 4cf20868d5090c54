"""Parameters of a build and of a search."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from gleann.index.arrays import Mask
from gleann.index.checks import require_integer, require_number, require_one_of
from gleann.index.errors import InvalidParamsError
from gleann.index.sizes import bytes_of

Metric = Literal["ip", "cosine", "l2"]
Spill = Literal["auto", "soar", "naive", "none"]
Segments = Literal["both", "primary"]
CodeKind = Literal["int8", "float32"]
CodesChoice = Literal["auto", "int8", "float32"]
Keep = Literal["f32", "f16", "bf16", "disk"]
EntryCodes = Literal["copied", "shared"]
Effort = Literal["even", "by_query"]

DEFAULT_TARGET_RECALL = 0.95
DEFAULT_LAMBDA = 1.0
"""Weight of the SOAR or AIR penalty if `spill_lambda` is None."""

ZERO_RESIDUAL = 1e-7
"""A squared residual below this share of the mean squared row length is zero."""


class RowFilter:
    """Rows of one index that searches may return, as `SoarIndex.allow` makes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildParams:
    """Fixed when an index is built; stored in its manifest.

    Attributes:
        metric: "ip" (inner product), "cosine" or "l2".
        spill: where each row's second copy goes: "soar" (AIR under l2), "naive"
            (second-nearest centroid) or "none". "auto" takes "soar" or "none" by the
            work that sample queries need at `target_recall`; `SoarIndex.params` says
            which, and `SoarIndex.spill_report` why.
        nlist: number of inverted lists, or "auto" to choose from the row count.
        spill_lambda: weight of the SOAR or AIR penalty on correlated residuals;
            None takes 1. At 0 nothing is spilled.
        kmeans_iterations: Lloyd iterations of the coarse quantizer.
        tune_queries: sample queries for "auto" and for the operating points behind
            `SearchParams.target_recall`, at most: queries given to the build, or rows
            that no centroid learns from (an eighth of them, a quarter of few rows). The
            more there are, the less is kept in hand for their spread. 0 measures
            nothing, and "auto" is then "soar".
        target_recall: recall@10 that spilling is chosen for; None weighs 0.95 and 0.99
            alike.
        seed: the only source of randomness in a build.
        codes: what is scanned: "int8" codes, a quarter of the size of the rows, or the
            rows in "float32". "auto" takes int8 unless sample queries show that it
            cannot tell rows apart; `SoarIndex.params` says which. Where nothing is
            measured, "auto" is int8.
        keep: what is kept of the rows, which are re-ranked: "f32"; "f16" or "bf16",
            half of that, and distances are those of the rounded rows; or "disk", which
            leaves float32 in the files of an index that is loaded, and reads the rows
            that a query re-ranks. An index that is built in memory has them there until
            it is saved.
        entry_codes: "copied" gives both entries of a row its code, which is faster;
            "shared" keeps each int8 code once; batches put lists together as they scan
            them, and a query on its own reads codes where they are. Float32 codes, and
            those of engines other than the native one, are always copied.
        projection: dimensions P of the int8 codes, at most those of a row; None codes
            rows in all of them. Codes are then smaller, and more rows are re-ranked, in
            full. Axes are fitted to the rows, and to a quarter of the sample queries
            that are given to the build. Lists stay those of the whole rows; the native
            and the reference engine search them.
        memory: bytes that a loaded index may take of memory, as a number or as text
            such as "8GB" or "512MiB"; mapped rows to re-rank count, files do not. Of
            `keep` and `entry_codes` those that have their defaults are chosen to fit,
            the fastest that do, and never by rounding rows; where none does, and rows
            have 256 dimensions or more, `projection` is half of them. A budget that
            none meets is refused. `SoarIndex.params` has what was chosen, and no
            `memory`.
    """

    metric: Metric = "cosine"
    spill: Spill = "auto"
    nlist: int | Literal["auto"] = "auto"
    spill_lambda: float | None = None
    kmeans_iterations: int = 8
    tune_queries: int = 10_000
    target_recall: float | None = None
    seed: int = 0
    codes: CodesChoice = "auto"
    keep: Keep = "f32"
    entry_codes: EntryCodes = "copied"
    projection: int | None = None
    memory: int | str | None = None

    def __post_init__(self) -> None:
        require_one_of("metric", self.metric, get_args(Metric))
        require_one_of("spill", self.spill, get_args(Spill))
        require_one_of("codes", self.codes, get_args(CodesChoice))
        require_one_of("keep", self.keep, get_args(Keep))
        require_one_of("entry_codes", self.entry_codes, get_args(EntryCodes))
        if self.memory is not None:
            bytes_of(self.memory, name="memory")
        _require_projection(self.projection, self.codes)
        if self.nlist != "auto":
            require_integer("nlist", self.nlist, at_least=1)
        _require_lambda(self.spill_lambda)
        require_integer("kmeans_iterations", self.kmeans_iterations, at_least=1)
        require_integer("tune_queries", self.tune_queries, at_least=0)
        _require_recall("target_recall", self.target_recall)
        require_integer("seed", self.seed, at_least=0)

    @property
    def assumed_spill(self) -> Spill:
        """Spilling used before "auto" is decided, and if it cannot be."""
        return "soar" if self.spill == "auto" else self.spill


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SearchParams:
    """Chosen at each search.

    Attributes:
        k: neighbours to return for each query; where the index has fewer rows, the
            answer has no id (-1 or "") and +inf behind the last.
        nprobe: lists to scan for each query; None takes the cheapest measured
            operating point that reaches `target_recall`.
        rerank: distinct rows to re-rank in float32, at least k; None takes what was
            measured to lose no neighbour, or a default that grows with k.
        target_recall: recall@k that queries of the kind that was measured reach with
            95 % confidence, when nprobe is None; None takes 0.95.
        exact: scan every row in float32 instead.
        allowed: bool (n,), True for each row (in `index.ids` order) that may be
            returned; or what `SoarIndex.allow` made of that, which is faster when asked
            again. None allows all.
        radius: rows at a greater distance are left out of the answer: -1 or "" and
            +inf in their places. Distances are compared in float32. None leaves out
            none.
        segments: scan both copies of spilled rows, or primaries only. Where nprobe is
            left to measurement, an engine may take primaries in place of both, with
            the probes that find as much.
        certain: False takes what a device's selection keeps as it is, where True looks
            again at lists in which it may have dropped a neighbour. It saves time on a
            device and cost 0.001 to 0.002 of recall@10 where that was measured
            (`index/engines/device/DECISIONS.md` 22). CPU engines drop nothing and
            ignore it.
        effort: "even" scans one number of lists for all queries; "by_query" as many as
            the first lists of each query say that it takes, where the build measured
            that this saves work at the recall asked for (`operating/effort.py`). It
            is for callers that send one query at a time: where it was measured, these
            took 1.0 to 1.1 times less time at recall 0.95 and 1.1 to 1.2 at 0.99; calls
            of 64 queries up to 1.5 times more. It has no effect with `nprobe`, `rerank`
            or a filter, beside rows newer than the index, on a device, and for k above
            100. Once the index has learned from queries that were asked (`learn`), as a
            service does from 100 that its recall probe repeated, it takes what is
            counted to reach the recall for these too, if anything does.
    """

    k: int = 10
    nprobe: int | None = None
    rerank: int | None = None
    target_recall: float | None = None
    exact: bool = False
    allowed: Mask | RowFilter | None = None
    radius: float | None = None
    segments: Segments = "both"
    certain: bool = True
    effort: Effort = "even"

    def __post_init__(self) -> None:
        require_integer("k", self.k, at_least=1)
        if self.nprobe is not None:
            require_integer("nprobe", self.nprobe, at_least=1)
        if self.rerank is not None:
            require_integer("rerank", self.rerank, at_least=self.k, floor_name="k")
        _require_recall("target_recall", self.target_recall)
        if self.target_recall is not None and self.nprobe is not None:
            raise InvalidParamsError(
                "give nprobe or target_recall, not both: "
                f"nprobe={self.nprobe}, target_recall={self.target_recall}"
            )
        if self.radius is not None:
            _require_radius(self.radius)
        segments: object = self.segments  # perhaps an array, which == compares
        if not isinstance(segments, str) or segments != "both":
            require_one_of("segments", segments, get_args(Segments))
        effort: object = self.effort
        if not isinstance(effort, str) or effort != "even":
            require_one_of("effort", effort, get_args(Effort))
        if self.exact is not False or self.certain is not True:
            _require_bool("exact", self.exact)
            _require_bool("certain", self.certain)


def _require_projection(projection: int | None, codes: CodesChoice) -> None:
    if projection is None:
        return
    require_integer("projection", projection, at_least=1)
    if codes == "float32":
        raise InvalidParamsError(
            f"projection is {projection}, which makes codes in int8, and codes is"
            " 'float32'"
        )


def _require_radius(radius: float) -> None:
    require_number("radius", radius)
    if not np.isfinite(radius):
        raise InvalidParamsError(f"radius must be finite, got {radius}")


def _require_bool(name: str, value: object) -> None:
    if not isinstance(value, bool | np.bool_):
        raise InvalidParamsError(f"{name} must be true or false, got {value!r:.80}")


def _require_lambda(value: float | None) -> None:
    if value is None:
        return
    require_number("spill_lambda", value)
    if not 0 <= value < float("inf"):
        raise InvalidParamsError(
            f"spill_lambda must be a finite number >= 0, got {value}"
        )


def _require_recall(name: str, value: float | None) -> None:
    if value is None:
        return
    require_number(name, value)
    if not 0 < value <= 1:
        raise InvalidParamsError(f"{name} must be in (0, 1], got {value}")
