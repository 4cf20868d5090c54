"""Results of a demo run, as one value and as JSON."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.service.demo.digits import Subset
from gleann.service.demo.estimating import Trial
from gleann.service.demo.found import DigitPictures, FoundWords
from gleann.service.demo.labelling import Run
from gleann.service.demo.scale import Scale
from gleann.service.demo.speed import Point
from gleann.service.demo.tour import Tour
from gleann.service.demo.wire import WirePoint


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedResult:
    """Recall and speed.

    Attributes:
        n: rows in the index.
        queries: number of queries.
        engine: name of the in-process engine.
        build_seconds: build time of every in-process index, by method.
        curves: Pareto-optimal points of every tuned method.
        raced: the fastest setting per method and target, timed alternately.
        wire: in process against gRPC, at SOAR's first target.
        wire_params: the search parameters of `wire`.
    """

    n: int
    queries: int
    engine: str
    build_seconds: dict[str, float]
    curves: dict[str, list[Point]]
    raced: dict[float, list[Point]]
    wire: list[WirePoint]
    wire_params: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConceptFacts:
    """One concept in the labelling runs.

    Attributes:
        name: the concept.
        prevalence: share of positives among the unambiguous words.
        positives: number among these words.
        test_positives: number among the held-out words.
    """

    name: str
    prevalence: float
    positives: int
    test_positives: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCheck:
    """The same labelling session through gRPC and in process.

    Attributes:
        concept: its name.
        batches: number of compared batches.
        same: whether every batch had the same words.
        seconds: duration of the remote session.
    """

    concept: str
    batches: int
    same: bool
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DigitsResult:
    """Subsets of the digits.

    Attributes:
        n: images to choose from.
        k: images to choose.
        subsets: one per method and seed.
        curve: weighted k-center by weight and seed.
        map: float64 (n, 2), first two principal components, first seed.
        labels: (n,) the digits.
        labelled: images labelled at the start.
        remote_same: whether service and library chose the same images.
    """

    n: int
    k: int
    subsets: list[Subset]
    curve: list[Subset]
    map: NDArray[np.float64]
    labels: NDArray[np.int64]
    labelled: int
    remote_same: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DemoResult:
    """Results of a whole run.

    Attributes:
        scale: sizes of the run.
        seed: the only source of randomness.
        words: number of indexed words.
        held_out: number of held-out words.
        tour: results of the service.
        speed: recall and speed.
        concepts: the labelled concepts.
        runs: labelling runs.
        session: the check of the remote session.
        trials: results of the estimates.
        digits: results of the subsets.
        found: words that the labelling found.
        pictures: digits that the methods chose.
        stages: duration of every stage in seconds.
        about: machine, versions, command and time.
    """

    scale: Scale
    seed: int
    words: int
    held_out: int
    tour: Tour
    speed: SpeedResult
    concepts: list[ConceptFacts]
    runs: list[Run]
    session: SessionCheck
    trials: list[Trial]
    digits: DigitsResult
    found: list[FoundWords]
    pictures: list[DigitPictures]
    stages: dict[str, float]
    about: dict[str, Any]


def as_json(result: DemoResult) -> dict[str, Any]:
    """All figures of the report; the JSON writer converts arrays."""
    plain = asdict(result)
    for target, race in result.speed.raced.items():
        rows = plain["speed"]["raced"][target]
        for row, point in zip(rows, race, strict=True):
            row["qps"] = point.qps
    # Coordinates and pictures of the report; of no use in the JSON.
    del plain["digits"]["map"]
    del plain["pictures"]
    return plain
