"""Everything a demo run found, as one value, and as JSON."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.service.demo.digits import Subset
from gleann.service.demo.estimating import Trial
from gleann.service.demo.labelling import Run
from gleann.service.demo.scale import Scale
from gleann.service.demo.speed import Point
from gleann.service.demo.tour import Tour
from gleann.service.demo.wire import WirePoint


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedResult:
    """Recall and speed.

    Attributes:
        n: rows that were searched.
        queries: that were asked.
        engine: that scanned in process.
        build_seconds: of every in-process index, by method.
        curves: Pareto-best points of every tuned method.
        raced: the fastest setting of every method at every target, timed in turns.
        wire: in process against gRPC, at SOAR's first target.
        wire_params: the setting that the wire was measured with.
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
    """One concept as the labelling runs saw it.

    Attributes:
        name: of the concept.
        prevalence: share of positives among the words one can be asked about.
        positives: among them.
        test_positives: among the held-out words.
    """

    name: str
    prevalence: float
    positives: int
    test_positives: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCheck:
    """The same labelling session through gRPC and in process.

    Attributes:
        concept: that was labelled.
        batches: compared.
        same: whether every batch held the same words.
        seconds: of the remote session.
    """

    concept: str
    batches: int
    same: bool
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DigitsResult:
    """Subsets of the digits.

    Attributes:
        n: images to choose among.
        k: chosen.
        subsets: every method and seed.
        curve: weighted k-center over its weights, every seed.
        map: float64 (n, 2), first two principal components, first seed.
        labels: (n,) the digits.
        labelled: images labelled at the start.
        remote_same: whether the service chose the same images as the library.
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
    """A whole run.

    Attributes:
        scale: how much was done.
        seed: the only source of randomness.
        words: words in the base.
        held_out: words kept aside.
        tour: the service's part.
        speed: recall and speed.
        concepts: what was to be found.
        runs: labelling runs.
        session: the check of the remote session.
        trials: estimates.
        digits: subsets.
        stages: seconds of every stage.
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
    stages: dict[str, float]
    about: dict[str, Any]


def as_json(result: DemoResult) -> dict[str, Any]:
    """Every figure behind the report; arrays are left for the JSON writer."""
    plain = asdict(result)
    for target, race in result.speed.raced.items():
        rows = plain["speed"]["raced"][target]
        for row, point in zip(rows, race, strict=True):
            row["qps"] = point.qps
    # The picture is in the report; 1,200 pairs of coordinates say nothing here.
    del plain["digits"]["map"]
    return plain
