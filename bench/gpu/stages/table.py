"""The stages of `bench.gpu` by name, with the seconds that each may take."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.gpu.run import Run
from bench.gpu.stages.build import build
from bench.gpu.stages.ceilings import ceilings
from bench.gpu.stages.coarse import coarse
from bench.gpu.stages.conformance import conformance
from bench.gpu.stages.exact import exact
from bench.gpu.stages.kernel import kernel
from bench.gpu.stages.machine import machine
from bench.gpu.stages.peers import peers
from bench.gpu.stages.search import latency, search
from bench.gpu.stages.select import select
from bench.gpu.unit import Options, Unit


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage.

    Attributes:
        work: takes the run and the name of a data set, or "" where it needs none.
        seconds: that it may take, on one data set.
        on_a_set: whether it needs a data set.
    """

    work: Callable[[Run, str], None]
    seconds: float
    on_a_set: bool = True


STAGES = {
    "machine": Stage(machine, 20, on_a_set=False),
    "conformance": Stage(conformance, 120, on_a_set=False),
    "ceilings": Stage(ceilings, 20, on_a_set=False),
    "kernel": Stage(kernel, 30),
    "coarse": Stage(coarse, 20),
    "exact": Stage(exact, 40),
    "search": Stage(search, 100),
    "latency": Stage(latency, 20),
    "build": Stage(build, 60),
    "select": Stage(select, 40),
    "peers": Stage(peers, 90),
}


def units_of(
    stages: list[str], sets: list[str], options: Options, *, patience: float = 1.0
) -> list[Unit]:
    """Stages without a data set, then one data set after another, sharing builds.

    Args:
        stages: names, in the order wanted.
        sets: names of data sets.
        options: of all of them.
        patience: times the limits of the stages.
    """
    alone = [(stage, "") for stage in stages if not STAGES[stage].on_a_set]
    others = [
        (stage, name) for name in sets for stage in stages if STAGES[stage].on_a_set
    ]
    return [
        Unit(
            stage=stage,
            name=name,
            seconds=STAGES[stage].seconds * patience,
            options=options,
        )
        for stage, name in alone + others
    ]
